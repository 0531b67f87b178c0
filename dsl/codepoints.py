"""Sets of code points as ranges; surrogates belong to none."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable

CodePoints: TypeAlias = tuple[tuple[int, int], ...]
"""Sorted, disjoint ranges that don't touch, both ends included."""

LAST = 0x10FFFF
_SURROGATES = (0xD800, 0xDFFF)


def normal(ranges: Iterable[tuple[int, int]]) -> CodePoints:
    """Sort and join any ranges, and cut the surrogates out."""
    joined: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if joined and low <= joined[-1][1] + 1:
            joined[-1] = (joined[-1][0], max(joined[-1][1], high))
        else:
            joined.append((low, high))
    return tuple(piece for whole in joined for piece in _without_surrogates(*whole))


def complement(points: CodePoints) -> CodePoints:
    """Every other code point."""
    gaps: list[tuple[int, int]] = []
    start = 0
    for low, high in points:
        if start < low:
            gaps.append((start, low - 1))
        start = high + 1
    if start <= LAST:
        gaps.append((start, LAST))
    return normal(gaps)


def _without_surrogates(low: int, high: int) -> list[tuple[int, int]]:
    pieces = [(low, min(high, _SURROGATES[0] - 1)), (max(low, _SURROGATES[1] + 1), high)]
    return [(first, last) for first, last in pieces if first <= last]
