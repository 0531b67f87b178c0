"""The machine's verifier: every index of a machine that was read points into it."""

from __future__ import annotations

from math import prod
from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.compiler import terms
from rulec.compiler.codec import Malformed
from rulec.compiler.conditions import PRESENT, QUOTIENT
from rulec.compiler.derivations import LEVELS, MOST_TYPES, PREFIXES
from rulec.compiler.opaque import free
from rulec.compiler.places import DEEPEST
from rulec.compiler.projection import MOST_PIECES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Guard, Machine, Table
    from rulec.compiler.ops import Op
    from rulec.compiler.polynomial import Poly
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
    _within(len(machine.guards), _guards(machine), "guard")
    named = [field for field in machine.fields if field.kind in ("ref", "def")]
    _within(len(machine.tables), (field.table for field in named), "table")
    _examine_promises(machine)
    for field in machine.fields:
        wanted = machine.tables[field.table].columns if field.kind == "ref" else ()
        _within(1, (len(field.columns) - len(wanted),), "column")
        _within(4, (len(field.loose) if field.loose[:3] == field.loose else -1,), "graph")
    _examine_grammars(machine)
    _examine_calls(machine)
    for guard in machine.guards:
        _examine_guard(machine, guard)


def _within(size: int, found: Iterable[object], what: str) -> None:
    for number in found:
        if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < size:
            raise Malformed(f"no {what} {number!r}")


def _examine_grammars(machine: Machine) -> None:
    """What is written over names points to tables, columns and types; operators are known."""
    written = [field for field in machine.fields if field.kind in ("typed", "formula")]
    _within(len(machine.grammars), (field.grammar for field in written), "grammar")
    _within(len(machine.tables), (grammar.table for grammar in machine.grammars), "table")
    for field in written:
        types = machine.grammars[field.grammar].types
        if field.words != (types if field.kind == "typed" else ()):
            raise Malformed(f"no types {field.words!r}")
    for grammar in machine.grammars:
        columns, count = machine.tables[grammar.table].columns, len(grammar.types)
        if grammar.column != -1:
            _within(len(columns), (grammar.column,), "column")
        _within(MOST_TYPES + 1, (count,), "types")
        for one in grammar.signatures:
            if one.op not in (PREFIXES if one.left == -1 else LEVELS):
                raise Malformed(f"no operator {one.op!r}")
        literals = (grammar.whole, grammar.fraction, grammar.text)
        places = [*(place for _, place in grammar.words), *(n for n in literals if n != -1)]
        for one in grammar.signatures:
            places += [one.right, one.result, *((one.left,) if one.left != -1 else ())]
        _within(count, places, "type")
    for table in machine.tables:
        if table.kinds:
            _within(len(table.columns), (table.typed,), "column")
            _within(1, (len(table.kinds) - len(table.columns[table.typed].words),), "kind")


def _examine_promises(machine: Machine) -> None:
    """Names are promised in tables that note what has been spoken of."""
    for table in machine.tables:
        if table.owed != -1 or table.begun != -1:
            _within(len(machine.initial), (table.spoken, table.begun), "register")
    promising = [field.table for field in machine.fields if field.forward]
    promising += [op.table for op in _ops(machine) if isinstance(op, m.Kept)]
    scopes = (op for op in _ops(machine) if isinstance(op, m.OpenScope | m.CloseScope))
    _within(len(machine.tables), (op.table for op in scopes), "table")
    _within(len(machine.tables), promising, "table")
    _within(len(machine.initial), (machine.tables[n].owed for n in promising), "register")


def _examine_calls(machine: Machine) -> None:
    """Every function that is called is declared, with so many arguments; no item is loose."""
    given = [p.term for p in machine.parameters if p.term is not None]
    for term in (*(r.term for r in machine.rules), *(f.body for f in machine.folds), *given):
        _within(0, free(term), "item")
    for term in given:
        _within(0, terms.folds(term), "fold")
    counts = {external.name: len(external.arguments) for external in machine.externals}
    for term in _terms(machine):
        if isinstance(term, terms.Called):
            _within(1, (counts.get(term.function, -1) - len(term.arguments),), "function")


def _guards(machine: Machine) -> Iterator[int]:
    for op in _ops(machine):
        if isinstance(op, m.Guarded) or (isinstance(op, m.Begin) and op.guard != -1):
            yield op.guard
    if machine.begins != -1:
        yield machine.begins


def _examine_guard(machine: Machine, guard: Guard) -> None:
    """A guard reads registers and its own quotients, each only behind where it is made."""
    if guard.distinct != -1:
        _within(len(machine.folds), (guard.distinct,), "fold")
    for place, quotient in enumerate(guard.quotients):
        if quotient.name != QUOTIENT + place:
            raise Malformed(f"no quotient {quotient.name!r}")
        for poly in (quotient.top, quotient.bottom):
            _examine_poly(machine, poly, place)
    if prod(map(len, guard.formula)) > MOST_PIECES:
        raise Malformed("a guard of too many cases")
    for block in guard.formula:
        for atom in (atom for cell in block for atom in cell):
            if atom.sign not in ("ge", "eq", "ne", "div"):
                raise Malformed(f"no sign {atom.sign!r}")
            if atom.sign == "div" and (not isinstance(atom.modulus, int) or atom.modulus < 1):
                raise Malformed(f"no modulus {atom.modulus!r}")
            _within(len(machine.rules), atom.rules, "rule")
            _examine_poly(machine, atom.poly, len(guard.quotients))


def _examine_poly(machine: Machine, poly: Poly, quotients: int) -> None:
    for factor, monomial in poly.parts:
        if type(factor) is not int or len(monomial) > DEEPEST:
            raise Malformed(f"no term {factor!r} · {monomial!r}")
        for name in monomial:
            if type(name) is not int or name < 0 or name >= QUOTIENT + quotients:
                raise Malformed(f"no variable {name!r}")
            if name < QUOTIENT and name % PRESENT >= len(machine.initial):
                raise Malformed(f"no register {name % PRESENT!r}")


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
        yield from _of_op(op)
    for field in machine.fields:
        yield from (field.register, field.digits, *field.loose[1:2])
        yield from (cited for cited in field.loose[2:] if cited != -1)
    for list_ in machine.lists:
        yield from (list_.count, list_.phase, *list_.registers)
    yield from (fold.register for fold in machine.folds)
    yield from (n for rule in machine.rules for n in (rule.done, *rule.unsure))
    yield from (parameter.register for parameter in machine.parameters)
    yield from (n for table in machine.tables for n in _of_table(table))
    yield from (n for watch in machine.watches for n in watch.registers)
    yield from (owed.register for node in machine.nodes for owed in node.pending)
    for term in _terms(machine):
        yield from terms.registers(term)
        if isinstance(term, terms.Near):
            yield term.digits
        elif isinstance(term, terms.Operands):
            yield term.register


def _of_op(op: Op) -> tuple[int, ...]:
    """The registers of an op; one that is optional is -1 where it isn't there."""
    match op:
        case m.Reset(registers) | m.Absent(registers):
            return registers
        case m.Count(register) | m.Enough(register):
            return (register,)
        case m.Letter(register) | m.Enclosed(register):
            return (register,)
        case m.Define(_, attributes, names):
            return (*attributes, *_there(names))
        case m.OpenScope(_, outer, saved) | m.CloseScope(_, outer, saved):
            if len(outer) != len(saved):
                raise Malformed("a scope that is not kept")
            return (*outer, *saved)
        case m.Link(graph, name, targets, closed):
            return (graph, name, targets, *_there(closed))
        case _:
            return ()


def _there(register: int) -> tuple[int, ...]:
    return () if register == -1 else (register,)


def _of_table(table: Table) -> Iterator[int]:
    yield from (table.register, table.count, *table.kinds)
    yield from (n for n in (table.spoken, table.begun, table.owed) if n != -1)
    ends = (end for column in table.columns for end in (column.low, column.high))
    yield from (end for end in ends if end != -1)


def _terms(machine: Machine) -> Iterator[Term]:
    queue: list[Term] = [fold.body for fold in machine.folds]
    queue += [given.term for given in machine.parameters if given.term is not None]
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
        yield from (field.counts for field in machine.fields if field.counts != -1)
        yield from (n for field in machine.fields for n in field.columns)
        yield from (n for field in machine.fields for n in field.loose[:1])


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
