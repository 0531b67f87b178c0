"""Dates while they are written."""

from __future__ import annotations

from datetime import date
from typing import NamedTuple

from rulec.runtime.numerals import Runs, hits


class Day(NamedTuple):
    """A date under way: its digits so far, and the days allowed (None: any)."""

    field: int
    start: int
    allowed: Runs | None = None
    digits: str = ""


def days(digits: str) -> tuple[int, int] | None:
    """The first and last day whose date begins with these digits; None where there is none."""
    low = _least(digits)
    if low is None:
        return None
    high = next(found for d in _tails(digits) if (found := _day(digits + d)) is not None)
    return low, high


def _least(digits: str) -> int | None:
    for tail in _tails(digits, first=True):
        found = _day(digits + tail)
        if found is not None:
            return found
    return None


def _tails(digits: str, *, first: bool = False) -> list[str]:
    """The rests that complete a date, in order: earliest or latest first."""
    length = len(digits)
    years = [""] if length >= 4 else ["0" * (4 - length), "0" * (3 - length) + "1"]
    if not first:
        years = ["9" * (4 - length)] if length < 4 else [""]
    months = _completions(digits[4:6], 1, 12)
    last = _completions(digits[6:8], 1, 31)
    tails = [y + m + d for y in years for m in months for d in last]
    return tails if first else tails[::-1]


def _completions(part: str, low: int, high: int) -> list[str]:
    texts = (f"{number:02}" for number in range(low, high + 1))
    return [text[len(part) :] for text in texts if text.startswith(part)]


def _day(digits: str) -> int | None:
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:])).toordinal()
    except ValueError:
        return None


def feasible(day: Day) -> bool:
    """Whether an allowed day begins so."""
    span = days(day.digits)
    return span is not None and (day.allowed is None or hits(day.allowed, *span))
