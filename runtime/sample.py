"""Random traces that obey the rules: walks over what the machine lets through."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from rulec.compiler import ops as m
from rulec.compiler.graph import byte_set
from rulec.runtime import inputs as given
from rulec.runtime.inputs import BadInput
from rulec.runtime.reference import Config, Reference, Thread
from rulec.runtime.typed import Typed
from rulec.runtime.verdicts import in_order
from rulec.runtime.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.machine import Machine, Node
    from rulec.runtime.externals import Externals

LONGEST = 4_000
"""Bytes after which a walk takes the shortest way to the end."""

ATTEMPTS = 200


class NoSample(Exception):
    """No trace was found that keeps every rule."""


class Sampler:
    """Draws traces of one machine, in so many attempts each, no walk much longer than so.

    `externals` are the functions that its rules call; raises `BadExternal` if one is missing.
    """

    def __init__(
        self,
        machine: Machine,
        attempts: int = ATTEMPTS,
        longest: int = LONGEST,
        externals: Externals | None = None,
    ) -> None:
        self.machine = machine
        self._attempts = attempts
        self._longest = longest
        self._engine = Reference(machine)
        self._verify = Verifier(machine, externals)

    def __call__(self, seed: int, inputs: Mapping[str, object] | None = None) -> bytes:
        """The trace of a seed. Raises `BadInput` and `NoSample`."""
        chance = Random(seed)
        start = self._engine.start(given.registers(self.machine, inputs))
        if not start.threads:
            raise BadInput("with these values no trace can keep the rules")
        for attempt in range(self._attempts):
            trace = self._walk(start, chance, self._longest >> min(attempt // 8, 8))
            if trace is not None and self._verify(trace, inputs).verdict == "pass":
                return trace
        raise NoSample(f"no trace that keeps the rules was found in {self._attempts} walks")

    def _walk(self, start: Config, chance: Random, longest: int) -> bytes | None:
        config, text = start, bytearray()
        stop = 0.02 + 0.2 * chance.random()
        while config.threads and len(text) < 2 * longest + 200:
            ending = self._engine.ending(config, len(text)) is not None
            hurry = len(text) >= longest
            if ending and (hurry or chance.random() < stop):
                return bytes(text)
            after = self._next(config, len(text), chance, hurry)
            if after is None:
                return bytes(text) if ending else None
            byte, config = after
            text.append(byte)
            if _broken(self.machine, config):
                return None
        return None

    def _next(
        self, config: Config, at: int, chance: Random, hurry: bool
    ) -> tuple[int, Config] | None:
        for byte in self._order(config, chance, hurry):
            after = self._engine.step(config, byte, at)
            if after.threads:
                return byte, after
        return None

    def _order(self, config: Config, chance: Random, hurry: bool) -> Iterator[int]:
        """The bytes that may come, in a random order that likes plain text and openers."""
        threads = list(config.threads)
        chance.shuffle(threads)
        threads.sort(key=lambda thread: _blank(self.machine.nodes[thread.node]))
        if hurry:
            threads.sort(key=lambda thread: self.machine.nodes[thread.node].cost or 0)
        typed = any(isinstance(thread.lex, Typed) for thread in threads)
        if typed and chance.random() < BRIEF:
            threads.sort(key=lambda thread: isinstance(thread.lex, Typed))
        for thread in threads:
            node = self.machine.nodes[thread.node]
            edges = list(node.edges)
            chance.shuffle(edges)
            if hurry or chance.random() < (0.08 if node.prose else 0.3):
                edges.sort(key=lambda edge: self.machine.nodes[edge.target].cost or 0)
            quoted = _quoted(node)
            if quoted:
                edges.sort(key=lambda edge: not edge.ops and not edge.bytes & _PLAIN)
            for edge in edges:
                values = [byte for byte in range(256) if edge.bytes >> byte & 1]
                if (node.prose or quoted) and not hurry:
                    values = [byte for byte in values if byte in PLAIN] or values
                chance.shuffle(values)
                yield from values


PLAIN = frozenset(b"abcdefghij 0123456789+-*/=().,$\n")
"""What random prose is made of."""


_PLAIN = byte_set(PLAIN)

BRIEF = 0.6
"""How often what is written over names ends where it may."""


def _quoted(node: Node) -> bool:
    """Whether a node stands in a string of an expression."""
    return node.lexical and any(not edge.ops for edge in node.edges)


def _blank(node: Node) -> bool:
    """Whether a node waits for space that may be left out: samples are easier to read so."""
    counted = any(isinstance(op, m.Count | m.Reset) for edge in node.edges for op in edge.ops)
    return counted and all(edge.bytes & ~_SPACE == 0 for edge in node.edges)


_SPACE = byte_set(b" \t\n\r")


def _broken(machine: Machine, config: Config) -> bool:
    """Whether every reading breaks a rule."""
    return all(_violates(machine, thread) for thread in config.threads)


def _violates(machine: Machine, thread: Thread) -> bool:
    return any(
        mark.verdict in ("violate", "too complex")
        and (mark.rule < 0 or machine.rules[mark.rule].tier != "audit")
        for mark in in_order(thread.marks)
    )


def sample(
    machine: Machine, seed: int = 0, inputs: Mapping[str, object] | None = None
) -> bytes:
    """One random trace that obeys the rules; a `Sampler` is quicker for many."""
    return Sampler(machine)(seed, inputs)
