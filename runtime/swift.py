"""The reference engine in longer strides, for those who only want to know how a trace reads.

Most bytes of a trace change nothing but the node of its one reading: they are taken by tables.
Of the readings behind any other byte only those are followed that the next byte goes on with.
The readings behind a text are those of the reference engine, marks included.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from rulec.runtime.reference import Config, Reference, Thread, moved_to

if TYPE_CHECKING:
    from rulec.compiler.machine import Machine


class _Row(list[Any]):
    """Where each byte leads from a node that it changes nothing else of.

    None stands for what has not been looked up, False for a byte that is a step.
    """

    def __init__(self, node: int) -> None:
        super().__init__([None] * 256)
        self.node = node


class Swift(Reference):
    """The reference engine with a way to read a whole text."""

    def __init__(self, machine: Machine, *, guarded: bool = False) -> None:
        super().__init__(machine, guarded=guarded)
        self._rows: dict[int, _Row] = {}
        self._ahead: dict[int, int] = {}
        self._own = [reduce(or_, (edge.bytes for edge in n.edges), 0) for n in machine.nodes]

    def read(self, config: Config, trace: bytes, at: int = 0) -> tuple[Config, int]:
        """Read as much of a trace as can be read from `at` on.

        Returns:
            The readings there, and how far it was read: the length of the trace, or the place
            of the byte that no reading survives.
        """
        size = len(trace)
        before: Config | None = None  # `config` lacks readings that end here: from this one
        while at < size:
            if len(config.threads) == 1 and not config.spares:
                strode, reached = self._strode(config.threads[0], trace, at)
                if reached > at:
                    config, at, before = Config((strode,)), reached, None
                    if at == size:
                        break
            threads = self._hurried(config, trace, at)
            if threads:
                config, at, before = Config(tuple(threads)), at + 1, config
                continue
            after = self.step(config, trace[at], at)
            if not after.threads:
                break
            config, at, before = after, at + 1, None
        return config if before is None else self.step(before, trace[at - 1], at - 1), at

    # --- bytes that only lead from node to node ---

    def _strode(self, thread: Thread, trace: bytes, at: int) -> tuple[Thread, int]:
        """Take such bytes; returns the reading and the place behind them."""
        if thread.subs or thread.debt >= 0:
            return thread, at
        row, since, size = self._row(thread.node), at, len(trace)
        while at < size:
            after = row[trace[at]]
            if after is None:
                after = row[trace[at]] = self._leads(row.node, trace[at])
            if after is False:
                break
            row = after
            at += 1
        return (thread if at == since else moved_to(thread, row.node)), at

    def _row(self, node: int) -> _Row:
        row = self._rows.get(node)
        if row is None:
            row = self._rows[node] = _Row(node)
        return row

    def _leads(self, node: int, byte: int) -> _Row | bool:
        edges = self.edges(node)[byte]
        if len(edges) != 1:
            return False
        (edge,) = edges
        target = self.machine.nodes[edge.target]
        if edge.ops or edge.starts or target.exits or not target.edges:
            return False
        return self._row(edge.target)

    # --- bytes behind which another comes ---

    def _hurried(self, config: Config, trace: bytes, at: int) -> list[Thread]:
        """The readings behind a byte that go on with the next; none where that isn't told."""
        found: list[Thread] = []
        if config.spares or at + 1 == len(trace):
            return found
        byte, bit = trace[at], 1 << trace[at + 1]
        for thread in config.threads:
            for edge in self.edges(thread.node)[byte]:
                if edge.watched and (thread.subs or edge.starts):
                    return []
                moved, _ = self._run(thread, edge.ops, byte, at, False)
                if moved is None:
                    continue
                moved = moved_to(moved, edge.target)
                if edge.watched:
                    found.append(moved)
                else:
                    self._gather(moved, at + 1, bit, found)
        return found

    def _gather(self, thread: Thread, at: int, bit: int, found: list[Thread]) -> None:
        """Follow the exits behind which the next byte can come."""
        node = self.machine.nodes[thread.node]
        if thread.debt >= 0 and node.prose:
            thread = thread._replace(debt=-1)
        if self._own[thread.node] & bit:
            found.append(thread)
        for way in node.exits:
            if self._bytes_ahead(way.target) & bit:
                after, _ = self._run(thread, way.ops, 0, at, False)
                if after is not None:
                    self._gather(moved_to(after, way.target), at, bit, found)

    def _bytes_ahead(self, node: int) -> int:
        """The bytes that can come at a node or behind its exits."""
        ahead = self._ahead.get(node)
        if ahead is None:
            ahead = self._own[node]
            for way in self.machine.nodes[node].exits:
                ahead |= self._bytes_ahead(way.target)
            self._ahead[node] = ahead
        return ahead
