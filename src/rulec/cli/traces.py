"""Files of traces: JSON lines, or one trace as it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, BinaryIO, TypeAlias, TypeVar

import typer

from rulec.cli.console import given, misuse, steps
from rulec.runtime.exact_json import Digits, Inputs, RequestError, exact_inputs, parse_json
from rulec.runtime.inputs import BadInput

T = TypeVar("T")

TracesFile: TypeAlias = Annotated[
    Path,
    typer.Argument(metavar="TRACES", help="JSON lines with a trace each; - reads stdin."),
]
FieldOption: TypeAlias = Annotated[
    str, typer.Option("--field", help="The member of a line that holds the trace.")
]
PlainOption: TypeAlias = Annotated[
    bool, typer.Option("--plain", help="The whole file is one trace, byte for byte.")
]

LONGEST = 1 << 24
"""Bytes of a line, or of a plain file, that are read at most."""

_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Line:
    """A trace and its own inputs, or why there is none; `read` counts the bytes so far.

    The whole `record` has its numbers as they are spelled.
    """

    number: int
    read: int
    trace: bytes = b""
    inputs: Inputs | None = None
    error: str = ""
    record: Mapping[str, object] = field(default_factory=dict)


@contextmanager
def reading(
    path: Path, field: str, *, plain: bool, what: str, results: bool = False
) -> Iterator[Iterator[Line]]:
    """The traces of a file, one after the other, under a bar; blank lines are none.

    A path that is no file, or can't be opened, ends the verb.
    """
    size = None if str(given(path)) == "-" else path.stat().st_size
    with opened(path) as stream, steps(what, size, results=results) as bar:

        def moved() -> Iterator[Line]:
            for line in whole(stream) if plain else lines_of(stream, field):
                yield line
                bar.reach(line.read)

        yield moved()


def answer(
    ask: Callable[[bytes, Inputs], T], line: Line, inputs: Inputs
) -> tuple[T | None, str]:
    """What is said of a line, or why nothing can be.

    Inputs of the whole call that don't fit end the verb.
    """
    if line.error:
        return None, line.error
    try:
        return ask(line.trace, inputs | (line.inputs or {})), ""
    except BadInput as refused:
        if line.inputs is None:
            misuse(f"--with: {refused}")
        return None, str(refused)


def opened(path: Path) -> BinaryIO:
    """A file or stdin; what can't be opened ends the verb."""
    if str(path) == "-":
        return sys.stdin.buffer
    try:
        return path.open("rb")
    except OSError as error:
        misuse(f"{path}: {error.strerror}")


def whole(stream: BinaryIO) -> Iterator[Line]:
    """A whole file as one trace."""
    trace = stream.read(LONGEST + 1)
    if len(trace) > LONGEST:
        yield Line(1, len(trace), error=f"the file is longer than {LONGEST:,} bytes")
    else:
        yield Line(1, len(trace), trace)


def lines_of(
    stream: BinaryIO, member: str, first: int = 1, size: int | None = None
) -> Iterator[Line]:
    """The traces in JSON lines; the next is counted as `first`, and `size` bytes are read."""
    read, number = 0, first - 1
    while (size is None or read < size) and (raw := stream.readline(LONGEST + 1)):
        number += 1
        read += len(raw)
        if len(raw) > LONGEST:
            while not raw.endswith(b"\n") and (raw := stream.readline(LONGEST)):
                read += len(raw)
            yield Line(number, read, error=f"the line is longer than {LONGEST:,} bytes")
            continue
        text = raw.removeprefix(_BOM).strip() if number == 1 else raw.strip()
        if not text:
            continue
        try:
            trace, inputs, record = _parse(text, member)
        except RequestError as error:
            yield Line(number, read, error=str(error))
        else:
            yield Line(number, read, trace, inputs, record=record)


def _parse(raw: bytes, field: str) -> tuple[bytes, Inputs | None, Mapping[str, object]]:
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
    return trace.encode("utf-8", "surrogatepass"), given_here, record
