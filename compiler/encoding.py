"""Terms as formulas of a solver, whose module is handed in.

What a term means is what `evaluate.py` says, the limit of exact numbers left aside.
"""

from __future__ import annotations

from fractions import Fraction
from functools import reduce
from typing import TYPE_CHECKING, Any

from rulec.compiler import terms
from rulec.compiler.evaluate import RELATIONS
from rulec.compiler.ratios import Arithmetic, Ratio, Truth

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.ratios import Expr
    from rulec.compiler.terms import Exact, Term

TEXT = 0
"""The scale of a register that holds a text or a word."""

TRUTH = -1
"""The scale of a register that holds `true` or `false`."""

MOST_DIGITS = 17
"""Fraction digits that `~=` can ask for: fifteen, and two more of a percent."""


class Encoder:
    """Terms to formulas. `demands` must hold besides; `bounds` keeps numbers in the limit."""

    def __init__(
        self,
        z3: Any,
        context: Expr,
        scales: Mapping[int, int | None],
        known: Mapping[int, terms.Const],
    ) -> None:
        self._z3 = z3
        self._context = context
        self._scales = scales
        self._known = known
        self._texts: dict[str, int] = {}
        self._variables: dict[int, Expr] = {}
        self._over = Arithmetic(z3, context)
        self._truths: dict[int, Truth] = {}
        self._seen: list[Term] = []  # so that no other term gets the identity of one
        self.demands: list[Expr] = []

    @property
    def bounds(self) -> list[Expr]:
        """What keeps every intermediate so far within the limit."""
        return self._over.bounds

    # --- registers ---

    def scale(self, register: int) -> int | None:
        """What a register holds."""
        if register not in self._scales:
            raise TypeError(f"register {register} has no scale")
        return self._scales[register]

    def variable(self, register: int) -> Expr:
        """The variable of a register."""
        made = self._variables.get(register)
        if made is None:
            z3, name, scale = self._z3, f"r{register}", self.scale(register)
            sort = z3.Real if scale is None else z3.Bool if scale == TRUTH else z3.Int
            made = self._variables[register] = sort(name, self._context)
        return made

    def value(self, register: int, model: Expr) -> Exact | None:
        """The value of a register in a model; None where it is irrational."""
        if register in self._known:
            return self._known[register].value
        scale = self.scale(register)
        held = model.eval(self.variable(register), model_completion=True)
        if scale == TRUTH:
            return bool(self._z3.is_true(held))
        if scale == TEXT:
            return self._named(held.as_long())
        if scale is not None:
            return Fraction(held.as_long(), scale)
        if not self._z3.is_rational_value(held):
            return None
        return Fraction(held.numerator_as_long(), held.denominator_as_long())

    def _text(self, text: str) -> int:
        return self._texts.setdefault(text, len(self._texts))

    def _named(self, number: int) -> str:
        """A text by its number; one that is no constant gets a text that no constant is."""
        for text, known in self._texts.items():
            if known == number:
                return text
        made = f"text {number}"
        while made in self._texts:
            made += "'"
        return made

    # --- conditions ---

    def truth(self, term: Term) -> Truth:
        """When a condition is true, and when false."""
        made = self._truths.get(id(term))
        if made is None:
            made = self._truths[id(term)] = self._truth(term)
            self._seen.append(term)
        return made

    def _truth(self, term: Term) -> Truth:
        match term:
            case terms.Const(bool() as value):
                return self._over.plain(value)
            case terms.Read(register):
                held = self._known.get(register)
                if held is not None:
                    return self.truth(held)
                if self.scale(register) != TRUTH:
                    raise TypeError(f"register {register} is no truth value")
                return self._over.plain(self.variable(register))
            case terms.Relate():
                return self._relate(term)
            case terms.Near():
                return self._near(term)
            case terms.Negated(inner):
                return self._over.turned(self.truth(inner))
            case terms.Every(inner):
                return self._over.every([self.truth(part) for part in inner])
            case terms.Some(inner):
                parts = [self._over.turned(self.truth(part)) for part in inner]
                return self._over.turned(self._over.every(parts))
            case terms.Either(test, yes, no):
                return self._over.either(*map(self.truth, (test, yes, no)))
            case _:
                raise TypeError(f"{type(term).__name__} is no condition over known registers")

    def _relate(self, term: terms.Relate) -> Truth:
        kind = self._kind(term.left)
        if kind != "number" and term.relation not in ("==", "!="):
            raise TypeError(f"`{term.relation}` between values of kind {kind}")
        if kind == "truth":
            left, right = self.truth(term.left), self.truth(term.right)
            same = self._over.either(left, right, self._over.turned(right))
            return same if term.relation == "==" else self._over.turned(same)
        if kind == "text":
            texts = self._word(term.left), self._word(term.right)
            given = texts[0].given + texts[1].given
            return self._over.plain(RELATIONS[term.relation](texts[0].top, texts[1].top), given)
        return self._over.compared(
            term.relation, self.number(term.left), self.number(term.right)
        )

    def _near(self, term: terms.Near) -> Truth:
        """By cases of how many digits are shown."""
        left, right = self.number(term.left), self.number(term.right)
        away = self._over.absolute(self._over.plus(left, self._over.minus(right)))
        known = self._known.get(term.digits)
        if known is not None:
            return self._within(away, int(known.value))
        shown = self.variable(term.digits)
        z3 = self._z3
        self.demands += [shown >= 0, shown <= MOST_DIGITS]
        parts = [self._within(away, digits) for digits in range(MOST_DIGITS + 1)]
        false = [self._over.false(part) for part in parts]
        return Truth(
            z3.Or(*(z3.And(shown == n, part.true) for n, part in enumerate(parts))),
            z3.Or(*(z3.And(shown == n, part) for n, part in enumerate(false))),
            all(part.total for part in parts),
        )

    def _within(self, away: Ratio, digits: int) -> Truth:
        return self._over.compared("<=", away, Ratio(1, 2 * 10**digits))

    def _kind(self, term: Term) -> str:
        match term:
            case terms.Const(value):
                kinds = {bool: "truth", str: "text"}
                return kinds.get(type(value), "number")
            case terms.Read(register):
                scale = self.scale(register)
                return "truth" if scale == TRUTH else "text" if scale == TEXT else "number"
            case terms.Either(_, yes):
                return self._kind(yes)
            case terms.Relate() | terms.Near() | terms.Negated() | terms.Every() | terms.Some():
                return "truth"
            case _:
                return "number"

    # --- texts ---

    def _word(self, term: Term) -> Ratio:
        """The number of a text."""
        match term:
            case terms.Const(str() as value):
                return Ratio(self._text(value))
            case terms.Read(register):
                held = self._known.get(register)
                if held is not None:
                    return self._word(held)
                return Ratio(self.variable(register))
            case terms.Either(test, yes, no):
                return self._over.chosen(self.truth(test), self._word(yes), self._word(no))
            case _:
                raise TypeError(f"{type(term).__name__} is no text over known registers")

    # --- numbers ---

    def number(self, term: Term) -> Ratio:
        """The value of a numeric term."""
        match term:
            case terms.Const(Fraction() as value):
                return Ratio(value.numerator, value.denominator)
            case terms.Read(register):
                held = self._known.get(register)
                if held is not None:
                    return self.number(held)
                if self._kind(term) != "number":
                    raise TypeError(f"register {register} is no number")
                return Ratio(self.variable(register), self._scales[register] or 1)
            case terms.Minus(inner):
                return self._over.minus(self.number(inner))
            case terms.Absolute(inner):
                return self._over.absolute(self.number(inner))
            case terms.Binary(op, left, right):
                return self._over.noted(
                    self._over.binary(op, self.number(left), self.number(right))
                )
            case terms.Rounded(mode, inner, digits):
                return self._over.noted(self._over.rounded(mode, self.number(inner), digits))
            case terms.Extreme(largest, inner):
                relation = ">=" if largest else "<="
                return reduce(
                    lambda a, b: self._over.chosen(self._over.compared(relation, a, b), a, b),
                    map(self.number, inner),
                )
            case terms.Either(test, yes, no):
                return self._over.chosen(self.truth(test), self.number(yes), self.number(no))
            case _:
                raise TypeError(f"{type(term).__name__} is no number over known registers")
