"""`rulec verify`: a verdict for each trace of a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

import typer
from rich.text import Text

from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    counted,
    emit,
    given,
    misuse,
    sound,
    stderr,
    stdout,
    steps,
)
from rulec.cli.request import Inputs, RequestError, WithOption, parse_json, read_inputs
from rulec.cli.stages import FINE, claim_line
from rulec.runtime.inputs import BadInput
from rulec.runtime.verdicts import Verdict
from rulec.runtime.verify import Verifier


@dataclass(frozen=True, slots=True)
class Line:
    """A trace and its own inputs, or why there is none; `read` counts the bytes so far."""

    number: int
    read: int
    trace: bytes = b""
    inputs: Inputs | None = None
    error: str = ""


def verify(
    file: RulesFile,
    traces: Annotated[
        Path,
        typer.Argument(
            metavar="TRACES",
            help="JSON lines with a trace each; - reads stdin.",
        ),
    ],
    field: Annotated[
        str, typer.Option(help="The member of a line that holds the trace.")
    ] = "trace",
    plain: Annotated[
        bool, typer.Option("--plain", help="The whole file is one trace, byte for byte.")
    ] = False,
    request: WithOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Judge traces: a verdict a line, with the place of each broken rule.

    A line may bring its own inputs in a member `with`.
    """
    inputs = read_inputs(request)
    verifier = Verifier(sound(file).machine)
    tally: Counter[str] = Counter()
    size = None if str(given(traces)) == "-" else traces.stat().st_size
    with _opened(traces) as stream, steps("verifying", size) as bar:
        for line in _whole(stream) if plain else _lines(stream, field):
            tally[_judge(verifier, line, inputs, traces, form)] += 1
            bar.reach(line.read)
    if form is Format.text:
        kinds = ", ".join(f"{count} {verdict}" for verdict, count in tally.most_common())
        stdout().print(f"{counted(tally.total(), 'trace')}: {kinds or 'nothing to verify'}")
    if set(tally) - set(FINE):
        raise typer.Exit(Exit.fault)


def _opened(path: Path) -> BinaryIO:
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        return path.open("rb")
    except OSError as error:
        misuse(f"{path}: {error.strerror}")


def _whole(stream: BinaryIO) -> Iterator[Line]:
    trace = stream.read()
    yield Line(1, len(trace), trace)


def _lines(stream: BinaryIO, field: str) -> Iterator[Line]:
    read = 0
    for number, raw in enumerate(stream, 1):
        read += len(raw)
        if not raw.strip():
            continue
        try:
            trace, inputs = _parse(raw, field)
        except RequestError as error:
            yield Line(number, read, error=str(error))
        else:
            yield Line(number, read, trace, inputs)


def _parse(raw: bytes, field: str) -> tuple[bytes, Inputs | None]:
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"byte {error.start + 1} of the line is not UTF-8") from None
    record = parse_json(text)
    if not isinstance(record, dict):
        raise RequestError("a JSON object is expected")
    if field not in record:
        raise RequestError(f"there is no member `{field}`")
    trace, inputs = record[field], record.get("with")
    if not isinstance(trace, str):
        raise RequestError(f"the member `{field}` is no string")
    if inputs is not None and not isinstance(inputs, dict):
        raise RequestError("the member `with` is no object")
    # A lone surrogate is no text; its bytes make the trace unparsed.
    return trace.encode("utf-8", "surrogatepass"), inputs


def _judge(verifier: Verifier, line: Line, inputs: Inputs, traces: Path, form: Format) -> str:
    """Print what there is to say about a line, and return its verdict."""
    verdict, error = None, line.error
    if not error:
        try:
            verdict = verifier(line.trace, inputs | (line.inputs or {}))
        except BadInput as refused:
            if line.inputs is None:
                misuse(f"--with: {refused}")
            error = str(refused)
    if verdict is None:
        stderr().print(f"{traces}:{line.number}: {error}")
        if form is Format.json:
            emit({"line": line.number, "verdict": "unparsed", "claims": [], "error": error})
        return "unparsed"
    if form is Format.json:
        emit({"line": line.number} | verdict.to_record())
    else:
        _show(line.number, verdict)
    return verdict.verdict


def _show(number: int, verdict: Verdict) -> None:
    fine = verdict.verdict in FINE
    text = Text(f"{number}: ")
    text.append(verdict.verdict, style="green" if fine else "bold red")
    if verdict.reason:
        text.append(f" at byte {verdict.at}: {verdict.reason}")
    for claim in verdict.claims:
        if claim.verdict not in FINE:
            text.append(f"\n  {claim_line(claim)}")
    stdout().print(text)
