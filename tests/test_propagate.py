"""Narrowing never loses a value with which the rules can still hold."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from random import Random
from typing import TYPE_CHECKING, Any

from hypothesis import given
from rulesets import SEEDS, seeded

from rulec.compiler import regions, terms
from rulec.compiler.evaluate import Evaluator
from rulec.compiler.propagate import Impossible, Narrower
from rulec.compiler.terms import Gap, Term

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.regions import Region

WIDTH = 3
"""Registers; there are no lists here."""


def _domain(r: Random) -> tuple[Region, list[Fraction]]:
    step = r.choice([Fraction(1), Fraction(1), Fraction(1, 2), Fraction(1, 10), Fraction(3)])
    low = r.randint(-6, 6) * step
    high = low + r.randint(0, 9) * step
    found = regions.grid(step, low, high)
    return found, [low + n * step for n in range(int((high - low) / step) + 1)]


def _number(r: Random, depth: int) -> Term:
    if depth == 0 or r.random() < 0.25:
        if r.random() < 0.65:
            return terms.Read(r.randrange(WIDTH))
        return terms.Const(Fraction(r.randint(-9, 9), r.choice([1, 1, 1, 2, 3, 10])))
    a, b = _number(r, depth - 1), _number(r, depth - 1)
    return r.choice(
        [
            *(terms.Binary(op, a, b) for op in ("+", "-", "*", "/", "//", "%", "+", "-", "*")),
            terms.Minus(a),
            terms.Absolute(a),
            terms.Rounded("half", a, r.randint(0, 2)),
            terms.Rounded("even", a, r.randint(0, 2)),
            terms.Rounded("floor", a, 0),
            terms.Rounded("ceil", a, 0),
            terms.Extreme(True, (a, b)),
            terms.Extreme(False, (a, b)),
            terms.Either(terms.Relate("<", a, terms.Read(0)), a, b),
            terms.Else(a, b),
        ]
    )


def _condition(r: Random, depth: int) -> Term:
    a, b = _number(r, 1 + depth), _number(r, 1)
    if depth == 0 or r.random() < 0.5:
        relation: Any = r.choice(["==", "!=", "<", "<=", ">", ">="])
        if r.random() < 0.2:
            register = r.randrange(WIDTH)
            return terms.Near(terms.Read(register), a, WIDTH)
        return terms.Relate(relation, a, b)
    p, q = _condition(r, depth - 1), _condition(r, depth - 1)
    return r.choice(
        [
            terms.Every((p, q)),
            terms.Some((p, q)),
            terms.Negated(p),
            terms.Either(p, q, _condition(r, 0)),
        ]
    )


def _solutions(
    rules: list[Term], held: list[Any], domains: list[list[Fraction]], digits: int
) -> Iterator[tuple[Fraction, ...]]:
    """Every way to fill the unknown registers with which all rules hold."""
    ranges = [
        domain if value is Gap.UNKNOWN else [value]
        for value, domain in zip(held, domains, strict=True)
    ]
    for filled in product(*ranges):
        evaluator = Evaluator([*filled, digits], lambda _: Gap.UNKNOWN)
        if all(
            evaluator.value(rule) not in (False, Gap.UNDEFINED, Gap.COMPLEX) for rule in rules
        ):
            yield filled


@seeded(600, 60_000)
@given(SEEDS)
def test_narrowing_keeps_every_solution(seed: int) -> None:
    r = Random(seed)
    made = [_domain(r) for _ in range(WIDTH)]
    values = [found for _, found in made]
    held: list[Any] = [r.choice(v) if r.random() < 0.35 else Gap.UNKNOWN for v in values]
    digits = r.randint(0, 2)
    shown: Any = digits if r.random() < 0.5 else Gap.UNKNOWN
    rules = [_condition(r, 2) for _ in range(r.randint(1, 3))]
    narrower = Narrower([*held, shown], {n: d for n, (d, _) in enumerate(made)}, (), ())
    try:
        narrower.sweep(rules)
        narrower.narrow([(rule, terms.registers(rule)) for rule in rules])
    except Impossible:
        assert next(_solutions(rules, held, values, digits), None) is None, rules
        return
    for solution in _solutions(rules, held, values, digits):
        for register, value in enumerate(solution):
            if held[register] is Gap.UNKNOWN:
                assert regions.contains(narrower.region(register), value), (rules, solution)


@seeded(600, 60_000)
@given(SEEDS)
def test_the_value_of_a_term_lies_in_its_region(seed: int) -> None:
    r = Random(seed)
    made = [_domain(r) for _ in range(WIDTH)]
    term = _number(r, 3)
    unknown = [Gap.UNKNOWN] * WIDTH
    found = Narrower([*unknown, 0], {n: d for n, (d, _) in enumerate(made)}, (), ()).value(term)
    for _ in range(20):
        filled = [r.choice(values) for _, values in made]
        value = Evaluator([*filled, 0], lambda _: Gap.UNKNOWN).value(term)
        if isinstance(value, Fraction):
            assert regions.contains(found, value), (term, filled, value, found)
