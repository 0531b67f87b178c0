"""JSON shapes as elements: a JSON object is a text like any other.

White space may stand behind `{ [ , :` and before `} ] , :`; between two of these there is one
place for it, so that it has one reading.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl.json_text import NO_SPACE, SPACE, escaped

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.dsl.source import Span

_BARE = (c.IntType, c.DecimalType, c.BoolType, c.ShapeType)
"""What stands without quotes."""

_NUMBER = c.DecimalType(0, 6)
"""A `number` as JSON has it: neither grouped nor with a leading point."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member of a JSON shape; a list when `low` is not None."""

    name: str
    type: c.Type
    optional: bool
    low: int | None
    high: int | None
    span: Span


def object_of(members: Sequence[Member], span: Span, *, compact: bool) -> c.Sequence:
    """The text of a JSON object with these members; a `compact` one has no white space."""
    return _Writer(compact).object(members, span)


@dataclass(frozen=True, slots=True)
class _Writer:
    compact: bool

    def object(self, members: Sequence[Member], span: Span) -> c.Sequence:
        inside = c.Sequence(
            tuple(self._member(member) for member in members),
            span,
            separator=",",
            spacing=self._space(span),
        )
        return self._joined(span, "{", inside, "}")

    def _member(self, member: Member) -> c.Element:
        named = f'"{escaped(member.name)}"'
        written = self._joined(member.span, named, ":", *self._value(member), "")
        return c.Optional(written, member.span) if member.optional else written

    def _value(self, member: Member) -> tuple[str | c.Element, ...]:
        span = member.span
        if member.low is None:
            return (self._item(member),)
        item = self._joined(span, self._item(member), "")
        items = c.Repeat(item, member.low, member.high, ",", span, self._space(span))
        return "[", items, "]"

    def _item(self, member: Member) -> c.Element:
        type_, span = _spelled(member.type), member.span
        if isinstance(type_, _BARE):
            return c.Slot(member.name, type_, span)
        quote = c.Literal('"', span)
        return c.Sequence((quote, c.Slot(member.name, type_, span, quoted=True), quote), span)

    def _joined(self, span: Span, *parts: str | c.Element) -> c.Sequence:
        """The parts with white space between them; an empty text only ends with it.

        Repeats and members bring the white space behind them along.
        """
        found: list[c.Element] = []
        for part in parts:
            if found and not _spaced(found[-1]):
                found.append(self._space(span))
            if part:
                found.append(c.Literal(part, span) if isinstance(part, str) else part)
        return c.Sequence(tuple(found), span)

    def _space(self, span: Span) -> c.Pattern:
        return c.Pattern(NO_SPACE if self.compact else SPACE, span)


def _spaced(element: c.Element) -> bool:
    """Whether an element ends with white space of its own, if it is written."""
    return isinstance(element, c.Repeat) or (
        isinstance(element, c.Sequence) and bool(element.separator)
    )


def _spelled(type_: c.Type) -> c.Type:
    """The type as JSON spells its values."""
    match type_:
        case c.NumberType():
            return _NUMBER
        case c.IntType() | c.DecimalType():
            return replace(type_, grouped=False)
        case _:
            return type_
