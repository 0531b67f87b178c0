"""Files of traces in chunks, so that many workers read them in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulec.cli.console import misuse
from rulec.cli.traces import Line, lines_of, opened, whole
from rulec.runtime.exact_json import Inputs, RequestError, parse_inputs

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

BLOCK = 1 << 18
"""Bytes of JSON lines that make a chunk."""

ROWS = 512
"""Rows of a Parquet file that make a chunk."""


@dataclass(frozen=True, slots=True)
class Chunk:
    """Traces that are judged in one go.

    They are the lines that `start` to `end` of a file hold, the first of them counted as
    `first`; or, where they have been read, `lines` themselves. `read` is how far this brings
    the reading of the file, in bytes or rows.
    """

    first: int
    read: int
    start: int = 0
    end: int = 0
    lines: tuple[Line, ...] | None = None

    def traces(self, path: Path, field: str) -> Iterator[Line]:
        """The traces, read now."""
        if self.lines is not None:
            yield from self.lines
            return
        with path.open("rb") as stream:
            stream.seek(self.start)
            yield from lines_of(stream, field, self.first, self.end - self.start)


@dataclass(frozen=True, slots=True)
class Source:
    """A file of traces, or stdin (`-`); a `plain` one is a single trace."""

    path: Path
    field: str
    plain: bool = False

    @property
    def seekable(self) -> bool:
        """Whether its lines can be found again."""
        return str(self.path) != "-" and not self.plain

    @property
    def parquet(self) -> bool:
        """Whether it is read as Parquet: by its name."""
        return self.seekable and self.path.suffix in (".parquet", ".pq")

    def size(self) -> int | None:
        """What `Chunk.read` comes to at the end: bytes, or rows; None where nobody knows."""
        if str(self.path) == "-":
            return None
        if not self.parquet:
            return self.path.stat().st_size
        with opened_parquet(self.path) as file:
            return int(file.metadata.num_rows)

    def chunks(self, lines: int = 1) -> Iterator[Chunk]:
        """The chunks, one after the other; of stdin they have so many lines."""
        if self.parquet:
            for rows in parquet_lines(self.path, self.field):
                yield Chunk(rows[0].number, rows[-1].number, lines=rows)
        elif self.seekable:
            yield from spans(self.path)
        else:
            with opened(self.path) as stream:
                read = whole(stream) if self.plain else lines_of(stream, self.field)
                while held := tuple(islice(read, lines)):
                    yield Chunk(held[0].number, held[-1].read, lines=held)

    def texts(self, numbers: set[int]) -> dict[int, bytes]:
        """The traces of some lines, read once up to the last of them."""
        found: dict[int, bytes] = {}
        last = max(numbers, default=0)
        for chunk in self.chunks():
            if chunk.first > last:
                break
            for line in chunk.traces(self.path, self.field):
                if line.number in numbers:
                    found[line.number] = line.trace
        return found


def spans(path: Path) -> Iterator[Chunk]:
    """Whole lines of a file, about `BLOCK` bytes at a time."""
    with path.open("rb") as stream:
        first, start = 1, 0
        while block := stream.read(BLOCK):
            end, count = start + len(block), block.count(b"\n")
            while not block.endswith(b"\n") and (block := stream.readline(BLOCK)):
                end += len(block)
                count += block.endswith(b"\n")
            yield Chunk(first, end, start, end)
            first, start = first + count, end


# --- Parquet ---


def opened_parquet(path: Path) -> ParquetFile:
    """A Parquet file; what can't be read ends the verb."""
    try:
        from pyarrow import ArrowException  # noqa: PLC0415 - an extra
        from pyarrow.parquet import ParquetFile  # noqa: PLC0415
    except ImportError as error:
        misuse(f"{error}; the extra `rulec[parquet]` reads Parquet")
    try:
        return ParquetFile(path)
    except (ArrowException, OSError) as error:
        misuse(f"{path}: {error}")


def parquet_lines(
    path: Path, field: str, groups: list[int] | None = None, first: int = 1
) -> Iterator[tuple[Line, ...]]:
    """The rows of a file, or of some of its row groups, `ROWS` at a time.

    The column `with` may hold inputs, as a JSON object or as a struct.
    """
    with opened_parquet(path) as file:
        names = file.schema_arrow.names
        if field not in names:
            misuse(f"{path}: there is no column `{field}`")
        columns = [field, "with"] if "with" in names else [field]
        number = first
        for batch in file.iter_batches(ROWS, row_groups=groups, columns=columns):
            rows = batch.to_pylist()
            yield tuple(_row(n, row, field) for n, row in enumerate(rows, number))
            number += len(rows)


def _row(number: int, row: dict[str, Any], field: str) -> Line:
    trace = row[field]
    if isinstance(trace, str):
        trace = trace.encode("utf-8", "surrogatepass")
    if not isinstance(trace, bytes):
        return Line(number, number, error=f"the column `{field}` holds no text here")
    try:
        return Line(number, number, trace, _inputs(row.get("with")))
    except RequestError as error:
        return Line(number, number, error=str(error))


def _inputs(given: object) -> Inputs | None:
    match given:
        case None:
            return None
        case str():
            return parse_inputs(given)
        case dict():
            return {name: value for name, value in given.items() if value is not None}
        case _:
            raise RequestError("the column `with` holds neither JSON nor a struct")


def behind(chunks: Iterator[Chunk], done: int) -> Iterator[Chunk]:
    """The chunks that hold lines behind one that is done."""
    held = next(chunks, None)
    for after in chunks:
        if held is not None and after.first > done + 1:
            yield held
        held = after
    if held is not None:
        yield held
