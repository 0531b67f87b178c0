"""The meaning and the kind of every term of a rule."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.agreement import Agreement, Checked, ordered
from rulec.dsl.constants import literal_kind
from rulec.dsl.folding import FoldError, compute
from rulec.dsl.functions import Functions
from rulec.dsl.kinds import Bool, Day, Kind, ListOf, Num, Table, Unknown, describe, multiply
from rulec.dsl.paths import Paths
from rulec.dsl.source import Span

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.dsl.model import Model

_FIELD_TYPES = (
    c.IntType,
    c.DecimalType,
    c.NumberType,
    c.PercentType,
    c.FractionType,
    c.QuantityType,
)


@dataclass
class Terms:
    """Checks terms in one place: a shape with its fields, or none at all."""

    model: Model
    shape: str | None = None
    variables: dict[str, Kind] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.agreement = Agreement(self.model.constants, self.model.findings)
        self.paths = Paths(self.model, self.shape, self.variables, self.check)
        self.functions = Functions(self.model, self.paths, self.check)

    def check(self, term: s.Term) -> Checked:
        """The checked term and its kind; `Unknown` after a finding."""
        method: Callable[[s.Term], Checked]
        method = getattr(self, f"_{type(term).__name__.lower()}")
        return method(term)

    def condition(self, term: s.Term) -> c.Term:
        """A term that must be true or false."""
        return self.agreement.condition(self.check(term))

    def _number(self, term: s.Number) -> Checked:
        return c.Number(term.value, term.span), Num()

    def _text(self, term: s.Text) -> Checked:
        return c.Text(term.text, term.span), literal_kind(c.Text("", term.span))

    def _truth(self, term: s.Truth) -> Checked:
        return c.Truth(term.value, term.span), Bool()

    def _name(self, term: s.Name) -> Checked:
        return self.paths.name(term)

    def _member(self, term: s.Member) -> Checked:
        return self.paths.member(term)

    def _index(self, term: s.Index) -> Checked:
        if isinstance(term.of, s.Name):
            ident = s.Ident(term.of.text, term.of.span)
            table = self.model.scope.find(ident, i.Input, what="table")
            key = self.check(term.key)
            if isinstance(table, i.Input) and isinstance(table.type, tuple):
                return self._row(term, table.name.text, key)
            if table is None:
                return c.Index(term.of.text, key[0], term.span), Unknown()
        message = "only a table of the request can be looked up with `[…]`"
        self.model.findings.error("R0204", term.of.span, message)
        return c.Truth(value=True, span=term.span), Unknown()

    def _row(self, term: s.Index, table: str, key: Checked) -> Checked:
        column = self.model.keys.get(table)
        if column is None:
            message = f"`{table}` has no key to look up"
            hint = "mark a column of the table as `key`"
            self.model.findings.error("R0204", term.of.span, message, hint=hint)
            return c.Index(table, key[0], term.span), Unknown()
        wanted = self.model.kind(self.model.columns[table].get(column))
        sample: Checked = (c.Truth(value=True, span=term.span), wanted)
        key, _ = self.agreement.pair(key, sample, term.span)
        return c.Index(table, key[0], term.span), self.paths.row(table)

    def _call(self, term: s.Call) -> Checked:
        return self.functions.call(term)

    def _quantified(self, term: s.Quantified) -> Checked:
        name, function = term.variable.text, term.function.text
        source, kind = self.check(term.source)
        item = self.paths.item(source, kind)
        self.paths.shadows(term.variable)
        outer = self.variables.get(name)
        self.variables[name] = item
        body = self.check(term.body)
        del self.variables[name]
        if outer is not None:
            self.variables[name] = outer
        result: Kind = Bool()
        if function in {"all", "any", "count"}:
            self.agreement.condition(body)
            result = Num() if function == "count" else Bool()
        else:
            dates = isinstance(body[1], Day) and function != "sum"
            result = body[1] if dates else self.agreement.number(body)[1]
        return c.Comprehension(function, name, source, body[0], term.span), result

    def _negative(self, term: s.Negative) -> Checked:
        value, kind = self.agreement.number(self.check(term.term))
        if isinstance(value, c.Number):
            return c.Number(-value.value, term.span), kind
        return c.Negate(value, term.span), kind

    def _binary(self, term: s.Binary) -> Checked:
        left, right = self.check(term.left), self.check(term.right)
        kind = self._arithmetic(term, left, right)
        first, second = left[0], right[0]
        if isinstance(first, c.Number) and isinstance(second, c.Number):
            return self._folded(term, first.value, second.value), kind
        return c.Compute(_OPERATORS[term.op], first, second, term.span), kind

    def _folded(self, term: s.Binary, left: Fraction, right: Fraction) -> c.Number:
        try:
            return c.Number(compute(term.op, left, right), term.span)
        except FoldError as error:
            self.model.findings.error("R0307", term.span, str(error))
            return c.Number(Fraction(1), term.span)

    def _arithmetic(self, term: s.Binary, left: Checked, right: Checked) -> Kind:
        if isinstance(left[1], Day) or isinstance(right[1], Day):
            return self._dates(term, left, right)
        first, second = self.agreement.number(left)[1], self.agreement.number(right)[1]
        if not (isinstance(first, Num) and isinstance(second, Num)):
            return Unknown()
        match term.op:
            case "*":
                return Num(multiply(first.powers, second.powers))
            case "/" | "//":
                return Num(multiply(first.powers, second.powers, -1))
            case _:
                self.agreement.pair(left, right, term.span)
                return first

    def _dates(self, term: s.Binary, left: Checked, right: Checked) -> Kind:
        first, second, op = left[1], right[1], term.op
        number = Num()
        known: dict[tuple[str, Kind, Kind], Kind] = {
            ("+", Day(), number): Day(),
            ("+", number, Day()): Day(),
            ("-", Day(), number): Day(),
            ("-", Day(), Day()): number,
            ("%", Day(), number): number,
        }
        result = known.get((op, first, second))
        if result is None:
            if not isinstance(first, Unknown) and not isinstance(second, Unknown):
                message = f"`{op}` has no meaning for {describe(first)} and {describe(second)}"
                hint = "days are added to a date, and dates are subtracted"
                self.model.findings.error("R0302", term.span, message, hint=hint)
            return Unknown()
        return result

    def _chain(self, term: s.Chain) -> Checked:
        left, parts = self.check(term.first), []
        for relation, other in term.links:
            right = self.check(other)
            span = Span(term.span.source, left[0].span.start, right[0].span.end)
            parts.append(self._compare(relation, left, right, span))
            left = right
        whole = parts[0] if len(parts) == 1 else c.And(tuple(parts), term.span)
        return whole, Bool()

    def _compare(self, relation: str, left: Checked, right: Checked, span: Span) -> c.Term:
        if relation == "~=":
            self._rounded(left)
        elif relation not in {"==", "!="}:
            literal = _literals(left[1], right[1])
            for value, kind in (left, right):
                known = ordered(kind) or (literal and isinstance(value, c.Text))
                if not known and not isinstance(kind, ListOf | Table):
                    message = f"`{relation}` orders numbers, and this is {describe(kind)}"
                    self.model.findings.error("R0302", value.span, message)
                    return c.Compare(_RELATIONS[relation], left[0], right[0], span)
        first, second = self.agreement.pair(left, right, span)
        return c.Compare(_RELATIONS[relation], first[0], second[0], span)

    def _rounded(self, left: Checked) -> None:
        """`~=` measures by the digits that its left side shows, so that must be a field."""
        value, kind = left
        if isinstance(kind, Unknown):
            return
        found = self.paths.field(value)
        if found is None or not isinstance(found.type, (*_FIELD_TYPES, type(None))):
            message = "the left side of `~=` must be a field with a number"
            hint = "`a ~= b` holds when `a` is `b` rounded to the digits that `a` shows"
            self.model.findings.error("R0310", value.span, message, hint=hint)

    def _inside(self, term: s.Inside) -> Checked:
        value = self.check(term.term)
        inner: c.Term
        match term.domain:
            case s.Interval(low, high):
                inner = self._within(term, value, self.check(low), self.check(high))
            case s.Choices(options):
                checked = []
                for option in options:
                    value, other = self.agreement.pair(value, self.check(option), term.span)
                    checked.append(other[0])
                inner = c.OneOf(value[0], tuple(checked), term.span)
            case _:
                inner = self._listed(term, value, self.check(term.domain))
        return (c.Not(inner, term.span) if term.negated else inner), Bool()

    def _within(self, term: s.Inside, value: Checked, low: Checked, high: Checked) -> c.Term:
        for bound in (value, low, high):
            if not ordered(bound[1]) and not isinstance(bound[0], c.Text):
                what = describe(bound[1])
                message = f"an interval is of numbers or dates, and this is {what}"
                self.model.findings.error("R0302", bound[0].span, message)
                return c.Within(value[0], low[0], high[0], term.span)
        value, low = self.agreement.pair(value, low, term.span)
        value, high = self.agreement.pair(value, high, term.span)
        return c.Within(value[0], low[0], high[0], term.span)

    def _listed(self, term: s.Inside, value: Checked, source: Checked) -> c.Term:
        item = self.paths.item(*source)
        sample: Checked = (c.Truth(value=True, span=source[0].span), item)
        value, _ = self.agreement.pair(value, sample, term.span)
        return c.InList(value[0], source[0], term.span)

    def _negated(self, term: s.Negated) -> Checked:
        return c.Not(self.condition(term.term), term.span), Bool()

    def _both(self, term: s.Both) -> Checked:
        return c.And(tuple(self.condition(part) for part in term.terms), term.span), Bool()

    def _either(self, term: s.Either) -> Checked:
        return c.Or(tuple(self.condition(part) for part in term.terms), term.span), Bool()

    def _implies(self, term: s.Implies) -> Checked:
        left, right = self.condition(term.left), self.condition(term.right)
        return c.Or((c.Not(left, left.span), right), term.span), Bool()

    def _choose(self, term: s.Choose) -> Checked:
        test = self.condition(term.test)
        yes, no = self.check(term.yes), self.check(term.no)
        yes, no = self.agreement.pair(yes, no, term.span)
        kind = no[1] if isinstance(yes[1], Unknown) else yes[1]
        return c.If(test, yes[0], no[0], term.span), kind

    def _fallback(self, term: s.Fallback) -> Checked:
        value, otherwise = self.check(term.term), self.check(term.otherwise)
        value, otherwise = self.agreement.pair(value, otherwise, term.span)
        kind = otherwise[1] if isinstance(value[1], Unknown) else value[1]
        return c.Default(value[0], otherwise[0], term.span), kind


def _literals(*kinds: Kind) -> bool:
    """Whether a string beside values of these kinds is a date or a quantity."""
    return any(kind == Day() or (isinstance(kind, Num) and kind.powers) for kind in kinds)


_OPERATORS: dict[str, c.Arithmetic] = {
    "+": "+", "-": "-", "*": "*", "/": "/", "//": "//", "%": "%",
}  # fmt: skip
_RELATIONS: dict[str, c.Relation] = {
    "==": "==", "!=": "!=", "<": "<", "<=": "<=", ">": ">", ">=": ">=", "~=": "~=",
}  # fmt: skip
