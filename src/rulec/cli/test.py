"""`rulec test`: the `accept` and `reject` samples of a ruleset."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import typer

from rulec import dsl
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFiles,
    broken,
    counted,
    emit,
    show,
    stdout,
    steps,
)
from rulec.cli.request import ExternalOption, asking
from rulec.cli.stages import FINE, claim_line, inspect
from rulec.dsl.checked import Sample
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.runtime.inputs import BadInput
from rulec.runtime.verdicts import Verdict
from rulec.runtime.verify import Verifier


def test(
    files: RulesFiles, external: ExternalOption = None, form: FormatOption = Format.text
) -> None:
    """Run the samples that stand in rulesets."""
    results = [(path, *_run(path, external)) for path in files]
    findings = [found for _, _, found_there in results for found in found_there]
    samples = sum(count for _, count, _ in results)
    failed = sum(_is_failure(found) for found in findings)
    if form is Format.json:
        emit(
            {
                "samples": samples,
                "failed": failed,
                "diagnostics": [dsl.to_record(found) for found in findings],
            }
        )
    else:
        console = stdout()
        show(findings, console)
        for path, count, found_there in results:
            wrong = sum(map(_is_failure, found_there))
            if broken(found_there) and not wrong:
                console.print(f"{path}: not tested, its rules have errors")
            else:
                console.print(f"{path}: {counted(count, 'sample')}, {wrong} failed")
    if broken(findings):
        raise typer.Exit(Exit.fault)


def _is_failure(found: Diagnostic) -> bool:
    return found.code in {"R0811", "R0812", "R0813", "R0814"}


def _run(path: Path, external: Sequence[str] | None) -> tuple[int, tuple[Diagnostic, ...]]:
    """How many samples a file has, and what was found in them or in its rules."""
    report = inspect(path)
    if report.ruleset is None or report.machine is None or broken(report.diagnostics):
        return 0, report.diagnostics
    samples = report.ruleset.samples
    verifier = asking(partial(Verifier, report.machine), external)
    findings = [*report.diagnostics]
    with steps(f"testing {path}", len(samples)) as bar:
        for number, sample in enumerate(samples, 1):
            found = _judge(verifier, sample)
            if found is not None:
                findings.append(found)
            bar.reach(number)
    return len(samples), tuple(findings)


def _judge(verifier: Verifier, sample: Sample) -> Diagnostic | None:
    """What is wrong with a sample, if anything."""
    try:
        verdict = verifier(sample.trace.encode("utf-8"), sample.inputs)
    except BadInput as error:
        message = "the request of this sample is refused"
        return Diagnostic("R0814", message, Label(sample.span, str(error)))
    broken_rules = [claim.rule for claim in verdict.claims if claim.verdict == "violate"]
    if sample.accept:
        return _judge_accepted(sample, verdict)
    if sample.by in broken_rules:  # an `audit` rule is broken by a trace that passes
        return None
    if verdict.verdict in FINE:
        message = "this sample should be rejected, but it keeps all rules"
        return Diagnostic("R0812", message, Label(sample.span, "accepted"))
    if sample.by is not None:
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(broken_rules))
        message = f"this sample should be rejected by `{sample.by}`, which it does not break"
        why = f"breaks {names}" if names else verdict.verdict
        return Diagnostic("R0813", message, Label(sample.span, why))
    return None


def _judge_accepted(sample: Sample, verdict: Verdict) -> Diagnostic | None:
    if verdict.verdict in FINE:
        return None
    reasons = [claim_line(claim) for claim in verdict.claims if claim.verdict == "violate"]
    if verdict.reason:
        reasons.append(f"at byte {verdict.at}: {verdict.reason}")
    message = f"this sample should be accepted, and its verdict is `{verdict.verdict}`"
    return Diagnostic("R0811", message, Label(sample.span, "; ".join(reasons)))
