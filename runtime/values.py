"""What a field may hold, as data and in a few words."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler.kinds import DIGITS
from rulec.dsl.findings import one_line
from rulec.runtime.verdicts import exact, show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.machine import Field
    from rulec.compiler.regions import Piece, Region
    from rulec.runtime.numerals import Allowed, Run

SHOWN = 4
"""Parts of a set that are told one by one."""


@dataclass(frozen=True, slots=True)
class Interval:
    """The values from `low` to `high`, as a trace shows them; an end that is empty is open.

    `step` is empty where nothing lies between neighbours that the digits could show;
    `through` is a member where there are steps and no end. `least` and `most` count the
    fraction digits with which they are written, and are both 0 for dates and for the value of
    an expression.
    """

    low: str
    high: str
    step: str = ""
    through: str = ""
    least: int = 0
    most: int = 0

    def __str__(self) -> str:
        """In words."""
        note = f" with {self.least} to {self.most} decimals" if self.least < self.most else ""
        return self.brief + note

    @property
    def brief(self) -> str:
        """In words, without the digits."""
        steps = f" in steps of {self.step}" if self.step else ""
        through = f" through {self.through}" if self.through else ""
        return self._span() + steps + through

    def _span(self) -> str:
        match self.low, self.high:
            case "", "":
                return "any number"
            case low, "":
                return f"{low} or more"
            case "", high:
                return f"{high} or less"
            case low, high:
                return low if low == high else f"{low} to {high}"

    def to_record(self) -> dict[str, object]:
        """The interval as JSON has it."""
        return {
            "low": self.low or None,
            "high": self.high or None,
            "step": self.step or None,
            "through": self.through or None,
            "decimals": [self.least, self.most],
        }


@dataclass(frozen=True, slots=True)
class Values:
    """A set of numbers, dates or words; `free` where nothing is asked of the value.

    Of a text `others` are those that it must differ from.
    """

    intervals: tuple[Interval, ...] = ()
    words: tuple[str, ...] = ()
    free: bool = False
    others: tuple[str, ...] = ()

    def __str__(self) -> str:
        """In words."""
        return self._joined([*map(str, self.intervals), *(f"`{word}`" for word in self.words)])

    @property
    def brief(self) -> str:
        """In words, without the digits of numbers and the quotes of words."""
        return self._joined([*(interval.brief for interval in self.intervals), *self.words])

    def _joined(self, parts: list[str]) -> str:
        if self.others:
            return f"other than {', '.join(f'`{one_line(other)}`' for other in self.others)}"
        if self.free:
            return "any value"
        more = len(parts) - SHOWN
        if more > 1:
            parts[SHOWN:] = [f"{more} more"]
        return " or ".join(parts) or "nothing"

    def to_record(self) -> dict[str, object]:
        """The set as JSON has it."""
        return {
            "text": str(self),
            "free": self.free,
            "intervals": [interval.to_record() for interval in self.intervals],
            "words": list(self.words),
            "others": list(self.others),
        }


FREE = Values(free=True)


def shown_values(field: Field, allowed: Allowed) -> Values:
    """The numbers or days of an allowed set, those of equal value and other digits as one."""
    found: dict[tuple[Fraction | None, Fraction | None, Fraction], list[tuple[int, Run]]] = {}
    for digits, members in enumerate(allowed, field.least):
        for run in members:
            found.setdefault(_key(run, digits), []).append((digits, run))
    return Values(tuple(_interval(field, alike) for alike in found.values()))


def _key(run: Run, digits: int) -> tuple[Fraction | None, Fraction | None, Fraction]:
    low, high = _ends(run)
    step = run.step if run.step > 1 and run.low < run.high else 0
    return (
        None if low is None else Fraction(low, 10**digits),
        None if high is None else Fraction(high, 10**digits),
        Fraction(step, 10**digits),
    )


def _ends(run: Run) -> tuple[int | None, int | None]:
    """The ends of a run; None where it goes on as far as digits do."""
    if run.low == run.high:
        return run.low, run.high
    low = None if run.low - run.step < -DIGITS else run.low
    return low, None if run.high + run.step > DIGITS else run.high


def _interval(field: Field, alike: list[tuple[int, Run]]) -> Interval:
    digits, run = alike[0]
    ends = _ends(run)
    low, high = ("" if end is None else show(field, end, digits) for end in ends)
    if run.step == 1 or run.low == run.high:
        step = through = ""
    else:
        step = _step(field, run.step, digits)
        near = min(max(run.low, run.low % run.step), run.high)
        through = show(field, near, digits) if ends == (None, None) else ""
    if field.kind == "date":
        return Interval(low, high, step)
    return Interval(low, high, step, through, digits, alike[-1][0])


def _step(field: Field, step: int, digits: int) -> str:
    return f"{step} days" if field.kind == "date" else show(field, step, digits)


def region_values(region: Region | None) -> Values:
    """The values of a region; None is everything."""
    if region is None or any(_boundless(piece) for piece in region):
        return FREE
    return Values(tuple(map(_piece, region)))


def _boundless(piece: Piece) -> bool:
    return piece.low is None and piece.high is None and not piece.step


def _piece(piece: Piece) -> Interval:
    low = "" if piece.low is None else exact(piece.low)
    high = "" if piece.high is None else exact(piece.high)
    if not piece.step or piece.point:
        return Interval(low, high)
    through = exact(piece.offset) if low == high == "" else ""
    return Interval(low, high, exact(piece.step), through)


def text_values(others: Iterable[bytes]) -> Values:
    """The texts that differ from some others."""
    told = tuple(other.decode("utf-8", "replace") for other in others)
    return Values(free=not told, others=told)


def word_values(field: Field, numbers: Iterable[int]) -> Values:
    """Some of a field's words."""
    return Values(words=tuple(field.words[number] for number in numbers))
