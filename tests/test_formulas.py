"""Formulas over names that the trace defines: how they are spelled, and what follows."""

from __future__ import annotations

from functools import cache
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute import Brute, sure
from hypothesis import given
from rulesets import SEEDS, built, letters_of, random_walk, seeded, vocabulary, ways
from test_engines import compare_walk
from test_logic import Drawn

from rulec.compiler import fit
from rulec.runtime import Verifier, verify
from rulec.runtime.budget import Budget
from rulec.runtime.host import Host
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from rulec.compiler import Machine

NAMES = ["a", "ab", "no", "n", "ord"]

SHAPES = """
names atoms
names claims { claim: formula(atoms) }
shape Atom { "let " id: def(atoms) ";" }
shape Given { id: def(claims, /P[0-9]/, claim: claim) ":" claim: formula(atoms) ";" }
shape Step {
    id: def(claims, /S[0-9]/, claim: claim) ":" claim: formula(atoms)
    "<" uses: ref(claims){1..3 sep ","} ">;"
    TIER rule follows: entails(uses.claim, claim)
}
shape All { atoms: Atom{1..5} given: Given{1..3} steps: Step{0..3} "." }
trace All
"""


@cache
def made_of(tier: str = "") -> Machine:
    machine = built(SHAPES.replace("TIER", tier))
    assert machine is not None
    return machine


def begun(names: list[str]) -> str:
    return "".join(f"let {name};" for name in names) + "P1:"


def after(text: str) -> str:
    engine = Reference(made_of())
    config = engine.walk(engine.start({}), text.encode(), 0)
    return "".join(chr(byte) for byte, _ in ways(engine, config, len(text)))


@pytest.mark.parametrize(
    ("text", "may"),
    [
        ("", "(abn"),
        ("a", " ;b"),
        ("a ", "aio"),
        ("a a", "n"),
        ("a and ", "(abn"),
        ("n", " ;o"),
        ("no", " ;t"),
        ("not", " "),
        ("not ", "(abn"),
        ("(ab", " )"),
        ("((((a", " )b"),
        ("((((", "abn"),
        ("ab implies ", "(abn"),
    ],
)
def test_what_may_follow(text: str, may: str) -> None:
    assert after(begun(["a", "ab", "no", "n", "b"]) + text) == "".join(sorted(may))


def check_spelled(seed: int) -> None:
    """Every formula over the names that there are is let through; others are not."""
    r = Random(seed)
    engine = Reference(made_of())
    known = r.sample(NAMES, r.randint(1, 4))
    for _ in range(8):
        drawn = Drawn(r, r.choice((known, NAMES)), 3).text()
        data = f"{begun(known)}{drawn};".encode()
        words = drawn.replace("(", " ").replace(")", " ").split()
        right = set(words) - {"and", "or", "not", "implies"} <= set(known)
        assert bool(engine.walk(engine.start({}), data, 0).threads) is right, (known, drawn)


@seeded(25, 5_000)
@given(SEEDS)
def test_formulas_are_over_names_that_are_there(seed: int) -> None:
    check_spelled(seed)


def check_engines(seed: int) -> None:
    r = Random(seed)
    machine = made_of("audit")
    letters = bytes(sorted({*letters_of(machine), *b"letadnorimpsPS ;:<>.()"}))
    pack = fit(machine, vocabulary(r, letters))
    compare_walk(pack, Host(pack), Brute(pack), r, 14)


@seeded(4, 500)
@given(SEEDS)
def test_engines_agree(seed: int) -> None:
    check_engines(seed)


def check_walks(seed: int) -> None:
    r = Random(seed)
    machine = made_of("audit")
    engine, budget = Reference(machine), Budget(machine)
    walk = random_walk(engine, budget, engine.start({}), r, r.choice([3, 20, 90]))
    assert sure(machine)
    assert walk.end == "done", walk
    assert Verifier(machine)(walk.text).verdict in ("pass", "violate")


@seeded(10, 2_000)
@given(SEEDS)
def test_whatever_is_begun_can_be_ended(seed: int) -> None:
    check_walks(seed)


RAIN = "let rain;let wet;let slow;P1:rain implies wet;P2:rain;P3:wet implies slow;"


@pytest.mark.parametrize(
    ("steps", "verdict"),
    [
        ("S1:wet<P1,P2>;.", "pass"),
        ("S1:wet<P1,P2>;S2:slow and wet<S1,P3>;.", "pass"),
        ("S1:wet or not wet<P2>;.", "pass"),
        ("S1:wet<P2>;.", "violate"),
        ("S1:wet<P1,P2>;S2:slow<S1>;.", "violate"),
        ("S1:wet<P1,P4>;.", "violate"),
        ("S1:fog<P1>;.", "violate"),
        ("S1:wet<P1,S1>;.", "violate"),
        ("S1:wet  and rain<P1,P2>;.", "unparsed"),
    ],
)
def test_steps_follow_from_what_they_cite(steps: str, verdict: str) -> None:
    assert verify(made_of(), RAIN + steps).verdict == verdict


def test_a_step_that_does_not_follow_is_told_with_truths() -> None:
    found = verify(made_of(), RAIN + "S1:wet<P2>;.")
    (claim,) = (one for one in found.claims if one.verdict == "violate")
    assert (claim.rule, claim.found) == ("follows", "wet")
    assert claim.expected == "what holds where rain, not wet"


def test_an_unknown_name_is_told() -> None:
    found = verify(made_of(), RAIN + "S1:fog<P1>;.")
    claim = next(one for one in found.claims if one.verdict == "violate")
    assert (claim.rule, claim.found, claim.expected) == (
        "claim",
        "fog",
        "a name that `atoms` has",
    )
