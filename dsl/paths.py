"""Names and paths of rules: `total`, `lines.amount`, `sku.price`, `prev.balance`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.kinds import Kind, ListOf, Record, Row, Table, Unknown, describe
from rulec.dsl.scope import WORDS, Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.dsl.agreement import Checked
    from rulec.dsl.model import Field, Model
    from rulec.dsl.source import Span


@dataclass
class Paths:
    """Resolves paths in one shape, with the variables that are bound at the moment."""

    model: Model
    shape: str | None
    variables: dict[str, Kind]
    check: Callable[[s.Term], Checked]

    @property
    def scope(self) -> Scope:
        """The names of the ruleset."""
        return self.model.scope

    def fields(self) -> dict[str, Field]:
        """The fields of the shape in which the rule stands."""
        return {} if self.shape is None else self.model.fields.get(self.shape, {})

    def name(self, term: s.Name) -> Checked:
        """A single name: a variable, a field, or something declared."""
        if term.text in self.variables:
            return c.Variable(term.text, term.span), self.variables[term.text]
        if found := self.fields().get(term.text):
            this = c.This(term.span)
            return c.Member(this, term.text, term.span), self.model.field_kind(found)
        if term.text == "prev":
            message = "`prev` is the item before, and needs a field: `prev.x`"
            self.model.findings.error("R0311", term.span, message)
            return self._lost(term.span)
        return self._declared(term)

    def _declared(self, term: s.Name) -> Checked:
        item = self.scope.named.get(term.text)
        match item:
            case i.Const():
                value, kind = self.model.constants.named(item)
                if value is None:
                    return self._lost(term.span)
                return _at(value, term.span), kind
            case i.Names() | i.Input(type=tuple()):
                return c.Parameter(term.text, term.span), Table(term.text)
            case i.Param() | i.Input():
                kind = self.model.kind(self.model.values.get(term.text))
                return c.Parameter(term.text, term.span), kind
            case None:
                self._unknown(term)
            case _:
                message = f"`{term.text}` is a {WORDS[type(item)]} and has no value"
                self.model.findings.error("R0204", term.span, message)
        return self._lost(term.span)

    def _unknown(self, term: s.Name) -> None:
        broken = self.shape is not None and self.shape in self.scope.broken
        if broken or self.scope.forgiven(term.text):
            return
        values = i.Const | i.Param | i.Input | i.Names
        known = [name for name, item in self.scope.named.items() if isinstance(item, values)]
        if self.shape is None:
            what = "constant"
        else:
            what = "field"
            known = [*self.variables, *self.fields(), *known]
        self.scope.unknown(term.span, what, term.text, known)

    def _lost(self, span: Span) -> Checked:
        return c.Truth(value=True, span=span), Unknown()

    def member(self, term: s.Member) -> Checked:
        """`of.name`."""
        if self._is_prev(term.of):
            return self._of_previous(term)
        of, kind = self.check(term.of)
        if isinstance(kind, Unknown):
            return c.Member(of, term.name.text, term.span), kind
        if isinstance(kind, Table):
            kind = ListOf(self.row(kind.name))
        if isinstance(kind, ListOf):
            found = self._of_one(kind.item, term)
            flat = found if isinstance(found, ListOf | Unknown) else ListOf(found)
            return c.Member(of, term.name.text, term.span), flat
        return c.Member(of, term.name.text, term.span), self._of_one(kind, term)

    def _of_one(self, kind: Kind, term: s.Member) -> Kind:
        name = term.name.text
        if isinstance(kind, Record):
            fields = self.model.fields.get(kind.shape, {})
            if name in fields:
                return self.model.field_kind(fields[name])
            if kind.shape not in self.scope.broken:
                self._no_member(term, f"`{kind.shape}` has no field", list(fields))
        elif isinstance(kind, Row):
            columns = self.model.columns.get(kind.table, {})
            if name in columns:
                return self.model.kind(columns[name])
            if not self.scope.forgiven(kind.table):
                self._no_member(term, f"`{kind.table}` has no column", list(columns))
        elif not isinstance(kind, Unknown):
            message = f"{describe(kind)} has no fields"
            self.model.findings.error("R0209", term.name.span, message)
        return Unknown()

    def _no_member(self, term: s.Member, message: str, names: list[str]) -> None:
        name = term.name.text
        hint = self.model.findings.near(name, names)
        if not hint and names:
            hint = "there is " + ", ".join(f"`{known}`" for known in names[:8])
        text = f"{message} `{name}`"
        self.model.findings.error("R0209", term.name.span, text, hint=hint)

    def _is_prev(self, term: s.Term) -> bool:
        if isinstance(term, s.Name):
            return term.text == "prev" and "prev" not in self.variables
        if isinstance(term, s.Member) and term.name.text == "prev":
            return isinstance(term.of, s.Name) and term.of.text in self.variables
        return False

    def _of_previous(self, term: s.Member) -> Checked:
        """`prev.x` and `e.prev.x`."""
        of: c.Term
        kind: Kind
        span = term.of.span
        if isinstance(term.of, s.Member):
            of, kind = self.check(term.of.of)
        elif self.shape is None:
            return self.name(s.Name("prev", span))
        else:
            of, kind = c.This(span), Record(self.shape)
        if not isinstance(kind, Record | Unknown):
            message = f"`prev` is of items of a shape, and this is {describe(kind)}"
            self.model.findings.error("R0311", span, message)
            return self._lost(term.span)
        previous = c.Previous(of, span)
        return c.Member(previous, term.name.text, term.span), self._of_one(kind, term)

    def item(self, source: c.Term, kind: Kind) -> Kind:
        """The kind of one item of a list or a table."""
        if isinstance(kind, Table):
            return self.row(kind.name)
        if isinstance(kind, ListOf):
            return kind.item
        if not isinstance(kind, Unknown):
            message = f"a list is needed here, and this is {describe(kind)}"
            self.model.findings.error("R0305", source.span, message)
        return Unknown()

    def row(self, table: str) -> Kind:
        """The kind of a row."""
        return Row(table) if table in self.model.columns else Unknown()

    def field(self, term: c.Term) -> Field | None:
        """The field to which a path of single values leads, if it is one."""
        if not isinstance(term, c.Member):
            return None
        shape = self._shape_of(term.of)
        return None if shape is None else self.model.fields.get(shape, {}).get(term.name)

    def _shape_of(self, term: c.Term) -> str | None:
        match term:
            case c.This():
                return self.shape
            case c.Previous(of):
                return self._shape_of(of)
            case c.Variable(name):
                return _shape(self.variables.get(name))
            case c.Member():
                found = self.field(term)
                type_ = None if found is None else found.type
                return type_.shape if isinstance(type_, c.ShapeType) else None
            case c.Call("first" | "last" | "earlier", (argument,)):
                return self._shape_of(argument)
            case _:
                return None

    def shadows(self, variable: s.Ident) -> None:
        """Say so if a variable hides another name."""
        name = variable.text
        if name in self.variables or name in self.fields() or name in self.scope.named:
            message = f"the variable `{name}` hides another `{name}`"
            hint = "call it something else"
            self.model.findings.error("R0203", variable.span, message, hint=hint)


def _shape(kind: Kind | None) -> str | None:
    return kind.shape if isinstance(kind, Record) else None


def _at(value: c.Number | c.Text | c.Truth, span: Span) -> c.Term:
    """A constant where it is used."""
    match value:
        case c.Number(number):
            return c.Number(number, span)
        case c.Text(text):
            return c.Text(text, span)
        case c.Truth(truth):
            return c.Truth(truth, span)
