"""The control graph while it is being built."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import TYPE_CHECKING

from rulec.compiler.machine import END, Edge, Exit, Node, Pending
from rulec.compiler.ops import Count, Reset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Set

    from rulec.compiler.automata import Dfa
    from rulec.compiler.ops import Program

MOST_NODES = 20_000
"""Control states that a ruleset may have."""


class TooManyStates(Exception):
    """The control of a ruleset is too large."""


def byte_set(values: Iterable[int]) -> int:
    """The bytes as a bit set."""
    made = 0
    for value in values:
        made |= 1 << value
    return made


def bytes_of(mask: int) -> list[int]:
    """The bytes of a bit set, in order."""
    return [value for value in range(256) if mask >> value & 1]


def leading(row: Iterable[int]) -> dict[int, int]:
    """The bytes that lead to each state, by the transitions of a DFA from one."""
    found: dict[int, int] = {}
    for value, state in enumerate(row):
        if state >= 0:
            found[state] = found.get(state, 0) | 1 << value
    return found


DIGITS = byte_set(b"0123456789")
NONZERO = byte_set(b"123456789")


@dataclass(slots=True)
class Draft:
    """A node under way.

    `weight` is what leaving it costs beyond its shortest way; from a `free` node bytes cost
    nothing, since the field it stands in counts them itself.
    """

    edges: list[Edge] = field(default_factory=list)
    exits: list[Exit] = field(default_factory=list)
    pending: tuple[Pending, ...] = ()
    weight: int = 0
    free: bool = False
    prose: bool = False
    escape: int | None = None
    literal: tuple[bytes, int] | None = None


@dataclass(slots=True)
class Graph:
    """Nodes under way; node 0 is the end of the trace."""

    drafts: list[Draft] = field(default_factory=lambda: [Draft()])
    pending: tuple[Pending, ...] = ()

    def node(self, *, free: bool = False, weight: int = 0) -> int:
        """A new node."""
        if len(self.drafts) >= MOST_NODES:
            raise TooManyStates
        self.drafts.append(Draft(pending=self.pending, free=free, weight=weight))
        return len(self.drafts) - 1

    def edge(self, source: int, values: int, ops: Program, target: int) -> None:
        """A way on with one of the bytes `values`."""
        self.drafts[source].edges.append(Edge(values, ops, target))

    def exit(self, source: int, ops: Program, target: int) -> None:
        """A way on without a byte."""
        self.drafts[source].exits.append(Exit(ops, target))

    def literal(self, text: bytes, target: int) -> int:
        """The nodes of a text; the first is marked with it, for prose to end at."""
        node = target
        for value in reversed(text):
            before = self.node()
            self.edge(before, 1 << value, (), node)
            node = before
        if text:
            self.drafts[node].literal = (text, target)
        return node

    def run(self, values: int, most: int, register: int, target: int) -> int:
        """The nodes of up to `most` bytes out of `values`, counted in a register."""
        start, inside = self.node(), self.node()
        self.edge(start, values, (Reset((register,)),), inside)
        self.edge(inside, values, (Count(register, most - 1),), inside)
        for node in (start, inside):
            self.exit(node, (), target)
        return start

    def automaton(
        self,
        dfa: Dfa,
        byte_ops: Callable[[int], Program],
        end_ops: Program,
        target: int,
        *,
        free: bool = False,
    ) -> int:
        """The nodes of a DFA.

        `byte_ops` tells what runs with a byte, by the state that it leads to; `end_ops` run
        where the DFA may end.
        From `free` nodes bytes cost nothing.
        """
        nodes = [self.node(free=free) for _ in dfa.transitions]
        for node, row in zip(nodes, dfa.transitions, strict=True):
            for state, values in leading(row).items():
                self.edge(node, values, byte_ops(state), nodes[state])
        for state in dfa.accepting:
            self.exit(nodes[state], end_ops, target)
        return nodes[0]

    def finish(self) -> tuple[Node, ...]:
        """The nodes with their costs; ways that lead nowhere are gone."""
        costs = self._costs((END,))
        having = {index for index, draft in enumerate(self.drafts) if draft.edges}
        waiting = self._behind_exits(having, costs, frozenset())
        ending = self._behind_exits({END}, costs, having)
        return tuple(
            Node(
                edges=tuple(edge for edge in draft.edges if edge.target in costs),
                exits=tuple(way for way in draft.exits if way.target in waiting),
                finals=tuple(way for way in draft.exits if way.target in ending - having),
                cost=costs.get(index),
                pending=draft.pending,
                prose=draft.prose,
                escape=draft.escape,
                lexical=draft.free,
            )
            for index, draft in enumerate(self.drafts)
        )

    def _behind_exits(
        self, found: set[int], costs: dict[int, int], barred: Set[int]
    ) -> set[int]:
        """The live nodes from which exits alone lead to one of `found`, through none barred."""
        into: dict[int, list[int]] = {}
        for index, draft in enumerate(self.drafts):
            for way in draft.exits:
                into.setdefault(way.target, []).append(index)
        seen = {index for index in found if index in costs}
        queue = list(seen)
        while queue:
            here = queue.pop()
            for before in into.get(here, ()) if here not in barred else ():
                if before not in seen and before in costs:
                    seen.add(before)
                    queue.append(before)
        return seen

    def distance(self, sources: Iterable[int], targets: Iterable[int]) -> int:
        """Bytes from the nearest source to the nearest target; 0 where there is no way."""
        costs = self._costs(targets)
        return min((costs[source] for source in sources if source in costs), default=0)

    def _costs(self, targets: Iterable[int]) -> dict[int, int]:
        """Bytes to the nearest target by the cheapest way (Dijkstra, backwards)."""
        into: dict[int, list[tuple[int, int]]] = {}
        for index, draft in enumerate(self.drafts):
            for edge in draft.edges:
                into.setdefault(edge.target, []).append((index, 0 if draft.free else 1))
            for way in draft.exits:
                into.setdefault(way.target, []).append((index, 0))
        costs: dict[int, int] = {}
        queue = [(0, target) for target in targets]
        while queue:
            cost, index = heappop(queue)
            if index in costs:
                continue
            costs[index] = cost
            for before, step in into.get(index, ()):
                if before not in costs:
                    heappush(queue, (cost + step + self.drafts[before].weight, before))
        return costs
