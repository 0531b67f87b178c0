"""How much of a trace is still to be written, by the completion policy.

The policy ends everything as early as it may. Its length in bytes is an upper bound of its
tokens, since every byte it needs has a token of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.compiler.expressions import LONGEST as LONGEST_EXPRESSION
from rulec.compiler.numbers import LONGEST
from rulec.runtime import stack
from rulec.runtime.numerals import Numeral, Run, endings, hits, meets
from rulec.runtime.programs import Word
from rulec.runtime.stack import Stack

if TYPE_CHECKING:
    from rulec.compiler.machine import Field, Machine, Node
    from rulec.compiler.ops import Phase
    from rulec.runtime.reference import Config, Thread

HOPELESS = 1 << 60


class Budget:
    """What the traces of a machine cost."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.phases = phases(machine)
        self.ceiling = max(map(_most, machine.nodes))

    def cost(self, config: Config) -> int:
        """Bytes that complete the trace."""
        return min(map(self._thread, config.threads), default=HOPELESS)

    def _thread(self, thread: Thread) -> int:
        node = self.machine.nodes[thread.node]
        if node.cost is None:
            return HOPELESS
        cost = node.cost + self._field(thread)
        for part in node.pending:
            cost += max(0, part.least - int(thread.regs[part.register])) * part.each
        return cost

    def _field(self, thread: Thread) -> int:
        """What the field under way still takes."""
        lex = thread.lex
        phase = self.phases.get(thread.node, "")
        if isinstance(lex, Word) and lex.allowed is not None:
            return self._word(thread.node, lex.allowed)
        if not self.machine.nodes[thread.node].lexical:
            return 0
        if isinstance(lex, Stack):
            return stack.shortest(lex, phase)  # type: ignore[arg-type]
        if isinstance(lex, Numeral):
            return _numeral(self.machine.fields[lex.field], phase, lex)  # type: ignore[arg-type]
        return 0

    def _word(self, node: int, allowed: tuple[int, ...]) -> int:
        """Beyond the cheapest word, what an allowed one takes."""
        start = self.machine.nodes[node].cost or 0
        reached, depth = {node}, 0
        while reached:
            costs = [self._after(n, allowed) for n in reached]
            known = [cost for cost in costs if cost is not None]
            if known:
                return depth + min(known) - start
            reached = {
                edge.target
                for n in reached
                for edge in self.machine.nodes[n].edges
                if any(_leads(op, allowed) for op in edge.ops)
            }
            depth += 1
        return HOPELESS

    def _after(self, node: int, allowed: tuple[int, ...]) -> int | None:
        """The cost behind a word that may end here."""
        costs = [
            self.machine.nodes[way.target].cost
            for way in (*self.machine.nodes[node].exits, *self.machine.nodes[node].finals)
            if any(isinstance(op, m.EndWord) and op.word in allowed for op in way.ops)
        ]
        return min((cost for cost in costs if cost is not None), default=None)


def _leads(op: m.Op, allowed: tuple[int, ...]) -> bool:
    return isinstance(op, m.StepWord) and any(word in allowed for word in op.words)


def phases(machine: Machine) -> dict[int, str]:
    """How far a number or an expression has come at each of its nodes."""
    found: dict[int, str] = {}
    for node in machine.nodes:
        for edge in node.edges:
            for op in edge.ops:
                if isinstance(op, m.Step | m.StepExpr):
                    found[edge.target] = op.phase
        for way in node.exits:
            for op in way.ops:
                if isinstance(op, m.Begin):
                    kind = machine.fields[op.field].kind
                    found[way.target] = "operand" if kind == "expr" else "start"
    return found


def _most(node: Node) -> int:
    field = LONGEST_EXPRESSION + 2 * LONGEST if node.lexical else LONGEST_EXPRESSION
    return (node.cost or 0) + field + sum(part.least * part.each for part in node.pending)


def _numeral(field: Field, phase: Phase, numeral: Numeral) -> int:
    """The shortest rest of a number."""
    if field.kind == "fraction":
        return _fraction(phase, numeral)
    if numeral.allowed is None:
        return 1 if phase in ("start", "sign", "point") else 0
    if phase in ("start", "sign"):
        return _shortest(field, numeral, signed=phase == "sign")
    lengths = [
        to_come + _marks(phase, to_come, shown)
        for to_come, shown in endings(field, phase, numeral)
        if meets(numeral, to_come, numeral.allowed[shown - field.least])
    ]
    return min(lengths, default=HOPELESS)


def _marks(phase: Phase, to_come: int, shown: int) -> int:
    """Points and commas among the digits to come."""
    if phase in ("point", "frac"):
        return 0
    commas = 0
    if phase[0] == "g":
        whole = to_come - shown - (3 - int(phase[1]))
        commas = whole // 3
    return commas + (1 if shown else 0)


def _fraction(phase: Phase, numeral: Numeral) -> int:
    if numeral.top is not None:
        return 0 if numeral.mantissa else 1
    return 3 if phase in ("start", "sign") else 2


def _shortest(field: Field, numeral: Numeral, *, signed: bool) -> int:
    """The shortest text of an allowed number; behind a `signed` start the sign is written."""
    lengths = [
        _length(value, shown, signed=signed)
        for shown, members in enumerate(numeral.allowed or (), field.least)
        for run in members
        for value in _small(run)
        if (not signed or value < 0) and hits(members, value, value)
    ]
    return min(lengths, default=HOPELESS)


def _small(run: Run) -> tuple[int, ...]:
    """The members of a run that are shortest to write."""
    above = run.low if run.low >= 0 else run.low + -(run.low // run.step) * run.step
    return run.low, run.high, above, above - run.step


def _length(value: int, shown: int, *, signed: bool) -> int:
    digits = max(len(str(abs(value))), shown + 1)
    return digits + (1 if shown else 0) + (1 if value < 0 and not signed else 0)
