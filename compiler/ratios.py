"""Arithmetic on formulas of a solver: fractions with a whole numerator.

The denominator is a constant nearly always, so that comparisons become integer arithmetic.
Constants stay ints of Python as long as they can.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.compiler.evaluate import RELATIONS, rounded
from rulec.compiler.terms import LIMIT

if TYPE_CHECKING:
    from collections.abc import Sequence

Expr: TypeAlias = Any  # z3 has no types


@dataclass(frozen=True, slots=True)
class Ratio:
    """`top / (bottom · under)`; `bottom` is a positive int, `under` positive (None: 1).

    It has a value only where all of `given` hold.
    """

    top: Expr
    bottom: int = 1
    under: Expr = None
    given: tuple[Expr, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """When a condition is true and when false; neither where it has no value.

    A `total` one always has a value: it is false where it is not true.
    """

    true: Expr
    false: Expr
    total: bool = False


class Arithmetic:
    """What numbers and conditions become. `bounds` keeps intermediates within the limit."""

    def __init__(self, z3: Any, context: Expr) -> None:
        self._z3 = z3
        self._context = context
        self.bounds: list[Expr] = []

    # --- conditions ---

    def turned(self, held: Truth) -> Truth:
        """The negation of a condition."""
        if held.total:
            return Truth(self._z3.Not(held.true), None, total=True)
        return Truth(held.false, held.true)

    def false(self, held: Truth) -> Expr:
        """When a condition is false."""
        return self._z3.Not(held.true) if held.total else held.false

    def plain(self, held: Expr, given: Sequence[Expr] = ()) -> Truth:
        """A condition that has a value where all of `given` hold."""
        z3 = self._z3
        if isinstance(held, bool):
            held = z3.BoolVal(held, self._context)
        if not given:
            return Truth(held, None, total=True)
        return Truth(z3.And(*given, held), z3.And(*given, z3.Not(held)))

    def every(self, parts: Sequence[Truth]) -> Truth:
        """A conjunction in order: a part without a value hides those behind it."""
        z3 = self._z3
        true = z3.BoolVal(True, self._context)
        false = z3.BoolVal(False, self._context)
        if all(part.total for part in parts):
            return self.plain(z3.And(true, *(part.true for part in parts)))
        for part in parts:
            false = z3.Or(false, z3.And(true, self.false(part)))
            true = z3.And(true, part.true)
        return Truth(true, false)

    def either(self, test: Truth, yes: Truth, no: Truth) -> Truth:
        """`if test then yes else no`, over conditions."""
        z3 = self._z3
        if test.total and yes.total and no.total:
            return self.plain(z3.If(test.true, yes.true, no.true, self._context))
        otherwise = self.false(test)
        return Truth(
            z3.Or(z3.And(test.true, yes.true), z3.And(otherwise, no.true)),
            z3.Or(z3.And(test.true, self.false(yes)), z3.And(otherwise, self.false(no))),
        )

    def compared(self, relation: str, left: Ratio, right: Ratio) -> Truth:
        """`left relation right`."""
        common = gcd(left.bottom, right.bottom)
        above = _times(left.top, _times(right.bottom // common, right.under))
        below = _times(right.top, _times(left.bottom // common, left.under))
        return self.plain(RELATIONS[relation](above, below), left.given + right.given)

    # --- numbers ---

    def minus(self, held: Ratio) -> Ratio:
        """`-held`."""
        return Ratio(-held.top, held.bottom, held.under, held.given)

    def absolute(self, held: Ratio) -> Ratio:
        """`abs(held)`."""
        top = abs(held.top) if isinstance(held.top, int) else self._positive(held.top)
        return Ratio(top, held.bottom, held.under, held.given)

    def _positive(self, held: Expr) -> Expr:
        return self._z3.If(held >= 0, held, -held)

    def noted(self, held: Ratio) -> Ratio:
        """Remember what an intermediate would have to be to stay within the limit."""
        if not isinstance(held.top, int):
            self.bounds += [held.top <= LIMIT, held.top >= -LIMIT]
        if held.under is not None:
            self.bounds.append(_times(held.under, held.bottom) <= LIMIT)
        return held

    def binary(self, op: str, left: Ratio, right: Ratio) -> Ratio:
        """`left op right`."""
        match op:
            case "+":
                return self.plus(left, right)
            case "-":
                return self.plus(left, self.minus(right))
            case "*":
                return _product(left, right)
            case "/":
                return self._divided(left, right)
            case "//":
                return self._floor(self._divided(left, right))
            case _:
                size = self.absolute(right)
                times = self._floor(self._divided(left, size))
                return self.plus(left, self.minus(self.binary("*", size, times)))

    def plus(self, left: Ratio, right: Ratio) -> Ratio:
        """`left + right`."""
        (one, other), bottom, under = _common(left, right)
        return _reduced(Ratio(one + other, bottom, under, left.given + right.given))

    def _divided(self, left: Ratio, right: Ratio) -> Ratio:
        z3 = self._z3
        top = _times(_times(left.top, right.bottom), right.under)
        given = left.given + right.given
        by = right.top
        if isinstance(by, int):
            if by == 0:
                return Ratio(0, given=(z3.BoolVal(False, self._context),))
            top = top if by > 0 else -top
            return _reduced(Ratio(top, left.bottom * abs(by), left.under, given))
        # Where the divisor is 0 nothing is read; what stands below stays positive all the same.
        under = _times(left.under, z3.If(by == 0, 1, self._positive(by), self._context))
        top = z3.If(by > 0, top, -top, self._context)
        return Ratio(top, left.bottom, under, (*given, by != 0))

    def chosen(self, test: Truth, yes: Ratio, no: Ratio) -> Ratio:
        """`if test then yes else no`."""
        z3 = self._z3
        (one, other), bottom, under = _common(yes, no)
        given: tuple[Expr, ...] = ()
        if yes.given or no.given or not test.total:
            left, right = z3.And(test.true, *yes.given), z3.And(self.false(test), *no.given)
            given = (z3.Or(left, right),)
        return Ratio(z3.If(test.true, one, other, self._context), bottom, under, given)

    def _floor(self, held: Ratio) -> Ratio:
        """The greatest whole number that is no greater."""
        if held.bottom == 1 and held.under is None and not self._real(held):
            return held
        if isinstance(held.top, int) and held.under is None:
            return Ratio(held.top // held.bottom, given=held.given)
        below = _times(held.bottom, held.under)
        if not self._real(held):
            return Ratio(held.top / below, given=held.given)
        return Ratio(self._z3.ToInt(held.top / below), given=held.given)

    def _real(self, held: Ratio) -> bool:
        return any(
            not isinstance(part, int) and self._z3.is_real(part)
            for part in (held.top, held.under)
            if part is not None
        )

    def rounded(self, mode: str, held: Ratio, digits: int) -> Ratio:
        """By how many whole units of the last digit; one more where the rest asks for it."""
        if isinstance(held.top, int) and held.under is None:
            value = rounded(mode, Fraction(held.top, held.bottom), digits)
            return Ratio(value.numerator, value.denominator, None, held.given)
        scaled = self.binary("*", held, Ratio(10**digits))
        match mode:
            case "floor":
                whole = self._floor(scaled)
            case "ceil":
                whole = self.minus(self._floor(self.minus(scaled)))
            case "even":
                whole = self._even(scaled)
            case _:
                size = self._floor(self.plus(self.absolute(scaled), Ratio(1, 2)))
                positive = self.plain(scaled.top >= 0)
                whole = self.chosen(positive, size, self.minus(size))
        return _reduced(Ratio(whole.top, 10**digits, None, whole.given))

    def _even(self, scaled: Ratio) -> Ratio:
        whole = self._floor(scaled)
        rest = self.plus(scaled, self.minus(whole))
        more = self.plus(whole, Ratio(1))
        odd = self.compared("==", self.binary("%", whole, Ratio(2)), Ratio(1))
        half = Ratio(1, 2)
        beyond = self.chosen(self.compared(">", rest, half), more, whole)
        middle = self.compared("==", rest, half)
        return self.chosen(middle, self.chosen(odd, more, whole), beyond)


def _times(left: Expr, right: Expr) -> Expr:
    """A product; None is 1."""
    if left is None or right is None:
        return right if left is None else left
    return left * right


def _product(left: Ratio, right: Ratio) -> Ratio:
    """`left · right`; what a constant shares with a denominator is cancelled."""
    tops, bottoms = [left.top, right.top], [left.bottom, right.bottom]
    for one, other in ((0, 1), (1, 0)):
        if isinstance(tops[one], int):
            common = gcd(tops[one], bottoms[other])
            tops[one] //= common
            bottoms[other] //= common
    under = _times(left.under, right.under)
    top, given = _times(tops[0], tops[1]), left.given + right.given
    return _reduced(Ratio(top, bottoms[0] * bottoms[1], under, given))


def _common(left: Ratio, right: Ratio) -> tuple[tuple[Expr, Expr], int, Expr]:
    """The tops of two numbers over one denominator, and that."""
    bottom = lcm(left.bottom, right.bottom)
    one, other = left.top * (bottom // left.bottom), right.top * (bottom // right.bottom)
    if left.under is right.under:
        return (one, other), bottom, left.under
    return (
        (_times(one, right.under), _times(other, left.under)),
        bottom,
        _times(left.under, right.under),
    )


def _reduced(held: Ratio) -> Ratio:
    """A constant in lowest terms."""
    if not isinstance(held.top, int) or held.under is not None:
        return held
    common = gcd(held.top, held.bottom)
    return Ratio(held.top // common, held.bottom // common, None, held.given)
