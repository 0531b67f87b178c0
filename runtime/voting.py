"""Consistency: of several traces those that hold vote on the answer."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.runtime.answers import final_answer, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from fractions import Fraction

    from rulec.runtime.verify import Verifier


@dataclass(slots=True)
class Candidate:
    """An answer as it was first written, how many traces give it, and their log weight."""

    answer: str
    traces: int = 0
    log_weight: float = -math.inf


@dataclass(frozen=True, slots=True)
class Elected:
    """What a vote came to.

    `share` is that of the winner among the weights of all that voted, `agreed` the number of
    its traces. Without a trace that holds and has an answer there is none. Where another answer
    weighs as much, the one that came first wins and `tied` says so.
    """

    answer: str | None
    share: float
    agreed: int
    voted: int
    held: int
    traces: int
    tied: bool
    candidates: tuple[Candidate, ...]

    def to_record(self) -> dict[str, object]:
        """The result as JSON has it; `votes` has the heaviest answer first."""
        total = _log_sum(one.log_weight for one in self.candidates)
        votes = [
            {
                "answer": one.answer,
                "traces": one.traces,
                "share": math.exp(one.log_weight - total),
            }
            for one in self.candidates
        ]
        return {
            "answer": self.answer,
            "share": self.share,
            "agreed": self.agreed,
            "voted": self.voted,
            "held": self.held,
            "traces": self.traces,
            "tied": self.tied,
            "votes": votes,
        }


@dataclass(slots=True)
class Ballot:
    """A vote under way. Answers that are the same number are one."""

    traces: int = 0
    held: int = 0
    candidates: dict[Fraction | str, Candidate] = field(default_factory=dict)

    def add(self, answer: str | None, *, holds: bool, log_mass: float = 0.0) -> None:
        """Count a trace; it votes if it holds and has an answer.

        `log_mass` weighs it by `exp(log_mass)`. Raises `ValueError` for one that is no number.
        """
        if math.isnan(log_mass) or log_mass == math.inf:
            raise ValueError(f"{log_mass} is no log mass")
        self.traces += 1
        self.held += holds
        if not holds or answer is None:
            return
        exact = number(answer)
        key: Fraction | str = answer.strip() if exact is None else exact
        one = self.candidates.setdefault(key, Candidate(answer.strip()))
        one.traces += 1
        one.log_weight = _log_sum((one.log_weight, log_mass))

    def result(self) -> Elected:
        """What the vote has come to."""
        ranked = sorted(self.candidates.values(), key=lambda one: -one.log_weight)
        total = _log_sum(one.log_weight for one in ranked)
        if not ranked or total == -math.inf:
            return Elected(None, 0.0, 0, 0, self.held, self.traces, False, ())
        first = ranked[0]
        tied = len(ranked) > 1 and math.isclose(
            ranked[1].log_weight, first.log_weight, rel_tol=0.0, abs_tol=1e-12
        )
        voted = sum(one.traces for one in ranked)
        share = math.exp(first.log_weight - total)
        return Elected(
            first.answer,
            share,
            first.traces,
            voted,
            self.held,
            self.traces,
            tied,
            tuple(ranked),
        )


def vote(
    traces: Iterable[str | bytes],
    verifier: Verifier,
    log_masses: Sequence[float] | None = None,
    answer_of: Callable[[str], str | None] = final_answer,
) -> Elected:
    """The answer on which those of some traces agree that hold.

    Args:
        traces: of one question.
        verifier: the rules.
        log_masses: a weight's logarithm for each; left out, all weigh the same.
        answer_of: where a text states its answer.
    """
    ballot = Ballot()
    for place, trace in enumerate(traces):
        raw = trace.encode("utf-8", "surrogatepass") if isinstance(trace, str) else trace
        answer = answer_of(raw.decode("utf-8", "replace"))
        mass = 0.0 if log_masses is None else log_masses[place]
        ballot.add(answer, holds=verifier(raw).holds, log_mass=mass)
    return ballot.result()


def _log_sum(logs: Iterable[float]) -> float:
    """`log Σ exp`, exact where all but one are nothing."""
    held = [one for one in logs if one > -math.inf]
    if not held:
        return -math.inf
    most = max(held)
    return most + math.log(math.fsum(math.exp(one - most) for one in held))
