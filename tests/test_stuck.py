"""A refuted certificate is shown as a trace that the reference machine gets stuck behind."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import pytest
from rulesets import ways

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime.analysis import analyse
from rulec.runtime.reference import Reference
from rulec.runtime.stuck import stuck_at

if TYPE_CHECKING:
    from rulec.compiler import Machine

PAIRS = """
shape Step {{ "+" d: int in 0 .. 9 " c" c: int in 0 .. 10 rule pair: c == d + 1 }}
shape Steps {{ steps: Step{{1..{most}}} "." rule two: sum(steps.c) == sum(steps.d) + 2 }}
trace Steps
"""


@pytest.mark.parametrize("most", [7, 20])
def test_a_refuted_rule_is_shown_stuck(most: int) -> None:
    ruleset = load_text(PAIRS.format(most=most)).ruleset
    assert ruleset is not None
    built = build(ruleset)
    assert {rule.name: rule.tier for rule in built.rules} == {"two": "commit", "pair": "mask"}
    (note,) = [found for found in analyse(built) if found.code == "R0518"]
    text, last = note.example.split("\n")
    assert last == "and nothing can follow that keeps the rule"
    assert built.machine is not None
    two, pair = built.machine.rules
    free, strict = (
        followed(replace(built.machine, rules=(replace(two, tier=tier), pair)), text)
        for tier in ("audit", "mask")
    )
    assert text.count("+") == most
    assert free == {"."}, "all other rules are kept, and the trace may end"
    assert strict == set(), "and nothing can follow that keeps the rule"


def followed(machine: Machine, text: str) -> set[str]:
    """The characters that may follow a text."""
    engine = Reference(machine)
    config = engine.start({})
    for at, byte in enumerate(text.encode()):
        config = engine.step(config, byte, at)
    assert config.threads
    return {chr(byte) for byte, _ in ways(engine, config, len(text))}


def test_short_lists_go_item_by_item() -> None:
    ruleset = load_text(PAIRS.format(most=5)).ruleset
    assert ruleset is not None
    assert {rule.tier for rule in build(ruleset).rules} == {"mask"}


def test_values_that_refute_are_tried_first() -> None:
    text = """
    shape Crate {
        "u" units: int in 1 .. 9999 " b" boxes: int in 1 .. 99 " e" each: int in 1 .. 99
        rule units: units == boxes * each
    }
    trace Crate
    """
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert machine is not None
    units = next(field for field in machine.fields if field.name == "units")
    text = stuck_at(machine, [0], {units.register: Fraction(101)})
    assert text is not None
    assert text.startswith(b"u101 b")
    assert stuck_at(machine, [0], {units.register: Fraction(0)}) is not None
