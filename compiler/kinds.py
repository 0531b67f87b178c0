"""What the types of the language are to the machine."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from rulec.compiler import machine, regions
from rulec.dsl import checked
from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from rulec.compiler.regions import Region
    from rulec.dsl.source import Span

DIGITS = 10**15 - 1
"""The largest number that fifteen digits can show."""


def unsupported(what: str, span: Span) -> Diagnostic:
    """The error for what the language has and the machine doesn't enforce."""
    return Diagnostic(
        "R0901",
        f"{what} can't be enforced by this version",
        Label(span, "not supported"),
        hint="leave it out, or check it outside of the rules",
    )


def kind_of(type_: checked.ScalarType) -> machine.Kind:
    """What the machine takes a type for."""
    match type_:
        case (
            checked.IntType()
            | checked.DecimalType()
            | checked.NumberType()
            | checked.PercentType()
            | checked.QuantityType()
        ):
            return "number"
        case checked.DateType():
            return "date"
        case checked.FractionType():
            return "fraction"
        case checked.BoolType() | checked.EnumType():
            return "word"
        case checked.TextType():
            return "text"
        case checked.ProseType():
            return "prose"
        case checked.ExprType(None):
            return "expr"
        case checked.ExprType():
            return "typed"
        case checked.FormulaType():
            return "formula"
        case checked.RefType():
            return "ref"
        case checked.DefType():
            return "def"
        case _:
            assert_never(type_)


def digits_of(type_: checked.ScalarType) -> tuple[int, int, int]:
    """The fewest and the most fraction digits of a number, and how far its point is moved."""
    match type_:
        case checked.DecimalType(least, most):
            return least, most, 0
        case checked.NumberType():
            return 0, 6, 0
        case checked.PercentType():
            return 0, 6, 2
        case _:
            return 0, 0, 0


def domain_of(type_: checked.ScalarType) -> Region:
    """The values of a type."""
    limit = Fraction(DIGITS)
    match type_:
        case checked.IntType(low, high):
            return _ranged(Fraction(1), low, high)
        case checked.DecimalType(least, most, low, high):
            widest = limit / 10**least
            step = Fraction(1, 10**most)
            return regions.intersect(
                regions.grid(step, low, high), regions.grid(step, -widest, widest)
            )
        case checked.NumberType(below):
            limit = limit if below is None else below - Fraction(1, 10**6)
            return regions.grid(Fraction(1, 10**6), -limit, limit)
        case checked.PercentType():
            return regions.grid(Fraction(1, 10**8), -limit / 100, limit / 100)
        case checked.DateType(low, high):
            return _ranged(Fraction(1), low or 1, high or LAST_DAY)
        case checked.QuantityType():
            ways = (regions.scale(way.written, way.factor) for way in units_of(type_))
            return regions.union(*ways)
        case _:
            return regions.EVERYTHING


LAST_DAY = 3_652_059
"""The day number of 9999-12-31."""


def _ranged(step: Fraction, low: Fraction | int | None, high: Fraction | int | None) -> Region:
    return regions.grid(
        step,
        Fraction(-DIGITS if low is None else low),
        Fraction(DIGITS if high is None else high),
    )


def units_of(type_: checked.ScalarType) -> tuple[machine.Unit, ...]:
    """The units in which a quantity may be written."""
    if not isinstance(type_, checked.QuantityType):
        return ()
    written = domain_of(type_.number)
    return tuple(machine.Unit(word, factor, written) for word, factor in type_.units)


def pattern_of(type_: checked.ScalarType) -> str | None:
    """The regular expression of a text."""
    return str(type_.regex) if isinstance(type_, checked.TextType) else None


def words_of(type_: checked.ScalarType) -> tuple[str, ...]:
    """The words of a type that has some."""
    match type_:
        case checked.BoolType():
            return ("true", "false")
        case checked.EnumType(words):
            return words
        case _:
            return ()
