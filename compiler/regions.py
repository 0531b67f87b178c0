"""Sets of numbers: unions of intervals with a stride.

A `Piece` with `step` 0 is every rational between its ends; otherwise it is the numbers
`offset + n·step` between them. An end that is None is infinite. A finite end of a piece with
a step is a member of it. All operations contain every true result; those that say *exact*
contain nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor, gcd, lcm
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

ZERO = Fraction(0)
WIDEST = 64
"""Pieces that a region may have; beyond it the region becomes its hull."""

MOST_PAIRS = 128
"""Pairs of pieces that an operation looks at; beyond it one side becomes its hull."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One interval with a stride."""

    low: Fraction | None = None
    high: Fraction | None = None
    step: Fraction = ZERO
    offset: Fraction = ZERO

    @property
    def point(self) -> bool:
        """Whether it holds a single number."""
        return self.low is not None and self.low == self.high

    def holds(self, value: Fraction) -> bool:
        """Whether `value` is a member."""
        if self.low is not None and value < self.low:
            return False
        if self.high is not None and value > self.high:
            return False
        return self.step == 0 or (value - self.offset) % self.step == 0


Region: TypeAlias = tuple[Piece, ...]

EVERYTHING: Region = (Piece(),)
NOTHING: Region = ()


def point(value: Fraction) -> Region:
    """The region of one number."""
    return (Piece(value, value, ZERO, value),)


def interval(low: Fraction | None, high: Fraction | None) -> Region:
    """Every number from `low` to `high`."""
    return (Piece(low, high),) if low is None or high is None or low <= high else NOTHING


def grid(step: Fraction, low: Fraction | None = None, high: Fraction | None = None) -> Region:
    """The multiples of `step` from `low` to `high`."""
    made = _aligned(low, high, step, ZERO)
    return () if made is None else (made,)


def _aligned(
    low: Fraction | None, high: Fraction | None, step: Fraction, offset: Fraction
) -> Piece | None:
    if step:
        offset %= step
        if low is not None:
            low = offset + ceil((low - offset) / step) * step
        if high is not None:
            high = offset + floor((high - offset) / step) * step
    if low is not None and high is not None and low > high:
        return None
    return Piece(low, high, step, offset)


def lowest(region: Region) -> Fraction | None:
    """The least end; None is minus infinity. Expects a region that is not empty."""
    lows = [piece.low for piece in region]
    return None if None in lows else min(low for low in lows if low is not None)


def highest(region: Region) -> Fraction | None:
    """The greatest end; None is infinity. Expects a region that is not empty."""
    highs = [piece.high for piece in region]
    return None if None in highs else max(high for high in highs if high is not None)


def only(region: Region) -> Fraction | None:
    """The number, where the region holds just one."""
    return region[0].low if len(region) == 1 and region[0].point else None


def contains(region: Region, value: Fraction) -> bool:
    """Whether `value` is a member."""
    return any(piece.holds(value) for piece in region)


def denominator(region: Region) -> int:
    """Of what all members with a stride are whole multiples: 1 over it."""
    return lcm(*(piece.step.denominator for piece in region if piece.step))


def simplify(pieces: Iterable[Piece]) -> Region:
    """The pieces without doubles; their hull where there are too many. *Exact* below that."""
    kept = _merged(tuple(dict.fromkeys(pieces)))
    if any(piece.low is None and piece.high is None and not piece.step for piece in kept):
        return EVERYTHING
    if len(kept) > WIDEST:
        return interval(lowest(kept), highest(kept))
    return kept


def _merged(pieces: tuple[Piece, ...]) -> Region:
    """Pieces of one stride that touch become one. *Exact*."""
    if len(pieces) < 2:
        return pieces
    strides: dict[tuple[Fraction, Fraction], list[Piece]] = {}
    for piece in pieces:
        offset = piece.offset % piece.step if piece.step else ZERO
        strides.setdefault((piece.step, offset), []).append(piece)
    return tuple(joined for group in strides.values() for joined in _joined(group))


def _joined(group: list[Piece]) -> list[Piece]:
    group.sort(key=lambda piece: (piece.low is not None, piece.low or ZERO))
    made = group[:1]
    for piece in group[1:]:
        last = made[-1]
        if last.high is None:
            continue
        if piece.low is None or piece.low <= last.high + last.step:
            high = None if piece.high is None else max(last.high, piece.high)
            made[-1] = Piece(last.low, high, last.step, last.offset)
        else:
            made.append(piece)
    return made


def hull(region: Region) -> Region:
    """One interval around the region."""
    return interval(lowest(region), highest(region)) if region else region


def _few(left: Region, right: Region) -> tuple[Region, Region]:
    """The regions, or the hull of the one with more pieces where pairs would be too many."""
    if len(left) * len(right) <= MOST_PAIRS:
        return left, right
    return (hull(left), right) if len(left) > len(right) else (left, hull(right))


def union(*regions: Region) -> Region:
    """The numbers in any of them. *Exact* up to the widest region."""
    return simplify(piece for region in regions for piece in region)


def intersect(left: Region, right: Region) -> Region:
    """The numbers in both. *Exact* up to the most pairs."""
    if left == EVERYTHING:
        return right
    if right == EVERYTHING:
        return left
    if len(left) == len(right) == 1:
        one = _meet(left[0], right[0])
        return NOTHING if one is None else (one,)
    left, right = _few(left, right)
    met = (_meet(a, b) for a in left for b in right)
    return simplify(piece for piece in met if piece is not None)


def _meet(a: Piece, b: Piece) -> Piece | None:
    if a is b:
        return a
    low = a.low if b.low is None else b.low if a.low is None else max(a.low, b.low)
    high = a.high if b.high is None else b.high if a.high is None else min(a.high, b.high)
    if low is not None and high is not None and low > high:
        return None
    if a.point or b.point:
        held, other = (a, b) if a.point else (b, a)
        return held if held.low is not None and other.holds(held.low) else None
    if not a.step or not b.step:
        finer = b if not a.step else a
        return _aligned(low, high, finer.step, finer.offset)
    return _chinese(a, b, low, high)


def _chinese(a: Piece, b: Piece, low: Fraction | None, high: Fraction | None) -> Piece | None:
    """The common members of two strides, by the Chinese remainder theorem."""
    scale = lcm(
        a.step.denominator, b.step.denominator, a.offset.denominator, b.offset.denominator
    )
    m, n = int(a.step * scale), int(b.step * scale)
    r, s = int(a.offset * scale), int(b.offset * scale)
    common = gcd(m, n)
    if (s - r) % common:
        return None
    whole = m // common * n
    offset = r + m * ((s - r) // common * pow(m // common, -1, n // common) % (n // common))
    return _aligned(low, high, Fraction(whole, scale), Fraction(offset % whole, scale))


def common_step(*numbers: Fraction) -> Fraction:
    """The greatest rational that divides all of them; 0 where all are 0."""
    scale = lcm(*(number.denominator for number in numbers))
    return Fraction(gcd(*(int(number * scale) for number in numbers)), scale)


def _pairs(left: Region, right: Region, made: Callable[[Piece, Piece], Piece]) -> Region:
    if len(left) == len(right) == 1:
        return (made(left[0], right[0]),)
    left, right = _few(left, right)
    return simplify(made(a, b) for a in left for b in right)


def add(left: Region, right: Region) -> Region:
    """Sums. *Exact* where one side is a point, or where the strides agree."""
    return _pairs(left, right, _add)


def _add(a: Piece, b: Piece) -> Piece:
    low = None if a.low is None or b.low is None else a.low + b.low
    high = None if a.high is None or b.high is None else a.high + b.high
    if a.point and a.low is not None:
        return Piece(low, high, b.step, b.offset + a.low)
    if b.point and b.low is not None:
        return Piece(low, high, a.step, a.offset + b.low)
    if not a.step or not b.step:
        return Piece(low, high)
    return Piece(low, high, common_step(a.step, b.step), a.offset + b.offset)


def scale(region: Region, factor: Fraction) -> Region:
    """Every member times `factor`. *Exact*."""
    if factor == 0:
        return point(ZERO) if region else NOTHING
    return tuple(_scale(piece, factor) for piece in region)


def _scale(piece: Piece, factor: Fraction) -> Piece:
    low = None if piece.low is None else piece.low * factor
    high = None if piece.high is None else piece.high * factor
    if factor < 0:
        low, high = high, low
    return Piece(low, high, piece.step * abs(factor), piece.offset * factor)


def negate(region: Region) -> Region:
    """Every member with the other sign. *Exact*."""
    return scale(region, Fraction(-1))


def multiply(left: Region, right: Region) -> Region:
    """Products. *Exact* where one side is a point."""
    for one, other in ((left, right), (right, left)):
        value = only(one)
        if value is not None:
            return scale(other, value)
    return _pairs(left, right, _multiply)


def _multiply(a: Piece, b: Piece) -> Piece:
    low, high = _corners(a, b)
    if (a.step or a.point) and (b.step or b.point):
        step = common_step(
            a.offset * b.offset, a.step * b.offset, a.offset * b.step, a.step * b.step
        )
        if step:
            return Piece(low, high, step, ZERO)
    return Piece(low, high)


def _corners(a: Piece, b: Piece) -> tuple[Fraction | None, Fraction | None]:
    low: Fraction | None = None
    high: Fraction | None = None
    ends = [_end(x, y) for x in ((a.low, -1), (a.high, 1)) for y in ((b.low, -1), (b.high, 1))]
    if all(sign >= 0 or value is not None for value, sign in ends):
        low = min(value for value, _ in ends if value is not None)
    if all(sign <= 0 or value is not None for value, sign in ends):
        high = max(value for value, _ in ends if value is not None)
    return low, high


def _end(
    x: tuple[Fraction | None, int], y: tuple[Fraction | None, int]
) -> tuple[Fraction | None, int]:
    """One corner of a product: a value, or None with the sign of its infinity."""
    (a, s), (b, t) = x, y
    if a is not None and b is not None:
        return a * b, 0
    if a == 0 or b == 0:
        return ZERO, 0
    left = s if a is None else (1 if a > 0 else -1)
    right = t if b is None else (1 if b > 0 else -1)
    return None, left * right


def divide(left: Region, right: Region) -> Region:
    """Quotients by a divisor other than zero. *Exact* where `right` is a point."""
    value = only(right)
    if value is not None:
        return scale(left, 1 / value) if value else NOTHING
    return _pairs(left, right, _divide)


def _divide(a: Piece, b: Piece) -> Piece:
    straddles = (b.low is None or b.low <= 0) and (b.high is None or b.high >= 0)
    if straddles or b.low is None or b.high is None:
        return Piece()
    inverse = Piece(1 / b.high, 1 / b.low)
    return Piece(*_corners(a, inverse))


def at_most(bound: Fraction | None) -> Region:
    """The numbers up to `bound`."""
    return EVERYTHING if bound is None else interval(None, bound)


def at_least(bound: Fraction | None) -> Region:
    """The numbers from `bound` on."""
    return EVERYTHING if bound is None else interval(bound, None)


def without(region: Region, value: Fraction) -> Region:
    """All but `value`. *Exact* for pieces with a step; dense pieces lose it at an end only."""
    return simplify(part for piece in region for part in _without(piece, value))


def _without(piece: Piece, value: Fraction) -> Iterable[Piece]:
    if not piece.holds(value):
        return (piece,)
    if piece.point:
        return ()
    if not piece.step:
        return (piece,)
    below = _aligned(piece.low, value - piece.step, piece.step, piece.offset)
    above = _aligned(value + piece.step, piece.high, piece.step, piece.offset)
    return tuple(part for part in (below, above) if part is not None)
