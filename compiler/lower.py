"""Rules to terms over registers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from rulec.compiler import machine, terms
from rulec.compiler.given import Given
from rulec.compiler.grammars import type_column
from rulec.compiler.kinds import unsupported
from rulec.compiler.opaque import calls
from rulec.compiler.places import Instance, Layout, Listed, Nowhere, Place, Scalar
from rulec.compiler.quantities import quantity_at
from rulec.compiler.rooting import Loosening, rooted_graphs
from rulec.compiler.terms import START, Fold, Term
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from rulec.compiler.quantities import What
    from rulec.compiler.tables import Keyed
    from rulec.dsl.diagnostics import Diagnostic
    from rulec.dsl.source import Span

FOLDS: dict[str, Fold] = {
    "sum": "sum",
    "count": "count",
    "min": "min",
    "max": "max",
    "first": "first",
    "last": "last",
    "distinct": "distinct",
    "all": "all",
    "any": "any",
}
_BEFORE = ("prev", "earlier")
_MODES = {"round": "half", "round_even": "even", "floor": "floor", "ceil": "ceil"}


class NotEnforced(Exception):
    """A construct of the language that the machine can't enforce."""

    def __init__(self, diagnostic: Diagnostic) -> None:
        super().__init__(diagnostic.message)
        self.diagnostic = diagnostic


def deep_folds(term: Term, folds: Sequence[machine.Folding]) -> frozenset[int]:
    """The folds that a term reads, those in the bodies of folds too."""
    own = terms.folds(term)
    return own.union(*(deep_folds(folds[fold].body, folds) for fold in own))


def refuse(what: str, span: Span) -> NotEnforced:
    """The exception for a construct, in the author's words."""
    return NotEnforced(unsupported(what, span))


@dataclass(frozen=True, slots=True)
class Many:
    """The value of a list: the lists to go through, outermost first, and what is read."""

    lists: tuple[int, ...]
    item: Place


@dataclass(frozen=True, slots=True)
class Item:
    """What is no place of the trace: an item of a list of values, or the key of a row."""

    value: Term
    table: str = ""


@dataclass(frozen=True, slots=True)
class One:
    """One item of a list: the first, the last, or the one before."""

    function: Literal["first", "last", "prev"]
    many: Many


Held: TypeAlias = Scalar | Instance | Nowhere | Many | Item | One
Scope: TypeAlias = dict[str, Held]


class Lowerer:
    """Lowers the rules of one ruleset; folds are shared between equal ones.

    `quantities` are the shapes that stand for quantities.
    """

    def __init__(self, layout: Layout, quantities: Mapping[str, checked.QuantityType]) -> None:
        self._layout = layout
        self._quantities = quantities
        self._given = Given(layout)
        self.loosening: dict[int, Loosening] = {}
        """What counts the loose names of graphs, by their registers."""
        self.forms: dict[Term, Term] = {}
        """How conditions are told by counting."""
        self.folds: list[machine.Folding] = []
        self._known: dict[tuple[Fold, int, int, Term, bool], int] = {}

    def rule(self, rule: checked.Rule, instance: Instance) -> Term:
        """The rule of one instance. Raises `NotEnforced`."""
        return self._term(rule.condition, instance, {})

    def _term(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        recur: Callable[[checked.Term], Term] = lambda part: self._term(part, this, scope)  # noqa: E731
        match term:
            case checked.Number(value) | checked.Text(value) | checked.Truth(value):
                return terms.Const(value)
            case checked.Parameter(name):
                return self._parameter(name, term.span)
            case checked.Member() | checked.Variable() | checked.This() | checked.Previous():
                return self._read(term, this, scope)
            case checked.Default(inner, otherwise):
                return terms.Else(recur(inner), recur(otherwise))
            case checked.Negate(inner):
                return terms.Minus(recur(inner))
            case checked.Compute(op, left, right):
                return terms.Binary(op, recur(left), recur(right))
            case checked.Call() | checked.Comprehension():
                return self._applied(term, this, scope)
            case checked.Index() | checked.InList():
                return self._lookup(term, this, scope)
            case checked.Compare("~=", left, right):
                place = self._held(left, this, scope) if _is_path(left) else None
                return self._near(term, place, recur(right))
            case _:
                return self._condition(term, recur)

    def _condition(self, term: checked.Term, recur: Callable[[checked.Term], Term]) -> Term:
        match term:
            case checked.Compare(relation, left, right):
                return terms.Relate(relation, recur(left), recur(right))
            case checked.Within(inner, low, high):
                held = recur(inner)
                return terms.Every(
                    (
                        terms.Relate("<=", recur(low), held),
                        terms.Relate("<=", held, recur(high)),
                    )
                )
            case checked.OneOf(inner, options):
                held = recur(inner)
                return terms.Some(
                    tuple(terms.Relate("==", held, recur(option)) for option in options)
                )
            case checked.Not(inner):
                return terms.Negated(recur(inner))
            case checked.And(inner):
                return terms.Every(tuple(recur(part) for part in inner))
            case checked.Or(inner):
                return terms.Some(tuple(recur(part) for part in inner))
            case checked.If(test, yes, no):
                return terms.Either(recur(test), recur(yes), recur(no))
            case _:
                raise refuse(f"`{term.span.text}`", term.span)

    def _parameter(self, name: str, span: Span) -> Term:
        held = self._layout.parameters.get(name)
        if held is None:
            raise refuse(f"the input `{name}`", span)
        return terms.Read(held.register)

    def _near(self, term: checked.Compare, left: Held | None, right: Term) -> Term:
        """`~=` goes by the digits that are shown, in the unit that is written."""
        quantity = quantity_at(left, self._quantities)
        register = left.register if isinstance(left, Scalar) else -1
        if quantity is not None:
            register, right = quantity.number, quantity.shown(right)
        for field in self._layout.fields:
            if field.register == register:
                read = terms.Read(register)
                return terms.Near(read, right, field.digits, field.least + field.shift)
        raise refuse(f"`~=` with `{term.left.span.text}` on its left", term.span)

    # --- places ---

    def _read(
        self, term: checked.Term, this: Instance, scope: Scope, what: What = "value"
    ) -> Term:
        held = self._held(term, this, scope)
        if isinstance(held, Item):
            return held.value
        if isinstance(held, One):
            return self._folded(
                held.function, held.many, self._item(held.many, term.span, what)
            )
        found = self._value_at(held, what)
        if found is None:
            raise refuse(f"`{term.span.text}` as a value", term.span)
        return found

    def _value_at(self, held: Held | Place | None, what: What) -> Term | None:
        """What is read of a place; None where it holds no single value."""
        if isinstance(held, Nowhere):
            return terms.Read(held.register)
        if isinstance(held, Scalar):
            kind = self._layout.fields[held.field].kind
            readable = what == "type" if kind == "typed" else kind != "prose"
            return terms.Read(held.register) if readable else None
        quantity = quantity_at(held, self._quantities)
        return None if quantity is None else quantity.read(what)

    def _table(self, name: str, span: Span) -> machine.Table:
        keyed: Keyed | None = self._layout.tables.get(name)
        if keyed is None:
            raise refuse(f"the table `{name}`", span)
        return keyed.table

    def _looked_up(self, table: str, key: Term, column: str, span: Span) -> Term:
        spec = self._table(table, span)
        if column == spec.key:
            return key
        names = [known.name for known in spec.columns]
        found = terms.Lookup(spec.register, key, names.index(column))
        return self._given.known(found, span.text)

    def _prose(self, held: Scalar) -> bool:
        """Whether a field is prose, whose text is not kept."""
        return self._layout.fields[held.field].kind == "prose"

    def _previous(self, held: Held, span: Span) -> One:
        if not isinstance(held, Instance) or held.list is None:
            raise refuse(f"`{span.text}` outside of a list", span)
        return One("prev", Many((held.list,), held))

    def _held(self, term: checked.Term, this: Instance, scope: Scope) -> Held:
        match term:
            case checked.This():
                return this
            case checked.Variable(name):
                return scope[name]
            case checked.Member(of, name):
                return self._member(self._held(of, this, scope), name, term.span)
            case checked.Previous(of):
                return self._previous(self._held(of, this, scope), term.span)
            case checked.Index(table, key):
                return Item(self._term(key, this, scope), table)
            case checked.Call(("first" | "last") as function, (source,)):
                return One(cast("Fold", function), self._many(source, this, scope))  # type: ignore[arg-type]
            case _:
                raise refuse(f"`{term.span.text}`", term.span)

    def _member(self, held: Held, name: str, span: Span) -> Held:
        lists: tuple[int, ...] = ()
        place: Place | None = None
        match held:
            case Instance():
                place = held.members.get(name)
            case Many(lists, Instance() as within):
                place = within.members.get(name)
            case Scalar() | Many(_, Scalar()):
                return self._column(held, name, span)
            case Nowhere():
                return held
            case Many(_, Nowhere()):
                return held
            case Item(value, table) if table:
                return Item(self._looked_up(table, value, name, span))
            case One(function, many):
                inner = self._member(many, name, span)
                if isinstance(inner, Many) and inner.lists == many.lists:
                    return One(function, inner)
        match place:
            case None:
                raise refuse(f"`{span.text}`", span)
            case Listed(number, item):
                return Many((*lists, number), item)
            case _:
                return Many(lists, place) if lists else place

    def _column(self, held: Scalar | Many, name: str, span: Span) -> Held:
        """A column of the row that a reference stands for; its key is the reference itself."""
        place = held.item if isinstance(held, Many) else held
        if self._is_key(place, name):
            return held
        if isinstance(place, Scalar) and self._layout.fields[place.field].forward:
            raise refuse(f"`{span.text}` of a name that may come later", span)
        if isinstance(held, Many):
            item = held.item
            if isinstance(item, Scalar) and name in dict(item.columns):
                return Many(held.lists, dict(item.columns)[name])
        elif name in dict(held.columns):
            return dict(held.columns)[name]
        raise refuse(f"`{span.text}`", span)

    def _is_key(self, place: Place, name: str) -> bool:
        if not isinstance(place, Scalar):
            return False
        field = self._layout.fields[place.field]
        return field.table >= 0 and self._layout.table_of(field).table.key == name

    def _many(self, term: checked.Term, this: Instance, scope: Scope) -> Many:
        held = self._held(term, this, scope)
        if not isinstance(held, Many):
            raise refuse(f"`{term.span.text}` as a list", term.span)
        return held

    def _item(self, many: Many, span: Span, what: What = "value") -> Term:
        found = self._value_at(many.item, what)
        if found is None:
            raise refuse(f"`{span.text}` as a list of values", span)
        return found

    # --- functions ---

    def _applied(
        self, term: checked.Call | checked.Comprehension, this: Instance, scope: Scope
    ) -> Term:
        if isinstance(term, checked.Comprehension):
            return self._comprehension(term, this, scope)
        arguments = term.arguments
        match term.function:
            case "abs":
                return terms.Absolute(self._term(arguments[0], this, scope))
            case "round" | "round_even" | "floor" | "ceil":
                return self._rounded(term, this, scope)
            case "min" | "max" if len(arguments) > 1:
                inner = tuple(self._term(part, this, scope) for part in arguments)
                return terms.Extreme(term.function == "max", inner)
            case "present":
                return self._present(arguments[0], this, scope)
            case "acyclic" | "rooted" | "reaches" | "depth" | "degree":
                return self._linked(term, this, scope)
            case "defined":
                return self._defined(arguments[0], this, scope)
            case "unitof" | "typeof":
                return self._kind(term, this, scope)
            case "sorted":
                return self._sorted(self._many(arguments[0], this, scope), term.span)
            case function if function in FOLDS and len(arguments) == 1:
                many = self._many(arguments[0], this, scope)
                if function == "count":
                    return self._folded("count", many, self._counted(many))
                return self._folded(FOLDS[function], many, self._item(many, term.span))
            case _:
                raise refuse(f"`{term.span.text}`", term.span)

    def _kind(self, term: checked.Call, this: Instance, scope: Scope) -> Term:
        (argument,) = term.arguments
        if term.function == "unitof":
            return self._read(argument, this, scope, "unit")
        return self._typed(argument, this, scope)

    def _typed(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        """The type of an expression over names, or of a name: an attribute of it."""
        held = self._held(term, this, scope) if _is_path(term) else None
        if isinstance(term, checked.Variable):
            held = scope[term.name]
        spec = self._layout.fields[held.field] if isinstance(held, Scalar) else None
        if spec is None or spec.table < 0:
            return self._read(term, this, scope, "type")
        table = self._layout.table_of(spec).table
        place, _ = type_column(self._layout.ruleset.names[table.name])
        name = table.columns[place].name
        if spec.kind == "ref":
            return self._read(checked.Member(term, name, term.span), this, scope)
        type_ = self._layout.types[held.field] if isinstance(held, Scalar) else None
        if isinstance(type_, checked.DefType) and isinstance(term, checked.Member):
            source = dict(type_.attributes)[name]
            return self._read(checked.Member(term.of, source, term.span), this, scope)
        raise refuse(f"`typeof({term.span.text})`", term.span)

    def _sorted(self, many: Many, span: Span) -> Term:
        """No item is less than the one before it."""
        item = self._item(many, span)
        before = terms.Else(self._folded("prev", many, item), item)
        return self._folded("all", many, terms.Relate("<=", before, item))

    def _counted(self, many: Many) -> Term:
        """What makes an item count: a value that may be absent has to be there."""
        own = self._layout.lists[many.lists[-1]].count
        item = many.item
        quantity = quantity_at(item, self._quantities)
        register = item.register if isinstance(item, Scalar) else -1
        register = register if quantity is None else quantity.number
        if register >= 0 and self._layout.may_lack(register, own):
            return terms.Present(register)
        return terms.Const(True)

    def _rounded(self, term: checked.Call, this: Instance, scope: Scope) -> Term:
        digits = 0
        if len(term.arguments) > 1:
            shown = term.arguments[1]
            if not isinstance(shown, checked.Number) or shown.value.denominator != 1:
                raise refuse(f"`{term.function}` to `{shown.span.text}` digits", shown.span)
            digits = int(shown.value)
            if not 0 <= digits <= 15:
                raise refuse(f"rounding to `{shown.span.text}` digits", shown.span)
        mode = _MODES[term.function]
        return terms.Rounded(mode, self._term(term.arguments[0], this, scope), digits)  # type: ignore[arg-type]

    def _present(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        held = self._held(term, this, scope)
        if isinstance(held, Nowhere) or (isinstance(held, Scalar) and not self._prose(held)):
            return terms.Present(held.register)
        if isinstance(held, Instance):
            for place in held.members.values():
                if isinstance(place, Scalar):
                    return terms.Present(place.register)
        raise refuse(f"`present({term.span.text})`", term.span)

    def _linked(self, term: checked.Call, this: Instance, scope: Scope) -> Term:
        graph, *names = term.arguments
        name = graph.value if isinstance(graph, checked.Text) else ""
        spec = self._layout.ruleset.graphs[name]
        found = terms.Linked(
            term.function,  # type: ignore[arg-type]
            self._layout.graphs[name],
            tuple(self._term(part, this, scope) for part in names),
            tuple(self._awaited(this, spec.shape)),
        )
        if term.function == "rooted":
            self._count_loose(found, name, names[0], this, scope)
        return found

    def _count_loose(
        self, linked: terms.Linked, graph: str, root: checked.Term, this: Instance, scope: Scope
    ) -> None:
        """Note how `rooted` is told by counting, where one list holds all of the graph."""
        spec = self._layout.ruleset.graphs[graph]
        held = self._held(root, this, scope)
        places = [p for p in this.places if isinstance(p, Listed) and _has(p, spec.shape)]
        instances = [i for i in self._layout.instances if i.shape.name == spec.shape]
        if not isinstance(held, Scalar) or held.loose is None or len(instances) != 1:
            return
        if not self._plainly_named(held):
            return
        if len(places) != 1 or places[0].item is not instances[0]:
            return
        node = instances[0].members[spec.node]
        if not isinstance(node, Scalar) or self._layout.may_lack(
            node.register, self._layout.lists[places[0].list].count
        ):
            return
        cited = self._count_cited(instances[0].members[spec.edges])
        if cited is None or rooted_graphs(self._layout.ruleset).get(self._over(held)) != graph:
            return
        one = terms.Const(Fraction(1))
        many = Many((places[0].list,), places[0].item)
        loose = self._folded("sum", many, terms.Binary("-", one, cited[0]))
        self.loosening[self._layout.graphs[graph]] = Loosening(loose.fold, cited[1])
        own = terms.Relate("==", terms.Read(held.loose.register), one)
        self.forms[linked] = terms.Every((terms.Relate("<=", loose, one), own))

    def _plainly_named(self, held: Scalar) -> bool:
        """Whether names come one after the other, and are there to the end of the trace."""
        table = self._layout.table_of(self._layout.fields[held.field]).table
        scoped = self._layout.ruleset.names[table.name].scope
        return table.spoken < 0 and not scoped

    def _over(self, held: Scalar) -> str:
        """The table to which a reference refers."""
        return self._layout.table_of(self._layout.fields[held.field]).table.name

    def _count_cited(self, place: Place) -> tuple[Term, dict[int, int]] | None:
        """How many loose names the references of a place cite, and what counts them."""
        match place:
            case Scalar(number, _, _, Scalar(_, loose)):
                read = terms.Else(terms.Read(loose), terms.Const(Fraction(0)))
                return read, {number: -1}
            case Listed(list_, Scalar(number, _, _, Scalar(_, loose)) as item):
                fold = self._folded("sum", Many((list_,), item), terms.Read(loose))
                return fold, {number: fold.fold}
            case _:
                return None

    def _awaited(self, place: Place, shape: str) -> Iterator[int]:
        """What tells that all of a shape in an instance is written: 3 in these registers."""
        for part in place.places if isinstance(place, Instance) else ():
            match part:
                case Instance() if part.shape.name == shape:
                    yield self._layout.closing(part)
                case Instance():
                    yield from self._awaited(part, shape)
                case Listed(number, item) if _has(item, shape):
                    yield self._layout.lists[number].phase

    def gathered(self, place: Place) -> int:
        """The register of a name, or of all names of a list."""
        match place:
            case Scalar(_, register):
                return register
            case Listed(number, Scalar(_, register)):
                fold = self._folded("items", Many((number,), place.item), terms.Read(register))
                return self.folds[fold.fold].register
            case _:
                return -1

    def _defined(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        held = self._held(term, this, scope)
        if not isinstance(held, Scalar):
            raise refuse(f"`defined({term.span.text})`", term.span)
        table = self._layout.table_of(self._layout.fields[held.field]).table
        return terms.Listed(table.register, terms.Read(held.register))

    def _comprehension(self, term: checked.Comprehension, this: Instance, scope: Scope) -> Term:
        many = self._many(term.source, this, scope)
        item = Many(many.lists, many.item).item
        if any(held is item for held in scope.values()):
            raise refuse(f"a second variable over `{term.source.span.text}`", term.span)
        if isinstance(item, Listed):
            raise refuse(f"`{term.source.span.text}` as a list", term.source.span)
        body = self._term(term.body, this, {**scope, term.variable: item})
        late = self._late(body, many, term.span)
        return self._folded(FOLDS[term.function], many, body, late=late)

    def _late(self, body: Term, many: Many, span: Span) -> bool:
        """Whether the body reads what is not known yet when an item closes."""
        lists, given = self._layout.lists, self._given.registers
        first = lists[many.lists[0]].count
        inner = lists[many.lists[-1]].registers
        inside = [self.folds[fold] for fold in self._deep_folds(body)]
        reads = set(terms.registers(body))
        for fold in inside:
            reads |= terms.registers(fold.body) - set(lists[fold.list].registers)
            if fold.list != many.lists[-1]:
                reads.add(lists[fold.outer].count)
        again = any(f.list == many.lists[-1] and f.function not in _BEFORE for f in inside)
        behind = again or any(r >= first and r not in inner for r in reads - given)
        direct = (self.folds[fold] for fold in terms.folds(body))
        before = any(f.function in _BEFORE and f.list == many.lists[-1] for f in direct)
        late = behind or calls(body)
        own = any(lists[f.outer].count in inner for f in inside)
        if (behind and before) or (late and (own or len(many.lists) > 1)):
            raise refuse(
                f"`{span.text}`, which reads a nested list or the item before together with "
                "what is known only behind its list,",
                span,
            )
        return late

    def _deep_folds(self, term: Term) -> frozenset[int]:
        return deep_folds(term, self.folds)

    def _lookup(
        self, term: checked.Index | checked.InList, this: Instance, scope: Scope
    ) -> Term:
        if isinstance(term, checked.Index):
            return self._read(term, this, scope)  # a row alone is compared by its key
        if not isinstance(term.source, checked.Parameter):
            many = self._many(term.source, this, scope)
            wanted = self._term(term.term, this, scope)
            if any(held is many.item for held in scope.values()):
                raise refuse(f"a second variable over `{term.source.span.text}`", term.span)
            body = terms.Relate("==", self._item(many, term.span), wanted)
            return self._folded("any", many, body, late=self._late(body, many, term.span))
        wanted = self._term(term.term, this, scope)
        found = terms.Listed(self._table(term.source.name, term.span).register, wanted)
        return self._given.known(found, term.span.text)

    def _folded(
        self, function: Fold, many: Many, body: Term, *, late: bool = False
    ) -> terms.Folded:
        key = (function, many.lists[-1], many.lists[0], body, late)
        known = self._known.get(key)
        if known is None:
            start = () if late else START[function]
            register = self._layout.register(start)
            self.folds.append(
                machine.Folding(function, many.lists[-1], many.lists[0], body, register, late)
            )
            known = self._known[key] = len(self.folds) - 1
        return terms.Folded(known)


def lists_of(place: Place, shape: str) -> list[int]:
    """The outermost lists of an instance in which a shape stands."""
    match place:
        case Instance():
            return [number for part in place.places for number in lists_of(part, shape)]
        case Listed(number, item) if _has(item, shape):
            return [number]
        case _:
            return []


def _has(place: Place, shape: str) -> bool:
    match place:
        case Instance():
            return place.shape.name == shape or any(_has(part, shape) for part in place.places)
        case Listed(_, item):
            return _has(item, shape)
        case _:
            return False


def _is_path(term: checked.Term) -> bool:
    """Whether a term names a field of the shape, or of a variable's item."""
    match term:
        case checked.Member(of):
            return isinstance(of, checked.This | checked.Variable) or _is_path(of)
        case _:
            return False
