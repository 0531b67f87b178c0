"""What may come at one place of a trace, in every reading, and which rules made it so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import ops as m
from rulec.compiler.marking import Enter
from rulec.dsl import checked
from rulec.runtime import inputs as given
from rulec.runtime import programs
from rulec.runtime.budget import phases
from rulec.runtime.closed import Closed, Doubts
from rulec.runtime.inputs import BadInput
from rulec.runtime.narrowing import Demand, Sieve
from rulec.runtime.reasons import Refusal, explain_refusal, owing, told
from rulec.runtime.reference import Config, Thread
from rulec.runtime.trail import Tracing, open_parts, path_of
from rulec.runtime.verdicts import Claim, claims, in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.marking import Marked, Part
    from rulec.runtime.programs import Mark

LONGEST_FORCED = 200
"""Bytes that are told in advance where there is no choice."""

FEW = 24
"""Characters beyond ASCII that are told one by one."""


@dataclass(frozen=True, slots=True)
class Watching:
    """A watch that may be under way in prose, where in its shape, and since which byte."""

    path: tuple[str, ...]
    start: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One way to read the text up to a place.

    `path` names the shapes and fields around the place, the outermost first; `part` is the
    innermost element under way, None where there is none. `field` is the index of the field
    under way, -1 for none, and `written` its bytes so far. `reads` are the rules that read the
    field and don't narrow it here. `next` are the bytes that may follow in this reading,
    `forced` what must, as far as there is no choice. `openers` are the texts that end a prose.
    """

    path: tuple[str, ...]
    part: Part | None
    field: int = -1
    written: bytes = b""
    demand: Demand | None = None
    reads: tuple[int, ...] = ()
    next: tuple[int, ...] = ()
    characters: tuple[str, ...] = ()
    forced: bytes = b""
    ends: bool = False
    openers: tuple[Part, ...] = ()
    watching: tuple[Watching, ...] = ()


@dataclass(frozen=True, slots=True)
class Stop:
    """The first byte of a trace that the rules don't allow, or its end, and why.

    `rules` are those that close the ways on which that byte could be.
    """

    at: int
    refusal: Refusal
    rules: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Explanation:
    """What may come at the byte `at` of a trace.

    `at` lies before the place that was asked for where the trace had stopped by then; `stop`
    is None where all of the trace is allowed. `closed` are ways that no reading can take, and
    `broken` the rules broken so far.
    """

    at: int
    readings: tuple[Reading, ...]
    next: tuple[int, ...]
    ends: bool
    closed: tuple[Closed, ...]
    stop: Stop | None
    broken: tuple[Claim, ...]


class _Place(NamedTuple):
    """The readings at a byte; those `doubted` are all that the text's shape has there."""

    config: Config
    doubted: Config
    at: int


class Explainer:
    """Explains places of traces by one marked machine."""

    def __init__(self, marked: Marked) -> None:
        self.marked = marked
        self._engine = Tracing(marked.machine)
        self._doubts = Doubts(marked)
        self._phases = phases(marked.machine)
        self._sieve = Sieve(marked)

    def __call__(
        self, trace: bytes, at: int, inputs: Mapping[str, object] | None = None
    ) -> Explanation:
        """What may come at a byte of a trace. Raises `BadInput` for values that don't fit."""
        values = given.registers(self.marked.machine, inputs)
        start = self._engine.start(values)
        if not start.threads:
            raise BadInput("with these values no trace can keep the rules")
        here = self._walked(_Place(start, self._doubts.start(values), 0), trace[:at])
        end = self._walked(here, trace[here.at :])
        readings = [self._reading(thread, trace, here.at) for thread in here.config.threads]
        closed = (way for way, _ in self._doubts.closed(here.doubted))
        return Explanation(
            here.at,
            tuple(reading for reading in readings if reading.next or reading.ends),
            tuple(sorted({byte for reading in readings for byte in reading.next})),
            any(reading.ends for reading in readings),
            tuple(dict.fromkeys(closed)),
            self._stop(end, trace),
            self._broken(here.config, trace),
        )

    def _walked(self, place: _Place, text: bytes) -> _Place:
        """Where a text ends or stops."""
        config, before, at = place.config, None, place.at
        for byte in text:
            after = self._engine.step(config, byte, at)
            if not after.threads:
                break
            config, before, at = after, config, at + 1
        if before is None:
            return place
        return _Place(config, self._doubts.behind(before, text[at - place.at - 1], at - 1), at)

    def _stop(self, place: _Place, trace: bytes) -> Stop | None:
        at = place.at
        refusal = explain_refusal(self._engine, place.config, trace[at : at + 4], at)
        if refusal is None:
            return None
        ways = [
            (way, thread)
            for way, thread in self._doubts.closed(place.doubted)
            if self._doubts.takes(thread, trace[at:], at)
        ]
        rules = {rule for way, _ in ways for rule in way.rules}
        shown = told(trace[at : at + 4])
        if rules:
            refusal = self._closing(shown, sorted(rules))
        elif ways:
            refusal = owing(self.marked.machine, ways[0][1].regs, shown) or refusal
        return Stop(at, refusal, tuple(sorted(rules)))

    def _closing(self, shown: str, numbers: list[int]) -> Refusal:
        """Why a byte can't come that the text's shape has."""
        rules = [self.marked.machine.rules[number] for number in numbers]
        by = ", ".join(dict.fromkeys(f"{rule.shape}.{rule.name}" for rule in rules))
        because = "; ".join(dict.fromkeys(rule.because for rule in rules if rule.because))
        message = f"{shown} can't stand here: the way on is closed by {by}"
        return Refusal(message, by, because=because)

    def _broken(self, config: Config, trace: bytes) -> tuple[Claim, ...]:
        """The rules that every reading breaks."""
        rules = self._engine.rules
        found = [
            claims(self.marked.machine, rules, _violations(thread), trace)
            for thread in config.threads
        ]
        first, *others = found
        return tuple(claim for claim in first if all(claim in other for other in others))

    # --- one reading ---

    def _reading(self, thread: Thread, trace: bytes, at: int) -> Reading:
        trail = in_order(thread.marks)
        opened = open_parts(trail)
        part = self.marked.parts[opened[-1].label] if opened else None
        alone = Config((thread,))
        after = dict(self._after(alone, at))
        field, written = self._field(thread, trace[:at])
        slot = None if part is None else part.element
        wanted = None
        if isinstance(slot, checked.Slot):
            phase = self._phases.get(thread.node, "")
            wanted = self._sieve.demand(thread, slot, phase, written)
        prose = part is not None and self._prose(part)
        quoted = isinstance(slot, checked.Slot) and slot.quoted
        return Reading(
            path=path_of(self.marked.parts, trail),
            part=part,
            field=field,
            written=trace[opened[-1].start : at] if prose else written,
            demand=wanted,
            reads=self._idle(field, wanted),
            next=tuple(after),
            characters=tuple(self._characters(after, at)),
            forced=self._forced(alone, at),
            ends=self._engine.ending(alone, at) is not None,
            openers=tuple(self._openers(thread.node)) if prose and not quoted else (),
            watching=tuple(dict.fromkeys(self._watching(thread, trail))),
        )

    def _after(self, config: Config, at: int) -> Iterator[tuple[int, Config]]:
        """The bytes that may come next, each with the readings behind it."""
        possible = {b for t in config.threads for b in self._engine.bytes_of(t.node)}
        for byte in sorted(possible):
            after = self._engine.step(config, byte, at)
            if after.threads:
                yield byte, after

    def _characters(self, after: Mapping[int, Config], at: int) -> Iterator[str]:
        """The characters that may come next; those beyond ASCII only where they are few."""
        yield from (chr(byte) for byte in after if byte < 0x80)
        wide = [byte for byte in after if byte >= 0xC2]
        begun = [(bytes((byte,)), after[byte]) for byte in wide] if len(wide) <= FEW else []
        found: list[str] = []
        while begun and len(found) <= FEW:
            text, config = begun.pop()
            if len(text) == _length(text[0]):
                found.append(text.decode("utf-8", "replace"))
                continue
            ways = self._after(config, at + len(text))
            begun.extend((text + bytes((byte,)), behind) for byte, behind in ways)
        yield from sorted(found) if len(found) <= FEW else ()

    def _field(self, thread: Thread, text: bytes) -> tuple[int, bytes]:
        """The field under way and what has been written of it."""
        if thread.lex is None or isinstance(thread.lex, programs.Closed):
            return -1, b""
        return thread.lex.field, text[thread.lex.start :]

    def _idle(self, field: int, wanted: Demand | None) -> tuple[int, ...]:
        """The rules that read a field and don't narrow it."""
        if field < 0:
            return ()
        narrowing = () if wanted is None else (rule.rule for rule in wanted.rules)
        apart = {*narrowing, *(() if wanted is None else wanted.waived)}
        return tuple(n for n in self.marked.machine.fields[field].rules if n not in apart)

    def _forced(self, config: Config, at: int) -> bytes:
        found = bytearray()
        while len(found) < LONGEST_FORCED and self._engine.ending(config, at) is None:
            ways = self._after(config, at)
            first, second = next(ways, None), next(ways, None)
            if first is None or second is not None:
                break
            byte, config = first
            found.append(byte)
            at += 1
        return bytes(found)

    # --- prose ---

    def _prose(self, part: Part) -> bool:
        element = part.element
        return isinstance(element, checked.Slot) and isinstance(element.type, checked.ProseType)

    def _openers(self, node: int) -> Iterator[Part]:
        """The texts that end the prose to which a node belongs."""
        seen, queue = {node}, [node]
        found: set[int] = set()
        while queue:
            for edge in self.marked.machine.nodes[queue.pop()].edges:
                if any(isinstance(op, m.Owe) for op in edge.ops):
                    found.update(self._opener(edge.ops))
                elif edge.target not in seen:
                    seen.add(edge.target)
                    queue.append(edge.target)
        return (self.marked.parts[number] for number in sorted(found))

    def _opener(self, ops: m.Program) -> Iterator[int]:
        entered = [op.part for op in map(_mark, ops) if op is not None]
        texts = [number for number in entered if self.marked.parts[number].kind == "text"]
        return iter(texts[-1:])

    def _watching(self, thread: Thread, trail: list[Mark]) -> Iterator[Watching]:
        """The watches that have begun behind the reading's own trail."""
        depth = len(path_of(self.marked.parts, trail))
        for _, threads in thread.subs:
            for sub in threads:
                own = in_order(sub.marks)
                path = path_of(self.marked.parts, own)
                yield Watching(path[depth:], own[len(trail)].start)


def _length(lead: int) -> int:
    """Bytes of the character that begins with a byte beyond ASCII."""
    return 2 + (lead >= 0xE0) + (lead >= 0xF0)


def _mark(op: object) -> Enter | None:
    return op if isinstance(op, Enter) else None


def _violations(thread: Thread) -> list[Mark]:
    return [
        mark
        for mark in in_order(thread.marks)
        if mark.rule >= -2 and mark.verdict in ("violate", "too complex")
    ]


def explain(
    marked: Marked, trace: bytes | str, at: int, inputs: Mapping[str, object] | None = None
) -> Explanation:
    """What may come at a byte of a trace; an `Explainer` is quicker for many."""
    text = trace.encode() if isinstance(trace, str) else trace
    return Explainer(marked)(text, at, inputs)
