"""The samples of a ruleset, and the values that they come with."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.folding import day_number, shown_digits
from rulec.dsl.matching import matches
from rulec.dsl.quantities import of_type
from rulec.dsl.source import Span

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.scope import Scope


@dataclass
class Samples:
    """Checks samples against what the ruleset declares."""

    params: dict[str, c.Param]
    inputs: dict[str, c.Input]
    rules: frozenset[str]
    scope: Scope
    findings: Findings

    def sample(self, sample: i.Sample) -> c.Sample:
        """A sample with its values as the request would bring them."""
        by = None if sample.by is None else sample.by.text
        if sample.by is not None and by not in self.rules and not self.scope.broken:
            message = f"there is no rule `{by}`"
            hint = self.findings.near(by or "", sorted(self.rules))
            self.findings.error("R0803", sample.by.span, message, hint=hint)
        inputs: dict[str, object] = {}
        for key, value in () if sample.inputs is None else sample.inputs.entries:
            if key.text in inputs:
                message = f"`{key.text}` is given twice"
                self.findings.error("R0202", key.span, message)
            inputs[key.text] = self._given(key, value)
        self._missing(sample, inputs)
        return c.Sample(sample.accept, by, inputs, sample.trace.text, sample.span)

    def _missing(self, sample: i.Sample, inputs: dict[str, object]) -> None:
        needed = [name for name, param in self.params.items() if param.default is None]
        lacking = [name for name in (*needed, *self.inputs) if name not in inputs]
        if lacking:
            what = ", ".join(f"`{name}`" for name in lacking)
            message = f"this sample does not give {what}"
            word = Span(sample.span.source, sample.span.start, sample.span.start + 6)
            hint = f"write `with {{ {lacking[0]}: … }}` before its trace"
            self.findings.error("R0802", word, message, hint=hint)

    def _given(self, key: s.Ident, value: i.Value) -> object:
        if key.text in self.params:
            return self.scalar(self.params[key.text].type, value)
        declared = self.inputs.get(key.text)
        if declared is None:
            if not self.scope.forgiven(key.text):
                known = [*self.params, *self.inputs]
                message = f"there is no parameter or input `{key.text}`"
                hint = self.findings.near(key.text, known)
                self.findings.error("R0802", key.span, message, hint=hint)
            return self.plain(value)
        if declared.type is not None:
            return self.scalar(declared.type, value)
        return self._table(declared, value)

    def _table(self, declared: c.Input, value: i.Value) -> object:
        if not isinstance(value, i.Array):
            message = f"`{declared.name}` is a table: `[{{ … }}, …]`"
            self.findings.error("R0801", value.span, message)
            return self.plain(value)
        rows = [self._row(declared, row) for row in value.values]
        key = next((column.name for column in declared.columns if column.key), None)
        seen: set[object] = set()
        for row, written in zip(rows, value.values, strict=True):
            found = row.get(key) if isinstance(row, dict) else None
            if isinstance(found, str | bool | Fraction):
                if found in seen:
                    message = f"two rows of `{declared.name}` have this key"
                    self.findings.error("R0801", written.span, message)
                seen.add(found)
        return rows

    def _row(self, declared: c.Input, value: i.Value) -> object:
        if not isinstance(value, i.Object):
            self.findings.error("R0801", value.span, "a row is `{ column: value, … }`")
            return self.plain(value)
        columns = {column.name: column for column in declared.columns}
        row: dict[str, object] = {}
        for name, cell in value.entries:
            column = columns.get(name.text)
            if column is None:
                message = f"`{declared.name}` has no column `{name.text}`"
                hint = self.findings.near(name.text, columns)
                self.findings.error("R0801", name.span, message, hint=hint)
                row[name.text] = self.plain(cell)
            else:
                row[name.text] = self.scalar(column.type, cell)
        if lacking := [name for name in columns if name not in row]:
            message = f"this row has no `{lacking[0]}`"
            self.findings.error("R0801", value.span, message)
        return row

    def scalar(self, type_: c.ScalarType, value: i.Value) -> object:
        """A single value, after a check that it is one of its type."""
        given = self.plain(value)
        reason = misfit(type_, given)
        if reason:
            self.findings.error("R0801", value.span, reason)
        return given

    def plain(self, value: i.Value) -> object:
        """A value as it is, with numbers as fractions."""
        match value:
            case s.Number(plain) | s.Text(plain) | s.Truth(plain):
                return plain
            case s.Negative(term):
                inner = self.plain(term)
                return -inner if isinstance(inner, Fraction) else inner
            case i.Array(values):
                return [self.plain(inner) for inner in values]
            case i.Object(entries):
                return {key.text: self.plain(inner) for key, inner in entries}
            case _:
                return None


def misfit(type_: c.ScalarType, value: object) -> str:
    """Why a value is none of a type; empty if it is one."""
    match type_:
        case c.EnumType(words):
            shown = ", ".join(f'"{word}"' for word in words[:8])
            return "" if value in words else f"this is none of {shown}"
        case c.DateType(low, high):
            return _misfit_date(low, high, value)
        case c.BoolType() | c.TextType() | c.ProseType():
            return _misfit_plain(type_, value)
        case c.QuantityType():
            return _misfit_quantity(type_, value)
        case _:
            if not isinstance(value, Fraction):
                return "this is not a number"
            return _misfit_number(type_, value)


def _misfit_plain(type_: c.BoolType | c.TextType | c.ProseType, value: object) -> str:
    match type_:
        case c.BoolType():
            return "" if isinstance(value, bool) else "this is not `true` or `false`"
        case c.TextType(regex):
            fits = isinstance(value, str) and matches(regex, value)
            return "" if fits else f"this is no text that matches `/{regex}/`"
        case c.ProseType():
            return "" if isinstance(value, str) else "this is not a string"


def _misfit_date(low: int | None, high: int | None, value: object) -> str:
    number = day_number(value) if isinstance(value, str) else None
    if number is None:
        return 'this is not a day "YYYY-MM-DD"'
    if (low is not None and number < low) or (high is not None and number > high):
        return "this day is outside of the bounds"
    return ""


def _misfit_quantity(type_: c.QuantityType, value: object) -> str:
    found = of_type(type_, value)
    if found is None:
        shown = ", ".join(f"`{unit}`" for unit, _ in type_.units[:8])
        return f"this is no string with a number, a space and one of {shown}"
    return _misfit_number(type_.number, found[0])


def _misfit_number(type_: c.ScalarType, value: Fraction) -> str:
    if isinstance(type_, c.IntType | c.DecimalType):
        digits = type_.most if isinstance(type_, c.DecimalType) else 0
        low, high = type_.low, type_.high
        if (low is not None and value < low) or (high is not None and value > high):
            return "this is outside of the bounds"
    elif isinstance(type_, c.NumberType):
        if type_.below is not None and abs(value) >= type_.below:
            return f"this is not below {type_.below}"
        digits = 6
    else:
        return ""
    shown = shown_digits(value)
    fits = shown is not None and shown <= digits
    return "" if fits else "this has more fraction digits than its type"
