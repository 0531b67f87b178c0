"""Which numbers can begin an allowed one: sorted intervals instead of a search."""

from __future__ import annotations

from bisect import bisect_right
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rulec.compiler.kinds import DIGITS
from rulec.compiler.machine import Field
from rulec.runtime.numerals import Allowed, Numeral, Run, Runs, endings

if TYPE_CHECKING:
    from rulec.compiler.ops import Phase

Values: TypeAlias = NDArray[np.int64]
MOST_MEMBERS = 256
"""Members of a wide stride that are listed one by one."""


class Prefixes(NamedTuple):
    """The whole numbers from each even bound up to the odd one behind it."""

    bounds: tuple[int, ...]

    def holds(self, value: int) -> bool:
        """Whether a number is one of them."""
        return bool(bisect_right(self.bounds, value) & 1)

    def among(self, values: Values) -> NDArray[np.bool_]:
        """Which of the numbers are."""
        bounds = np.array(self.bounds, np.int64)
        return (np.searchsorted(bounds, values, side="right") & 1).astype(bool)


@lru_cache(maxsize=4096)
def prefixes(
    least: int, most: int, phase: Phase, fraction: int, negative: bool, allowed: Allowed
) -> Prefixes | None:
    """The mantissas with which a number in this phase can still become an allowed one.

    `least` and `most` are the field's fraction digits. None where that is no small union of
    intervals.
    """
    shape = Field("", "", "number", 0, 0, least, most)
    numeral = Numeral(0, 0, allowed, negative, 1, fraction)
    found: list[tuple[int, int]] = []
    for to_come, shown in endings(shape, phase, numeral):
        part = _quotients(_side(allowed[shown - least], negative), 10**to_come)
        if part is None:
            return None
        found.extend(part)
    return Prefixes(tuple(_merged(found)))


def _side(members: Runs, negative: bool) -> list[Run]:
    """The members of one sign, without it."""
    made: list[Run] = []
    for run in members:
        low, high = (-run.high, -run.low) if negative else (run.low, run.high)
        floor = 1 if negative else 0
        if low < floor:
            low += -(-(floor - low) // run.step) * run.step
        if low <= min(high, DIGITS):
            made.append(Run(low, min(high, DIGITS), run.step))
    return made


def _quotients(members: list[Run], unit: int) -> list[tuple[int, int]] | None:
    """The members divided by `unit`, rounded down, as closed intervals."""
    made: list[tuple[int, int]] = []
    for run in members:
        if run.step <= unit or run.low == run.high:
            last = run.high - (run.high - run.low) % run.step
            made.append((run.low // unit, last // unit))
            continue
        if (run.high - run.low) // run.step > MOST_MEMBERS:
            return None
        each = range(run.low, run.high + 1, run.step)
        made.extend((member // unit, member // unit) for member in each)
    return made


def _merged(found: list[tuple[int, int]]) -> list[int]:
    bounds: list[int] = []
    for low, high in sorted(found):
        if bounds and low <= bounds[-1]:
            bounds[-1] = max(bounds[-1], high + 1)
        else:
            bounds += [low, high + 1]
    return bounds
