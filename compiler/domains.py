"""What a field or a parameter can hold, as conditions on its variables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING

from rulec.compiler import regions, terms
from rulec.compiler.encoding import TEXT, TRUTH
from rulec.compiler.kinds import DIGITS
from rulec.compiler.outcomes import HUGE, Size
from rulec.compiler.symbolic import ZERO, some
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.machine import Asked, Parameter
    from rulec.compiler.plan import Plan
    from rulec.compiler.regions import Region
    from rulec.compiler.terms import Exact, Term

BOOLEAN = ("true", "false")


@dataclass(frozen=True, slots=True)
class Domain:
    """What a variable stands for: the kind of its field, its set, and the digits it shows.

    `least` and `most` count fraction digits of the value, of which the text shows `shift` less.
    `pattern` is the regular expression of a text; None for any text.
    """

    kind: Asked
    region: Region = regions.EVERYTHING
    least: int = 0
    most: int = 0
    shift: int = 0
    words: tuple[str, ...] = ()
    pattern: str | None = None

    @property
    def scale(self) -> int | None:
        """What the solver's variable is: see `solver.satisfy`."""
        if self.kind == "word":
            return TRUTH if self.words == BOOLEAN else TEXT
        if self.kind in ("text", "prose"):
            return TEXT
        if self.kind in ("expr", "fraction"):
            return None
        return lcm(10**self.most, regions.denominator(self.region))

    @property
    def size(self) -> Size:
        """How large a value can be."""
        if self.kind in ("expr", "fraction") or not self.region:
            return HUGE
        low, high = regions.lowest(self.region), regions.highest(self.region)
        if low is None or high is None or not self.scale:
            return HUGE
        return Size(max(abs(low), abs(high)), abs(self.scale))


def of_field(plan: Plan, number: int) -> Domain:
    """The domain of a field."""
    spec, type_ = plan.fields[number], plan.layout.types[number]
    as_: dict[Asked, Asked] = {"typed": "word", "formula": "text"}
    return Domain(
        as_.get(spec.kind, spec.kind),
        spec.domain,
        spec.least + spec.shift,
        spec.most + spec.shift,
        spec.shift,
        spec.words,
        str(type_.regex) if isinstance(type_, checked.TextType) else None,
    )


def of_parameter(parameter: Parameter) -> Domain:
    """The domain of a parameter."""
    return Domain(
        parameter.kind, parameter.domain, words=parameter.words, pattern=parameter.pattern
    )


def conditions(
    domain: Domain, value: Term, digits: Term | None = None, scale: int | None = None
) -> tuple[Term, ...]:
    """What a value must be to be of the domain.

    `digits` is how many of them are shown, where that matters. `scale` is that of the solver's
    variable, where it isn't the domain's own. Texts are left aside: they are chosen from
    candidates.
    """
    shown = () if digits is None else (_is(digits, 0),)
    match domain.kind:
        case "word" if domain.words != BOOLEAN:
            return (among(value, domain.words),)
        case "number":
            inside = _inside(domain, value, scale or domain.scale)
            return (inside, *_shown(domain, value, digits))
        case "date" | "fraction":
            return (_inside(domain, value, scale or domain.scale), *shown)
        case _:
            return ()


def among(value: Term, values: Sequence[Exact]) -> Term:
    """`value` is one of them."""
    return some([terms.Relate("==", value, terms.Const(held)) for held in values])


def _inside(domain: Domain, value: Term, scale: int | None) -> Term:
    """Between the ends of the domain, and on its grid."""
    return some(
        [
            terms.Every(
                (
                    *_bound(piece.low, "<=", value),
                    *_bound(piece.high, ">=", value),
                    *_stepped(piece, value, scale),
                )
            )
            for piece in domain.region
        ]
    )


def _bound(end: Fraction | None, relation: checked.Relation, value: Term) -> tuple[Term, ...]:
    return () if end is None else (terms.Relate(relation, terms.Const(end), value),)


def _stepped(piece: regions.Piece, value: Term, scale: int | None) -> tuple[Term, ...]:
    """The stride of a piece; that of the variable itself need not be said."""
    if not piece.step or (scale and piece.step * scale == 1 and piece.offset == 0):
        return ()
    return (_multiple(terms.Binary("-", value, terms.Const(piece.offset)), piece.step),)


def _multiple(value: Term, step: Fraction) -> Term:
    return terms.Relate("==", terms.Binary("%", value, terms.Const(step)), ZERO)


def _shown(domain: Domain, value: Term, digits: Term | None) -> tuple[Term, ...]:
    """The value can be shown in at most fifteen digits."""
    size = domain.size
    free = digits is None and size.most is not None and size.most * 10**domain.most <= DIGITS
    if free:
        return ()
    return (some([_with(value, digits, n) for n in range(domain.least, domain.most + 1)]),)


def _with(value: Term, digits: Term | None, shown: int) -> Term:
    """The value with so many fraction digits."""
    widest = terms.Const(Fraction(DIGITS, 10**shown))
    told = () if digits is None else (_is(digits, shown),)
    near = terms.Relate("<=", terms.Absolute(value), widest)
    return terms.Every((*told, _multiple(value, Fraction(1, 10**shown)), near))


def _is(digits: Term, shown: int) -> Term:
    return terms.Relate("==", digits, terms.Const(Fraction(shown)))


def least(domain: Domain) -> Exact | None:
    """A value of the domain that is short to write, where it holds numbers or dates."""
    match domain.kind:
        case "expr" | "fraction":
            return Fraction(1)
        case "date":
            wanted = [Fraction(_DAY)]
        case "number":
            wanted = [Fraction(n) for n in (1, 0, 2, 5, 10)]
        case _:
            return None
    ends = [end for piece in domain.region for end in (piece.low, piece.high)]
    choices = (*wanted, *(end for end in ends if end is not None))
    return next((value for value in choices if regions.contains(domain.region, value)), None)


_DAY = date(2025, 1, 1).toordinal()
