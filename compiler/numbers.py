"""The control of numeric fields: how numbers, fractions and dates are spelled."""

from __future__ import annotations

from dataclasses import dataclass

from rulec.compiler.graph import DIGITS, NONZERO, Graph
from rulec.compiler.ops import (
    Begin,
    EndDate,
    EndNumber,
    EndOperand,
    Phase,
    Program,
    Step,
    StepDate,
)

LONGEST = 24
"""Bytes of the longest number: 15 digits, a sign, a point and the groups' commas."""


@dataclass(frozen=True, slots=True)
class Spelling:
    """What a numeric type's text may have."""

    negative: bool
    fraction: bool
    grouped: bool
    leading: bool
    whole: bool


def number(
    graph: Graph, spelling: Spelling, begin: Begin, end: Program, target: int, longest: int
) -> int:
    """The nodes of a number that takes `longest` bytes at most; returns the node before it."""
    made = _Digits(graph, spelling, longest)
    return made.lay(begin, (EndNumber(begin.field), *end), target)


class _Digits:
    """Lays the nodes of one number."""

    def __init__(self, graph: Graph, spelling: Spelling, longest: int) -> None:
        self._graph = graph
        self._longest = longest
        self._spelling = spelling
        self._point = -1

    def lay(self, begin: Begin, end: Program, target: int) -> int:
        graph, spelling = self._graph, self._spelling
        start, zero = self._node(), self._node()
        if spelling.fraction:
            self._point = self._fraction(end, target)
        first = self._integer(end, target)
        self._begin(start, zero, first)
        if spelling.negative:
            sign = self._node()
            self._move(start, b"-", "minus", "sign", sign)
            self._begin(sign, zero, first)
        self._end(zero, end, target)
        before = graph.node(weight=self._longest)
        graph.exit(before, (begin,), start)
        return before

    def _node(self) -> int:
        return self._graph.node(free=True)

    def _move(self, source: int, values: bytes, move: str, phase: Phase, target: int) -> None:
        mask = sum(1 << value for value in values)
        self._graph.edge(source, mask, (Step(move, phase),), target)  # type: ignore[arg-type]

    def _begin(self, start: int, zero: int, first: int) -> None:
        self._move(start, b"0", "digit", "zero", zero)
        self._graph.edge(start, NONZERO, (Step("digit", "int"),), first)
        if self._spelling.leading:
            self._move(start, b".", "point", "point", self._point)

    def _end(self, node: int, end: Program, target: int) -> None:
        """After whole digits: the point may follow, or the number may be over."""
        if self._point >= 0:
            self._move(node, b".", "point", "point", self._point)
        if self._spelling.whole:
            self._graph.exit(node, end, target)

    def _fraction(self, end: Program, target: int) -> int:
        point, digits = self._node(), self._node()
        for node in (point, digits):
            self._graph.edge(node, DIGITS, (Step("digit", "frac"),), digits)
        self._graph.exit(digits, end, target)
        return point

    def _integer(self, end: Program, target: int) -> int:
        graph = self._graph
        rest = self._node()
        graph.edge(rest, DIGITS, (Step("digit", "int"),), rest)
        self._end(rest, end, target)
        if not self._spelling.grouped:
            return rest
        comma = self._groups(end, target)
        node = rest
        for _ in range(3):
            before = self._node()
            graph.edge(before, DIGITS, (Step("digit", "int"),), node)
            self._move(before, b",", "comma", "g0", comma)
            self._end(before, end, target)
            node = before
        return node

    def _groups(self, end: Program, target: int) -> int:
        """The node after a comma: three digits, and then perhaps the next comma."""
        comma, one, two, three = (self._node() for _ in range(4))
        phases: tuple[Phase, ...] = ("g1", "g2", "g3")
        steps = zip((comma, one, two), phases, (one, two, three), strict=True)
        for source, phase, reached in steps:
            self._graph.edge(source, DIGITS, (Step("digit", phase),), reached)
        self._move(three, b",", "comma", "g0", comma)
        self._end(three, end, target)
        return comma


def fraction(graph: Graph, field: int, end: Program, target: int) -> int:
    """The nodes of `int "/" int`; the denominator has no sign and is not zero."""
    below, start, sign, zero, above, bottom = (graph.node(free=True) for _ in range(6))
    digit = (Step("digit", "int"),)
    graph.edge(start, 1 << ord("-"), (Step("minus", "sign"),), sign)
    graph.edge(start, 1 << ord("0"), (Step("digit", "zero"),), zero)
    for node in (start, sign):
        graph.edge(node, NONZERO, digit, above)
    graph.edge(above, DIGITS, digit, above)
    for node in (zero, above):
        graph.edge(node, 1 << ord("/"), (EndOperand(),), below)
    graph.edge(below, NONZERO, digit, bottom)
    graph.edge(bottom, DIGITS, digit, bottom)
    graph.exit(bottom, (EndNumber(field), *end), target)
    before = graph.node(weight=2 * LONGEST)
    graph.exit(before, (Begin(field),), start)
    return before


def date(graph: Graph, begin: Begin, end: Program, target: int) -> int:
    """The nodes of `YYYY-MM-DD`."""
    node = graph.node()
    graph.exit(node, (EndDate(begin.field), *end), target)
    for position in reversed(range(10)):
        before = graph.node()
        values = 1 << ord("-") if position in (4, 7) else DIGITS
        graph.edge(before, values, (StepDate(position),), node)
        node = before
    entry = graph.node()
    graph.exit(entry, (begin,), node)
    return entry
