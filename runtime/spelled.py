"""Tokens by their texts: those that begin with one, or with which one begins."""

from __future__ import annotations

from bisect import bisect_left
from functools import cached_property
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rulec.compiler.fit import Ids
    from rulec.compiler.pack import Pack


class Level(NamedTuple):
    """The beginnings of one length that texts have, in their order.

    `codes` are the place of the beginning one byte shorter, times 256, plus the last byte. A
    text is a beginning where `whole`, a longer one has it where `longer`; all texts with it
    stand from `low` to `high`.
    """

    codes: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    whole: NDArray[np.bool_]
    longer: NDArray[np.bool_]


class Met(NamedTuple):
    """Texts that some keys begin with, by their places, and which keys those are."""

    texts: NDArray[np.int64]
    low: NDArray[np.int64]
    high: NDArray[np.int64]


class Spelled:
    """Some tokens by their texts; `longest` counts bytes."""

    def __init__(self, pack: Pack, ids: Ids) -> None:
        self.tokens: dict[bytes, list[int]] = {}
        for token in ids.tolist():
            self.tokens.setdefault(pack.table.text(token), []).append(token)
        self.order = sorted(self.tokens)
        self.longest = max(map(len, self.tokens), default=0)

    def starting(self, text: bytes) -> list[int]:
        """The tokens that begin with a text."""
        found: list[int] = []
        for place in range(bisect_left(self.order, text), len(self.order)):
            if not self.order[place].startswith(text):
                break
            found += self.tokens[self.order[place]]
        return found

    def ids(self, places: NDArray[np.int64]) -> tuple[Ids, NDArray[np.int64]]:
        """The tokens of the texts at some places, and how many each text has."""
        ids, ends = self._flat
        counts = ends[places + 1] - ends[places]
        if (counts == 1).all():
            return ids[ends[places]], counts
        several = [ids[ends[place] : ends[place + 1]] for place in places.tolist()]
        return np.concatenate(several), counts

    @cached_property
    def _flat(self) -> tuple[Ids, NDArray[np.int64]]:
        held = [self.tokens[text] for text in self.order]
        ids = np.array([token for tokens in held for token in tokens], np.int32)
        return ids, np.cumsum([0, *map(len, held)])

    # --- many keys at once ---

    @cached_property
    def levels(self) -> list[Level]:
        """The beginnings of all texts, by their lengths."""
        bytes_, lengths = matrix(self.order)
        rows = np.arange(len(self.order))
        state = np.zeros(len(rows), np.int64)
        found: list[Level] = []
        for depth in range(self.longest):
            deep = lengths[rows] > depth
            rows, state = rows[deep], state[deep]
            codes = state * 256 + bytes_[rows, depth]
            starts, ends = runs(codes)
            low, high = rows[starts], rows[ends - 1] + 1
            whole = lengths[low] == depth + 1
            found.append(Level(codes[starts], low, high, whole, high - low > whole))
            state = np.repeat(np.arange(len(starts)), ends - starts)
        return found

    def met(self, keys: Sequence[bytes]) -> tuple[list[Met], list[tuple[int, int]]]:
        """The texts with which keys go on, by their lengths; and those that hold a whole key.

        Expects sorted keys, none of which is empty. The latter are spans of places.
        """
        bytes_, lengths = matrix(keys)
        rows = np.arange(len(keys))
        state = np.zeros(len(rows), np.int64)
        found: list[Met] = []
        ended: list[tuple[int, int]] = []
        for depth, level in zip(count(), self.levels):
            if not len(rows):
                break
            codes = state * 256 + bytes_[rows, depth]
            starts, ends = runs(codes)
            place = np.searchsorted(level.codes, codes[starts])
            place = np.minimum(place, len(level.codes) - 1)
            there = level.codes[place] == codes[starts]
            low, high = rows[starts], rows[ends - 1] + 1
            over = there & (lengths[low] == depth + 1)
            whole = there & level.whole[place] & (high - low > over)
            found.append(Met(level.low[place[whole]], low[whole], high[whole]))
            spans = level.low[place[over]].tolist(), level.high[place[over]].tolist()
            ended += zip(*spans, strict=True)
            going = there & level.longer[place]
            kept = np.repeat(going, ends - starts) & (lengths[rows] > depth + 1)
            state = np.repeat(place, ends - starts)[kept]
            rows = rows[kept]
        return found, ended


def matrix(texts: Sequence[bytes]) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Texts as rows of bytes, and their lengths."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    width = int(lengths.max(initial=1))
    held = np.frombuffer(b"".join(text.ljust(width, b"\0") for text in texts), np.uint8)
    return held.reshape(len(texts), width), lengths


def runs(values: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where equal values stand beside each other: from where on, and until where."""
    edges = np.flatnonzero(values[1:] != values[:-1]) + 1
    starts = np.concatenate(([0], edges)) if len(values) else edges
    return starts, np.append(starts[1:], len(values))
