"""Control without registers: what a byte can lead to, and whether that is certain.

A *posture* is where a reading stands: its node, and the nodes of the watches under way. A
*stance* is a set of postures, each certain or only possible: certain ones are reached whatever
the registers hold, and what repeats owe is the same in them. Stances are numbered as they are
found; 0 is the empty one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from rulec.compiler import ops as m

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Edge, Machine
    from rulec.compiler.ops import Program

Subs: TypeAlias = tuple[tuple[int, frozenset[int]], ...]
"""Watches under way: the number of each, and the nodes where it may be."""


class Posture(NamedTuple):
    """Where a reading stands."""

    node: int
    subs: Subs = ()


Stance: TypeAlias = frozenset[tuple[Posture, bool]]

_ALWAYS = (
    m.Step,
    m.EndNumber,
    m.EndOperand,
    m.StepDate,
    m.StepWord,
    m.StepExpr,
    m.EndExpr,
    m.Letter,
    m.Enclosed,
    m.Enough,
    m.Guarded,
    m.EndName,
    m.StepTyped,
    m.EndTyped,
    m.Kept,
    m.CloseScope,
)


class Skeleton:
    """The control of a machine, followed without registers."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._owed = {owed.register for node in machine.nodes for owed in node.pending}
        self.stances: list[Stance] = [frozenset()]
        self.certain: list[bool] = [False]
        """Whether some reading of a stance is reached whatever the registers hold."""
        self._numbers: dict[Stance, int] = {frozenset(): 0}
        self._tables: dict[int, list[tuple[Edge, ...]]] = {}
        self._steps: dict[tuple[int, tuple[tuple[Edge, ...], ...]], int] = {}
        self._arrivals: dict[tuple[int, bool], tuple[tuple[int, bool, bool], ...]] = {}

    def begin(self) -> int:
        """The stance before the first byte."""
        reached = self._land(self.machine.start)
        return self._number(frozenset((Posture(node), sure) for node, sure in reached))

    def stance(self, posture: Posture) -> int:
        """The stance of one certain posture."""
        return self._number(frozenset({(posture, True)}))

    def _number(self, stance: Stance) -> int:
        number = self._numbers.get(stance)
        if number is None:
            number = self._numbers[stance] = len(self.stances)
            self.stances.append(stance)
            self.certain.append(any(sure for _, sure in stance))
        return number

    def step(self, number: int, byte: int) -> int:
        """The stance behind one more byte."""
        stance = self.stances[number]
        taken = tuple(
            self._edges(node)[byte] for posture, _ in stance for node in _nodes(posture)
        )
        started = tuple(
            self._edges(node)[byte]
            for edges in taken
            for edge in edges
            for watch in edge.starts
            for node, _, _ in self._arrive(self.machine.watches[watch].entry, True)
        )
        key = number, (*taken, *started)
        if key not in self._steps:
            self._steps[key] = self._number(frozenset(self._stepped(stance, byte)))
        return self._steps[key]

    def _edges(self, node: int) -> list[tuple[Edge, ...]]:
        table = self._tables.get(node)
        if table is None:
            table = self._tables[node] = [()] * 256
            for edge in self.machine.nodes[node].edges:
                for byte in range(256):
                    if edge.bytes >> byte & 1:
                        table[byte] = (*table[byte], edge)
        return table

    def _stepped(self, stance: Stance, byte: int) -> Iterator[tuple[Posture, bool]]:
        found: dict[Posture, bool] = {}
        for posture, certain in stance:
            for edge in self._edges(posture.node)[byte]:
                for after, sure in self._follow(posture, edge, byte):
                    found[after] = found.get(after, False) or (certain and sure)
        return iter(found.items())

    def _follow(
        self, posture: Posture, edge: Edge, byte: int
    ) -> Iterator[tuple[Posture, bool]]:
        if any(isinstance(op, m.Broken) for op in edge.ops):
            return
        sure = not self._may_die(edge.ops)
        if edge.watched:
            for after, known in self._watch(posture, edge, byte):
                yield after, sure and known
            return
        for node, known in self._land(edge.target):
            yield Posture(node), sure and known

    def _land(self, node: int) -> Iterator[tuple[int, bool]]:
        """Where a byte leads; a node behind which only the end may come waits too."""
        spec = self.machine.nodes[node]
        if spec.finals and not spec.edges:
            yield node, True
        for after, sure, _ in self._arrive(node, False):
            yield after, sure

    def _arrive(self, node: int, observer: bool) -> tuple[tuple[int, bool, bool], ...]:
        """The nodes behind the exits: (node, whether that is certain, whether past a cut)."""
        key = node, observer
        if key not in self._arrivals:
            self._arrivals[key] = tuple(self._exits(node, observer))
        return self._arrivals[key]

    def _exits(self, node: int, observer: bool) -> Iterator[tuple[int, bool, bool]]:
        spec = self.machine.nodes[node]
        if spec.edges:
            yield node, True, False
        for way in spec.exits:
            sure = not self._may_die(way.ops)
            cut = any(isinstance(op, m.Cut) for op in way.ops)
            for after, known, past in self._arrive(way.target, observer):
                yield after, sure and known, cut or past

    def _watch(self, posture: Posture, edge: Edge, byte: int) -> Iterator[tuple[Posture, bool]]:
        subs: list[tuple[int, frozenset[int]]] = []
        held = dict(posture.subs)
        captured: set[int] = set()
        for watch in sorted({*held, *edge.starts}):
            nodes = set(held.get(watch, ()))
            if watch in edge.starts:
                entry = self.machine.watches[watch].entry
                nodes |= {node for node, _, _ in self._arrive(entry, True)}
            reached = [found for node in nodes for found in self._observed(node, byte)]
            if any(past for _, past in reached):
                captured |= {node for node, _ in reached}
            elif reached:
                subs.append((watch, frozenset(node for node, _ in reached)))
        plain = Posture(edge.target, tuple(subs))
        yield plain, not captured
        for node in captured:
            yield Posture(node), False
        escape = self.machine.nodes[edge.target].escape
        if captured and escape is not None:
            yield Posture(escape), False

    def _observed(self, node: int, byte: int) -> Iterator[tuple[int, bool]]:
        for edge in self._edges(node)[byte]:
            for after, _, past in self._arrive(edge.target, True):
                yield after, past

    def _may_die(self, ops: Program) -> bool:
        return any(self.kills(op) for op in ops)

    def kills(self, op: m.Op) -> bool:
        """Whether an op may end a reading."""
        match op:
            case m.Count(register, most):
                return most is not None or register in self._owed
            case m.Begin(number):
                field = self.machine.fields[number]
                ruled = bool(field.rules) and field.kind in ("expr", "word")
                owing = field.kind == "def" and self.machine.tables[field.table].spoken >= 0
                named = field.kind in ("number", "date", "ref", "typed", "formula")
                return ruled or owing or named
            case m.TakeName(room, promised):
                return room != 0 or promised
            case m.Take(room):
                return room > 0
            case m.EndText(_, differs):
                return differs
            case m.EndWord(number):
                return bool(self.machine.fields[number].rules)
            case m.Check(rules):
                return any(self.machine.rules[rule].tier == "mask" for rule in rules)
            case _:
                return isinstance(op, _ALWAYS)


class FreeTexts(Skeleton):
    """The control where texts may be as those before them."""

    def kills(self, op: m.Op) -> bool:
        """Whether an op may end a reading."""
        return not isinstance(op, m.Take | m.EndText) and super().kills(op)


class FreeNames(Skeleton):
    """The control on the way to a name that may be any new one.

    What stands before the name is known to have gone well. No token is certain that ends it.
    """

    def kills(self, op: m.Op) -> bool:
        """Whether an op may end a reading."""
        match op:
            case m.Begin(number):
                field = self.machine.fields[number]
                new = field.kind == "def" or field.forward
                return not new and super().kills(op)
            case m.TakeName(room):
                return room < 0
            case m.Count() | m.Guarded():
                return False
            case _:
                return super().kills(op)


class TightNames(FreeNames):
    """The same where names may be taken, as far as there are not enough for that to matter."""

    def kills(self, op: m.Op) -> bool:
        """Whether an op may end a reading."""
        return op.room != 0 if isinstance(op, m.TakeName) else super().kills(op)


def _nodes(posture: Posture) -> Iterable[int]:
    yield posture.node
    for _, nodes in posture.subs:
        yield from sorted(nodes)
