"""Machines in which some of the rules steer alone: what a rule leaves open by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.compiler.guards import GuardBook
from rulec.compiler.places import Listed, Scalar
from rulec.compiler.projection import Projection

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from rulec.compiler.machine import Machine
    from rulec.compiler.marking import Marked
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


def sift(marked: Marked, rules: Collection[int]) -> Sifted:
    """A machine with these rules alone; the others are heard and don't steer.

    Those that masks keep are projected without the others; since this is for telling and not
    for masks, nothing is certified.
    """
    assigned = marked.assigned
    book = GuardBook()
    for whole in assigned.projections:
        made = assigned.project(whole.rules & frozenset(rules))
        if isinstance(made, Projection):
            book.add(made)
    guards, places, begins = book.finish()
    steering = tuple(
        rule if number in rules else replace(rule, tier="audit")
        for number, rule in enumerate(marked.machine.rules)
    )
    machine = replace(marked.machine, rules=steering, guards=guards, begins=begins)
    return Sifted(machine, places)


def instances(plan: Plan) -> Mapping[int, int]:
    """The place of a shape in which each field stands, by the field's register."""
    found: dict[int, int] = {}
    for instance in plan.layout.instances:
        for place in instance.places:
            item = place.item if isinstance(place, Listed) else place
            if isinstance(item, Scalar):
                found[item.register] = id(instance)
    return found
