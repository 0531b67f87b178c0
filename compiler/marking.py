"""The same control with marks: where in the author's text a reading stands.

A machine merges what no text tells apart, and so forgets which element of which shape its
nodes come from. A marked machine lays the same control once more and says on its way where
each element begins and ends. It is for explaining and counting; packs hold no marks.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, TypeAlias, cast

from rulec.compiler.build import Builder
from rulec.compiler.graph import Draft, Graph
from rulec.compiler.nesting import deep_calls
from rulec.compiler.readings import prefer_prose
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.entries import Entry
    from rulec.compiler.machine import Machine
    from rulec.compiler.ops import Program
    from rulec.compiler.plan import Plan
    from rulec.compiler.stages import Built
    from rulec.compiler.tiers import Assignment
    from rulec.dsl.source import Span

Kind: TypeAlias = Literal[
    "choice", "branch", "optional", "some", "repeat", "item", "field", "text", "pattern"
]


@dataclass(frozen=True, slots=True)
class Enter:
    """An element begins."""

    part: int


@dataclass(frozen=True, slots=True)
class Leave:
    """An element has been written to its end."""

    part: int


@dataclass(frozen=True, slots=True)
class Passed:
    """A literal text of `size` bytes has just been written."""

    size: int


@dataclass(frozen=True, slots=True)
class Part:
    """One element of the author's text.

    A `branch`, the `some` of an optional and the `item` of a repeat are roles: an element that
    has one is a part of its own besides. `outer` is the part around it in the same shape, -1
    for none.
    """

    kind: Kind
    shape: str
    element: checked.Element
    outer: int

    @property
    def span(self) -> Span:
        """Where it stands."""
        return self.element.span


@dataclass(frozen=True, slots=True)
class Marked:
    """A marked machine, what it is made from, and the parts that its marks speak of."""

    machine: Machine
    plan: Plan
    assigned: Assignment
    parts: tuple[Part, ...]

    @property
    def sources(self) -> tuple[checked.Rule, ...]:
        """The rules as they are written, in the machine's order."""
        return self.plan.sources


def mark(built: Built) -> Marked:
    """Lay the control of a ruleset once more, with marks.

    Expects what was built without an error. Guarantees that every text has the same readings,
    with the same values in all registers that rules know of.
    """
    machine, plan, assigned = built.machine, built.plan, built.assigned
    if machine is None or plan is None or assigned is None:
        raise ValueError("a ruleset with errors has no machine to mark")
    parts = tuple(_parts(plan.ruleset))
    layout = replace(plan.layout, initial=list(plan.layout.initial))
    plan = replace(plan, layout=layout)
    marker = Marker(plan, assigned, graph=_Roomy(), numbers=_by_element(parts))
    with deep_calls():
        start = marker.trace(plan.root)
    prefer_prose(marker.graph, marker.proses)
    marked = replace(
        machine,
        nodes=marker.graph.finish(),
        start=start,
        initial=tuple(plan.layout.initial),
        labels=tuple(marker.labels),
        watches=tuple(marker.watches),
    )
    return Marked(marked, plan, assigned, parts)


class _Roomy(Graph):
    """A graph without a limit: the ruleset has been built within it, and marks add to it."""

    def node(self, *, free: bool = False, weight: int = 0) -> int:
        self.drafts.append(Draft(pending=self.pending, free=free, weight=weight))
        return len(self.drafts) - 1


@dataclass
class Marker(Builder):
    """Lays the control of a plan, with a mark where each element begins and ends."""

    numbers: dict[int, tuple[int, ...]] = field(default_factory=dict)
    _chains: dict[int, tuple[Entry, Program, Entry]] = field(default_factory=dict)

    def _left(self, element: checked.Element, then: Entry) -> Entry:
        for number in self.numbers.get(id(element), ()):
            then = self._marked(Leave(number), then)
        return then

    def _entered(self, element: checked.Element, entry: Entry) -> Entry:
        for number in reversed(self.numbers.get(id(element), ())):
            entry = self._marked(Enter(number), entry)
        return entry

    def _literal(self, text: str, then: Entry) -> Entry:
        return super()._literal(text, self._marked(Passed(len(text.encode())), then))

    def _marked(self, mark: Enter | Leave | Passed, then: Entry) -> Entry:
        """The marks in a row share one node, so that they don't nest calls."""
        _, ops, behind = self._chains.get(id(then), (then, (), then))
        # Marks are no ops: only the engine that reads them runs these programs.
        ops = cast("Program", (mark, *ops))
        entry = self._through(ops, behind)
        self._chains[id(entry)] = entry, ops, behind
        return entry


# --- parts ---


def _by_element(parts: tuple[Part, ...]) -> dict[int, tuple[int, ...]]:
    """The parts that one element is, its role first."""
    found: defaultdict[int, tuple[int, ...]] = defaultdict(tuple)
    for number, part in enumerate(parts):
        found[id(part.element)] += (number,)
    return found


def _parts(ruleset: checked.Ruleset) -> Iterator[Part]:
    lister = _Lister([])
    for shape in ruleset.shapes.values():
        lister.add(shape.body, shape.name, -1)
    for watch in ruleset.watches:
        lister.add(watch.shape.body, watch.shape.name, -1)
    lister.add(ruleset.trace, "", -1)
    return iter(lister.parts)


@dataclass(frozen=True, slots=True)
class _Lister:
    """Numbers the elements of a ruleset in the order of its text."""

    parts: list[Part]

    def add(self, element: checked.Element, shape: str, outer: int) -> None:
        match element:
            case checked.Sequence(inner):
                for part in inner:
                    self.add(part, shape, outer)
            case checked.Choice(options):
                here = self._note("choice", shape, element, outer)
                for option in options:
                    self._role("branch", option, shape, here)
            case checked.Optional(body):
                here = self._note("optional", shape, element, outer)
                self._role("some", body, shape, here)
            case checked.Repeat(body):
                here = self._note("repeat", shape, element, outer)
                self._role("item", body, shape, here)
            case checked.Slot():
                self._note("field", shape, element, outer)
            case checked.Literal():
                self._note("text", shape, element, outer)
            case checked.Pattern():
                self._note("pattern", shape, element, outer)
            case checked.Cut():
                pass

    def _role(self, kind: Kind, element: checked.Element, shape: str, outer: int) -> None:
        self.add(element, shape, self._note(kind, shape, element, outer))

    def _note(self, kind: Kind, shape: str, element: checked.Element, outer: int) -> int:
        self.parts.append(Part(kind, shape, element, outer))
        return len(self.parts) - 1
