"""`rulec vote`: of several traces those that hold vote on the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    emit,
    misuse,
    sound,
    stderr,
    stdout,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.cli.traces import FieldOption, Line, TracesFile, answer, reading
from rulec.runtime.answers import final_answer
from rulec.runtime.verify import Verifier
from rulec.runtime.voting import Ballot, Elected


def vote(
    file: RulesFile,
    traces: TracesFile,
    field: FieldOption = "trace",
    group: Annotated[
        str | None,
        typer.Option(help="The member that tells which question a trace answers."),
    ] = None,
    weight: Annotated[
        str | None,
        typer.Option(help="The member with a trace's log mass, which weighs its vote."),
    ] = None,
    pattern: Annotated[
        str | None,
        typer.Option(help="A regex; the last match's first group is the answer."),
    ] = None,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
) -> None:
    r"""Let the traces that hold vote on the answer to each question.

    For what no rule can check: an answer on which valid reasoning agrees. Without --pattern the
    answer stands behind the last `####`, in the last \boxed{}, or is the last number.
    """
    inputs = read_inputs(request)
    find = _finder(pattern)
    verifier = asking(partial(Verifier, sound(file).machine), external)
    ballots: dict[str, Ballot] = {}
    unread = 0
    with reading(traces, field, plain=False, what="voting", results=True) as lines:
        for line in lines:
            verdict, error = answer(verifier, line, inputs)
            question, mass = _member(line, group), _mass(line, weight)
            if verdict is None or question is None or mass is None:
                unread += 1
                missing = group if question is None else weight
                why = error or f"there is no `{missing}` to vote with"
                stderr().print(f"{traces}:{line.number}: {why}")
                continue
            ballot = ballots.setdefault(question, Ballot())
            said = find(line.trace.decode("utf-8", "replace"))
            ballot.add(said, holds=verdict.holds, log_mass=mass)
    results = {question: ballot.result() for question, ballot in ballots.items()}
    for question, result in results.items():
        _tell(question if group else None, result, form)
    if unread or any(result.answer is None for result in results.values()):
        raise typer.Exit(Exit.fault)


def _finder(pattern: str | None) -> Callable[[str], str | None]:
    """What finds an answer in a text."""
    if pattern is None:
        return final_answer
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        misuse(f"--pattern: {error}")
    if not compiled.groups:
        misuse("--pattern: it has no group that is the answer")

    def find(text: str) -> str | None:
        found = None
        for match in compiled.finditer(text):
            found = match[1]
        return found

    return find


def _member(line: Line, name: str | None) -> str | None:
    """Which question a line answers; empty where all answer one."""
    if name is None:
        return ""
    held = line.record.get(name)
    return str(held) if isinstance(held, str) else None


def _mass(line: Line, name: str | None) -> float | None:
    if name is None:
        return 0.0
    try:
        held = line.record.get(name)
        mass = float(held) if isinstance(held, str) else float("nan")
    except ValueError:
        return None
    return mass if mass < float("inf") else None


def _tell(question: str | None, result: Elected, form: Format) -> None:
    if form is Format.json:
        emit(({} if question is None else {"group": question}) | result.to_record())
        return
    text = Text("" if question is None else f"{question}: ")
    if result.answer is None:
        text.append("no answer", style="bold red")
        text.append(f": {result.held} of {result.traces} traces hold")
    else:
        text.append(result.answer, style="green")
        text.append(
            f" by {result.agreed} of {result.voted} votes, {result.share:.1%} of their weight; "
            f"{result.held} of {result.traces} traces hold"
        )
        if result.tied:
            text.append(", tied", style="bold yellow")
    stdout().print(text)
