"""Where the fields of a ruleset live: one register block for every place of a shape.

Shapes are laid out inline, so that every register is known before the machine is built.
Registers are numbered in the order in which their fields are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import assert_never

from rulec.compiler import machine, regions
from rulec.compiler.terms import Exact, Gap
from rulec.dsl import checked
from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.regions import Region
    from rulec.dsl.source import Span

DIGITS = 10**15 - 1
"""The largest number that fifteen digits can show."""

MOST_REGISTERS = 20_000
MOST_PLACES = 4_000
DEEPEST = 70
"""Places of shapes, all of them and one in another."""


class TooLarge(Exception):
    """The ruleset needs more than the machine has."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A field with a value of its own."""

    field: int
    register: int


@dataclass(slots=True)
class Instance:
    """One place of a shape."""

    shape: checked.Shape
    path: str
    depth: dict[str, int]
    first: int
    list: int | None = None
    members: dict[str, Place] = field(default_factory=dict)
    unnamed: dict[int, Place] = field(default_factory=dict)
    end: int = 0
    done: tuple[int, ...] = ()
    rules: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Nowhere:
    """A shape beyond its depth: never written. `register` is one that is always absent."""

    register: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A list: its number, and the place of an item."""

    list: int
    item: Scalar | Instance | Nowhere


Place: TypeAlias = Scalar | Instance | Listed | Nowhere


def place_of(slot: checked.Slot, into: Instance) -> Place | None:
    """Where a slot's field lives."""
    if slot.name is None:
        return into.unnamed.get(slot.span.start)
    return into.members.get(slot.name)


Initial: TypeAlias = Exact | Gap | int | tuple[Exact, ...]


@dataclass(slots=True)
class Layout:
    """Every register, field and list of a ruleset."""

    ruleset: checked.Ruleset
    initial: list[Initial] = field(default_factory=list)
    fields: list[machine.Field] = field(default_factory=list)
    types: list[checked.ScalarType] = field(default_factory=list)
    maybe: list[range] = field(default_factory=list)
    watching: dict[int, list[tuple[checked.Watch, Instance]]] = field(default_factory=dict)
    lists: list[machine.List] = field(default_factory=list)
    parameters: dict[str, machine.Parameter] = field(default_factory=dict)
    instances: list[Instance] = field(default_factory=list)
    problems: list[Diagnostic] = field(default_factory=list)

    def register(self, initial: Initial) -> int:
        """A new register."""
        if len(self.initial) >= MOST_REGISTERS:
            raise TooLarge
        self.initial.append(initial)
        return len(self.initial) - 1

    def parameter(self, param: checked.Param) -> None:
        """A register for a `param`."""
        kind, domain, words = _kind(param.type), _domain(param.type), _words(param.type)
        if kind is None:
            self.problems.append(unsupported(f"`{param.name}` of this type", param.span))
            return
        register = self.register(Gap.UNKNOWN)
        self.parameters[param.name] = machine.Parameter(
            param.name, register, kind, param.default, domain, words, _pattern(param.type)
        )

    def instance(
        self, shape: checked.Shape, path: str, depth: dict[str, int], within: int | None
    ) -> Instance:
        """The registers of one place of a shape, in the order of its text."""
        nested = {**depth, shape.name: depth.get(shape.name, 0) + 1}
        if len(self.instances) >= MOST_PLACES or sum(nested.values()) > DEEPEST:
            raise TooLarge
        made = Instance(shape, path, nested, len(self.initial), within)
        self.instances.append(made)
        made.done = tuple(self.register(False) for _ in shape.rules)
        self._lay(shape.body, made, repeated=False)
        made.end = len(self.initial)
        return made

    def fits(self, shape: str, depth: dict[str, int]) -> bool:
        """Whether one more place of the shape is within its depth."""
        return depth.get(shape, 0) <= self.ruleset.shapes[shape].depth

    def _lay(self, element: checked.Element, into: Instance, *, repeated: bool) -> None:
        match element:
            case checked.Sequence(parts):
                for part in parts:
                    self._lay(part, into, repeated=repeated)
            case checked.Choice(options):
                self._lay_maybe(options, into, repeated=repeated)
            case checked.Optional(body):
                self._lay_maybe((body,), into, repeated=repeated)
            case checked.Repeat(body):
                self._lay(body, into, repeated=True)
            case checked.Slot():
                self._slot(element, into, repeated=repeated)
            case checked.Literal() | checked.Pattern() | checked.Cut():
                pass
            case _:
                assert_never(element)

    def _lay_maybe(
        self, elements: Iterable[checked.Element], into: Instance, *, repeated: bool
    ) -> None:
        """Parts that may never be written: their registers are noted."""
        first = len(self.initial)
        for element in elements:
            self._lay(element, into, repeated=repeated)
        self.maybe.append(range(first, len(self.initial)))

    def may_lack(self, register: int, rule: int) -> bool:
        """Whether a field may be absent where a rule, by its register, is not."""
        return any(register in part and rule not in part for part in self.maybe)

    def _slot(self, slot: checked.Slot, into: Instance, *, repeated: bool) -> None:
        if slot.name is not None and slot.name in into.members:
            return
        listed = repeated
        if slot.name is not None:
            listed = into.shape.fields[slot.name].cardinality == "list"
        place = self._listed(slot, into) if listed else self._single(slot, into, None)
        if place is None:
            return
        if slot.name is None:
            into.unnamed[slot.span.start] = place
        else:
            into.members[slot.name] = place

    def _listed(self, slot: checked.Slot, into: Instance) -> Listed | None:
        number = len(self.lists)
        name = f"{into.path}.{slot.name}" if slot.name else f"{into.path}.*"
        count, phase = self.register(0), self.register(0)
        low, high = bounds_of(into.shape.body, slot)
        self.lists.append(machine.List(name, count, phase, low, high, ()))
        first = len(self.initial)
        item = self._single(slot, into, number)
        if item is None:
            return None
        inner = tuple(range(first, len(self.initial)))
        self.lists[number] = machine.List(name, count, phase, low, high, inner)
        return Listed(number, item)

    def _single(
        self, slot: checked.Slot, into: Instance, within: int | None
    ) -> Scalar | Instance | Nowhere | None:
        path = f"{into.path}.{slot.name}" if slot.name else into.path
        if isinstance(slot.type, checked.ShapeType):
            shape = self.ruleset.shapes[slot.type.shape]
            if not self.fits(shape.name, into.depth):
                return Nowhere(self.register(Gap.ABSENT))
            return self.instance(shape, path if slot.name else shape.name, into.depth, within)
        return self._scalar(slot, slot.type, into.shape.name)

    def _scalar(
        self, slot: checked.Slot, type_: checked.ScalarType, shape: str
    ) -> Scalar | None:
        kind = _kind(type_)
        if kind is None:
            self.problems.append(unsupported(f"the type `{slot.span.text}`", slot.span))
            return None
        register = self.register(Gap.UNKNOWN)
        digits = self.register(Gap.UNKNOWN)
        least, most, shift = _digits(type_)
        self.fields.append(
            machine.Field(
                name=slot.name or "",
                shape=shape,
                kind=kind,
                register=register,
                digits=digits,
                least=least,
                most=most,
                shift=shift,
                domain=_domain(type_),
                words=_words(type_),
                quoted=slot.quoted,
            )
        )
        self.types.append(type_)
        number = len(self.fields) - 1
        if isinstance(type_, checked.ProseType):
            self.watching[number] = [
                (watch, self.instance(watch.shape, watch.shape.name, {}, None))
                for watch in self.ruleset.watches
                if watch.within is None or watch.within == (shape, slot.name)
            ]
        return Scalar(number, register)


def unsupported(what: str, span: Span) -> Diagnostic:
    """The error for what the language has and the machine doesn't enforce."""
    return Diagnostic(
        "R0901",
        f"{what} can't be enforced by this version",
        Label(span, "not supported"),
        hint="leave it out, or check it outside of the rules",
    )


def bounds_of(body: checked.Element, slot: checked.Slot) -> tuple[int, int | None]:
    """How many items a list can have, where its slot is repeated directly; else any number."""
    match body:
        case checked.Repeat(inner, low, high) if _once(inner, slot):
            return low, high
        case checked.Repeat(inner, _, high) if _at_most_once(inner, slot):
            return 0, high
        case checked.Sequence(parts):
            found = [bounds_of(part, slot) for part in parts if _holds(part, slot)]
            return found[0] if len(found) == 1 else (0, None)
        case checked.Optional(inner):
            return 0, bounds_of(inner, slot)[1]
        case checked.Choice(options):
            ends = [bounds_of(option, slot)[1] for option in options if _holds(option, slot)]
            most = [end for end in ends if end is not None]
            return 0, max(most) if most and len(most) == len(ends) else None
        case _:
            return 0, None


def _once(element: checked.Element, slot: checked.Slot) -> bool:
    """Whether a slot is written once, whatever is chosen."""
    if not isinstance(element, checked.Sequence):
        return element is slot
    holding = [part for part in element.parts if _holds(part, slot)]
    return len(holding) == 1 and _once(holding[0], slot)


def _at_most_once(element: checked.Element, slot: checked.Slot) -> bool:
    """Whether a slot is written once or not at all."""
    match element:
        case checked.Sequence(parts):
            holding = [part for part in parts if _holds(part, slot)]
            return len(holding) == 1 and _at_most_once(holding[0], slot)
        case checked.Choice(options):
            return all(_at_most_once(o, slot) for o in options if _holds(o, slot))
        case checked.Optional(body):
            return _at_most_once(body, slot)
        case _:
            return element is slot


def _holds(element: checked.Element, slot: checked.Slot) -> bool:
    """Whether a slot of this name stands somewhere in the element."""
    match element:
        case checked.Slot(name):
            return element is slot or (name is not None and name == slot.name)
        case checked.Sequence(inner) | checked.Choice(inner):
            return any(_holds(part, slot) for part in inner)
        case checked.Optional(body) | checked.Repeat(body):
            return _holds(body, slot)
        case _:
            return False


def _kind(type_: checked.ScalarType) -> machine.Kind | None:
    match type_:
        case (
            checked.IntType()
            | checked.DecimalType()
            | checked.NumberType()
            | checked.PercentType()
        ):
            return "number"
        case checked.DateType():
            return "date"
        case checked.FractionType():
            return "fraction"
        case checked.BoolType() | checked.EnumType():
            return "word"
        case checked.TextType():
            return "text"
        case checked.ProseType():
            return "prose"
        case checked.ExprType(None):
            return "expr"
        case _:
            return None


def _digits(type_: checked.ScalarType) -> tuple[int, int, int]:
    match type_:
        case checked.DecimalType(least, most):
            return least, most, 0
        case checked.NumberType():
            return 0, 6, 0
        case checked.PercentType():
            return 0, 6, 2
        case _:
            return 0, 0, 0


def _domain(type_: checked.ScalarType) -> Region:
    limit = Fraction(DIGITS)
    match type_:
        case checked.IntType(low, high):
            return _ranged(Fraction(1), low, high)
        case checked.DecimalType(least, most, low, high):
            widest = limit / 10**least
            step = Fraction(1, 10**most)
            return regions.intersect(
                regions.grid(step, low, high), regions.grid(step, -widest, widest)
            )
        case checked.NumberType():
            return regions.grid(Fraction(1, 10**6), -limit, limit)
        case checked.PercentType():
            return regions.grid(Fraction(1, 10**8), -limit / 100, limit / 100)
        case checked.DateType(low, high):
            return _ranged(Fraction(1), low or 1, high or LAST_DAY)
        case _:
            return regions.EVERYTHING


LAST_DAY = 3_652_059
"""The day number of 9999-12-31."""


def _ranged(step: Fraction, low: Fraction | int | None, high: Fraction | int | None) -> Region:
    return regions.grid(
        step,
        Fraction(-DIGITS if low is None else low),
        Fraction(DIGITS if high is None else high),
    )


def _pattern(type_: checked.ScalarType) -> str | None:
    return str(type_.regex) if isinstance(type_, checked.TextType) else None


def _words(type_: checked.ScalarType) -> tuple[str, ...]:
    match type_:
        case checked.BoolType():
            return ("true", "false")
        case checked.EnumType(words):
            return words
        case _:
            return ()
