"""Quantities as shapes of their own: a number, a space and the word of a unit.

The machine has no form for a quantity and needs none: its number and its unit are two fields,
and its value is the number times what the unit is in base units.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from rulec.compiler import terms
from rulec.compiler.places import Instance, Scalar
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from fractions import Fraction

    from rulec.compiler.terms import Term
    from rulec.dsl.source import Span

NUMBER, UNIT = "number", "unit"

What: TypeAlias = Literal["value", "unit", "type"]
"""What is asked of a field: its value, the unit in which it is written, or its type."""


def apart(ruleset: checked.Ruleset) -> tuple[checked.Ruleset, dict[str, checked.QuantityType]]:
    """A ruleset whose quantities are shapes, and the types that these stand for, by name."""
    parting = _Parting()
    shapes = {name: parting.shape(shape) for name, shape in ruleset.shapes.items()}
    watches = tuple(replace(w, shape=parting.shape(w.shape)) for w in ruleset.watches)
    trace = parting.element(ruleset.trace, "")
    if not parting.types:
        return ruleset, {}
    shapes |= {
        label: _shape(label, type_, parting.spans[label])
        for label, type_ in parting.types.items()
    }
    return replace(ruleset, shapes=shapes, watches=watches, trace=trace), parting.types


def _shape(label: str, type_: checked.QuantityType, span: Span) -> checked.Shape:
    """A number, a space and a unit."""
    own: dict[str, checked.ScalarType] = {
        NUMBER: type_.number,
        UNIT: checked.EnumType(tuple(word for word, _ in type_.units)),
    }
    number, unit = (checked.Slot(name, part, span) for name, part in own.items())
    body = checked.Sequence((number, checked.Literal(" ", span), unit), span)
    fields = {name: checked.FieldInfo(part, "one", span) for name, part in own.items()}
    return checked.Shape(label, body, fields, (), 1, span)


@dataclass
class _Parting:
    """Takes the quantities of shapes apart, and notes their types and where they stand."""

    types: dict[str, checked.QuantityType] = field(default_factory=dict)
    spans: dict[str, Span] = field(default_factory=dict)

    def shape(self, shape: checked.Shape) -> checked.Shape:
        """A shape without quantities."""
        fields = {
            name: replace(info, type=self._type(f"{shape.name}.{name}", info.type, info.span))
            for name, info in shape.fields.items()
        }
        return replace(shape, body=self._sequence(shape.body, shape.name), fields=fields)

    def element(self, element: checked.Element, owner: str) -> checked.Element:
        """An element of a shape without quantities."""
        match element:
            case checked.Slot(name, type_, span):
                # Nothing in a ruleset is called so: an unnamed one is told by its text.
                label = f"{owner}.{name or f'({span.text})'}"
                return replace(element, type=self._type(label, type_, span))
            case checked.Sequence():
                return self._sequence(element, owner)
            case checked.Choice(options):
                made = tuple(self._sequence(option, owner) for option in options)
                return replace(element, options=made)
            case checked.Optional(body) | checked.Repeat(body):
                return replace(element, body=self.element(body, owner))
            case _:
                return element

    def _sequence(self, sequence: checked.Sequence, owner: str) -> checked.Sequence:
        parts = tuple(self.element(part, owner) for part in sequence.parts)
        return replace(sequence, parts=parts)

    def _type(self, label: str, type_: checked.Type, span: Span) -> checked.Type:
        if not isinstance(type_, checked.QuantityType):
            return type_
        self.types[label] = type_
        self.spans.setdefault(label, span)
        return checked.ShapeType(label)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A quantity in its place: the registers of its number and its unit."""

    number: int
    unit: int
    units: tuple[tuple[str, Fraction], ...]

    def read(self, what: What) -> Term:
        """Its value in base units, or its unit."""
        return terms.Read(self.unit) if what == "unit" else self._times(terms.Read(self.number))

    def shown(self, value: Term) -> Term:
        """A value of base units in the unit that is written."""
        return self._times(value, inverse=True)

    def _times(self, term: Term, *, inverse: bool = False) -> Term:
        """A term times what the unit that is written is in base units."""
        *others, (_, last) = (
            (word, 1 / factor if inverse else factor) for word, factor in self.units
        )
        made = _scaled(term, last)
        for word, factor in reversed(others):
            here = terms.Relate("==", terms.Read(self.unit), terms.Const(word))
            made = terms.Either(here, _scaled(term, factor), made)
        return made


def _scaled(term: Term, factor: Fraction) -> Term:
    return term if factor == 1 else terms.Binary("*", term, terms.Const(factor))


def quantity_at(place: object, types: Mapping[str, checked.QuantityType]) -> Quantity | None:
    """The quantity that a place holds, if it holds one."""
    type_ = types.get(place.shape.name) if isinstance(place, Instance) else None
    if type_ is None or not isinstance(place, Instance):
        return None
    number, unit = (place.members[name] for name in (NUMBER, UNIT))
    if not isinstance(number, Scalar) or not isinstance(unit, Scalar):
        return None
    return Quantity(number.register, unit.register, type_.units)


def units_in(
    instances: Iterable[Instance], types: Mapping[str, checked.QuantityType]
) -> dict[int, int]:
    """The fields of the units of quantities, with those of their numbers."""
    found: dict[int, int] = {}
    for instance in instances:
        if instance.shape.name in types:
            number, unit = (instance.members.get(name) for name in (NUMBER, UNIT))
            if isinstance(number, Scalar) and isinstance(unit, Scalar):
                found[unit.field] = number.field
    return found
