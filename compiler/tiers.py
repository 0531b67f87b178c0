"""Which rules masks can keep by themselves, and why the others are tested later."""

from __future__ import annotations

from dataclasses import dataclass

from rulec.compiler.plan import Plan
from rulec.dsl.diagnostics import Diagnostic


@dataclass(frozen=True, slots=True)
class Tiered:
    """A rule's tier and the reason for it."""

    tier: str
    reason: str


def assign(plan: Plan) -> tuple[Tiered, ...]:
    """The tier of every rule."""
    return tuple(Tiered(rule.tier, "") for rule in plan.rules)


def complaints(plan: Plan, tiered: tuple[Tiered, ...]) -> tuple[Diagnostic, ...]:
    """`mask rule`s whose tier is another."""
    return ()
