"""Random rulesets as text, random vocabularies, and walks over what a machine lets through.

Everything is drawn from a `random.Random`, so that a seed replays it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

from rulec.compiler import Vocabulary, build
from rulec.dsl import load, load_text
from rulec.runtime.differences import Ruled

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from random import Random

    from rulec.compiler.machine import Machine
    from rulec.runtime.budget import Budget
    from rulec.runtime.reference import Config, Reference

FUZZ = os.environ.get("RULEC_FUZZ") == "1"


def many(modest: int, fuzz: int | None = None) -> int:
    """A number of cases: modest by default, many under `RULEC_FUZZ=1`."""
    return (fuzz or 20 * modest) if FUZZ else modest


SEEDS = st.integers(0, 2**32 - 1)
"""A seed is as small as another: nothing is shrunk."""


def seeded(modest: int, fuzz: int | None = None) -> settings:
    """Settings of tests over seeds: the same cases in every run but under `RULEC_FUZZ=1`."""
    return settings(
        max_examples=many(modest, fuzz),
        deadline=None,
        derandomize=not FUZZ,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )


# --- types and shapes ---


@dataclass
class Shape:
    """A shape under way: its text and what its rules can speak of."""

    name: str
    elements: list[str] = field(default_factory=list)
    numbers: list[str] = field(default_factory=list)
    shown: list[str] = field(default_factory=list)
    dates: list[str] = field(default_factory=list)
    words: list[tuple[str, str]] = field(default_factory=list)
    flags: list[str] = field(default_factory=list)
    optional: list[str] = field(default_factory=list)
    lists: list[tuple[str, Shape | None]] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    listed: bool = False

    def text(self) -> str:
        lines = [f"    {element}" for element in self.elements]
        lines += [f"    {rule}" for rule in self.rules]
        return f"shape {self.name} {{\n" + "\n".join(lines) + "\n}\n"


def _bounds(r: Random, digits: int = 0) -> str:
    low, high = r.choice(
        [(0, 1), (0, 9), (1, 9), (-3, 4), (0, 100), (5, 7), (-20, -3), (0, 999), (1, 1000000)]
    )
    if digits and r.random() < 0.4:
        return f" in {low - 0.5:.{min(digits, 1)}f} .. {high + 0.5:.{min(digits, 1)}f}"
    return f" in {low} .. {high}"


def numeric_type(r: Random) -> str:
    """A numeric type; `expr` and `fraction` are left to others."""
    digits = r.randint(1, 3)
    return r.choice(
        [
            "int",
            "int" + _bounds(r),
            "int" + _bounds(r),
            "int" + _bounds(r),
            "int in 0 .. 1_000_000 grouped",
            "int grouped",
            f"decimal({digits})",
            f"decimal({digits})" + _bounds(r, digits),
            f"decimal(0..{digits})" + _bounds(r, digits),
            f"decimal(1..{digits + 1})",
            "decimal(2) in 0 .. 9999 grouped",
            "number",
            "percent",
        ]
    )


class Author:
    """Writes one ruleset."""

    def __init__(self, r: Random, *, prose: bool = True, watches: bool = False) -> None:
        self.r = r
        self.prose = prose
        self.watches = watches
        self.shapes: list[Shape] = []
        self.params: list[tuple[str, str]] = []
        self._names = 0

    def name(self) -> str:
        self._names += 1
        return f"{self.r.choice('abcxyz')}{self._names}"

    # --- elements ---

    def scalar(self, shape: Shape, *, optional: bool = False) -> str:
        r, name = self.r, self.name()
        kind = r.choices(
            ["number", "date", "bool", "one", "text", "expr", "fraction", "prose"],
            [10, 1, 1, 1, 1, 1.5, 0.5, 0.7 if self.prose else 0],
        )[0]
        match kind:
            case "number":
                type_ = numeric_type(r)
                shape.numbers.append(name)
                shape.shown.append(name)
            case "expr" | "fraction":
                type_ = kind
                shape.numbers.append(name)
            case "date":
                ends = [
                    "",
                    ' in "2024-02-27" .. "2024-03-02"',
                    ' in "0001-01-01" .. "9999-12-31"',
                ]
                type_ = "date" + r.choice(ends)
                shape.dates.append(name)
            case "bool":
                type_ = "bool"
                shape.flags.append(name)
            case "one":
                words = r.sample(["a", "ab", "abc", "b", "no", "née"], r.randint(1, 3))
                type_ = "one of (" + " ".join(f'"{word}"' for word in words) + ")"
                shape.words.append((name, words[0]))
            case "text":
                type_ = "text " + r.choice(["/[ab]{1,3}/", "/a|bc|[0-9]+/", "/[é-ü]x?/"])
                shape.words.append((name, "a"))
            case _:
                limit = r.choice(["", "{0..4}", "{2..5}", "{1..}"])
                type_ = "prose" + limit + r.choice(["", "", " without /ab/"])
                shape.words.append((name, "a"))
        if optional:
            shape.optional.append(name)
        return f"{name}: {type_}"

    def element(self, shape: Shape, depth: int) -> str:
        """One element that begins and ends with a text of its own."""
        r = self.r
        mark = r.choice(["<", "[", "k", "é="]) + str(len(shape.elements))
        kind = r.choices(
            ["field", "optional", "choice", "list", "records", "nested", "pattern"],
            [10, 1, 1, 1.2, 2 if depth else 0, 1 if depth else 0, 0.5],
        )[0]
        match kind:
            case "field":
                return f'"{mark}" {self.scalar(shape)} ";"'
            case "optional":
                return f'( "{mark}" {self.scalar(shape, optional=True)} ";" )?'
            case "choice":
                one = self.scalar(shape, optional=True)
                other = self.scalar(shape, optional=True)
                return f'( "{mark}a" {one} ";" | "{mark}b" {other} ";" )'
            case "list":
                name, count = self.name(), self.count()
                shape.lists.append((name, None))
                item = r.choice(
                    [numeric_type(r), "int" + _bounds(r), "decimal(1)" + _bounds(r)]
                )
                repeat = f'{name}: {item}{{{count} sep "|"}}'
                if count.startswith(("0", "..")):
                    return f'"{mark}" {repeat} ";"'
                return f'"{mark}" {repeat} ";"'
            case "records":
                name, inner = self.name(), self.shape(depth - 1, listed=True)
                shape.lists.append((name, inner))
                return f'"{mark}" {name}: {inner.name}{{{self.count()}}} ";"'
            case "nested":
                name, inner = self.name(), self.shape(depth - 1)
                shape.numbers += [f"{name}.{n}" for n in inner.numbers]
                return f'"{mark}" {name}: {inner.name} ";"'
            case _:
                return f'"{mark}" /[xy]{{1,2}}/ ";"'

    def count(self) -> str:
        return self.r.choice(["1..3", "0..2", "2", "1..", "3..4", "..2", "2..5"])

    def shape(self, depth: int, *, listed: bool = False) -> Shape:
        shape = self.make(listed=listed)
        self.shapes.append(shape)
        for _ in range(self.r.randint(1, 3 if depth < 2 else 4)):
            shape.elements.append(self.element(shape, depth))
        for number in range(self.r.choice([0, 1, 1, 2, 3])):
            rule = self.rule(shape)
            if rule:
                tier = self.r.choice(["", "", "", "", "", "audit "])
                shape.rules.append(f"{tier}rule r{number}: {rule}")
        return shape

    def make(self, *, listed: bool) -> Shape:
        """A shape that is still empty."""
        return Shape(f"S{len(self.shapes) + 1}", listed=listed)

    # --- rules ---

    def rule(self, shape: Shape) -> str:
        r = self.r
        if r.random() < 0.65:
            plain = self.likely(shape)
            if plain:
                return plain
        return self.condition(shape, 2)

    def likely(self, shape: Shape) -> str:
        """A rule of a form that masks can often keep."""
        r = self.r
        numbers = [n for n in shape.numbers if "." not in n] or shape.numbers
        if not numbers:
            return ""
        last, a = numbers[-1], r.choice(numbers)
        b, k = r.choice(numbers), self.constant()
        forms = [
            f"{last} == {a} * {b}",
            f"{last} == {a} + {b}",
            f"{last} == {a} - {b}",
            f"{last} <= {a} + {k}",
            f"{last} >= {a}",
            f"{a} + {b} <= {k}",
            f"{a} - {b} >= {k}",
            f"{last} == round({k} * {a}, {r.randint(0, 3)})",
            f"{last} == round_even({a} / 4, {r.randint(0, 2)})",
            f"{last} == {k} * {a}",
            f"{last} == abs({a})",
            f"{last} == floor({a} / 3)",
            f"{a} * {b} <= {k}",
            f"{k} * {a} == {last} * 2",
            f"{a} != {r.randint(0, 9)}",
            f"{a} in {{{r.randint(0, 3)}, {r.randint(4, 9)}, {r.randint(10, 30)}}}",
            f"{a} in {r.randint(-3, 3)} .. {r.randint(4, 9)}",
            f"{a} % {r.randint(2, 7)} == {r.randint(0, 2)}",
            f"{a} // 10 == {r.randint(0, 3)}",
            f"{last} == min({a}, {b})",
            f"max({a}, {b}) <= {k}",
            f"{last} < {a}",
            f"{last} > {a}",
            f"{last} != {a}",
            f"abs({last} - {a}) <= {k}",
        ]
        if shape.shown:
            f = r.choice(shape.shown)
            others = [n for n in numbers if n != f] or numbers
            forms += [f"{f} ~= {r.choice(others)} / 3", f"{f} ~= {r.choice(others)}"]
        for name, inner in shape.lists:
            whole = name if inner is None else None
            if inner is not None and inner.numbers:
                whole = f"{name}.{r.choice(inner.numbers)}"
            if whole:
                forms += [
                    f"{last} == sum({whole})",
                    f"sum({whole}) <= {k}",
                    f"sum({whole}) == {k}",
                    f"{last} == count({name})",
                    f"{last} == max({whole})",
                    f"distinct({whole})",
                    f"sorted({whole})",
                    f"all(e in {whole}: e != 3)",
                    f"all(e in {whole}: e <= {last})",
                    f"{last} == last({whole})",
                ]
            if inner is not None and len(inner.numbers) > 1:
                p, q = inner.numbers[:2]
                forms += [
                    f"all(e in {name}: e.{q} == e.{p} * 2)",
                    f"{last} == sum(e in {name}: e.{p} * e.{q})",
                    f"all(e in {name}: e.{q} == (e.prev.{q} else {k}) + e.{p})",
                ]
        if shape.listed:
            forms += [f"{last} == (prev.{last} else 0) + {a}", f"{last} > (prev.{last} else 0)"]
        return r.choice(forms)

    def constant(self) -> str:
        if self.params and self.r.random() < 0.2:
            return self.r.choice(self.params)[0]
        return self.r.choice(
            ["0", "1", "2", "7", "10", "0.5", "0.08", "2.5", "100", "12.34", "-3", "1000000"]
        )

    def number(self, shape: Shape, depth: int) -> str:
        r = self.r
        leaves = [*shape.numbers, self.constant()]
        for name, inner in shape.lists:
            whole = name if inner is None else None
            if inner is not None and inner.numbers:
                whole = f"{name}.{r.choice(inner.numbers)}"
            leaves.append(f"count({name})")
            if whole:
                leaves.append(f"{r.choice(['sum', 'min', 'max', 'first', 'last'])}({whole})")
        numeric = [name for name in shape.optional if name in shape.numbers]
        leaves += [f"({name} else 2)" for name in numeric]
        if shape.listed and shape.numbers:
            leaves.append(f"(prev.{r.choice(shape.numbers)} else {self.constant()})")
        leaves += [f"({one} - {r.choice(shape.dates)})" for one in shape.dates]
        if depth == 0 or r.random() < 0.3:
            return r.choice(leaves)
        a, b = self.number(shape, depth - 1), self.number(shape, depth - 1)
        return r.choice(
            [
                f"({a} + {b})",
                f"({a} - {b})",
                f"{a} * {b}",
                f"{a} / {b}",
                f"{a} // {b}",
                f"{a} % {b}",
                f"(-{a})",
                f"abs({a})",
                f"min({a}, {b})",
                f"max({a}, {b})",
                f"floor({a})",
                f"ceil({a})",
                f"round({a}, {r.randint(0, 3)})",
                f"round_even({a}, {r.randint(0, 3)})",
                f"(if {a} {r.choice(['<', '==', '>='])} {r.choice(leaves)} then {a} else {b})",
            ]
        )

    def condition(self, shape: Shape, depth: int) -> str:
        r = self.r
        a, b = self.number(shape, 1), self.number(shape, 1)
        c = self.number(shape, 0)
        relation = r.choice(["==", "!=", "<", "<=", ">", ">="])
        forms = [
            f"{a} {relation} {b}",
            f"{c} {relation} {a}",
            f"{self.constant()} <= {a} < {b}",
            f"{a} in -2 .. 50",
            f"{a} in {{1, 2, 30}}",
            f"{a} not in {{1, 2}}",
        ]
        if shape.shown:
            forms.append(f"{r.choice(shape.shown)} ~= {a}")
        forms += [f'{name} == "{word}"' for name, word in shape.words]
        forms += [f'{name} in {{"{word}", "b"}}' for name, word in shape.words]
        forms += list(shape.flags)
        forms += [f"present({name})" for name in shape.optional]
        forms += [f'{name} >= "2024-02-28"' for name in shape.dates]
        forms += [f"{name} % 7 == 1" for name in shape.dates]
        for name, inner in shape.lists:
            whole = name
            if inner is not None and inner.numbers:
                whole = f"{name}.{r.choice(inner.numbers)}"
            if inner is None or inner.numbers:
                forms += [
                    f"distinct({whole})",
                    f"sorted({whole})",
                    f"{c} in {whole}",
                    f"any(e in {whole}: e {relation} {c})",
                    f"all(e in {whole}: e {relation} {c} or e == 1)",
                    f"count(e in {whole}: e > 2) {relation} 1",
                    f"sum(e in {whole}: e * 2) {relation} {c}",
                ]
        if depth == 0 or r.random() < 0.5:
            return r.choice(forms)
        p, q = self.condition(shape, depth - 1), self.condition(shape, depth - 1)
        return r.choice(
            [
                f"({p} and {q})",
                f"({p} or {q})",
                f"(not {p})",
                f"({p} implies {q})",
                f"(if {p} then {q} else {self.condition(shape, 0)})",
            ]
        )

    # --- the whole ---

    def ruleset(self) -> str:
        r = self.r
        lines = ['ruleset random "1"']
        for number in range(r.choice([0, 0, 1, 2])):
            name, low = f"p{number}", r.choice([0, 1, 10])
            self.params.append((name, str(low)))
            type_ = r.choice([f"int in {low} .. 1000", f"decimal(2) in {low} .. 50"])
            lines.append(f"param {name}: {type_} = {low + r.randint(0, 20)}")
        root = self.shape(2)
        if self.watches:
            lines.append(r.choice(WATCHES))
        lines += [shape.text() for shape in self.shapes]
        if self.watches or (self.prose and r.random() < 0.15):
            lines.append(f'trace ( prose "\\n#" {root.name} )')
        elif r.random() < 0.1:
            lines.append(f"trace {root.name}{{1..3}}")
        else:
            lines.append(f"trace {root.name}")
        return "\n".join(lines) + "\n"


WATCHES = (
    "watch W in prose { lhs: expr / ?= ?/ ! result: number rule holds: result ~= lhs }",
    "watch W in prose { one: expr ( / ?= ?/ ! more: expr )+ "
    "rule holds: all(m in more: m == one) }",
    'watch W in prose { "{" a: int in 0 .. 9 "," ! b: int in 0 .. 99 "}" '
    "rule holds: b == a * a }",
    'watch W in prose { "<" ! a: one of ("b" "ba") ">" }',
)


def author(r: Random, **options: bool) -> str:
    """A random ruleset."""
    return Author(r, **options).ruleset()


def machine_of(path: Path) -> Machine:
    """The machine of a ruleset without errors."""
    ruleset = load(path).ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert machine is not None
    return machine


def ruled(text: str) -> Ruled | None:
    """A ruleset that can be built; None where it has errors."""
    ruleset = load_text(text).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    return None if ruleset is None or machine is None else Ruled(ruleset, machine)


def built(text: str) -> Machine | None:
    """The machine of a ruleset, or None where its author made a mistake."""
    loaded = load_text(text)
    if loaded.ruleset is None:
        return None
    return build(loaded.ruleset).machine


# --- vocabularies ---


def vocabulary(r: Random, letters: bytes, size: int = 300) -> Vocabulary:
    """Random byte strings over a small alphabet, every single byte, doubles and padding."""
    tokens: list[bytes | None] = [bytes((byte,)) for byte in range(256)]
    lengths = [r.randint(1, 5) for _ in range(size)]
    tokens += [bytes(r.choices(letters, k=length)) for length in lengths]
    for text in ("é", "é=", "ü", "€", "😀"):
        data = text.encode()
        tokens += [data, data[:1], data[1:], data[-1:] + b"a"]
    tokens += [r.choice(tokens[:400]) for _ in range(20)]
    tokens += [None] * r.randint(1, 3)
    r.shuffle(tokens)
    ends = [number for number, token in enumerate(tokens) if token is None]
    size = len(tokens) + r.choice([0, 1, 17, 31, 64])
    return Vocabulary(tuple(tokens), tuple(ends[: r.randint(1, len(ends))]), size)


def letters_of(machine: Machine) -> bytes:
    """The bytes that a machine's edges speak of by themselves, prose left aside."""
    found: set[int] = set()
    for node in machine.nodes:
        for edge in node.edges:
            if edge.bytes.bit_count() <= 16:
                found.update(byte for byte in range(256) if edge.bytes >> byte & 1)
    return bytes(sorted(found | set(b"0123456789")))


# --- walks ---


@dataclass
class Walk:
    """Where a random walk over bytes came to.

    `stuck`: nothing may follow. `dear`: the cheapest way on is no nearer to the end.
    `long`: the walk has no end.
    """

    text: bytes
    end: str


def ways(engine: Reference, config: Config, at: int) -> list[tuple[int, Config]]:
    """Every byte that may come next, with the readings behind it."""
    possible = sorted({b for t in config.threads for b in engine.bytes_of(t.node)})
    found = ((byte, engine.step(config, byte, at)) for byte in possible)
    return [(byte, after) for byte, after in found if after.threads]


def random_walk(
    engine: Reference, budget: Budget, start: Config, r: Random, longest: int = 120
) -> Walk:
    """A walk that stays random for `longest` bytes and then takes the cheapest way out."""
    config, text = start, bytearray()
    lean = r.random()
    while len(text) < 20 * longest:
        ending = engine.ending(config, len(text)) is not None
        if ending and (len(text) >= longest or r.random() < 0.3):
            return Walk(bytes(text), "done")
        hurry = len(text) >= longest
        tried = _step(engine, budget, config, bytes(text), r, hurry or r.random() < lean * 0.3)
        if tried is None:
            return Walk(bytes(text), "done" if ending else "stuck")
        byte, after = tried
        text.append(byte)
        if hurry and not ending and budget.cost(after) >= budget.cost(config):
            return Walk(bytes(text), "dear")
        config = after
    return Walk(bytes(text), "long")


def _step(
    engine: Reference, budget: Budget, config: Config, text: bytes, r: Random, hurry: bool
) -> tuple[int, Config] | None:
    possible = sorted({b for t in config.threads for b in engine.bytes_of(t.node)})
    r.shuffle(possible)
    if any(engine.machine.nodes[t.node].prose for t in config.threads) and not hurry:
        plain = [b for b in possible if b in _PLAIN]
        possible = plain + [b for b in possible if b not in _PLAIN]
    best: tuple[int, int, Config] | None = None
    for byte in possible:
        after = engine.step(config, byte, len(text))
        if not after.threads:
            continue
        if not hurry:
            return byte, after
        cost = budget.cost(after)
        if best is None or cost < best[0]:
            best = cost, byte, after
    return None if best is None else best[1:]


_PLAIN = frozenset(b"ab 0123456789+-*/=().,$\n{<")


def described(text: str, walk: bytes) -> str:
    """A failing case in a few words."""
    return f"{text}\n--- after {walk!r}"


def pick(r: Random, options: Sequence[str]) -> str:
    """One of some texts."""
    return options[r.randrange(len(options))]
