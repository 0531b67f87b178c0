"""Polynomials with integer coefficients over numbered variables."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Monomial: TypeAlias = tuple[int, ...]
"""The variables of a product, in order; one that is squared stands twice."""

Range: TypeAlias = tuple[int | None, int | None]
"""The least and the greatest value; None is unbounded."""


@dataclass(frozen=True, slots=True)
class Poly:
    """A sum of `coefficient · product of variables`; no coefficient is 0."""

    parts: tuple[tuple[int, Monomial], ...] = ()

    def __add__(self, other: Poly) -> Poly:
        return _made((*self.parts, *other.parts))

    def __sub__(self, other: Poly) -> Poly:
        return self + other.times(-1)

    def __mul__(self, other: Poly) -> Poly:
        return _made(
            (a * b, tuple(sorted((*m, *n)))) for a, m in self.parts for b, n in other.parts
        )

    def times(self, factor: int) -> Poly:
        """The polynomial times a number."""
        return Poly(tuple((factor * c, m) for c, m in self.parts)) if factor else Poly()

    @property
    def constant(self) -> int | None:
        """Its value where it has no variables."""
        if not self.parts:
            return 0
        if len(self.parts) == 1 and not self.parts[0][1]:
            return self.parts[0][0]
        return None

    @property
    def variables(self) -> frozenset[int]:
        """The variables that stand in it."""
        return frozenset(variable for _, monomial in self.parts for variable in monomial)

    @property
    def offset(self) -> int:
        """The part without variables."""
        return next((c for c, monomial in self.parts if not monomial), 0)

    @property
    def content(self) -> int:
        """The greatest number that divides every coefficient but that of the constant."""
        return gcd(*(c for c, monomial in self.parts if monomial))

    def over(self, divisor: int) -> Poly:
        """The polynomial divided by a number, the constant rounded down."""
        return _made((c // divisor, monomial) for c, monomial in self.parts)

    def split(self, variable: int) -> tuple[Poly, Poly] | None:
        """`(a, b)` with `a·variable + b`; None where the variable stands in it squared."""
        with_it: list[tuple[int, Monomial]] = []
        rest: list[tuple[int, Monomial]] = []
        for c, monomial in self.parts:
            count = monomial.count(variable)
            if count > 1:
                return None
            if count:
                with_it.append((c, tuple(v for v in monomial if v != variable)))
            else:
                rest.append((c, monomial))
        return _made(with_it), _made(rest)

    def replaced(self, changes: Mapping[int, Poly]) -> Poly:
        """The polynomial with variables replaced, all of them at once."""
        if changes.keys().isdisjoint(self.variables):
            return self
        total = Poly()
        for c, monomial in self.parts:
            product = Poly(((c, tuple(v for v in monomial if v not in changes)),))
            for variable_ in monomial:
                if variable_ in changes:
                    product = product * changes[variable_]
            total = total + product
        return total

    def range(self, bounds: Mapping[int, Range]) -> Range:
        """An interval that holds every value, given those of the variables."""
        low: int | None = 0
        high: int | None = 0
        for c, monomial in self.parts:
            a, b = _product(monomial, bounds)
            if c < 0:
                a, b = b, a
            low = None if low is None or a is None else low + c * a
            high = None if high is None or b is None else high + c * b
        return low, high


def _made(parts: Iterable[tuple[int, Monomial]]) -> Poly:
    total: dict[Monomial, int] = {}
    for c, monomial in parts:
        total[monomial] = total.get(monomial, 0) + c
    return Poly(tuple((total[m], m) for m in sorted(total) if total[m]))


def number(value: int) -> Poly:
    """The polynomial that is a number."""
    return Poly(((value, ()),)) if value else Poly()


def variable(name: int) -> Poly:
    """The polynomial that is a variable."""
    return Poly(((1, (name,)),))


def hull(*ranges: Range) -> Range:
    """The least interval that holds all of some; that of none is 0."""
    lows, highs = [low for low, _ in ranges], [high for _, high in ranges]
    return (
        None if None in lows else min((end for end in lows if end is not None), default=0),
        None if None in highs else max((end for end in highs if end is not None), default=0),
    )


def _product(monomial: Monomial, bounds: Mapping[int, Range]) -> Range:
    made: Range = (1, 1)
    for name in dict.fromkeys(monomial):
        own = bounds.get(name, (None, None))
        count = monomial.count(name)
        factors = [_square(own)] if count == 2 else [own] * count
        for factor in factors:
            made = _times(made, factor)
    return made


def _square(range_: Range) -> Range:
    a, b = range_
    if a is None or b is None:
        return 0, None
    least = 0 if a <= 0 <= b else min(a * a, b * b)
    return least, max(a * a, b * b)


def _times(left: Range, right: Range) -> Range:
    sides = ((left[0], -1), (left[1], 1)), ((right[0], -1), (right[1], 1))
    ends = [_end(x, y) for x in sides[0] for y in sides[1]]
    values = [value for value, _ in ends if value is not None]
    low = min(values) if all(v is not None or s > 0 for v, s in ends) else None
    high = max(values) if all(v is not None or s < 0 for v, s in ends) else None
    return low, high


def _end(x: tuple[int | None, int], y: tuple[int | None, int]) -> tuple[int | None, int]:
    """One corner of a product: a value, or None with the sign of its infinity."""
    (a, s), (b, t) = x, y
    if a is not None and b is not None:
        return a * b, 0
    if a == 0 or b == 0:
        return 0, 0
    left = s if a is None else (1 if a > 0 else -1)
    right = t if b is None else (1 if b > 0 else -1)
    return None, left * right
