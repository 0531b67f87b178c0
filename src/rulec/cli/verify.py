"""`rulec verify`: a verdict for each trace of a file."""

from __future__ import annotations

from collections import Counter
from functools import partial

import typer
from rich.console import Console
from rich.text import Text

from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    counted,
    emit,
    sound,
    stderr,
    stdout,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.cli.stages import FINE, claim_line
from rulec.cli.traces import FieldOption, PlainOption, TracesFile, answer, reading
from rulec.runtime.verdicts import Verdict
from rulec.runtime.verify import Verifier


def verify(
    file: RulesFile,
    traces: TracesFile,
    field: FieldOption = "trace",
    plain: PlainOption = False,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Judge traces: a verdict a line, with the place of each broken rule.

    A line may bring its own inputs in a member `with`.
    """
    inputs = read_inputs(request)
    verifier = asking(partial(Verifier, sound(file).machine), external)
    tally: Counter[str] = Counter()
    console = None if form is Format.json else stdout()
    with reading(traces, field, plain=plain, what="verifying", results=True) as lines:
        for line in lines:
            verdict, error = answer(verifier, line, inputs)
            tally[verdict.verdict if verdict else "unparsed"] += 1
            if verdict is None:
                stderr().print(f"{traces}:{line.number}: {error}")
            _tell(line.number, verdict, error, console)
    if console is not None:
        kinds = ", ".join(f"{count} {verdict}" for verdict, count in tally.most_common())
        console.print(f"{counted(tally.total(), 'trace')}: {kinds or 'nothing to verify'}")
    if set(tally) - set(FINE):
        raise typer.Exit(Exit.fault)


def _tell(number: int, verdict: Verdict | None, error: str, console: Console | None) -> None:
    """Print what there is to say about a line."""
    if console is not None:
        if verdict is not None:
            console.print(_shown(number, verdict))
    elif verdict is None:
        emit({"line": number, "verdict": "unparsed", "claims": [], "error": error})
    else:
        emit({"line": number} | verdict.to_record())


def _shown(number: int, verdict: Verdict) -> Text:
    fine = verdict.verdict in FINE
    text = Text(f"{number}: ")
    text.append(verdict.verdict, style="green" if fine else "bold red")
    if verdict.reason:
        text.append(f" at byte {verdict.at}: {verdict.reason}")
    for claim in verdict.claims:
        if claim.verdict not in FINE:
            text.append(f"\n  {claim_line(claim)}")
    return text
