"""What completing a trace costs in tokens of a vocabulary, or in bytes without one.

The completion policy ends everything as early as it may. From every state there is an allowed
token that leads to one of a lower cost, whatever guards bar. Only where a repeat without an
upper count may not end before its items suit the rules, it is counted on that they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import numpy as np

from rulec.compiler.arcs import lay_arcs
from rulec.compiler.lexicon import BYTES
from rulec.compiler.machine import END
from rulec.compiler.owed import Owed
from rulec.compiler.promise_costs import Promised
from rulec.compiler.ways import Ways

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from rulec.compiler.arcs import Arc, Arcs
    from rulec.compiler.lexicon import Lexicon
    from rulec.compiler.machine import Machine

NEVER = -1
"""The cost of a state from which no trace can be completed."""


@dataclass(frozen=True)
class Costs:
    """The costs of a machine's states.

    `states` are those of `rulec.compiler.owed`, in its order. `each` is what an item costs that
    a repeat still owes, by register. A row of `words` is a node within a word that rules bear
    on, the word, and the tokens that write its rest. `promised` is what a first promise of a
    name costs beyond that in each state, with 1 where the way to the end refers to a name
    before one is defined; `promise` is what every further promise costs.
    """

    states: NDArray[np.int64]
    each: NDArray[np.int64]
    words: NDArray[np.int64]
    promised: NDArray[np.int64]
    promise: NDArray[np.int64]


def measure(machine: Machine, lexicon: Lexicon = BYTES, *, strict: bool = False) -> Costs:
    """The costs of all states; with `strict` a state costs `NEVER` rather than a guess."""
    owed = Owed(machine)
    ways = Ways(machine, lexicon, owed)
    arcs = lay_arcs(owed, ways)
    each = [0] * len(machine.initial)
    while True:
        costs, asks = _costs(arcs, each, strict=strict)
        dearer = _each(arcs, costs, each)
        if dearer == each:
            break
        each = dearer
    more, further = _promises(arcs, costs, each)
    words = [
        (node, word.word, left)
        for word in ways.ruled_words()
        for node, left in zip(word.nodes, word.left, strict=True)
    ]
    return Costs(
        np.array([NEVER if cost is None else cost for cost in costs], np.int64),
        np.array(each, np.int64),
        np.array(words, np.int64).reshape(-1, 3),
        np.stack([np.array(more, np.int64), np.array(asks, np.int64)], axis=1),
        np.array([further], np.int64),
    )


def _promises(arcs: Arcs, costs: list[int | None], each: list[int]) -> tuple[list[int], int]:
    """What a first promise costs in each state, and each further one."""
    every = (*arcs.sure, *arcs.doubtful, *(arc for _, arc in arcs.onward))
    tables = [table for table in arcs.owed.machine.tables if table.owed >= 0]
    if len(tables) != 1 or not any(arc.defines for arc in every):
        return [0] * len(costs), 0
    more = Promised(arcs, costs, lambda arc: _tokens(arc, each)).more()
    return more, max(more[arc.target] for arc in every if arc.defines)


def _tokens(arc: Arc, each: list[int]) -> int:
    return arc.tokens + sum(items * each[register] for register, items in arc.owing)


class _Search:
    """The cheapest ways from the end to all states (Dijkstra, and Knuth's for groups)."""

    def __init__(self, arcs: Arcs, each: list[int]) -> None:
        self.found: list[int | None] = [None] * arcs.owed.first[-1]
        self.asks = [False] * arcs.owed.first[-1]
        self._queue = [(0, arcs.owed.first[END], False)]
        self._each = each
        self._groups = arcs.groups
        self._missing = [len(group.arcs) for group in arcs.groups]
        self._into: dict[int, list[Arc]] = {}
        self._in_groups: dict[int, list[int]] = {}
        for number, group in enumerate(arcs.groups):
            for arc in group.arcs:
                self._in_groups.setdefault(arc.target, []).append(number)
        self.add(arcs.sure)

    def add(self, arcs: list[Arc]) -> None:
        """More arcs to go by."""
        for arc in arcs:
            self._into.setdefault(arc.target, []).append(arc)
            if self.found[arc.target] is not None:
                self._go(arc)

    def run(self) -> None:
        """Go as far as arcs lead."""
        while self._queue:
            cost, state, asks = heappop(self._queue)
            if self.found[state] is not None:
                continue
            self.found[state] = cost
            self.asks[state] = asks
            for arc in self._into.get(state, ()):
                self._go(arc)
            for number in self._in_groups.get(state, ()):
                self._missing[number] -= 1
                if not self._missing[number]:
                    self._complete(number)

    def _go(self, arc: Arc) -> None:
        if self.found[arc.source] is None:
            heappush(self._queue, (self._over(arc), arc.source, self._asking(arc)))

    def _over(self, arc: Arc) -> int:
        return (self.found[arc.target] or 0) + _tokens(arc, self._each)

    def _complete(self, number: int) -> None:
        group = self._groups[number]
        dearest = max(map(self._over, group.arcs))
        asks = any(map(self._asking, group.arcs))
        for state, tokens in group.states:
            heappush(self._queue, (dearest + tokens, state, asks))

    def _asking(self, arc: Arc) -> bool:
        """Whether the way to the end refers to a name before it defines one."""
        return arc.promises or (self.asks[arc.target] and not arc.defines)


def _costs(arcs: Arcs, each: list[int], *, strict: bool) -> tuple[list[int | None], list[bool]]:
    """What the states cost where an item of a repeat costs as much as `each` says.

    And from which of them the way to the end refers to a name first.
    """
    search = _Search(arcs, each)
    search.run()
    if not strict and arcs.doubtful:
        search.add(arcs.doubtful)
        search.run()
    return search.found, search.asks


def _each(arcs: Arcs, costs: list[int | None], each: list[int]) -> list[int]:
    """What an item must cost at least, so that going on with it leads nearer to the end."""
    found = list(each)

    def more(register: int, before: int | None, behind: int | None, tokens: int) -> None:
        if before is not None and behind is not None:
            found[register] = max(found[register], behind + tokens - before)

    for register, arc in arcs.onward:
        more(register, costs[arc.source], costs[arc.target], _tokens(arc, each))
    first = arcs.owed.first
    for node in arcs.landed:
        for debt in arcs.owed.debts[node]:
            for state in range(first[node], first[node + 1]):
                if debt.bit and not debt.prose and (state - first[node]) & debt.bit:
                    more(debt.register, costs[state - debt.bit], costs[state], 0)
    return found
