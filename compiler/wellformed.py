"""The machine's verifier: every index of a machine that was read points into it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.compiler import terms
from rulec.compiler.codec import Malformed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Machine
    from rulec.compiler.ops import Op
    from rulec.compiler.terms import Term


def examine(machine: Machine) -> None:
    """Raises `Malformed` where a machine points outside of itself."""
    _within(len(machine.nodes), _nodes(machine), "node")
    _within(len(machine.initial), _registers(machine), "register")
    _within(len(machine.fields), _numbers(machine, "field"), "field")
    _within(len(machine.lists), _numbers(machine, "list"), "list")
    _within(len(machine.folds), _folds(machine), "fold")
    _within(len(machine.rules), _rules(machine), "rule")
    _within(len(machine.watches), _watches(machine), "watch")
    _within(len(machine.labels), _labels(machine), "label")


def _within(size: int, found: Iterable[object], what: str) -> None:
    for number in found:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < size:
            raise Malformed(f"no {what} {number!r}")


def _ops(machine: Machine) -> Iterator[Op]:
    for node in machine.nodes:
        for edge in node.edges:
            yield from edge.ops
        for way in (*node.exits, *node.finals):
            yield from way.ops


def _nodes(machine: Machine) -> Iterator[int]:
    yield machine.start
    for node in machine.nodes:
        yield from (edge.target for edge in node.edges)
        yield from (way.target for way in (*node.exits, *node.finals))
        if node.escape is not None:
            yield node.escape
    yield from (watch.entry for watch in machine.watches)


def _registers(machine: Machine) -> Iterator[int]:
    for op in _ops(machine):
        match op:
            case m.Reset(registers) | m.Absent(registers):
                yield from registers
            case m.Count(register) | m.Enough(register):
                yield register
            case m.Letter(register) | m.Enclosed(register):
                yield register
    for field in machine.fields:
        yield from (field.register, field.digits)
    for list_ in machine.lists:
        yield from (list_.count, list_.phase, *list_.registers)
    yield from (fold.register for fold in machine.folds)
    yield from (n for rule in machine.rules for n in (rule.done, *rule.unsure))
    yield from (parameter.register for parameter in machine.parameters)
    yield from (n for watch in machine.watches for n in watch.registers)
    yield from (owed.register for node in machine.nodes for owed in node.pending)
    for term in _terms(machine):
        yield from terms.registers(term)
        if isinstance(term, terms.Near):
            yield term.digits


def _terms(machine: Machine) -> Iterator[Term]:
    queue: list[Term] = [fold.body for fold in machine.folds]
    for rule in machine.rules:
        queue += [rule.term, rule.steer]
    while queue:
        term = queue.pop()
        yield term
        queue.extend(terms.parts(term))


def _numbers(machine: Machine, what: str) -> Iterator[int]:
    for op in _ops(machine):
        if hasattr(op, what):
            yield getattr(op, what)
    if what == "list":
        yield from (n for fold in machine.folds for n in (fold.list, fold.outer))
    else:
        yield from (n for rule in machine.rules for n in rule.fields)


def _folds(machine: Machine) -> Iterator[int]:
    for term in _terms(machine):
        if isinstance(term, terms.Folded):
            yield term.fold
    yield from (n for list_ in machine.lists for n in list_.folds)


def _rules(machine: Machine) -> Iterator[int]:
    for op in _ops(machine):
        if isinstance(op, m.Check):
            yield from op.rules
    yield from (n for field in machine.fields for n in field.rules)


def _watches(machine: Machine) -> Iterator[int]:
    for op in _ops(machine):
        if isinstance(op, m.Cut):
            yield op.watch
    for node in machine.nodes:
        yield from (n for edge in node.edges for n in edge.starts)


def _labels(machine: Machine) -> Iterator[int]:
    yield from (op.label for op in _ops(machine) if isinstance(op, m.Owe))
    yield from (watch.label for watch in machine.watches)
