"""Programs of the byte machine over a register file: what an edge or an exit does."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rulec.compiler import ops as m
from rulec.compiler.links import NOTHING as UNLINKED
from rulec.compiler.regions import Region, contains
from rulec.compiler.rows import NOTHING
from rulec.compiler.spoken import NO_NAMES, SILENCE, Place
from rulec.compiler.terms import Gap
from rulec.dsl.json_text import unescaped
from rulec.runtime import dates, numerals, stack, typed
from rulec.runtime.dates import Day
from rulec.runtime.guards import value_of
from rulec.runtime.numerals import Numeral
from rulec.runtime.seen import Seen, bump
from rulec.runtime.stack import Stack
from rulec.runtime.typed import Typed, Typing

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.machine import Field, Machine, Table
    from rulec.compiler.ops import Program
    from rulec.compiler.rows import Keys
    from rulec.compiler.spoken import Spoken
    from rulec.runtime.allowed import Rules


class Word(NamedTuple):
    """A word under way, and the words that are allowed (None: any).

    `origin` is where the quantity begins whose unit it is, or the word itself.
    """

    field: int
    start: int
    allowed: tuple[int, ...] | None = None
    origin: int = -1


class Written(NamedTuple):
    """A text under way, and those that it must differ from."""

    field: int
    start: int
    text: bytes = b""
    taken: tuple[bytes, ...] = ()


class Name(NamedTuple):
    """A name under way: one of `known` (None: any), or with `new` one that isn't `taken`."""

    field: int
    start: int
    text: bytes = b""
    known: Keys | None = None
    new: bool = False
    taken: Keys = NO_NAMES


class Closed(NamedTuple):
    """The field that ended last, and the bytes at which it stands."""

    field: int
    start: int
    end: int


Lex: TypeAlias = Numeral | Day | Stack | Typed | Word | Written | Name | Closed | None


class Mark(NamedTuple):
    """A rule's verdict on one claim, as the machine gave it.

    `rule` is a rule's index, -1 for the debt `label`, or -2 for the range of the field `label`.
    """

    rule: int
    label: int
    verdict: str
    start: int
    end: int
    regs: tuple[Any, ...]
    lex: Lex


ASKED = "asked"
"""The verdict of a mark that waits for a function of the embedding program."""

Marks: TypeAlias = tuple[Mark, Any] | None
"""A linked list of marks, the latest first."""


Runs: TypeAlias = "Callable[[Frame, Any], bool]"
"""Runs one op; False where the reading dies."""


class Frame:
    """One program under way.

    An `observer` is a watch before its cut: nothing is enforced there. `cut` tells that the cut
    was passed, `breach` what was broken.
    """

    __slots__ = ("at", "breach", "byte", "cut", "debt", "lex", "marks", "observer", "regs")

    def __init__(
        self, regs: tuple[Any, ...], lex: Lex, marks: Marks, at: int, observer: bool
    ) -> None:
        self.regs: list[Any] = regs.opened() if isinstance(regs, Seen) else list(regs)
        self.lex: Any = lex
        self.marks = marks
        self.debt: int | None = None
        self.at = at
        self.byte = 0
        self.observer = observer
        self.cut = False
        self.breach: str = ""


class Programs:
    """Runs programs. With `guarded`, what breaks a rule dies."""

    def __init__(self, machine: Machine, rules: Rules, *, guarded: bool) -> None:
        self.machine = machine
        self.guarded = guarded
        self.rules = rules
        self._typing = Typing(machine)
        self._bound: dict[int, tuple[Program, list[tuple[Runs, Any]]]] = {}
        """Programs by their identity, which they are kept for, and what runs their ops."""
        self._ops: dict[type, Runs] = {
            m.Reset: self._reset,
            m.Absent: self._absent,
            m.Count: self._count,
            m.Enough: _enough,
            m.ItemOpen: self._item_open,
            m.ItemClose: self._item_close,
            m.ListClose: self._list_close,
            m.Check: self._check,
            m.Begin: self._begin,
            m.Guarded: self._guarded,
            m.Step: self._step,
            m.EndNumber: self._end_number,
            m.EndOperand: _end_operand,
            m.StepDate: _step_date,
            m.EndDate: self._end_date,
            m.StepWord: _step_word,
            m.EndWord: self._end_word,
            m.Take: _take,
            m.EndText: self._end_text,
            m.TakeName: _take_name,
            m.EndName: self._end_name,
            m.Define: self._define,
            m.Kept: self._kept,
            m.OpenScope: self._open_scope,
            m.CloseScope: self._close_scope,
            m.Link: _link,
            m.StepExpr: _step_expr,
            m.EndExpr: self._end_expr,
            m.StepTyped: _step_typed,
            m.EndTyped: self._end_typed,
            m.Letter: _letter,
            m.Enclosed: _enclosed,
            m.Cut: _cut,
            m.Owe: _owe,
            m.Broken: self._broken,
        }

    def run(self, frame: Frame, ops: Program) -> bool:
        """Run a program; False where the reading dies."""
        key = id(ops)
        held = self._bound.get(key)
        if held is None:
            held = self._bound[key] = ops, [(self._ops[type(op)], op) for op in ops]
        for runs, op in held[1]:  # noqa: SIM110 - a generator would cost as much as the ops
            if not runs(frame, op):
                return False
        return True

    def feasible(self, field: Field, op: m.Step, numeral: Numeral) -> bool:
        """Whether an allowed number begins with what has come."""
        return numerals.feasible(field, op.phase, numeral)

    # --- shapes and lists ---

    def _reset(self, frame: Frame, op: m.Reset) -> bool:
        for register in op.registers:
            frame.regs[register] = self.machine.initial[register]
        return True

    def _absent(self, frame: Frame, op: m.Absent) -> bool:
        for register in op.registers:
            frame.regs[register] = Gap.ABSENT
        return True

    def _count(self, frame: Frame, op: m.Count) -> bool:
        bump(frame.regs, op.register)
        return op.most is None or frame.regs[op.register] <= op.most

    def _item_open(self, frame: Frame, op: m.ItemOpen) -> bool:
        spec = self.machine.lists[op.list]
        for register in spec.registers:
            frame.regs[register] = self.machine.initial[register]
        bump(frame.regs, spec.count)
        frame.regs[spec.phase] = 1
        return True

    def _item_close(self, frame: Frame, op: m.ItemClose) -> bool:
        frame.regs[self.machine.lists[op.list].phase] = 2
        self.rules.gather(frame.regs, op.list)
        return True

    def _list_close(self, frame: Frame, op: m.ListClose) -> bool:
        frame.regs[self.machine.lists[op.list].phase] = 3
        return True

    def _check(self, frame: Frame, op: m.Check) -> bool:
        return all(self._test(frame, number) for number in op.rules)

    def _test(self, frame: Frame, number: int) -> bool:
        """Record a rule's verdict once it is known; a rule that masks keep must hold."""
        rule = self.machine.rules[number]
        if frame.regs[rule.done]:
            return True
        held = self.rules.value(frame.regs, rule.term)
        if held is Gap.UNKNOWN:
            return True
        frame.regs[rule.done] = True
        verdict = VERDICTS[held if isinstance(held, bool | Gap) else True]
        if self.guarded and rule.tier == "mask" and verdict in ("violate", "too complex"):
            return False
        lex = frame.lex
        start, end = (lex.start, lex.end) if isinstance(lex, Closed) else (frame.at, frame.at)
        regs = () if verdict in ("pass", "vacuous") else tuple(frame.regs)
        frame.marks = (Mark(number, -1, verdict, start, end, regs, lex), frame.marks)
        return True

    def _guarded(self, frame: Frame, op: m.Guarded) -> bool:
        """Whether a choice leaves all that follows possible; watches may leave it undone."""
        if not self.guarded or frame.observer:
            return True
        return self.rules.guards.holds(op.guard, frame.regs)

    # --- fields ---

    def _begin(self, frame: Frame, op: m.Begin) -> bool:
        field = self.machine.fields[op.field]
        guarded = self.guarded and not frame.observer
        match field.kind:
            case "number" | "date":
                return self._begin_number(frame, op, field, guarded)
            case "fraction":
                frame.lex = Numeral(op.field, frame.at)
            case "expr":
                return self._begin_expr(frame, op, field, guarded)
            case "word":
                words = None
                if guarded and field.rules:
                    words = self.rules.words(field, frame.regs, op.guard)
                before = frame.lex
                own = isinstance(before, Closed) and before.field == field.counts
                frame.lex = Word(op.field, frame.at, words, before.start if own else frame.at)
                return words is None or words != ()
            case "ref" | "def":
                return self._begin_name(frame, op, field, guarded)
            case "typed" | "formula":
                return self._begin_typed(frame, op, field, guarded)
            case _:
                taken = self.rules.guards.texts(op.guard, field, frame.regs) if guarded else ()
                frame.lex = Written(op.field, frame.at, b"", taken)
        return True

    def _begin_name(self, frame: Frame, op: m.Begin, field: Field, guarded: bool) -> bool:
        """The names that a reference may be, and those that a new one must differ from."""
        if not guarded and not frame.observer:
            frame.lex = Name(op.field, frame.at)
            return True
        may = self.rules.names(field, frame.regs, op.guard, free=not guarded)
        frame.lex = Name(op.field, frame.at, b"", *may)
        return may.new or len(may.known) > 0

    def _begin_expr(self, frame: Frame, op: m.Begin, field: Field, guarded: bool) -> bool:
        """The strictest demand on its value that the expression can be brought to."""
        demands: tuple[Region | None, ...] = (None,)
        if guarded and field.rules:
            demands = self.rules.regions(field, frame.regs, op.guard)
        for region in demands:
            operands = () if field.operands else None
            frame.lex = Stack(op.field, frame.at, region, operands=operands)
            if region is None or stack.completable(frame.lex, "operand"):
                return True
        return False

    def _begin_typed(self, frame: Frame, op: m.Begin, field: Field, guarded: bool) -> bool:
        """The strictest demand on its type that something can be written for."""
        demands = self.rules.types(field, frame.regs, op.guard) if guarded else (None,)
        frame.lex = self._typing.begin(op.field, frame.at, frame.regs, demands)
        return frame.lex is not None

    def _begin_number(self, frame: Frame, op: m.Begin, field: Field, guarded: bool) -> bool:
        allowed = self.rules.numbers(field, frame.regs, op.guard) if guarded else None
        if field.kind == "date":
            frame.lex = Day(op.field, frame.at, None if allowed is None else allowed[0])
        else:
            frame.lex = Numeral(op.field, frame.at, allowed)
        return allowed is None or any(allowed)

    def _step(self, frame: Frame, op: m.Step) -> bool:
        frame.lex = numerals.taken(frame.lex, op, frame.byte)
        field = self.machine.fields[frame.lex.field]
        return self.feasible(field, op, frame.lex)

    def _end_number(self, frame: Frame, op: m.EndNumber) -> bool:
        field = self.machine.fields[op.field]
        numeral = frame.lex
        if not numerals.ends(field, numeral):
            return False
        frame.regs[field.register] = numerals.value(field, numeral)
        frame.regs[field.digits] = numeral.fraction + field.shift
        return self._closed(frame, op.field) and self._ranged(frame, op.field)

    def _ranged(self, frame: Frame, number: int) -> bool:
        """Whether a value is one of its type; verifying goes on after one that is not."""
        field = self.machine.fields[number]
        if contains(field.domain, frame.regs[field.register]):
            return True
        if self.guarded or frame.observer:
            return False
        lex = frame.lex
        mark = Mark(-2, number, "violate", lex.start, lex.end, (), lex)
        frame.marks = (mark, frame.marks)
        return True

    def _end_date(self, frame: Frame, op: m.EndDate) -> bool:
        found = dates.days(frame.lex.digits)
        if found is None:
            return False
        field = self.machine.fields[op.field]
        frame.regs[field.register] = Fraction(found[0])
        frame.regs[field.digits] = 0
        return self._closed(frame, op.field) and self._ranged(frame, op.field)

    def _end_word(self, frame: Frame, op: m.EndWord) -> bool:
        if frame.lex.allowed is not None and op.word not in frame.lex.allowed:
            return False
        field = self.machine.fields[op.field]
        frame.regs[field.register] = value_of(field, field.words[op.word])
        origin = frame.lex.origin
        self._closed(frame, op.field)
        frame.lex = frame.lex._replace(start=origin)
        return True

    def _end_text(self, frame: Frame, op: m.EndText) -> bool:
        field = self.machine.fields[op.field]
        if op.differs and frame.lex.text in frame.lex.taken:
            return False
        if field.keep:
            text = frame.lex.text.decode("utf-8", "replace")
            frame.regs[field.register] = unescaped(text) if field.quoted else text
        return self._closed(frame, op.field)

    def _end_name(self, frame: Frame, op: m.EndName) -> bool:
        """A name is complete; verifying goes on after one that is not what it should be."""
        field, lex = self.machine.fields[op.field], frame.lex
        if lex.known is not None and lex.text not in lex.known and not _is_new(lex):
            return False
        table = self.machine.tables[field.table]
        name, rows = lex.text.decode("utf-8", "replace"), frame.regs[table.register] or NOTHING
        frame.regs[field.register] = name
        row = None if field.kind == "def" else rows.row(name)
        for place, number in enumerate(field.columns):
            column = self.machine.fields[number]
            frame.regs[column.register] = Gap.ABSENT if row is None else row[place]
            frame.regs[column.digits] = column.most
        if field.loose:
            self._loosen(frame, field, name, defined=row is not None)
        self._closed(frame, op.field)
        known = name in rows
        if table.spoken >= 0:
            known = self._spoken(frame, op.field, lex.text) or (known and field.kind == "ref")
        if not self.guarded and not frame.observer and known is (field.kind == "def"):
            mark = Mark(-2, op.field, "violate", lex.start, frame.at, (), lex)
            frame.marks = (mark, frame.marks)
        return True

    def _loosen(self, frame: Frame, field: Field, name: str, *, defined: bool) -> None:
        """Whether nothing refers to a reference's name yet, nor what stands beside it."""
        hidden = self.machine.fields[field.loose[0]]
        loose = name in self.rules.guards.loose(field, frame.regs)
        frame.regs[hidden.register] = Fraction(loose) if defined else Gap.ABSENT
        frame.regs[hidden.digits] = 0

    def _spoken(self, frame: Frame, number: int, name: bytes) -> bool:
        """A name is spoken of; whether that was begun before, or may come later."""
        field = self.machine.fields[number]
        table = self.machine.tables[field.table]
        spoken = frame.regs[table.spoken] or SILENCE
        if field.kind == "def":
            known = spoken.has_begun(name)
            after = spoken if known else spoken.with_begun(name)
        elif field.forward:
            known = True
            after = spoken.with_reference(name, Place(number, frame.lex.start, frame.lex.end))
        else:
            return False
        if after is not spoken:
            self._tell(frame, table, after)
        return known

    def _tell(self, frame: Frame, table: Table, spoken: Spoken) -> None:
        """Put into registers what has been spoken of, and how much it is."""
        frame.regs[table.spoken] = spoken
        frame.regs[table.begun] = spoken.begun
        if table.owed >= 0:
            frame.regs[table.owed] = spoken.owed

    def _open_scope(self, frame: Frame, op: m.OpenScope) -> bool:
        for register, saved in zip(op.registers, op.saved, strict=True):
            frame.regs[saved] = frame.regs[register]
        table = self.machine.tables[op.table]
        if table.spoken >= 0 and frame.regs[table.spoken]:
            self._tell(frame, table, frame.regs[table.spoken].inside())
        return True

    def _close_scope(self, frame: Frame, op: m.CloseScope) -> bool:
        if self.machine.tables[op.table].owed >= 0 and not self._kept(frame, m.Kept(op.table)):
            return False
        for register, saved in zip(op.registers, op.saved, strict=True):
            frame.regs[register] = frame.regs[saved]
        return True

    def _kept(self, frame: Frame, op: m.Kept) -> bool:
        """All that was promised is defined; verifying tells what isn't."""
        table = self.machine.tables[op.table]
        spoken = frame.regs[table.spoken] or SILENCE
        if not spoken.owed:
            return True
        if self.guarded:
            return False
        for place in spoken.promises.values():
            mark = Mark(-2, place.field, "violate", place.start, place.end, (), None)
            frame.marks = (mark, frame.marks)
        self._tell(frame, table, spoken.without_promises())
        return True

    def _define(self, frame: Frame, op: m.Define) -> bool:
        """A name enters its table; one that was left out doesn't."""
        field = self.machine.fields[op.field]
        held = frame.regs[field.register if op.names < 0 else op.names]
        names = held if isinstance(held, tuple) else (held,)
        table = self.machine.tables[field.table]
        rows = frame.regs[table.register] or NOTHING
        row = tuple(frame.regs[register] for register in op.attributes)
        kind = table.kind(row)
        for name in names:
            if not isinstance(name, Gap):
                rows = rows.with_row(name, row)
                if kind >= 0:
                    bump(frame.regs, kind)
        frame.regs[table.register] = rows
        frame.regs[table.count] = len(frame.regs[table.register])
        return True

    def _end_expr(self, frame: Frame, op: m.EndExpr) -> bool:
        region = frame.lex.region
        value = stack.ended(frame.lex, inner=op.inner)
        if value is None:
            return False
        if region is not None and (isinstance(value, Gap) or not contains(region, value)):
            return False
        field = self.machine.fields[op.field]
        frame.regs[field.register] = value
        if field.operands:
            frame.regs[field.digits] = stack.operands(frame.lex, inner=op.inner)
        return self._closed(frame, op.field)

    def _end_typed(self, frame: Frame, op: m.EndTyped) -> bool:
        """What is written over names is complete; verifying goes on where it has no type."""
        field, lex = self.machine.fields[op.field], typed.ended(frame.lex)
        if not typed.fits(lex):
            return False
        if field.kind == "formula":
            frame.regs[field.register] = (lex.written or b"").decode()
        else:
            known = not lex.wrong
            frame.regs[field.register] = field.words[lex.held] if known else Gap.ABSENT
        if lex.wrong and not frame.observer:
            mark = Mark(-2, op.field, "violate", lex.start, frame.at, (), lex)
            frame.marks = (mark, frame.marks)
        return self._closed(frame, op.field)

    def _closed(self, frame: Frame, field: int) -> bool:
        frame.lex = Closed(field, frame.lex.start, frame.at)
        return True

    def _broken(self, frame: Frame, op: m.Broken) -> bool:
        frame.breach = op.breach
        return False


VERDICTS: dict[object, str] = {
    True: "pass",
    False: "violate",
    Gap.ABSENT: "vacuous",
    Gap.UNDEFINED: "violate",
    Gap.COMPLEX: "too complex",
    Gap.PENDING: ASKED,
}


def _enough(frame: Frame, op: m.Enough) -> bool:
    return bool(frame.regs[op.register] >= op.least)


def _end_operand(frame: Frame, op: m.EndOperand) -> bool:
    lex = frame.lex
    top = -lex.mantissa if lex.negative else lex.mantissa
    if lex.negative and not top:
        return False
    frame.lex = Numeral(lex.field, lex.start, None, top=top)
    return True


def _step_date(frame: Frame, op: m.StepDate) -> bool:
    if op.position in (4, 7):
        return True
    frame.lex = frame.lex._replace(digits=frame.lex.digits + chr(frame.byte))
    return dates.feasible(frame.lex)


def _step_word(frame: Frame, op: m.StepWord) -> bool:
    allowed = frame.lex.allowed
    return allowed is None or any(word in allowed for word in op.words)


def _take(frame: Frame, op: m.Take) -> bool:
    text = frame.lex.text + bytes((frame.byte,))
    frame.lex = frame.lex._replace(text=text)
    if not op.room or not frame.lex.taken:
        return True
    alike = sum(1 for other in frame.lex.taken if other.startswith(text))
    return alike < op.room


def _link(frame: Frame, op: m.Link) -> bool:
    """A name enters a graph; one that was left out doesn't."""
    name, held = frame.regs[op.name], frame.regs[op.targets]
    if not isinstance(name, Gap):
        targets = held if isinstance(held, tuple) else (held,)
        links = frame.regs[op.graph] or UNLINKED
        known = (target for target in targets if isinstance(target, str))
        frame.regs[op.graph] = links.with_node(name, known)
    if op.closed >= 0:
        frame.regs[op.closed] = 3
    return True


def _take_name(frame: Frame, op: m.TakeName) -> bool:
    text = frame.lex.text + bytes((frame.byte,))
    frame.lex = frame.lex._replace(text=text)
    lex = frame.lex
    if lex.known is None or lex.known.begins(text):
        return True
    if not lex.new:
        return False
    return not op.room or len(lex.taken.beginning_with(text)) < op.room


def _is_new(lex: Name) -> bool:
    return lex.new and lex.text not in lex.taken


def _step_expr(frame: Frame, op: m.StepExpr) -> bool:
    after = stack.taken(frame.lex, op.part, op.phase, frame.byte)
    if after is None:
        return False
    frame.lex = after
    return after.region is None or stack.completable(after, op.phase)


def _step_typed(frame: Frame, op: m.StepTyped) -> bool:
    frame.lex = typed.taken(frame.lex, op.piece, frame.byte)
    return frame.lex is not None


def _letter(frame: Frame, op: m.Letter) -> bool:
    if op.begins:
        frame.regs[op.register] += 1
    return op.most is None or bool(frame.regs[op.register] - op.pending <= op.most)


def _enclosed(frame: Frame, op: m.Enclosed) -> bool:
    return bool(frame.regs[op.register] - op.pending >= op.least)


def _cut(frame: Frame, op: m.Cut) -> bool:
    frame.cut = True
    frame.observer = False
    return True


def _owe(frame: Frame, op: m.Owe) -> bool:
    frame.debt = op.label
    return True
