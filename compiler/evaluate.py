"""Exact evaluation of terms, with values that are not there yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from math import ceil, floor
from operator import eq, ge, gt, le, lt, ne
from typing import Any

from rulec.compiler import lists, terms
from rulec.compiler.gathering import worst
from rulec.compiler.terms import LIMIT, Gap, Term, Value

RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": eq,
    "!=": ne,
    "<": lt,
    "<=": le,
    ">": gt,
    ">=": ge,
}
"""What the relations mean."""

OPPOSITE = {"<": ">=", "<=": ">", ">": "<=", ">=": "<", "==": "!=", "!=": "=="}
"""The relation that holds where another doesn't."""

Fetch = Callable[[int], Value]
"""The value of a fold, by its index; `Gap.UNKNOWN` while its list is open."""

Ask = Callable[[str, tuple[Any, ...]], Value]
"""The answer of a function of the embedding program, by its name."""


def later(_function: str, _arguments: tuple[Any, ...]) -> Value:
    """No function is asked yet."""
    return Gap.PENDING


def limited(value: Fraction) -> Value:
    """The value itself, or `COMPLEX` when it leaves the limit of the language."""
    if abs(value.numerator) > LIMIT or value.denominator > LIMIT:
        return Gap.COMPLEX
    return value


def rounded(mode: str, value: Fraction, digits: int) -> Fraction:
    """`value` rounded to `digits` fraction digits."""
    scale = 10**digits
    scaled = value * scale
    match mode:
        case "floor":
            whole = floor(scaled)
        case "ceil":
            whole = ceil(scaled)
        case "even":
            whole = round(scaled)
        case _:
            whole = floor(abs(scaled) + Fraction(1, 2)) * (1 if scaled >= 0 else -1)
    return Fraction(whole, scale)


def compute(op: str, left: Fraction, right: Fraction) -> Value:
    """`left op right`, exact; `a % n` lies in `0 ≤ r < |n|`, `//` is floor."""
    match op:
        case "+":
            return limited(left + right)
        case "-":
            return limited(left - right)
        case "*":
            return limited(left * right)
    if right == 0:
        return Gap.UNDEFINED
    match op:
        case "/":
            return limited(left / right)
        case "//":
            return limited(Fraction(left // right))
        case _:
            return limited(left % abs(right))


def near(left: Fraction, right: Fraction, digits: int) -> bool:
    """`|left - right| ≤ ½·10^-digits`."""
    distance: Fraction = abs(left - right)
    return bool(distance * 2 * 10**digits <= 1)


class Evaluator:
    """Evaluates terms over one register file.

    `fetch` gives the folds. A term whose value is still open is `Gap.UNKNOWN`; where only the
    answer of a function is missing, `Gap.PENDING`.
    """

    def __init__(self, regs: Sequence[Any], fetch: Fetch, ask: Ask = later) -> None:
        self.ask = ask
        self.bound: dict[int, Any] = {}
        """The items of lists that are being gone through."""
        self._regs = regs
        self._fetch = fetch

    def value(self, term: Term) -> Value:
        """The value of `term` now."""
        match term:
            case terms.Const(value):
                return value
            case terms.Read(register):
                return self._regs[register]  # type: ignore[no-any-return]
            case terms.Folded(fold):
                return self._fetch(fold)
            case terms.Present(register):
                held = self._regs[register]
                return held if held is Gap.UNKNOWN else held is not Gap.ABSENT
            case terms.Else(inner, otherwise):
                held = self.value(inner)
                return self.value(otherwise) if held is Gap.ABSENT else held
            case terms.Every(inner):
                return self._first(inner, False)
            case terms.Some(inner):
                return self._first(inner, True)
            case terms.Either(test, yes, no):
                held = self.value(test)
                return held if isinstance(held, Gap) else self.value(yes if held else no)
            case _ if isinstance(term, terms.Opaque):
                return lists.value(self, term)
            case _:
                return self._strict(term)

    def register(self, register: int) -> Value:
        """What a register holds."""
        return self._regs[register]  # type: ignore[no-any-return]

    def _first(self, inner: tuple[Term, ...], decisive: bool) -> Value:
        """The conjunction (`decisive` False) or disjunction, in order."""
        pending = False
        open_ = False
        absent = False
        for term in inner:
            held = self.value(term)
            if held is decisive or held is Gap.UNDEFINED or held is Gap.COMPLEX:
                return Gap.UNKNOWN if open_ else Gap.PENDING if pending else held
            pending = pending or held is Gap.PENDING
            open_ = open_ or held is Gap.UNKNOWN
            absent = absent or held is Gap.ABSENT
        if open_ or pending:
            return Gap.UNKNOWN if open_ else Gap.PENDING
        return Gap.ABSENT if absent else not decisive

    def _strict(self, term: Term) -> Value:
        held = [self.value(part) for part in terms.parts(term)]
        return worst(held) or self._apply(term, held)

    def _apply(self, term: Term, held: list[Any]) -> Value:
        match term:
            case terms.Minus():
                return -held[0]  # type: ignore[no-any-return]
            case terms.Binary(op):
                return compute(op, held[0], held[1])
            case terms.Rounded(mode, _, digits):
                return limited(rounded(mode, held[0], digits))
            case terms.Absolute():
                return abs(held[0])  # type: ignore[no-any-return]
            case terms.Extreme(largest):
                return max(held) if largest else min(held)  # type: ignore[no-any-return]
            case terms.Relate(relation):
                return RELATIONS[relation](held[0], held[1])
            case terms.Near(_, _, digits):
                return near(held[0], held[1], self._regs[digits])
            case _:
                return not held[0]
