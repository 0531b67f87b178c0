"""Projection of repeats: what must hold between the items of a list.

Between two items there are two ways on, the end of the list and one more item. What must hold
there is what one of them needs. Where rules sum the items up, that is told by how much the
items still to come can add, and how many they can be; elsewhere it is found step by step.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from itertools import combinations
from operator import add
from typing import TYPE_CHECKING

from rulec.compiler import promises
from rulec.compiler.asking import implied
from rulec.compiler.conditions import (
    PRESENT,
    Atom,
    Cell,
    Control,
    Formula,
    Unfit,
    conjoined,
    equal,
    rules_of,
    within,
)
from rulec.compiler.eliminate import eliminate
from rulec.compiler.facts import needed
from rulec.compiler.flatten import Flattener
from rulec.compiler.places import Instance, Listed, Scalar, place_of
from rulec.compiler.polynomial import Poly, hull, number, variable
from rulec.compiler.support import lists_in
from rulec.compiler.values import scaled
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.machine import Folding
    from rulec.compiler.places import Place
    from rulec.compiler.polynomial import Range
    from rulec.compiler.projection import Projection
    from rulec.compiler.space import Space

MOST_ROUNDS = 6
"""Steps in which what must hold between items is found."""

MOST_GAPS = 8
"""Numbers of items whose sums leave gaps between them."""


@dataclass(frozen=True, slots=True)
class Loop:
    """A repeat, with the register that counts its items (-1 where none does).

    With `own` it is the repeat's own counter, not the count of a list.
    """

    element: checked.Repeat
    into: Instance
    count: int
    own: bool = False

    def next(self, space: Space, formula: Formula) -> Formula:
        """The formula before one more item, which is counted first."""
        if not self.own:
            return formula
        return space.replaced(formula, self.count, variable(self.count) + number(1))

    def begun(self, space: Space, formula: Formula) -> Formula:
        """The formula before the first item."""
        return space.replaced(formula, self.count, Poly()) if self.own else formula

    @property
    def enough(self) -> Cell:
        """The list may end."""
        if self.count < 0 or self.element.low == 0:
            return ()
        return (Atom("ge", variable(self.count) - number(self.element.low)),)

    @property
    def room(self) -> Cell:
        """One more item may come."""
        return self._below(1)

    @property
    def control(self) -> Control:
        """What the counts demand and promise: there are never more items than there may be."""
        return Control((self.enough, self.room), self._below(0))

    def _below(self, margin: int) -> Cell:
        high = self.element.high
        if self.count < 0 or high is None:
            return ()
        return (Atom("ge", number(high - margin) - variable(self.count)),)


def repeated(
    projection: Projection, element: checked.Repeat, into: Instance, after: Formula
) -> Formula:
    """What must hold before a repeat, given what must hold behind it."""
    if element.high == 0:
        return after
    loop = Loop(element, into, _counter(projection, element, into))
    carried = _carried(projection, element, into)
    held = carried & projection.names.space.deep(after)
    if held and loop.count < 0 and (element.low > 1 or element.high is not None):
        loop = _counted(projection, loop)
    here = after
    summed = bool(held) and not projection.stepwise and _only_sums(projection, held)
    if summed:
        projection.summed = True
        here = _future(projection, loop, after, held)
        here = within(here, _possible(projection, element, into))
    for _ in range(MOST_ROUNDS):
        more = loop.next(projection.names.space, projection.element(element.body, into, here))
        closed = _either(projection, loop, after, more)
        if closed == here or (summed and _settled(projection, loop, held, here, closed)):
            break
        here = closed
    else:
        reason = "what its items leave to those behind them is found by no few steps"
        raise Unfit(reason, rules_of(here, more))
    projection.decide("item", element, into, here, [after, more], loop.control)
    first = loop.begun(projection.names.space, here)
    for list_ in lists_in(element, into):
        first = projection.emptied(first, list_)
    return first


def _possible(projection: Projection, element: checked.Repeat, into: Instance) -> Cell:
    """That there are names for references of which there must be some."""
    found: list[Atom] = []
    for list_ in lists_in(element, into) if element.low > 0 else ():
        there = needed(projection.plan, list_)
        if there is not None:
            found.append(Atom("ge", there - number(1)))
    return tuple(found)


def _settled(
    projection: Projection, loop: Loop, held: set[int], here: Formula, closed: Formula
) -> bool:
    """Whether what sums leave open is all that stands between items.

    Names are more than counted: the first reference has to find one.
    """
    if not held & _of_names(projection):
        return True
    return implied(projection.names, within(here, loop.control.known), closed)


def _either(projection: Projection, loop: Loop, after: Formula, more: Formula) -> Formula:
    return projection.joined([within(after, loop.enough), within(more, loop.room)])


def _counter(projection: Projection, element: checked.Repeat, into: Instance) -> int:
    """The count of a list that has exactly one item in each round, or -1."""
    for slot in _always(element.body):
        place = place_of(slot, into)
        if isinstance(place, Listed):
            return projection.plan.lists[place.list].count
    return -1


def _counted(projection: Projection, loop: Loop) -> Loop:
    """The repeat with a counter of its own, which no list has."""
    names = projection.names
    count = names.plan.layout.counter(id(loop.into), id(loop.element))
    names.scales[count] = 1
    names.space.bounds[count] = (0, loop.element.high)
    return replace(loop, count=count, own=True)


def _always(element: checked.Element) -> list[checked.Slot]:
    """The slots that are written once, whatever is chosen."""
    match element:
        case checked.Slot():
            return [element]
        case checked.Sequence(parts):
            return [slot for part in parts for slot in _always(part)]
        case _:
            return []


def _carried(projection: Projection, element: checked.Repeat, into: Instance) -> set[int]:
    """The variables that an item changes for what comes behind it."""
    plan, found = projection.plan, set[int]()
    found |= promises.registers(plan, element, into)
    for list_ in lists_in(element, into):
        found.add(plan.lists[list_].count)
        for fold in plan.folds:
            if fold.outer == list_:
                found |= {fold.register, PRESENT + fold.register}
    return found


def _only_sums(projection: Projection, held: set[int]) -> bool:
    counts = {list_.count for list_ in projection.plan.lists}
    sums = {f.register for f in projection.plan.folds if f.function in ("sum", "count")}
    return held <= sums | counts | _of_names(projection) and not held <= counts


def _of_names(projection: Projection) -> set[int]:
    """The registers that count the names of tables."""
    tables = [keyed.table for keyed in projection.plan.layout.tables.values()]
    return {n for table in tables for n in (table.count, table.begun, table.owed)} - {-1}


def _future(projection: Projection, loop: Loop, after: Formula, held: set[int]) -> Formula:
    """The formula behind a list, with all that the items still to come may add."""
    folds = [fold for fold in projection.plan.folds if fold.register in held]
    adds = {fold.register: _contribution(projection, loop, fold) for fold in folds}
    for register in held & _of_names(projection):
        adds[register] = _contribution(projection, loop, frozenset({register}))
    if loop.count in held:
        adds[loop.count] = (1, 1)
    promising = bool(folds) and bool(held & _of_names(projection))  # one item is both
    if all(low != most for low, most in adds.values()) and not promising:
        return _unnumbered(projection, loop, after, adds)
    space = projection.names.space
    high = loop.element.high
    rounds = space.fresh((0, high))
    still = variable(rounds)
    for register, (low, most) in adds.items():
        if low is not None and low == most:
            after = space.replaced(after, register, variable(register) + still.times(low))
    rest = {register: each for register, each in adds.items() if each[0] != each[1]}
    totals = {register: space.fresh((None, None)) for register in rest}
    for register, total in totals.items():
        after = space.replaced(after, register, variable(register) + variable(total))
        bounds = _between(variable(total), rest[register], still, still)
        after = within(after, bounds + _never_less(projection, register, variable(total)))
    after = within(after, _together(projection, loop, totals, (still, still)))
    for total in totals.values():
        after = eliminate(space, after, total)
    cell: list[Atom] = []
    if loop.count >= 0:
        written = variable(loop.count)
        cell.append(Atom("ge", still + written - number(loop.element.low)))
        if high is not None:
            cell.append(Atom("ge", number(high) - still - written))
    return eliminate(space, within(after, tuple(cell)), rounds)


def _unnumbered(
    projection: Projection, loop: Loop, after: Formula, adds: Mapping[int, Range]
) -> Formula:
    """The same where no rule asks how many items there are, but only what they add up to.

    Sums of few items may leave gaps between them; from some number on they leave none, and all
    numbers from there on are taken together.
    """
    gaps = [_gaps(*each) for each in adds.values()]
    if None in gaps or (len(gaps) > 1 and any(gaps)):
        raise Unfit("sums of its items leave more gaps than masks look at", rules_of(after))
    space = projection.names.space
    totals = {register: space.fresh((None, None)) for register in adds}
    for register, total in totals.items():
        after = space.replaced(after, register, variable(register) + variable(total))
    least = number(loop.element.low) - variable(loop.count) if loop.count >= 0 else Poly()
    most = None
    if loop.element.high is not None and loop.count >= 0:
        most = number(loop.element.high) - variable(loop.count)
    ways: list[Formula] = []
    from_here = max(gap or 0 for gap in gaps)
    for rounds in range(from_here + 1):
        exact = number(rounds)
        cell: list[Atom] = [] if most is None else [Atom("ge", most - exact)]
        for register, total in totals.items():
            added, each = variable(total), adds[register]
            if rounds < from_here:
                cell += _between(added, each, exact, exact)
            else:
                cell += _between(added, each, exact, most)
                cell += _between(added, each, least, most)
            cell += _never_less(projection, register, added)
        cell += _together(projection, loop, totals, (exact, most))
        if rounds < from_here:
            cell.append(Atom("ge", exact - least))
        ways.append(within(after, tuple(cell)))
    for total in totals.values():
        ways = [eliminate(space, way, total) for way in ways]
    return projection.joined(ways)


def _together(
    projection: Projection,
    loop: Loop,
    totals: Mapping[int, int],
    rounds: tuple[Poly, Poly | None],
) -> Cell:
    """What items add to promises of several tables: one of them may keep only some of these."""
    tables = [keyed.table for keyed in projection.plan.layout.tables.values()]
    owed = [table.owed for table in tables if table.owed in totals]
    atoms: list[Atom] = []
    for size in range(2, len(owed) + 1):
        for chosen in combinations(owed, size):
            added = reduce(add, (variable(totals[register]) for register in chosen))
            each = _contribution(projection, loop, frozenset(chosen))
            atoms += _between(added, each, *rounds)
    return tuple(atoms)


def _never_less(projection: Projection, register: int, added: Poly) -> Cell:
    """No fewer than no names are ever owed."""
    if register not in _of_names(projection):
        return ()
    return (Atom("ge", variable(register) + added),)


def _between(added: Poly, each: Range, least: Poly, most: Poly | None) -> Cell:
    """What `least` to `most` items add lies between their ends; no end is no bound."""
    low, high = each
    atoms: list[Atom] = []
    few, many = (least, most) if low is not None and low > 0 else (most, least)
    if low == 0:
        atoms.append(Atom("ge", added))
    elif low is not None and few is not None:
        atoms.append(Atom("ge", added - few.times(low)))
    few, many = (most, least) if high is not None and high > 0 else (least, most)
    if high == 0:
        atoms.append(Atom("ge", added.times(-1)))
    elif high is not None and few is not None:
        atoms.append(Atom("ge", few.times(high) - added))
    if many is not None and many.constant == 0 and least == most:
        atoms.append(equal(added))
    return tuple(atoms)


def _gaps(low: int | None, high: int | None) -> int | None:
    """From how many items on their sums leave no gap to those of one more; None: too many."""
    if low is None or low <= 0:
        if high is None or high >= 0:
            return 0
        low, high = -high, None if low is None else -low
    if high is None:
        return 1
    if high == low:
        return 0
    count = -(-(low - 1) // (high - low))
    return count if count <= MOST_GAPS else None


def _contribution(projection: Projection, loop: Loop, fold: Folding | frozenset[int]) -> Range:
    """What one round of a repeat can add to a sum, or to a count of names."""
    return _added(projection, loop.element.body, loop.into, fold)


def _added(
    projection: Projection,
    element: checked.Element,
    into: Instance,
    fold: Folding | frozenset[int],
) -> Range:
    match element:
        case checked.Sequence(parts):
            ranges = [_added(projection, part, into, fold) for part in parts]
            return _plus(*ranges)
        case checked.Choice(options):
            return hull(*(_added(projection, option, into, fold) for option in options))
        case checked.Optional(body):
            return hull((0, 0), _added(projection, body, into, fold))
        case checked.Repeat(body, low, high):
            each = _added(projection, body, into, fold)
            return (
                _times(each[0], low if (each[0] or 0) >= 0 else high),
                _times(each[1], low if each[1] is not None and each[1] <= 0 else high),
            )
        case checked.Slot():
            return _slot_adds(projection, element, into, fold)
        case _:
            return 0, 0


def _slot_adds(
    projection: Projection, slot: checked.Slot, into: Instance, fold: Folding | frozenset[int]
) -> Range:
    place = place_of(slot, into)
    if isinstance(fold, frozenset):
        return _adds_names(projection, place, fold)
    if not isinstance(place, Listed):
        return (0, 0) if not isinstance(place, Instance) else _inside(projection, place, fold)
    if place.list != fold.list:
        item = place.item
        return _inside(projection, item, fold) if isinstance(item, Instance) else (0, 0)
    return _of_item(projection, place.item, fold)


def names_added(
    projection: Projection, element: checked.Element, into: Instance, register: int
) -> Range:
    """By how much an element can change a count of names; no end is None."""
    return _added(projection, element, into, frozenset({register}))


def _adds_names(
    projection: Projection, place: Place | None, registers: frozenset[int]
) -> Range:
    item = place.item if isinstance(place, Listed) else place
    if isinstance(item, Instance):
        return _inside(projection, item, registers)
    if not isinstance(item, Scalar):
        return 0, 0
    spec = projection.plan.fields[item.field]
    return _plus(*(promises.adds(projection.plan, spec, register) for register in registers))


def _inside(
    projection: Projection, instance: Instance, fold: Folding | frozenset[int]
) -> Range:
    if isinstance(fold, frozenset):
        scopes = projection.plan.layout.scopes(instance)
        fold = fold - {register for scope in scopes for register in scope.registers}
        if not fold:
            return 0, 0
    return _added(projection, instance.shape.body, instance, fold)


def _of_item(projection: Projection, item: object, fold: Folding) -> Range:
    """The hull of what an item adds, by the bounds of its fields and its own conditions."""
    names = projection.names
    if fold.function == "count":
        home = names.plan.lists[fold.list].count
        held = {o.truth for o in Flattener(names, -1, home).outcomes(fold.body)}
        return (1, 1) if held == {True} else (0, 1)
    spare = names.space.fresh((None, None))
    try:
        return _projected(projection, item, fold, spare)
    except Unfit:
        return _outer(projection, fold)


def _outer(projection: Projection, fold: Folding) -> Range:
    names = projection.names
    home, scale = names.plan.lists[fold.list].count, names.scales.get(fold.register, 1)
    ranges: list[Range] = []
    for case in Flattener(names, -1, home).value(fold.body):
        if case.gap is not None:
            ranges.append((0, 0))
            continue
        ranges.append(scaled(case, scale).range(names.space.bounds))
    return hull(*ranges)


def _projected(projection: Projection, item: object, fold: Folding, spare: int) -> Range:
    """The ends of what an item adds, its own rules and those of all items kept."""
    names = projection.names
    outer = _outer(projection, fold)
    names.space.bounds[spare] = outer
    quiet = projection.apart()
    home, scale = names.plan.lists[fold.list].count, names.scales.get(fold.register, 1)
    ways: list[Formula] = []
    for case in Flattener(names, -1, home).value(fold.body):
        adds = equal(variable(spare), scaled(case, scale) if case.gap is None else 0)
        ways.append(within((), (*case.cell, adds)))
    after = conjoined(projection.joined(ways), quiet.of_items(fold.list))
    if isinstance(item, Instance):
        before = quiet.instance(item, after)
    elif isinstance(item, Scalar):
        before = quiet.scalar(names.plan.fields[item.field], (0, 0, 0), after)
    else:
        return outer
    low, high = outer
    for block in before:
        for atom in block[0] if len(block) == 1 else ():
            parts = atom.poly.split(spare)
            if parts is None or atom.sign != "ge" or parts[1].constant is None:
                continue
            slope, rest = parts[0].constant, parts[1].constant
            if slope is not None and slope > 0:
                low = max(-(rest // slope), low if low is not None else -(rest // slope))
            elif slope:
                high = min(rest // -slope, high if high is not None else rest // -slope)
    return low, high


def _plus(*ranges: Range) -> Range:
    lows, highs = [r[0] for r in ranges], [r[1] for r in ranges]
    return (
        None if None in lows else sum(end for end in lows if end is not None),
        None if None in highs else sum(end for end in highs if end is not None),
    )


def _times(end: int | None, count: int | None) -> int | None:
    if end == 0 or count == 0:
        return 0
    return None if end is None or count is None else end * count
