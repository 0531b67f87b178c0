"""Constants: terms that have a value before any trace."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.folding import day_number
from rulec.dsl.kinds import Bool, Day, Kind, Num, Str, Unknown, describe

if TYPE_CHECKING:
    from collections.abc import Callable
    from fractions import Fraction

    from rulec.dsl.findings import Findings
    from rulec.dsl.kinds import Powers
    from rulec.dsl.scope import Scope
    from rulec.dsl.source import Span
    from rulec.dsl.units import Units

Constant = tuple[c.Number | c.Text | c.Truth | None, Kind]

UNKNOWN: Constant = (None, Unknown())


@dataclass
class Constants:
    """Values of constant terms; each named constant is worked out once.

    `terms` checks a term without fields, and is set once the term checker exists.
    """

    scope: Scope
    findings: Findings
    terms: Callable[[s.Term], tuple[c.Term, Kind]] | None = None
    units: Units | None = None
    annotated: Callable[[i.Const, Constant], Constant] | None = None
    known: dict[str, Constant] = field(default_factory=dict)

    def named(self, item: i.Const) -> Constant:
        """The value of a declared constant."""
        name = item.name.text
        if name not in self.known:
            found = self.value(item.value)
            if self.annotated is not None:
                found = self.annotated(item, found)
            self.known[name] = found
        return self.known[name]

    def value(self, term: s.Term) -> Constant:
        """The value of a term; without one, with a finding, if it is not constant."""
        if self.terms is None:
            return UNKNOWN
        checked, kind = self.terms(term)
        if isinstance(checked, c.Number | c.Text | c.Truth):
            return checked, kind
        if not isinstance(kind, Unknown):
            hint = "constants are made of literals, other constants and arithmetic"
            self.findings.error("R0307", term.span, "this is not a constant", hint=hint)
        return UNKNOWN

    def number(self, term: s.Term) -> Fraction | None:
        """The value of a term that must be a constant number."""
        value, kind = self.value(term)
        if isinstance(value, c.Number) and isinstance(kind, Num):
            return value.value
        self._not(term.span, "a number", kind)
        return None

    def day(self, term: s.Term) -> int | None:
        """The day number of a term that must be a constant date."""
        value, kind = self.value(term)
        if isinstance(value, c.Number) and isinstance(kind, Day):
            return int(value.value)
        if isinstance(value, c.Text):
            return self.day_of(value.value, term.span)
        self._not(term.span, "a date", kind)
        return None

    def day_of(self, text: str, span: Span) -> int | None:
        """The day number of a date literal."""
        number = day_number(text)
        if number is None:
            hint = 'dates are written "YYYY-MM-DD"'
            self.findings.error("R0309", span, f'"{text}" is not a day', hint=hint)
        return number

    def quantity(self, text: str, span: Span) -> tuple[Fraction, Powers] | None:
        """The value and the dimension of a quantity literal."""
        found = None if self.units is None else self.units.literal(text)
        if found is None:
            hint = 'a number, a space and declared units, as in "130 km/h"'
            self.findings.error("R0318", span, f'"{text}" is no quantity', hint=hint)
        return found

    def _not(self, span: Span, wanted: str, kind: Kind) -> None:
        if not isinstance(kind, Unknown):
            message = f"{wanted} is needed here, and this is {describe(kind)}"
            self.findings.error("R0302", span, message)


def literal_kind(value: c.Number | c.Text | c.Truth) -> Kind:
    """The kind of a literal."""
    if isinstance(value, c.Number):
        return Num()
    return Str() if isinstance(value, c.Text) else Bool()
