"""Texts that must differ from those before them: which tokens that can touch at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.compiler import ops as m
from rulec.compiler.fit import Fitter, Ids
from rulec.compiler.skeleton import FreeTexts
from rulec.runtime.programs import Written
from rulec.runtime.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.pack import Pack
    from rulec.compiler.skeleton import Posture
    from rulec.runtime.guards import Guards
    from rulec.runtime.reference import Thread

LONGEST = 16
"""Fixed bytes before a text that are looked through."""


class Parted(NamedTuple):
    """The open tokens of a posture: those that live, and those to be walked, by their bytes."""

    sure: Ids
    doubtful: Ids


class Differing:
    """Parts the tokens around texts that must differ."""

    def __init__(self, pack: Pack, guards: Guards) -> None:
        self._pack = pack
        self._guards = guards
        self._fitter: Fitter | None = None
        self._certain: dict[Posture, Ids] = {}
        self._any = any(guard.distinct >= 0 for guard in pack.machine.guards)

    def parted(self, thread: Thread, posture: Posture, open_: Ids) -> Parted | None:
        """The open tokens of a thread; None where it stands before no such text.

        A token that does not begin as one of the texts before it can't be barred by them.
        """
        ahead = self._ahead(thread) if self._any else None
        if ahead is None:
            return None
        fixed, taken = ahead
        table = self._pack.table
        alike = {(fixed + text)[: len(fixed) + 1] for text in taken}
        suspects = [token for begin in sorted(alike) for token in table.beginning_with(begin)]
        within = np.intersect1d(open_, self._free(posture))
        sure = np.setdiff1d(within, np.array(suspects, np.int32)).astype(np.int32)
        return Parted(sure, open_[~np.isin(open_, sure)])

    def _ahead(self, thread: Thread) -> tuple[bytes, tuple[bytes, ...]] | None:
        """The fixed bytes before a text that must differ, and how the texts before go on."""
        lex = thread.lex
        if isinstance(lex, Written) and lex.taken:
            done = len(lex.text)
            return b"", tuple(t[done:] for t in lex.taken if t.startswith(lex.text))
        fixed = bytearray()
        nodes, node = self._pack.machine.nodes, thread.node
        while len(fixed) < LONGEST:
            for guard in self._begun(node):
                taken = self._guards.texts(guard, thread.regs)
                if isinstance(thread.regs, Seen):
                    fold = self._pack.machine.guards[guard].distinct
                    thread.regs.log.add(self._pack.machine.folds[fold].register)
                return (bytes(fixed), taken) if taken else None
            edges = nodes[node].edges
            if len(edges) != 1 or edges[0].bytes.bit_count() != 1 or edges[0].watched:
                return None
            fixed.append(edges[0].bytes.bit_length() - 1)
            node = edges[0].target
        return None

    def _begun(self, node: int) -> Iterator[int]:
        """The guards of texts that begin at a node and must differ."""
        queue = [node]
        for here in queue:  # grows while it is gone through
            for way in self._pack.machine.nodes[here].exits:
                begun = [op for op in way.ops if isinstance(op, m.Begin) and op.guard >= 0]
                yield from (
                    op.guard
                    for op in begun
                    if self._pack.machine.guards[op.guard].distinct >= 0
                    and self._pack.machine.fields[op.field].kind == "text"
                )
                if not begun and way.target not in queue:
                    queue.append(way.target)

    def _free(self, posture: Posture) -> Ids:
        """The tokens that live whatever the registers hold, were all texts free."""
        if posture not in self._certain:
            if self._fitter is None:
                self._fitter = Fitter(self._pack.machine, self._pack.table, FreeTexts)
            bits = self._fitter.row(posture).bits
            unpacked = np.unpackbits(bits.view(np.uint8), bitorder="little")
            self._certain[posture] = np.flatnonzero(unpacked).astype(np.int32)
        return self._certain[posture]
