"""The control of numeric expressions: which byte may follow which."""

from __future__ import annotations

from rulec.compiler.graph import DIGITS, NONZERO, Graph
from rulec.compiler.ops import Begin, EndExpr, ExprPhase, Part, Program, StepExpr

DEPTH = 4
"""Parentheses that may be open at once."""

LONGEST = 72
"""Bytes that completing an expression takes at most."""

_BLANK = 1 << ord(" ")


def expression(
    graph: Graph, begin: Begin, end: Program, target: int, longest: int, *, inner: bool = False
) -> int:
    """The nodes of an `expr` that takes `longest` bytes at most; returns the node before it.

    With `inner` it may end inside open parentheses and needs an operator where it ends.
    """
    levels = [_Level(graph) for _ in range(DEPTH + 1)]
    for depth, level in enumerate(levels):
        above = levels[depth + 1] if depth < DEPTH else None
        below = levels[depth - 1] if depth else None
        level.connect(above, below)
        if inner or depth == 0:
            level.end((EndExpr(begin.field, inner), *end), target)
    before = graph.node(weight=longest)
    graph.exit(before, (begin,), levels[0].operand)
    return before


class _Level:
    """The nodes at one depth of parentheses."""

    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        names = (
            "operand opened operator slash signed dollar zero int i2 i3 rest g0 g1 g2 g3 "
            "point frac closed blank times"
        )
        self._nodes = {name: graph.node(free=True) for name in names.split()}
        self.operand = self._nodes["operand"]

    def connect(self, above: _Level | None, below: _Level | None) -> None:
        self._operands(above)
        self._numbers()
        self._operators(below)

    def end(self, ops: Program, target: int) -> None:
        for name in ("zero", "int", "i2", "i3", "rest", "g3", "frac", "closed"):
            self._graph.exit(self._nodes[name], ops, target)

    def _step(self, source: str, mask: int, part: Part, phase: ExprPhase, target: str) -> None:
        ops = (StepExpr(part, phase),)
        self._graph.edge(self._nodes[source], mask, ops, self._nodes[target])

    def _operands(self, above: _Level | None) -> None:
        """What may stand where an operand is wanted."""
        for source in ("operand", "opened", "operator", "slash"):
            for sign, part in ((b"-", "minus"), (b"+", "blank")):
                self._step(source, 1 << sign[0], part, "operand", "signed")  # type: ignore[arg-type]
        for source in ("opened", "operator", "slash"):
            self._step(source, _BLANK, "blank", "operand", "operand")
        for source in ("operand", "opened", "operator", "slash", "signed"):
            self._step(source, 1 << ord("$"), "blank", "operand", "dollar")
            if above is not None:
                ops = (StepExpr("open", "operand"),)
                opened = above._nodes["opened"]  # noqa: SLF001
                self._graph.edge(self._nodes[source], 1 << ord("("), ops, opened)
        for source in ("operand", "opened", "operator", "slash", "signed", "dollar"):
            self._step(source, 1 << ord("0"), "digit", "zero", "zero")
            self._step(source, NONZERO, "digit", "int", "int")
            self._step(source, 1 << ord("."), "point", "point", "point")

    def _numbers(self) -> None:
        for source, target in (("int", "i2"), ("i2", "i3"), ("i3", "rest"), ("rest", "rest")):
            self._step(source, DIGITS, "digit", "int", target)
        for source in ("int", "i2", "i3", "g3"):
            self._step(source, 1 << ord(","), "comma", "g0", "g0")
        for source, phase in (("g0", "g1"), ("g1", "g2"), ("g2", "g3")):
            self._step(source, DIGITS, "digit", phase, phase)  # type: ignore[arg-type]
        for source in ("zero", "int", "i2", "i3", "rest", "g3"):
            self._step(source, 1 << ord("."), "point", "point", "point")
        for source in ("point", "frac"):
            self._step(source, DIGITS, "digit", "frac", "frac")

    def _operators(self, below: _Level | None) -> None:
        """What may follow an operand."""
        ended = ("zero", "int", "i2", "i3", "rest", "g3", "frac", "closed")
        for source in (*ended, "blank"):
            for value, part in ((b"+", "+"), (b"-", "-"), (b"*", "*")):
                self._step(source, 1 << value[0], part, "operand", "operator")  # type: ignore[arg-type]
            self._step(source, 1 << ord("/"), "/", "operand", "slash")
            self._step(source, 1 << 0xC3, "blank", "half", "times")
            if below is not None:
                ops = (StepExpr("close", "closed"),)
                closed = below._nodes["closed"]  # noqa: SLF001
                self._graph.edge(self._nodes[source], 1 << ord(")"), ops, closed)
        for source in ended:
            self._step(source, _BLANK, "blank", "blank", "blank")
        self._step("slash", 1 << ord("/"), "//", "operand", "operator")
        self._step("times", 1 << 0x97, "*", "operand", "operator")
        self._step("times", 1 << 0xB7, "/", "operand", "operator")
