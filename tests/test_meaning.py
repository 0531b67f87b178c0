"""Verdicts against an independent reading of the language."""

from __future__ import annotations

from contextlib import suppress
from random import Random

from hypothesis import given
from json_rulesets import json_author
from oracle import Judge, Reader
from rulesets import (
    SEEDS,
    author,
    random_walk,
    seeded,
)

from rulec.compiler import Machine, build
from rulec.dsl import load_text
from rulec.runtime import BadInput, NoSample, Sampler, Verifier
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.reference import Reference


def _mutated(r: Random, text: str) -> str:
    """A trace with a digit changed, a character put in or taken out, or a part doubled."""
    at = r.randrange(len(text) + 1) if text else 0
    digits = [n for n, char in enumerate(text) if char.isdigit()]
    kind = r.random()
    if kind < 0.6 and digits:
        at = r.choice(digits)
        return text[:at] + r.choice("0123456789") + text[at + 1 :]
    if kind < 0.75:
        return text[:at] + r.choice("0123456789.,-;|% ab+*/()") + text[at:]
    if kind < 0.9:
        return text[:at] + text[at + 1 :]
    return text[:at] + text[max(0, at - r.randint(1, 6)) :]


def _traces(machine: Machine, r: Random) -> list[str]:
    """Traces that keep the shapes, whatever the rules say, and changed ones."""
    free = Reference(machine, guarded=False)
    budget = Budget(machine)
    start = free.start(given_inputs.registers(machine, None))
    found: list[str] = []
    for _ in range(2):
        walk = random_walk(free, budget, start, Random(r.random()), 40)
        found.append(walk.text.decode("utf-8", "replace"))
    sampler = Sampler(machine)
    with suppress(NoSample, BadInput):
        found += [sampler(0).decode(), sampler(1).decode()]
    return [*found, *(_mutated(r, text) for text in found for _ in range(2))]


@seeded(25, 5_000)
@given(SEEDS)
def test_verdicts_mean_what_the_language_says(seed: int) -> None:
    r = Random(seed)
    compare_verdicts(author(r, prose=False), r)


@seeded(25, 5_000)
@given(SEEDS)
def test_verdicts_of_json_mean_what_the_language_says(seed: int) -> None:
    r = Random(seed)
    text = json_author(r, prose=r.random() < 0.5)
    if "trace ( prose" not in text:  # which the oracle doesn't read
        compare_verdicts(text, r)


def compare_verdicts(text: str, r: Random) -> None:
    ruleset = load_text(text).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if ruleset is None or machine is None:
        return
    verify, judge = Verifier(machine), Judge(ruleset, {})
    for trace in _traces(machine, r):
        readings = list(Reader(ruleset, trace).readings())
        verdict = verify(trace.encode())
        if not readings:
            assert verdict.verdict in ("unparsed", "violate", "too complex"), (text, trace)
            continue
        assert len(readings) == 1, (text, trace)
        want = judge.verdict(readings[0])
        assert verdict.verdict == want, (text, trace, verdict, want)
        assert verdict.at is None
        claims = sorted((rule.name, found) for rule, found in judge.claims(readings[0]))
        assert sorted((c.rule, c.verdict) for c in verdict.claims) == claims, (text, trace)
