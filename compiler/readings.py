"""Two readings of one text: where prose takes precedence, and where the rules must decide.

Threads of the machine are independent. Two may live side by side only while they differ in
whether a field has ended; when they meet at one node, or both may end, the text has two
readings and the ruleset is refused, with the shortest such text.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.compiler.graph import Graph, bytes_of
from rulec.compiler.machine import END, Edge, Exit, Node
from rulec.compiler.ops import Broken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.prose import Prose

MOST_SETS = 20_000
"""Sets of nodes that are looked at; more would be as many control states."""


@dataclass(frozen=True, slots=True)
class TwoReadings:
    """A text that can be read in two ways."""

    text: bytes


def prefer_prose(graph: Graph, proses: Iterable[Prose]) -> None:
    """Drop the ways into an opener where prose may stand too: prose finds it by itself."""
    openers = {node: prose.starts for prose in proses for node in prose.nodes.values()}
    for draft in graph.drafts:
        if len(draft.exits) < 2:
            continue
        reached = [_waiting(graph, way.target) for way in draft.exits]
        inside = frozenset().union(*(openers[n] for r in reached for n in r if n in openers))
        draft.exits = [
            way
            for way, nodes in zip(draft.exits, reached, strict=True)
            if not nodes or not nodes <= inside
        ]


def _waiting(graph: Graph, node: int) -> frozenset[int]:
    """The nodes with edges that exits lead to, the node itself included."""
    seen: set[int] = set()
    queue = [node]
    while queue:
        here = queue.pop()
        if here not in seen:
            seen.add(here)
            queue.extend(way.target for way in graph.drafts[here].exits)
    return frozenset(n for n in seen if graph.drafts[n].edges or n == END)


def ambiguity(nodes: tuple[Node, ...], start: int) -> TwoReadings | None:
    """The shortest text with two readings, or None."""
    search = _Search(nodes)
    first = search.closure([start])
    if first is None:
        return TwoReadings(b"")
    queue = deque([(first, b"")])
    seen = {first}
    while queue and len(seen) < MOST_SETS:
        here, text = queue.popleft()
        if search.endings(here) > 1:
            return TwoReadings(text)
        for byte, edges in search.moves(here):
            after = search.closure(edge.target for edge in edges)
            if after is None:
                return TwoReadings(text + bytes((byte,)))
            if after not in seen:
                seen.add(after)
                queue.append((after, text + bytes((byte,))))
    return None


class _Search:
    """Sets of nodes, followed without registers."""

    def __init__(self, nodes: tuple[Node, ...]) -> None:
        self._nodes = nodes
        self._closures: dict[int, tuple[int, ...] | None] = {}

    def closure(self, targets: Iterable[int]) -> frozenset[int] | None:
        """The waiting nodes behind the targets; None where one is reached twice."""
        found: list[int] = []
        for target in targets:
            one = self._closure(target)
            if one is None:
                return None
            found.extend(one)
        return frozenset(found) if len(set(found)) == len(found) else None

    def _closure(self, node: int) -> tuple[int, ...] | None:
        if node not in self._closures:
            self._closures[node] = self._follow(node)
        return self._closures[node]

    def _follow(self, node: int) -> tuple[int, ...] | None:
        found: list[int] = []
        queue = [(node, frozenset[int]())]
        while queue:
            here, path = queue.pop()
            if here in path:
                return None
            spec = self._nodes[here]
            if spec.edges or (here == node and spec.finals):
                found.append(here)
            queue.extend((way.target, path | {here}) for way in spec.exits)
        return tuple(found) if len(set(found)) == len(found) else None

    def endings(self, here: frozenset[int]) -> int:
        """In how many ways the trace may end here."""
        return sum(self._endings(self._nodes[node].finals) for node in here)

    def _endings(self, finals: tuple[Exit, ...]) -> int:
        return sum(
            1 if way.target == END else self._endings(self._nodes[way.target].finals)
            for way in finals
        )

    def moves(self, here: frozenset[int]) -> Iterable[tuple[int, list[Edge]]]:
        """A byte for every distinct choice of edges, and the edges."""
        edges = [
            edge
            for node in sorted(here)
            for edge in self._nodes[node].edges
            if not any(isinstance(op, Broken) for op in edge.ops)
        ]
        regions = [(1 << 256) - 1]
        for edge in edges:
            regions = [
                part
                for region in regions
                for part in (region & edge.bytes, region & ~edge.bytes)
                if part
            ]
        for region in regions:
            taken = [edge for edge in edges if edge.bytes & region]
            if taken:
                yield bytes_of(region)[0], taken
