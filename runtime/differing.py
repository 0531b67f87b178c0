"""Texts that must differ from those before them: which tokens that can touch at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.compiler import ops as m
from rulec.compiler.fit import Fitter, Ids
from rulec.compiler.skeleton import FreeTexts
from rulec.runtime.programs import Written
from rulec.runtime.seen import Seen
from rulec.runtime.spelled import Spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from numpy.typing import NDArray

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


class _Open(NamedTuple):
    """The open tokens of a posture by their texts, and which live where texts are free."""

    spelled: Spelled
    free: NDArray[np.bool_]

    def alike(self, texts: Iterable[bytes]) -> list[int]:
        """The tokens with which a text begins, or that begin with one."""
        found: set[int] = set()
        for text in texts:
            for length in range(1, min(len(text), self.spelled.longest) + 1):
                found.update(self.spelled.tokens.get(text[:length], ()))
            found.update(self.spelled.starting(text))
        return sorted(found)


class Differing:
    """Parts the tokens around texts that must differ."""

    def __init__(self, pack: Pack, guards: Guards) -> None:
        self._pack = pack
        self._guards = guards
        self._fitter: Fitter | None = None
        self._open: dict[Posture, _Open] = {}
        self._any = any(guard.distinct >= 0 for guard in pack.machine.guards)

    def parted(self, thread: Thread, posture: Posture, open_: Ids) -> Parted | None:
        """The open tokens of a thread; None where it stands before no such text.

        A token that goes another way than every text before can't be barred by them: where no
        text is left behind some beginning, it doesn't come there.
        """
        ahead = self._ahead(thread) if self._any else None
        if ahead is None:
            return None
        fixed, taken = ahead
        known = self._open.get(posture)
        if known is None:
            free = np.isin(open_, self._free(posture))
            known = self._open[posture] = _Open(Spelled(self._pack, open_), free)
        suspects = known.alike([fixed + text for text in taken])
        sure = known.free & ~np.isin(open_, suspects)
        return Parted(open_[sure], open_[~sure])

    def _ahead(self, thread: Thread) -> tuple[bytes, tuple[bytes, ...]] | None:
        """The fixed bytes before a text that must differ, and how the texts before go on."""
        lex = thread.lex
        if isinstance(lex, Written) and lex.taken:
            done = len(lex.text)
            return b"", tuple(t[done:] for t in lex.taken if t.startswith(lex.text))
        fixed = bytearray()
        nodes, node = self._pack.machine.nodes, thread.node
        while len(fixed) < LONGEST:
            for begin in self._begun(node):
                guard, field = begin.guard, self._pack.machine.fields[begin.field]
                taken = self._guards.texts(guard, field, thread.regs)
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

    def _begun(self, node: int) -> Iterator[m.Begin]:
        """The texts that begin at a node and must differ."""
        queue = [node]
        for here in queue:  # grows while it is gone through
            for way in self._pack.machine.nodes[here].exits:
                begun = [op for op in way.ops if isinstance(op, m.Begin) and op.guard >= 0]
                yield from (
                    op
                    for op in begun
                    if self._pack.machine.guards[op.guard].distinct >= 0
                    and self._pack.machine.fields[op.field].kind == "text"
                )
                if not begun and way.target not in queue:
                    queue.append(way.target)

    def _free(self, posture: Posture) -> Ids:
        """The tokens that live whatever the registers hold, were all texts free."""
        if self._fitter is None:
            self._fitter = Fitter(self._pack.machine, self._pack.table, FreeTexts)
        bits = self._fitter.row(posture).bits
        unpacked = np.unpackbits(bits.view(np.uint8), bitorder="little")
        return np.flatnonzero(unpacked).astype(np.int32)
