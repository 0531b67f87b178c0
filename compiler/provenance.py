"""The numbers in a text."""

from __future__ import annotations

import re
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING

from rulec.compiler.kinds import DIGITS

if TYPE_CHECKING:
    from collections.abc import Iterator

KEPT = 64
"""Texts whose numbers are kept."""

_LONGEST = len(str(DIGITS))
_CURRENCY = "[$€£]?"

_NUMBER = re.compile(
    rf"""
    (?P<sign> (?<! [\w)\]%\-−–] ) [-−] (?={_CURRENCY}\.?[0-9]) )?
    {_CURRENCY}
    (?: (?P<whole> [1-9][0-9]{{0,2}} (?: ,[0-9]{{3}} )+ (?![0-9]) | [0-9]+ )
        (?: \. (?P<rest> [0-9]+ ) )?
      | (?<! [\w.] ) \. (?P<part> [0-9]+ ) )
    (?P<percent> [ ]?% )?
    """,
    re.VERBOSE,
)


@lru_cache(KEPT)
def numbers_in(text: str) -> tuple[Fraction, ...]:
    """The numbers of a text in their order; one of more digits than fields show is none."""
    return tuple(_read(text))


@lru_cache(KEPT)
def number_set(text: str) -> frozenset[Fraction]:
    """The numbers of a text, to look one up."""
    return frozenset(numbers_in(text))


def _read(text: str) -> Iterator[Fraction]:
    for found in _NUMBER.finditer(text):
        whole = (found["whole"] or "").replace(",", "")
        rest = found["rest"] or found["part"] or ""
        digits = (whole + rest).lstrip("0") or "0"
        if len(digits) > _LONGEST or len(rest) > _LONGEST:
            continue
        value = Fraction(int(digits) * (-1 if found["sign"] else 1), 10 ** len(rest))
        yield value
        if found["percent"]:
            yield value / 100
