"""The tokens that live behind a reading, found along what is alive and not one by one."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from rulec.runtime.reference import Config

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.fit import Ids
    from rulec.compiler.pack import Pack
    from rulec.runtime.reference import Reference, Thread


class Descent:
    """Goes down the texts of a vocabulary, in the order of their bytes, as far as they live."""

    def __init__(self, pack: Pack, engine: Reference) -> None:
        self._pack = pack
        self._engine = engine
        self._possible: dict[int, frozenset[int]] = {}

    @cached_property
    def _tokens(self) -> tuple[list[bytes], list[int]]:
        """The texts in the order of their bytes, and their tokens."""
        table, ends = self._pack.table, frozenset(self._pack.ends)
        texts = ((table.text(token), token) for token in range(self._pack.size))
        pairs = sorted((text, token) for text, token in texts if text and token not in ends)
        return [text for text, _ in pairs], [token for _, token in pairs]

    def alive(self, thread: Thread, at: int) -> Ids:
        """The tokens that live behind a reading; texts begin at `at`."""
        texts, tokens = self._tokens
        found: list[int] = []
        waiting = [(Config((thread,)), 0, 0, len(texts))]
        while waiting:
            config, length, low, high = waiting.pop()
            while low < high and len(texts[low]) == length:
                found.append(tokens[low])
                low += 1
            for byte, first, last in self._parted(config, length, low, high):
                after = self._engine.step(config, byte, at + length)
                if after.threads:
                    waiting.append((after, length + 1, first, last))
        return np.array(sorted(found), np.int32)

    def _parted(
        self, config: Config, length: int, low: int, high: int
    ) -> Iterator[tuple[int, int, int]]:
        """The next bytes that readings may take, and where the texts are that have them."""
        texts = self._tokens[0]
        possible = frozenset().union(*(self._bytes(t.node) for t in config.threads))
        if high - low <= len(possible):
            while low < high:
                byte = texts[low][length]
                last = bisect_right(texts, byte, low, high, key=lambda text: text[length])
                if byte in possible:
                    yield byte, low, last
                low = last
            return
        for byte in possible:
            first = bisect_left(texts, byte, low, high, key=lambda text: text[length])
            last = bisect_right(texts, byte, first, high, key=lambda text: text[length])
            if first < last:
                yield byte, first, last

    def _bytes(self, node: int) -> frozenset[int]:
        found = self._possible.get(node)
        if found is None:
            found = self._possible[node] = frozenset(self._engine.bytes_of(node))
        return found
