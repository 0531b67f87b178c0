"""Every example with one place of one rule changed: `rulec diff` has to see the change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from mutants import Mutant, mutants
from rulesets import ruled

from rulec.compiler.plan import plan_ruleset
from rulec.dsl import load_text
from rulec.runtime.differences import Difference, OnlyOne, Ruled, compare
from rulec.runtime.replay import Replay

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.rules"))

SHOWN = "both sides have two digits, and two that differ do so by more than half of the last"
EQUIVALENT = {
    ("invoice", "product", "== -> ~="): SHOWN,
    ("invoice", "subtotal", "== -> ~="): SHOWN,
    ("invoice", "total", "== -> ~="): SHOWN,
    ("invoice", "tax", "== -> ~="): SHOWN,
    ("order", "product", "== -> ~="): SHOWN,
    ("order", "total", "== -> ~="): SHOWN,
    ("invoice", "tax", "round -> round_even"): "8% of whole cents never end in half a cent",
}
"""Changes that make no difference, and why."""


@cache
def original(path: Path) -> Ruled:
    found = ruled(path.read_text("utf-8"))
    assert found is not None
    return found


def _changed() -> list[tuple[Path, Mutant]]:
    """The mutants of rules that are enforced."""
    found: list[tuple[Path, Mutant]] = []
    for path in EXAMPLES:
        plan = plan_ruleset(original(path).ruleset)
        enforced = {rule.name for rule in plan.rules if rule.tier != "audit"}
        found += [
            (path, mutant)
            for mutant in mutants(path.read_text("utf-8"))
            if mutant.rule in enforced and load_text(mutant.text).ruleset is not None
        ]
    return found


CHANGED = _changed()


def _name(case: object) -> str:
    return case.stem if isinstance(case, Path) else f"{case.rule}: {case.change}"  # type: ignore[attr-defined]


def told_apart(difference: Difference, kept: Ruled, other: Ruled) -> bool:
    """Whether the reference accepts the trace for the one and rejects it for the other."""
    accepted = Replay(kept.machine)(difference.trace).accepted
    return accepted and Replay(other.machine)(difference.trace).rejected


@pytest.mark.parametrize(("path", "mutant"), CHANGED, ids=_name)
def test_a_changed_rule_is_seen(path: Path, mutant: Mutant) -> None:
    old, new = original(path), ruled(mutant.text)
    assert new is not None
    found = compare(old, new)
    reason = EQUIVALENT.get((path.stem, mutant.rule, mutant.change.partition(" at ")[0]))
    if reason is not None:
        assert found.relation == "equivalent"
        return
    sides: list[tuple[OnlyOne, Ruled, Ruled]] = [
        (found.only_old, old, new),
        (found.only_new, new, old),
    ]
    shown = [side for side in sides if side[0].difference is not None]
    assert shown
    for side, kept, other in shown:
        assert side.difference is not None
        assert told_apart(side.difference, kept, other)


def test_every_reason_is_needed():
    changes = {(p.stem, m.rule, m.change.partition(" at ")[0]) for p, m in CHANGED}
    assert changes >= set(EQUIVALENT)


def test_all_examples_have_mutants():
    assert {path for path, _ in CHANGED} == set(EXAMPLES)
