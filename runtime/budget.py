"""How much of a trace is still to be written, by the completion policy.

The policy ends everything as early as it may. Its tokens are counted over the vocabulary of a
pack: fixed text as it is best cut into tokens, each byte of a value as a token of its own. For
a machine without a vocabulary every byte is a token.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.compiler.costs import Costs, measure
from rulec.compiler.derivations import farthest
from rulec.compiler.expressions import LONGEST as LONGEST_EXPRESSION
from rulec.compiler.machine import Machine
from rulec.compiler.numbers import LONGEST
from rulec.compiler.owed import Owed
from rulec.compiler.tables import LONGEST as LONGEST_NAME
from rulec.runtime import stack, typed
from rulec.runtime.numerals import Numeral, Run, endings, hits, meets
from rulec.runtime.programs import Name, Word
from rulec.runtime.stack import Stack
from rulec.runtime.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from rulec.compiler.machine import Field
    from rulec.compiler.ops import Phase
    from rulec.compiler.pack import Pack
    from rulec.runtime.reference import Config, Thread

HOPELESS = 1 << 60


class Budget:
    """What the traces of a machine cost; in bytes where no `costs` are given."""

    def __init__(self, machine: Machine, costs: Costs | None = None) -> None:
        self.machine = machine
        self.phases = phases(machine)
        costs = measure(machine) if costs is None else costs
        owed = Owed(machine)
        self._debts, self._first = owed.debts, owed.first
        self._states: list[int] = costs.states.tolist()
        self._each: list[int] = costs.each.tolist()
        self._promised: list[list[int]] = costs.promised.tolist()
        self._promise = int(costs.promise[0])
        self._names: dict[int, int] = {}
        promising = [table for table in machine.tables if table.owed >= 0]
        self._table = promising[0] if len(promising) == 1 else None
        self._words = {(node, word): left for node, word, left in costs.words.tolist()}
        self._within: dict[int, int] = {}
        for (node, _), left in self._words.items():
            self._within[node] = max(left, self._within.get(node, 0))
        self._ends = _ends(machine)
        self._strings = typed.distances(machine)
        self._typed = max((farthest(g, LONGEST_NAME) for g in machine.grammars), default=0)
        self.ceiling = max(map(self._most, range(len(machine.nodes))))
        if self._table is not None and costs.promised.any():
            self.ceiling = HOPELESS  # names can be promised without end

    @property
    def start(self) -> int:
        """What a whole trace costs at most, whatever the values of the request."""
        return self.at(self.machine.start, self.machine.initial)

    @classmethod
    def of(cls, pack: Pack) -> Budget:
        """What the traces of a pack cost in tokens."""
        return cls(pack.machine, pack.costs)

    def _most(self, number: int) -> int:
        """What no state of a node costs more than."""
        node, owed = self.machine.nodes[number], 0
        for debt in self._debts[number]:
            if debt.most is not None and debt.least + debt.held > debt.most:
                return HOPELESS
            owed += debt.least * (1 if debt.prose else self._each[debt.register])
        if node.lexical:
            owed += max(LONGEST, LONGEST_EXPRESSION, LONGEST_NAME, self._typed)
        states = self._states[self._first[number] : self._first[number + 1]]
        if node.cost is not None and min(states) < 0:
            return HOPELESS
        return max(states) + self._within.get(number, 0) + owed

    def cost(self, config: Config) -> int:
        """Tokens that complete the trace."""
        return min(map(self._thread, config.threads), default=HOPELESS)

    def _thread(self, thread: Thread) -> int:
        node, lex = thread.node, thread.lex
        if isinstance(lex, Word) and lex.allowed is not None:
            return self._word(thread, lex.field, lex.allowed)
        cost = self.at(node, thread.regs)
        if not self.machine.nodes[node].lexical:
            return cost
        if isinstance(lex, Typed):
            return cost + typed.rest(lex) + self._strings.get(node, 0)
        phase = self.phases.get(node, "")
        if isinstance(lex, Stack):
            return cost + stack.shortest(lex, phase)  # type: ignore[arg-type]
        if isinstance(lex, Name):
            return self._name(thread, lex)
        if isinstance(lex, Numeral):
            return cost + _numeral(self.machine.fields[lex.field], phase, lex)  # type: ignore[arg-type]
        return cost

    def _name(self, thread: Thread, lex: Name) -> int:
        """The rest of a name, the shortest that may stand there, or as long as it may be.

        A promised name that is begun is owed no more; a new one that is referred to is owed.
        """
        field = self.machine.fields[lex.field]
        most = field.longest - len(lex.text)
        rest = None if lex.known is None else lex.known.shortest(lex.text)
        table = self.machine.tables[field.table]
        if table.owed < 0 or not (field.kind == "def" or field.forward):
            found = most if lex.new or lex.known is None else HOPELESS
            return min(found, found if rest is None else rest) + self.at(
                thread.node, thread.regs
            )
        node, owed = self._behind(thread.node), int(thread.regs[table.owed])
        change = -1 if field.kind == "def" else 0
        costs = [HOPELESS]
        if rest is not None:
            costs.append(rest + self.at(node, thread.regs, owed + change))
        if lex.new or lex.known is None:
            costs.append(most + self.at(node, thread.regs, owed + change + 1))
        return min(costs)

    def _behind(self, node: int) -> int:
        """The node behind a name that is under way at another."""
        found = self._names.get(node)
        if found is None:
            queue = [node]
            for here in queue:  # grows while it is gone through
                spec = self.machine.nodes[here]
                for way in (*spec.exits, *spec.finals):
                    if any(isinstance(op, m.EndName) for op in way.ops):
                        found = self._names[node] = way.target
                        return found
                queue += [edge.target for edge in spec.edges if edge.target not in queue]
        return node if found is None else found

    def plain(self, node: int, start: int) -> bool:
        """Whether all that counts at a node is known already at the `start` of a token.

        A field under way counts bytes of its own, and what begins to owe wasn't there before.
        """
        known = {debt.register for debt in self._debts[start]}
        begun = any(debt.register not in known for debt in self._debts[node])
        if node in self._strings:  # all that comes is the rest of the same string
            return start in self._strings and not begun
        return not (begun or self.machine.nodes[node].lexical or node in self._within)

    def landed(self, node: int, thread: Thread) -> int:
        """What a reading costs at a node to which a plain way has led it."""
        cost = self.at(node, thread.regs)
        if node in self._strings and isinstance(thread.lex, Typed):
            cost += typed.rest(thread.lex) + self._strings[node]
        return cost

    def at(self, node: int, regs: Sequence[Any], names: int | None = None) -> int:
        """What a node costs, a field under way left aside.

        `names` is how many are promised (None: as many as the registers say).
        """
        state, owed = self._first[node], 0
        for debt in self._debts[node]:
            count = int(regs[debt.register])
            if debt.prose:
                if count - debt.held >= debt.least:
                    continue
                if debt.held and debt.most is not None and count + debt.gained > debt.most:
                    return HOPELESS  # neither this opener nor another character may stand here
                state += debt.bit
                owed += max(0, debt.least - count - debt.gained)
            elif count < debt.least:
                state += debt.bit
                owed += (debt.least - count - bool(debt.bit)) * self._each[debt.register]
        cost = self._states[state]
        return HOPELESS if cost < 0 else cost + owed + self._kept(state, regs, names)

    def _kept(self, state: int, regs: Sequence[Any], names: int | None) -> int:
        """What the promises cost that are still to be kept."""
        table = self._table
        if table is None:
            return 0
        first, asks = self._promised[state]
        owed = int(regs[table.owed]) if names is None else names
        if asks and not owed and names is None and not regs[table.begun]:
            owed = 1
        return first + (owed - 1) * self._promise if owed else 0

    def _word(self, thread: Thread, field: int, allowed: tuple[int, ...]) -> int:
        """The cheapest of the words that are allowed."""
        costs = [
            self._words[thread.node, word] + self.at(self._ends[field, word], thread.regs)
            for word in allowed
            if (thread.node, word) in self._words
        ]
        return min(costs, default=HOPELESS)


def _ends(machine: Machine) -> dict[tuple[int, int], int]:
    """Where each word of each field leads."""
    return {
        (op.field, op.word): way.target
        for node in machine.nodes
        for way in (*node.exits, *node.finals)
        for op in way.ops
        if isinstance(op, m.EndWord)
    }


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


def shortest(rules: Pack | Machine) -> int:
    """Tokens within which a trace is sure to fit, its end of sequence included.

    Of a machine without a vocabulary these are bytes, which are never fewer. Where even the
    shortest trace may not be completed, it is `HOPELESS`.
    """
    budget = Budget(rules) if isinstance(rules, Machine) else Budget.of(rules)
    return budget.start + 1
