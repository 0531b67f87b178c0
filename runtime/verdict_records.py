"""Verdicts as JSON has them; `docs/verdicts.md` says what stands in a record."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from rulec.runtime.digests import engine_digest
from rulec.runtime.verdicts import HELD, Asked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.runtime.verdicts import Claim, Verdict

FORMAT = "rulec.verdict/1"
"""The name of the record's form; another number is another form."""

ORDER = ("violate", "too complex", "pass", "vacuous")
"""The verdicts that a claim can have, the gravest first."""

DIGITS = 6
"""Fraction digits of a share."""


def schema() -> dict[str, Any]:
    """The JSON Schema of a record, draft 2020-12."""
    text = files("rulec").joinpath("schemas", "verdict.schema.json").read_text("utf-8")
    found: dict[str, Any] = json.loads(text)
    return found


class Spans:
    """Places of a trace in bytes, characters and tokens.

    A character begins at every byte that continues none, so that any bytes can be counted.
    """

    def __init__(self, trace: bytes, ends: tuple[int, ...] | None) -> None:
        inner = () if trace.isascii() else enumerate(trace)
        self._inner = [at for at, byte in inner if byte & 0xC0 == 0x80]
        """The bytes that continue a character."""
        self._ends = ends

    def char(self, byte: int) -> int:
        """How many characters begin before a byte."""
        return byte - bisect_left(self._inner, byte)

    def token(self, byte: int) -> int | None:
        """How many tokens end before or at a byte."""
        return None if self._ends is None else bisect_right(self._ends, byte)

    def tokens(self, start: int, end: int) -> list[int] | None:
        """The tokens that hold any of some bytes, the one behind them excluded."""
        if self._ends is None:
            return None
        first = bisect_right(self._ends, start)
        return [first, first if end <= start else bisect_left(self._ends, end) + 1]

    def of(self, start: int, end: int) -> dict[str, object]:
        """A span of bytes in all three."""
        return {
            "bytes": [start, end],
            "chars": [self.char(start), self.char(end)],
            "tokens": self.tokens(start, end),
        }


def verdict_record(verdict: Verdict) -> dict[str, object]:
    """A verdict as JSON has it."""
    spans = Spans(verdict.trace, verdict.ends)
    return {
        "format": FORMAT,
        "verdict": verdict.verdict,
        "claims": [one.to_record() | spans.of(one.start, one.end) for one in verdict.claims],
        "rules": _by_rule(verdict.asked, verdict.claims),
        "first_invalid": _first_invalid(verdict, spans),
        "stopped": _stopped(verdict, spans),
        "claim_count": verdict.claim_count,
        "coverage": {
            "bytes": len(verdict.trace),
            "guarded": verdict.guarded,
            "share": round(verdict.coverage, DIGITS),
        },
        "digests": _digests(verdict.rules, verdict.vocabulary),
        "error": None,
    }


def error_record(error: str, rules: str, asked: tuple[Asked, ...] = ()) -> dict[str, object]:
    """The record of what could not be judged at all: a line that holds no trace."""
    return {
        "format": FORMAT,
        "verdict": "unparsed",
        "claims": [],
        "rules": _by_rule(asked, ()),
        "first_invalid": None,
        "stopped": None,
        "claim_count": 0,
        "coverage": {"bytes": 0, "guarded": 0, "share": 0.0},
        "digests": _digests(rules, ""),
        "error": error,
    }


def _digests(rules: str, vocabulary: str) -> dict[str, object]:
    return {"rules": rules, "vocabulary": vocabulary or None, "engine": engine_digest()}


def _by_rule(asked: tuple[Asked, ...], claims: Iterable[Claim]) -> list[dict[str, object]]:
    """What each rule says: the gravest verdict of its claims, vacuous where it has none."""
    counts: dict[Asked, dict[str, int]] = {one: dict.fromkeys(ORDER, 0) for one in asked}
    for claim in claims:
        named = Asked(claim.shape, claim.rule, claim.tier)
        own = counts.setdefault(named, dict.fromkeys(ORDER, 0))
        own[claim.verdict] += 1
    return [
        {
            "rule": one.rule,
            "shape": one.shape,
            "tier": one.tier or None,
            "verdict": next((verdict for verdict in ORDER if own[verdict]), "vacuous"),
            "claims": own,
        }
        for one, own in counts.items()
    ]


def _first_invalid(verdict: Verdict, spans: Spans) -> dict[str, object] | None:
    """Where the trace first goes wrong: a claim, else where it can't be read any further."""
    claim = verdict.first_invalid
    if claim is not None:
        number = next(n for n, one in enumerate(verdict.claims) if one is claim)
        return {"claim": number} | spans.of(claim.start, claim.end)
    if verdict.verdict in HELD or verdict.at is None:
        return None
    return {"claim": None} | spans.of(verdict.at, verdict.at)


def _stopped(verdict: Verdict, spans: Spans) -> dict[str, object] | None:
    if verdict.at is None:
        return None
    token = spans.token(verdict.at) if verdict.token is None else verdict.token
    return {
        "byte": verdict.at,
        "char": spans.char(verdict.at),
        "token": token,
        "reason": verdict.reason,
    }
