"""Images of regions under the operations of rules, and what they come from."""

from __future__ import annotations

from fractions import Fraction

from rulec.compiler import regions
from rulec.compiler.evaluate import rounded
from rulec.compiler.regions import EVERYTHING, NOTHING, Region


def related(relation: str, left: Region, right: Region) -> Region:
    """What of `left` can stand in `relation` to something in `right`."""
    if not left or not right:
        return NOTHING
    match relation:
        case "==":
            return regions.intersect(left, right)
        case "<=" | "<":
            bound = regions.highest(right)
            kept = regions.intersect(left, regions.at_most(bound))
        case ">=" | ">":
            bound = regions.lowest(right)
            kept = regions.intersect(left, regions.at_least(bound))
        case _:
            value = regions.only(right)
            return left if value is None else regions.without(left, value)
    strict = relation in ("<", ">") and bound is not None
    return regions.without(kept, bound) if strict and bound is not None else kept


def factor(product: Region, other: Region) -> Region:
    """The numbers whose product with something in `other` lies in `product`."""
    zero = Fraction(0)
    if regions.contains(other, zero) and regions.contains(product, zero):
        return EVERYTHING
    if regions.only(other) == zero:
        return NOTHING
    return regions.divide(product, other)


def repeated(body: Region, least: int, most: int | None) -> Region:
    """Sums of `least` to `most` members of `body`."""
    if not body:
        return regions.point(Fraction(0)) if least == 0 else NOTHING
    low, high = regions.lowest(body), regions.highest(body)
    ends = (
        _times(low, least if low is None or low >= 0 else most),
        _times(high, least if high is not None and high <= 0 else most),
    )
    step = regions.common_step(
        *(number for piece in body for number in (piece.step, piece.offset))
    )
    lattice = all(piece.step or piece.point for piece in body)
    whole = regions.interval(*ends)
    return regions.intersect(whole, regions.grid(step)) if lattice and step else whole


def _times(end: Fraction | None, count: int | None) -> Fraction | None:
    if count == 0 or end == 0:
        return Fraction(0)
    return None if end is None or count is None else end * count


def round_members(mode: str, region: Region, digits: int) -> Region:
    """Every member rounded to `digits` fraction digits."""
    unit = Fraction(1, 10**digits)
    return regions.union(
        *(
            regions.grid(
                unit,
                None if piece.low is None else rounded(mode, piece.low, digits),
                None if piece.high is None else rounded(mode, piece.high, digits),
            )
            for piece in region
        )
    )


def _slack(mode: str, unit: Fraction) -> tuple[Fraction, Fraction]:
    """How far below and above a rounded value its origin can lie."""
    match mode:
        case "floor":
            return Fraction(0), unit
        case "ceil":
            return unit, Fraction(0)
        case _:
            return unit / 2, unit / 2


def unround(mode: str, wanted: Region, digits: int, inner: Region) -> Region:
    """What of `inner` rounds to something in `wanted`."""
    below, above = _slack(mode, Fraction(1, 10**digits))
    met: list[regions.Piece] = []
    for piece in wanted:
        low = None if piece.low is None else piece.low - below
        high = None if piece.high is None else piece.high + above
        part = regions.intersect(inner, regions.interval(low, high))
        for end in (low, high):
            if end is not None and not regions.contains((piece,), rounded(mode, end, digits)):
                part = regions.without(part, end)
        met.extend(part)
    return regions.simplify(met)


def modulo(left: Region, right: Region) -> Region:
    """Remainders: `left % right`."""
    modulus = regions.only(right)
    if not modulus:
        return regions.at_least(Fraction(0))
    steps = all(piece.step or piece.point for piece in left)
    step = regions.common_step(modulus, *(p.step for p in left), *(p.offset for p in left))
    if steps and step:
        return regions.grid(step, Fraction(0), abs(modulus) - step)
    return regions.interval(Fraction(0), abs(modulus))


def extreme(largest: bool, parts: list[Region]) -> Region:
    """The largest or smallest of one member of each."""
    if not all(parts):
        return NOTHING
    ends = [regions.lowest(part) if largest else regions.highest(part) for part in parts]
    bounds = [end for end in ends if end is not None]
    if not bounds:
        return regions.union(*parts)
    half = regions.at_least(max(bounds)) if largest else regions.at_most(min(bounds))
    return regions.intersect(regions.union(*parts), half)
