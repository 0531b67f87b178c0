"""Traces that keep some rules and break others."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler import domains, regions, terms
from rulec.compiler.filling import Filled, Frame, Impossible, Unknown, Variable
from rulec.compiler.opaque import opaque
from rulec.compiler.outcomes import fails, holds
from rulec.compiler.supply import columns_of, supplies
from rulec.compiler.symbolic import FALSE, some
from rulec.compiler.trees import Forest
from rulec.compiler.unroll import TooLong, unroll
from rulec.compiler.writing import Unwritable, Writer, plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from rulec.compiler.machine import Column, Parameter
    from rulec.compiler.places import Instance
    from rulec.compiler.plan import Plan
    from rulec.compiler.supply import Keys
    from rulec.compiler.terms import Exact, Term
    from rulec.compiler.trees import Tree
    from rulec.compiler.unroll import Unrolled

MOST_TREES = 96
"""Trees of a trace that are looked at."""

MOST_WORK = 16_000
"""Parts of terms that are asked about, over all trees."""

MOST_UNKNOWN = 6
"""Questions without an answer after which no more are asked."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A trace, and the values of its request that are not the defaults."""

    text: bytes
    inputs: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class NoTrace:
    """No trace was found; where it is `proven` there is none."""

    proven: bool


@dataclass(frozen=True, slots=True)
class Undecided:
    """Not every question had an answer."""

    reason: str


Found: TypeAlias = Trace | NoTrace | Undecided


def frame_of(plan: Plan, unrolled: Unrolled) -> Frame:
    """The variables of a trace that has been laid out."""
    return Frame((*_parameters(plan, unrolled), *_fields(plan, unrolled)))


def _parameters(plan: Plan, unrolled: Unrolled) -> Iterator[Variable]:
    for name, number in unrolled.parameters.items():
        parameter = plan.layout.parameters[name]
        domain = domains.of_parameter(parameter)
        yield Variable(number, domain, default=parameter.default, parameter=True)

    for table, rows in unrolled.rows.items():
        columns = list(columns_of(plan.layout.tables[table].table))
        for numbers in rows.values():
            for number, (_, domain) in zip(numbers, columns, strict=True):
                yield Variable(number, domain, parameter=True)


def _fields(plan: Plan, unrolled: Unrolled) -> Iterator[Variable]:
    for gap in unrolled.gaps:
        if plan.fields[gap.field].kind == "ref":
            yield Variable(gap.value, domains.Domain("word", words=gap.names), parameter=True)
        elif not gap.broken:
            yield Variable(gap.value, domains.of_field(plan, gap.field), gap.digits)


def inputs_of(plan: Plan, unrolled: Unrolled, values: Mapping[int, Exact]) -> dict[str, object]:
    """What a request must give: the parameters that are not what they are by default."""
    found: dict[str, object] = {}
    for name, number in unrolled.parameters.items():
        parameter = plan.layout.parameters[name]
        value = values.get(number)
        if value is not None and value != parameter.default:
            found[name] = as_given(parameter, value)
    return found | dict(tables_given(plan, unrolled, values))


def tables_given(
    plan: Plan, unrolled: Unrolled, values: Mapping[int, Exact]
) -> Iterator[tuple[str, list[dict[str, object]]]]:
    """The tables that a request must give. Raises `Unwritable`."""
    for name, rows in unrolled.rows.items():
        table = plan.layout.tables[name].table
        made: list[dict[str, object]] = []
        for key, numbers in rows.items():
            row: dict[str, object] = {table.key: key} if table.key else {}
            for number, column in zip(numbers, table.columns, strict=True):
                if number not in values:
                    raise Unwritable
                row[column.name] = as_given(column, values[number])
            made.append(row)
        yield name, made


def as_given(parameter: Parameter | Column, value: Exact) -> object:
    """A parameter's value as a request gives it."""
    if parameter.kind == "date" and isinstance(value, Fraction):
        return date.fromordinal(int(value)).isoformat()
    if isinstance(value, Fraction):
        for unit in parameter.units:
            number = value / unit.factor
            if regions.contains(unit.written, number):
                return f"{plain(number)} {unit.word}"
    return value


class Witnesses:
    """Looks for traces of one plan; `prose` is what stands in fields of prose, by number."""

    def __init__(
        self, plan: Plan, most: int = MOST_TREES, prose: Mapping[int, str] | None = None
    ) -> None:
        self._plan = plan
        self._most = most
        self._writer = Writer(plan, prose)

    def find(
        self,
        holds: Iterable[int],
        fails: Iterable[int] = (),
        confirm: Callable[[Trace], bool] | None = None,
    ) -> Found:
        """A trace that keeps all rules in `holds` and breaks each of those in `fails`.

        Rules are indices of the plan's, and stand for the rule of the file in every place that
        it has: it holds in all of them, or is broken in some. A vacuous rule holds. A trace
        that `confirm` refuses is passed over; without it, what only values tell is undecided.
        """
        kept, broken = self._sources(holds), [self._sources((rule,)) for rule in fails]
        search = _Search(self._plan, self._writer, kept, broken, confirm is not None)
        asked = kept.union(*broken)
        forest = Forest(self._plan, shaky(self._plan, asked), watched(self._plan, asked))
        trees, complete = forest.trees(self._most)
        refused = False
        for tree in trees:
            if len(search.unknown) >= MOST_UNKNOWN or search.work > MOST_WORK:
                search.sure = False
                break
            for trace in search.filled(tree):
                if confirm is None or confirm(trace):
                    return trace
                refused = True
        if search.unknown:
            return Undecided(search.unknown[0])
        # What a table has is known with the request only.
        tables = bool(self._plan.layout.tables)
        return NoTrace(complete and search.sure and not refused and not tables)

    def _sources(self, rules: Iterable[int]) -> frozenset[int]:
        """All places of the rules."""
        sources = [self._plan.sources[rule] for rule in rules]
        return frozenset(
            number
            for number, source in enumerate(self._plan.sources)
            if any(source is other for other in sources)
        )


def weight(asked: Iterable[Term]) -> int:
    """How many parts terms have."""
    return sum(1 + weight(terms.parts(term)) for term in asked)


def shaky(plan: Plan, rules: frozenset[int]) -> frozenset[int]:
    """The expressions that rules read: it matters to those whether they have a value."""
    return frozenset(
        number
        for number, spec in enumerate(plan.fields)
        if spec.kind == "expr" and rules.intersection(spec.rules)
    )


def watched(
    plan: Plan, rules: frozenset[int], fields: Iterable[int] = ()
) -> frozenset[tuple[int, int]]:
    """The watches that hold some rules or fields, by the prose and their place beside it."""
    registers = {plan.fields[number].register for number in fields}
    return frozenset(
        (prose, number)
        for prose, watches in plan.layout.watching.items()
        for number, (_, instance) in enumerate(watches)
        if rules.intersection(rules_within(plan, instance))
        or registers.intersection(range(instance.first, instance.end))
    )


def rules_within(plan: Plan, place: Instance) -> Iterator[int]:
    """The rules of a place and of all shapes in it."""
    for inner in plan.layout.instances:
        if place.first <= inner.first and inner.end <= place.end:
            yield from inner.rules


class _Search:
    """One question, asked of tree after tree."""

    def __init__(
        self,
        plan: Plan,
        writer: Writer,
        kept: frozenset[int],
        broken: list[frozenset[int]],
        confirmed: bool,
    ) -> None:
        self._plan = plan
        self._writer = writer
        self._kept = kept
        self._broken = broken
        self._confirmed = confirmed
        self.sure = True
        self.work = 0
        self.unknown: list[str] = []

    def filled(self, tree: Tree) -> Iterator[Trace]:
        """Traces of this tree, with different numbers of rows."""
        for keys in supplies((self._plan,)):
            yield from self._supplied(tree, keys)

    def _supplied(self, tree: Tree, keys: Keys) -> Iterator[Trace]:
        """The trace of this tree with rows of such keys, if there is one."""
        try:
            unrolled = unroll(self._plan, tree, keys=keys)
        except TooLong:
            self.sure = False
            return
        if unrolled.equations > max(1, len(self._broken)):
            return
        asked = self._asked(unrolled)
        if FALSE in asked:
            return
        if not self._confirmed and any(map(opaque, asked)):
            self.unknown.append("what a rule says of lists or functions only values tell")
            return
        self.work += weight(asked)
        self.sure = self.sure and not unrolled.doubtful
        answer = frame_of(self._plan, unrolled).fill(asked)
        match answer:
            case Unknown(reason):
                self.unknown.append(reason)
            case Impossible(sure):
                self.sure = self.sure and sure
            case Filled(values):
                yield from self._written(unrolled, values)

    def _asked(self, unrolled: Unrolled) -> list[Term]:
        kept = [holds(claim.held) for claim in unrolled.claims if claim.rule in self._kept]
        broken = [
            some([fails(claim.held) for claim in unrolled.claims if claim.rule in places])
            for places in self._broken
        ]
        return [*kept, *broken]

    def _written(self, unrolled: Unrolled, values: Mapping[int, Exact]) -> Iterator[Trace]:
        try:
            text = self._writer.write(unrolled.pieces, values)
            inputs = inputs_of(self._plan, unrolled, values)
        except Unwritable:
            self.sure = False
            return
        yield Trace(text, inputs)
