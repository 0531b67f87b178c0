"""A JSON Schema as a ruleset: each object is a JSON shape.

What is written under the ruleset is valid under the schema, but for what is noted: everything
that rules don't carry is, nothing is dropped in silence.
"""

from __future__ import annotations

import json
import re
from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any
from urllib.parse import unquote

from rulec.dsl.cycles import components
from rulec.dsl.format import format_text
from rulec.dsl.regex import LARGEST_COUNT
from rulec.dsl.schema_places import Note, Place, step
from rulec.dsl.schema_values import Value, value_of
from rulec.dsl.scope import BUILT_IN_TYPES, RESERVED

MOST_HOPS = 50
"""References that lead from one to the next."""

FARTHEST = 40
"""Powers of ten up to which numbers are read."""

_SINGLE = ("allOf", "anyOf", "oneOf")
_TOLD_BY = {
    "properties": "object",
    "items": "array",
    "pattern": "string",
    "minLength": "string",
    "maxLength": "string",
    "format": "string",
    "minimum": "number",
    "maximum": "number",
    "exclusiveMinimum": "number",
    "exclusiveMaximum": "number",
    "multipleOf": "number",
}
"""What a schema that doesn't state its type is written as."""


class BadSchema(Exception):
    """The text is no JSON Schema of an object."""


@dataclass(frozen=True, slots=True)
class Imported:
    """A ruleset, and what of the schema it doesn't carry."""

    text: str
    notes: tuple[Note, ...]


def import_schema(text: str, name: str, depth: int) -> Imported:
    """The ruleset of a schema; shapes that hold themselves do so to a `depth`.

    Raises `BadSchema`.
    """
    schema = _read(text)
    importer = _Importer(schema, depth)
    root = importer.root(name)
    notes = tuple(dict.fromkeys(importer.notes))
    lines = [f"# From the JSON Schema {_one_line(name)}."]
    if notes:
        lines += ["# Not carried over:"]
        lines += [f"#   {_one_line(note.pointer)}: {_one_line(note.reason)}" for note in notes]
    lines += [f'ruleset {_word(name.lower()) or "schema"} "1.0"', ""]
    lines += [part for shape in importer.shapes.values() for part in importer.lines(shape)]
    whole = "\n".join([*lines, f"trace {root}", ""])
    laid = format_text(whole, name)
    return Imported(laid if isinstance(laid, str) else whole, notes)


def _read(text: str) -> dict[str, Any]:
    try:
        schema = json.loads(text, parse_float=_exact, parse_constant=_exact)
    except RecursionError:
        raise BadSchema("it nests too deeply") from None
    except ValueError as error:
        raise BadSchema(f"it is no JSON: {error}") from error
    if not isinstance(schema, dict):
        raise BadSchema("it is no schema of an object")
    return schema


def _exact(text: str) -> Fraction:
    value = Decimal(text)
    if not value.is_finite() or abs(value.adjusted()) > FARTHEST or len(text) > 2 * FARTHEST:
        raise ValueError(f"`{text[:20]}` is no number that can be compared")
    return Fraction(value)


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _word(text: str) -> str:
    """A name out of any text; empty where nothing of it can stand in one."""
    found = re.sub(r"\W+", "_", text).strip("_")
    return found if found.isidentifier() and found not in RESERVED else ""


@dataclass(slots=True)
class _Shape:
    """One JSON shape: its members and rules as text, and the shapes in it."""

    name: str
    members: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)
    item: str = "item"
    """A variable that hides no member."""


class _Importer:
    """Goes through the objects of a schema, each once."""

    def __init__(self, schema: dict[str, Any], depth: int) -> None:
        self.notes: list[Note] = []
        self.shapes: dict[str, _Shape] = {}
        self._schema = schema
        self._depth = depth
        self._queue: deque[tuple[Place, _Shape]] = deque()

    def root(self, name: str) -> str:
        """Carry everything over; the name of the outermost shape."""
        found = self._resolved(Place(self._schema, "#", self.notes))
        if found is None or _kind(found) != "object" or not _closed(found):
            raise BadSchema("its root is no object with stated properties")
        title = found.schema.get("title")
        shown = title if isinstance(title, str) and _word(title) else name
        shape = self._shape(found, shown)
        while self._queue:
            self._fill(*self._queue.popleft())
        rings = self._rings()
        if rings:
            shown = ", ".join(sorted(rings))
            reason = f"a shape stands inside itself {self._depth} times at most: {shown}"
            self.notes.append(Note("#", reason))
        return shape.name

    def lines(self, shape: _Shape) -> list[str]:
        """The text of a shape."""
        depth = f" up to {self._depth}" if shape.name in self._rings() else ""
        rules = ["", *shape.rules] if shape.rules else []
        return [f"json {shape.name}{depth} {{", *shape.members, *rules, "}", ""]

    def _rings(self) -> set[str]:
        """The shapes that can come to hold themselves."""
        edges = {shape.name: shape.inside for shape in self.shapes.values()}
        number = components(edges)
        return {
            name
            for name, inner in edges.items()
            if any(number[n] == number[name] for n in inner)
        }

    def _shape(self, place: Place, shown: str) -> _Shape:
        known = self.shapes.get(place.pointer)
        if known is not None:
            return known
        base = _word(shown.title().replace("_", "")) or "Object"
        taken = {shape.name for shape in self.shapes.values()} | BUILT_IN_TYPES
        name, number = base, 2
        while name in taken:
            name, number = f"{base}{number}", number + 1
        shape = self.shapes[place.pointer] = _Shape(name)
        self._queue.append((place, shape))
        return shape

    # --- schemas ---

    def _resolved(self, place: Place) -> Place | None:
        """A schema behind its references and its only options; None where there is none."""
        for _ in range(MOST_HOPS):
            if "$ref" in place:
                found = self._followed(place)
            else:
                keyword = next((k for k in _SINGLE if k in place), None)
                if keyword is None or "properties" in place:
                    return place
                found = self._only(place, keyword)
            if found is None:
                return None
            place.close()
            place = found
        place.refuse("its references lead nowhere")
        return None

    def _followed(self, place: Place) -> Place | None:
        ref = place.take("$ref")
        steps = unquote(ref).split("/") if isinstance(ref, str) else [""]
        if steps[0] != "#":
            place.refuse("only references within the schema are followed")
            return None
        here: Any = self._schema
        for part in steps[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, list) and name.isdecimal() and int(name) < len(here):
                here = here[int(name)]
            else:
                here = here.get(name) if isinstance(here, dict) else None
        if not isinstance(here, dict):
            place.refuse(f"there is no schema at `{ref}`")
            return None
        return Place(here, "/".join(["#", *steps[1:]]), self.notes)

    def _only(self, place: Place, keyword: str) -> Place | None:
        """The option that is left when `null` is not written."""
        options = place.take(keyword)
        options = options if isinstance(options, list) else []
        real = [
            (number, option)
            for number, option in enumerate(options)
            if isinstance(option, dict) and option.get("type") != "null"
        ]
        if len(real) != 1 or (keyword == "allOf" and len(options) > 1):
            place.refuse(f"`{keyword}` is not carried over")
            return None
        if len(options) > 1:
            place.drop(keyword, "`null` is not written")
        number, option = real[0]
        return Place(option, f"{place.pointer}/{keyword}/{number}", self.notes)

    # --- objects ---

    def _fill(self, place: Place, shape: _Shape) -> None:
        place.take("type")
        if place.take("additionalProperties") not in (None, False):
            place.drop("additionalProperties", "only stated properties are written")
        properties = place.take("properties")
        required = place.take("required")
        owed = [n for n in required if isinstance(n, str)] if isinstance(required, list) else []
        properties = properties if isinstance(properties, dict) else {}
        while shape.item in properties:
            shape.item += "_"
        for name, schema in properties.items():
            pointer = f"{place.pointer}/properties/{step(name)}"
            before = len(shape.members)
            self._member(shape, name, schema, pointer, optional=name not in owed)
            if len(shape.members) == before and name in owed:
                reason = "it is left out although the schema requires it"
                self.notes.append(Note(pointer, reason))
        for name in owed:
            if name not in properties:
                pointer = f"{place.pointer}/required"
                self.notes.append(Note(pointer, f"`{name}` is required and has no schema"))
        place.close()

    def _member(
        self, shape: _Shape, name: str, schema: object, pointer: str, *, optional: bool
    ) -> None:
        if _word(name) != name:
            self.notes.append(Note(pointer, "its name is no name of the language"))
            return
        if not isinstance(schema, dict):
            self.notes.append(Note(pointer, "it has no schema that states a type"))
            return
        place = self._resolved(Place(schema, pointer, self.notes))
        if place is None:
            return
        listed = _kind(place) == "array"
        mark = "?" if optional else ""
        item = self._items(place) if listed else place
        held = None if item is None else self._value(item, name, shape)
        if held is None:
            return
        shown, suffix = f"[{held.type}]" if listed else held.type, ""
        if listed:
            suffix = _counts(place)
            if place.take("uniqueItems") is True:
                self._unique(place, held, name, shape)
            place.close()
        shape.members.append(f"{name}{mark}: {shown}{suffix}")
        for number, condition in enumerate(held.conditions):
            told = condition.format(x=shape.item if listed else name)
            told = f"all({shape.item} in {name}: {told})" if listed else told
            shape.rules.append(f"rule {name}_{number + 1}: {told}")

    def _items(self, place: Place) -> Place | None:
        place.take("type")
        items = place.take("items")
        if not isinstance(items, dict):
            place.refuse("its items have no schema that states a type")
            return None
        return self._resolved(Place(items, f"{place.pointer}/items", self.notes))

    def _unique(self, place: Place, held: Value, name: str, shape: _Shape) -> None:
        if held.opaque:
            place.drop("uniqueItems", "rules can't compare its items")
        else:
            shape.rules.append(f"rule {name}_differ: distinct({name})")

    def _value(self, place: Place, name: str, shape: _Shape) -> Value | None:
        kind = _kind(place)
        if kind == "array":
            place.refuse("a list of lists has no form")
            return None
        if kind != "object":
            found = value_of(place, kind)
            place.close()
            return found
        if not _closed(place):
            place.refuse("an object without stated properties has no form")
            return None
        parts = place.pointer.split("/")
        named = parts[-1] if parts[-2:-1] in (["$defs"], ["definitions"]) else name
        inner = self._shape(place, named)
        shape.inside.append(inner.name)
        return Value(inner.name, opaque=True)


def _kind(place: Place) -> str:
    """The type of a schema, of several the first that is not `null`."""
    told = place.schema.get("type")
    if isinstance(told, list):
        kinds = [kind for kind in told if isinstance(kind, str) and kind != "null"]
        if len(told) > 1 and "type" not in place.taken:
            place.drop(
                "type", f"only `{kinds[0]}` is written" if kinds else "`null` has no type"
            )
        told = kinds[0] if kinds else "null"
    if isinstance(told, str):
        return told
    return next((kind for keyword, kind in _TOLD_BY.items() if keyword in place), "")


def _closed(place: Place) -> bool:
    """Whether it is stated which properties an object may have."""
    properties = place.schema.get("properties")
    return bool(properties) or place.schema.get("additionalProperties") is False


def _counts(place: Place) -> str:
    low = place.count("minItems", LARGEST_COUNT) or 0
    high = place.count("maxItems", LARGEST_COUNT)
    if high is not None and low > high:
        place.drop("maxItems", "it is less than `minItems`")
        high = None
    return (
        "" if not low and high is None else f"{{{low or ''}..{'' if high is None else high}}}"
    )
