"""`rulec verify`: a verdict for each trace of a file."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, BinaryIO

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
    given,
    misuse,
    sound,
    stderr,
    stdout,
    steps,
)
from rulec.cli.request import (
    Digits,
    Inputs,
    RequestError,
    WithOption,
    exact_inputs,
    parse_json,
    read_inputs,
)
from rulec.cli.stages import FINE, claim_line
from rulec.runtime.inputs import BadInput
from rulec.runtime.verdicts import Verdict
from rulec.runtime.verify import Verifier

LONGEST = 1 << 24
"""Bytes of a line, or of a plain file, that are read at most."""

_BOM = b"\xef\xbb\xbf"


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
    console = None if form is Format.json else stdout()
    with _opened(traces) as stream, steps("verifying", size, results=True) as bar:
        for line in _whole(stream) if plain else _lines(stream, field):
            verdict, error = _judged(verifier, line, inputs)
            tally[verdict.verdict if verdict else "unparsed"] += 1
            if verdict is None:
                stderr().print(f"{traces}:{line.number}: {error}")
            _tell(line.number, verdict, error, console)
            bar.reach(line.read)
    if console is not None:
        kinds = ", ".join(f"{count} {verdict}" for verdict, count in tally.most_common())
        console.print(f"{counted(tally.total(), 'trace')}: {kinds or 'nothing to verify'}")
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
    trace = stream.read(LONGEST + 1)
    if len(trace) > LONGEST:
        yield Line(1, len(trace), error=f"the file is longer than {LONGEST:,} bytes")
    else:
        yield Line(1, len(trace), trace)


def _lines(stream: BinaryIO, field: str) -> Iterator[Line]:
    read = number = 0
    while raw := stream.readline(LONGEST + 1):
        number += 1
        read += len(raw)
        if len(raw) > LONGEST:
            while rest := stream.readline(LONGEST):
                read += len(rest)
                if rest.endswith(b"\n"):
                    break
            yield Line(number, read, error=f"the line is longer than {LONGEST:,} bytes")
            continue
        text = raw.removeprefix(_BOM).strip() if number == 1 else raw.strip()
        if not text:
            continue
        try:
            trace, inputs = _parse(text, field)
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
    if not isinstance(trace, str) or isinstance(trace, Digits):
        raise RequestError(f"the member `{field}` is no string")
    if inputs is not None and not isinstance(inputs, dict):
        raise RequestError("the member `with` is no object")
    # A lone surrogate is no text; its bytes make the trace unparsed.
    given_here = None if inputs is None else exact_inputs(inputs)
    return trace.encode("utf-8", "surrogatepass"), given_here


def _judged(verifier: Verifier, line: Line, inputs: Inputs) -> tuple[Verdict | None, str]:
    """The verdict on a line, or why there is none."""
    if line.error:
        return None, line.error
    try:
        return verifier(line.trace, inputs | (line.inputs or {})), ""
    except BadInput as refused:
        if line.inputs is None:
            misuse(f"--with: {refused}")
        return None, str(refused)


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
