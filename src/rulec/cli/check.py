"""`rulec check`: what is wrong with a ruleset, and what each rule is promised."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from rulec import dsl
from rulec.cli import stages
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFiles,
    broken,
    counted,
    emit,
    misuse,
    plain_table,
    show,
    stdout,
)
from rulec.cli.tokenizers import EndOption, SizeOption, TokenizerOption, open_vocabulary
from rulec.compiler import PackError, RuleSummary, Vocabulary, fit
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.runtime.budget import HOPELESS, shortest


def check(
    files: RulesFiles,
    budget: Annotated[
        int | None, typer.Option(min=1, help="Tokens that a trace may take, its end included.")
    ] = None,
    tokenizer: TokenizerOption = None,
    end: EndOption = None,
    size: SizeOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Check rulesets: all errors at once, the tier of every rule, and what the rules imply."""
    reports = [(path, _analysed(stages.inspect(path))) for path in files]
    if budget is not None:
        vocabulary = None if tokenizer is None else open_vocabulary(tokenizer, end, size)
        reports = [(path, _within(report, budget, vocabulary)) for path, report in reports]
    if form is Format.json:
        emit(
            {
                "diagnostics": [
                    dsl.to_record(found)
                    for _, report in reports
                    for found in report.diagnostics
                ],
                "rules": [
                    stages.rule_record(rule) | {"file": str(path)}
                    for path, report in reports
                    for rule in report.rules
                ],
            }
        )
    else:
        console = stdout()
        for path, report in reports:
            show(report.diagnostics, console)
            _summary(path, report, console)
    if any(broken(report.diagnostics) for _, report in reports):
        raise typer.Exit(Exit.fault)


def _analysed(report: stages.Report) -> stages.Report:
    """The report with what the rules imply, and a trace for each finding."""
    from rulec.runtime.analysis import analyse, illustrated  # noqa: PLC0415 - only here

    built, found = report.built, report.diagnostics
    if built is None:
        return report
    if broken(found):
        return replace(report, diagnostics=tuple(illustrated(built, d) for d in found))
    return replace(report, diagnostics=(*found, *analyse(built)))


def _within(report: stages.Report, budget: int, vocabulary: Vocabulary | None) -> stages.Report:
    """The report with a finding where no trace is sure to fit a budget."""
    if report.machine is None or report.ruleset is None or broken(report.diagnostics):
        return report
    try:
        rules = report.machine if vocabulary is None else fit(report.machine, vocabulary)
    except PackError as error:
        misuse(str(error))
    needed = shortest(rules)
    if needed <= budget:
        return report
    unit = "bytes" if vocabulary is None else "tokens"
    found = Diagnostic(
        "R0517",
        f"no trace is sure to fit {budget} tokens: {needed} {unit} may be needed"
        if needed < HOPELESS
        else "no number of tokens is sure to complete a trace",
        Label(report.ruleset.trace.span, "so many complete it for sure, its end included"),
        hint="allow more tokens"
        if vocabulary is not None
        else "allow more tokens, or name the tokenizer: without one every byte is a token",
    )
    return replace(report, diagnostics=(*report.diagnostics, found))


def _summary(path: Path, report: stages.Report, console: Console) -> None:
    severities = Counter(found.severity for found in report.diagnostics)
    if severities["error"]:
        console.print(f"{path}: {counted(severities['error'], 'error')}")
        return
    tiers = Counter(rule.tier for rule in report.rules)
    parts = ", ".join(f"{count} {tier}" for tier, count in tiers.items())
    rules = counted(len(report.rules), "rule") + (f" ({parts})" if parts else "")
    warnings = f", {counted(severities['warning'], 'warning')}" if severities["warning"] else ""
    console.print(f"{path}: {rules}{warnings}")
    if report.rules:
        console.print(_table(report.rules))


def _table(rules: Sequence[RuleSummary]) -> Table:
    table = plain_table()
    for heading in ("rule", "shape", "tier", "acts at", "why"):
        table.add_column(heading, overflow="fold")
    for rule in rules:
        acts = ", ".join(place.removeprefix(f"{rule.shape}.") for place in rule.acts)
        table.add_row(rule.name, rule.shape, rule.tier, acts, rule.reason)
    return table
