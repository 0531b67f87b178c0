"""The reference engine: the byte machine in plain Python, exact, byte by byte.

It is the oracle: every faster engine gives the same answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler.machine import END, Edge, Exit, Machine
from rulec.runtime.allowed import Rules
from rulec.runtime.programs import Frame, Lex, Mark, Marks, Programs
from rulec.runtime.seen import Seen, SeenList

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rulec.compiler.ops import Program
    from rulec.compiler.rows import Held


class Thread(NamedTuple):
    """One reading of the text: a control state and its registers.

    `subs` are the watches under way, each with its own readings. `debt` labels what an opener
    still owes, or is -1.
    """

    node: int
    regs: tuple[Any, ...]
    lex: Lex = None
    marks: Marks = None
    subs: tuple[tuple[int, tuple[Thread, ...]], ...] = ()
    debt: int = -1


class Spare(NamedTuple):
    """How the text reads if what a watch is owed does not come (only when verifying)."""

    config: Config
    label: int
    at: int


class Config(NamedTuple):
    """All live readings."""

    threads: tuple[Thread, ...]
    spares: tuple[Spare, ...] = ()


DEAD = Config(())


class Reach(NamedTuple):
    """What a byte led to: the readings, and what happened on the way.

    `cut` tells that a watch's cut was come to, `past` that a reading stands behind it.
    """

    threads: tuple[Thread, ...] = ()
    cut: bool = False
    past: bool = False
    breach: str = ""
    spares: tuple[Spare, ...] = ()


class Reference:
    """The machine at work. With `guarded` nothing that breaks a rule is followed."""

    def __init__(self, machine: Machine, *, guarded: bool = True) -> None:
        self.machine = machine
        self.guarded = guarded
        self.rules = self._rules()
        self._programs = self._runner()
        self._tables: list[list[tuple[Edge, ...]] | None] = [None] * len(machine.nodes)

    def _rules(self) -> Rules:
        return Rules(self.machine)

    def _runner(self) -> Programs:
        return Programs(self.machine, self.rules, guarded=self.guarded)

    def edges(self, node: int) -> list[tuple[Edge, ...]]:
        """The edges of a node, for every byte."""
        table = self._tables[node]
        if table is None:
            table = self._tables[node] = _by_byte(self.machine.nodes[node].edges)
        return table

    def bytes_of(self, node: int) -> list[int]:
        """The bytes for which a node has edges."""
        return [byte for byte, edges in enumerate(self.edges(node)) if edges]

    def start(self, inputs: Mapping[int, Held]) -> Config:
        """Before the first byte; `inputs` are the values of the parameters' registers."""
        regs: list[Any] = list(self.machine.initial)
        for register, value in inputs.items():
            regs[register] = value
        if self.guarded and self.rules.hopeless(regs):
            return DEAD
        return Config(self._land(Thread(self.machine.start, tuple(regs)), 0).threads)

    def step(self, config: Config, byte: int, at: int) -> Config:
        """The readings behind one more byte, which stands at `at`."""
        threads: list[Thread] = []
        spares = list(self._stepped(config.spares, byte, at))
        breach = ""
        for thread in config.threads:
            for edge in self.edges(thread.node)[byte]:
                reach = self._follow(thread, edge, byte, at)
                threads.extend(reach.threads)
                spares.extend(reach.spares)
                breach = breach or reach.breach
        if not threads:
            return self._promoted(spares, breach, at)
        if spares and any(self.machine.nodes[thread.node].prose for thread in threads):
            spares = []
        return Config(tuple(threads), tuple(spares))

    def walk(self, config: Config, text: bytes, at: int) -> Config:
        """The readings behind a text that begins at `at`; `DEAD` where there is none."""
        for offset, byte in enumerate(text):
            config = self.step(config, byte, at + offset)
            if not config.threads:
                return DEAD
        return config

    def ending(self, config: Config, at: int) -> Thread | None:
        """The reading in which the trace may end here, its last rules tested."""
        for thread in config.threads:
            done = self._finish(thread, self.machine.nodes[thread.node].finals, at)
            if done is not None:
                return done
        if not config.spares:
            return None
        return self.ending(self._promoted(list(config.spares), "", at), at)

    def _finish(self, thread: Thread, finals: Iterable[Exit], at: int) -> Thread | None:
        for way in finals:
            after, _ = self._run(thread, way.ops, 0, at, False)
            if after is None or way.target == END:
                if after is not None:
                    return after
                continue
            done = self._finish(after, self.machine.nodes[way.target].finals, at)
            if done is not None:
                return done
        return None

    # --- readings that wait beside ---

    def _stepped(self, spares: Iterable[Spare], byte: int, at: int) -> Iterator[Spare]:
        for spare in spares:
            config = self.step(spare.config, byte, at)
            if config.threads:
                yield spare._replace(config=config._replace(spares=config.spares[:1]))

    def _promoted(self, spares: list[Spare], breach: str, at: int) -> Config:
        """No reading is left: what a watch was owed has not come."""
        if not spares:
            return DEAD
        spare = spares[-1]
        verdict = "vacuous" if breach == "operand" else "violate"
        threads = tuple(
            thread._replace(
                marks=(
                    Mark(-1, spare.label, verdict, spare.at, at, (), None),
                    thread.marks,
                )
            )
            for thread in spare.config.threads
        )
        return Config(threads, spare.config.spares)

    # --- one thread ---

    def _run(
        self, thread: Thread, ops: Program, byte: int, at: int, observer: bool
    ) -> tuple[Thread | None, Frame | None]:
        if not ops:
            return thread, None
        frame = Frame(thread.regs, thread.lex, thread.marks, at, observer)
        frame.byte = byte
        if not self._programs.run(frame, ops):
            return None, frame
        debt = thread.debt if frame.debt is None else frame.debt
        held = frame.regs
        regs = held.closed() if isinstance(held, SeenList) else tuple(held)
        return Thread(thread.node, regs, frame.lex, frame.marks, thread.subs, debt), frame

    def _follow(self, thread: Thread, edge: Edge, byte: int, at: int) -> Reach:
        moved, frame = self._run(thread, edge.ops, byte, at, False)
        if moved is None:
            return Reach(breach="" if frame is None else frame.breach)
        moved = moved_to(moved, edge.target)
        if edge.watched:
            return self._watch(moved, edge, byte, at)
        return self._land(moved, at + 1)

    def _land(self, thread: Thread, at: int) -> Reach:
        """Where a byte has led: a node behind which only the end may come waits too."""
        reach = self._arrive(thread, at, False)
        node = self.machine.nodes[thread.node]
        if node.edges or not node.finals:
            return reach
        return reach._replace(threads=(thread, *reach.threads))

    def _arrive(self, thread: Thread, at: int, observer: bool) -> Reach:
        """Follow the exits from where a thread has come to."""
        node = self.machine.nodes[thread.node]
        if thread.debt >= 0 and node.prose:
            thread = thread._replace(debt=-1)
        if not node.exits:
            return Reach((thread,) if node.edges else ())
        found: list[Thread] = []
        cut = past = False
        if node.edges:
            found.append(thread)
        for way in node.exits:
            after, frame = self._run(thread, way.ops, 0, at, observer)
            passed = frame is not None and frame.cut
            cut = cut or passed
            if after is not None:
                behind = moved_to(after, way.target)
                reach = self._arrive(behind, at, observer and not passed)
                cut = cut or reach.cut
                past = past or reach.past or (passed and bool(reach.threads))
                found.extend(reach.threads)
        return Reach(tuple(found), cut, past)

    # --- watches ---

    def _watch(self, moved: Thread, edge: Edge, byte: int, at: int) -> Reach:
        """Advance the watches of a prose; the first past its cut takes over."""
        held = dict(moved.subs)
        subs: list[tuple[int, tuple[Thread, ...]]] = []
        for number in sorted({*held, *edge.starts}):
            reach = self._observed(held.get(number, ()), byte, at)
            if not reach.threads and not reach.cut and number in edge.starts:
                reach = self._observed(self._entered(moved, number, at), byte, at)
            if reach.cut:
                return self._captured(moved, number, reach, byte, at)
            if reach.threads:
                subs.append((number, reach.threads))
        return Reach((moved._replace(subs=tuple(subs)),))

    def _entered(self, moved: Thread, number: int, at: int) -> tuple[Thread, ...]:
        entry = self.machine.watches[number].entry
        return self._arrive(moved._replace(node=entry, subs=()), at, True).threads

    def _observed(self, threads: Iterable[Thread], byte: int, at: int) -> Reach:
        found: list[Thread] = []
        cut = past = False
        for thread in threads:
            for edge in self.edges(thread.node)[byte]:
                after, _ = self._run(thread, edge.ops, byte, at, True)
                if after is not None:
                    reach = self._arrive(moved_to(after, edge.target), at + 1, True)
                    cut = cut or reach.cut
                    past = past or reach.past
                    found.extend(reach.threads)
        return Reach(tuple(found), cut, past)

    def _captured(self, moved: Thread, number: int, reach: Reach, byte: int, at: int) -> Reach:
        """The text has come to a watch's cut: from here on its rest is owed."""
        plain = moved._replace(subs=())
        if not reach.past:
            return Reach() if self.guarded else Reach((plain,))
        watch = self.machine.watches[number]
        threads = [_joined(plain, thread, watch.registers) for thread in reach.threads]
        escape = self.machine.nodes[moved.node].escape
        if byte == 0x3D and escape is not None:
            threads.append(plain._replace(node=escape))
        spare = Spare(Config((plain,)), watch.label, at)
        return Reach(tuple(threads), spares=() if self.guarded else (spare,))


def moved_to(thread: Thread, node: int) -> Thread:
    """The same reading at another node."""
    return Thread(node, thread.regs, thread.lex, thread.marks, thread.subs, thread.debt)


def _joined(plain: Thread, sub: Thread, registers: tuple[int, ...]) -> Thread:
    """The trace's own reading, gone over to where a watch has come."""
    seen = plain.regs
    regs = seen.opened() if isinstance(seen, Seen) else list(seen)
    for register in registers:
        regs[register] = sub.regs[register]
    held = regs.closed() if isinstance(regs, SeenList) else tuple(regs)
    return Thread(sub.node, held, sub.lex, sub.marks, (), plain.debt)


def _by_byte(edges: Iterable[Edge]) -> list[tuple[Edge, ...]]:
    table: list[tuple[Edge, ...]] = [()] * 256
    for edge in edges:
        for byte in range(256):
            if edge.bytes >> byte & 1:
                table[byte] = (*table[byte], edge)
    return table
