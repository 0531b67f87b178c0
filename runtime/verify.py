"""Verification: the same machine with its guards off, over a whole trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.runtime import inputs as given
from rulec.runtime.reference import Config, Reference, Thread
from rulec.runtime.verdicts import Claim, Outcome, Verdict, claims, in_order, overall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.machine import Machine


class Verifier:
    """Judges traces by one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._engine = Reference(machine, guarded=False)

    def __call__(self, trace: bytes, inputs: Mapping[str, object] | None = None) -> Verdict:
        """The verdict on a trace. Raises `BadInput` for values that don't fit."""
        engine = self._engine
        config = engine.start(given.registers(self.machine, inputs))
        for at, byte in enumerate(trace):
            after = engine.step(config, byte, at)
            if not after.threads:
                return self._stopped(config, trace, at, f"{_shown(trace, at)} can't stand here")
            config = after
        done = engine.ending(config, len(trace))
        if done is None:
            return self._stopped(config, trace, len(trace), "the trace ends too early")
        found = claims(self.machine, engine.rules, in_order(done.marks), trace)
        return Verdict(next(overall(found), "pass"), found, rules=self.machine.digest)

    def _stopped(self, config: Config, trace: bytes, at: int, reason: str) -> Verdict:
        """No reading goes on: what was tested until here counts all the same."""
        thread = _furthest(config)
        found = claims(self.machine, self._engine.rules, in_order(thread.marks), trace)
        if thread.debt >= 0:
            label = self.machine.labels[thread.debt]
            owed = Claim(label, label, "violate", at, at, "what the text owes", "")
            found = (*found, owed)
        verdict: Outcome = next(overall(found), "unparsed")
        return Verdict(verdict, found, at, reason, self.machine.digest)


def _furthest(config: Config) -> Thread:
    """The reading with the most claims."""
    return max(config.threads, key=lambda thread: len(in_order(thread.marks)))


def _shown(trace: bytes, at: int) -> str:
    """The character at a byte, spelled out where a terminal would not show it."""
    char = trace[at : at + 4].decode("utf-8", "replace")[:1]
    return f"`{char}`" if char.isprintable() else f"`{ascii(char)[1:-1]}`"


def verify(
    machine: Machine, trace: bytes | str, inputs: Mapping[str, object] | None = None
) -> Verdict:
    """The verdict on one trace; a `Verifier` is quicker for many."""
    text = trace.encode() if isinstance(trace, str) else trace
    return Verifier(machine)(text, inputs)
