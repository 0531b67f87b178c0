"""What a reading has come through: elements, fields and places of shapes, in their order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from rulec.compiler.marking import Enter, Leave, Passed
from rulec.dsl.checked import ShapeType, Slot
from rulec.dsl.findings import one_line
from rulec.runtime.programs import Frame, Mark, Programs
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rulec.compiler import ops as m
    from rulec.compiler.machine import Machine
    from rulec.compiler.marking import Part
    from rulec.runtime.allowed import Rules

ENTER, LEAVE, PASSED, CLOSED, RESET, ITEM, DENIED = range(-16, -9)
"""Steps of a trail, told by the `rule` of a mark.

The `label` is a part, the size of a literal, a field or a list, and for what was denied a guard
or a rule that is broken. `regs` are the registers that a reset has set, or all values as a
guard saw them.
"""


class Tracing(Reference):
    """The reference engine over a marked machine: its readings carry their trail."""

    def _runner(self) -> Programs:
        return _Tracing(self.machine, self.rules, guarded=self.guarded)


class Doubting(Tracing):
    """The same with ways left open that rules close; a trail notes what was denied."""

    def _runner(self) -> Programs:
        return _Doubting(self.machine, self.rules, guarded=self.guarded)


class Noting(Programs):
    """Programs whose readings note the fields that end in them, and where rules begin anew."""

    def _closed(self, frame: Frame, field: int) -> bool:
        _note(frame, CLOSED, field, frame.lex.start)
        return super()._closed(frame, field)

    def _reset(self, frame: Frame, op: m.Reset) -> bool:
        _note(frame, RESET, -1, frame.at, op.registers)
        return super()._reset(frame, op)

    def _item_open(self, frame: Frame, op: m.ItemOpen) -> bool:
        _note(frame, RESET, -1, frame.at, self.machine.lists[op.list].registers)
        _note(frame, ITEM, op.list, frame.at)
        return super()._item_open(frame, op)


class _Tracing(Noting):
    def __init__(self, machine: Machine, rules: Rules, *, guarded: bool) -> None:
        super().__init__(machine, rules, guarded=guarded)
        self._ops |= {Enter: _enter, Leave: _leave, Passed: _passed}


class _Doubting(_Tracing):
    def _guarded(self, frame: Frame, op: m.Guarded) -> bool:
        if not super()._guarded(frame, op):
            _note(frame, DENIED, op.guard, frame.at, tuple(frame.regs))
        return True

    def _test(self, frame: Frame, number: int) -> bool:
        if not super()._test(frame, number):
            _note(frame, DENIED, number, frame.at)
        return True

    def _begin(self, frame: Frame, op: m.Begin) -> bool:
        if not super()._begin(frame, op):
            for rule in self.rules.beside(self.machine.fields[op.field]):
                _note(frame, DENIED, rule, frame.at)
        return True


def _note(
    frame: Frame, step: int, label: int, start: int, registers: tuple[Any, ...] = ()
) -> None:
    frame.marks = (Mark(step, label, "", start, frame.at, registers, None), frame.marks)


def _enter(frame: Frame, op: Enter) -> bool:
    _note(frame, ENTER, op.part, frame.at)
    return True


def _leave(frame: Frame, op: Leave) -> bool:
    _note(frame, LEAVE, op.part, frame.at)
    return True


def _passed(frame: Frame, op: Passed) -> bool:
    _note(frame, PASSED, op.size, frame.at)
    return True


def denials(trail: Iterable[Mark]) -> tuple[Mark, ...]:
    """What was denied on the way."""
    return tuple(mark for mark in trail if mark.rule == DENIED)


def open_parts(trail: Iterable[Mark]) -> tuple[Mark, ...]:
    """The parts that are under way, the outermost first."""
    held: list[Mark] = []
    for mark in trail:
        if mark.rule == ENTER:
            held.append(mark)
        elif mark.rule == LEAVE:
            held.pop()
    return tuple(held)


def path_of(parts: Sequence[Part], trail: Iterable[Mark]) -> tuple[str, ...]:
    """The names of the shapes and fields under way, the outermost first.

    An item of a list has its number, counted from 1.
    """
    held: list[_Level] = [_Level("", "")]
    names: list[str] = []
    for mark in trail:
        if mark.rule == LEAVE:
            held.pop()
        elif mark.rule == ENTER:
            held.append(_entered(parts, mark.label, held))
    for before, level in pairwise(held):
        if before.inner is not None and level.shape != before.inner:
            names.append(level.shape)
        names.extend([level.name] if level.name else [])
    return tuple(names)


@dataclass(slots=True)
class _Level:
    """A part under way: its name, if it has one, and what has been counted in it.

    `inner` is the shape whose text stands in it, None where that is the shape around it.
    """

    name: str
    shape: str
    inner: str | None = None
    counts: Counter[str] = field(default_factory=Counter)


def _entered(parts: Sequence[Part], number: int, held: list[_Level]) -> _Level:
    part = parts[number]
    slot = part.element
    if part.kind != "field" or not isinstance(slot, Slot):
        return _Level("", part.shape, None, held[-1].counts)
    shaped = isinstance(slot.type, ShapeType)
    inner = slot.type.shape if isinstance(slot.type, ShapeType) else ""
    name = slot.name or (inner if shaped else one_line(slot.span.text))
    held[-1].counts[name] += 1
    if repeated(parts, number):
        name = f"{name}[{held[-1].counts[name]}]"
    return _Level(name, part.shape, inner)


def repeated(parts: Sequence[Part], number: int) -> bool:
    """Whether a part stands in a repeat of its shape."""
    while number >= 0:
        if parts[number].kind == "item":
            return True
        number = parts[number].outer
    return False
