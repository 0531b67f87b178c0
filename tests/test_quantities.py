"""Quantities: what they are worth, in which units they may be written, and what masks leave."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import product
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute import Brute
from hypothesis import given
from rulesets import SEEDS, letters_of, seeded, vocabulary
from systems import prefixes
from test_engines import compare_walk
from test_projection import reached
from test_walks import check_walks

from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.dsl.checked import QuantityType, Shape
from rulec.runtime import Sampler, Session, Verifier
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rulec.compiler import Built, Machine

UNITS = {
    "unit m  unit km = 1000 m": ("m", {"m": "1", "km": "1000"}),
    "unit m  unit cm = 0.01 m": ("cm", {"cm": "1/100", "m": "1"}),
    "unit s  unit min = 60 s": ("min", {"min": "60", "s": "1"}),
    "unit a  unit b = 2 a  unit c = 3 a": ("a", {"a": "1", "b": "2", "c": "3"}),
    "unit x": ("x", {"x": "1"}),
    "unit u  unit v = 0.3048 u": ("u", {"u": "1", "v": "381/1250"}),
}
NUMBERS = {
    "int in 0 .. 3": ["0", "1", "2", "3"],
    "int in -1 .. 1": ["-1", "0", "1"],
    "int in 1 .. 2": ["1", "2"],
    "decimal(1) in 0 .. 0.3": ["0.0", "0.1", "0.2", "0.3"],
    "decimal(0..1) in 0 .. 0.2": ["0", "0.0", "0.1", "0.2"],
}


@dataclass(frozen=True)
class Held:
    """A quantity as it is written, and what it is worth in base units."""

    value: Fraction
    unit: str
    factor: Fraction
    digits: int


Row = dict[str, Held]


@dataclass
class System:
    """A ruleset, every text that keeps to its shape, and those that keep its rules."""

    text: str
    texts: list[str]
    kept: list[str]


def near(a: Held, value: Fraction) -> bool:
    half = Fraction(1, 2 * 10**a.digits)
    return abs(a.value / a.factor - value / a.factor) <= half


def conditions(names: list[str], unit: str, r: Random) -> tuple[str, Callable[[Row], bool]]:
    """A rule over quantities, and the same in Python."""
    a, b, c = (r.choice(names) for _ in range(3))
    k = r.choice([1, 2, 3])
    options: list[tuple[str, Callable[[Row], bool]]] = [
        (f"{a} == {b} + {c}", lambda row: row[a].value == row[b].value + row[c].value),
        (f"{a} <= {k} * {b}", lambda row: row[a].value <= k * row[b].value),
        (f"{a} - {b} < {c}", lambda row: row[a].value - row[b].value < row[c].value),
        (f"{a} != {b}", lambda row: row[a].value != row[b].value),
        (f"{a} ~= {b}", lambda row: near(row[a], row[b].value)),
        (f"{a} ~= {b} / {k}", lambda row: near(row[a], row[b].value / k)),
        (f'unitof({a}) == "{unit}"', lambda row: row[a].unit == unit),
        (
            f'unitof({a}) == "{unit}" or {b} >= {c}',
            lambda row: row[a].unit == unit or row[b].value >= row[c].value,
        ),
        (f"max({a}, {b}) == {c}", lambda row: max(row[a].value, row[b].value) == row[c].value),
        (f"{a} / {b} <= {k}", lambda row: row[b].value != 0 and ratio(row, a, b) <= k),
        (f"{a} * {b} == {c} * {c}", lambda row: mixed(row, a, b) == mixed(row, c, c)),
    ]
    return r.choice(options)


def ratio(row: Row, a: str, b: str) -> Fraction:
    return row[a].value / row[b].value


def mixed(row: Row, a: str, b: str) -> Fraction:
    return row[a].value * row[b].value


def written(numbers: list[str], units: dict[str, str]) -> Iterator[tuple[str, Held]]:
    for number, (unit, factor) in product(numbers, units.items()):
        worth = Fraction(number) * Fraction(factor)
        digits = len(number.partition(".")[2])
        yield f"{number} {unit}", Held(worth, unit, Fraction(factor), digits)


def system(r: Random) -> System:
    """Two or three quantities of one dimension, and one or two rules over them."""
    declared, (unit, units) = r.choice(list(UNITS.items()))
    names = ["p", "q", "t"][: r.randint(2, 3)]
    types = {name: r.choice(list(NUMBERS)) for name in names}
    rules = [conditions(names, unit, r) for _ in range(r.randint(1, 2))]
    body = ' "; " '.join(f"{name}: quantity({unit}, {types[name]})" for name in names)
    shown = "\n".join(f"    rule r{n}: {text}" for n, (text, _) in enumerate(rules))
    text = f"{declared}\nshape S {{\n    {body}\n{shown}\n}}\ntrace S\n"
    texts: list[str] = []
    kept: list[str] = []
    for some in product(*(list(written(NUMBERS[types[n]], units)) for n in names)):
        trace = "; ".join(part for part, _ in some)
        row = {name: held for name, (_, held) in zip(names, some, strict=True)}
        texts.append(trace)
        if all(holds(row) for _, holds in rules):
            kept.append(trace)
    return System(text, texts, kept)


def built_of(text: str) -> Built:
    loaded = load_text(text)
    assert loaded.ruleset is not None, (text, loaded.diagnostics)
    return build(loaded.ruleset)


def machine_of(text: str) -> Machine:
    machine = built_of(text).machine
    assert machine is not None, text
    return machine


@seeded(30, 5_000)
@given(SEEDS)
def test_verdicts_are_those_of_exact_arithmetic(seed: int) -> None:
    made = system(Random(seed))
    verify = Verifier(machine_of(made.text))
    passed = [text for text in made.texts if verify(text.encode()).verdict == "pass"]
    assert passed == made.kept, made.text


@seeded(30, 5_000)
@given(SEEDS)
def test_masks_leave_open_what_can_be_completed(seed: int) -> None:
    made = system(Random(seed))
    machine = machine_of(made.text)
    if any(rule.tier != "mask" for rule in machine.rules):
        return
    seen, ends = reached(machine)
    assert ends == {text.encode() for text in made.kept}, made.text
    assert seen == set(prefixes(made.kept)), made.text


@seeded(8, 2_000)
@given(SEEDS)
def test_engines_agree(seed: int) -> None:
    r = Random(seed)
    machine = machine_of(system(r).text)
    pack = fit(machine, vocabulary(r, letters_of(machine)))
    host, brute = Host(pack), Brute(pack)
    for _ in range(2):
        compare_walk(pack, host, brute, r, 14)


# --- what masks keep ---

DECLARED = """
unit m
unit km = 1000 m
unit s
unit h = 3600 s
shape Leg { way: quantity(m, int in 1 .. 9) "; " }
"""
KEPT = {
    "a sum of numbers of any size": """
        a: quantity(m) " + " b: quantity(m) " = " t: quantity(m)
        rule same: t == a + b
    """,
    "a sum of a list": """
        legs: quantity(km, decimal(0..2) in 0 .. 50){1..4 sep " + "} " = " t: quantity(km)
        rule sum: t == sum(legs)
    """,
    "no less than the one before": """
        legs: Leg{1..4}
        rule up: all(l in legs: l.way >= (l.prev.way else l.way))
    """,
    "a speed": """
        d: quantity(km, decimal(0..1) in 0 .. 100) " in " t: quantity(h, int in 1 .. 9)
        ": " v: quantity(km/h, decimal(0..1) in 0 .. 100_000)
        rule speed: v ~= d / t
    """,
    "a range": """
        d: quantity(km)
        rule range: d in "300 m" .. "2 km" and d != "1 km"
    """,
    "an optional part": """
        d: quantity(km, int in 0 .. 9) ( " or " e: quantity(km, int in 0 .. 9) )?
        rule more: present(e) implies e > d
    """,
}


def shape(body: str) -> str:
    return f"{DECLARED}shape S {{ {body} }}\ntrace S\n"


@pytest.mark.parametrize("name", KEPT)
def test_what_masks_keep(name: str) -> None:
    machine = machine_of(shape(KEPT[name]))
    assert all(rule.tier == "mask" for rule in machine.rules)
    check_walks(machine, range(10), 60)
    assert Verifier(machine)(Sampler(machine)(1)).verdict == "pass"


NOT_KEPT = {
    "a quotient to the last digit": (
        """d: quantity(m, int in 0 .. 99) " " t: quantity(s, int in 1 .. 99)
        " " v: quantity(m/s, int in 0 .. 99)
        rule speed: v == d / t""",
        "a product is written before its factor",
    ),
    "numbers of any size": (
        """d: quantity(m, number) " " e: quantity(m, number)
        rule more: e > d + d""",
        "an intermediate result may leave the limit of exact numbers",
    ),
    "the unit of the last one": (
        """legs: Leg{1..3} w: quantity(m, int in 1 .. 9)
        rule unit: unitof(w) == unitof(last(legs).way)""",
        "it compares texts",
    ),
}


@pytest.mark.parametrize("name", NOT_KEPT)
def test_what_masks_do_not_keep(name: str) -> None:
    body, reason = NOT_KEPT[name]
    (summary,) = built_of(shape(body)).rules
    assert (summary.tier, summary.reason) == ("commit", reason)


# --- types and texts ---


def units_of(type_: str, declared: str) -> dict[str, Fraction]:
    ruleset = load_text(f"{declared}\nshape S {{ x: {type_} }}\ntrace S").ruleset
    assert ruleset is not None
    found = ruleset.shapes["S"]
    assert isinstance(found, Shape)
    held = found.fields["x"].type
    assert isinstance(held, QuantityType)
    return dict(held.units)


def test_units_of_a_quantity():
    lengths = "unit m  unit km = 1000 m  unit s  unit h = 3600 s  unit kn = 1852 m/h"
    assert units_of("quantity(km/h)", lengths) == {
        "km/h": Fraction(1000, 3600),
        "km/s": Fraction(1000),
        "m/h": Fraction(1, 3600),
        "m/s": Fraction(1),
        "kn": Fraction(1852, 3600),
    }
    assert next(iter(units_of("quantity(km/h)", lengths))) == "km/h"
    assert list(units_of("quantity(kn)", lengths)) == ["kn"]
    assert list(units_of("quantity(m/s/s)", "unit m  unit s")) == ["m/s/s"]
    assert units_of("quantity(m*m)", "unit m  unit ft = 0.3048 m")["ft*ft"] == (
        Fraction("0.3048") ** 2
    )


TEXTS = {
    "1 m": True,
    "-1 km": True,
    ".5 m": True,
    "1,500 m": True,
    "999999.999999 km": True,
    "1000000 m": False,
    "1m": False,
    "1  m": False,
    "1 s": False,
    "01 m": False,
    "1.1234567 m": False,
    "1 ": False,
}


@pytest.mark.parametrize("text", TEXTS)
def test_texts_of_a_quantity(text: str) -> None:
    machine = machine_of(shape("d: quantity(m)"))
    assert (Verifier(machine)(text.encode()).verdict == "pass") is TEXTS[text]


def claims_of(body: str, text: str) -> list[tuple[str, str, str, int]]:
    verdict = Verifier(machine_of(shape(body)))(text.encode())
    broken = [claim for claim in verdict.claims if claim.verdict == "violate"]
    return [(claim.rule, claim.found, claim.expected, claim.start) for claim in broken]


def test_what_is_said_of_a_broken_rule():
    same = 'a: quantity(m) " = " b: quantity(m) rule same: b == a'
    assert claims_of(same, "1.5 km = 15 m") == [("same", "15 m", "1500 m", 9)]
    assert claims_of(same, "1500 m = 15 km") == [("same", "15 km", "1.5 km", 9)]
    most = 'a: quantity(m, int in 0 .. 9_999) rule most: a <= "1.5 km"'
    assert claims_of(most, "1501 m") == [("most", "1501 m", "0 to 1500 m", 0)]
    assert claims_of(most, "2 km") == [("most", "2 km", "0 to 1 km", 0)]
    near = 'a: quantity(m) " = " b: quantity(m) rule near: b ~= a'
    assert claims_of(near, "1234 m = 1.3 km") == [("near", "1.3 km", "1.2 km", 9)]


def test_a_commit_rule_goes_back_to_where_the_quantity_began():
    body, _ = NOT_KEPT["a quotient to the last digit"]
    machine = machine_of(shape(body.replace("rule", '"." rule')))
    singles = tuple(bytes((byte,)) for byte in range(256))
    session = Session(fit(machine, Vocabulary((*singles, None), (256,), 257)))
    for byte in b"6 m 3 s 3 m/s.":
        session.accept(byte)
    assert session.violations
    session.retreat()
    assert session.text == b"6 m 3 s "


REFUSED = {
    'names n { w: quantity(km) }\nshape S { i: def(n, w: w) " " w: quantity(km) }': "R0901",
    "shape S { d: quantity(km) t: quantity(h) rule sum: d + t == d }": "R0312",
    'shape S { d: quantity(km) rule most: d <= "5 h" }': "R0312",
    "shape S { d: quantity(km) rule most: d <= 5 }": "R0312",
    'shape S { d: quantity(km) rule most: d <= "5" }': "R0318",
    'shape S { d: quantity(km) rule unit: unitof(d) == "h" }': "R0306",
    "shape S { d: quantity(km, percent) }": "R0313",
    "shape S { d: quantity(km*km*km*km*km*km*km) }": "R0603",
    'const c: quantity(km) = "5 h"\nshape S { d: quantity(km) rule c: d <= c }': "R0314",
}


@pytest.mark.parametrize("body", REFUSED)
def test_what_is_refused(body: str) -> None:
    loaded = load_text(f"{DECLARED}{body}\ntrace S\n")
    found = loaded.diagnostics
    if loaded.ruleset is not None:
        found = build(loaded.ruleset).diagnostics
    assert REFUSED[body] in {finding.code for finding in found}
