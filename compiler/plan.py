"""The plan: where every field lives, what every rule reads, and which tier it gets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rulec.compiler import machine, opaque, terms
from rulec.compiler.conditions import PRESENT
from rulec.compiler.externals import externals_of
from rulec.compiler.kinds import unsupported
from rulec.compiler.lower import NotEnforced, deep_folds
from rulec.compiler.ops import Link
from rulec.compiler.places import Instance, Layout, Listed, Place, Scalar, place_of
from rulec.compiler.polynomial import Poly, variable
from rulec.compiler.quantities import apart, units_in
from rulec.compiler.rooting import counted, rooted_graphs
from rulec.compiler.sources import SourceLowerer
from rulec.compiler.support import slots, unenforced
from rulec.compiler.tables import tables_of
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rulec.compiler.rooting import Loosening
    from rulec.compiler.terms import Term
    from rulec.dsl.diagnostics import Diagnostic


@dataclass
class Plan:
    """Registers, folds and rules of a ruleset; `problems` is what can't be enforced."""

    ruleset: checked.Ruleset
    layout: Layout
    root: Instance
    folds: tuple[machine.Folding, ...]
    rules: tuple[machine.Rule, ...]
    sources: tuple[checked.Rule, ...]
    fields: tuple[machine.Field, ...] = ()
    lists: tuple[machine.List, ...] = ()
    problems: tuple[Diagnostic, ...] = ()
    externals: tuple[machine.External, ...] = ()
    kept: Mapping[int, Term] = field(default_factory=dict)
    """The rules that masks keep in another form than the one in which they are tested."""
    loosening: Mapping[int, Loosening] = field(default_factory=dict)
    """What counts the loose names of graphs, by their registers."""

    def rules_of(self, instance: Instance) -> tuple[int, ...]:
        """The rules that stand in an instance's shape."""
        return instance.rules

    def defining(self, instance: Instance) -> list[machine.Table]:
        """The tables into which an instance enters a name when it closes."""
        fields = map(self.fields.__getitem__, self.definitions(instance))
        return [self.layout.table_of(spec).table for spec in fields]

    def definitions(self, instance: Instance) -> list[int]:
        """The fields of an instance that are new names."""
        items = (p.item if isinstance(p, Listed) else p for p in instance.places)
        own = (place.field for place in items if isinstance(place, Scalar))
        return [number for number in own if self.fields[number].kind == "def"]

    def written_names(self, instance: Instance, field: int) -> Poly:
        """How many names a field of an instance has written once that closes."""
        for place in instance.places:
            item = place.item if isinstance(place, Listed) else None
            if isinstance(place, Listed) and isinstance(item, Scalar) and item.field == field:
                return variable(self.lists[place.list].count)
        return variable(PRESENT + self.fields[field].register)

    def steered(self, field: machine.Field) -> bool:
        """Whether a rule that steers reads the field."""
        return any(self.rules[number].tier != "audit" for number in field.rules)

    def resets(self, instance: Instance) -> tuple[int, ...]:
        """The registers that start anew with an instance: its own, and its lists' folds."""
        own = range(instance.first, instance.end)
        lists = self.layout.lists
        folded = (f.register for f in self.folds if lists[f.outer].count in own)
        closings = (r for first, r in self.layout.closings.items() if first in own)
        return (*own, *folded, *closings)

    def naming(self, instance: Instance) -> tuple[int, ...]:
        """The registers of the tables and graphs that the names of an instance enter."""
        inside = range(instance.first, instance.end)
        named = [f for f in self.fields if f.register in inside and f.kind in ("ref", "def")]
        found: dict[int, None] = {}
        for table in (self.layout.table_of(f).table for f in named):
            own = (table.register, table.count, table.spoken, table.begun, table.owed)
            found |= dict.fromkeys(own)
        links = (links for first, links in self.layout.links.items() if first in inside)
        found |= dict.fromkeys(link.graph for own in links for link in own)
        return tuple(register for register in found if register >= 0)

    def unwritten(self, gone: frozenset[int]) -> Iterator[int]:
        """What would tell that shapes are closed of which all fields are gone."""
        for instance in self.layout.instances:
            own = _scalars(instance)
            if instance.first in self.layout.closings and own and own <= gone:
                yield self.layout.closings[instance.first]

    def rules_reading(self, registers: Iterable[int]) -> tuple[int, ...]:
        """The rules that read one of the registers, in folds too."""
        wanted = set(registers)
        return tuple(n for n, reads in enumerate(self._reads) if reads & wanted)

    def rules_folding(self, lists: Iterable[int]) -> tuple[int, ...]:
        """The rules that fold one of the lists, those of its own items left aside."""
        wanted = set(lists)
        inside = {r for n in wanted for r in self.layout.lists[n].registers}
        return tuple(
            n
            for n, own in enumerate(self._folded)
            if own & wanted and self.rules[n].done not in inside
        )

    @cached_property
    def _reads(self) -> tuple[frozenset[int], ...]:
        return tuple(deep_registers(rule.term, self.folds) for rule in self.rules)

    @cached_property
    def _folded(self) -> tuple[frozenset[int], ...]:
        return tuple(
            frozenset(
                number
                for fold in deep_folds(rule.term, self.folds)
                for number in (self.folds[fold].list, self.folds[fold].outer)
            ).union(self._awaited(rule.term))
            for rule in self.rules
        )

    def _awaited(self, term: Term) -> frozenset[int]:
        """The lists that must be closed before a graph, or a table, is known."""
        until = terms.awaited(term)
        lists = enumerate(self.layout.lists)
        return frozenset(number for number, list_ in lists if list_.phase in until)

    def closed_by(self, repeat: checked.Repeat, into: Instance) -> tuple[int, ...]:
        """The lists that are over when a repeat is: those of a shape's outermost repeats."""
        outermost = _outermost(into.shape.body)
        if not any(repeat is other for other in outermost):
            return ()
        position = next(n for n, other in enumerate(outermost) if other is repeat)
        later = set().union(*map(_names, outermost[position + 1 :]))
        own = [slot for slot in slots(repeat) if slot.name not in later or not slot.name]
        places = (place_of(slot, into) for slot in own)
        return tuple(dict.fromkeys(p.list for p in places if isinstance(p, Listed)))

    def written(self, element: checked.Element | None, into: Instance) -> frozenset[int]:
        """The single fields that stand in an element, shapes inside included."""
        if element is None:
            return frozenset()
        places = (place_of(slot, into) for slot in slots(element))
        return frozenset().union(*(_scalars(place) for place in places))


def plan_ruleset(ruleset: checked.Ruleset) -> Plan:
    """Lay out a ruleset and lower its rules."""
    ruleset, quantities = apart(ruleset)
    layout = Layout(ruleset)
    for param in (*ruleset.params.values(), *_inputs(ruleset)):
        layout.parameter(param)
    layout.tables = tables_of(ruleset, layout.register, layout.problems)
    layout.graphs = {name: layout.register(()) for name in ruleset.graphs}
    root = layout.instance(_trace(ruleset), ruleset.name, {}, None)
    lowerer = SourceLowerer(layout, quantities)
    problems = [*unenforced(ruleset), *layout.problems]
    rules: list[machine.Rule] = []
    sources: list[checked.Rule] = []
    for instance in layout.instances:
        before = len(rules)
        for rule, done in zip(instance.shape.rules, instance.done, strict=True):
            try:
                term = lowerer.rule(rule, instance)
            except NotEnforced as missing:
                problems.append(missing.diagnostic)
                continue
            sources.append(rule)
            rules.append(
                machine.Rule(
                    name=rule.name,
                    shape=instance.shape.name,
                    because=rule.because,
                    term=term,
                    steer=term,
                    tier=rule.tier or "commit",
                    done=done,
                    fields=(),
                )
            )
        instance.rules = tuple(range(before, len(rules)))
    problems += _link(layout, lowerer)
    _gather(layout, lowerer)
    plan = Plan(ruleset, layout, root, tuple(lowerer.folds), tuple(rules), tuple(sources))
    plan.externals, misfits = externals_of(ruleset, _said(plan))
    plan.problems = tuple(dict.fromkeys((*problems, *misfits)))
    _connect(plan, units_in(layout.instances, quantities))
    plan.loosening = lowerer.loosening
    plan.kept = {
        number: form
        for number, rule in enumerate(plan.rules)
        if (form := counted(rule.term, lowerer.forms)) != rule.term
    }
    plan.fields = tuple(_loosened(plan, number) for number in range(len(plan.fields)))
    return plan


def _loosened(plan: Plan, number: int) -> machine.Field:
    """A field, with where it tells whether its name is loose."""
    spec, layout = plan.fields[number], plan.layout
    hidden = plan.layout.loose.get(number)
    if hidden is None:
        return spec
    graph = rooted_graphs(plan.ruleset)[layout.table_of(spec).table.name]
    links = (link for made in layout.links.values() for link in made)
    targets = {link.targets for link in links if link.graph == layout.graphs[graph]}
    gathered = [
        fold.register
        for fold in plan.folds
        if fold.register in targets and fold.body == terms.Read(spec.register)
    ]
    return replace(spec, loose=(hidden, layout.graphs[graph], *(gathered or [-1])))


def _inputs(ruleset: checked.Ruleset) -> Iterator[checked.Param]:
    """The single values among the inputs: parameters that every request brings."""
    for name, given in ruleset.inputs.items():
        if given.type is not None:
            yield checked.Param(name, given.type, None, given.span)


def _said(plan: Plan) -> tuple[Term, ...]:
    """The terms of all rules and folds."""
    return (*(rule.term for rule in plan.rules), *(fold.body for fold in plan.folds))


def _gather(layout: Layout, lowerer: SourceLowerer) -> None:
    """Lists of new names are held until their shape closes."""
    for instance in layout.instances:
        for place in instance.places:
            item = place.item if isinstance(place, Listed) else None
            if isinstance(item, Scalar) and layout.fields[item.field].kind == "def":
                layout.gathered[item.field] = lowerer.gathered(place)


def _link(layout: Layout, lowerer: SourceLowerer) -> Iterator[Diagnostic]:
    """What enters graphs: a node of each instance of their shapes."""
    for name, graph in layout.ruleset.graphs.items():
        shape = layout.ruleset.shapes[graph.shape]
        if shape.fields[graph.node].cardinality == "list":
            yield unsupported(f"a list as the node of `{name}`", graph.span)
        for instance in layout.instances:
            if instance.shape.name == graph.shape:
                node = instance.members[graph.node]
                targets = lowerer.gathered(instance.members[graph.edges])
                if isinstance(node, Scalar):
                    closed = layout.closings.get(instance.first, -1)
                    made = Link(layout.graphs[name], node.register, targets, closed)
                    layout.links.setdefault(instance.first, []).append(made)


def _connect(plan: Plan, numbers: Mapping[int, int]) -> None:
    """Tell fields of their rules, rules of their fields, and lists of their folds.

    `numbers` are the fields of the numbers of quantities, by the fields of their units.
    """
    edges = _edges(plan)
    asked = frozenset().union(*map(opaque.operands, _said(plan)))
    lent = frozenset(r for place in plan.layout.instances for r in _lent(plan.layout, place))
    plan.fields = tuple(
        replace(
            field_,
            rules=plan.rules_reading(
                (
                    field_.register,
                    field_.digits,
                    *(plan.layout.fields[column].register for column in field_.columns),
                    *edges.get(field_.register, ()),
                )
            ),
            keep=field_.register in lent or bool(plan.rules_reading((field_.register,))),
            counts=numbers.get(number, -1),
            operands=field_.digits in asked,
        )
        for number, field_ in enumerate(plan.layout.fields)
    )
    always = set(_always(plan, plan.root))
    plan.rules = tuple(
        replace(
            rule,
            fields=tuple(n for n, f in enumerate(plan.fields) if number in f.rules),
            unsure=tuple(
                register
                for register in sorted(deep_registers(rule.term, plan.folds))
                if plan.layout.may_lack(register, rule.done)
            ),
            always=number in always,
        )
        for number, rule in enumerate(plan.rules)
    )
    plan.lists = tuple(
        replace(list_, folds=tuple(n for n, f in enumerate(plan.folds) if f.list == number))
        for number, list_ in enumerate(plan.layout.lists)
    )


def _always(plan: Plan, instance: Instance) -> Iterator[int]:
    """The rules of an instance that is there in every trace, and of those inside of it."""
    yield from instance.rules
    for place in instance.places:
        if isinstance(place, Instance) and not plan.layout.may_lack(place.first, -1):
            yield from _always(plan, place)


def _lent(layout: Layout, instance: Instance) -> Iterator[int]:
    """The registers of an instance from which a new name has its attributes."""
    for place in instance.places:
        type_ = layout.types[place.field] if isinstance(place, Scalar) else None
        for _, source in type_.attributes if isinstance(type_, checked.DefType) else ():
            given = instance.members[source]
            if isinstance(given, Scalar):
                yield given.register


def _edges(plan: Plan) -> dict[int, list[int]]:
    """The graphs of which a field is an edge, by its register."""
    found: dict[int, list[int]] = {}
    gathered = {fold.register: fold for fold in plan.folds}
    for link in (link for links in plan.layout.links.values() for link in links):
        fold = gathered.get(link.targets)
        read = None if fold is None else fold.body
        register = read.register if isinstance(read, terms.Read) else link.targets
        found.setdefault(register, []).append(link.graph)
    return found


def deep_registers(term: Term, folds: tuple[machine.Folding, ...]) -> frozenset[int]:
    """The registers that a term reads, those in the bodies of its folds too."""
    bodies = (folds[fold].body for fold in deep_folds(term, folds))
    return terms.registers(term).union(*(terms.registers(body) for body in bodies))


def _trace(ruleset: checked.Ruleset) -> checked.Shape:
    """The trace as a shape of its own, without rules."""
    body = checked.Sequence((ruleset.trace,), ruleset.trace.span)
    fields: dict[str, checked.FieldInfo] = {}
    return checked.Shape("", body, fields, (), 1, ruleset.trace.span)


def _outermost(element: checked.Element) -> list[checked.Repeat]:
    match element:
        case checked.Repeat():
            return [element]
        case checked.Sequence(inner) | checked.Choice(inner):
            return [found for part in inner for found in _outermost(part)]
        case checked.Optional(body):
            return _outermost(body)
        case _:
            return []


def _names(element: checked.Element) -> set[str]:
    return {slot.name for slot in slots(element) if slot.name}


def _scalars(place: Place | None) -> frozenset[int]:
    match place:
        case Scalar(number, _, columns, loose):
            hidden = (
                *(scalar.field for _, scalar in columns),
                *([loose.field] if loose else []),
            )
            return frozenset({number, *hidden})
        case Instance():
            return frozenset().union(*map(_scalars, place.places))
        case _:
            return frozenset()
