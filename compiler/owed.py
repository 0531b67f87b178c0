"""What repeats and limited proses still owe, node by node.

Where the items of a repeat end with a text that always comes, what it owes is a number of
items, each at the same price. Where they end with prose, the way on and the way out begin to
differ within the prose, and a prose that is too short can't be left: there a node has a *state*
for every set of debts that are open, each with a cost of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import ops as m

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Machine, Node
    from rulec.compiler.ops import Program

MOST_BITS = 6
"""Debts that make states of a node; of more, the outermost count as items of one price."""


class Debt(NamedTuple):
    """One thing that a node may still owe.

    `bit` is its place in the sets of open debts, 0 where it makes no states. In prose the last
    `held` characters may belong to an opener and don't count, `gained` more count before the
    way out begins, and there may be no more than `most`.
    """

    register: int
    least: int
    bit: int = 0
    prose: bool = False
    held: int = 0
    gained: int = 0
    most: int | None = None


class Effect(NamedTuple):
    """What a program does to what is owed: the registers that it starts, and counts up."""

    begun: frozenset[int]
    counted: frozenset[int]


def effect(ops: Program) -> Effect:
    """What a program does to the registers that count."""
    begun: set[int] = set()
    counted: set[int] = set()
    for op in ops:
        if isinstance(op, m.Reset):
            begun.update(op.registers)
        elif isinstance(op, m.Count) and op.register not in begun:
            counted.add(op.register)
    return Effect(frozenset(begun), frozenset(counted))


@dataclass(frozen=True)
class Owed:
    """The debts of a machine's nodes, and the states that they make.

    The states of node `n` are `first[n]` and those behind it, one for every set of bits.
    """

    machine: Machine

    @cached_property
    def least(self) -> dict[int, int]:
        """The registers that something is owed by, and how much at most."""
        return {
            owed.register: owed.least for node in self.machine.nodes for owed in node.pending
        }

    @cached_property
    def letters(self) -> dict[int, int | None]:
        """The registers that count characters, and how many there may be."""
        return {
            op.register: op.most
            for node in self.machine.nodes
            for edge in node.edges
            for op in edge.ops
            if isinstance(op, m.Letter)
        }

    @cached_property
    def _split(self) -> frozenset[int]:
        """The registers whose debts make states."""
        found = set(self.letters) & set(self.least)
        for node in self.machine.nodes:
            for edge in node.edges:
                found |= effect(edge.ops).counted & set(self.least)
        for node in self.machine.nodes:
            registers = [owed.register for owed in node.pending if owed.register in found]
            found -= set(registers[:-MOST_BITS])
        return frozenset(found)

    @cached_property
    def held(self) -> list[int]:
        """How many characters at each node's end may belong to an opener."""
        found = [0] * len(self.machine.nodes)
        for node in self.machine.nodes:
            for edge in node.edges:
                for op in edge.ops:
                    if isinstance(op, m.Letter):
                        found[edge.target] = max(found[edge.target], op.pending)
        return found

    @cached_property
    def debts(self) -> tuple[tuple[Debt, ...], ...]:
        """What each node may owe, the outermost first."""
        return tuple(
            tuple(self._of(number, node)) for number, node in enumerate(self.machine.nodes)
        )

    def _of(self, number: int, node: Node) -> Iterator[Debt]:
        bit = 1
        for owed in node.pending:
            register = owed.register
            if register not in self._split:
                yield Debt(register, owed.least)
                continue
            if register in self.letters:
                held = self.held[number]
                gained = 1 if held and whole(node) else 0
                most = self.letters[register]
                yield Debt(register, owed.least, bit, True, held, gained, most)
            else:
                yield Debt(register, owed.least, bit)
            bit <<= 1

    @cached_property
    def first(self) -> list[int]:
        """The first state of each node; at the end, how many there are."""
        found = [0]
        for debts in self.debts:
            found.append(found[-1] + (1 << sum(debt.bit > 0 for debt in debts)))
        return found


def whole(node: Node) -> bool:
    """Whether a node of limited prose stands between two characters."""
    return any(isinstance(op, m.Letter) and op.begins for edge in node.edges for op in edge.ops)
