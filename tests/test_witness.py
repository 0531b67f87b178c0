"""Traces that were thought out: they do what is promised; where there is none, none does."""

from __future__ import annotations

import re
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from rulesets import SEEDS, author, random_walk, seeded

from rulec.compiler import Machine, build
from rulec.compiler.matches import any_text, dfa_of, texts
from rulec.compiler.opaque import opaque
from rulec.compiler.plan import Plan, plan_ruleset
from rulec.compiler.trees import Forest
from rulec.compiler.witness import NoTrace, Trace, Undecided, Witnesses
from rulec.dsl import load_text
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.reference import Reference
from rulec.runtime.trials import Replay
from rulec.runtime.verdicts import HELD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.runtime.verdicts import Verdict

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.rules"))


def planned(text: str) -> tuple[Plan, Machine] | None:
    ruleset = load_text(text).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if ruleset is None or machine is None:
        return None
    return plan_ruleset(ruleset), machine


def rules_named(plan: Plan, *names: str) -> list[int]:
    return [number for number, rule in enumerate(plan.rules) if rule.name in names]


def questions(plan: Plan) -> list[tuple[list[int], list[int]]]:
    """All rules hold; and, for each, it alone is broken."""
    everything = list(range(len(plan.rules)))
    found: list[tuple[list[int], list[int]]] = [(everything, [])]
    for rule in everything:
        others = [n for n in everything if plan.sources[n] is not plan.sources[rule]]
        found.append((others, [rule]))
    return found


# --- what is found ---


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_rule_of_the_examples_has_a_trace_that_breaks_it_alone(path):
    found = planned(path.read_text("utf-8"))
    assert found is not None
    plan, machine = found
    replay = Replay(machine)
    for holds, fails in questions(plan):
        trace = Witnesses(plan).find(holds, fails)
        if any(opaque(plan.rules[rule].term) for rule in (*holds, *fails)):
            assert isinstance(trace, Undecided)
            continue
        assert isinstance(trace, Trace)
        assert confirms(machine, replay(trace).verdict, holds, fails)


def confirms(
    machine: Machine,
    verdict: Verdict | None,
    holds: Iterable[int] = (),
    fails: Iterable[int] = (),
) -> bool:
    """Whether a trace is read to its end, keeps these rules and breaks each of those.

    Rules are indices of the machine's; each stands for its name in its shape. Every value
    must be of its field's type.
    """
    if verdict is None or verdict.at is not None:
        return False
    found: dict[tuple[str, str], set[str]] = {}
    if any(not claim.tier and claim.verdict not in HELD for claim in verdict.claims):
        return False
    for claim in verdict.claims:
        found.setdefault((claim.shape, claim.rule), set()).add(claim.verdict)

    def verdicts(rule: int) -> set[str]:
        spec = machine.rules[rule]
        return found.get((spec.shape, spec.name), set())

    kept = all(verdicts(rule) <= HELD for rule in holds)
    return kept and all("violate" in verdicts(rule) for rule in fails)


def broken(text: str, name: str) -> Trace | NoTrace:
    """A trace that breaks one rule and no other."""
    found = planned(text)
    assert found is not None
    plan, machine = found
    fails = rules_named(plan, name)[:1]
    others = [
        n for n in range(len(plan.rules)) if plan.sources[n] is not plan.sources[fails[0]]
    ]
    trace = Witnesses(plan).find(others, fails)
    assert isinstance(trace, Trace | NoTrace)
    if isinstance(trace, Trace):
        assert confirms(machine, Replay(machine)(trace).verdict, others, fails)
    return trace


@pytest.mark.parametrize(
    ("elements", "rule", "pattern"),
    [
        ('"a " x: int in 1 .. 9', "x < 9", "a 9"),
        (
            'x: percent " of " y: date',
            'x <= 1 or y < "2030-01-01"',
            r"\d{3}% of 20[3-9]\d-\d\d-\d\d",
        ),
        ('x: decimal(0..2) " " y: number', "x ~= y", r"\d+ \d+"),
        ('x: fraction " " y: int', "x == y", r"\d+/\d+ \d+"),
        ('x: expr "=" y: number', "y == x", r"\d=\d"),
        ('x: expr "=" y: number', "y == 1 or x * 0 == 0", r"1 / 0=\d+"),
        ('x: one of ("b" "c") " " y: bool', 'x == "b" or y', "c false"),
        ('x: text /[a-c]{2}/ "-" y: text /[a-c]{2}/', 'x == "ab" or x != y', "(..)-\\1"),
        ('( "x" x: int | "y" y: int )', "(x else 5) == (y else 5)", r"[xy]\d+"),
        ('"x" ( "=" x: int )?', "present(x) and x > 1", "x"),
        ('xs: int{0..3 sep ","}', "sorted(xs)", r"\d+,\d+"),
        ('xs: int{0..3 sep ","}', "sum(xs) != 6 or count(xs) < 3", r"\d,\d,\d"),
        ('xs: int{0..3 sep ","}', "max(xs) - min(xs) < 5", r"\d+,\d+"),
        ('xs: int{0..3 sep ","} ";" y: int', "y in xs", r";\d+"),
        ('p: prose{3..} "\\nx" x: int', "x > 3", r"xxx\nx[123]"),
    ],
)
def test_small_traces(elements, rule, pattern):
    trace = broken(f"shape S {{ {elements} rule r: {rule} }} trace S", "r")
    assert isinstance(trace, Trace)
    assert re.fullmatch(pattern, trace.text.decode())


def test_the_item_before():
    trace = broken('shape I { x: int rule r: x > (prev.x else 0) } trace I{1..3 sep ","}', "r")
    assert isinstance(trace, Trace)
    assert trace.text == b"0" or b"," in trace.text


def test_shapes_in_themselves():
    trace = broken(
        """shape B up to 3 { "(" x: int ( b: B )? ")" rule r: x == 1 or (b.x else 2) == 2 }
        trace B""",
        "r",
    )
    assert isinstance(trace, Trace)
    assert trace.text.count(b"(") >= 2


def test_parameters_come_with_the_request():
    text = """
        param low: int in 0 .. 100 = 10
        param day: date
        shape S { x: int in 0 .. 50 rule r: x > low or day < "2025-06-01" rule s: low > 20 }
        trace S
    """
    trace = broken(text, "r")
    assert isinstance(trace, Trace)
    assert set(trace.inputs) == {"low", "day"}
    assert isinstance(trace.inputs["low"], Fraction)
    assert str(trace.inputs["day"]) >= "2025-06-01"


def test_what_can_not_be_is_proven():
    text = 'shape S { x: int " " y: int rule r: x >= y rule s: y >= x rule t: x == y } trace S'
    assert broken(text, "t") == NoTrace(proven=True)
    endless = 'shape S { xs: int in 1 .. 9{1.. sep ","} rule r: sum(xs) > 0 } trace S'
    assert broken(endless, "r") == NoTrace(proven=False)


def test_texts_run_out():
    text = """
        shape S { xs: text /[ab]/{3 sep ","} rule r: distinct(xs) rule s: count(xs) == 3 }
        trace S
    """
    found = planned(text)
    assert found is not None
    plan, _ = found
    assert Witnesses(plan).find(rules_named(plan, "r", "s")) == NoTrace(proven=True)


def test_a_trace_that_is_not_confirmed_is_passed_over():
    found = planned('shape S { xs: int{1..3 sep ","} rule r: sum(xs) > 5 } trace S')
    assert found is not None
    plan, _ = found
    seen: list[Trace] = []

    def refuse(trace: Trace) -> bool:
        seen.append(trace)
        return False

    assert Witnesses(plan).find((), (0,), refuse) == NoTrace(proven=False)
    assert [trace.text.count(b",") for trace in seen] == [0, 1, 2]


def test_trees_are_counted_from_the_small_ones():
    found = planned(
        'shape S { a: int ( "b" b: int )? cs: C{0..2} } shape C { ";" c: int } trace S'
    )
    assert found is not None
    trees, complete = Forest(found[0]).trees(100)
    assert (len(trees), complete) == (6, True)
    assert Forest(found[0]).trees(5)[1] is False


# --- texts ---


@pytest.mark.parametrize("pattern", ["[a-c]{1,2}", "a|bc|", "x*y", "[^a-z]{2}", "é+"])
def test_texts_match(pattern):
    found = texts((dfa_of(pattern),), 20)
    assert len(set(found)) == len(found)
    assert all(dfa_of(pattern).accepts(text.encode()) for text in found)
    assert [len(text.encode()) for text in found] == sorted(len(t.encode()) for t in found)


def test_texts_of_one_pattern_and_not_of_another():
    one, other = dfa_of("[a-c]{2}"), dfa_of("[ab]{2}|c[ab]")
    assert texts((one,), 9, (other,)) == ("ac", "bc", "cc")
    assert any_text((one,), (other,))
    assert not any_text((other,), (one,))
    assert not any_text((one, dfa_of("x")))


# --- against the machine ---


def _walks(machine: Machine, r: Random) -> list[bytes]:
    engine, budget = Reference(machine, guarded=False), Budget(machine)
    start = engine.start(given_inputs.registers(machine, None))
    return [random_walk(engine, budget, start, Random(r.random()), 40).text for _ in range(6)]


def _tried(text: str, r: Random) -> None:
    found = planned(text)
    if found is None or not found[0].rules:
        return
    plan, machine = found
    replay = Replay(machine)
    for holds, fails in r.sample(questions(plan), min(2, len(plan.rules))):
        trace = Witnesses(plan, most=16).find(holds, fails)
        if isinstance(trace, Trace):
            assert confirms(machine, replay(trace).verdict, holds, fails)
        elif isinstance(trace, NoTrace) and trace.proven:
            for walk in _walks(machine, r):
                assert not confirms(machine, replay(Trace(walk)).verdict, holds, fails)


@seeded(15, 3_000)
@given(SEEDS)
def test_traces_do_what_is_promised(seed: int) -> None:
    r = Random(seed)
    _tried(author(r, prose=False), r)


@seeded(8, 1_500)
@given(SEEDS)
def test_traces_with_equations_do_what_is_promised(seed: int) -> None:
    r = Random(seed)
    _tried(author(r, watches=True), r)
