"""Bounds that rules put on terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.compiler import regions

if TYPE_CHECKING:
    from fractions import Fraction

    from rulec.compiler.regions import Region
    from rulec.compiler.terms import Term


@dataclass(frozen=True, slots=True)
class Bound:
    """`low ≤ term ≤ high`; a strict one leaves its ends out."""

    term: Term
    low: Fraction | None
    high: Fraction | None
    strict: bool = False

    def broken_above(self, region: Region) -> bool:
        """Whether something in the region is too large."""
        most = regions.highest(region)
        if self.high is None:
            return False
        return most is None or most > self.high or (self.strict and most == self.high)

    def broken_below(self, region: Region) -> bool:
        """Whether something in the region is too small."""
        least = regions.lowest(region)
        if self.low is None:
            return False
        return least is None or least < self.low or (self.strict and least == self.low)


def count_members(region: Region) -> int | None:
    """How many numbers a region holds; None for infinitely many."""
    total = 0
    for piece in region:
        if piece.low is None or piece.high is None or not (piece.step or piece.point):
            return None
        total += 1 if piece.point else int((piece.high - piece.low) / piece.step) + 1
    return total
