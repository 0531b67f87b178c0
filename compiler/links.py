"""Graphs over names: values of registers, and so never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Links:
    """The names of a graph, each with those that it leads to.

    What a name reaches is a bit set over the places of names in the order in which they came.
    """

    __slots__ = ("_below", "_depths", "_loose", "_places", "edges")

    def __init__(self, edges: Mapping[str, tuple[str, ...]]) -> None:
        self.edges = edges
        self._loose: frozenset[str] | None = None if edges else frozenset()
        self._places: dict[str, int] | None = None if edges else {}
        self._below: dict[str, int] = {}
        self._depths: dict[str, int] = {}

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Links) and self.edges == other.edges)

    def __hash__(self) -> int:
        return hash(len(self.edges))

    def with_node(self, name: str, targets: Iterable[str]) -> Links:
        """The graph and one more name; of a name that comes again all targets count."""
        leads = tuple(dict.fromkeys((*self.edges.get(name, ()), *targets)))
        made = Links({**self.edges, name: leads})
        places = self._places
        if places is not None and name not in places and all(t in self._depths for t in leads):
            made._places = {**places, name: len(places)}
            made._below = {**self._below, name: _union(places, self._below, leads)}
            deepest = max((self._depths[target] for target in leads), default=-1)
            made._depths = {**self._depths, name: deepest + 1}
            made._loose = self.loose.union((name,)).difference(leads)
        return made

    @property
    def loose(self) -> frozenset[str]:
        """The names to which no other leads."""
        if self._loose is None:
            led = {target for targets in self.edges.values() for target in targets}
            self._loose = frozenset(self.edges) - led
        return self._loose

    def _laid(self) -> dict[str, int]:
        """The places of all names; what each reaches is found where that isn't known yet."""
        if self._places is None:
            names = (name for item in self.edges.items() for name in (item[0], *item[1]))
            self._places = {name: place for place, name in enumerate(dict.fromkeys(names))}
            order = _inwards(self.edges, self._places)
            below = dict.fromkeys(self._places, 0)
            moved = True
            while moved:  # twice, or a few times more where there are circles
                moved = False
                for name in order:
                    leads = self.edges.get(name, ())
                    reached = below[name] | _union(self._places, below, leads)
                    moved = moved or reached != below[name]
                    below[name] = reached
            self._below = below
            self._depths = _depths(self.edges, order) if self.acyclic else {}
        return self._places

    @property
    def acyclic(self) -> bool:
        """Whether no name reaches itself."""
        places = self._laid()
        return not any(self._below[name] >> place & 1 for name, place in places.items())

    def reaches(self, one: str, other: str) -> bool:
        """Whether a way leads from one name to another; every name reaches itself."""
        places = self._laid()
        if one == other:
            return True
        return one in places and other in places and bool(self._below[one] >> places[other] & 1)

    def rooted(self, root: str) -> bool:
        """Whether a name reaches all that are defined."""
        places = self._laid()
        wanted = 0
        for name in self.edges:
            wanted |= 1 << places[name]
        own = 1 << places[root] | self._below[root] if root in places else 0
        return not wanted & ~own

    @property
    def depth(self) -> int | None:
        """Edges on the longest way; None in a circle."""
        self._laid()
        if not self.acyclic:
            return None
        return max(self._depths.values(), default=0)

    @property
    def degree(self) -> int:
        """Most names that one leads to."""
        return max(map(len, self.edges.values()), default=0)


def _union(places: Mapping[str, int], below: Mapping[str, int], names: Iterable[str]) -> int:
    found = 0
    for name in names:
        found |= 1 << places[name] | below[name]
    return found


def _depths(edges: Mapping[str, tuple[str, ...]], order: Iterable[str]) -> dict[str, int]:
    """The longest way from each name, in a graph without circles."""
    found: dict[str, int] = {}
    for name in order:
        found[name] = 1 + max((found[target] for target in edges.get(name, ())), default=-1)
    return found


def _inwards(edges: Mapping[str, tuple[str, ...]], names: Iterable[str]) -> list[str]:
    """The names, each behind those that it leads to as far as there are no circles."""
    found: dict[str, None] = {}
    seen: set[str] = set()
    for start in names:
        stack = [(start, iter(edges.get(start, ())))] if start not in seen else []
        seen.add(start)
        while stack:
            name, targets = stack[-1]
            target = next((target for target in targets if target not in seen), None)
            if target is None:
                found[name] = None
                stack.pop()
            else:
                seen.add(target)
                stack.append((target, iter(edges.get(target, ()))))
    return list(found)


NOTHING = Links({})
"""A graph without names."""
