"""The values of rule terms, case by case, as fractions of polynomials.

`round`, `floor`, `ceil`, `//` and `%` become quotients; `abs`, `min`, `max` and `if` become
cases.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from fractions import Fraction
from math import gcd, lcm
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rulec.compiler import terms
from rulec.compiler.conditions import MOST_CELLS, PRESENT, Atom, Cell, Unfit, equal
from rulec.compiler.opaque import why
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.terms import LIMIT, Gap, Term

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from rulec.compiler.names import Names

TOO_COMPLEX = "an intermediate result may leave the limit of exact numbers"


class Case(NamedTuple):
    """A value, `top / bottom` with a positive bottom, or a gap, where the cell holds."""

    cell: Cell
    top: Poly
    bottom: Poly
    gap: Gap | None = None


class Outcome(NamedTuple):
    """The truth of a condition, or a gap, where the cell holds."""

    cell: Cell
    truth: bool | Gap


Cases: TypeAlias = list[Case]
ONE = number(1)


class Values(ABC):
    """The numbers of one rule; `home` is a register that stands beside the rule."""

    def __init__(self, names: Names, rule: int, home: int) -> None:
        self._names = names
        self._space = names.space
        self._rules = (rule,) if rule >= 0 else ()
        self._home = home

    @abstractmethod
    def outcomes(self, term: Term) -> list[Outcome]:
        """The truth of a condition, case by case."""

    def value(self, term: Term) -> Cases:
        """A number, case by case."""
        found = [case for case in self._value(term) if self._possible(case)]
        self._few(found)
        return found

    def _possible(self, case: Case) -> bool:
        return self._space.cell(case.cell) is not None

    def _few(self, found: Iterable[object]) -> None:
        if len(list(found)) > MOST_CELLS:
            raise self._unfit("it falls into too many cases")

    def _value(self, term: Term) -> Iterable[Case]:
        match term:
            case terms.Const(Fraction() as held):
                return [_exact(held)]
            case terms.Read(register):
                return self._read(register, register)
            case terms.Folded(fold):
                return self._folded(fold)
            case terms.Else(inner, otherwise):
                return self._otherwise(inner, otherwise)
            case terms.Minus(inner):
                return [c._replace(top=c.top.times(-1)) for c in self.value(inner)]
            case terms.Binary(op, left, right):
                return self._binary(op, left, right)
            case terms.Rounded(mode, inner, digits):
                return self._each(inner, lambda case: self._rounded(mode, case, digits))
            case terms.Absolute(inner):
                return self._each(inner, self._absolute)
            case terms.Extreme(largest, inner):
                return self._extreme(largest, inner)
            case terms.Either(test, yes, no):
                return self._branches(test, yes, no)
            case _:
                raise self._formless(term)

    def _read(self, register: int, there: int) -> Cases:
        held = self._names.value(register)
        if held is None:
            raise self._unfit("it speaks of a field that is no number")
        top, scale = held
        gone = [Case(cell, Poly(), ONE, Gap.ABSENT) for cell in self._absence(there)]
        return [*gone, Case(self._presence(there), top, number(scale))]

    def _folded(self, number_: int) -> Cases:
        fold = self._names.plan.folds[number_]
        if fold.late:
            raise self._unfit("it reads a field that is written behind its list")
        if fold.function in ("distinct", "all", "any"):
            raise self._unfit(f"`{fold.function}` over a list is tested when the list closes")
        held = self._names.value(fold.register)
        if held is None:
            raise self._unfit("it folds what has no scale of its own")
        top, scale = held
        whole = Case((), top, number(scale))
        if fold.function in ("sum", "count"):
            return [whole]
        gone = Case(self._there(fold.register, False), Poly(), ONE, Gap.ABSENT)
        return [gone, whole._replace(cell=self._there(fold.register, True))]

    def _otherwise(self, inner: Term, otherwise: Term) -> Iterator[Case]:
        for case in self.value(inner):
            if case.gap is not Gap.ABSENT:
                yield case
                continue
            for other in self.value(otherwise):
                yield other._replace(cell=(*case.cell, *other.cell))

    def _each(self, inner: Term, change: Callable[[Case], Iterable[Case]]) -> Cases:
        made: Cases = []
        for case in self.value(inner):
            made.extend([case] if case.gap is not None else change(case))
        return made

    def _branches(self, test: Term, yes: Term, no: Term) -> Iterator[Case]:
        for cell, truth in self.outcomes(test):
            if isinstance(truth, Gap):
                yield Case(cell, Poly(), ONE, truth)
                continue
            for case in self.value(yes if truth else no):
                yield case._replace(cell=(*cell, *case.cell))

    def _binary(self, op: str, left: Term, right: Term) -> Iterator[Case]:
        for a in self.value(left):
            for b in self.value(right):
                cell = (*a.cell, *b.cell)
                gap = worse(a.gap, b.gap)
                if gap is not None:
                    yield Case(cell, Poly(), ONE, gap)
                    continue
                for made in self._operated(op, a, b):
                    yield made._replace(cell=(*cell, *made.cell))

    def _operated(self, op: str, a: Case, b: Case) -> Iterator[Case]:
        match op:
            case "+":
                yield self._limited(a.top * b.bottom + b.top * a.bottom, a.bottom * b.bottom)
            case "-":
                yield self._limited(a.top * b.bottom - b.top * a.bottom, a.bottom * b.bottom)
            case "*":
                yield self._limited(a.top * b.top, a.bottom * b.bottom)
            case _:
                for sign in (1, -1):
                    signed = self._signed(b.top, sign)
                    if signed is None:
                        continue
                    quotient = self._limited(
                        (a.top * b.bottom).times(sign), (a.bottom * b.top).times(sign)
                    )
                    yield from (
                        made._replace(cell=(*signed, *made.cell))
                        for made in self._divided(op, a, b, quotient, sign)
                    )
                zero = Atom("eq", b.top, 0, self._rules)
                yield Case((zero,), Poly(), ONE, Gap.UNDEFINED)

    def _signed(self, poly: Poly, sign: int) -> Cell | None:
        """Where a divisor has a sign: nowhere (None), or where the cell holds."""
        if not self._space.whole(poly):
            raise self._unfit("it divides by an expression")
        atom = Atom("ge", poly.times(sign) - ONE, 0, self._rules)
        return self._space.cell((atom,))

    def _divided(self, op: str, a: Case, b: Case, quotient: Case, sign: int) -> Cases:
        if op == "/":
            return [quotient]
        if op == "//":
            return [Case((), self._floor(quotient.top, quotient.bottom), ONE)]
        # a % n = a - |n| · floor(a / |n|); the quotient here is that of a and n.
        size = Case((), b.top.times(sign), b.bottom)
        by_size = self._floor(a.top * size.bottom, a.bottom * size.top)
        rest = a.top * size.bottom - by_size * size.top * a.bottom
        return [self._limited(rest, a.bottom * size.bottom)]

    def _floor(self, top: Poly, bottom: Poly) -> Poly:
        if not self._space.whole(top) or not self._space.whole(bottom):
            raise self._unfit("it rounds a value with any number of digits")
        if bottom == ONE:
            return top
        if top.constant is not None and bottom.constant is not None:
            return number(top.constant // bottom.constant)
        return variable(self._space.quotient(top, bottom))

    def _rounded(self, mode: str, case: Case, digits: int) -> Cases:
        scale = 10**digits
        top, bottom = case.top.times(scale), case.bottom
        bottom_again = number(scale)
        match mode:
            case "floor":
                return [Case(case.cell, self._floor(top, bottom), bottom_again)]
            case "ceil":
                ceiling = self._floor(top.times(-1), bottom).times(-1)
                return [Case(case.cell, ceiling, bottom_again)]
            case "even":
                return self._to_even(case.cell, top, bottom, scale)
        made: Cases = []
        for sign in (1, -1):
            signed = Atom("ge", top.times(sign) - number(0 if sign > 0 else 1), 0, self._rules)
            half = self._floor(top.times(2 * sign) + bottom, bottom.times(2)).times(sign)
            made.append(Case((*case.cell, signed), half, bottom_again))
        return made

    def _to_even(self, cell: Cell, top: Poly, bottom: Poly, scale: int) -> Cases:
        """Half to even: a tie goes down where rounding it up makes it odd."""
        up = self._floor(top.times(2) + bottom, bottom.times(2))
        rest = top.times(2) + bottom - (up * bottom).times(2)
        tie = Atom("eq", rest, 0, self._rules)
        plain = Atom("ge", rest - ONE, 0, self._rules)
        even = Atom("div", up, 2, self._rules)
        odd = Atom("div", up + ONE, 2, self._rules)
        whole = number(scale)
        return [
            Case((*cell, plain), up, whole),
            Case((*cell, tie, even), up, whole),
            Case((*cell, tie, odd), up - ONE, whole),
        ]

    def _absolute(self, case: Case) -> Cases:
        slack = 1 if self._space.whole(case.top) else 0
        above = Atom("ge", case.top, 0, self._rules)
        below = Atom("ge", case.top.times(-1) - number(slack), 0, self._rules)
        return [
            case._replace(cell=(*case.cell, above)),
            case._replace(cell=(*case.cell, below), top=case.top.times(-1)),
        ]

    def _extreme(self, largest: bool, inner: tuple[Term, ...]) -> Cases:
        best = self.value(inner[0])
        for term in inner[1:]:
            best = [
                c for a in best for b in self.value(term) for c in self._more(largest, a, b)
            ]
            best = [case for case in best if self._possible(case)]
            self._few(best)
        return best

    def _more(self, largest: bool, a: Case, b: Case) -> Iterator[Case]:
        cell = (*a.cell, *b.cell)
        gap = worse(a.gap, b.gap)
        if gap is not None:
            yield Case(cell, Poly(), ONE, gap)
            return
        ahead = (a.top * b.bottom - b.top * a.bottom).times(1 if largest else -1)
        slack = 1 if self._space.whole(ahead) else 0
        yield a._replace(cell=(*cell, Atom("ge", ahead, 0, self._rules)))
        behind = Atom("ge", ahead.times(-1) - number(slack), 0, self._rules)
        yield b._replace(cell=(*cell, behind))

    def _limited(self, top: Poly, bottom: Poly) -> Case:
        """A value within the limit of exact numbers."""
        common = gcd(top.content, top.offset, bottom.content, bottom.offset)
        if common > 1:
            top, bottom = top.over(common), bottom.over(common)
        cell: Cell = ()
        for poly in (top, bottom):
            low, high = poly.range(self._space.bounds)
            if low is not None and high is not None and max(-low, high) <= LIMIT:
                continue
            if bottom != ONE or not self._space.whole(poly):
                raise self._unfit(TOO_COMPLEX)
            cell = (
                Atom("ge", number(LIMIT) - poly, 0, self._rules),
                Atom("ge", number(LIMIT) + poly, 0, self._rules),
            )
        return Case(cell, top, bottom)

    def _unfit(self, reason: str) -> Unfit:
        return Unfit(reason, self._rules)

    def _formless(self, term: Term) -> Unfit:
        return self._unfit(why(term) or "its condition has no form that masks can keep")

    def _there(self, register: int, there: bool) -> Cell:
        return (equal(variable(PRESENT + register), int(there)).of(self._rules),)

    def _presence(self, register: int) -> Cell:
        if not self._names.may_lack(register, self._home):
            return ()
        return self._there(register, True)

    def _absence(self, register: int) -> list[Cell]:
        if not self._names.may_lack(register, self._home):
            return []
        return [self._there(register, False)]


def scale_of(cases: Iterable[Case]) -> int | None:
    """The scale in which a value is whole in every case; None where it has none."""
    scales: list[int] = []
    for case in cases:
        below = case.bottom.constant
        if case.gap is None and below is None:
            return None
        scales.append(below or 1)
    return lcm(*scales)


def scaled(case: Case, scale: int) -> Poly:
    """A value in units of a scale in which it is whole."""
    return case.top.times(scale // (case.bottom.constant or 1))


def _exact(value: Fraction) -> Case:
    return Case((), number(value.numerator), number(value.denominator))


def worse(a: Gap | None, b: Gap | None) -> Gap | None:
    """The gap of two values taken together."""
    for gap in (Gap.ABSENT, Gap.COMPLEX, Gap.UNDEFINED):
        if gap in (a, b):
            return gap
    return None
