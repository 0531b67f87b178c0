"""Exact arithmetic on constants."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from math import ceil, floor

LARGEST = 10**18


class FoldError(Exception):
    """A constant that has no value; the message says why."""


def compute(op: str, left: Fraction, right: Fraction) -> Fraction:
    """`left op right`.

    Raises:
        FoldError: on division by zero, or beyond 10^18.
    """
    if op in "//%" and right == 0:
        message = "this divides by zero"
        raise FoldError(message)
    match op:
        case "+":
            return bounded(left + right)
        case "-":
            return bounded(left - right)
        case "*":
            return bounded(left * right)
        case "/":
            return bounded(left / right)
        case "//":
            return bounded(Fraction(floor(left / right)))
        case _:
            return bounded(left - abs(right) * floor(left / abs(right)))


def bounded(value: Fraction) -> Fraction:
    """The value itself.

    Raises:
        FoldError: if numerator or denominator is beyond 10^18.
    """
    if abs(value.numerator) > LARGEST or value.denominator > LARGEST:
        message = "this number is beyond 10^18"
        raise FoldError(message)
    return value


def apply(function: str, values: tuple[Fraction, ...]) -> Fraction | None:
    """The value of a numeric function; None if it is not one that folds."""
    first = values[0]
    match function:
        case "abs":
            return abs(first)
        case "floor":
            return Fraction(floor(first))
        case "ceil":
            return Fraction(ceil(first))
        case "round" | "round_even":
            scale = Fraction(10) ** int(values[1])
            rounding = half_away if function == "round" else round
            return Fraction(rounding(first * scale)) / scale
        case "min" | "max":
            return min(values) if function == "min" else max(values)
        case _:
            return None


def half_away(value: Fraction) -> int:
    """The nearest integer, a half away from zero."""
    nearest = floor(abs(value) + Fraction(1, 2))
    return nearest if value >= 0 else -nearest


def day_number(text: str) -> int | None:
    """The day number of `YYYY-MM-DD`; None if there is no such day."""
    digits = text.replace("-", "0")
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    if not (digits.isascii() and digits.isdigit()):
        return None
    try:
        return date(int(text[:4]), int(text[5:7]), int(text[8:])).toordinal()
    except ValueError:
        return None


def shown_digits(value: Fraction) -> int | None:
    """How many fraction digits write the value exactly; None if none do."""
    digits, rest = 0, value.denominator
    while rest % 10 == 0:
        rest, digits = rest // 10, digits + 1
    twos = fives = 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    return digits + max(twos, fives) if rest == 1 else None
