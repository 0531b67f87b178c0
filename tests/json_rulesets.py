"""Random rulesets over JSON shapes, and what Python's `json` says of their traces."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulesets import Author, Shape, numeric_type

from rulec.dsl import checked as c

if TYPE_CHECKING:
    from random import Random

TEXTS = [
    "/[ab]{1,3}/",
    "/a|bc|[0-9]+/",
    r'/["\\]{1,2}/',
    r"/[^b-\x7f]{0,2}/",
    r"/[\n-\r\x00é]x?/",
]
LIMITS = ["", "{0..4}", "{2..5}", "{1..}", " without /a|é😀/", "{2..5} without /ab|\\n/"]
SHORT = ['/["a]b/', "/[a-c]/", "/[ab]{1,3}/"]
WORDS = ["a", "ab", 'a\\"b', "née", "\\n", "x\\\\"]


@dataclass
class Json(Shape):
    """A JSON shape under way."""

    compact: bool = False

    def text(self) -> str:
        plain = super().text().removeprefix("shape ")
        return f"json {'compact ' if self.compact else ''}{plain}"


class JsonAuthor(Author):
    """Writes rulesets whose shapes are JSON shapes."""

    def scalar(self, shape: Shape, *, optional: bool = False) -> str:
        r = self.r
        kind = r.random()
        if kind < 0.15:
            name, type_ = self.name(), "text " + r.choice(TEXTS)
            shape.words.append((name, "a"))
        elif kind < 0.25:
            name, words = self.name(), r.sample(WORDS, r.randint(1, 3))
            type_ = "one of (" + " ".join(f'"{word}"' for word in words) + ")"
            shape.words.append((name, words[0]))
        elif kind < 0.35 and self.prose:
            name, type_ = self.name(), "prose" + r.choice(LIMITS)
        else:
            written = super().scalar(shape)
            while "prose" in written:
                written = super().scalar(shape)
            name, _, type_ = written.partition(": ")
        if optional:
            shape.optional.append(name)
        return f"{name}{'?' if optional else ''}: {type_}"

    def element(self, shape: Shape, depth: int) -> str:
        r = self.r
        kind = r.choices(
            ["field", "optional", "list", "texts", "records", "nested"],
            [8, 3, 1.2, 0.6, 2 if depth else 0, 1 if depth else 0],
        )[0]
        count = r.choice(["", f"{{{self.count()}}}"])
        match kind:
            case "field":
                return self.scalar(shape)
            case "optional":
                return self.scalar(shape, optional=True)
            case "list":
                name = self.name()
                shape.lists.append((name, None))
                return f"{name}: [{numeric_type(r)}]{count}"
            case "texts":
                name = self.name()
                if r.random() < 0.5:
                    shape.rules.append(f"rule {name}: distinct({name})")
                return f"{name}: [text {r.choice(SHORT)}]{count}"
            case "records":
                name, inner = self.name(), self.shape(depth - 1, listed=True)
                shape.lists.append((name, inner))
                return f"{name}{r.choice(['', '?'])}: [{inner.name}]{count}"
            case _:
                name, inner = self.name(), self.shape(depth - 1)
                shape.numbers += [f"{name}.{n}" for n in inner.numbers]
                return f"{name}: {inner.name}"

    def make(self, *, listed: bool) -> Shape:
        compact = self.r.random() < 0.3
        return Json(f"S{len(self.shapes) + 1}", listed=listed, compact=compact)


def json_author(r: Random, **options: bool) -> str:
    """A random ruleset over JSON shapes."""
    return JsonAuthor(r, **options).ruleset()


# --- traces ---


def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object whose members differ."""
    assert len(dict(found)) == len(found)
    return dict(found)


def loaded(text: str) -> Any:
    """What a JSON text holds; numbers keep their digits."""
    return json.loads(text, object_pairs_hook=pairs, parse_float=Digits, parse_int=Digits)


class Digits(str):
    """A number as it is written."""

    __slots__ = ()


class Shown:
    """Compares JSON values with the shapes of a ruleset."""

    def __init__(self, ruleset: c.Ruleset) -> None:
        self._ruleset = ruleset

    def check(self, shape: str, value: Any) -> None:
        """The members of an object are those of its shape, in its order, of its types."""
        spec = self._ruleset.shapes[shape]
        slots = _slots(spec.body)
        order = [slot.name for slot in slots]
        assert isinstance(value, dict)
        assert list(value) == [name for name in order if name in value]
        for slot in slots:
            name = slot.name or ""
            info = spec.fields[name]
            if name not in value:
                assert f"{name}?" in spec.span.source.text
            elif info.cardinality == "list":
                assert isinstance(value[name], list)
                for item in value[name]:
                    self.item(slot.type, item)
            else:
                self.item(slot.type, value[name])

    def item(self, type_: c.Type, value: Any) -> None:
        """A value is of its type."""
        match type_:
            case c.ShapeType(shape):
                self.check(shape, value)
            case c.IntType() | c.DecimalType():
                assert isinstance(value, Digits)
                inside = Fraction(value)
                assert type_.low is None or inside >= type_.low
                assert type_.high is None or inside <= type_.high
            case c.BoolType():
                assert isinstance(value, bool)
            case c.EnumType(words):
                assert value in words
            case c.DateType():
                assert date.fromisoformat(value)
            case _:
                assert isinstance(value, str)
                assert not isinstance(value, Digits)


def _slots(element: c.Element) -> list[c.Slot]:
    match element:
        case c.Slot():
            return [element]
        case c.Sequence(parts):
            return [slot for part in parts for slot in _slots(part)]
        case c.Optional(body) | c.Repeat(body):
            return _slots(body)
        case _:
            return []
