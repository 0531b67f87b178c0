"""Lines of a formatted file, and the columns that neighbouring lines share."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_WIDEST_GAP = 24


@dataclass
class Line:
    """A line to be: `anchor` is where its shared column begins, `comment` ends it."""

    indent: int
    text: str
    blank: bool = False
    kind: str = ""
    comment: str = ""
    anchor: int | None = None
    opens: bool = False


def aligned(lines: list[Line]) -> str:
    """The lines as text, with shared columns lined up."""
    for run in _runs(lines, lambda line: (line.kind, line.indent, line.anchor is not None)):
        _line_up(run)
    for line in lines:
        line.text = line.text.rstrip()
    for run in _runs(lines, lambda line: bool(line.comment)):
        _line_up_comments(run)
    out: list[str] = []
    for line in lines:
        if line.blank:
            out.append("")
        out.append(" " * line.indent + line.text)
    return "".join(f"{line}\n" for line in out)


def _runs(lines: list[Line], key: Callable[[Line], object]) -> Iterator[list[Line]]:
    """Stretches of lines with the same key and no blank line in between."""
    block = 0
    blocks: list[tuple[int, Line]] = []
    for line in lines:
        block += line.blank
        blocks.append((block, line))
    for _, run in groupby(blocks, lambda pair: (pair[0], key(pair[1]))):
        yield [line for _, line in run]


def _line_up(run: list[Line]) -> None:
    """Begin what follows the anchor of each line in the same column."""
    ends = [_width(line.text[: line.anchor]) for line in run if line.anchor is not None]
    if len(ends) != len(run) or max(ends) - min(ends) > _WIDEST_GAP:
        return
    for line, end in zip(run, ends, strict=True):
        before, after = line.text[: line.anchor], line.text[line.anchor :]
        line.text = before + " " * (max(ends) - end) + after


def _line_up_comments(run: list[Line]) -> None:
    """Begin the comments at the ends of these lines in the same column."""
    if not run[0].comment:
        return
    widths = [line.indent + _width(line.text.rsplit("\n", 1)[-1]) for line in run]
    for line, width in zip(run, widths, strict=True):
        line.text += " " * (max(widths) - width + 2) + line.comment


def _width(text: str) -> int:
    wide = sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in text)
    return len(text) + wide - sum(unicodedata.combining(char) > 0 for char in text)
