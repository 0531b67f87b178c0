"""A machine fitted to a vocabulary: which tokens each control state lets through.

For every posture of a reading there is a row: the tokens that are allowed whatever the
registers hold, and those for which it depends on them.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rulec.compiler.skeleton import Posture, Skeleton, Stance

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Machine

Words: TypeAlias = NDArray[np.uint32]
Ids: TypeAlias = NDArray[np.int32]
UNKNOWN = -1


@dataclass(frozen=True)
class TokenTable:
    """The bytes of a vocabulary.

    Token `t` writes `data[offsets[t]:offsets[t + 1]]`; ids that write nothing are empty. `size`
    is the width of the logits.
    """

    data: NDArray[np.uint8]
    offsets: NDArray[np.int64]
    size: int

    @classmethod
    def of(cls, tokens: tuple[bytes | None, ...], size: int) -> TokenTable:
        """The table of some tokens."""
        lengths = [len(token or b"") for token in tokens]
        offsets = np.zeros(size + 1, np.int64)
        offsets[1 : len(tokens) + 1] = np.cumsum(lengths)
        offsets[len(tokens) + 1 :] = offsets[len(tokens)]
        data = np.frombuffer(b"".join(token or b"" for token in tokens), np.uint8)
        return cls(data, offsets, size)

    @property
    def words(self) -> int:
        """32-bit words of a mask."""
        return (self.size + 31) // 32

    def text(self, token: int) -> bytes:
        """What a token writes."""
        return self.data[self.offsets[token] : self.offsets[token + 1]].tobytes()

    def beginning_with(self, text: bytes) -> list[int]:
        """The tokens whose bytes begin with `text`."""
        starts = self.offsets[:-1]
        fitting = np.flatnonzero(np.diff(self.offsets) >= len(text))
        for place, byte in enumerate(text):
            fitting = fitting[self.data[starts[fitting] + place] == byte]
        return fitting.tolist()  # type: ignore[no-any-return]

    @cached_property
    def _by_length(self) -> tuple[Ids, NDArray[np.int64], NDArray[np.int64]]:
        """Ids that write something, longest first; their starts; how many exceed a length."""
        lengths = np.diff(self.offsets)
        ids = np.argsort(-lengths, kind="stable").astype(np.int32)
        ids = ids[lengths[ids] > 0]
        longest = int(lengths.max(initial=0))
        beyond = np.array([int((lengths > n).sum()) for n in range(longest + 1)], np.int64)
        return ids, self.offsets[:-1][ids], beyond

    @cached_property
    def _first(self) -> NDArray[np.uint8]:
        """The first byte of every token, the longest token first."""
        return self.data[self._by_length[1]]

    def walk(self, steps: Steps, start: int) -> tuple[Ids, NDArray[np.int32]]:
        """The tokens that live, and the stance behind each of them."""
        ids, starts, beyond = self._by_length
        stances = steps.first(start)[self._first]
        alive = np.flatnonzero(stances)
        stances = stances[alive]
        done_ids: list[Ids] = []
        done: list[NDArray[np.int32]] = []
        position = 1
        while len(alive):
            going = int(np.searchsorted(alive, beyond[min(position, len(beyond) - 1)]))
            done_ids.append(ids[alive[going:]])
            done.append(stances[going:])
            alive, stances = alive[:going], stances[:going]
            stances = steps.after(stances, self.data[starts[alive] + position])
            kept = stances > 0
            if not kept.all():
                alive, stances = alive[kept], stances[kept]
            position += 1
        if not done:
            return ids[:0], stances[:0]
        return np.concatenate(done_ids), np.concatenate(done)


class Steps:
    """The steps of a skeleton as a table that fills as it is used."""

    def __init__(self, skeleton: Skeleton) -> None:
        self.skeleton = skeleton
        self._table = np.full((64, 256), UNKNOWN, np.int32)
        self._table[0] = 0

    def first(self, start: int) -> NDArray[np.int32]:
        """The stances behind each of the 256 bytes."""
        every = np.arange(256, dtype=np.uint8)
        return self.after(np.full(256, start, np.int32), every)

    def after(self, stances: NDArray[np.int32], values: NDArray[np.uint8]) -> NDArray[np.int32]:
        """The stances behind one more byte each."""
        self._grow()
        found = self._table[stances, values]
        missing = np.flatnonzero(found == UNKNOWN)
        if len(missing):
            pairs = np.unique(stances[missing].astype(np.int64) * 256 + values[missing])
            made = [(pair, self.skeleton.step(*divmod(pair, 256))) for pair in pairs.tolist()]
            self._grow()
            for pair, after in made:
                self._table[divmod(pair, 256)] = after
            found = self._table[stances, values]
        return found

    def _grow(self) -> None:
        needed = len(self.skeleton.stances)
        if needed > len(self._table):
            more = np.full((max(needed, 2 * len(self._table)), 256), UNKNOWN, np.int32)
            more[: len(self._table)] = self._table
            self._table = more


@dataclass(frozen=True)
class Row:
    """The tokens of one posture.

    `bits` are those that are always allowed; `open` those that depend on registers, in the
    order of their bytes.
    """

    bits: Words
    open: Ids


class Landings(NamedTuple):
    """Tokens, and where they lead: token `ids[n]` to `stances[places[n]]`."""

    ids: Ids
    places: NDArray[np.int64]
    stances: tuple[Stance, ...]


class Fitter:
    """Makes rows, and keeps what they share."""

    def __init__(
        self, machine: Machine, table: TokenTable, skeleton: type[Skeleton] = Skeleton
    ) -> None:
        self.table = table
        self.skeleton = skeleton(machine)
        self._steps = Steps(self.skeleton)

    def row(self, posture: Posture) -> Row:
        """The row of a posture."""
        ids, stances = self.table.walk(self._steps, self.skeleton.stance(posture))
        certain = np.array(self.skeleton.certain, bool)[stances]
        return Row(
            pack_bits(ids[certain], self.table), in_byte_order(ids[~certain], self.table)
        )

    def landings(self, posture: Posture) -> Landings:
        """Where the tokens of a posture lead."""
        ids, stances = self.table.walk(self._steps, self.skeleton.stance(posture))
        distinct, places = np.unique(stances, return_inverse=True)
        found = tuple(self.skeleton.stances[number] for number in distinct.tolist())
        return Landings(ids, places.astype(np.int64), found)

    def postures(self) -> Iterator[Posture]:
        """Every posture that a reading can take, breadth first."""
        skeleton = self.skeleton
        queue = deque([skeleton.begin()])
        seen_stances = {queue[0]}
        seen: set[Posture] = set()
        while queue:
            here = queue.popleft()
            for posture, _ in sorted(skeleton.stances[here], key=repr):
                if posture in seen:
                    continue
                seen.add(posture)
                yield posture
                alone = skeleton.stance(posture)
                for after in sorted({int(n) for n in self._steps.first(alone)} - {0}):
                    if after not in seen_stances:
                        seen_stances.add(after)
                        queue.append(after)


def widest(postures: Iterable[Posture]) -> dict[int, Posture]:
    """For each node where watches look on, the posture in which all of them do, as one.

    What is sure in it is sure in every posture of the node, and what can't be can't be there.
    """
    found: dict[int, dict[int, frozenset[int]]] = {}
    for posture in postures:
        if posture.subs:
            own = found.setdefault(posture.node, {})
            for watch, nodes in posture.subs:
                own[watch] = own.get(watch, frozenset()) | nodes
    return {node: Posture(node, tuple(sorted(own.items()))) for node, own in found.items()}


def pack_bits(ids: Ids, table: TokenTable) -> Words:
    """A mask with the bits of some tokens: bit `t % 32` of word `t // 32` is token `t`."""
    flags = np.zeros(table.words * 32, np.uint8)
    flags[ids] = 1
    return np.packbits(flags, bitorder="little").view("<u4").astype(np.uint32)


def in_byte_order(ids: Ids, table: TokenTable) -> Ids:
    """The tokens in the order of their bytes, so that neighbours share what they begin with."""
    return np.array(sorted(ids.tolist(), key=table.text), np.int32)
