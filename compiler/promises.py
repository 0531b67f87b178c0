"""Projection of names: that a new one is left, and that what is promised can be kept.

A table has `begun` names, whose definitions the trace has begun, and `owed` ones, which
references have promised. A definition begins a promised name or a new one; a reference that may
look ahead is to one of these, or promises one more. None is owed at the end.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rulec.compiler.automata import rooms
from rulec.compiler.conditions import (
    TRUE,
    Atom,
    Formula,
    block_variables,
    conjoined,
    variables,
    within,
)
from rulec.compiler.places import MOST_REGISTERS, Instance, Listed, Scalar, place_of
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.scalars import joined
from rulec.compiler.support import slots
from rulec.compiler.tables import spelling
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.automata import Dfa
    from rulec.compiler.conditions import Block, Cell
    from rulec.compiler.machine import Field, Table
    from rulec.compiler.places import Place
    from rulec.compiler.plan import Plan
    from rulec.compiler.polynomial import Range
    from rulec.compiler.space import Space


def at_end(plan: Plan, most: Mapping[int, int | None]) -> Formula:
    """What must hold of all tables when the trace is over, and so before.

    `most` is how many names of a table a trace can define, by the register that counts them.
    """
    found = TRUE
    for keyed in plan.layout.tables.values():
        if not keyed.table.given:
            there = _room(keyed.dfa, most[keyed.table.count])
            found = within(found, _at_end(keyed.table, there))
    return found


def at_start(plan: Plan, space: Space, formula: Formula) -> Formula:
    """What must hold before the first name."""
    for keyed in plan.layout.tables.values():
        for register in () if keyed.table.given else _counts(keyed.table):
            formula = space.replaced(formula, register, Poly())
    return formula


def _at_end(table: Table, there: int | None) -> Cell:
    """No promise is open, and of `there` names that can be told apart none is used twice."""
    cell: list[Atom] = []
    if table.owed >= 0:
        cell.append(Atom("ge", variable(table.owed).times(-1)))
    if there is not None:
        cell.append(Atom("ge", number(there) - _spoken(table)))
    return tuple(cell)


def _room(dfa: Dfa, most: int | None) -> int | None:
    """How many names can be told apart; None where there is always one more."""
    there = rooms(dfa, MOST_REGISTERS)[0]
    enough = MOST_REGISTERS if most is None else min(most, MOST_REGISTERS)
    return None if there >= enough else there


def _spoken(table: Table) -> Poly:
    """How many names of a table can't be new any more."""
    if table.begun < 0:
        return variable(table.count)
    return variable(table.begun) + (variable(table.owed) if table.owed >= 0 else Poly())


def begun(
    plan: Plan, space: Space, spec: Field, behind: Formula, most: Mapping[int, int | None]
) -> Formula:
    """What must hold before a definition: a name is left that the rest can bear."""
    keyed = plan.layout.table_of(spec)
    table = keyed.table
    type_ = plan.layout.types[plan.fields.index(spec)]
    there = None
    if isinstance(type_, checked.DefType) and type_.regex is not None:
        there = _room(spelling(type_, keyed), most[table.count])
    free: Cell = ()
    if there is not None:
        free = (Atom("ge", number(there - 1) - _spoken(table)),)
    if table.begun < 0:
        return within(behind, free)
    behind = space.replaced(behind, table.begun, variable(table.begun) + number(1))
    if table.owed < 0:
        return within(behind, free)
    some = Atom("ge", variable(table.owed) - number(1))
    fewer = _one_fewer(space, behind, table.owed)
    if fewer is not None:
        new = (((some,), free),) if free else ()
        return space.simple(conjoined(fewer, new))
    kept = space.replaced(behind, table.owed, variable(table.owed) - number(1))
    return joined(space, [within(kept, (some,)), within(behind, free)])


def _one_fewer(space: Space, formula: Formula, name: int) -> Formula | None:
    """What a formula asks for of one less than a variable, or of zero where that is least.

    None where it asks for more than that the variable is small enough: else it holds of the
    greater of two values exactly where it holds of both.
    """
    if name in space.deep(formula) - variables(formula):
        return None
    values = ({name: variable(name) - number(1)}, {name: Poly()})
    made: list[Block] = []
    for block in formula:
        if not all(_falls(atom, name) for cell in block for atom in cell):
            return None
        made.append(tuple(_all_of(cell, values) for cell in block))
    return tuple(made)


def _all_of(cell: Cell, values: tuple[dict[int, Poly], ...]) -> Cell:
    """The atoms of a cell for each of some values."""
    found = (replace(atom, poly=atom.poly.replaced(value)) for atom in cell for value in values)
    return tuple(dict.fromkeys(found))


def _falls(atom: Atom, name: int) -> bool:
    """Whether an atom asks for no more of a variable than that it is small enough."""
    if name not in atom.poly.variables:
        return True
    parts = atom.poly.split(name)
    slope = None if parts is None else parts[0].constant
    return atom.sign == "ge" and slope is not None and slope < 0


def referred(plan: Plan, space: Space, spec: Field, behind: Formula) -> Formula:
    """What must hold before a reference that may look ahead."""
    table = plan.layout.table_of(spec).table
    more = space.replaced(behind, table.owed, variable(table.owed) + number(1))
    there = Atom("ge", variable(table.begun) + variable(table.owed) - number(1))
    return joined(space, [within(behind, (there,)), more])


def closed(plan: Plan, space: Space, instance: Instance, behind: Formula) -> Formula:
    """What must hold before a shape closes and the names that it defines are there."""
    for number_ in plan.definitions(instance):
        spec = plan.fields[number_]
        table = plan.layout.table_of(spec).table
        more = variable(table.count) + plan.written_names(instance, number_)
        behind = space.replaced(behind, table.count, more)
    return behind


def scope_closed(plan: Plan, space: Space, instance: Instance, behind: Formula) -> Formula:
    """What must hold before the names that live in a shape are gone."""
    for scope in plan.layout.scopes(instance):
        table, kept = scope.table, scope.kept
        for register in _counts(table):
            behind = space.replaced(behind, register, variable(kept[register]))
        keyed = plan.layout.tables[table.name]
        behind = within(behind, _at_end(table, _room(keyed.dfa, None)))
    return behind


def scope_opened(plan: Plan, space: Space, instance: Instance, behind: Formula) -> Formula:
    """What must hold before a shape in which names live."""
    for scope in plan.layout.scopes(instance):
        table, kept = scope.table, scope.kept
        if table.owed >= 0:
            behind = space.replaced(behind, table.owed, Poly())
            both = variable(table.begun) + variable(table.owed)
            behind = space.replaced(behind, table.begun, both)
        for register in _counts(table):
            behind = space.replaced(behind, kept[register], variable(register))
    return behind


def _counts(table: Table) -> tuple[int, ...]:
    """The registers that count names of a table."""
    return tuple(n for n in (table.count, table.begun, table.owed, *table.kinds) if n >= 0)


def about(spec: Field, table: Table, formula: Formula) -> Formula:
    """What of a formula bears on which name a field may be."""
    if table.spoken < 0 or not (spec.kind == "def" or spec.forward):
        return ()
    own = {table.begun, table.owed}
    return tuple(block for block in formula if own & block_variables(block))


# --- repeats ---


def registers(plan: Plan, element: checked.Element, into: Instance) -> set[int]:
    """What an element may change of the names that there are."""
    found: set[int] = set()
    for spec, hidden in _fields(plan, element, into):
        table = plan.layout.table_of(spec).table
        if table.name in hidden:
            continue
        if spec.kind == "def":
            found |= {table.count, table.begun, table.owed, *table.kinds}
        elif spec.forward:
            found.add(table.owed)
    return found - {-1}


def adds(plan: Plan, spec: Field, register: int) -> Range:
    """By how much a field can change a count of names."""
    if spec.kind not in ("ref", "def"):
        return 0, 0
    table = plan.layout.table_of(spec).table
    if register == table.owed:
        return (-1, 0) if spec.kind == "def" else (0, int(spec.forward))
    counts = spec.kind == "def" and register in (table.count, table.begun)
    return int(counts), int(counts)


def _fields(
    plan: Plan, element: checked.Element, into: Instance, hidden: frozenset[str] = frozenset()
) -> Iterator[tuple[Field, frozenset[str]]]:
    """The names in an element, each with the tables of which it can change nothing outside."""
    for slot in slots(element):
        place: Place | None = place_of(slot, into)
        item = place.item if isinstance(place, Listed) else place
        if isinstance(item, Instance):
            inside = hidden | {scope.table.name for scope in plan.layout.scopes(item)}
            yield from _fields(plan, item.shape.body, item, inside)
        elif isinstance(item, Scalar) and plan.fields[item.field].kind in ("ref", "def"):
            yield plan.fields[item.field], hidden
