"""Machines in which some of the rules steer alone: what a rule leaves open by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.compiler import tiers
from rulec.compiler.places import Listed, Scalar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rulec.compiler.machine import Machine
    from rulec.compiler.plan import Plan
    from rulec.compiler.projection import Where
    from rulec.dsl import checked


@dataclass(frozen=True, slots=True)
class Sifted:
    """A machine of which only the rules count, and where its guards stand."""

    machine: Machine
    places: Mapping[Where, int]

    def guard(self, instance: int, slot: checked.Slot) -> int:
        """The guard of a field; -1 for none."""
        return self.places.get((instance, id(slot), 0), -1)


def sift(plan: Plan, machine: Machine, rules: Collection[int]) -> Sifted:
    """The plan's machine with these rules alone; the others are heard and don't steer.

    Expects a machine of the plan. A rule may be kept by masks here that is not among others.
    """
    chosen = tuple(
        rule if number in rules else replace(rule, tier="audit")
        for number, rule in enumerate(plan.rules)
    )
    assigned = tiers.assign(replace(plan, rules=chosen))
    steered = tuple(
        replace(rule, tier=tier.tier, steer=tier.steer)
        for rule, tier in zip(chosen, assigned.tiered, strict=True)
    )
    sifted = replace(
        machine,
        rules=steered,
        folds=assigned.folds,
        guards=assigned.guards,
        begins=assigned.begins,
    )
    return Sifted(sifted, assigned.places)


def instances(plan: Plan) -> Mapping[int, int]:
    """The place of a shape in which each field stands, by the field's register."""
    found: dict[int, int] = {}
    for instance in plan.layout.instances:
        for place in (*instance.members.values(), *instance.unnamed.values()):
            item = place.item if isinstance(place, Listed) else place
            if isinstance(item, Scalar):
                found[item.register] = id(instance)
    return found
