"""The solver against the evaluator: every model holds, every contradiction is one."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rulesets import many

from rulec.compiler import terms
from rulec.compiler.evaluate import Evaluator
from rulec.compiler.solver import (
    TEXT,
    TRUTH,
    Contradiction,
    Satisfiable,
    Undecided,
    satisfy,
)
from rulec.compiler.terms import Binary, Const, Gap, Read, Relate

WHOLE, CENTS, WORD, FLAG, DIGITS = range(5)
SCALES = {WHOLE: 1, CENTS: 4, WORD: TEXT, FLAG: TRUTH, DIGITS: 1}
DOMAINS = (
    [Fraction(n) for n in range(-3, 4)],
    [Fraction(n, 4) for n in range(-5, 6)],
    ["a", "b"],
    [False, True],
    [Fraction(n) for n in range(3)],
)
RELATIONS = ["==", "!=", "<", "<=", ">", ">="]

solving = settings(
    max_examples=many(250),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)

constants = st.fractions(-3, 3, max_denominator=8).map(Const)
leaves = st.one_of(constants, st.sampled_from([Read(WHOLE), Read(CENTS)]))


def _wider(inner: st.SearchStrategy[terms.Term]) -> st.SearchStrategy[terms.Term]:
    return st.one_of(
        inner.map(terms.Minus),
        inner.map(terms.Absolute),
        st.builds(Binary, st.sampled_from(["+", "-", "*", "/", "//", "%"]), inner, inner),
        st.builds(
            terms.Rounded,
            st.sampled_from(["half", "even", "floor", "ceil"]),
            inner,
            st.integers(0, 2),
        ),
        st.builds(terms.Extreme, st.booleans(), st.tuples(inner, inner)),
        st.builds(terms.Either, simple, inner, inner),
    )


simple = st.one_of(
    st.builds(Relate, st.sampled_from(RELATIONS), leaves, leaves),
    st.just(Read(FLAG)),
    st.builds(
        Relate,
        st.sampled_from(["==", "!="]),
        st.just(Read(WORD)),
        st.sampled_from([Const("a"), Const("b"), Const("c")]),
    ),
)
numbers = st.recursive(leaves, _wider, max_leaves=4)
compared = st.one_of(
    simple,
    st.builds(Relate, st.sampled_from(RELATIONS), numbers, numbers),
    st.builds(terms.Near, numbers, numbers, st.just(DIGITS)),
)
conditions = st.recursive(
    compared,
    lambda inner: st.one_of(
        inner.map(terms.Negated),
        st.lists(inner, max_size=3).map(lambda parts: terms.Every(tuple(parts))),
        st.lists(inner, max_size=3).map(lambda parts: terms.Some(tuple(parts))),
        st.builds(terms.Either, inner, inner, inner),
        st.builds(Relate, st.sampled_from(["==", "!="]), inner, inner),
    ),
    max_leaves=4,
)


def _domains() -> list[terms.Term]:
    return [
        terms.Some(tuple(Relate("==", Read(n), Const(value)) for value in domain))
        for n, domain in enumerate(DOMAINS)
    ]


def _holds(condition: terms.Term, values: dict[int, object]) -> bool:
    regs = [values[n] for n in range(len(DOMAINS))]
    return Evaluator(regs, lambda _: Gap.UNKNOWN).value(condition) is True


@solving
@given(st.lists(conditions, min_size=1, max_size=3))
def test_answers_agree_with_trying_all_values(asked):
    found = any(
        all(_holds(condition, dict(enumerate(values))) for condition in asked)
        for values in product(*DOMAINS)
    )
    answer = satisfy([*_domains(), *asked], SCALES)
    if isinstance(answer, Satisfiable):
        assert found
        assert all(_holds(condition, dict(answer.values)) for condition in asked)
    else:
        assert isinstance(answer, Contradiction)
        assert not found


@solving
@given(st.lists(conditions, min_size=1, max_size=2), st.sampled_from([1, 100, None]))
def test_models_without_domains_hold(asked, scale):
    scales = SCALES | {WHOLE: scale, CENTS: scale}
    answer = satisfy(asked, scales, rlimit=200_000)
    if isinstance(answer, Satisfiable):
        assert all(_holds(condition, dict(answer.values)) for condition in asked)
        for register in (WHOLE, CENTS):
            assert scale is None or (answer.values[register] * scale).denominator == 1


@solving
@given(st.lists(conditions, min_size=1, max_size=3))
def test_cores_exclude_each_other(asked):
    given_ = [*_domains(), *asked]
    answer = satisfy(given_, SCALES, core=True)
    if isinstance(answer, Contradiction):
        assert isinstance(satisfy([given_[n] for n in answer.core], SCALES), Contradiction)


def test_the_same_question_has_the_same_answer():
    asked = [
        Relate("==", Binary("*", Read(0), Read(1)), Read(2)),
        Relate(">", Read(2), Const(Fraction(1000))),
        Relate(">", Read(1), Const(Fraction(3))),
    ]
    answers = [satisfy(asked, {0: 1, 1: 100, 2: 100}) for _ in range(3)]
    assert isinstance(answers[0], Satisfiable)
    assert answers[0] == answers[1] == answers[2]


def test_what_the_limit_excludes_is_undecided():
    square = Binary("*", Read(0), Read(0))
    asked = [Relate(">", square, Const(Fraction(2 * terms.LIMIT)))]
    assert isinstance(satisfy(asked, {0: 1}), Undecided)


def test_division_by_zero_is_neither_true_nor_false():
    broken = Relate("==", Binary("/", Const(Fraction(1)), Read(0)), Const(Fraction(5)))
    zero = Relate("==", Read(0), Const(Fraction(0)))
    for condition in (broken, terms.Negated(broken)):
        assert isinstance(satisfy([zero, condition], {0: 1}), Contradiction)
    assert isinstance(satisfy([terms.Some((zero, broken))], {0: 1}), Satisfiable)
    assert isinstance(satisfy([zero, terms.Some((broken, zero))], {0: 1}), Contradiction)


@pytest.mark.parametrize(
    "condition", [terms.Present(0), terms.Folded(0), terms.Else(Read(0), Const(True))]
)
def test_what_needs_a_machine_is_refused(condition):
    with pytest.raises(TypeError):
        satisfy([condition], {0: TRUTH})


def test_texts_differ():
    differ = [Relate("!=", Read(0), Read(1)), Relate("!=", Read(0), Const("a"))]
    answer = satisfy(differ, {0: TEXT, 1: TEXT})
    assert isinstance(answer, Satisfiable)
    assert answer.values[0] not in (answer.values[1], "a")
