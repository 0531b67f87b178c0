"""The texts that the tokens of a vocabulary write."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from rulec.compiler.fit import TokenTable


@dataclass(frozen=True, eq=False)
class Lexicon:
    """Which texts are tokens.

    `single` is the set of bytes that are tokens by themselves. The longer tokens stand in
    `data` from `starts` to `stops`, in the order of their first two bytes, `pairs`.
    """

    single: int
    data: bytes
    pairs: NDArray[np.int64]
    starts: NDArray[np.int64]
    stops: NDArray[np.int64]
    _sorted: dict[int, list[bytes]] = field(default_factory=dict)

    @classmethod
    def of(cls, table: TokenTable, ends: Collection[int]) -> Lexicon:
        """The texts of a table; ends of sequence write nothing."""
        lengths = np.diff(table.offsets)
        lengths[list(ends)] = 0
        single = set(table.data[table.offsets[:-1][lengths == 1]].tolist())
        longer = np.flatnonzero(lengths > 1)
        starts = table.offsets[longer]
        pairs = table.data[starts].astype(np.int64) * 256 + table.data[starts + 1]
        order = np.argsort(pairs, kind="stable")
        return cls(
            sum(1 << byte for byte in single),
            table.data.tobytes(),
            pairs[order],
            starts[order],
            table.offsets[longer + 1][order],
        )

    def look(self, text: bytes) -> tuple[bool, bool]:
        """Whether a token writes exactly this text, and whether one may begin with it."""
        if len(text) < 2:
            return bool(self.single >> text[0] & 1), len(self.pairs) > 0
        texts = self._beginning(text[0] * 256 + text[1])
        place = bisect_left(texts, text)
        if place == len(texts):
            return False, False
        return texts[place] == text, texts[place].startswith(text)

    def _beginning(self, pair: int) -> list[bytes]:
        """The tokens with these first two bytes, sorted when they are first looked at."""
        found = self._sorted.get(pair)
        if found is None:
            low, high = np.searchsorted(self.pairs, [pair, pair + 1]).tolist()
            starts, stops = self.starts[low:high].tolist(), self.stops[low:high].tolist()
            texts = {self.data[a:b] for a, b in zip(starts, stops, strict=True)}
            found = self._sorted[pair] = sorted(texts)
        return found


_NONE = np.zeros(0, np.int64)
BYTES = Lexicon((1 << 256) - 1, b"", _NONE, _NONE, _NONE)
"""Every byte a token of its own: what a machine costs without a vocabulary."""
