"""Two rulesets side by side: do their traces look the same, and which rules do they share?"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.places import Instance, Listed, Nowhere, Place, Scalar, place_of
from rulec.dsl import checked
from rulec.dsl.structure import children

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Term
    from rulec.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Aligned:
    """The traces have one form: field for field, list for list, shape for shape.

    The fields in `changed` have types that differ in what values they hold; those in `loose`
    may differ in how they are written too. The pairs in `repeats` differ in their counts, those
    in `patterns` in what they match.
    """

    changed: tuple[int, ...] = ()
    loose: tuple[int, ...] = ()
    repeats: tuple[tuple[checked.Repeat, checked.Repeat], ...] = ()
    patterns: tuple[tuple[checked.Pattern, checked.Pattern], ...] = ()

    def turned(self) -> Aligned:
        """The same, seen from the other side."""
        repeats = tuple((other, one) for one, other in self.repeats)
        patterns = tuple((other, one) for one, other in self.patterns)
        return Aligned(self.changed, self.loose, repeats, patterns)


@dataclass(frozen=True, slots=True)
class Apart:
    """The traces differ in form, first where the one has `old` and the other has `new`."""

    old: Span
    new: Span

    def turned(self) -> Apart:
        """The same, seen from the other side."""
        return Apart(self.new, self.old)


class _Differs(Exception):
    def __init__(self, old: checked.Element, new: checked.Element) -> None:
        super().__init__()
        self.apart = Apart(old.span, new.span)


def align(old: Plan, new: Plan) -> Aligned | Apart:
    """Whether two plans lay out the same traces."""
    walk = _Walk(old, new)
    try:
        walk.elements(old.ruleset.trace, old.root, new.ruleset.trace, new.root)
    except _Differs as found:
        return found.apart
    changed, loose = tuple(sorted(walk.changed)), tuple(sorted(walk.loose))
    repeats = {pair[0].span: pair for pair in walk.repeats}
    patterns = {pair[0].span: pair for pair in walk.patterns}
    return Aligned(changed, loose, tuple(repeats.values()), tuple(patterns.values()))


@dataclass
class _Walk:
    """Goes through both plans in step.

    What is `watched` has to be the same: where it does not fit, a text is no equation at all.
    """

    old: Plan
    new: Plan
    changed: set[int] = field(default_factory=set)
    loose: set[int] = field(default_factory=set)
    watched: bool = False
    repeats: list[tuple[checked.Repeat, checked.Repeat]] = field(default_factory=list)
    patterns: list[tuple[checked.Pattern, checked.Pattern]] = field(default_factory=list)

    def elements(
        self, one: checked.Element, old: Instance, other: checked.Element, new: Instance
    ) -> None:
        match one, other:
            case checked.Slot(), checked.Slot():
                if not self._places(place_of(one, old), place_of(other, new)):
                    raise _Differs(one, other)
            case _:
                if not _alike(one, other):
                    raise _Differs(one, other)
                self._loosely(one, other)
                for part, beside in zip_longest(children(one), children(other)):
                    if part is None or beside is None:
                        raise _Differs(part or one, beside or other)
                    self.elements(part, old, beside, new)

    def _loosely(self, one: checked.Element, other: checked.Element) -> None:
        """Note what two elements of one form differ in."""
        match one, other:
            case checked.Repeat(), checked.Repeat():
                same = (one.low, one.high) == (other.low, other.high)
                if not same and not self.watched:
                    self.repeats.append((one, other))
            case checked.Pattern(), checked.Pattern():
                same = str(one.regex) == str(other.regex)
                if not same and not self.watched:
                    self.patterns.append((one, other))
            case _:
                return
        if self.watched and not same:
            raise _Differs(one, other)

    def _places(self, old: Place | None, new: Place | None) -> bool:
        """Whether two places can hold the same text; what differs inside is raised."""
        match old, new:
            case Instance(), Instance():
                self.elements(old.shape.body, old, new.shape.body, new)
                return True
            case Scalar(), Scalar():
                return self._fields(old.field, new.field)
            case Listed(), Listed():
                return self._places(old.item, new.item)
            case (Nowhere(), Nowhere()) | (None, None):
                return True
            case _:
                return False

    def _fields(self, old: int, new: int) -> bool:
        one, other = self.old.layout.types[old], self.new.layout.types[new]
        watches = self.old.layout.watching.get(old, [])
        beside = self.new.layout.watching.get(new, [])
        if old != new or not _kin(one, other) or len(watches) != len(beside):
            return False
        if self.watched and one != other:
            return False
        if one != other:
            self.changed.add(old)
            if not _plain(one, other):
                self.loose.add(old)
        self.watched = True
        for (_, here), (_, there) in zip(watches, beside, strict=True):
            self.elements(here.shape.body, here, there.shape.body, there)
        self.watched = False
        return True


def _alike(one: checked.Element, other: checked.Element) -> bool:
    """Whether two elements are the same, what is inside of them left aside."""
    match one, other:
        case checked.Literal(text), checked.Literal(beside):
            return text == beside
        case checked.Repeat() | checked.Sequence(), checked.Repeat() | checked.Sequence():
            return one.separator == other.separator and type(one) is type(other)
        case _:
            return type(one) is type(other)


def _kin(one: checked.ScalarType, other: checked.ScalarType) -> bool:
    """Whether fields of two types can be the same field."""
    if isinstance(one, _NUMBERS):
        return isinstance(other, _NUMBERS)
    kinds = (checked.DateType, checked.EnumType, checked.TextType, checked.ProseType)
    return one == other or (type(one) is type(other) and isinstance(one, kinds))


def _plain(one: checked.ScalarType, other: checked.ScalarType) -> bool:
    """Whether what two types differ in can be said of their values alone."""
    match one, other:
        case (
            checked.IntType(grouped=grouped) | checked.DecimalType(grouped=grouped),
            checked.IntType(grouped=beside) | checked.DecimalType(grouped=beside),
        ):
            return grouped == beside
        case _:
            return isinstance(one, checked.DateType | checked.EnumType | checked.TextType)


_NUMBERS = (checked.IntType, checked.DecimalType, checked.NumberType)


def groups(type_: checked.ScalarType) -> bool:
    """Whether a number of the type may be written with `,` between thousands."""
    match type_:
        case checked.IntType(grouped=grouped) | checked.DecimalType(grouped=grouped):
            return grouped
        case _:
            return isinstance(type_, checked.NumberType)


def included(one: checked.ScalarType, other: checked.ScalarType) -> bool:
    """Whether every prose of the one type is surely one of the other."""
    match one, other:
        case checked.ProseType(), checked.ProseType():
            longest = other.most is None or (one.most is not None and one.most <= other.most)
            free = other.without is None or str(one.without) == str(other.without)
            return one.least >= other.least and longest and free
        case _:
            return False


# --- rules ---


class Naming:
    """Says what rules mean without the names and the numbers of one plan.

    `given` are the parameters whose values are known.
    """

    def __init__(self, plan: Plan, given: Mapping[str, terms.Const]) -> None:
        self._plan = plan
        self._names: dict[int, Hashable] = {}
        for number, spec in enumerate(plan.fields):
            self._names[spec.register] = ("value", number)
            self._names[spec.digits] = ("digits", number)
        for name, parameter in plan.layout.parameters.items():
            known = given.get(name)
            named = ("parameter", name) if known is None else self.term(known)
            self._names[parameter.register] = named
        for name, keyed in plan.layout.tables.items():
            self._names[keyed.table.register] = ("table", name)
        for name, graph in plan.layout.graphs.items():
            self._names[graph] = ("graph", name)
        for term, parameter in plan.layout.computed.items():
            self._names[parameter.register] = ("computed", self.term(term))

    def rules(self) -> dict[tuple[int, Hashable], int]:
        """The rules that are enforced, by their place and what they say."""
        return {
            (place, self.term(self._plan.rules[rule].term)): rule
            for place, instance in enumerate(self._plan.layout.instances)
            for rule in instance.rules
            if self._plan.rules[rule].tier != "audit"
        }

    def _phases(self, until: tuple[int, ...]) -> frozenset[int]:
        """The lists with some registers for their phases."""
        return frozenset(n for n, list_ in enumerate(self._plan.lists) if list_.phase in until)

    def term(self, term: Term) -> Hashable:
        """A term without the numbers of its plan."""
        inner = tuple(map(self.term, terms.parts(term)))
        match term:
            case terms.Const(value):
                return ("const", type(value).__name__, value)
            case terms.Read(register):
                return self._names.get(register, "absent")
            case terms.Present(register):
                return ("present", self._names.get(register, "absent"))
            case terms.Folded(fold):
                spec = self._plan.folds[fold]
                body = self.term(spec.body)
                return ("fold", spec.function, spec.list, spec.outer, spec.late, body)
            case terms.Near(_, _, digits):
                return ("near", self._names.get(digits, "absent"), inner)
            case terms.Binary(op):
                return ("binary", op, inner)
            case terms.Relate(relation):
                return ("relate", relation, inner)
            case terms.Rounded(mode, _, digits):
                return ("rounded", mode, digits, inner)
            case terms.Extreme(largest):
                return ("extreme", largest, inner)
            case _ if isinstance(term, terms.Opaque):
                return self._opaque(term, inner)
            case _:
                return (type(term).__name__, inner)

    def _opaque(self, term: terms.Opaque, inner: tuple[Hashable, ...]) -> Hashable:
        """The same of terms over lists, tables, graphs and functions."""
        match term:
            case terms.Each(function, number):
                return ("each", function, number, inner)
            case terms.Bound(name) | terms.Called(name):
                return (type(term).__name__, name, inner)
            case terms.Lookup(table, _, column):
                return ("lookup", self._names[table], column, inner)
            case terms.Listed(table):
                return ("listed", self._names[table], inner)
            case terms.Entries(table, until):
                return ("entries", self._names[table], self._phases(until))
            case terms.Linked(function, graph, _, until):
                return ("linked", function, self._names[graph], self._phases(until), inner)
            case _:
                return (type(term).__name__, inner)
