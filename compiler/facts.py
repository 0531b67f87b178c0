"""What always holds of how many names there are, as far as rules count the loose ones.

Certificates take values as they come; between the counts of lists and of names there are bounds
that the machine keeps by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.conditions import Atom, Cell
from rulec.compiler.places import Instance, Listed, Scalar
from rulec.compiler.polynomial import Poly, number, variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Table
    from rulec.compiler.plan import Plan


def facts(plan: Plan) -> Cell:
    """The bounds on loose names, and on the names of their tables, where they are counted."""
    return tuple(atom for graph in plan.loosening for atom in _of_graph(plan, graph))


def _of_graph(plan: Plan, graph: int) -> Iterator[Atom]:
    """Loose names are some of all, those that are cited some of them."""
    loosening = plan.loosening[graph]
    loose = variable(plan.folds[loosening.fold].register)
    table: Table | None = None
    for field, cited in loosening.cited.items():
        table = plan.layout.table_of(plan.fields[field]).table
        yield Atom("ge", variable(table.count) - loose)
        if cited >= 0:
            yield Atom("ge", loose - variable(plan.folds[cited].register))
    if table is not None:
        yield from _of_definitions(plan, table)
        yield from _of_references(plan, table)


def _of_definitions(plan: Plan, table: Table) -> Iterator[Atom]:
    """A list of which each item defines one name has as many items, or one more."""
    defining = [one for one in plan.layout.instances if table in plan.defining(one)]
    instance = defining[0] if len(defining) == 1 else None
    if instance is None or instance.list is None:
        return
    list_ = plan.layout.lists[instance.list]
    if any(list_.count in other.registers for other in plan.layout.lists):
        return
    more = variable(list_.count) - variable(table.count)
    yield Atom("ge", more)
    if not any(plan.layout.may_lack(r, list_.count) for r in _names(plan, instance)):
        yield Atom("ge", number(1) - more)


def _names(plan: Plan, instance: Instance) -> list[int]:
    return [plan.fields[field].register for field in plan.definitions(instance)]


def _of_references(plan: Plan, table: Table) -> Iterator[Atom]:
    """A list of references has items only where there are names."""
    for instance in plan.layout.instances:
        for place in instance.places:
            if isinstance(place, Listed) and isinstance(place.item, Scalar):
                spec, list_ = plan.fields[place.item.field], plan.layout.lists[place.list]
                own = spec.kind == "ref" and plan.layout.table_of(spec).table == table
                if own and list_.high is not None:
                    there = variable(table.count).times(list_.high)
                    yield Atom("ge", there - variable(list_.count))


def needed(plan: Plan, list_: int) -> Poly | None:
    """How many names there are for a list of references; None for other lists."""
    for instance in plan.layout.instances:
        for place in instance.places:
            if isinstance(place, Listed) and place.list == list_:
                field = place.item.field if isinstance(place.item, Scalar) else -1
                spec = plan.fields[field] if field >= 0 else None
                if spec is not None and spec.kind == "ref" and not spec.forward:
                    return variable(plan.layout.table_of(spec).table.count)
    return None
