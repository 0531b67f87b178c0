"""Every operation on regions against brute force over small grids."""

from __future__ import annotations

from fractions import Fraction
from random import Random

from hypothesis import given
from rulesets import SEEDS, seeded

from rulec.compiler import regions
from rulec.compiler.regions import Piece, Region

UNIT = Fraction(1, 6)
GRID = [UNIT * n for n in range(-30, 31)]
"""Where members are looked for."""


def _number(r: Random) -> Fraction:
    return Fraction(r.randint(-12, 12), r.choice([1, 1, 2, 3]))


def _piece(r: Random) -> Region:
    ends = sorted((_number(r), _number(r)))
    low = None if r.random() < 0.1 else ends[0]
    high = None if r.random() < 0.1 else ends[1]
    kind = r.random()
    if kind < 0.25:
        return regions.interval(low, high)
    if kind < 0.4:
        return regions.point(ends[0])
    step = Fraction(r.randint(1, 5), r.choice([1, 1, 2, 3]))
    if kind < 0.7:
        return regions.grid(step, low, high)
    return regions.intersect(
        regions.add(regions.grid(step), regions.point(_number(r))), regions.interval(low, high)
    )


def region(r: Random, most: int = 3) -> Region:
    return regions.union(*(_piece(r) for _ in range(r.randint(0, most))))


def bounded(r: Random, most: int = 3) -> Region:
    return regions.intersect(region(r, most), regions.interval(GRID[0], GRID[-1]))


def members(found: Region) -> set[Fraction]:
    return {value for value in GRID if regions.contains(found, value)}


def check_ends(found: Region) -> None:
    """A finite end of a piece with a step is a member of it; no piece is empty."""
    for piece in found:
        for end in (piece.low, piece.high):
            assert end is None or piece.holds(end), piece
        assert piece.low is None or piece.high is None or piece.low <= piece.high, piece


@seeded(300, 20_000)
@given(SEEDS)
def test_pieces_keep_their_form(seed: int) -> None:
    r = Random(seed)
    one, other = region(r), region(r)
    made = (
        regions.union(one, other),
        regions.intersect(one, other),
        regions.add(one, other),
        regions.multiply(one, other),
        regions.divide(one, other),
        regions.negate(one),
        regions.scale(one, _number(r)),
        regions.without(one, _number(r)),
    )
    for found in made:
        check_ends(found)


@seeded(300, 20_000)
@given(SEEDS)
def test_union_intersection_and_complement_points_are_exact(seed: int) -> None:
    r = Random(seed)
    one, other, value = region(r), region(r), _number(r)
    assert members(regions.union(one, other)) == members(one) | members(other)
    assert members(regions.intersect(one, other)) == members(one) & members(other)
    assert members(regions.intersect(one, regions.at_most(value))) == {
        v for v in members(one) if v <= value
    }
    assert members(regions.intersect(one, regions.at_least(value))) == {
        v for v in members(one) if v >= value
    }
    left = members(regions.without(one, value))
    assert members(one) - {value} <= left <= members(one)
    if all(piece.step or piece.point for piece in one):
        assert left == members(one) - {value}


@seeded(300, 20_000)
@given(SEEDS)
def test_an_intersection_is_empty_just_when_nothing_is_in_both(seed: int) -> None:
    r = Random(seed)
    one, other = bounded(r), bounded(r)
    both = {
        Fraction(n, 36)
        for n in range(-36 * 6, 36 * 6 + 1)
        if regions.contains(one, Fraction(n, 36)) and regions.contains(other, Fraction(n, 36))
    }
    found = regions.intersect(one, other)
    assert (found == regions.NOTHING) == (not both)
    for piece in found:
        assert not piece.step or any(piece.holds(value) for value in both)


@seeded(200, 10_000)
@given(SEEDS)
def test_sums_products_and_quotients_hold_every_result(seed: int) -> None:
    r = Random(seed)
    one, other = bounded(r, 2), bounded(r, 2)
    total, product = regions.add(one, other), regions.multiply(one, other)
    quotient = regions.divide(one, other)
    mine, theirs = sorted(members(one)), sorted(members(other))
    for a in r.sample(mine, min(12, len(mine))):
        for b in r.sample(theirs, min(12, len(theirs))):
            assert regions.contains(total, a + b), (one, other, a, b)
            assert regions.contains(product, a * b), (one, other, a, b)
            if b:
                assert regions.contains(quotient, a / b), (one, other, a, b)


@seeded(200, 10_000)
@given(SEEDS)
def test_what_is_said_to_be_exact_is_exact(seed: int) -> None:
    r = Random(seed)
    one, factor = region(r), _number(r)
    shifted = regions.add(one, regions.point(factor))
    for value in GRID:
        assert regions.contains(shifted, value + factor) == regions.contains(one, value)
        assert regions.contains(regions.negate(one), -value) == regions.contains(one, value)
        if factor:
            scaled = regions.scale(one, factor)
            assert regions.contains(scaled, value * factor) == regions.contains(one, value)
            divided = regions.divide(one, regions.point(factor))
            assert regions.contains(divided, value / factor) == regions.contains(one, value)


@seeded(200, 10_000)
@given(SEEDS)
def test_ends_are_those_of_the_members(seed: int) -> None:
    r = Random(seed)
    found = bounded(r)
    if not found:
        return
    low, high = regions.lowest(found), regions.highest(found)
    assert low is not None
    assert high is not None
    inside = members(found)
    assert all(low <= value <= high for value in inside)
    assert regions.contains(found, low)
    assert regions.contains(found, high)
    only = regions.only(found)
    if only is not None:
        assert inside == {only}


@seeded(50, 2_000)
@given(SEEDS)
def test_regions_of_many_pieces_become_wider_never_narrower(seed: int) -> None:
    r = Random(seed)
    points = [Fraction(r.randint(-500, 500)) for _ in range(200)]
    found = regions.union(*(regions.point(value) for value in points))
    assert all(regions.contains(found, value) for value in points)
    assert len(found) <= regions.WIDEST


def test_common_steps() -> None:
    assert regions.common_step(Fraction(1, 2), Fraction(1, 3)) == Fraction(1, 6)
    assert regions.common_step(Fraction(0), Fraction(3, 4)) == Fraction(3, 4)
    assert regions.common_step(Fraction(0), Fraction(0)) == 0


def test_strides_meet_by_the_chinese_remainder_theorem() -> None:
    threes = (Piece(None, None, Fraction(3), Fraction(1)),)
    fives = (Piece(None, None, Fraction(5), Fraction(2)),)
    met = regions.intersect(threes, fives)
    assert [n for n in range(31) if regions.contains(met, Fraction(n))] == [7, 22]
