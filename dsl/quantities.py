"""Quantities as they are written: a number, a space and a unit."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c

if TYPE_CHECKING:
    from collections.abc import Iterator

PLAIN = c.NumberType(below=10**6)
"""The number of a quantity whose type names none.

It is bound so that sums and quotients of quantities stay within the limit of exact numbers.
"""

MOST_DIGITS = 15

_WRITTEN = re.compile(r"(-?(?:[0-9]{1,3}(?:,[0-9]{3})+|[0-9]+|(?=\.))(?:\.[0-9]+)?) (\S+)")
_JOINED = re.compile(r"([*/])")


def parted(text: str) -> tuple[Fraction, str] | None:
    """The number and the unit of a quantity; None where the text is none."""
    found = _WRITTEN.fullmatch(text)
    if found is None:
        return None
    digits = found[1].replace(",", "")
    if sum(map(str.isdigit, digits)) > MOST_DIGITS:
        return None
    return Fraction(digits), found[2]


def measure(unit: str) -> Iterator[tuple[str, int]]:
    """The names of a unit such as `km/h`, each multiplied (1) or divided by (-1)."""
    first, *rest = _JOINED.split(unit)
    yield first, 1
    for sign, name in zip(rest[::2], rest[1::2], strict=True):
        yield name, 1 if sign == "*" else -1


def of_type(type_: c.QuantityType, text: object) -> tuple[Fraction, Fraction] | None:
    """The number of a quantity of a type, and its value in base units; None if it is none."""
    found = parted(text) if isinstance(text, str) else None
    factor = None if found is None else dict(type_.units).get(found[1])
    if found is None or factor is None:
        return None
    return found[0], found[0] * factor
