"""Numbers while they are written: what has come, and whether an allowed one begins so."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, floor, gcd
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rulec.compiler.kinds import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Field
    from rulec.compiler.ops import Phase, Step
    from rulec.compiler.regions import Piece, Region


class Run(NamedTuple):
    """The whole numbers `low`, `low + step`, … `high`."""

    low: int
    high: int
    step: int


Runs: TypeAlias = tuple[Run, ...]
Allowed: TypeAlias = tuple[Runs, ...]
"""For each number of fraction digits from the field's least on: the numbers allowed, in
units of the last digit."""


class Numeral(NamedTuple):
    """A number under way. `allowed` is None where nothing is enforced.

    `top` is the numerator of a fraction whose denominator is being written.
    """

    field: int
    start: int
    allowed: Allowed | None = None
    negative: bool = False
    mantissa: int = 0
    fraction: int = 0
    top: int | None = None


def runs(region: Region, digits: int) -> Runs:
    """The members of a region that `digits` fraction digits can show, as whole numbers."""
    unit = 10**digits
    made = (_run(piece, unit) for piece in region)
    return tuple(run for run in made if run is not None)


def _run(piece: Piece, unit: int) -> Run | None:
    low = -DIGITS if piece.low is None else max(-DIGITS, ceil(piece.low * unit))
    high = DIGITS if piece.high is None else min(DIGITS, floor(piece.high * unit))
    step = 1
    if piece.step:
        common = _common(piece.step * unit, piece.offset * unit)
        if common is None:
            return None
        step, offset = common
        low += (offset - low) % step
        high -= (high - offset) % step
    elif piece.point and piece.low is not None and (piece.low * unit).denominator != 1:
        return None
    return Run(low, high, step) if low <= high else None


def _common(step: Fraction, offset: Fraction) -> tuple[int, int] | None:
    """The whole numbers in `offset + n·step`, as a stride and an offset."""
    scale = step.denominator * offset.denominator
    a, b = int(step * scale), int(offset * scale)
    shared = gcd(a, scale)
    if b % shared:
        return None
    count = -b // shared * pow(a // shared, -1, scale // shared) % (scale // shared)
    return a // shared, (b + count * a) // scale


def meet(left: Runs, right: Runs) -> Runs:
    """The numbers in both."""
    met = (_met(a, b) for a in left for b in right)
    return tuple(run for run in met if run is not None)


def _met(a: Run, b: Run) -> Run | None:
    """The common members of two strides, by the Chinese remainder theorem."""
    low, high = max(a.low, b.low), min(a.high, b.high)
    shared = gcd(a.step, b.step)
    if (b.low - a.low) % shared:
        return None
    rounds = (b.low - a.low) // shared * pow(a.step // shared, -1, b.step // shared)
    step = a.step // shared * b.step
    start = a.low + a.step * (rounds % (b.step // shared))
    low += (start - low) % step
    high -= (high - start) % step
    return Run(low, high, step) if low <= high else None


def hits(members: Runs, low: int, high: int) -> bool:
    """Whether a member lies between `low` and `high`."""
    for run in members:
        first = run.low if low <= run.low else low + (run.low - low) % run.step
        if first <= min(high, run.high):
            return True
    return False


def endings(
    field: Field, phase: Phase, numeral: Numeral, limit: int = 16
) -> Iterator[tuple[int, int]]:
    """How the number can go on: (digits to come, fraction digits at the end)."""
    match phase:
        case "point" | "frac":
            for shown in range(max(field.least, numeral.fraction, 1), field.most + 1):
                yield shown - numeral.fraction, shown
            return
        case "zero":
            wholes = range(1)
        case "g0" | "g1" | "g2" | "g3":
            wholes = range(3 - int(phase[1]), limit, 3)
        case _:
            wholes = range(limit)
    for whole in wholes:
        for shown in range(field.least, field.most + 1):
            yield whole + shown, shown


def feasible(field: Field, phase: Phase, numeral: Numeral) -> bool:
    """Whether an allowed number begins with what has come."""
    if numeral.fraction > field.most or numeral.mantissa > DIGITS:
        return False
    if numeral.allowed is None:
        return True
    if phase == "start":
        return any(numeral.allowed)
    if phase == "sign":
        return any(hits(members, -DIGITS, -1) for members in numeral.allowed)
    return any(
        meets(numeral, to_come, numeral.allowed[shown - field.least])
        for to_come, shown in endings(field, phase, numeral)
    )


def meets(numeral: Numeral, to_come: int, members: Runs) -> bool:
    """Whether a member shows the number's digits and then `to_come` others."""
    low = numeral.mantissa * 10**to_come
    high = min(low + 10**to_come - 1, DIGITS)
    if low > high:
        return False
    if numeral.negative:
        return hits(members, -high, -max(low, 1))
    return hits(members, low, high)


def ends(field: Field, numeral: Numeral) -> bool:
    """Whether the number may end here."""
    if numeral.fraction < field.least or (numeral.negative and numeral.mantissa == 0):
        return False
    if numeral.allowed is None:
        return True
    shown = -numeral.mantissa if numeral.negative else numeral.mantissa
    return hits(numeral.allowed[numeral.fraction - field.least], shown, shown)


def taken(numeral: Numeral, step: Step, byte: int) -> Numeral:
    """The number with one byte more."""
    match step.move:
        case "digit":
            fraction = numeral.fraction + (step.phase == "frac")
            mantissa = numeral.mantissa * 10 + byte - 0x30
            return numeral._replace(mantissa=mantissa, fraction=fraction)
        case "minus":
            return numeral._replace(negative=True)
        case _:
            return numeral


def value(field: Field, numeral: Numeral) -> Fraction:
    """The number's exact value."""
    sign = -1 if numeral.negative else 1
    if numeral.top is not None:
        return Fraction(numeral.top, numeral.mantissa)
    return Fraction(sign * numeral.mantissa, 10 ** (numeral.fraction + field.shift))
