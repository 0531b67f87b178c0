"""Traces that were thought out, tried on the reference: what is promised of them must be so."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.runtime.externals import UNASKED
from rulec.runtime.inputs import BadInput
from rulec.runtime.verdicts import HELD
from rulec.runtime.verify import Verifier

if TYPE_CHECKING:
    from rulec.compiler.machine import Machine
    from rulec.compiler.witness import Trace
    from rulec.runtime.verdicts import Claim, Verdict


@dataclass(frozen=True, slots=True)
class Replayed:
    """What the reference says of a trace; without a verdict it refuses the request."""

    verdict: Verdict | None

    @property
    def accepted(self) -> bool:
        """Whether the trace keeps all rules."""
        return self.verdict is not None and self.verdict.verdict in HELD

    @property
    def rejected(self) -> bool:
        """Whether the trace breaks a rule or can't be read."""
        return self.verdict is not None and self.verdict.verdict not in HELD

    @property
    def broken(self) -> Claim | None:
        """The first claim that rejects the trace; None where it just can't be read."""
        if self.verdict is None:
            return None
        steering = (claim for claim in self.verdict.claims if claim.tier != "audit")
        return next((claim for claim in steering if claim.verdict not in HELD), None)


class Replay:
    """Replays traces on one machine."""

    def __init__(self, machine: Machine) -> None:
        self._verifier = Verifier(machine, UNASKED)

    def __call__(self, trace: Trace) -> Replayed:
        """What the reference says of a trace."""
        try:
            return Replayed(self._verifier(trace.text, trace.inputs))
        except BadInput:
            return Replayed(None)
