"""The meaning of a type as it is written."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.diagnostics import Label
from rulec.dsl.folding import shown_digits
from rulec.dsl.quantities import PLAIN
from rulec.dsl.regex import Regex, RegexError, parse_regex
from rulec.dsl.source import Span
from rulec.dsl.units import MOST_WAYS

if TYPE_CHECKING:
    from fractions import Fraction

    from rulec.dsl.constants import Constants
    from rulec.dsl.findings import Findings
    from rulec.dsl.kinds import Powers
    from rulec.dsl.scope import Scope
    from rulec.dsl.units import Units

MOST_COUNTED = 1_000_000
MOST_DIGITS = 15

_REGEX_HINT = "a regular expression covers the whole text and is truly regular"


@dataclass
class Types:
    """Resolves types; each named type once."""

    scope: Scope
    constants: Constants
    units: Units
    findings: Findings
    known: dict[str, c.ScalarType | None] = field(default_factory=dict)

    def scalar(self, type_: s.Type) -> c.ScalarType | None:
        """A type that is no shape; None, with a finding, if it is none."""
        if isinstance(type_, s.NamedType):
            item = self.scope.find(type_.name, i.TypeDef)
            return self._named(item) if isinstance(item, i.TypeDef) else None
        return self._written(type_)

    def slot(self, type_: s.Type) -> c.Type | None:
        """The type of an element: a scalar type or a shape."""
        if isinstance(type_, s.NamedType):
            wanted = (i.TypeDef, i.Shape, i.Json)
            item = self.scope.find(type_.name, *wanted, what="type or shape")
            if isinstance(item, i.Shape | i.Json):
                return c.ShapeType(item.name.text)
            if isinstance(item, i.TypeDef) and _is_plain_text(item.type):
                self._needs_regex(type_.span)
                return None
            return self._named(item) if isinstance(item, i.TypeDef) else None
        return self._written(type_)

    def attribute(self, type_: s.Type) -> c.ScalarType | None:
        """The type of an attribute of names: that of a value, or of a formula."""
        found = self.scalar(type_)
        if isinstance(found, c.FormulaType):
            return found
        return self._of_value(found, type_, "an attribute")

    def value(self, type_: s.Type, what: str) -> c.ScalarType | None:
        """The type of a value that comes with the request."""
        return self._of_value(self.scalar(type_), type_, what)

    def _of_value(
        self, found: c.ScalarType | None, type_: s.Type, what: str
    ) -> c.ScalarType | None:
        if isinstance(found, c.ExprType | c.DefType | c.RefType | c.FormulaType):
            message = f"{what} cannot have this type"
            hint = "it is a type of text in the trace; a value is a number, a date or a string"
            self.findings.error("R0313", type_.span, message, hint=hint)
            return None
        return found

    def _named(self, item: i.TypeDef) -> c.ScalarType | None:
        name = item.name.text
        if name not in self.known:
            self.known[name] = self.scalar(item.type)
        return self.known[name]

    def _written(self, type_: s.Type) -> c.ScalarType | None:
        match type_:
            case s.IntType() | s.DecimalType() | s.DateType():
                return self._measured(type_)
            case s.DefType() | s.RefType() | s.ExprType() | s.FormulaType():
                return self._of_names(type_)
            case s.TextType() | s.ProseType() | s.WordsType():
                return self._spelled(type_)
            case s.PlainType():
                return _PLAIN[type_.word]
            case s.QuantityType():
                return self._quantity(type_)
            case s.NamedType():
                return self.scalar(type_)

    def _measured(
        self, type_: s.IntType | s.DecimalType | s.DateType
    ) -> c.IntType | c.DecimalType | c.DateType | None:
        match type_:
            case s.IntType():
                return self._int(type_)
            case s.DecimalType():
                return self._decimal(type_)
            case s.DateType():
                return c.DateType(*self._days(type_))

    def _of_names(
        self, type_: s.DefType | s.RefType | s.ExprType | s.FormulaType
    ) -> c.ScalarType | None:
        match type_:
            case s.DefType():
                return self._def(type_)
            case s.RefType():
                return self._ref(type_)
            case s.ExprType(None):
                return c.ExprType()
            case s.ExprType(ident) | s.FormulaType(ident):
                names = None if ident is None else self._names(ident)
                if names is None:
                    return None
                over = c.ExprType if isinstance(type_, s.ExprType) else c.FormulaType
                return over(names)

    def _spelled(self, type_: s.TextType | s.ProseType | s.WordsType) -> c.ScalarType | None:
        match type_:
            case s.TextType():
                regex = self.regex(type_.regex)
                return None if regex is None else c.TextType(regex)
            case s.ProseType():
                return self._prose(type_)
            case s.WordsType():
                return self._words(type_)

    def _names(self, ident: s.Ident) -> str | None:
        found = self.scope.find(ident, i.Names)
        return None if found is None else ident.text

    # numbers

    def _int(self, type_: s.IntType) -> c.IntType | None:
        low, high = self._bounds(type_.low, type_.high, 0)
        if (low is None) != (type_.low is None) or (high is None) != (type_.high is None):
            return None
        least, most = (None if bound is None else int(bound) for bound in (low, high))
        return c.IntType(least, most, type_.grouped)

    def _decimal(self, type_: s.DecimalType) -> c.DecimalType | None:
        least, most = self.count(type_.digits)
        if most is None or most > MOST_DIGITS or type_.digits.low is None:
            message = f"fraction digits are `n` or `a..b`, at most {MOST_DIGITS}"
            hint = "as in `decimal(2)` or `decimal(0..4)`"
            self.findings.error("R0308", type_.digits.span, message, hint=hint)
            return None
        low, high = self._bounds(type_.low, type_.high, most)
        return c.DecimalType(least, most, low, high, type_.grouped)

    def _bounds(
        self, low: s.Term | None, high: s.Term | None, digits: int
    ) -> tuple[Fraction | None, Fraction | None]:
        if low is None or high is None:
            return None, None
        first, last = (self._bound(term, digits) for term in (low, high))
        if first is not None and last is not None and first > last:
            self._crossed(low, high)
        return first, last

    def _bound(self, term: s.Term, digits: int) -> Fraction | None:
        value = self.constants.number(term)
        if value is None:
            return None
        shown = shown_digits(value)
        if shown is None or shown > digits:
            message = f"`{term.span.text}` has more fraction digits than the type"
            hint = "a bound is a value that the type can show"
            self.findings.error("R0308", term.span, message, hint=hint)
            return None
        if abs(value) >= 10**MOST_DIGITS:
            message = f"numbers have at most {MOST_DIGITS} digits before the point"
            self.findings.error("R0603", term.span, message)
            return None
        return value

    def _crossed(self, low: s.Term, high: s.Term) -> None:
        span = Span(low.span.source, low.span.start, high.span.end)
        message = "the lower bound is above the upper one"
        self.findings.error("R0308", span, message, hint="swap the two")

    def _days(self, type_: s.DateType) -> tuple[int | None, int | None]:
        if type_.low is None or type_.high is None:
            return None, None
        low, high = (self.constants.day(term) for term in (type_.low, type_.high))
        if low is not None and high is not None and low > high:
            self._crossed(type_.low, type_.high)
        return low, high

    def count(self, count: s.Count) -> tuple[int, int | None]:
        """Lower and upper bound of a count; None is no limit."""
        low = 0 if count.low is None else self._amount(count.low)
        high = None if count.high is None else self._amount(count.high)
        if high is not None and low > high:
            message = "the lower bound is above the upper one"
            self.findings.error("R0308", count.span, message, hint="swap the two")
        return low, high

    def _amount(self, amount: s.Number | s.Ident) -> int:
        term = s.Name(amount.text, amount.span) if isinstance(amount, s.Ident) else amount
        value = self.constants.number(term)
        if value is None:
            return 0
        if value.denominator != 1 or value < 0:
            message = "a count is a whole number"
            self.findings.error("R0308", amount.span, message)
            return 0
        if value > MOST_COUNTED:
            message = f"a count goes up to {MOST_COUNTED:_}"
            hint = "leave the bound out if any number will do"
            self.findings.error("R0603", amount.span, message, hint=hint)
            return MOST_COUNTED
        return int(value)

    # texts

    def regex(self, text: s.RegexText) -> Regex | None:
        """The regular expression; None, with a finding inside it, if it is none."""
        try:
            return parse_regex(text.pattern)
        except RegexError as error:
            start = text.span.start + 1 + error.start
            end = max(text.span.start + 1 + error.end, start + 1)
            place = Span(text.span.source, start, min(end, text.span.end))
            self.findings.error("R0107", place, error.message, hint=_REGEX_HINT)
            return None

    def _needs_regex(self, span: Span) -> None:
        message = "`text` in a shape needs its regular expression"
        self.findings.error("R0313", span, message, hint="write `text /[a-z]+/`, or `prose`")

    def _words(self, type_: s.WordsType) -> c.EnumType:
        seen: dict[str, s.Quoted] = {}
        for word in type_.words:
            if word.text in seen:
                related = (Label(seen[word.text].span, "it stands here as well"),)
                message = f'the word "{word.text}" stands twice'
                self.findings.error("R0415", word.span, message, related=related)
            elif not word.text:
                self.findings.error("R0409", word.span, "a word cannot be empty")
            seen.setdefault(word.text, word)
        return c.EnumType(tuple(seen))

    def _prose(self, type_: s.ProseType) -> c.ProseType | None:
        least, most = (0, None) if type_.length is None else self.count(type_.length)
        without = None if type_.without is None else self.regex(type_.without)
        if type_.without is not None and without is None:
            return None
        return c.ProseType(least, most, without)

    # names and units

    def _quantity(self, type_: s.QuantityType) -> c.QuantityType | None:
        powers = self.units.powers(type_.powers)
        number = PLAIN if type_.number is None else self.scalar(type_.number)
        if powers is None or number is None:
            return None
        if not isinstance(number, c.IntType | c.DecimalType | c.NumberType):
            message = "the number of a quantity cannot have this type"
            hint = "it is an `int`, a `decimal` or a `number`"
            place = type_.span if type_.number is None else type_.number.span
            self.findings.error("R0313", place, message, hint=hint)
            return None
        units = self.units.ways(type_.powers)
        if not units:
            message = f"this quantity may be written in more than {MOST_WAYS} units"
            hint = "give its unit a name, as in `unit kmh = 1 km/h`, and write `quantity(kmh)`"
            self.findings.error("R0603", type_.span, message, hint=hint)
            return None
        return c.QuantityType(powers, number, units)

    def dimension(self, type_: c.Type | None) -> Powers:
        """The powers of base units of a quantity; none for other types."""
        if isinstance(type_, c.QuantityType):
            return self.units.base(type_.powers)
        return ()

    def _def(self, type_: s.DefType) -> c.DefType | None:
        names = self.scope.find(type_.names, i.Names)
        regex = None if type_.regex is None else self.regex(type_.regex)
        if not isinstance(names, i.Names) or (type_.regex is not None and regex is None):
            return None
        given: dict[str, str] = {}
        attributes = {column.name.text for column in names.attributes}
        for attribute, source in type_.attributes:
            if attribute.text not in attributes:
                what = f"attribute of `{names.name.text}` called"
                self.scope.unknown(attribute.span, what, attribute.text, sorted(attributes))
            elif attribute.text in given:
                message = f"the attribute `{attribute.text}` is given twice"
                self.findings.error("R0202", attribute.span, message)
            given.setdefault(attribute.text, source.text)
        if missing := sorted(attributes - given.keys()):
            message = f"the attribute `{missing[0]}` of `{names.name.text}` is not given"
            hint = f"write `def({names.name.text}, {missing[0]}: field)`"
            self.findings.error("R0316", type_.span, message, hint=hint)
        return c.DefType(names.name.text, regex, tuple(given.items()))

    def _ref(self, type_: s.RefType) -> c.RefType | None:
        table = self.scope.find(type_.table, i.Names, i.Input, what="table or set of names")
        if table is None:
            return None
        if isinstance(table, i.Input):
            columns = table.type if isinstance(table.type, tuple) else ()
            if not any(column.key for column in columns):
                message = f"`{type_.table.text}` has no key to refer to"
                hint = "mark a column of the table as `key`"
                related = (Label(table.name.span, "it is declared here"),)
                place = type_.table.span
                self.findings.error("R0204", place, message, hint=hint, related=related)
                return None
            if type_.forward:
                message = "only a name can come later, and this is a table of the request"
                self.findings.error("R0204", type_.span, message, hint="drop `forward`")
        return c.RefType(type_.table.text, type_.forward)


def _is_plain_text(type_: s.Type) -> bool:
    return isinstance(type_, s.PlainType) and type_.word == "text"


_PLAIN: dict[str, c.ScalarType] = {
    "number": c.NumberType(),
    "percent": c.PercentType(),
    "fraction": c.FractionType(),
    "bool": c.BoolType(),
    "text": c.ProseType(),
}
