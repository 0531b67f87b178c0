"""Expressions while they are written: their values, and whether they can still be ended."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from oracle import Gap, expression
from rulesets import SEEDS, built, random_walk, seeded, ways

from rulec.runtime import Verifier
from rulec.runtime.budget import Budget
from rulec.runtime.reference import Config, Reference


def value_of(text: str) -> Fraction | str | None:
    """What the machine makes of an expression: its value, a gap's verdict, or nothing."""
    machine = built('shape A { "[" x: expr "]"\nrule r: x == x }\ntrace A')
    assert machine is not None
    engine = Reference(machine, guarded=False)
    data = f"[{text}]".encode()
    after = engine.walk(engine.start({}), data, 0)
    if not after.threads:
        return None
    held = after.threads[0].regs[machine.fields[0].register]
    return held if isinstance(held, Fraction) else str(held.value)


def written(r: Random, depth: int = 3) -> str:
    """An expression, now and then with a slip."""
    if depth == 0 or r.random() < 0.3:
        number = r.choice(
            ["0", "1", "7", "12", "2.5", ".5", "1,234", "0.05", "1000000", "$3.20"]
        )
        return r.choice(["", "", "", "-", "+"]) + number
    if r.random() < 0.3:
        return r.choice(["", "", "-"]) + "(" + written(r, depth - 1) + ")"
    blank = r.choice(["", " "])
    op = r.choice(["+", "-", "*", "/", "//", "×", "÷"])
    return written(r, depth - 1) + blank + op + blank + written(r, depth - 1)


@seeded(150, 20_000)
@given(SEEDS)
def test_values_are_those_of_arithmetic(seed: int) -> None:
    r = Random(seed)
    text = written(r)
    if r.random() < 0.2:
        at = r.randrange(len(text))
        text = text[:at] + r.choice("+-*/() .,0$") + text[at:]
    want = expression(text)
    got = value_of(text)
    if isinstance(want, Gap):
        assert got in ("undefined", "too complex"), (text, got)
        assert (got == "too complex") == (want is Gap.COMPLEX), (text, got)
    else:
        assert got == want, (text, got, want)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1+2*3", 7),
        ("(1+2)*3", 9),
        ("2-3-4", -5),
        ("24/4/2", 3),
        ("7//2", 3),
        ("-7//2", -4),
        ("1/3", Fraction(1, 3)),
        (".5+.25", Fraction(3, 4)),
        ("1,000+1", 1001),
        ("$3 * 2", 6),
        ("2 × 3 ÷ 4", Fraction(3, 2)),
        ("-(2+3)", -5),
        ("((((1))))", 1),
        ("1 + -2", -1),
        ("8/0", "undefined"),
        ("8//(1-1)", "undefined"),
        ("999999999999999*999999999999999", "too complex"),
        ("1/999999999999999/999999999999999", "too complex"),
        ("", None),
        ("1+", None),
        ("(1", None),
        ("1)", None),
        ("(((((1)))))", None),
        ("01", None),
        ("1.", None),
        ("1,00", None),
        ("1  + 2", None),
        ("1 2", None),
        ("1.0000001", None),
        ("1000000000000000", None),
        ("()", None),
        ("2**3", None),
        ("2//-0", "undefined"),
    ],
)
def test_values(text: str, value: object) -> None:
    assert value_of(text) == value


RULES = [
    "rule r: x == 3",
    "rule r: x == 2.5",
    "rule r: x in 4 .. 5",
    "rule r: x <= 7",
    "rule r: x >= -0.5",
    "rule r: 10 <= x <= 20",
    "rule r: x == 1/3",
    "rule r: x % 1 == 0",
    "",
]


@pytest.mark.parametrize("rule", RULES)
def test_whatever_is_begun_can_be_ended(rule: str) -> None:
    """Under the guard every prefix has an end, and the policy's way there keeps its word."""
    machine = built(f'shape A {{ "[" x: expr "]"\n{rule} }}\ntrace A')
    assert machine is not None
    engine, budget, verify = Reference(machine), Budget(machine), Verifier(machine)
    for seed in range(12):
        r = Random(seed)
        walk = random_walk(engine, budget, engine.start({}), r, r.choice([3, 10, 40, 90]))
        assert walk.end == "done", walk
        verdict = verify(walk.text)
        assert verdict.verdict == "pass" or machine.rules[0].tier == "commit", walk


@pytest.mark.parametrize("rule", RULES[:4])
def test_every_short_prefix_has_an_end(rule: str) -> None:
    machine = built(f'shape A {{ "[" x: expr "]"\n{rule} }}\ntrace A')
    assert machine is not None
    engine, budget = Reference(machine), Budget(machine)
    start = engine.walk(engine.start({}), b"[", 0)
    for text, config in spread(engine, start, b"[", 2):
        while budget.cost(config) and engine.ending(config, len(text)) is None:
            best = min(ways(engine, config, len(text)), key=lambda way: budget.cost(way[1]))
            assert budget.cost(best[1]) < budget.cost(config), text
            text, config = text + bytes(best[:1]), best[1]  # noqa: PLW2901
        assert engine.ending(config, len(text)) is not None, text


def spread(
    engine: Reference, config: Config, text: bytes, depth: int
) -> list[tuple[bytes, Config]]:
    """Every way to go on by some bytes."""
    found = [(text, config)]
    if depth:
        for byte, after in ways(engine, config, len(text)):
            found += spread(engine, after, text + bytes((byte,)), depth - 1)
    return found
