"""Which kinds of values go together."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl.kinds import (
    Bool,
    Day,
    Kind,
    ListOf,
    Num,
    Proposition,
    Record,
    Row,
    Str,
    Table,
    Typed,
    Unknown,
    Word,
    describe,
    show_powers,
)

if TYPE_CHECKING:
    from rulec.dsl.constants import Constants
    from rulec.dsl.findings import Findings
    from rulec.dsl.source import Span

Checked = tuple[c.Term, Kind]


@dataclass
class Agreement:
    """Tests pairs of terms, and reads date literals beside dates."""

    constants: Constants
    findings: Findings

    def pair(self, left: Checked, right: Checked, span: Span) -> tuple[Checked, Checked]:
        """Both terms, after a check that their values can be compared or exchanged."""
        left, right = self._read(left, right[1]), self._read(right, left[1])
        if self._single(left) and self._single(right):
            self._agree(left, right, span)
        return left, right

    def _read(self, term: Checked, other: Kind) -> Checked:
        """A string beside a date or a quantity as what it shows."""
        value, kind = term
        if isinstance(value, c.Text) and isinstance(other, Num) and other.powers:
            found = self.constants.quantity(value.value, value.span)
            if found is None:
                return value, Unknown()
            return c.Number(found[0], value.span), Num(found[1])
        if isinstance(value, c.Text) and isinstance(other, Day):
            number = self.constants.day_of(value.value, value.span)
            if number is None:
                return value, Unknown()
            return c.Number(Fraction(number), value.span), Day()
        return value, kind

    def _single(self, term: Checked) -> bool:
        value, kind = term
        if not isinstance(kind, ListOf | Table):
            return True
        hint = "use `all(x in …: …)`, `any`, `first`, `last` or `count`"
        message = f"this is {describe(kind)}, and a single value is needed"
        self.findings.error("R0305", value.span, message, hint=hint)
        return False

    def _agree(self, left: Checked, right: Checked, span: Span) -> None:
        if same(left[1], right[1]):
            self._spelled(left, right[1])
            self._spelled(right, left[1])
            return
        first, second = left[1], right[1]
        if isinstance(first, Num) and isinstance(second, Num):
            units = show_powers(first.powers), show_powers(second.powers)
            message = f"the units differ: `{units[0]}` and `{units[1]}`"
            self.findings.error("R0312", span, message)
            return
        message = f"{describe(first)} and {describe(second)} do not go together"
        hint = ""
        if Day() in (first, second):
            hint = 'a date goes with a date: "2025-01-31"'
        self.findings.error("R0302", span, message, hint=hint)

    def _spelled(self, term: Checked, other: Kind) -> None:
        value = term[0]
        if not (isinstance(value, c.Text) and isinstance(other, Word)):
            return
        if value.value not in other.words:
            message = f'"{value.value}" is none of the words'
            hint = self.findings.near(value.value, other.words)
            hint = hint or "the words are " + ", ".join(f'"{w}"' for w in other.words[:8])
            self.findings.error("R0306", value.span, message, hint=hint)

    def number(self, term: Checked) -> Checked:
        """The term, after a check that it is a number."""
        return self._must(term, Num, "a number")

    def condition(self, term: Checked) -> c.Term:
        """The term, after a check that it is true or false."""
        value, kind = term
        if not isinstance(kind, Bool | Unknown):
            message = f"a condition is needed here, and this is {describe(kind)}"
            self.findings.error("R0303", value.span, message)
        return value

    def _must(self, term: Checked, wanted: type, what: str) -> Checked:
        value, kind = term
        if isinstance(kind, wanted | Unknown):
            return term
        if self._single(term):
            message = f"{what} is needed here, and this is {describe(kind)}"
            self.findings.error("R0302", value.span, message)
        return value, Unknown()


_TEXTS = Str | Word | Row


def same(left: Kind, right: Kind) -> bool:
    """Whether two values of these kinds can be equal."""
    if isinstance(left, Unknown) or isinstance(right, Unknown):
        return True
    if isinstance(left, Word) and isinstance(right, Word):
        return bool(set(left.words) & set(right.words))
    if isinstance(left, Row) and isinstance(right, Row):
        return left.table == right.table
    if isinstance(left, _TEXTS) and isinstance(right, _TEXTS):
        return isinstance(left, Str) or isinstance(right, Str)
    if isinstance(left, Num | Day | Bool | Typed | Proposition | Record):
        return left == right
    return False


def ordered(kind: Kind) -> bool:
    """Whether values of this kind have an order."""
    return isinstance(kind, Num | Day | Unknown)
