"""One tree of a trace laid out: its text with gaps, and what its rules say of what fills them.

Every field that is written is a variable of its own. Rules, lists and what is absent are worked
out as the machine does it, in the order of the text.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import assert_never

from rulec.compiler import terms
from rulec.compiler.outcomes import undefined
from rulec.compiler.places import Instance, Listed, Place, Scalar, place_of
from rulec.compiler.supply import Row, Supply, names_for, supplies
from rulec.compiler.symbolic import ABSENT, FALSE, ZERO, Held, Registers, Valuer, folded
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.machine import Field, Table
    from rulec.compiler.plan import Plan
    from rulec.compiler.supply import Keys
    from rulec.compiler.terms import Fold
    from rulec.compiler.trees import Tree
    from rulec.dsl.regex import Regex

MOST_FIELDS = 400
"""Fields that a trace may have to be looked at."""

UNDEFINED = terms.Binary("/", terms.Const(Fraction(1)), ZERO)
"""What an expression without a value is."""


class TooLong(Exception):
    """The trace has more fields than are looked at."""


@dataclass(frozen=True, slots=True)
class Plain:
    """Text as it stands."""

    text: str


@dataclass(frozen=True, slots=True)
class Match:
    """Any match of an unnamed pattern."""

    regex: Regex


@dataclass(frozen=True, slots=True)
class Gap:
    """A field: `value` and `digits` are its variables, `broken` that it has no value.

    An `inner` expression begins a watch and holds an operator. A reference is one of `names`.
    """

    field: int
    value: int
    digits: int
    broken: bool = False
    inner: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prose:
    """Prose without an equation."""

    field: int


Piece: TypeAlias = Plain | Match | Gap | Prose


@dataclass(frozen=True, slots=True)
class Claim:
    """A rule, by its index, on one place."""

    rule: int
    held: Held


@dataclass
class Unrolled:
    """A tree laid out: `equations` are the watches in its prose.

    `doubtful` tells that where a term lacks a value may not be told exactly.
    """

    pieces: list[Piece] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    parameters: dict[str, int] = field(default_factory=dict)
    rows: dict[str, dict[str, tuple[int, ...]]] = field(default_factory=dict)
    """The variables of the columns of every row that comes with the request."""
    equations: int = 0
    doubtful: bool = False

    @property
    def gaps(self) -> list[Gap]:
        """The fields, in the order of the text."""
        return [piece for piece in self.pieces if isinstance(piece, Gap)]


def unroll(
    plan: Plan,
    tree: Tree,
    place: Instance | None = None,
    names: Sequence[str] | None = None,
    given: Mapping[str, terms.Const] | None = None,
    keys: Keys | None = None,
) -> Unrolled:
    """Lay out a tree of the whole trace, or of one place in it.

    The first variables are the parameters in the order of `names`, which may hold others than
    the plan's; those in `given` are constants. Then come the columns of the rows of a request,
    which have those `keys`. Raises `TooLong`.
    """
    order = sorted(plan.layout.parameters) if names is None else names
    made = _Unroller(plan, len(order))
    for number, name in enumerate(order):
        if name in plan.layout.parameters:
            made.parameter(name, number, (given or {}).get(name))
    made.request(next(supplies((plan,))) if keys is None else keys)
    made.open(place or plan.root, tree)
    return made.found


class _Unroller:
    """Walks a tree with the registers as they stand."""

    def __init__(self, plan: Plan, first: int) -> None:
        self.found = Unrolled()
        self._plan = plan
        self._lists = plan.layout.lists
        self._regs: dict[int, Held] = {}
        self._items: dict[int, list[Held]] = {}
        self._late: dict[int, list[Registers]] = {}
        self._folded: dict[int, Held] = {}
        computed = plan.layout.computed.items()
        self._supply = Supply({made.register: term for term, made in computed})
        self._valuer = Valuer(self._fetch, self._supply)
        self._next = first
        self._fields = 0
        self._fresh: dict[int, Iterator[str]] = {}
        self._uncut: bool = False

    def parameter(self, name: str, number: int, given: terms.Const | None) -> None:
        held = given or terms.Read(number)
        if given is None:
            self.found.parameters[name] = number
        self._regs[self._plan.layout.parameters[name].register] = Held(held)

    def request(self, keys: Keys) -> None:
        """The rows that come with the request, and what is computed of them."""
        for name in sorted(keys):
            keyed = self._plan.layout.tables.get(name)
            if keyed is not None:
                self._rows(keyed.table, keys[name])
        for term, made in self._plan.layout.computed.items():
            if made.kind != "list":
                self._regs[made.register] = self._valuer.held(term, self._regs)

    def _rows(self, table: Table, keys: Sequence[str]) -> None:
        numbered: dict[str, tuple[int, ...]] = {}
        for key in keys:
            numbers = tuple(range(self._next, self._next + len(table.columns)))
            self._next += len(numbers)
            numbered[key] = numbers
            cells = tuple(Held(terms.Read(number)) for number in numbers)
            self._supply.enter(table.register, Row(key, cells))
        self.found.rows[table.name] = numbered
        self._regs[table.count] = Held(terms.Const(Fraction(len(keys))))
        for place, column in enumerate(table.columns):
            if column.low >= 0:
                items = [
                    row.columns[place] for row in self._supply.rows.get(table.register, ())
                ]
                self._regs[column.low] = folded("min", items)
                self._regs[column.high] = folded("max", items)

    # --- folds ---

    def _fetch(self, number: int, regs: Registers) -> Held:
        fold = self._plan.folds[number]
        if fold.late:
            snapshots = self._late.get(number, [])
            items = [self._valuer.held(fold.body, {**regs, **held}) for held in snapshots]
            return self._fold(fold.function, items)
        if number not in self._folded:
            self._folded[number] = self._fold(fold.function, self._items.get(number, []))
        return self._folded[number]

    def _fold(self, function: Fold, items: list[Held]) -> Held:
        if function not in ("sum", "count", "min", "max"):
            # What comes first, a division by zero or what settles the list, is not followed.
            self._doubt(any(undefined(item.term) != FALSE for item in items))
        return folded(function, items)

    def _gather(self, number: int) -> None:
        """Take the item that has just been written into the folds of its list."""
        own = set(self._lists[number].registers)
        values: dict[int, Held] = {}
        for index, fold in enumerate(self._plan.folds):
            if fold.list != number:
                continue
            if fold.late:
                snapshot = {r: held for r, held in self._regs.items() if r in own}
                self._late.setdefault(index, []).append(snapshot)
            else:
                values[index] = self._valuer.held(fold.body, self._regs)
        for index, held in values.items():
            self._items.setdefault(index, []).append(held)
            self._folded.pop(index, None)

    def _doubt(self, doubtful: bool) -> None:
        self.found.doubtful = self.found.doubtful or doubtful

    # --- shapes ---

    def open(self, place: Instance, tree: Tree) -> None:
        """One place of a shape, and its rules behind it."""
        own = range(place.first, place.end)
        self._forget(own)
        for number, fold in enumerate(self._plan.folds):
            if self._lists[fold.outer].count in own:
                self._items.pop(number, None)
                self._folded.pop(number, None)
                self._late.pop(number, None)
        self._walk(place.shape.body, tree, place)
        for rule in self._plan.rules_of(place):
            held = self._valuer.held(self._plan.rules[rule].term, self._regs)
            self._doubt(undefined(held.absent) != FALSE)
            self.found.claims.append(Claim(rule, held))
        for number in self._plan.definitions(place):
            self._define(number, place)

    def _define(self, number: int, place: Instance) -> None:
        """A name enters its table, with its attributes."""
        spec, type_ = self._plan.fields[number], self._plan.layout.types[number]
        table = self._plan.layout.table_of(spec).table
        held = self._regs.get(spec.register)
        given = dict(type_.attributes) if isinstance(type_, checked.DefType) else {}
        own = (place.members[given[column.name]] for column in table.columns)
        registers = [scalar.register for scalar in own if isinstance(scalar, Scalar)]
        if held is not None and isinstance(held.term, terms.Const):
            cells = tuple(self._regs.get(register, ABSENT) for register in registers)
            self._supply.enter(table.register, Row(str(held.term.value), cells))

    def _forget(self, registers: range | tuple[int, ...]) -> None:
        for register in registers:
            self._regs.pop(register, None)

    def _walk(self, element: checked.Element, tree: Tree, into: Instance) -> None:
        match element:
            case checked.Sequence():
                self._parts(element, tree, into)
            case checked.Choice(options):
                self._walk(options[tree.choice], tree.parts[0], into)
            case checked.Optional(body):
                if tree.choice:
                    self._walk(body, tree.parts[0], into)
            case checked.Repeat(body):
                for number, inner in enumerate(tree.parts):
                    if number:
                        self._separate(element)
                    self._walk(body, inner, into)
            case checked.Slot():
                self._slot(place_of(element, into), tree)
            case _:
                self._text(element)

    def _parts(self, element: checked.Sequence, tree: Tree, into: Instance) -> None:
        written = False
        for part, inner in zip(element.parts, tree.parts, strict=True):
            here = not isinstance(part, checked.Optional) or bool(inner.choice)
            if written and here:
                self._separate(element)
            self._walk(part, inner, into)
            written = written or here

    def _separate(self, element: checked.Sequence | checked.Repeat) -> None:
        if element.separator:
            self.found.pieces.append(Plain(element.separator))
        if element.spacing is not None:
            self.found.pieces.append(Match(element.spacing.regex))

    def _text(self, element: checked.Literal | checked.Pattern | checked.Cut) -> None:
        match element:
            case checked.Literal(text):
                self.found.pieces.append(Plain(text))
            case checked.Pattern(regex):
                self.found.pieces.append(Match(regex))
            case checked.Cut():
                self._uncut = False
            case _:
                assert_never(element)

    def _slot(self, place: Place | None, tree: Tree) -> None:
        match place:
            case Instance():
                self.open(place, tree.parts[0])
            case Scalar():
                self._field(place, tree)
            case Listed(number, item):
                self._forget(self._lists[number].registers)
                self._slot(item, tree)
                self._gather(number)
            case _:
                raise TypeError("a tree never comes to a place beyond its depth")

    def _field(self, place: Scalar, tree: Tree) -> None:
        spec = self._plan.fields[place.field]
        if spec.kind == "prose":
            self._prose(place.field, tree)
            return
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise TooLong
        if spec.kind == "def":
            self._name(spec)
            return
        value, digits = self._next, self._next + 1
        self._next += 2
        if spec.kind == "ref":
            self._refer(place, spec, value, digits)
            return
        broken = spec.kind == "expr" and tree.choice == 1
        self._regs[spec.register] = Held(UNDEFINED if broken else terms.Read(value))
        self._regs[spec.digits] = Held(terms.Read(digits))
        inner = spec.kind == "expr" and self._uncut
        self.found.pieces.append(Gap(place.field, value, digits, broken, inner))

    def _name(self, spec: Field) -> None:
        """The next name of a table: which it is makes no difference, but for those in rules."""
        keyed = self._plan.layout.table_of(spec)
        fresh = self._fresh.setdefault(spec.table, names_for(keyed, self._plan))
        name = next(fresh, None)
        if name is None:
            raise TooLong
        self._regs[spec.register] = Held(terms.Const(name))
        self.found.pieces.append(Plain(spec.spelled(name)))

    def _refer(self, place: Scalar, spec: Field, value: int, digits: int) -> None:
        """One of the names that there are, and the columns of its row."""
        table = self._plan.layout.table_of(spec).table
        names = tuple(self._supply.keys(table.register))
        self._regs[spec.register] = Held(terms.Read(value))
        for number, (_, column) in enumerate(place.columns):
            cell = self._supply.find(table.register, terms.Read(value), number)
            self._regs[column.register] = cell
        self.found.pieces.append(Gap(place.field, value, digits, names=names))

    def _prose(self, number: int, tree: Tree) -> None:
        if not tree.choice:
            self.found.pieces.append(Prose(number))
            return
        _, watch = self._plan.layout.watching[number][tree.choice - 1]
        self._uncut = True
        self.found.equations += 1
        self.open(watch, tree.parts[0])
        self._uncut = False
