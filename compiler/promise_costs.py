"""What it costs to keep promises: the tokens that lead past definitions to the end.

From a state with a promise the trace goes on to a definition that it would not need otherwise.
A list that may be full, and what comes behind it, are both counted on: one of them is open.
"""

from __future__ import annotations

from heapq import heappop, heappush
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from rulec.compiler.arcs import Arc, Arcs


class Promised:
    """The cheapest ways from all states over a definition to the end.

    `costs` are those to the end, whatever is defined; `tokens` tells what an arc takes.
    """

    def __init__(
        self, arcs: Arcs, costs: Sequence[int | None], tokens: Callable[[Arc], int]
    ) -> None:
        self._costs = costs
        self._tokens = tokens
        self.found: list[int | None] = [None] * len(costs)
        self._queue: list[tuple[int, int]] = []
        self._into: dict[int, list[Arc]] = {}
        self._ways: dict[int, dict[bool, int]] = {}
        self._kinds: dict[int, set[bool]] = {}
        sure = [*arcs.sure, *arcs.further, *(arc for _, arc in arcs.onward)]
        groups = [(group.arcs, group.states) for group in arcs.groups]
        every = [*sure, *arcs.doubtful]
        reaching = self._reaching(every, groups)
        ahead = _ahead(every, groups)
        sure = [arc for arc in sure if not arc.fills or self._gains(arc, ahead)]
        self._groups = [
            ([arc for arc in inner if arc.target in reaching or arc.defines], states)
            for inner, states in groups
        ]
        self._missing = [len(inner) for inner, _ in self._groups]
        self._in_groups: dict[int, list[int]] = {}
        for number, (inner, _) in enumerate(self._groups):
            for arc in inner:
                self._in_groups.setdefault(arc.target, []).append(number)
        self._add(sure, reaching)
        self._run()
        self._add(arcs.doubtful, reaching)
        self._run()

    def _reaching(
        self,
        arcs: Iterable[Arc],
        groups: Iterable[tuple[Sequence[Arc], Sequence[tuple[int, int]]]],
    ) -> set[int]:
        """The states from which a definition can be come to."""
        into: dict[int, list[int]] = {}
        queue: list[int] = []
        for arc in arcs:
            into.setdefault(arc.target, []).append(arc.source)
            if arc.defines and self._costs[arc.target] is not None:
                queue.append(arc.source)
        for inner, states in groups:
            for arc in inner:
                into.setdefault(arc.target, []).extend(state for state, _ in states)
        found: set[int] = set()
        while queue:
            state = queue.pop()
            if state not in found:
                found.add(state)
                queue += into.get(state, ())
        return found

    def _gains(self, arc: Arc, ahead: dict[int, list[Arc]]) -> bool:
        """Whether an item can define a name before the list is come to again."""
        seen, queue = {arc.source, arc.target}, [arc.target]
        while queue:
            for way in ahead.get(queue.pop(), ()):
                if way.defines:
                    return True
                if way.target not in seen:
                    seen.add(way.target)
                    queue.append(way.target)
        return False

    def _add(self, arcs: Iterable[Arc], reaching: set[int]) -> None:
        for arc in arcs:
            if self.found[arc.source] is not None:
                continue
            if arc.defines and self._costs[arc.target] is not None:
                self._kinds.setdefault(arc.source, set()).add(arc.fills)
                self._arrive(arc, (self._costs[arc.target] or 0) + self._tokens(arc))
            elif arc.target in reaching:
                self._kinds.setdefault(arc.source, set()).add(arc.fills)
                self._into.setdefault(arc.target, []).append(arc)
        for arc in arcs:
            known = self.found[arc.target]
            if known is not None and not arc.defines and self.found[arc.source] is None:
                self._arrive(arc, known + self._tokens(arc))

    def _arrive(self, arc: Arc, cost: int) -> None:
        """A way from a state is known; where one may be barred, the dearer one counts."""
        ways = self._ways.setdefault(arc.source, {})
        ways[arc.fills] = min(cost, ways.get(arc.fills, cost))
        if len(ways) == len(self._kinds[arc.source]):
            heappush(self._queue, (max(ways.values()), arc.source))

    def _run(self) -> None:
        while self._queue:
            cost, state = heappop(self._queue)
            if self.found[state] is not None:
                continue
            self.found[state] = cost
            for arc in self._into.get(state, ()):
                self._arrive(arc, cost + self._tokens(arc))
            for number in self._in_groups.get(state, ()):
                self._missing[number] -= 1
                if not self._missing[number]:
                    self._complete(number)

    def _complete(self, number: int) -> None:
        inner, states = self._groups[number]
        dearest = max((self.found[arc.target] or 0) + self._tokens(arc) for arc in inner)
        for state, tokens in states:
            heappush(self._queue, (dearest + tokens, state))

    def more(self) -> list[int]:
        """What a first promise costs in each state, beyond the cheapest end."""
        return [
            0 if found is None or cost is None else max(0, found - cost)
            for found, cost in zip(self.found, self._costs, strict=True)
        ]


def _ahead(
    arcs: Iterable[Arc], groups: Iterable[tuple[Sequence[Arc], Sequence[tuple[int, int]]]]
) -> dict[int, list[Arc]]:
    """The arcs from every state."""
    found: dict[int, list[Arc]] = {}
    for arc in arcs:
        found.setdefault(arc.source, []).append(arc)
    for inner, states in groups:
        for state, _ in states:
            found.setdefault(state, []).extend(inner)
    return found
