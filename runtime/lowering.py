"""A pack for the device: its control, its programs and its guards as tables of integers.

What the tables hold is numbers alone; nothing in them is executed.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from rulec.compiler import ops as m
from rulec.compiler.skeleton import Skeleton
from rulec.kernels import encoding as e
from rulec.runtime.allowed import Rules
from rulec.runtime.lowered_guards import Guards
from rulec.runtime.lowered_programs import EXPR_PHASES, PARTS, Programs
from rulec.runtime.lowered_registers import HostOnly, Registers
from rulec.runtime.lowered_tables import NOWHERE, Address, Tables
from rulec.runtime.stack import policy

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.machine import Exit, Machine
    from rulec.compiler.ops import Program

MOST_STANCES = 20_000
"""Sets of readings that are looked at for how many can be live at once."""

MOST_READINGS = 32
MOST_WATCHES = 60


@dataclass(frozen=True)
class Lowered:
    """The tables of one machine.

    `words` are the tables, `addresses` the places of those words that say where another
    stands. A reading has `width` words, and `readings` of them can be live at once; `layout`
    is what programs must know of its parts; `fields` is where each number or date stands.
    """

    words: NDArray[np.int64]
    addresses: NDArray[np.int64]
    registers: Registers
    width: int
    readings: int
    layout: int
    fields: tuple[int, ...]


def lower(machine: Machine) -> Lowered:
    """The tables of a machine.

    Raises:
        HostOnly: if the machine asks for what only the host has; the message says what.
    """
    rules = Rules(machine)
    _examine(machine, rules)
    registers = Registers(machine, rules.guards)
    registers.gather()
    tables = Tables(e.PACK_HEAD)
    guards = Guards(machine, registers, tables)
    first = _head(machine, registers, guards)
    registers.lay_out(first)
    programs = Programs(machine, rules, registers, guards)
    classes = byte_classes(machine)
    readings = most_readings(machine, classes)
    if len(machine.watches) > 1:
        readings *= 2  # those of one watch stand beside those of another that takes over
    control = _Control(machine, classes, programs, tables)
    head = {
        **control.head(),
        e.PACK_WIDTH: registers.end,
        e.PACK_REGISTERS: first,
        e.PACK_POLICY: _policy(tables),
    }
    fields = tuple(map(programs.field_of, machine.fields))
    for place, word in head.items():
        tables.put(place, word)
    words, places = tables.finished()
    layout = registers.text_size << 32 | guards.width
    made = np.array(words, np.int64), np.array(places, np.int64)
    return Lowered(*made, registers, registers.end, readings, layout, fields)


def _examine(machine: Machine, rules: Rules) -> None:
    """Whether anything is there that only the host has."""
    if machine.tables:
        raise HostOnly("tables and names are kept by the host")
    if len(machine.watches) > MOST_WATCHES:
        raise HostOnly(f"more than {MOST_WATCHES} watches are kept by the host")
    for field in machine.fields:
        narrowed = field.kind in ("number", "date", "word", "expr")
        if narrowed and rules.narrows(field):
            raise HostOnly(f"`{field.name}` is narrowed by a rule that is tested later")


def _head(machine: Machine, registers: Registers, guards: Guards) -> int:
    """Words in front of a reading's registers."""
    size = e.BYTES + registers.text_size
    for field in machine.fields:
        if field.kind in ("number", "date", "fraction"):
            size = max(size, e.RUNS + (field.most - field.least + 1) * guards.width)
        elif field.kind == "expr":
            size = max(size, e.LEX + e.X_SIZE)
    return size


def most_readings(machine: Machine, classes: Sequence[int]) -> int:
    """How many readings can be live at once, those of watches included.

    Bytes of one of the `classes` lead alike.

    Raises:
        HostOnly: if that isn't known, or too many.
    """
    skeleton, bytes_ = Skeleton(machine), _one_of_each(classes)
    queue = deque([skeleton.begin()])
    seen = {queue[0]}
    most = 1
    while queue:
        here = queue.popleft()
        stance = skeleton.stances[here]
        live = sum(1 + sum(len(nodes) for _, nodes in p.subs) for p, _ in stance)
        most = max(most, live)
        for byte in bytes_:
            after = skeleton.step(here, byte)
            if after and after not in seen:
                seen.add(after)
                queue.append(after)
        if len(seen) > MOST_STANCES or most > MOST_READINGS:
            raise HostOnly("too many readings at once are kept by the host")
    return most


class _Control:
    """Nodes, edges, exits and watches."""

    def __init__(
        self, machine: Machine, classes: Sequence[int], programs: Programs, tables: Tables
    ) -> None:
        self.machine = machine
        self.classes = classes
        self.programs = programs
        self.tables = tables
        self.registers = programs.registers

    def head(self) -> dict[int, int]:
        """The words of the head that tell of control."""
        sample = _one_of_each(self.classes)
        moves = [
            self._moves(node, byte)
            for node in range(len(self.machine.nodes))
            for byte in sample
        ]
        return {
            e.PACK_MOVES: self.tables.add(moves),
            e.PACK_CLASSES: self.tables.add(self.classes),
            e.PACK_CLASS_COUNT: len(sample),
            e.PACK_WATCHES: self.tables.add(self._watches()),
            e.PACK_WATCH_COUNT: len(self.machine.watches),
            e.PACK_FINALS: self.tables.add(map(self._finals, range(len(self.machine.nodes)))),
            e.PACK_ESCAPES: self.tables.add(
                -1 if node.escape is None else node.escape for node in self.machine.nodes
            ),
        }

    def _moves(self, node: int, byte: int) -> Address:
        """The edges of a node for a byte."""
        found: list[int] = []
        for edge in self.machine.nodes[node].edges:
            if not edge.bytes >> byte & 1:
                continue
            if any(isinstance(op, m.Cut) for op in edge.ops):
                raise HostOnly("a cut within a byte is kept by the host")
            spec = self.machine.nodes[edge.target]
            stays = bool(spec.edges) or edge.watched
            lands = stays or bool(spec.finals)
            exits = () if edge.watched else self._arrivals((), edge.target, own=False)
            seen = self._arrivals((), edge.target, own=False)
            found.append(
                self.tables.add(
                    (
                        int(edge.watched),
                        sum(1 << watch for watch in edge.starts),
                        self._followed(edge.ops, edge.target if lands else -1, exits),
                        self._followed(edge.ops, edge.target if spec.edges else -1, seen),
                    )
                )
            )
        return self.tables.listed(found) if found else NOWHERE

    def _arrivals(
        self, ops: Program, node: int, *, own: bool = True
    ) -> Iterator[tuple[Program, int]]:
        """The exits from where a byte leads, each with the nodes behind it that wait."""
        spec = self.machine.nodes[node]
        if own and spec.edges:
            yield ops, node
        for way in spec.exits:
            yield from self._arrivals((*ops, *way.ops), way.target)

    def _followed(
        self, ops: Program, node: int, exits: Iterable[tuple[Program, int]]
    ) -> Address:
        """A program, the node where the reading may stay, and the exits from there."""
        words = [w for own, after in exits for w in (self.programs.program(own), after)]
        return self.tables.add((self.programs.program(ops), node, len(words) // 2, *words))

    def _ways(self, ways: Iterable[tuple[Program, int]]) -> Address:
        """Programs, each with the node behind it."""
        words = [w for ops, node in ways for w in (self.programs.program(ops), node)]
        return self.tables.add((len(words) // 2, *words))

    def _finals(self, node: int) -> Address:
        """The programs that end the trace."""
        finals = self.machine.nodes[node].finals
        ways = [self.programs.program(ops) for ops in self._ended((), finals)]
        return self.tables.listed(ways) if ways else NOWHERE

    def _ended(self, ops: Program, finals: Sequence[Exit]) -> Iterator[Program]:
        for way in finals:
            done = (*ops, *way.ops)
            if way.target == 0:
                yield done
            else:
                yield from self._ended(done, self.machine.nodes[way.target].finals)

    def _watches(self) -> Iterator[int]:
        for watch in self.machine.watches:
            yield self._ways(self._arrivals((), watch.entry))
            own = [
                word + more
                for (kind, register), word in sorted(self.registers.words.items())
                if register in watch.registers and kind != "quotient"
                for more in range(self.registers.size(kind, register))
            ]
            yield self.tables.listed(own)


def byte_classes(machine: Machine) -> list[int]:
    """A number for each byte; bytes that no edge tells apart have one, counted from 0."""
    signs = [
        tuple(edge.bytes >> byte & 1 for node in machine.nodes for edge in node.edges)
        for byte in range(256)
    ]
    numbers = {sign: place for place, sign in enumerate(dict.fromkeys(signs))}
    return [numbers[sign] for sign in signs]


def _one_of_each(classes: Sequence[int]) -> list[int]:
    """The first byte of each class."""
    return [classes.index(number) for number in range(max(classes) + 1)]


def _policy(tables: Tables) -> Address:
    """The texts by which expressions are ended, for each phase."""
    found = []
    for phase in EXPR_PHASES:
        texts = policy(phase)
        words = [len(texts)]
        for text in texts:
            words.append(len(text))
            for part, after, byte in text:
                words += [PARTS[part], EXPR_PHASES[after], byte]
        found.append(tables.add(words))
    return tables.add(found)
