"""The control of what is written over names: which byte may follow which."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.automata import regex_dfa
from rulec.compiler.derivations import DEPTH, longest
from rulec.compiler.graph import DIGITS, NONZERO, Graph, byte_set, leading
from rulec.compiler.ops import Begin, EndTyped, Program, StepTyped
from rulec.compiler.tables import LONGEST
from rulec.dsl.regex import parse_regex

if TYPE_CHECKING:
    from rulec.compiler.automata import Dfa
    from rulec.compiler.machine import Grammar
    from rulec.compiler.ops import Piece

LETTERS = byte_set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_WORD = LETTERS | DIGITS
_BLANK = 1 << ord(" ")
_NOT = "not"


@cache
def _string() -> Dfa:
    """A string behind its first quote, as Python, JSON and others read it."""
    return regex_dfa(parse_regex(r'(?:[^"\\\x00-\x1f\x7f]|\\["\\nrt])*"'))


class Ends(NamedTuple):
    """Where the trace goes on: behind a number, and behind anything else."""

    number: int
    other: int


def typed(
    graph: Graph, grammar: Grammar, begin: Begin, end: Program, ends: Ends, *, steered: bool
) -> int:
    """The nodes of what is written over names; returns the node before it."""
    levels = [_Level(graph, grammar) for _ in range(DEPTH + 1)]
    for depth, level in enumerate(levels):
        above = levels[depth + 1] if depth < DEPTH else None
        level.connect(above, levels[depth - 1] if depth else None)
    levels[0].end((EndTyped(begin.field), *end), ends)
    before = graph.node(weight=longest(grammar, LONGEST, every=steered))
    graph.exit(before, (begin,), levels[0].operand)
    return before


class _Level:
    """The nodes at one depth of parentheses."""

    def __init__(self, graph: Graph, grammar: Grammar) -> None:
        self._graph = graph
        self._grammar = grammar
        infix = {one.op for one in grammar.signatures if one.left >= 0}
        self._prefix = {one.op for one in grammar.signatures if one.left < 0}
        self._signs = sorted(op for op in infix if not op.isalpha())
        self._words = sorted(op for op in infix if op.isalpha())
        names = ["operand", "word", "zero", "int", "point", "frac", "closed", "blank"]
        names += [_NOT[:length] for length in (1, 2, 3) if _NOT in self._prefix]
        names += sorted({f"sign {op[:n]}" for op in self._signs for n in range(1, len(op) + 1)})
        names += sorted(
            {f"letter {op[:n]}" for op in self._words for n in range(1, len(op) + 1)}
        )
        self._nodes = {name: graph.node(free=True) for name in names}
        self.operand, self.closed = self._nodes["operand"], self._nodes["closed"]
        self._string = self._quoted() if grammar.text >= 0 else -1

    def connect(self, above: _Level | None, below: _Level | None) -> None:
        """Lay the edges between the nodes, and to those of other depths."""
        for source in ("operand", *(f"sign {op}" for op in self._signs)):
            self._operand(source, above)
        for op in self._signs:
            self._step(f"sign {op}", _BLANK, "blank", "operand")
        self._word()
        self._number()
        for source in self._ended():
            self._operators(source)
            self._step(source, _BLANK, "blank", "blank")
            if below is not None:
                self._edge(source, 1 << ord(")"), "close", below.closed)
        self._operators("blank")
        self._spelled()

    def end(self, ops: Program, ends: Ends) -> None:
        """Lay the ways out."""
        for name in self._ended():
            number = name in ("zero", "int", "frac")
            self._graph.exit(self._nodes[name], ops, ends.number if number else ends.other)

    def _ended(self) -> tuple[str, ...]:
        """Where an operand may be complete."""
        begun = [_NOT[:length] for length in (1, 2) if _NOT in self._prefix]
        return ("word", *begun, "zero", "int", "frac", "closed")

    def _step(self, source: str, mask: int, piece: Piece, target: str) -> None:
        self._edge(source, mask, piece, self._nodes[target])

    def _edge(self, source: str, mask: int, piece: Piece, target: int) -> None:
        if mask:
            self._graph.edge(self._nodes[source], mask, (StepTyped(piece),), target)

    def _operand(self, source: str, above: _Level | None) -> None:
        """What may stand where an operand is wanted."""
        begun = 1 << ord("n") if _NOT in self._prefix else 0
        self._step(source, LETTERS & ~begun, "word", "word")
        if begun:
            self._step(source, begun, "word", "n")
        if self._grammar.whole >= 0 or self._grammar.fraction >= 0:
            self._step(source, 1 << ord("0"), "digit", "zero")
            self._step(source, NONZERO, "digit", "int")
        if self._grammar.fraction >= 0:
            self._step(source, 1 << ord("."), "point", "point")
        if self._string >= 0:
            self._edge(source, 1 << ord('"'), "quote", self._string)
        if "-" in self._prefix:
            self._step(source, 1 << ord("-"), "prefix", "operand")
        if above is not None:
            self._edge(source, 1 << ord("("), "open", above.operand)

    def _word(self) -> None:
        self._step("word", _WORD, "word", "word")
        if _NOT not in self._prefix:
            return
        for source, going in (("n", "o"), ("no", "t")):
            self._step(source, 1 << ord(going), "word", source + going)
            self._step(source, _WORD & ~(1 << ord(going)), "word", "word")
        self._step(_NOT, _WORD, "word", "word")
        self._step(_NOT, _BLANK, "prefix", "operand")

    def _number(self) -> None:
        self._step("int", DIGITS, "digit", "int")
        if self._grammar.fraction >= 0:
            for source in ("zero", "int"):
                self._step(source, 1 << ord("."), "point", "point")
        for source in ("point", "frac"):
            self._step(source, DIGITS, "digit", "frac")

    def _quoted(self) -> int:
        """The nodes of a string: it counts its own bytes, and nothing depends on them."""
        dfa = _string()
        nodes = [self._graph.node(free=True) for _ in dfa.transitions]
        for node, row in zip(nodes, dfa.transitions, strict=True):
            for state, values in leading(row).items():
                if state in dfa.accepting:
                    self._graph.edge(node, values, (StepTyped("unquote"),), self.closed)
                else:
                    self._graph.edge(node, values, (), nodes[state])
        return nodes[0]

    def _operators(self, source: str) -> None:
        """The beginnings of what may follow an operand."""
        for first in sorted({op[0] for op in self._signs}):
            self._step(source, 1 << ord(first), "sign", f"sign {first}")
        if source == "blank":
            for first in sorted({op[0] for op in self._words}):
                self._step(source, 1 << ord(first), "letter", f"letter {first}")

    def _spelled(self) -> None:
        """The rest of operators that are longer than a byte."""
        for piece, ops in (("sign", self._signs), ("letter", self._words)):
            steps = {(op[:n], op[n]) for op in ops for n in range(1, len(op))}
            for begun, byte in sorted(steps):
                target = f"{piece} {begun}{byte}"
                self._step(f"{piece} {begun}", 1 << ord(byte), piece, target)  # type: ignore[arg-type]
        for op in self._words:
            self._step(f"letter {op}", _BLANK, "letter", "operand")
