"""Which bytes of a trace lie in fields that a tested rule reads."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import terms
from rulec.compiler.lower import deep_folds

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.machine import Machine
    from rulec.compiler.terms import Fold

TEXT, PROSE, FIELD, GUARDED = range(4)
"""What a byte is: of a literal or a pattern, of prose, of a field, of one that a rule reads."""


@dataclass(frozen=True, slots=True)
class Reads:
    """What one rule reads of its own place: fields, and the first or last of some of them.

    `before` are fields of the item before in a list.
    """

    fields: frozenset[int]
    ends: tuple[tuple[Fold, frozenset[int]], ...]
    before: tuple[tuple[int, frozenset[int]], ...]


def reads_of(machine: Machine) -> tuple[Reads, ...]:
    """What each rule reads, in folds too."""
    fields = {f.register: n for n, f in enumerate(machine.fields)}
    fields |= {f.digits: n for n, f in enumerate(machine.fields)}

    def named(registers: Iterable[int]) -> frozenset[int]:
        return frozenset(fields[register] for register in registers if register in fields)

    found: list[Reads] = []
    for rule in machine.rules:
        own = named(terms.registers(rule.term))
        ends: list[tuple[Fold, frozenset[int]]] = []
        before: list[tuple[int, frozenset[int]]] = []
        for number in sorted(deep_folds(rule.term, machine.folds)):
            fold = machine.folds[number]
            inside = rule.done in machine.lists[fold.list].registers
            body = named(terms.registers(fold.body))
            if fold.function == "prev" and inside:
                before.append((fold.list, body))
            elif fold.function in ("first", "last"):
                ends.append((fold.function, body))
            else:
                own |= body
        found.append(Reads(own, tuple(ends), tuple(before)))
    return tuple(found)


class _Span(NamedTuple):
    """A field that has been written, and the element that it stands for."""

    start: int
    end: int
    part: int


class Places:
    """What does not change from trace to trace: where rules begin anew, and what they read."""

    def __init__(self, machine: Machine) -> None:
        self.reads = reads_of(machine)
        self.rules = {rule.done: n for n, rule in enumerate(machine.rules)}
        prev = [fold for fold in machine.folds if fold.function == "prev"]
        self.lists = {fold.register: fold.list for fold in prev}
        self.readers: defaultdict[int, list[int]] = defaultdict(list)
        """The rules that read a field of their own place."""
        for rule, reads in enumerate(self.reads):
            for field in reads.fields:
                self.readers[field].append(rule)
        others = (part for reads in self.reads for part in (*reads.ends, *reads.before))
        self.read = frozenset(self.readers).union(*(fields for _, fields in others))


class Covered:
    """One trace while it is read.

    A rule reads a span if it is written in the rule's own place, be that after the test, or,
    for `prev`, in the item before.
    """

    def __init__(self, places: Places, length: int) -> None:
        self.kinds = bytearray(length)
        self.guarded: defaultdict[int, int] = defaultdict(int)
        """Bytes that a tested rule reads, for each element."""
        self._places = places
        self._time = 0
        self._last = _Span(0, 0, -1)
        self._times: defaultdict[int, list[int]] = defaultdict(list)
        self._spans: defaultdict[int, list[_Span]] = defaultdict(list)
        self._opened: dict[int, int] = {}
        self._items: dict[int, tuple[int, int | None]] = {}
        self._settled: set[int] = set()

    def reset(self, registers: Iterable[int]) -> None:
        """Shapes and lists begin anew."""
        self._time += 1
        for register in registers:
            if register in self._places.rules:
                rule = self._places.rules[register]
                self._opened[rule] = self._time
                self._settled.discard(rule)
            if register in self._places.lists:
                self._items.pop(self._places.lists[register], None)

    def item(self, list_: int) -> None:
        """A list's next item begins."""
        self._time += 1
        before = self._items.get(list_)
        self._items[list_] = self._time, None if before is None else before[0]

    def prose(self, start: int, end: int) -> None:
        """A prose has ended; fields of watches in it stay what they are."""
        self.kinds[start:end] = self.kinds[start:end].replace(b"\0", bytes((PROSE,)))

    def field(self, field: int, part: int, start: int, end: int) -> None:
        """A field has ended."""
        self.kinds[start:end] = bytes((FIELD,)) * (end - start)
        self._last = _Span(start, end, part)
        if field in self._places.read:
            self._time += 1
            self._times[field].append(self._time)
            self._spans[field].append(self._last)
            if any(rule in self._settled for rule in self._places.readers[field]):
                self._fill(self._last)

    def unfinished(self, start: int, end: int) -> None:
        """A field has begun and does not end."""
        self.kinds[start:end] = bytes((FIELD,)) * (end - start)

    def lengthened(self, field: int, end: int) -> None:
        """The field that ended last goes on to `end` with a sign behind its number."""
        last = self._last
        kind = self.kinds[last.start]
        self.kinds[last.end : end] = bytes((kind,)) * (end - last.end)
        if kind == GUARDED:
            self.guarded[last.part] += end - last.end
        if field in self._places.read:
            self._spans[field][-1] = last._replace(end=end)

    def tested(self, rule: int) -> None:
        """A rule has been tested."""
        self._settled.add(rule)
        reads = self._places.reads[rule]
        since = self._opened.get(rule, 0)
        for field in reads.fields:
            self._guard(field, since, self._time)
        for function, fields in reads.ends:
            for field in fields:
                self._guard(field, since, self._time, function)
        for list_, fields in reads.before:
            here, before = self._items.get(list_, (0, None))
            for field in fields if before is not None else ():
                self._guard(field, before or 0, here)

    def _guard(self, field: int, since: int, until: int, which: Fold | None = None) -> None:
        """Guard what has been written of a field meanwhile, or the first or last of it."""
        times = self._times[field]
        spans = self._spans[field][bisect_right(times, since) : bisect_right(times, until)]
        if which is not None:
            spans = spans[:1] if which == "first" else spans[-1:]
        for span in spans:
            if span.start < span.end and self.kinds[span.start] != GUARDED:
                self._fill(span)

    def _fill(self, span: _Span) -> None:
        self.kinds[span.start : span.end] = bytes((GUARDED,)) * (span.end - span.start)
        self.guarded[span.part] += span.end - span.start
