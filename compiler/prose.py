"""The control of prose: any text up to an opener, with watches looking on.

One control state is the product of well-formed UTF-8, the openers seen so far, the pattern
that `without` forbids, what stands to the left (for watches to begin), and what must not
follow a number that has just ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import left, trailing
from rulec.compiler.automata import Dfa, foreign_digits, utf8_dfa
from rulec.compiler.machine import END, Edge, Pending
from rulec.compiler.openers import Openers, openers
from rulec.compiler.ops import Broken, Enclosed, Letter, Op, Owe, Program

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.graph import Graph
    from rulec.compiler.left import Left
    from rulec.compiler.trailing import Trailing


class ProseState(NamedTuple):
    """One control state of a prose."""

    utf8: int
    opener: int
    without: int
    left: Left
    after: Trailing
    watched: bool
    escape: bool


@dataclass(frozen=True, slots=True)
class Watching:
    """A watch that looks on: its number, the bytes it can begin with, and those it reads."""

    number: int
    first: int
    alphabet: int


class BadFollower(Exception):
    """What follows a prose begins neither with a literal nor is the end."""


@dataclass(slots=True)
class Prose:
    """One place of prose; its nodes are laid once everything after it is there."""

    graph: Graph
    label: int
    end: Program
    follower: Callable[[], int]
    least: int = 0
    most: int | None = None
    register: int = -1
    without: Dfa | None = None
    looking: list[int] = field(default_factory=list)
    watches: tuple[Watching, ...] = ()
    nodes: dict[ProseState, int] = field(default_factory=dict)
    starts: frozenset[int] = frozenset()
    pending: tuple[Pending, ...] = ()
    _queue: list[ProseState] = field(default_factory=list)
    _words: list[bytes] = field(default_factory=list)
    _ways: list[tuple[Program, int]] = field(default_factory=list)
    _finals: list[Program] = field(default_factory=list)
    _openers: Openers = field(default_factory=lambda: openers(()))
    _alike: tuple[int, ...] = ()
    _followed: bool = False

    def entry(self, after: Trailing) -> int:
        """The node at which the prose begins, or goes on behind a watch."""
        before = left.NUMBER if after.kind in ("owed", "chain") else left.START
        state = ProseState(0, 0, 0, before if self.looking else left.START, after, False, False)
        return self._node(state)

    def lay(self, proses: dict[int, Prose]) -> None:
        """Lay the nodes; `proses` tells which nodes are prose."""
        if not self._followed:
            self._followed = True
            self._follow(self.follower(), (), proses, set())
            self._openers = openers(self._words)
        while self._queue:
            self._connect(self._queue.pop())

    def _node(self, state: ProseState) -> int:
        node = self.nodes.get(state)
        if node is None:
            node = self.nodes[state] = self.graph.node()
            self.graph.drafts[node].pending = self.pending
            if self.least:
                owed = Pending(self.register, self.least, 1)
                self.graph.drafts[node].pending = (*self.graph.drafts[node].pending, owed)
            self.graph.drafts[node].prose = not state.escape and state.after == trailing.NOTHING
            self._queue.append(state)
        return node

    # --- what follows ---

    def _follow(
        self, node: int, ops: Program, proses: dict[int, Prose], seen: set[int]
    ) -> None:
        if node == END:
            self._finals.append(ops)
            return
        if node in seen or proses.get(node) is self:
            return
        if node in proses:
            raise BadFollower
        seen.add(node)
        draft = self.graph.drafts[node]
        if draft.literal is not None:
            text, target = draft.literal
            self._words.append(text)
            self._ways.append(((*ops, Owe(self.label)), target))
            self.starts |= {node}
        elif draft.edges:
            raise BadFollower
        for way in draft.exits:
            self._follow(way.target, (*ops, *way.ops), proses, seen)

    # --- edges ---

    def _connect(self, state: ProseState) -> None:
        node = self.nodes[state]
        grouped: dict[tuple[Program, int, bool, tuple[int, ...]], int] = {}
        for alike in self._classes():
            values = alike & _EQUATING if state.escape else alike
            made = self._edge(state, values.bit_length() - 1) if values else None
            if made is not None:
                grouped[made] = grouped.get(made, 0) | values
        for (ops, target, watched, starts), values in grouped.items():
            self.graph.drafts[node].edges.append(Edge(values, ops, target, watched, starts))
        if state.escape:
            return
        if _utf8(bool(self.watches)).accepting.issuperset((state.utf8,)):
            for ops in self._finals:
                self.graph.exit(node, (*self._enclosed(0), *self.end, *ops), END)
        if self.watches:
            escape = self._node(state._replace(escape=True, watched=False))
            self.graph.drafts[node].escape = escape

    def _classes(self) -> tuple[int, ...]:
        """Sets of bytes that no part of the control tells apart."""
        if not self._alike:
            alike: dict[tuple[object, ...], int] = {}
            utf8 = _columns(_utf8(bool(self.watches)).transitions)
            found = _columns(self._openers.steps)
            without = () if self.without is None else _columns(self.without.transitions)
            for byte in range(256):
                key = (
                    utf8[byte],
                    found[byte],
                    without[byte] if without else (),
                    left.alike(byte) if self.watches else trailing.alike(byte),
                    *((w.first >> byte & 1, w.alphabet >> byte & 1) for w in self.watches),
                )
                alike[key] = alike.get(key, 0) | 1 << byte
            self._alike = tuple(alike.values())
        return self._alike

    def _edge(
        self, state: ProseState, byte: int
    ) -> tuple[Program, int, bool, tuple[int, ...]] | None:
        utf8 = _utf8(bool(self.watches)).transitions[state.utf8][byte]
        without = 0 if self.without is None else self.without.transitions[state.without][byte]
        if utf8 < 0 or without < 0:
            return None
        if self.without is not None and without in self.without.accepting:
            return None
        after, broken = trailing.advance(state.after, byte)
        ops: list[Op] = [Broken(broken)] if broken else []
        opener = self._openers.steps[state.opener][byte]
        if self.register >= 0:
            begins = byte & 0xC0 != 0x80
            pending = self._openers.pending[opener]
            ops.append(Letter(self.register, self.most, begins, pending))
        found = self._openers.found[opener]
        if found >= 0:
            way, target = self._ways[found]
            pending = len(self._words[found].decode(errors="replace"))
            return (*ops, *self._enclosed(pending), *self.end, *way), target, False, ()
        starts = self._starts(state, byte)
        watched = state.watched and self._reads(byte)
        beside = left.advance(state.left, byte) if self.watches else state.left
        then = ProseState(utf8, opener, without, beside, after, watched or bool(starts), False)
        return tuple(ops), self._node(then), state.watched or bool(starts), starts

    def _enclosed(self, pending: int) -> Program:
        return (Enclosed(self.register, self.least, pending),) if self.least else ()

    def _starts(self, state: ProseState, byte: int) -> tuple[int, ...]:
        if not self.watches or not left.may_begin(state.left):
            return ()
        return tuple(watch.number for watch in self.watches if watch.first >> byte & 1)

    def _reads(self, byte: int) -> bool:
        return any(watch.alphabet >> byte & 1 for watch in self.watches)


_EQUATING = 1 << 0x3D | 1 << 0x3E
"""The bytes that make a `=` before them no equation."""


def _columns(rows: tuple[tuple[int, ...], ...]) -> tuple[tuple[int, ...], ...]:
    return tuple(zip(*rows, strict=True))


@cache
def _utf8(watched: bool) -> Dfa:
    """Well-formed text; where a watch looks on, without digits that it can't read."""
    return utf8_dfa(foreign_digits() if watched else ())


def alphabet(graph: Graph, entry: int) -> tuple[int, int]:
    """The bytes that a watch can begin with, and all that it can read before its end."""
    first = 0
    everything = 0
    seen: set[int] = set()
    queue = [(entry, True)]
    while queue:
        node, begins = queue.pop()
        if node in seen:
            continue
        seen.add(node)
        draft = graph.drafts[node]
        for edge in draft.edges:
            everything |= edge.bytes
            first |= edge.bytes if begins else 0
            queue.append((edge.target, False))
        queue.extend((way.target, begins) for way in draft.exits)
    return first, everything
