"""Code point transitions unfolded into bytes of UTF-8."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

DEAD = -1
Edges: TypeAlias = tuple[tuple[int, int, int], ...]
"""First code point, last code point and target; sorted and disjoint."""

_LENGTHS = ((0x00, 0x7F, 0x00), (0x80, 0x7FF, 0xC0), (0x800, 0xFFFF, 0xE0))
_LENGTHS_AND_LEADS = (*_LENGTHS, (0x10000, 0x10FFFF, 0xF0))


@dataclass(slots=True)
class Unfolding:
    """Rows of 256 targets; equal rests of a character share one row."""

    rows: list[list[int]] = field(default_factory=list)
    _rest_of: dict[tuple[int, Edges], int] = field(default_factory=dict)

    def fill(self, state: int, edges: Edges) -> None:
        """Write the row of a code point state.

        Expects no surrogates. Overlong forms and stray continuation bytes lead nowhere.
        """
        for rest, (first, last, lead) in enumerate(_LENGTHS_AND_LEADS):
            inside = _clip(edges, first, last)
            for block, inner in _cut(inside, 64**rest):
                self.rows[state][lead + block] = self._rest(rest, inner)

    def _rest(self, length: int, edges: Edges) -> int:
        """The state in which `length` continuation bytes are still to come."""
        if length == 0:
            return edges[0][2]
        found = self._rest_of.get((length, edges))
        if found is None:
            found = self._rest_of[length, edges] = len(self.rows)
            row = [DEAD] * 256
            self.rows.append(row)
            for block, inner in _cut(edges, 64 ** (length - 1)):
                row[0x80 + block] = self._rest(length - 1, inner)
        return found


def _clip(edges: Iterable[tuple[int, int, int]], first: int, last: int) -> Edges:
    return tuple(
        (max(low, first), min(high, last), target)
        for low, high, target in edges
        if low <= last and high >= first
    )


def _cut(edges: Edges, unit: int) -> Iterator[tuple[int, Edges]]:
    """Cut edges at multiples of `unit`, and count each piece from its multiple."""
    pieces: dict[int, list[tuple[int, int, int]]] = {}
    for low, high, target in edges:
        for block in range(low // unit, high // unit + 1):
            base = block * unit
            piece = (max(low - base, 0), min(high - base, unit - 1), target)
            pieces.setdefault(block, []).append(piece)
    for block, inner in pieces.items():
        yield block, tuple(inner)
