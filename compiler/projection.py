"""Projection: what each choice of a trace must keep, so that the rest can still be written.

The trace is gone through from its end to its beginning. Behind every element stands a formula
over what is written before it: the condition under which rules still hold once everything
behind has been chosen well. A field is eliminated from the formula behind it; a branch, one
more item and the end of a list each have the formula of what would follow.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from typing_extensions import assert_never

from rulec.compiler import promises, scalars, terms
from rulec.compiler.accumulate import Accumulator, most_items
from rulec.compiler.conditions import (
    PRESENT,
    TRUE,
    Atom,
    Cell,
    Control,
    Formula,
    Unfit,
    conjoined,
    equal,
    rules_of,
    variables,
    within,
)
from rulec.compiler.facts import facts
from rulec.compiler.flatten import Flattener
from rulec.compiler.loops import names_added, repeated
from rulec.compiler.places import Instance, Listed, Nowhere, Place, Scalar, place_of
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.steering import conjuncts
from rulec.compiler.suited import suited
from rulec.compiler.support import lists_in, unwritten_lists
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Field, Folding
    from rulec.compiler.names import Names
    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Term

MOST_PIECES = 64
"""Pieces into which a field's allowed set may fall."""

Where: TypeAlias = tuple[int, int, int]
"""A place of the trace: an instance, an element in it, and which of its ways is meant."""


@dataclass(frozen=True, slots=True)
class Decision:
    """One choice: what must hold before it, and what must hold of each way on.

    `kind` is "field", "branch" or "item"; a field has one way, over `register` too. `name` is
    that of the field, of the shape that has the branches, or of the list. `known` always holds.
    """

    kind: str
    name: str
    before: Formula
    ways: tuple[Formula, ...]
    register: int = -1
    element: checked.Element | None = None
    known: Cell = ()


class Taken(NamedTuple):
    """One more item: the formula behind its folds, and the one before they take it in."""

    folds: tuple[Folding, ...]
    behind: Formula
    before: Formula


@dataclass(slots=True)
class Projection:
    """The projection of some rules of a plan, taken together.

    Lists whose items are `summed` up are told by what the items still to come can add; if
    `stepwise`, none is.
    """

    names: Names
    rules: frozenset[int]
    stepwise: bool = False
    summed: bool = False
    fields: dict[Where, Formula] = field(default_factory=dict)
    ways: dict[Where, Formula] = field(default_factory=dict)
    decisions: dict[Where, Decision] = field(default_factory=dict)
    referred: dict[Where, str] = field(default_factory=dict)
    distinct: dict[int, tuple[int, int]] = field(default_factory=dict)
    distinct_places: dict[Where, tuple[int, int]] = field(default_factory=dict)
    items: dict[int, list[tuple[int, Term]]] = field(default_factory=dict)
    flattened: dict[tuple[int, Term], Formula] = field(default_factory=dict)
    of_lists: dict[int, set[int]] = field(default_factory=dict)
    whole_lists: set[int] = field(default_factory=set)
    settlings: list[tuple[str, Formula, Formula]] = field(default_factory=list)
    taken: list[Taken] = field(default_factory=list)
    start: Formula = TRUE
    behind: dict[tuple[int, Where], Formula] = field(default_factory=dict)
    """What must hold behind the proses that watches look into."""
    most: dict[int, int | None] = field(default_factory=dict)
    """How many names of a table can be defined, by the register that counts them."""
    watched: bool = False
    repeating: bool = False

    @property
    def plan(self) -> Plan:
        """What is projected."""
        return self.names.plan

    def run(self) -> None:
        """Project everything. Raises `Unfit`."""
        root = self.plan.root
        instances = self.plan.layout.instances
        scoped = {s.table.count for i in instances for s in self.plan.layout.scopes(i)}
        tables = (keyed.table for keyed in self.plan.layout.tables.values())
        for count in (table.count for table in tables):
            added = names_added(self, root.shape.body, root, count)[1]
            limited = not self._watches_define(count) and count not in scoped
            self.most[count] = added if limited else None
        start = self.instance(root, promises.at_end(self.plan, self.most))
        self.start = promises.at_start(self.plan, self.names.space, start)
        for prose, watching in self.plan.layout.watching.items():
            for _, instance in watching:
                self.watched = True
                self.instance(instance, self._around(prose, instance))
                self.watched = False

    def _around(self, prose: int, instance: Instance) -> Formula:
        """What must hold behind a watch: what follows its prose, as far as names go."""
        changed = promises.registers(self.plan, instance.shape.body, instance)
        behind = conjoined(*(f for (number_, _), f in self.behind.items() if number_ == prose))
        return tuple(block for block in behind if self.names.space.deep((block,)) & changed)

    def _watches_define(self, count: int) -> bool:
        """Whether a watch may define names of a table, of which there may be any number."""
        watching = (w for found in self.plan.layout.watching.values() for w in found)
        return any(
            count in promises.registers(self.plan, instance.shape.body, instance)
            for _, instance in watching
        )

    # --- rules ---

    def _own(self, instance: Instance) -> Formula:
        """The rules of an instance; those of all items go to the lists."""
        found: list[Formula] = []
        for rule in instance.rules:
            if rule not in self.rules:
                continue
            done = self.plan.rules[rule].done
            parts = self._apart(rule, self.plan.kept.get(rule, self.plan.rules[rule].term))
            found += [self._kept(rule, part, done) for part in parts]
        return conjoined(*found)

    def _kept(self, rule: int, part: Term, home: int) -> Formula:
        formula = Flattener(self.names, rule, home).kept(part)
        self.flattened[rule, part] = formula
        return formula

    def _apart(self, rule: int, term: Term) -> Iterator[Term]:
        """The conditions of a rule, but for those on every item of a list."""
        for part in conjuncts(term):
            if not isinstance(part, terms.Folded):
                yield part
                continue
            fold = self.plan.folds[part.fold]
            if fold.late:
                raise Unfit("it reads a field that is written behind its list", {rule})
            if fold.function == "distinct":
                self.whole_lists.add(rule)
            if fold.function in ("all", "distinct"):
                self.items.setdefault(fold.list, []).append((rule, part))
            else:
                yield part

    def of_items(self, list_: int) -> Formula:
        """What every item of a list must keep."""
        found: list[Formula] = []
        queue = list(self.items.get(list_, ()))
        for rule, part in queue:  # grows while it is gone through
            self.of_lists.setdefault(rule, set()).add(list_)
            if not isinstance(part, terms.Folded):
                home = self.plan.lists[list_].count
                found.append(self._kept(rule, part, home))
                continue
            fold = self.plan.folds[part.fold]
            if fold.list != list_:
                self.items.setdefault(fold.list, []).append((rule, part))
            elif fold.function == "all":
                queue += [(rule, inner) for inner in conjuncts(fold.body)]
            else:
                self._distinct(rule, part.fold)
        return conjoined(*found)

    def _distinct(self, rule: int, number_: int) -> None:
        body = self.plan.folds[number_].body
        hidden = {
            self.plan.fields[column].register
            for spec in self.plan.fields
            for column in spec.columns
        }
        if not isinstance(body, terms.Read) or body.register in hidden:
            raise Unfit("whether enough values are left that differ isn't known", {rule})
        if self.distinct.setdefault(body.register, (rule, number_))[1] != number_:
            raise Unfit("its values must differ in two ways", {rule})

    # --- shapes ---

    def instance(self, instance: Instance, after: Formula) -> Formula:
        """What must hold before an instance, given what must hold behind it."""
        space = self.names.space
        for number_ in self.plan.definitions(instance):
            after = self._by_type(instance, number_, after)
        after = promises.closed(self.plan, space, instance, after)
        after = promises.scope_closed(self.plan, space, instance, after)
        own = self._own(instance)
        outer, self.repeating = self.repeating, False
        before = self.element(instance.shape.body, instance, conjoined(after, own))
        self.repeating = outer
        return promises.scope_opened(self.plan, space, instance, before)

    def _by_type(self, instance: Instance, field_: int, after: Formula) -> Formula:
        """What must hold before more names of some type are there."""
        table = self.plan.layout.table_of(self.plan.fields[field_]).table
        asked = [count for count in table.kinds if count in variables(after)]
        type_ = self.plan.layout.types[field_]
        if not asked or not isinstance(type_, checked.DefType):
            return after
        given = instance.members[dict(type_.attributes)[table.columns[table.typed].name]]
        kind = variable(given.register) if isinstance(given, Scalar) else number(0)
        more = self.plan.written_names(instance, field_)
        ways = [
            within(
                self.names.space.replaced(after, count, variable(count) + more),
                (equal(kind, number(place)),),
            )
            for place, count in enumerate(table.kinds)
        ]
        return self.joined(ways)

    def element(self, element: checked.Element, into: Instance, after: Formula) -> Formula:
        """What must hold before an element, given what must hold behind it."""
        match element:
            case checked.Literal() | checked.Pattern():
                return after
            case checked.Cut():
                # Before its cut a watch enforces nothing, so all must be asked for here.
                self.ways[id(into), id(element), 0] = after
                return after
            case checked.Slot():
                return self._slot(element, into, after)
            case checked.Sequence(parts):
                for part in reversed(parts):
                    after = self.element(part, into, after)
                return after
            case checked.Choice(options):
                return self._choice(element, options, into, after)
            case checked.Optional(body):
                return self._choice(element, (body, None), into, after)
            case checked.Repeat():
                outer, self.repeating = self.repeating, True
                before = repeated(self, element, into, after)
                self.repeating = outer
                return before
            case _:
                assert_never(element)

    def _choice(
        self,
        element: checked.Element,
        options: tuple[checked.Element | None, ...],
        into: Instance,
        after: Formula,
    ) -> Formula:
        written = [self.plan.written(option, into) for option in options]
        everything = frozenset().union(*written)
        if not self.repeating:
            self.names.exclude(written)
        found: list[Formula] = []
        for option, own in zip(options, written, strict=True):
            behind = after
            for gone in sorted(everything - own):
                behind = self._put(behind, PRESENT + self.plan.fields[gone].register, 0)
            for list_ in () if self.repeating else unwritten_lists(option, options, into):
                behind = self.emptied(behind, list_)
            found.append(behind if option is None else self.element(option, into, behind))
        before = self.joined(found)
        self.decide("branch", element, into, before, found)
        return before

    def emptied(self, formula: Formula, list_: int) -> Formula:
        """The formula before the first item of a list."""
        formula = self._put(formula, self.plan.lists[list_].count, 0)
        for fold in self.plan.folds:
            if fold.outer == list_:
                formula = self._put(formula, PRESENT + fold.register, 0)
                if fold.function in ("sum", "count", "all", "any"):
                    formula = self._put(formula, fold.register, int(fold.function == "all"))
        return formula

    def _put(self, formula: Formula, name: int, value: int) -> Formula:
        return self.names.space.replaced(formula, name, number(value))

    def decide(
        self,
        kind: str,
        element: checked.Element,
        into: Instance,
        before: Formula,
        ways: list[Formula],
        control: Control | None = None,
    ) -> None:
        """Note a choice; a way is tested for what the formula before it doesn't tell.

        `control` is what the machine's own counts demand and promise.
        """
        for place, way in enumerate(ways):
            own = tuple(block for block in way if block not in before)
            self.ways[id(into), id(element), place] = own
        known = facts(self.plan) + (() if control is None else control.known)
        if control is not None:
            ways = [within(way, cell) for way, cell in zip(ways, control.ways, strict=True)]
        where = (id(into), id(element), -1)
        name = into.path
        for list_ in lists_in(element, into) if kind == "item" else ():
            name = self.plan.lists[list_].name
            break
        made = Decision(kind, name, before, tuple(ways), element=element, known=known)
        self.decisions[where] = made

    def joined(self, formulas: list[Formula]) -> Formula:
        """One of the formulas. Raises `Unfit`."""
        return scalars.joined(self.names.space, formulas)

    # --- fields ---

    def _slot(self, slot: checked.Slot, into: Instance, after: Formula) -> Formula:
        place = place_of(slot, into)
        where = (id(into), id(slot), 0)
        if not isinstance(place, Listed):
            return self._named(slot, where, self._place(place, where, after))
        behind = after
        order = Accumulator.order(self.plan, place.list)
        for number_ in order:
            after = Accumulator(self.names).updated(after, number_)
        folds = tuple(self.plan.folds[number_] for number_ in order)
        self.taken.append(Taken(folds, behind, after))
        after = conjoined(after, self.of_items(place.list))
        before = self._named(slot, where, self._place(place.item, where, after))
        count = self.plan.lists[place.list].count
        return self.names.space.replaced(before, count, variable(count) + number(1))

    def _named(self, slot: checked.Slot, where: Where, before: Formula) -> Formula:
        """Note where a field stands."""
        if where in self.decisions:
            self.decisions[where] = replace(self.decisions[where], element=slot)
        return before

    def _place(self, place: Place | None, where: Where, after: Formula) -> Formula:
        match place:
            case Instance():
                return self.instance(place, after)
            case Scalar(number_):
                return self.scalar(self.plan.fields[number_], where, after)
            case Listed() | Nowhere() | None:
                return after
            case _:
                assert_never(place)

    def apart(self) -> Projection:
        """A projection of the same rules that notes nothing in this one."""
        return Projection(
            self.names, self.rules, self.stepwise, items=self.items, most=self.most
        )

    def scalar(self, spec: Field, where: Where, after: Formula) -> Formula:
        """What must hold before a field, given what must hold behind it."""
        after = self._put(after, PRESENT + spec.register, 1)
        if spec.register in self.distinct:
            self.distinct_places[where] = self.distinct[spec.register]
        if spec.kind in ("ref", "def"):
            return self._of_name(spec, where, after)
        if spec.kind == "prose":
            self.behind[self.plan.fields.index(spec), where] = after
        after = conjoined(after, scalars.written(self.plan, spec))
        if spec.kind in ("text", "prose", "fraction", "formula"):
            if spec.register in self.distinct:
                rule, fold = self.distinct[spec.register]
                high = most_items(self.plan, self.plan.folds[fold])
                scalars.differing_texts(self.plan, spec, rule, high)
            return after
        raw, after = after, scalars.settled(self.names, after, spec.register)
        if raw != after:
            self.settlings.append((_field_name(spec), raw, after))
        own = scalars.about(spec, after)
        if spec.register in self.distinct:
            high = most_items(self.plan, self.plan.folds[self.distinct[spec.register][1]])
            scalars.differing(self.names, spec, own, high)
        if prod(map(len, own)) > MOST_PIECES:
            raise Unfit("it leaves more pieces of a field than masks look at", rules_of(own))
        if any(spec.register in self.names.space.deep((b,)) for b in after if b not in own):
            raise Unfit("what it rounds can't be told from its field", rules_of(after))
        self.fields[where] = own
        if not own:
            return after
        if spec.kind == "expr" and not self.watched:
            scalars.writable(self.names, spec, own)
        before = scalars.eliminated(self.names, spec, after)
        self.decisions[where] = Decision(
            "field", _field_name(spec), before, (after,), spec.register
        )
        return before

    def _of_name(self, spec: Field, where: Where, after: Formula) -> Formula:
        """What must hold before a name."""
        space = self.names.space
        if spec.kind == "ref" and not spec.forward:
            return self._referred(spec, where, after)
        if spec.register in self.distinct:
            reason = "whether enough names are left that differ isn't known"
            raise Unfit(reason, {self.distinct[spec.register][0]})
        columns = {self.plan.fields[number].register for number in spec.columns}
        own = tuple(b for b in after if space.deep((b,)) & columns)
        if own:
            raise Unfit("what comes later isn't known yet", rules_of(own))
        table = self.plan.layout.table_of(spec).table
        self.fields[where] = promises.about(spec, table, after)
        if spec.kind == "def":
            return promises.begun(self.plan, space, spec, after, self.most)
        return promises.referred(self.plan, space, spec, after)

    def _referred(self, spec: Field, where: Where, after: Formula) -> Formula:
        """What must hold before a reference: one of the rows that there are suits the rest."""
        columns = [self.plan.fields[n] for n in (*spec.columns, *spec.loose[:1])]
        for column in columns:
            after = self._put(after, PRESENT + column.register, 1)
        own = tuple(
            block
            for block in after
            if self.names.space.deep((block,)).intersection(c.register for c in columns)
        )
        rest = tuple(block for block in after if block not in own)
        if spec.register in self.distinct and own:
            reason = "a list that must be distinct is bound by other rules too"
            raise Unfit(reason, {*rules_of(own), self.distinct[spec.register][0]})
        self.fields[where] = own
        self.referred[where] = _field_name(spec)
        table = self.plan.layout.table_of(spec).table
        left = variable(table.count)
        rules: tuple[int, ...] = ()
        if spec.register in self.distinct:
            rule, fold = self.distinct[spec.register]
            left, rules = left - self._items(rule, fold), (rule,)
        there = (Atom("ge", left - number(1), 0, rules),)
        about = self.names.space.deep(own) & {column.register for column in columns}
        if spec.loose and self.plan.fields[spec.loose[0]].register in about:
            before = self._loose(spec, own, about)
        else:
            before = suited(self.names, table, columns[: len(spec.columns)], own)
        return within(conjoined(rest, before), there)

    def _loose(self, spec: Field, own: Formula, about: set[int]) -> Formula:
        """What must hold before a reference, given what follows from its name being loose."""
        hidden, graph, _ = spec.loose
        register, loosening = self.plan.fields[hidden].register, self.plan.loosening.get(graph)
        if about != {register} or loosening is None:
            raise Unfit("which names suit what follows isn't counted", rules_of(own))
        loose = variable(self.plan.folds[loosening.fold].register)
        cited = loosening.cited.get(self.plan.fields.index(spec), -1)
        if cited >= 0:
            loose = loose - variable(self.plan.folds[cited].register)
        others = variable(self.plan.layout.table_of(spec).table.count) - loose
        ways = [
            within(self._put(own, register, value), (Atom("ge", there - number(1)),))
            for value, there in ((0, others), (1, loose))
        ]
        return self.joined(ways)

    def _items(self, rule: int, fold: int) -> Poly:
        """How many items a list of different references has before the one under way."""
        spec = self.plan.folds[fold]
        if spec.list != spec.outer or self.plan.layout.may_lack(
            spec.body.register if isinstance(spec.body, terms.Read) else -1,
            self.plan.lists[spec.list].count,
        ):
            raise Unfit("whether enough rows are left that differ isn't known", {rule})
        return variable(self.plan.lists[spec.list].count) - number(1)

    def acts(self) -> dict[int, tuple[str, ...]]:
        """Where each rule narrows what may be chosen, in the order of the text."""
        found: dict[int, dict[str, None]] = {}
        for where, decision in reversed(self.decisions.items()):
            for way in range(len(decision.ways)):
                place = (*where[:2], way)
                formula = self.fields.get(place, TRUE) + self.ways.get(place, TRUE)
                for rule in rules_of(formula):
                    found.setdefault(rule, {})[_place_name(decision, way)] = None
        for where, name in reversed(self.referred.items()):
            for rule in rules_of(self.fields[where]):
                found.setdefault(rule, {})[name] = None
        for register, (rule, _) in self.distinct.items():
            found.setdefault(rule, {})[_field_name(self.names.fields[register])] = None
        return {rule: tuple(names) for rule, names in found.items()}


def _field_name(spec: Field) -> str:
    return f"{spec.shape}.{spec.name}" if spec.name else spec.shape


def _place_name(decision: Decision, way: int) -> str:
    match decision.kind:
        case "field":
            return decision.name
        case "branch":
            return f"a choice in {decision.name}"
        case _:
            return f"the {'next item' if way else 'end'} of {decision.name}"
