"""Tokens that live for reasons that a few registers tell, so that they need not be walked.

Most of what a token runs through can't die: names enter tables, lists take their items in. What
can is how many items a repeat has, and what guards leave open. Where one way through a token
asks for nothing else, it is enough to ask that.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler import ops as m
from rulec.compiler.rows import Rows
from rulec.compiler.skeleton import Skeleton
from rulec.compiler.terms import Gap
from rulec.runtime.programs import Closed, Name
from rulec.runtime.seen import Seen

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.machine import Machine
    from rulec.compiler.rows import Keys
    from rulec.runtime.guards import Guards
    from rulec.runtime.reference import Thread

ALONE = -2
"""In place of a room: no name may be just that."""

MOST_WAYS = 16
"""Ways through a token that are looked at."""


class Bound(NamedTuple):
    """A count, `more` of which come on the way, is at least `least` and at most `most`."""

    register: int
    more: int
    least: int
    most: int | None


class Asked(NamedTuple):
    """A guard that must hold of registers that a way has changed: by so many, or to a value."""

    guard: int
    reads: frozenset[int]
    more: tuple[tuple[int, int], ...]
    fixed: tuple[tuple[int, Any], ...]


class Way(NamedTuple):
    """What one way through a token asks for; `names` must be there to be defined on it.

    It ends where a reference begins in the field `begun` (-1: none), to names as they were.
    """

    bounds: tuple[Bound, ...]
    guards: tuple[Asked, ...]
    names: tuple[int, ...]
    begun: int = -1


@dataclass(frozen=True)
class _Along:
    """How far a way has come, and what it has done to registers."""

    node: int
    bounds: tuple[Bound, ...] = ()
    guards: tuple[Asked, ...] = ()
    names: tuple[int, ...] = ()
    more: Mapping[int, int] = field(default_factory=dict)
    fixed: Mapping[int, Any] = field(default_factory=dict)
    lost: frozenset[int] = frozenset()
    begun: int | None = None


class Surely:
    """Tells tokens that live without walking them."""

    def __init__(self, machine: Machine, guards: Guards) -> None:
        self._machine = machine
        self._guards = guards
        self._skeleton = Skeleton(machine)
        self._ways: dict[tuple[int, int], tuple[Way, ...]] = {}
        self._rooms: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
        self._before: dict[tuple[int, int], tuple[Way, ...]] = {}
        self._tested = {
            number
            for number, spec in enumerate(machine.fields)
            if any(machine.rules[rule].tier == "commit" for rule in spec.rules)
        }

    def lives(self, thread: Thread, token: int, text: bytes) -> bool:
        """Whether a token is known to live; where not, it has to be walked."""
        if thread.subs or not _idle(thread):
            return isinstance(thread.lex, Name) and self._free(thread, thread.lex, token, text)
        key = thread.node, token
        ways = self._ways.get(key)
        if ways is None:
            ways = self._ways[key] = tuple(self._through(thread.node, text))
        return any(self._open(way, thread) for way in ways)

    def keys(self, thread: Thread, number: int, text: bytes) -> Keys | None:
        """The names that a reference may be behind a fixed text; None where it isn't sure."""
        if thread.subs or not _idle(thread):
            return None
        key = thread.node, number
        ways = self._before.get(key)
        if ways is None:
            through = self._through(thread.node, text)
            ways = self._before[key] = tuple(way for way in through if way.begun == number)
        if not any(self._open(way, thread) for way in ways):
            return None
        table = self._machine.tables[self._machine.fields[number].table].register
        if isinstance(thread.regs, Seen):
            thread.regs.log.add(table)
        held = thread.regs[table]
        return held.keys if isinstance(held, Rows) else None

    def _free(self, thread: Thread, lex: Name, token: int, text: bytes) -> bool:
        """Whether a new name may go on with a token: names are left that begin so."""
        known = lex.known
        if not lex.new or known is None or thread.subs:
            return False
        key = thread.node, token
        rooms = self._rooms.get(key)
        if rooms is None:
            rooms = self._rooms[key] = self._along(thread.node, text)
        for length, room in rooms or ():
            begun = lex.text + text[:length]
            low, high = known.span(begun)
            if (room > 0 and high - low >= room) or (room == ALONE and begun in known):
                return False
        return bool(rooms)

    def _along(self, node: int, text: bytes) -> tuple[tuple[int, int], ...]:
        """How many names can follow each byte of a token within a new name; else nothing."""
        found: list[tuple[int, int]] = []
        for length, byte in enumerate(text, 1):
            edges = [e for e in self._machine.nodes[node].edges if e.bytes >> byte & 1]
            op = edges[0].ops[0] if len(edges) == 1 and len(edges[0].ops) == 1 else None
            if not isinstance(op, m.TakeName) or edges[0].watched:
                return ()
            found.append((length, op.room))
            node = edges[0].target
        spec = self._machine.nodes[node]
        if spec.edges:
            return tuple(found)
        ends = [way for way in spec.exits if len(way.ops) == 1]
        over = any(
            isinstance(way.ops[0], m.EndName) and self._waits(way.target) for way in ends
        )
        return (*found, (len(text), ALONE)) if over else ()

    def _waits(self, node: int) -> bool:
        return bool(self._machine.nodes[node].edges)

    def _open(self, way: Way, thread: Thread) -> bool:
        regs = thread.regs
        log = regs.log if isinstance(regs, Seen) else set()
        log.update(way.names)
        if any(isinstance(regs[name], Gap) for name in way.names):
            return False
        for register, more, least, most in way.bounds:
            log.add(register)
            held = regs[register]
            if isinstance(held, Gap):
                return False
            if held + more < least or (most is not None and held + more > most):
                return False
        return all(self._holds(asked, thread, log) for asked in way.guards)

    def _holds(self, asked: Asked, thread: Thread, log: set[int]) -> bool:
        log.update(asked.reads)
        changed: list[Any] = list(thread.regs)
        for register, value in asked.fixed:
            changed[register] = value
        for register, more in asked.more:
            if isinstance(changed[register], Gap):
                return False
            changed[register] += more
        return self._guards.holds(asked.guard, changed)

    # --- ways through a token ---

    def _through(self, node: int, text: bytes) -> Iterator[Way]:
        here = [_Along(node)]
        for byte in text:
            here = [after for along in here for after in self._step(along, byte)]
            if not here or len(here) > MOST_WAYS:
                return
        for along in here:
            begun = -1 if along.begun is None else along.begun
            yield Way(along.bounds, along.guards, along.names, begun)

    def _step(self, along: _Along, byte: int) -> Iterator[_Along]:
        if along.begun is not None:
            return
        for edge in self._machine.nodes[along.node].edges:
            if not edge.bytes >> byte & 1 or edge.watched or edge.starts:
                continue
            after = self._run(along, edge.ops)
            if after is not None:
                after = replace(after, node=edge.target)
                spec = self._machine.nodes[edge.target]
                if spec.finals and not spec.edges:
                    yield after
                yield from self._arrive(after)

    def _arrive(self, along: _Along) -> Iterator[_Along]:
        spec = self._machine.nodes[along.node]
        if spec.edges:
            yield along
        for way in spec.exits:
            after = self._run(along, way.ops)
            if after is not None:
                yield from self._arrive(replace(after, node=way.target))

    def _run(self, along: _Along, ops: m.Program) -> _Along | None:
        """The way behind a program; None where it may die for other reasons."""
        found: _Along | None = along
        for op in ops:
            if found is None or found.begun is not None:
                return None
            found = self._done(found, op)
        return found

    def _done(self, along: _Along, op: m.Op) -> _Along | None:
        match op:
            case m.Count(register, most):
                along = self._counted(along, register)
                return along if most is None else self._bound(along, register, 0, most)
            case m.Enough(register, least):
                return self._bound(along, register, least, None)
            case m.Guarded(guard):
                return self._asked(along, guard)
            case m.Reset(registers):
                values = {register: self._machine.initial[register] for register in registers}
                return _fix(along, values)
            case m.Absent(registers):
                return _fix(along, dict.fromkeys(registers, Gap.ABSENT))
            case m.ItemOpen(number):
                spec = self._machine.lists[number]
                values = {
                    register: self._machine.initial[register] for register in spec.registers
                }
                return self._counted(_fix(along, {**values, spec.phase: 1}), spec.count)
            case m.ListClose(number):
                return _fix(along, {self._machine.lists[number].phase: 3})
            case m.Begin(number, guard) if self._machine.fields[number].kind == "ref":
                return self._referred(along, number, guard)
            case _ if self._skeleton.kills(op) or isinstance(op, m.Cut | m.Owe | m.Broken):
                return None
            case _:
                return self._passed(along, op)

    def _passed(self, along: _Along, op: m.Op) -> _Along | None:
        """The way behind an op that can't die."""
        match op:
            case m.Begin():
                return replace(along, begun=-1)
            case m.Define(number):
                return self._defined(along, number)
            case m.Link(graph):
                return replace(along, lost=along.lost | {graph})
            case m.ItemClose(number):
                spec = self._machine.lists[number]
                folds = {self._machine.folds[fold].register for fold in spec.folds}
                along = _fix(along, {spec.phase: 2})
                return replace(along, lost=along.lost | folds)
            case m.Check(rules):
                done = {self._machine.rules[rule].done for rule in rules}
                return replace(along, lost=along.lost | done)
            case _:
                return None

    def _referred(self, along: _Along, number: int, guard: int) -> _Along | None:
        """A reference may begin where there is a name, unless a guard asks which."""
        narrow = guard >= 0 and self._guards.machine.guards[guard]
        if narrow and (narrow.formula or narrow.distinct >= 0):
            return None
        table = self._machine.tables[self._machine.fields[number].table]
        known = self._bound(along, table.count, 1, None)
        untouched = table.register not in along.lost and number not in self._tested
        return None if known is None else replace(known, begun=number if untouched else -1)

    def _defined(self, along: _Along, number: int) -> _Along | None:
        """One more name: there are no two, so that it counts."""
        spec = self._machine.fields[number]
        table = self._machine.tables[spec.table]
        if spec.register in along.fixed or spec.register in along.lost:
            return None
        along = self._counted(along, table.count)
        names = (*along.names, spec.register)
        return replace(along, names=names, lost=along.lost | {table.register})

    def _counted(self, along: _Along, register: int) -> _Along:
        if register in along.fixed:
            return _fix(along, {register: along.fixed[register] + 1})
        return replace(along, more={**along.more, register: along.more.get(register, 0) + 1})

    def _bound(
        self, along: _Along, register: int, least: int, most: int | None
    ) -> _Along | None:
        if register in along.fixed:
            held = along.fixed[register]
            inside = held >= least and (most is None or held <= most)
            return along if inside else None
        if register in along.lost:
            return None
        bound = Bound(register, along.more.get(register, 0), least, most)
        return replace(along, bounds=(*along.bounds, bound))

    def _asked(self, along: _Along, guard: int) -> _Along | None:
        reads = self._guards.reads(guard)
        if reads & along.lost:
            return None
        own = tuple((r, n) for r, n in along.more.items() if r in reads)
        fixed = tuple((r, value) for r, value in along.fixed.items() if r in reads)
        asked = Asked(guard, reads, own, fixed)
        return replace(along, guards=(*along.guards, asked))


def _fix(along: _Along, values: Mapping[int, Any]) -> _Along:
    """Registers are what is known of them; what they were no longer counts."""
    more = {register: n for register, n in along.more.items() if register not in values}
    return replace(
        along,
        more=more,
        fixed={**along.fixed, **values},
        lost=along.lost - values.keys(),
    )


def _idle(thread: Thread) -> bool:
    """Whether no field is under way."""
    return thread.lex is None or thread.lex.__class__ is Closed
