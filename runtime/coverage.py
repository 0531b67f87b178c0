"""What traces exercise of a ruleset, told by the machine's own run over them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from rulec.dsl import checked
from rulec.runtime import inputs as given
from rulec.runtime import trail
from rulec.runtime.covered import FIELD, GUARDED, PROSE, TEXT, Covered, Places
from rulec.runtime.externals import Calls, fitting
from rulec.runtime.programs import Closed
from rulec.runtime.tallies import Counts, Coverage, tallied
from rulec.runtime.trail import Tracing
from rulec.runtime.verdicts import in_order
from rulec.runtime.verify import furthest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rulec.compiler.marking import Marked
    from rulec.runtime.externals import Externals
    from rulec.runtime.programs import Mark
    from rulec.runtime.reference import Config, Thread

ABSORBED = 4_096
"""Bytes after which what a trace has come through is counted and forgotten."""

Settled: TypeAlias = "Callable[[Mark], tuple[Mark, str]]"

_KINDS = {GUARDED: "guarded", FIELD: "fields", PROSE: "prose", TEXT: "text"}


class Survey:
    """Counts what traces exercise; of a trace it keeps nothing else.

    `externals` are the functions that the rules call; raises `BadExternal` if one is missing.
    """

    def __init__(self, marked: Marked, externals: Externals | None = None) -> None:
        self.marked = marked
        self._externals = fitting(marked.machine, externals)
        self._engine = Tracing(marked.machine, guarded=False)
        self._places = Places(marked.machine)
        self._counts = Counts()

    def take(self, trace: bytes, inputs: Mapping[str, object] | None = None) -> None:
        """Count a trace. Raises `BadInput` for values that don't fit."""
        engine = self._engine
        config = engine.start(given.registers(self.marked.machine, inputs))
        calls = Calls(self.marked.machine, self._externals)
        covered = Covered(self._places, len(trace))
        walk = _Walk(self.marked, self._counts, covered, partial(calls.settled, engine.rules))
        for at, byte in enumerate(trace):
            after = engine.step(config, byte, at)
            if not after.threads:
                walk.stop(furthest(config), at)
                return
            config = walk.absorbed(after) if at % ABSORBED == 0 else after
        done = engine.ending(config, len(trace))
        if done is None:
            walk.stop(furthest(config), len(trace))
        else:
            walk.end(done, len(trace))

    def coverage(self) -> Coverage:
        """What has been counted so far."""
        return tallied(self.marked, self._counts)


@dataclass(slots=True)
class _Frame:
    """A part under way. `hollow` tells that a prose of no bytes stands in it.

    `field` is the field that has ended in it, at `end`; -1 for none.
    """

    part: int
    start: int
    field: int = -1
    end: int = 0
    items: int = 0
    hollow: bool = False


class _Walk:
    """One trace: its marks one after the other, each counted once."""

    def __init__(
        self, marked: Marked, counts: Counts, covered: Covered, settled: Settled
    ) -> None:
        self._settled = settled
        self._parts = marked.parts
        self._rules = marked.machine.rules
        self._counts = counts
        self._covered = covered
        self._frames: list[_Frame] = []
        self._held: list[Mark] = []
        self._broken: set[str] = set()

    def absorbed(self, config: Config) -> Config:
        """The same readings without their marks, where there is but one."""
        (first, *others) = config.threads
        if others or first.subs or config.spares:
            return config
        self._take(first)
        return config._replace(threads=(first._replace(marks=None),))

    def end(self, thread: Thread, at: int) -> None:
        """The trace has been read to its end."""
        self._take(thread)
        self._release(at)
        self._close("pass", at)

    def stop(self, thread: Thread, at: int) -> None:
        """The trace can't be read any further."""
        self._take(thread)
        self._release(at)
        if thread.debt >= 0:
            self._counts.owed[thread.debt, "violate"] += 1
            self._broken.add("violate")
        if thread.lex is not None and not isinstance(thread.lex, Closed):
            self._covered.unfinished(thread.lex.start, at)
        for frame in self._frames:
            if self._prose(frame.part):
                self._covered.prose(frame.start, at)
        self._close("unparsed", at)

    def _close(self, otherwise: str, at: int) -> None:
        counts = self._counts
        verdict = next((v for v in ("violate", "too complex") if v in self._broken), otherwise)
        counts.traces[verdict] += 1
        counts.guarded.update(self._covered.guarded)
        kinds = self._covered.kinds
        for kind, name in _KINDS.items():
            counts.total[name] += kinds.count(kind, 0, at)
        counts.total["unread"] += len(kinds) - at

    # --- marks ---

    def _take(self, thread: Thread) -> None:
        for mark in in_order(thread.marks):
            if self._held and mark.rule == trail.PASSED:
                self._release(mark.end - mark.label)
            elif self._held or (mark.rule == trail.LEAVE and self._prose(mark.label)):
                self._held.append(mark)
            else:
                self._note(mark)

    def _release(self, at: int) -> None:
        """A prose has ended at `at`, and what follows it begins there.

        The machine leaves a prose with the last byte of the text that ends it, so what has
        come meanwhile waits until that text has been passed.
        """
        held, self._held = self._held, []
        for mark in held:
            late = mark.rule in (trail.ENTER, trail.LEAVE)
            self._note(mark._replace(start=at, end=at) if late else mark)

    def _note(self, mark: Mark) -> None:
        match mark.rule:
            case trail.ENTER:
                self._frames.append(_Frame(mark.label, mark.start))
            case trail.LEAVE:
                self._leave(mark.end)
            case trail.CLOSED:
                self._field(mark)
            case trail.RESET:
                self._covered.reset(mark.regs)
            case trail.ITEM:
                self._covered.item(mark.label)
            case trail.PASSED:
                pass
            case _:
                self._claim(mark)

    def _claim(self, mark: Mark) -> None:
        audit = False
        mark, _ = self._settled(mark)
        if mark.rule >= 0:
            self._counts.rules[mark.rule, mark.verdict] += 1
            audit = self._rules[mark.rule].tier == "audit"
            if mark.verdict != "vacuous":
                self._covered.tested(mark.rule)
        elif mark.rule == -1:
            self._counts.owed[mark.label, mark.verdict] += 1
        else:
            self._counts.outside[self._frames[-1].part] += 1
        if not audit:
            self._broken.add(mark.verdict)

    def _field(self, mark: Mark) -> None:
        frame = self._frames[-1]
        frame.field, frame.end = mark.label, mark.end
        self._counts.size[frame.part] += mark.end - mark.start
        self._covered.field(mark.label, frame.part, mark.start, mark.end)

    # --- parts ---

    def _leave(self, at: int) -> None:
        """Count a part that has been written to its end.

        Between two items that are no prose the machine reads a prose of no bytes: it is none.
        """
        frame = self._frames.pop()
        kind = self._parts[frame.part].kind
        prose = self._prose(frame.part)
        if prose:
            self._covered.prose(frame.start, at)
            self._counts.size[frame.part] += at - frame.start
        if frame.field >= 0 and frame.end < at:
            self._covered.lengthened(frame.field, at)
            self._counts.size[frame.part] += at - frame.end
        hollow = frame.start == at and (prose or frame.hollow)
        if hollow and trail.repeated(self._parts, frame.part):
            self._frames[-1].hollow = kind != "item"
            return
        self._counts.times[frame.part] += 1
        if kind == "item":
            self._frames[-1].items += 1
        elif kind == "repeat":
            least, most = self._counts.lengths.get(frame.part, (frame.items, frame.items))
            self._counts.lengths[frame.part] = min(least, frame.items), max(most, frame.items)

    def _prose(self, number: int) -> bool:
        part = self._parts[number]
        match part.element:
            case checked.Slot(type=checked.ProseType()):
                return part.kind == "field"
            case _:
                return False
