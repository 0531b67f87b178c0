"""Verification: the same machine with its guards off, over a whole trace."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.runtime import inputs as given
from rulec.runtime.externals import Calls, fitting
from rulec.runtime.reasons import told
from rulec.runtime.reference import Config, Reference, Thread
from rulec.runtime.verdicts import Claim, Outcome, Verdict, claims, in_order, overall

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.machine import Machine
    from rulec.runtime.externals import Externals


class Verifier:
    """Judges traces by one machine.

    Args:
        machine: the rules.
        externals: the functions that the rules call.

    Raises:
        BadExternal: if one of them is missing.
    """

    def __init__(self, machine: Machine, externals: Externals | None = None) -> None:
        self.machine = machine
        self._externals = fitting(machine, externals)
        self._engine = Reference(machine, guarded=False)

    def __call__(self, trace: bytes, inputs: Mapping[str, object] | None = None) -> Verdict:
        """The verdict on a trace. Raises `BadInput` for values that don't fit."""
        engine = self._engine
        config = engine.start(given.registers(self.machine, inputs))
        for at, byte in enumerate(trace):
            after = engine.step(config, byte, at)
            if not after.threads:
                char = told(trace[at : at + 4])
                return self._stopped(config, trace, at, f"{char} can't stand here")
            config = after
        done = engine.ending(config, len(trace))
        if done is None:
            return self._stopped(config, trace, len(trace), "the trace ends too early")
        found = self._claims(done, trace)
        return Verdict(next(overall(found), "pass"), found, rules=self.machine.digest)

    def _claims(self, thread: Thread, trace: bytes) -> tuple[Claim, ...]:
        calls = Calls(self.machine, self._externals)
        marks = in_order(thread.marks)
        return claims(self.machine, self._engine.rules, marks, trace, calls)

    def _stopped(self, config: Config, trace: bytes, at: int, reason: str) -> Verdict:
        """No reading goes on: what was tested until here counts all the same."""
        thread = furthest(config)
        found = self._claims(thread, trace)
        if thread.debt >= 0:
            label = self.machine.labels[thread.debt]
            owed = Claim(label, label, "violate", at, at, "what the text owes", "")
            found = (*found, owed)
        verdict: Outcome = next(overall(found), "unparsed")
        return Verdict(verdict, found, at, reason, self.machine.digest)


def furthest(config: Config) -> Thread:
    """The reading with the most claims; of several, the one that has come furthest."""

    def rank(thread: Thread) -> tuple[int, int]:
        marks = in_order(thread.marks)
        return sum(mark.rule >= -2 for mark in marks), len(marks)

    return max(config.threads, key=rank)


def verify(
    machine: Machine,
    trace: bytes | str,
    inputs: Mapping[str, object] | None = None,
    externals: Externals | None = None,
) -> Verdict:
    """The verdict on one trace; a `Verifier` is quicker for many."""
    text = trace.encode() if isinstance(trace, str) else trace
    return Verifier(machine, externals)(text, inputs)
