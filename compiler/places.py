"""Where the fields of a ruleset live: one register block for every place of a shape.

Shapes are laid out inline, so that every register is known before the machine is built.
Registers are numbered in the order in which their fields are written.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import assert_never

from rulec.compiler import machine, regions
from rulec.compiler.grammars import grammar_of, misfit
from rulec.compiler.kinds import (
    digits_of,
    domain_of,
    kind_of,
    pattern_of,
    units_of,
    unsupported,
    words_of,
)
from rulec.compiler.rooting import rooted_graphs
from rulec.compiler.spelling import formula_text
from rulec.compiler.terms import Exact, Gap, Term
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.ops import Link
    from rulec.compiler.tables import Keyed
    from rulec.dsl.diagnostics import Diagnostic


ESCAPED = (*range(0x20), 0x22, 0x5C)
"""Bytes that a JSON string has to escape."""

MOST_REGISTERS = 20_000
MOST_PLACES = 4_000
DEEPEST = 70
"""Places of shapes, all of them and one in another."""


class TooLarge(Exception):
    """The ruleset needs more than the machine has."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A field with a value of its own; of a reference, the fields of its row's columns too.

    `loose` is where it tells whether nothing refers to its name yet.
    """

    field: int
    register: int
    columns: tuple[tuple[str, Scalar], ...] = ()
    loose: Scalar | None = None


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

    @property
    def places(self) -> tuple[Place, ...]:
        """Where its fields live, the unnamed ones last."""
        return (*self.members.values(), *self.unnamed.values())


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


@dataclass(frozen=True, slots=True)
class Scope:
    """A table, by its number, whose names live in a shape; `saved` keeps its `registers`."""

    number: int
    table: machine.Table
    registers: tuple[int, ...]
    saved: tuple[int, ...]

    @property
    def kept(self) -> dict[int, int]:
        """Where each register is kept."""
        return dict(zip(self.registers, self.saved, strict=True))


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
    computed: dict[Term, machine.Parameter] = field(default_factory=dict)
    """What is computed of a request alone, by the terms that say how."""
    tables: dict[str, Keyed] = field(default_factory=dict)
    graphs: dict[str, int] = field(default_factory=dict)
    loose: dict[int, int] = field(default_factory=dict)
    """The fields that tell whether the names of references are loose, by those references."""
    grammars: list[machine.Grammar] = field(default_factory=list)
    links: dict[int, list[Link]] = field(default_factory=dict)
    """What enters graphs when an instance closes, by the instance's first register."""
    instances: list[Instance] = field(default_factory=list)
    gathered: dict[int, int] = field(default_factory=dict)
    """The registers that hold the names of lists of new names, by their fields."""
    saved: dict[int, list[Scope]] = field(default_factory=dict)
    """The tables whose names live in an instance, by its first register."""
    closings: dict[int, int] = field(default_factory=dict)
    """What tells that an instance is closed, by its first register."""
    counters: dict[tuple[int, int], int] = field(default_factory=dict)
    """The registers that count the items of repeats for guards, by instance and element."""
    problems: list[Diagnostic] = field(default_factory=list)

    def register(self, initial: Initial) -> int:
        """A new register."""
        if len(self.initial) >= MOST_REGISTERS:
            raise TooLarge
        self.initial.append(initial)
        return len(self.initial) - 1

    def definitions(self) -> Iterator[tuple[str, str]]:
        """The shapes that define names, and of which table."""
        for shape in self.ruleset.shapes.values():
            for info in shape.fields.values():
                if isinstance(info.type, checked.DefType):
                    yield shape.name, info.type.names

    @property
    def given(self) -> tuple[machine.Parameter, ...]:
        """All that is known with the request: what it gives, and what is computed of that."""
        return (*self.parameters.values(), *self.computed.values())

    def scopes(self, instance: Instance) -> list[Scope]:
        """The tables whose names live in an instance, with what is kept of those around."""
        if instance.first not in self.saved:
            self.saved[instance.first] = [
                Scope(
                    number, keyed.table, registers, tuple(self.register(()) for _ in registers)
                )
                for number, (name, keyed) in enumerate(self.tables.items())
                if self._lives_in(name, instance)
                for registers in (self._of_table(name, keyed.table),)
            ]
        return self.saved[instance.first]

    def _lives_in(self, names: str, instance: Instance) -> bool:
        declared = self.ruleset.names.get(names)
        return (
            declared is not None
            and bool(declared.scope)
            and (declared.scope == instance.shape.name)
        )

    def _of_table(self, name: str, table: machine.Table) -> tuple[int, ...]:
        """The registers of a table, and of the graphs over its names."""
        own = [table.register, table.count, table.spoken, table.begun, table.owed]
        own += table.kinds
        for graph, spec in self.ruleset.graphs.items():
            node = self.ruleset.shapes[spec.shape].fields[spec.node].type
            if isinstance(node, checked.DefType) and node.names == name:
                own.append(self.graphs[graph])
        return tuple(register for register in own if register >= 0)

    def closing(self, instance: Instance) -> int:
        """The register that tells that a shape which stands alone is closed."""
        if instance.first not in self.closings:
            self.closings[instance.first] = self.register(0)
        return self.closings[instance.first]

    def counter(self, instance: int, element: int) -> int:
        """The register that counts the items of a repeat, by the ids of where it stands."""
        if (instance, element) not in self.counters:
            self.counters[instance, element] = self.register(0)
        return self.counters[instance, element]

    def table_of(self, field: machine.Field) -> Keyed:
        """The table of a field that is a name."""
        return list(self.tables.values())[field.table]

    def table_of_names(self, field: machine.Field) -> machine.Table:
        """The table over whose names a field is written."""
        return list(self.tables.values())[self.grammars[field.grammar].table].table

    def parameter(self, param: checked.Param) -> None:
        """A register for a `param`."""
        kind, domain, words = kind_of(param.type), domain_of(param.type), words_of(param.type)
        register = self.register(Gap.UNKNOWN)
        self.parameters[param.name] = machine.Parameter(
            param.name,
            register,
            kind,
            param.default,
            domain,
            words,
            pattern_of(param.type),
            units=units_of(param.type),
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
        if isinstance(type_, checked.FormulaType) and self.ruleset.names[type_.names].open:
            type_ = formula_text()
        kind = kind_of(type_)
        register = self.register(Gap.UNKNOWN)
        digits = self.register(Gap.UNKNOWN)
        least, most, shift = digits_of(type_)
        made = machine.Field(
            name=slot.name or "",
            shape=shape,
            kind=kind,
            register=register,
            digits=digits,
            least=least,
            most=most,
            shift=shift,
            domain=domain_of(type_),
            words=words_of(type_),
            quoted=slot.quoted,
        )
        number = len(self.fields)
        self.fields.append(made)
        self.types.append(type_)
        if isinstance(type_, checked.ExprType | checked.FormulaType) and type_.names:
            self._over_names(slot, type_, type_.names, number)
        if isinstance(type_, checked.RefType | checked.DefType):
            return self._named(slot, type_, number)
        if isinstance(type_, checked.ProseType):
            self.watching[number] = [
                (watch, self.instance(watch.shape, watch.shape.name, {}, None))
                for watch in self.ruleset.watches
                if watch.within is None or watch.within == (shape, slot.name)
            ]
        return Scalar(number, register)

    def _over_names(
        self,
        slot: checked.Slot,
        type_: checked.ExprType | checked.FormulaType,
        names: str,
        number: int,
    ) -> None:
        """What is written over names, and the grammar that it keeps to."""
        table = list(self.tables).index(names)
        problem = misfit(self.ruleset, type_, slot, self.tables[names].dfa)
        if problem:
            self.problems.append(unsupported(problem, slot.span))
            return
        grammar = grammar_of(self.ruleset, type_, table)
        if grammar not in self.grammars:
            self.grammars.append(grammar)
        place = self.grammars.index(grammar)
        types = grammar.types if isinstance(type_, checked.ExprType) else ()
        self.fields[number] = replace(self.fields[number], grammar=place, words=types)

    def _named(
        self, slot: checked.Slot, type_: checked.RefType | checked.DefType, number: int
    ) -> Scalar | None:
        """A name, and the columns of the row that a reference stands for."""
        refers = isinstance(type_, checked.RefType)
        name = type_.table if isinstance(type_, checked.RefType) else type_.names
        keyed = self.tables.get(name)
        if keyed is None:
            return None
        escapes = (row[byte] >= 0 for row in keyed.dfa.transitions for byte in ESCAPED)
        if slot.quoted and any(escapes):
            self.problems.append(unsupported("a name in JSON that needs escapes", slot.span))
        if 0 in keyed.dfa.accepting and not refers:
            self.problems.append(unsupported("a new name that may be empty", slot.span))
        made = self.fields[number]
        columns: list[tuple[str, Scalar]] = []
        for column in keyed.table.columns if refers else ():
            digits = 0
            if column.kind == "number" and not column.units:
                digits = len(str(regions.denominator(column.domain))) - 1
            hidden = machine.Field(
                name=f"{made.name}.{column.name}",
                shape=made.shape,
                kind=column.kind,
                register=self.register(Gap.UNKNOWN),
                digits=self.register(Gap.UNKNOWN),
                least=digits,
                most=digits,
                domain=column.domain,
                words=column.words,
            )
            columns.append((column.name, Scalar(len(self.fields), hidden.register)))
            self.fields.append(hidden)
            self.types.append(checked.ProseType())
        place = list(self.tables).index(name)
        self.fields[number] = replace(
            made,
            table=place,
            columns=tuple(scalar.field for _, scalar in columns),
            longest=keyed.table.longest,
            forward=isinstance(type_, checked.RefType) and type_.forward,
        )
        backward = isinstance(type_, checked.RefType) and not type_.forward
        rooted = backward and name in rooted_graphs(self.ruleset)
        loose = self._loose(made) if rooted else None
        if loose is not None:
            self.loose[number] = loose.field
        return Scalar(number, made.register, tuple(columns), loose)

    def _loose(self, spec: machine.Field) -> Scalar:
        """A field that no text shows: 1 where nothing refers to a reference's name yet."""
        hidden = machine.Field(
            name=f"{spec.name}.loose",
            shape=spec.shape,
            kind="number",
            register=self.register(Gap.UNKNOWN),
            digits=self.register(Gap.UNKNOWN),
            domain=regions.grid(Fraction(1), Fraction(0), Fraction(1)),
        )
        self.fields.append(hidden)
        self.types.append(checked.ProseType())
        return Scalar(len(self.fields) - 1, hidden.register)


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
