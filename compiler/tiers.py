"""Which rules masks can keep by themselves, and why the others are tested later.

A rule is admitted, in file order, while the rules admitted so far stay *soluble by
propagation*:

- each either defines a field by fields written before it (`f == E`, `f ~= E`), bounds a
  term, or speaks of one field alone;
- a definition's values fit its field's digits, and their range becomes a bound on the
  definition;
- all bounds pull every free field the same way, so that one choice of the fields still to
  come is the best one for all of them at once;
- no two ways lead from one rule to another (the rules and their fields form a forest), so
  that what propagation leaves open for a field is what all rules together leave open.

Under these conditions no choice that is left open ever leaves a later field empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.machine import Rule
    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Term
from rulec.compiler.soluble import System, Unfit
from rulec.compiler.steering import (
    definitions,
    steered,
)


@dataclass(frozen=True, slots=True)
class Tiered:
    """A rule's tier and the reason for it; `steer` is the form that is propagated."""

    tier: str
    reason: str
    steer: Term


def assign(plan: Plan) -> tuple[Tiered, ...]:
    """The tier of every rule."""
    meanings = definitions(plan)
    steers = [steered(rule.term, meanings, plan) for rule in plan.rules]
    admitted: list[tuple[Rule, Term]] = []
    tiered: dict[int, Tiered] = {}
    for number in _file_order(plan):
        rule, steer = plan.rules[number], steers[number]
        if rule.tier == "audit":
            tiered[number] = Tiered("audit", "the author asked for it", rule.term)
            continue
        reason = "it reads a field that may be absent" if rule.unsure else ""
        reason = reason or _unfit(plan, [*admitted, (rule, steer)])
        if reason:
            tiered[number] = Tiered("commit", reason, steer)
        else:
            admitted.append((rule, steer))
            tiered[number] = Tiered("mask", "every choice left open can be completed", steer)
    return tuple(tiered[number] for number in range(len(plan.rules)))


def _file_order(plan: Plan) -> list[int]:
    places = [source.span.start for source in plan.sources]
    return sorted(range(len(places)), key=lambda number: (places[number], number))


def complaints(plan: Plan, tiered: Sequence[Tiered]) -> tuple[Diagnostic, ...]:
    """`mask rule`s whose tier is another."""
    return tuple(
        dict.fromkeys(
            Diagnostic(
                "R0501",
                f"`{source.name}` can't be kept by masks alone",
                Label(source.span, tier.reason),
                hint="write `rule` without `mask`: it is tested when its last field closes",
            )
            for source, tier in zip(plan.sources, tiered, strict=True)
            if source.tier == "mask" and tier.tier != "mask"
        )
    )


def _unfit(plan: Plan, rules: list[tuple[Rule, Term]]) -> str:
    """Why these rules together can't be kept by masks; empty where they can."""
    try:
        System(plan).check([steer for _, steer in rules])
    except Unfit as reason:
        return str(reason)
    return ""
