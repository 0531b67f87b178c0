"""Tokens by their texts: those that begin with one, or with which one begins."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rulec.compiler.fit import Ids
    from rulec.compiler.pack import Pack


class Spelled:
    """Some tokens by their texts; `longest` counts bytes."""

    __slots__ = ("_order", "longest", "tokens")

    def __init__(self, pack: Pack, ids: Ids) -> None:
        self.tokens: dict[bytes, list[int]] = {}
        for token in ids.tolist():
            self.tokens.setdefault(pack.table.text(token), []).append(token)
        self._order = sorted(self.tokens)
        self.longest = max(map(len, self.tokens), default=0)

    def starting(self, text: bytes) -> list[int]:
        """The tokens that begin with a text."""
        found: list[int] = []
        for place in range(bisect_left(self._order, text), len(self._order)):
            if not self._order[place].startswith(text):
                break
            found += self.tokens[self._order[place]]
        return found
