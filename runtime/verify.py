"""Verification: the same machine with its guards off, over a whole trace."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from rulec.runtime import inputs as given
from rulec.runtime.covered import Places
from rulec.runtime.externals import UNASKED, Calls, fitting
from rulec.runtime.guarded import guarded_bytes
from rulec.runtime.reasons import told
from rulec.runtime.swift import Swift
from rulec.runtime.trail import Noting
from rulec.runtime.verdicts import (
    OUTSIDE,
    Claim,
    Outcome,
    Verdict,
    asked,
    claims,
    in_order,
    overall,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rulec.compiler.machine import Machine
    from rulec.compiler.rows import Held
    from rulec.runtime.externals import Externals
    from rulec.runtime.host import Host
    from rulec.runtime.programs import Programs
    from rulec.runtime.reference import Config, Thread


class Judging(Swift):
    """The machine with its guards off; its readings note the fields that end in them."""

    def _runner(self) -> Programs:
        return Noting(self.machine, self.rules, guarded=self.guarded)


class Verifier:
    """Judges traces by one machine.

    Args:
        machine: the rules.
        externals: the functions that the rules call.
        engine: makes the engine; any one gives the same verdicts.

    Raises:
        BadExternal: if one of them is missing.
    """

    def __init__(
        self,
        machine: Machine,
        externals: Externals | None = None,
        engine: Callable[[Machine], Swift] = Judging,
    ) -> None:
        self.machine = machine
        self._externals = fitting(machine, externals)
        self._engine = engine(machine)
        self._places = Places(machine)
        self._asked = asked(machine)

    def __call__(self, trace: bytes, inputs: Mapping[str, object] | None = None) -> Verdict:
        """The verdict on a trace. Raises `BadInput` for values that don't fit."""
        calls = Calls(self.machine, self._externals)
        return self.judge(trace, given.registers(self.machine, inputs), calls)

    def judge(self, trace: bytes, registers: Mapping[int, Held], calls: Calls) -> Verdict:
        """The verdict on a trace, for values in their registers and answers of functions."""
        config, at = self._engine.read(self._engine.start(registers), trace)
        if at < len(trace):
            char = told(trace[at : at + 4])
            return self._stopped(config, trace, at, f"{char} can't stand here", calls)
        done = self._engine.ending(config, at)
        if done is None:
            return self._stopped(config, trace, at, "the trace ends too early", calls)
        found, guarded = self._claims(done, trace, calls)
        verdict: Outcome = next(overall(found), "pass")
        return Verdict(
            verdict,
            found,
            rules=self.machine.digest,
            trace=trace,
            guarded=guarded,
            asked=self._asked,
        )

    def _claims(
        self, thread: Thread, trace: bytes, calls: Calls
    ) -> tuple[tuple[Claim, ...], int]:
        """The claims of a reading, and how many bytes their rules have guarded."""
        rules = self._engine.rules
        marks = in_order(thread.marks)
        found = claims(
            self.machine, rules, (mark for mark in marks if mark.rule >= OUTSIDE), trace, calls
        )
        guarded = guarded_bytes(
            self.machine,
            self._places,
            marks,
            trace,
            lambda mark: calls.settled(rules, mark)[0].verdict,
        )
        return found, guarded

    def _stopped(
        self, config: Config, trace: bytes, at: int, reason: str, calls: Calls
    ) -> Verdict:
        """No reading goes on: what was tested until here counts all the same."""
        thread = furthest(config)
        found, guarded = self._claims(thread, trace, calls)
        if thread.debt >= 0:
            label = self.machine.labels[thread.debt]
            owed = Claim(label, label, "violate", at, at, "what the text owes", "")
            found = (*found, owed)
        verdict: Outcome = next(overall(found), "unparsed")
        return Verdict(
            verdict,
            found,
            at,
            reason,
            self.machine.digest,
            trace=trace,
            guarded=guarded,
            asked=self._asked,
        )


_JUDGES: WeakKeyDictionary[Host, Verifier] = WeakKeyDictionary()


def judge_of(host: Host) -> Verifier:
    """The verifier that the sessions of a host share; they bring their own answers."""
    judge = _JUDGES.get(host)
    if judge is None:
        judge = _JUDGES[host] = Verifier(host.pack.machine, UNASKED)
    return judge


def furthest(config: Config) -> Thread:
    """The reading with the most claims; of several, the one that has come furthest."""

    def rank(thread: Thread) -> tuple[int, int]:
        marks = in_order(thread.marks)
        return sum(mark.rule >= OUTSIDE for mark in marks), len(marks)

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
