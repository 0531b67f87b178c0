"""The elements of shapes, and the fields that they make."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.diagnostics import Label
from rulec.dsl.model import Field, Model
from rulec.dsl.scope import RESERVED, WORDS
from rulec.dsl.source import Span

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings

Fields = dict[str, Field]
Occurs = c.Cardinality

_HIDDEN = (i.Param, i.Const, i.Input)


@dataclass
class Elements:
    """Checks the elements of one shape, watch or trace."""

    model: Model
    in_watch: bool = False

    @property
    def findings(self) -> Findings:
        """Where findings go."""
        return self.model.findings

    def sequence(
        self, parts: tuple[s.Element, ...], span: Span, occurs: Occurs = "one"
    ) -> tuple[c.Sequence, Fields]:
        """The parts of a sequence, and the fields in it."""
        made: list[c.Element] = []
        fields: Fields = {}
        for part in parts:
            element, found = self.element(part, occurs)
            if element is not None:
                made.append(element)
            self._join(fields, found)
        return c.Sequence(tuple(made), span), fields

    def element(self, element: s.Element, occurs: Occurs) -> tuple[c.Element | None, Fields]:
        """An element, and the fields in it; `occurs` says how often it stands there."""
        match element:
            case s.Literal():
                if not element.text:
                    message = "this literal is empty"
                    self.findings.error("R0409", element.span, message, hint="leave it out")
                return c.Literal(element.text, element.span), {}
            case s.Pattern(regex):
                parsed = self.model.types.regex(regex)
                return (None if parsed is None else c.Pattern(parsed, element.span)), {}
            case s.Cut():
                return self._cut(element), {}
            case s.Slot():
                return self._slot(element, occurs)
            case s.Group():
                return self._group(element, occurs)
            case s.Repeat():
                return self._repeat(element, occurs)

    def _cut(self, element: s.Cut) -> c.Cut:
        if not self.in_watch:
            message = "`!` stands only in a watch"
            hint = "it marks the place from which the rest of a watch is owed"
            self.findings.error("R0404", element.span, message, hint=hint)
        return c.Cut(element.span)

    def _slot(self, element: s.Slot, occurs: Occurs) -> tuple[c.Element | None, Fields]:
        type_ = self.model.types.slot(element.type)
        if self.in_watch and isinstance(type_, c.ProseType):
            message = "a watch looks into prose and cannot hold prose"
            self.findings.error("R0411", element.span, message)
        name = None if element.name is None else element.name.text
        made = None if type_ is None else c.Slot(name, type_, element.span)
        if element.name is None:
            return made, {}
        self.named(element.name)
        return made, {element.name.text: Field(element.name.text, type_, occurs, element.span)}

    def named(self, ident: s.Ident) -> None:
        """Check the name of a field."""
        name = ident.text
        if name in RESERVED:
            message = f"a field cannot be called `{name}`"
            self.findings.error("R0208", ident.span, message)
        hidden = self.model.scope.named.get(name)
        if isinstance(hidden, _HIDDEN):
            what = WORDS[type(hidden)]
            message = f"the field `{name}` hides the {what} of that name"
            related = (Label(hidden.name.span, "it is declared here"),)
            hint = "call one of them something else"
            self.findings.error("R0203", ident.span, message, hint=hint, related=related)

    def _group(self, element: s.Group, occurs: Occurs) -> tuple[c.Element, Fields]:
        if len(element.options) == 1:
            return self.sequence(element.options[0], element.span, occurs)
        options, all_fields = [], []
        for option in element.options:
            span = _span_of(option, element.span)
            made, fields = self.sequence(option, span, occurs)
            options.append(made)
            all_fields.append(fields)
        return c.Choice(tuple(options), element.span), self._merge(all_fields)

    def _merge(self, branches: list[Fields]) -> Fields:
        """The same field in exclusive branches is one field."""
        merged: Fields = {}
        seen: dict[str, int] = {}
        for fields in branches:
            for name, found in fields.items():
                seen[name] = seen.get(name, 0) + 1
                if name in merged:
                    merged[name] = self._same(merged[name], found)
                else:
                    merged[name] = found
        return {
            name: _optional(found) if seen[name] < len(branches) else found
            for name, found in merged.items()
        }

    def _same(self, first: Field, other: Field) -> Field:
        types = first.type, other.type
        listed = "list" in (first.cardinality, other.cardinality)
        agree = None in types or types[0] == types[1]
        if listed and first.cardinality != other.cardinality:
            agree = False
        if not agree:
            message = f"`{other.name}` differs from the `{other.name}` of another branch"
            related = (Label(first.span, "the other one"),)
            hint = "a field in several branches is one field, and has one type"
            self.findings.error("R0402", other.span, message, hint=hint, related=related)
        return first if first.cardinality == other.cardinality else _optional(first)

    def _join(self, fields: Fields, found: Fields) -> None:
        for name, new in found.items():
            if name in fields:
                message = f"the field `{name}` stands twice in this sequence"
                related = (Label(fields[name].span, "it stands here as well"),)
                hint = "repeat one element for a list, or call one of them something else"
                self.findings.error("R0401", new.span, message, hint=hint, related=related)
            else:
                fields[name] = new

    def _repeat(self, element: s.Repeat, occurs: Occurs) -> tuple[c.Element | None, Fields]:
        if isinstance(element.body, s.Cut):
            message = "`!` cannot be repeated or left out"
            self.findings.error("R0404", element.span, message)
        if element.sign == "?":
            inner: Occurs = "list" if occurs == "list" else "optional"
            body, fields = self.element(element.body, inner)
            return (None if body is None else c.Optional(body, element.span)), fields
        low, high = self._count(element)
        body, fields = self.element(element.body, "list")
        separator = "" if element.separator is None else element.separator.text
        if element.separator is not None and not separator:
            place = element.separator.span
            self.findings.error("R0409", place, "this separator is empty", hint="leave it out")
        if body is None:
            return None, fields
        return c.Repeat(body, low, high, separator, element.span), fields

    def _count(self, element: s.Repeat) -> tuple[int, int | None]:
        if element.count is None:
            return (1 if element.sign == "+" else 0), None
        low, high = self.model.types.count(element.count)
        if high == 0:
            message = "this can never stand there"
            hint = "leave it out, or raise the bound"
            self.findings.error("R0308", element.count.span, message, hint=hint)
        return low, high


def _optional(found: Field) -> Field:
    return found if found.cardinality == "list" else replace(found, cardinality="optional")


def _span_of(parts: tuple[s.Element, ...], fallback: Span) -> Span:
    if not parts:
        return fallback
    return Span(parts[0].span.source, parts[0].span.start, parts[-1].span.end)
