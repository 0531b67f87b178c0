"""Random systems of rules over domains so small that all their traces can be listed."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

MOST = 3_000
"""Traces that a system may have."""


@dataclass
class System:
    """A ruleset, and every text that keeps to its shape."""

    text: str
    texts: list[str]


@dataclass
class Part:
    """One element of the shape: how it is declared, what it can be, which numbers it has."""

    declared: str
    texts: list[str]
    numbers: list[str] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    records: list[tuple[str, str, str]] = field(default_factory=list)
    shapes: str = ""


def _values(r: Random) -> tuple[str, list[str]]:
    low = r.randint(-2, 3)
    high = low + r.randint(1, 5)
    if r.random() < 0.2:
        return f"decimal(1) in 0 .. 0.{high + 2}", [f"0.{n}" for n in range(high + 3)]
    if r.random() < 0.1:
        shown = ["0", "0.0", "0.5", "1", "1.0"]
        return "decimal(0..1) in 0 .. 1", shown + [f"0.{n}" for n in (1, 2, 3, 4, 6, 7, 8, 9)]
    return f"int in {low} .. {high}", [str(n) for n in range(low, high + 1)]


def _scalar(r: Random, name: str) -> Part:
    type_, texts = _values(r)
    return Part(f'"<" {name}: {type_} ";"', [f"<{t};" for t in texts], [name])


def _word(r: Random, name: str) -> Part:
    words = ["a", *r.sample(["b", "ab"], r.randint(1, 2))]
    shown = " ".join(f'"{word}"' for word in words)
    return Part(f'"<" {name}: one of ({shown}) ";"', [f"<{w};" for w in words], words=[name])


def _maybe(r: Random, name: str) -> Part:
    type_, texts = _values(r)
    return Part(
        f'( "?{name}" {name}: {type_} ";" )?',
        ["", *(f"?{name}{t};" for t in texts)],
        optional=[name],
    )


def _either(r: Random, one: str, other: str) -> Part:
    (a, some), (b, others) = _values(r), _values(r)
    return Part(
        f'( "a" {one}: {a} ";" | "b" {other}: {b} ";" )',
        [f"a{t};" for t in some] + [f"b{t};" for t in others],
        optional=[one, other],
    )


def _list(r: Random, name: str) -> Part:
    low = r.randint(0, 2)
    high = low + r.randint(0, 2) or 1
    start = r.randint(0, 2)
    values = [str(n) for n in range(start, start + r.randint(1, 3) + 1)]
    texts = [
        ",".join(items)
        for count in range(low, high + 1)
        for items in product(values, repeat=count)
    ]
    declared = f'"[" {name}: int in {values[0]} .. {values[-1]}{{{low}..{high} sep ","}} "]"'
    return Part(declared, [f"[{t}]" for t in texts], lists=[name])


def _maybe_list(r: Random, name: str) -> Part:
    """A list that may be left out, or stands in one of two branches."""
    plain = _list(r, name)
    declared = plain.declared.replace('"["', f'"{name}["')
    part = Part(declared, [name + text for text in plain.texts], lists=[name])
    if r.random() < 0.5:
        return Part(f"( {part.declared} )?", ["", *part.texts], lists=[name])
    type_, texts = _values(r)
    other = [f"b{t};" for t in texts]
    return Part(
        f'( {part.declared} | "b" {name}x: {type_} ";" )',
        [*part.texts, *other],
        optional=[f"{name}x"],
        lists=[name],
    )


def _records(r: Random, name: str) -> Part:
    low = r.randint(0, 1)
    high = low + r.randint(1, 2)
    values = [str(n) for n in range(r.randint(2, 3))]
    others = [str(n) for n in range(1, r.randint(2, 4))]
    shape = f"R{name}"
    rule = r.choice(
        [
            "",
            "rule o: q >= p",
            "rule o: q == p + 1",
            "rule o: q >= (prev.q else 0)",
            "rule o: p == (prev.p else 1) + 1 - q",
            "rule o: p == 0 or q == 1",
        ]
    )
    shapes = (
        f"shape {shape} {{\n"
        f'    "(" p: int in {values[0]} .. {values[-1]} "," q: int in 1 .. {others[-1]} ")"\n'
        f"    {rule}\n}}\n"
    )
    items = [f"({p},{q})" for p in values for q in others]
    texts = [
        "".join(some) for count in range(low, high + 1) for some in product(items, repeat=count)
    ]
    declared = f'"[" {name}: {shape}{{{low}..{high}}} "]"'
    return Part(declared, [f"[{t}]" for t in texts], records=[(name, "p", "q")], shapes=shapes)


def _nested(r: Random, name: str) -> Part:
    """A list of lists: its numbers count as those of one list."""
    shape = f"N{name}"
    values = [str(n) for n in range(r.randint(0, 1), 3)]
    most, high = r.randint(1, 2), r.randint(1, 2)
    inner = [",".join(some) for n in range(1, most + 1) for some in product(values, repeat=n)]
    each = f"int in {values[0]} .. {values[-1]}"
    shapes = f'shape {shape} {{ "(" ns: {each}{{1..{most} sep ","}} ")" }}\n'
    items = [f"({text})" for text in inner]
    texts = [
        "".join(some) for count in range(high + 1) for some in product(items, repeat=count)
    ]
    declared = f'"[" {name}: {shape}{{0..{high}}} "]"'
    return Part(declared, [f"[{t}]" for t in texts], lists=[f"{name}.ns"], shapes=shapes)


class Author:
    """Writes one system."""

    def __init__(self, r: Random) -> None:
        self.r = r
        self.numbers: list[str] = []
        self.words: list[str] = []
        self.optional: list[str] = []
        self.lists: list[str] = []
        self.records: list[tuple[str, str, str]] = []

    def system(self) -> System:
        r = self.r
        parts: list[Part] = []
        total = 1
        for number in range(r.randint(2, 5)):
            part = self._part(f"v{number}")
            if total * len(part.texts) > MOST:
                continue
            total *= len(part.texts)
            parts.append(part)
            for name in ("numbers", "words", "optional", "lists", "records"):
                getattr(self, name).extend(getattr(part, name))
        rules = [f"    rule r{n}: {self.condition(2)}" for n in range(r.randint(1, 3))]
        body = "\n".join(f"    {part.declared}" for part in parts)
        shapes = "".join(part.shapes for part in parts)
        text = f"{shapes}shape S {{\n{body}\n" + "\n".join(rules) + "\n}\ntrace S\n"
        texts = ["".join(some) for some in product(*(part.texts for part in parts))]
        return System(text, texts)

    def _part(self, name: str) -> Part:
        r = self.r
        kind = r.choices(range(8), [8, 1.5, 1.5, 1, 2, 2, 1, 1.5])[0]
        match kind:
            case 0:
                return _scalar(r, name)
            case 1:
                return _word(r, name)
            case 2:
                return _maybe(r, name)
            case 3:
                return _either(r, name, name + "x")
            case 4:
                return _list(r, name)
            case 5:
                return _records(r, name)
            case 6:
                return _nested(r, name)
            case _:
                return _maybe_list(r, name)

    # --- rules ---

    def number(self) -> str:
        r = self.r
        leaves = [*self.numbers, *self.numbers, str(r.randint(-3, 9))]
        leaves += (
            self.optional if r.random() < 0.5 else [f"({n} else 1)" for n in self.optional]
        )
        for name in self.lists:
            function = r.choice(["sum", "sum", "count", "min", "max", "first", "last"])
            leaves.append(f"{function}({name})")
        for name, p, q in self.records:
            leaves += [f"sum({name}.{p})", f"count({name})", f"sum(e in {name}: e.{p} * e.{q})"]
        return r.choice(leaves)

    def term(self) -> str:
        r = self.r
        a, b, c = self.number(), self.number(), self.number()
        k = r.choice([1, 2, 3, 5, -2, 7])
        return r.choice(
            [
                a,
                f"{k} * {a}",
                f"{k} * {a} + {b}",
                f"{a} - {k} * {b}",
                f"{a} + {b} + {c}",
                f"{a} * {b}",
                f"{a} * {b} - {c}",
                f"round({a} / {abs(k) + 1})",
                f"floor({a} / 2)",
                f"{a} // 3",
                f"{a} % {abs(k) + 1}",
                f"abs({a} - {b})",
                f"min({a}, {b})",
                f"max({a}, {b}, {c})",
                f"round_even({a} / 2)",
                f"(if {a} < {b} then {c} else {a})",
                f"{a} / {abs(k)}",
                f"{a} / {b}",
                f"{a} // {b}",
                f"ceil({a} * 0.7)",
                f"round({a} * 0.25, 1)",
                f"({a} + {b}) % 4",
            ]
        )

    def condition(self, depth: int) -> str:
        r = self.r
        relation = r.choice(["==", "==", "<=", ">=", "<", ">", "!="])
        forms = [f"{self.term()} {relation} {self.term()}"] * 6
        forms += [f"{self.number()} in {{1, 2, 4}}", f"{self.number()} in 0 .. 3"]
        forms += [f'{word} == "a"' for word in self.words]
        forms += [f"present({name})" for name in self.optional]
        for name in self.lists:
            forms += [f"distinct({name})", f"sorted({name})", f"all(e in {name}: e != 1)"]
        for name, p, q in self.records:
            forms.append(f"all(e in {name}: e.{p} + e.{q} <= {r.randint(1, 4)})")
        if depth == 0 or r.random() < 0.55:
            return r.choice(forms)
        a, b = self.condition(depth - 1), self.condition(depth - 1)
        return r.choice([f"({a} and {b})", f"({a} or {b})", f"(not {a})", f"({a} implies {b})"])


def system(r: Random) -> System:
    """A random system."""
    return Author(r).system()


def prefixes(texts: list[str]) -> Iterator[bytes]:
    """All beginnings of some texts, the texts themselves among them."""
    for text in texts:
        data = text.encode()
        yield from (data[:end] for end in range(len(data) + 1))
