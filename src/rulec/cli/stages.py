"""The stages as the verbs use them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulec import compiler, dsl
from rulec.compiler import Built, Machine, RuleSummary
from rulec.dsl.checked import Ruleset
from rulec.dsl.diagnostics import Diagnostic
from rulec.runtime.verdict_records import DIGITS
from rulec.runtime.verdicts import HELD, Claim, Verdict

if TYPE_CHECKING:
    from rulec.runtime.generate import Output

FINE = HELD
"""The verdicts of a trace that keeps the rules."""


@dataclass(frozen=True, slots=True)
class Report:
    """A ruleset as far as it could be built, and everything found on the way."""

    ruleset: Ruleset | None
    machine: Machine | None
    rules: tuple[RuleSummary, ...]
    diagnostics: tuple[Diagnostic, ...]
    built: Built | None = None


def inspect(path: Path) -> Report:
    """Check and build a ruleset."""
    loaded = dsl.load(path)
    if loaded.ruleset is None:
        return Report(None, None, (), loaded.diagnostics)
    built = compiler.build(loaded.ruleset)
    found = (*loaded.diagnostics, *built.diagnostics)
    return Report(loaded.ruleset, built.machine, built.rules, found, built)


def rule_record(rule: RuleSummary) -> dict[str, object]:
    """A rule, for programs."""
    return {
        "name": rule.name,
        "shape": rule.shape,
        "tier": rule.tier,
        "acts": list(rule.acts),
        "reason": rule.reason,
    }


def claim_of(record: Mapping[str, Any]) -> Claim:
    """The claim that a record tells of."""
    start, end = record["bytes"]
    texts = ("expected", "found", "tier", "because", "reason")
    held = {name: record[name] or "" for name in texts}
    return Claim(record["rule"], record["shape"], record["verdict"], start, end, **held)


def claim_line(claim: Claim) -> str:
    """A claim, for people."""
    name = f"{claim.shape}.{claim.rule}" if claim.shape else claim.rule
    line = f"{name}: {claim.verdict} at {claim.start}..{claim.end}"
    if claim.expected:
        line += f", expected {claim.expected}"
    if claim.found:
        line += f", found {claim.found}"
    if claim.reason:
        line += f": {claim.reason}"
    if claim.because and claim.verdict == "violate":
        line += f" ({claim.because})"
    return line


def output_record(output: Output, verdict: Verdict) -> dict[str, object]:
    """An answer of a model and the verdict on it, for programs."""
    return {
        "trace": output.text.decode("utf-8", "replace"),
        "stop": output.stop,
        "since": None
        if output.since is None
        else {"byte": output.since[0], "token": output.since[1]},
        "verdict": verdict.to_record(),
        "tokens": list(output.tokens),
        "log_mass": round(sum(step.log_kept for step in output.steps), DIGITS),
        "log_kept": [round(step.log_kept, DIGITS) for step in output.steps],
        "forced": sum(step.forced for step in output.steps),
        "tokens_per_second": round(output.tokens_per_second, 3),
        "forwards": output.forwards,
        "rollbacks": output.rollbacks,
        "dropped": output.dropped,
    }
