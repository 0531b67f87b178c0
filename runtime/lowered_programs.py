"""Programs of the byte machine as tables for the device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.kernels import encoding as e
from rulec.runtime.lowered_registers import HostOnly
from rulec.runtime.lowered_tables import NOWHERE, Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Field, Machine
    from rulec.runtime.allowed import Rules
    from rulec.runtime.lowered_guards import Guards
    from rulec.runtime.lowered_registers import Registers
    from rulec.runtime.lowered_tables import Tables

MOST_WORDS = 60

PHASES = {
    "start": e.START, "sign": e.SIGN, "zero": e.ZERO, "int": e.INT,
    "g0": e.GROUP, "g1": e.GROUP + 1, "g2": e.GROUP + 2, "g3": e.GROUP + 3,
    "point": e.POINT, "frac": e.FRAC,
}  # fmt: skip
MOVES = {"digit": e.MOVE_DIGIT, "minus": e.MOVE_MINUS}
EXPR_PHASES = {
    "operand": e.OPERAND, "zero": e.X_ZERO, "int": e.X_INT,
    "g0": e.X_GROUP, "g1": e.X_GROUP + 1, "g2": e.X_GROUP + 2, "g3": e.X_GROUP + 3,
    "point": e.X_POINT, "frac": e.X_FRAC, "closed": e.X_CLOSED, "blank": e.X_BLANK,
    "half": e.X_HALF,
}  # fmt: skip
PARTS = {
    "digit": e.PART_DIGIT, "point": e.PART_POINT, "comma": e.PART_COMMA,
    "minus": e.PART_MINUS, "open": e.PART_OPEN, "close": e.PART_CLOSE, "blank": e.PART_BLANK,
    "+": e.PLUS, "-": e.MINUS, "*": e.TIMES, "/": e.OVER, "//": e.FLOOR,
}  # fmt: skip

_NAMES = (m.TakeName, m.EndName, m.Define, m.Link)
_SILENT = (m.ListClose, m.Check, m.Owe)
"""What only verdicts ask for: rules that masks keep are kept by guards."""


class Programs:
    """The programs of a machine, laid out in tables."""

    def __init__(
        self, machine: Machine, rules: Rules, registers: Registers, guards: Guards
    ) -> None:
        self.machine = machine
        self.rules = rules
        self.registers = registers
        self.guards = guards
        self.tables: Tables = guards.tables
        self._fields: dict[int, Address] = {}

    def program(self, ops: Iterable[m.Op]) -> Address:
        """Where a program stands."""
        words: list[int] = []
        for op in ops:
            for made in self._op(op):
                words += (*made, *[0] * (e.OPERATION - len(made)))
        return self.tables.add([*words, *[e.STOP] * e.OPERATION])

    def field(self, number: int) -> Address:
        """Where a field stands."""
        known = self._fields.get(number)
        if known is None:
            spec = self.machine.fields[number]
            word = self.registers.word
            known = self._fields[number] = self.tables.add(
                (
                    spec.least,
                    spec.most,
                    self.guards.free(spec),
                    word("value", spec.register),
                    word("value", spec.digits),
                    word("present", spec.register),
                )
            )
        return known

    def field_of(self, spec: Field) -> int:
        """Where a field stands; 0 for one that is no number."""
        numeric = spec.kind in ("number", "date", "fraction")
        return self.field(self.machine.fields.index(spec)) if numeric else 0

    def _op(self, op: m.Op) -> Iterator[tuple[int, ...]]:
        if isinstance(op, _NAMES):
            raise HostOnly("names are kept by the host")
        if not isinstance(op, _SILENT):
            yield from self._counted(op)

    def _counted(self, op: m.Op) -> Iterator[tuple[int, ...]]:
        """What counts and sets registers."""
        word = self.registers.word
        match op:
            case m.Reset(registers):
                yield from self._reset(registers)
            case m.Absent(registers):
                yield from self._absent(registers)
            case m.Count(register, most):
                yield e.COUNT, word("value", register), -1 if most is None else most
            case m.Enough(register, least):
                yield e.ENOUGH, word("value", register), least, 0
            case m.Letter(register, most, begins, pending):
                limit = -1 if most is None else most + pending
                yield e.LETTER, word("value", register), limit, int(begins)
            case m.Enclosed(register, least, pending):
                yield e.ENOUGH, word("value", register), least, pending
            case m.ItemOpen(list_):
                yield from self._opened(list_)
            case m.ItemClose(list_):
                yield from self._gathered(list_)
            case m.Guarded(guard):
                yield e.GUARDED, self.guards.condition(guard)
            case _:
                yield from self._number(op)

    def _number(self, op: m.Op) -> Iterator[tuple[int, ...]]:
        """What belongs to a number or a date; how a watch goes on."""
        match op:
            case m.Begin(number, guard):
                yield self._begin(number, guard)
            case m.Step(move, phase):
                yield e.STEP, MOVES.get(move, e.MOVE_OTHER), PHASES[phase]
            case m.EndNumber(number):
                yield e.END_NUMBER, self.field(number)
            case m.EndOperand():
                yield (e.END_OPERAND,)
            case m.StepDate(position):
                if position not in (4, 7):
                    yield (e.STEP_DATE,)
            case m.EndDate(number):
                yield e.END_DATE, self.field(number)
            case m.Cut():
                yield (e.CUT,)
            case m.Broken():
                yield (e.DIE,)
            case _:
                yield from self._spelled(op)

    def _spelled(self, op: m.Op) -> Iterator[tuple[int, ...]]:
        """What belongs to a word, a text or an expression."""
        word, fields = self.registers.word, self.machine.fields
        match op:
            case m.StepWord(words):
                yield e.STEP_WORD, sum(1 << place for place in words)
            case m.EndWord(number, place):
                register = fields[number].register
                yield e.END_WORD, place, word("value", register), word("present", register)
            case m.Take(room):
                yield e.TAKE, room
            case m.EndText(number, differs):
                register = fields[number].register
                there = word("present", register)
                yield e.END_TEXT, word("text", register), int(differs), there
            case m.StepExpr(part, phase):
                yield e.STEP_EXPRESSION, PARTS[part], EXPR_PHASES[phase]
            case m.EndExpr(number, inner):
                register = fields[number].register
                yield e.END_EXPRESSION, word("dense", register), int(inner)
                if there := word("present", register):
                    yield e.SET, self.tables.listed_pairs(((there, 1),))
            case _:
                raise HostOnly(f"{type(op).__name__} is kept by the host")

    # --- registers ---

    def _reset(self, registers: Iterable[int]) -> Iterator[tuple[int, ...]]:
        pairs = [pair for r in registers for pair in self.registers.initial(r)]
        if pairs:
            yield e.SET, self.tables.listed_pairs(pairs)

    def _absent(self, registers: Iterable[int]) -> Iterator[tuple[int, ...]]:
        word = self.registers.word
        pairs = []
        for register in registers:
            pairs += [(word(kind, register), 0) for kind in ("value", "present", "list")]
            if dense := word("dense", register):
                pairs += [(dense, e.UNDEFINED), (dense + 1, 0), (dense + 2, 1)]
        pairs = [(place, held) for place, held in pairs if place]
        if pairs:
            yield e.SET, self.tables.listed_pairs(pairs)

    def _opened(self, list_: int) -> Iterator[tuple[int, ...]]:
        spec = self.machine.lists[list_]
        yield from self._reset(spec.registers)
        if count := self.registers.word("value", spec.count):
            yield e.COUNT, count, -1

    def _gathered(self, list_: int) -> Iterator[tuple[int, ...]]:
        """The folds of a list take an item in."""
        word = self.registers.word
        for number in self.machine.lists[list_].folds:
            fold = self.registers.folds.get(number)
            if fold is None:
                continue
            texts = fold.kind == e.FOLD_TEXTS
            (name, *_) = fold.body.variables or (0,)
            source = word("text", name) if texts else self.guards.body(fold.body)
            if len(fold.there) > 1:
                raise HostOnly("a list folds several optional fields")
            yield (
                e.GATHER,
                self.tables.add(
                    (
                        fold.kind,
                        word("list" if texts else "value", fold.register),
                        word("present", fold.register),
                        source,
                        word("present", fold.there[0]) if fold.there else 0,
                    )
                ),
            )

    # --- fields ---

    def _begin(self, number: int, guard: int) -> tuple[int, ...]:
        spec = self.machine.fields[number]
        match spec.kind:
            case "number" | "date":
                own = self.guards.numbers(guard, spec)
                return e.BEGIN_NUMBER, self.field(number), own, 0
            case "fraction":
                return e.BEGIN_NUMBER, self.field(number), NOWHERE, 1
            case "word":
                if len(spec.words) > MOST_WORDS:
                    raise HostOnly(f"more than {MOST_WORDS} words are kept by the host")
                own = self.guards.words(guard, spec) if spec.rules else NOWHERE
                return e.BEGIN_WORD, own, len(spec.words)
            case "expr":
                return self._begin_expression(spec, guard)
            case "text" | "prose":
                return self._begin_text(spec, guard)
            case _:
                raise HostOnly("names are kept by the host")

    def _begin_expression(self, spec: Field, guard: int) -> tuple[int, ...]:
        if not spec.rules:
            return e.BEGIN_EXPRESSION, 0, NOWHERE, 0
        beside = (self.machine.rules[n] for n in self.rules.beside(spec))
        needed = any(rule.tier == "mask" for rule in beside)
        return e.BEGIN_EXPRESSION, 1, self.guards.region(guard, spec), int(needed)

    def _begin_text(self, spec: Field, guard: int) -> tuple[int, ...]:
        fold = -1 if guard < 0 else self.machine.guards[guard].distinct
        taken = 0
        if fold >= 0:
            taken = self.registers.word("list", self.machine.folds[fold].register)
        kept = self.registers.word("text", spec.register) or taken
        return e.BEGIN_TEXT, int(bool(kept)), taken
