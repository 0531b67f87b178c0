"""What a trace is made of: which branches it takes, and how many items its lists have.

Trees are counted up from the small ones: a cost is what a tree has beyond the least.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from rulec.compiler.places import Instance, Listed, Place, Scalar, place_of
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.plan import Plan
    from rulec.dsl.source import Span

WATCHED = 2
"""What an equation in prose, or an expression without a value, costs."""

DEAREST = 200
"""Trees that cost more are not looked for."""


@dataclass(frozen=True, slots=True)
class Tree:
    """One way through an element.

    `choice` is the branch taken; 1 where an optional is there; in prose the watch that is in
    it, counted from 1; 1 for an expression without a value. `parts` are the trees inside.
    """

    choice: int = 0
    parts: tuple[Tree, ...] = ()


LEAF = Tree()

LONGEST = 250
"""Parts of a sequence, or items of a list, beyond which only the least tree is looked for."""


class Forest:
    """All trees of a plan's trace.

    The fields in `broken` are expressions that may lack a value; `watched` are the watches that
    are worth an equation in prose, by the field of the prose and their place beside it. A
    repeat in `counts`, by where it stands in its file, has so many items.
    """

    def __init__(
        self,
        plan: Plan,
        broken: frozenset[int] = frozenset(),
        watched: frozenset[tuple[int, int]] = frozenset(),
        counts: Mapping[Span, int] | None = None,
    ) -> None:
        self._counts = counts or {}
        self._plan = plan
        self._broken = broken
        self._watched = watched
        self._known: dict[tuple[int, int], float] = {}
        self._cut = False

    def trees(self, most: int) -> tuple[tuple[Tree, ...], bool]:
        """Up to `most` trees of the trace, the cheapest first, and whether that is all."""
        return self.within(self._plan.root, most)

    def within(self, place: Instance, most: int) -> tuple[tuple[Tree, ...], bool]:
        """Up to `most` trees of one place of a shape, and whether that is all."""
        found: list[Tree] = []
        self._cut = False
        dearest = self._dearest(place.shape.body, place)
        cost = 0
        while cost <= dearest:
            if cost > DEAREST:
                return tuple(found), False
            for tree in self._element(place.shape.body, place, cost):
                if len(found) == most:
                    return tuple(found), False
                found.append(tree)
            cost += 1
        return tuple(found), not self._cut

    # --- trees of one cost ---

    def _element(self, element: checked.Element, into: Instance, cost: int) -> Iterator[Tree]:
        match element:
            case checked.Sequence(parts):
                for inner in self._parts(parts, into, cost):
                    yield Tree(0, inner)
            case checked.Choice(options):
                for number, option in enumerate(options):
                    yield from self._branch(number, option, into, cost)
            case checked.Optional(body):
                yield from _leaf(cost)
                yield from self._branch(1, body, into, cost)
            case checked.Repeat(body):
                yield from self._items(body, into, *self._bounds(element), cost)
            case checked.Slot():
                yield from self._slot(element, into, cost)
            case checked.Literal() | checked.Pattern() | checked.Cut():
                yield from _leaf(cost)
            case _:
                assert_never(element)

    def _branch(
        self, number: int, body: checked.Element, into: Instance, cost: int
    ) -> Iterator[Tree]:
        """The first branch is free, the others cost one."""
        for tree in self._element(body, into, cost - min(number, 1)):
            yield Tree(number, (tree,))

    def _parts(
        self, parts: Sequence[checked.Element], into: Instance, cost: int
    ) -> Iterator[tuple[Tree, ...]]:
        """The trees of a sequence; what the first part costs, the others don't."""
        if cost == 0:
            least = [next(self._element(part, into, 0), None) for part in parts]
            if None not in least:
                yield tuple(tree for tree in least if tree is not None)
            return
        if not parts:
            return
        if len(parts) > LONGEST:
            self._cut = True
            return
        rest = sum(self._dearest(part, into) for part in parts[1:])
        for own in range(cost + 1):
            if own > self._dearest(parts[0], into) or cost - own > rest:
                continue
            for tree in self._element(parts[0], into, own):
                for others in self._parts(parts[1:], into, cost - own):
                    yield (tree, *others)

    def _items(
        self, body: checked.Element, into: Instance, low: int, high: int | None, cost: int
    ) -> Iterator[Tree]:
        more = cost if high is None else min(cost, high - low)
        for extra in range(more + 1):
            for inner in self._parts((body,) * (low + extra), into, cost - extra):
                yield Tree(low + extra, inner)

    def _bounds(self, repeat: checked.Repeat) -> tuple[int, int | None]:
        count = self._counts.get(repeat.span)
        return (repeat.low, repeat.high) if count is None else (count, count)

    def _slot(self, slot: checked.Slot, into: Instance, cost: int) -> Iterator[Tree]:
        place = item_of(slot, into)
        if isinstance(place, Instance):
            for tree in self._element(place.shape.body, place, cost):
                yield Tree(0, (tree,))
        elif isinstance(place, Scalar):
            yield from _leaf(cost)
            if cost == WATCHED and place.field in self._broken:
                yield Tree(1)
            for number, watch in self._watches(place.field):
                for tree in self._element(watch.shape.body, watch, cost - WATCHED):
                    yield Tree(number + 1, (tree,))

    def _watches(self, field: int) -> Iterator[tuple[int, Instance]]:
        for number, (_, instance) in enumerate(self._plan.layout.watching.get(field, ())):
            if (field, number) in self._watched:
                yield number, instance

    # --- the dearest tree ---

    def _dearest(self, element: checked.Element, into: Instance) -> float:
        """What the dearest tree costs; minus infinity where there is none."""
        key = (id(element), id(into))
        if key not in self._known:
            self._known[key] = self._measured(element, into)
        return self._known[key]

    def _measured(self, element: checked.Element, into: Instance) -> float:
        match element:
            case checked.Sequence(parts):
                return sum(self._dearest(part, into) for part in parts)
            case checked.Choice(options):
                return max(
                    min(number, 1) + self._dearest(option, into)
                    for number, option in enumerate(options)
                )
            case checked.Optional(body):
                return max(0, 1 + self._dearest(body, into))
            case checked.Repeat(body):
                low, high = self._bounds(element)
                each = self._dearest(body, into)
                if each < 0:
                    return 0 if low == 0 else -inf
                if high is None:
                    return inf
                return high - low + (high * each if high else 0)
            case checked.Slot():
                return self._measured_slot(element, into)
            case _:
                return 0

    def _measured_slot(self, slot: checked.Slot, into: Instance) -> float:
        place = item_of(slot, into)
        if isinstance(place, Instance):
            return self._dearest(place.shape.body, place)
        if not isinstance(place, Scalar):
            return -inf
        dear = [0.0, WATCHED if place.field in self._broken else 0]
        for _, watch in self._watches(place.field):
            dear.append(WATCHED + self._dearest(watch.shape.body, watch))
        return max(dear)


def _leaf(cost: int) -> Iterator[Tree]:
    if cost == 0:
        yield LEAF


def item_of(slot: checked.Slot, into: Instance) -> Place | None:
    """Where a slot's field lives; of a list, where an item does."""
    place = place_of(slot, into)
    return place.item if isinstance(place, Listed) else place
