"""Tokens that live for reasons that a few registers tell, so that they need not be walked.

Most of what a token runs through can't die: names enter tables, lists take their items in. What
can is how many items a repeat has, and what guards leave open. Where one way through a token
asks for nothing else, that alone is tried.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler import ops as m
from rulec.compiler.lower import deep_folds
from rulec.compiler.opaque import opaque
from rulec.compiler.skeleton import Skeleton
from rulec.compiler.terms import Gap
from rulec.runtime.programs import Closed, Name
from rulec.runtime.seen import Seen, bump

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rulec.compiler.machine import Machine
    from rulec.compiler.rows import Keys
    from rulec.runtime.allowed import Rules
    from rulec.runtime.reference import Thread

ALONE = -2
"""In place of a room: no name may be just that."""

MOST_WAYS = 16
"""Ways through a token that are looked at."""


class Way(NamedTuple):
    """One way through a token: the ops that count, and the reference that begins last (-1)."""

    ops: tuple[m.Op, ...]
    begun: int = -1


class _Along(NamedTuple):
    """How far a way has come; with `begun` no byte may follow."""

    node: int
    ops: tuple[m.Op, ...] = ()
    begun: int | None = None


class Surely:
    """Tells tokens that live without walking them."""

    def __init__(self, machine: Machine, rules: Rules) -> None:
        self._machine = machine
        self._rules = rules
        self._skeleton = Skeleton(machine)
        self._ways: dict[tuple[int, int], tuple[Way, ...]] = {}
        self._rooms: dict[tuple[int, int], tuple[tuple[int, int], ...]] = {}
        self._before: dict[tuple[int, int], tuple[Way, ...]] = {}
        self._last: tuple[Thread, Way, Any] | None = None
        """What was tried last: the way before a reference is that of tokens before it, too."""
        self._tested = {
            number
            for number, spec in enumerate(machine.fields)
            if any(machine.rules[rule].tier == "commit" for rule in spec.rules)
        }
        self._tries: dict[type, Callable[[Any, Any], bool]] = {
            m.Reset: self._reset,
            m.Absent: _absent,
            m.Count: _count,
            m.Enough: _enough,
            m.ItemOpen: self._item_open,
            m.ItemClose: self._item_close,
            m.ListClose: self._list_close,
            m.Define: self._define,
            m.Guarded: self._guarded,
            m.Begin: self._begin,
        }

    def lives(self, thread: Thread, token: int, text: bytes) -> bool:
        """Whether a token is known to live; where not, it has to be walked."""
        if thread.subs or not _idle(thread):
            return isinstance(thread.lex, Name) and self._free(thread, thread.lex, token, text)
        key = thread.node, token
        ways = self._ways.get(key)
        if ways is None:
            ways = self._ways[key] = tuple(self._through(thread.node, text))
        return any(self._tried(way, thread) is not None for way in ways)

    def keys(self, thread: Thread, number: int, text: bytes) -> Keys | None:
        """The names that a reference may be behind a fixed text; None where it isn't sure."""
        if thread.subs or number in self._tested or not _idle(thread):
            return None
        key = thread.node, number
        ways = self._before.get(key)
        if ways is None:
            through = self._through(thread.node, text)
            ways = self._before[key] = tuple(way for way in through if way.begun == number)
        for way in ways:
            held = self._tried(way, thread)
            if held is not None:
                last = way.ops[-1]
                guard = last.guard if isinstance(last, m.Begin) else -1
                return self._rules.names(self._machine.fields[number], held, guard).known
        return None

    def _tried(self, way: Way, thread: Thread) -> Any:
        """The registers behind a way; None where it can't be gone."""
        if self._last is not None and self._last[0] is thread and self._last[1] == way:
            return self._last[2]
        regs = thread.regs
        held: Any = regs.opened() if isinstance(regs, Seen) else list(regs)
        tries = self._tries
        found = held if all(tries[op.__class__](held, op) for op in way.ops) else None
        self._last = thread, way, found
        return found

    # --- what is tried ---

    def _reset(self, held: Any, op: m.Reset) -> bool:
        for register in op.registers:
            held[register] = self._machine.initial[register]
        return True

    def _item_open(self, held: Any, op: m.ItemOpen) -> bool:
        spec = self._machine.lists[op.list]
        for register in spec.registers:
            held[register] = self._machine.initial[register]
        bump(held, spec.count)
        held[spec.phase] = 1
        return True

    def _item_close(self, held: Any, op: m.ItemClose) -> bool:
        held[self._machine.lists[op.list].phase] = 2
        self._rules.gather(held, op.list)
        return True

    def _list_close(self, held: Any, op: m.ListClose) -> bool:
        held[self._machine.lists[op.list].phase] = 3
        return True

    def _define(self, held: Any, op: m.Define) -> bool:
        """There are no two names, so that each counts."""
        spec = self._machine.fields[op.field]
        if isinstance(held[spec.register], Gap) or op.names >= 0:
            return False
        table = self._machine.tables[spec.table]
        bump(held, table.count)
        if table.kinds:
            kind = table.kind([held[register] for register in op.attributes])
            if kind >= 0:
                bump(held, kind)
        return True

    def _guarded(self, held: Any, op: m.Guarded) -> bool:
        return self._rules.guards.holds(op.guard, held)

    def _begin(self, held: Any, op: m.Begin) -> bool:
        spec = self._machine.fields[op.field]
        if self._narrow(op):
            return len(self._rules.names(spec, held, op.guard).known) > 0
        return bool(held[self._machine.tables[spec.table].count] >= 1)

    def _narrow(self, op: m.Begin) -> bool:
        """Whether more is asked of a reference than that there is a name."""
        guard = self._machine.guards[op.guard] if op.guard >= 0 else None
        return guard is not None and bool(guard.formula or guard.distinct >= 0)

    # --- new names ---

    def _free(self, thread: Thread, lex: Name, token: int, text: bytes) -> bool:
        """Whether a new name may go on with a token: names are left that begin so."""
        if not lex.new or lex.known is None or thread.subs:
            return False
        key = thread.node, token
        rooms = self._rooms.get(key)
        if rooms is None:
            rooms = self._rooms[key] = self._along(thread.node, text)
        for length, room in rooms:
            begun = lex.text + text[:length]
            low, high = lex.taken.span(begun)
            if (room > 0 and high - low >= room) or (room == ALONE and begun in lex.taken):
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
        ended = [way.target for way in ends if isinstance(way.ops[0], m.EndName)]
        over = any(self._machine.nodes[target].edges for target in ended)
        return (*found, (len(text), ALONE)) if over else ()

    # --- ways through a token ---

    def _through(self, node: int, text: bytes) -> Iterator[Way]:
        here = [_Along(node)]
        for byte in text:
            here = [after for along in here for after in self._step(along, byte)]
            if not here or len(here) > MOST_WAYS:
                return
        for along in here:
            ops = self._needed(along.ops)
            if ops is not None:
                yield Way(ops, -1 if along.begun is None else along.begun)

    def _step(self, along: _Along, byte: int) -> Iterator[_Along]:
        if along.begun is not None:
            return
        for edge in self._machine.nodes[along.node].edges:
            if not edge.bytes >> byte & 1 or edge.watched or edge.starts:
                continue
            after = self._run(along, edge.ops)
            if after is not None:
                after = after._replace(node=edge.target)
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
                yield from self._arrive(after._replace(node=way.target))

    def _run(self, along: _Along, ops: m.Program) -> _Along | None:
        """The way behind a program; None where it may die for other reasons."""
        for op in ops:
            if along.begun is not None:
                return None
            if isinstance(op, m.Begin):
                along = along._replace(begun=op.field if self._refers(op) else -1)
                if not self._refers(op):
                    if self._skeleton.kills(op):
                        return None
                    continue
            elif isinstance(op, m.Cut | m.Owe | m.Broken) or not self._tried_or_safe(op):
                return None
            along = along._replace(ops=(*along.ops, op))
        return along

    def _refers(self, op: m.Begin) -> bool:
        spec = self._machine.fields[op.field]
        return spec.kind == "ref" and not spec.forward

    def _tried_or_safe(self, op: m.Op) -> bool:
        # A rule that masks keep is never broken where the guards before its test have held.
        return isinstance(op, m.Link | m.Check) or type(op) in self._tries

    def _needed(self, ops: tuple[m.Op, ...]) -> tuple[m.Op, ...] | None:
        """The ops of a way without those that nothing depends on; None where that is too much.

        Tables and graphs are left as they are, so that nothing that is tried may ask them.
        """
        read = self._read(ops)
        defined = {
            self._machine.fields[op.field].table for op in ops if isinstance(op, m.Define)
        }
        if any(isinstance(op, m.Begin) and self._asks(op, defined) for op in ops):
            return None
        kept: list[m.Op] = []
        for op in ops:
            if isinstance(op, m.ItemClose):
                own = [self._machine.folds[n] for n in self._machine.lists[op.list].folds]
                own = [fold for fold in own if fold.register in read]
                if any(opaque(fold.body) for fold in own) and defined:
                    return None
                if own:
                    kept.append(op)
            elif type(op) in self._tries:
                kept.append(op)
        return tuple(kept)

    def _asks(self, op: m.Begin, defined: set[int]) -> bool:
        """Whether a reference may be one of the names that have come on the way."""
        return self._machine.fields[op.field].table in defined

    def _read(self, ops: tuple[m.Op, ...]) -> frozenset[int]:
        """The registers that guards read, those of which folds are made too."""
        guards = [op.guard for op in ops if isinstance(op, m.Guarded | m.Begin)]
        read = set[int]().union(*(self._rules.guards.reads(n) for n in guards if n >= 0))
        folds = {fold.register: fold for fold in self._machine.folds}
        for register in [r for r in read if r in folds]:
            for number in deep_folds(folds[register].body, self._machine.folds):
                read.add(self._machine.folds[number].register)
        fields = [self._machine.fields[op.field] for op in ops if isinstance(op, m.Begin)]
        read |= {register for spec in fields for register in spec.loose[2:]}
        return frozenset(read)


def _absent(held: Any, op: m.Absent) -> bool:
    for register in op.registers:
        held[register] = Gap.ABSENT
    return True


def _count(held: Any, op: m.Count) -> bool:
    bump(held, op.register)
    return op.most is None or bool(held[op.register] <= op.most)


def _enough(held: Any, op: m.Enough) -> bool:
    return bool(held[op.register] >= op.least)


def _idle(thread: Thread) -> bool:
    """Whether no field is under way."""
    return thread.lex is None or thread.lex.__class__ is Closed
