"""Every example with one place of one rule changed: `rulec diff` has to see the change."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from random import Random

import pytest
from mutants import Mutant, mutants
from rulesets import FUZZ, many, ruled

from rulec.compiler.plan import plan_ruleset
from rulec.dsl import load_text
from rulec.runtime.differences import Difference, OnlyOne, Ruled, compare
from rulec.runtime.trials import Replay

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").rglob("*.rules"))

SHOWN = "both sides have two digits, and two that differ do so by more than half of the last"
NEVER_LESS = "the amount is never below zero"
EQUIVALENT = {
    ("invoice", "product", "== -> ~="): SHOWN,
    ("invoice", "subtotal", "== -> ~="): SHOWN,
    ("invoice", "total", "== -> ~="): SHOWN,
    ("invoice", "tax", "== -> ~="): SHOWN,
    ("order", "product", "== -> ~="): SHOWN,
    ("order", "total", "== -> ~="): SHOWN,
    ("invoice", "tax", "round -> round_even"): "8% of whole cents never end in half a cent",
    ("packs/invoice", "listed", "== -> ~="): SHOWN,
    ("packs/invoice", "product", "== -> ~="): SHOWN,
    ("packs/invoice", "tax", "== -> ~="): SHOWN,
    ("packs/invoice", "total", "== -> ~="): SHOWN,
    ("packs/invoice", "tax", "round -> round_even"): "8% of whole cents, as above",
    ("packs/ledger", "side", "== -> <="): NEVER_LESS,
    ("packs/ledger", "side", "== -> ~="): SHOWN,
    ("packs/ledger", "opened", "== -> ~="): SHOWN,
    ("packs/ledger", "running", "== -> ~="): SHOWN,
    ("packs/ledger", "debits", "== -> ~="): SHOWN,
    ("packs/ledger", "credits", "== -> ~="): SHOWN,
    ("packs/ledger", "even", "== -> ~="): SHOWN,
}
"""Changes that make no difference, and why."""

UNPROVEN = {
    (
        "packs/invoice",
        "subtotal",
        "== -> ~=",
    ): "no difference, but there may be more rows",
    ("packs/plan", "total", "== -> ~="): "no difference, but there may be more tasks",
}
"""Changes that make no difference where nothing tells so."""


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
        made = [
            (path, mutant)
            for mutant in mutants(path.read_text("utf-8"))
            if mutant.rule in enforced and load_text(mutant.text).ruleset is not None
        ]
        found += made if path.parent.name != "packs" else _few(made)
    return found


def _few(made: list[tuple[Path, Mutant]]) -> list[tuple[Path, Mutant]]:
    """Some of a pack's mutants, and all of them when there is time."""
    return Random(1).sample(made, min(len(made), many(2, 400)))


CHANGED = _changed()


def named(path: Path) -> str:
    """An example by its place."""
    return f"packs/{path.stem}" if path.parent.name == "packs" else path.stem


def _name(case: object) -> str:
    return named(case) if isinstance(case, Path) else f"{case.rule}: {case.change}"  # type: ignore[attr-defined]


def told_apart(difference: Difference, kept: Ruled, other: Ruled) -> bool:
    """Whether the reference accepts the trace for the one and rejects it for the other."""
    accepted = Replay(kept.machine)(difference.trace).accepted
    return accepted and Replay(other.machine)(difference.trace).rejected


@pytest.mark.parametrize(("path", "mutant"), CHANGED, ids=_name)
def test_a_changed_rule_is_seen(path: Path, mutant: Mutant) -> None:
    old, new = original(path), ruled(mutant.text)
    assert new is not None
    found = compare(old, new)
    change = named(path), mutant.rule, mutant.change.partition(" at ")[0]
    if change in EQUIVALENT or change in UNPROVEN:
        assert found.relation == ("equivalent" if change in EQUIVALENT else "unknown")
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
    changes = {(named(p), m.rule, m.change.partition(" at ")[0]) for p, m in CHANGED}
    needed = {*EQUIVALENT, *UNPROVEN}
    assert changes >= {
        change for change in needed if FUZZ or not change[0].startswith("packs/")
    }


def test_all_examples_have_mutants():
    assert {path for path, _ in CHANGED} == set(EXAMPLES)
