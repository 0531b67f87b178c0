"""Diagnostics as text for people and as records for programs."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rulec.dsl.diagnostics import Diagnostic, Label
    from rulec.dsl.source import Span

_TAB = 4
_WIDEST = 160
_LONGEST = 12


def render(diagnostic: Diagnostic) -> str:
    """A few lines of plain text, without a newline at the end."""
    lines = [f"{diagnostic.severity}[{diagnostic.code}]: {diagnostic.message}"]
    lines.extend(_excerpt(diagnostic.primary))
    for label in diagnostic.related:
        lines.extend(_excerpt(label))
    if diagnostic.hint:
        lines.append(f"  hint: {diagnostic.hint}")
    if diagnostic.example:
        lines.extend(_shown(diagnostic.example))
    return "\n".join(lines)


def _shown(example: str) -> list[str]:
    """A trace, its first lines, between marks that are no part of it."""
    lines = example.split("\n")
    kept = [f"  | {_expanded(line)[:_WIDEST]}" for line in lines[:_LONGEST]]
    return ["  for example:", *kept, *(["  | …"] if len(lines) > _LONGEST else [])]


def _excerpt(label: Label) -> list[str]:
    span = label.span
    line, column = span.position
    place = f"  {span.place}"
    text = span.source.line(line).rstrip("\r")
    if not text.strip():
        return [place]
    first = column - 1
    length = max(1, min(span.end - span.start, len(text) - first))
    before, under = text[:first], text[first : first + length]
    if len(text) > _WIDEST:
        before, under, text = _clipped(before, under, text)
    carets = "^" * max(1, _width(under, _width(before)))
    source = f"  > {_expanded(text)}"
    return [place, source, f"    {' ' * _width(before)}{carets} {label.text}".rstrip()]


def _clipped(before: str, under: str, text: str) -> tuple[str, str, str]:
    """A window of a long line around the place that is meant."""
    cut = max(0, len(before) - _WIDEST // 2)
    shown = text[cut : cut + _WIDEST]
    mark = "…" if cut else ""
    under = under[: max(1, len(shown) - (len(before) - cut))]
    return mark + before[cut:], under, mark + shown + "…"


def _expanded(text: str) -> str:
    """The text with tabs as spaces and without control characters."""
    out, at = [], 0
    for char in text:
        shown = " " * _cell(char, at) if char == "\t" else char
        shown = shown if shown.isprintable() or char == "\t" else "�"
        out.append(shown)
        at += _cell(char, at)
    return "".join(out)


def _width(text: str, at: int = 0) -> int:
    """Columns that a text takes on a terminal when it starts in column `at`."""
    start = at
    for char in text:
        at += _cell(char, at)
    return at - start


def _cell(char: str, at: int) -> int:
    if char == "\t":
        return _TAB - at % _TAB
    if unicodedata.combining(char) or unicodedata.category(char) in {"Mn", "Me", "Cf"}:
        return 0 if char.isprintable() else 1
    return 2 if unicodedata.east_asian_width(char) in {"W", "F"} else 1


def to_record(diagnostic: Diagnostic) -> dict[str, object]:
    """The diagnostic as plain data; lines and columns count from 1, ends are exclusive."""
    return {
        "code": diagnostic.code,
        "severity": diagnostic.severity,
        "message": diagnostic.message,
        **_place(diagnostic.primary.span),
        "hint": diagnostic.hint,
        "example": diagnostic.example,
        "label": diagnostic.primary.text,
        "related": [
            {**_place(label.span), "message": label.text} for label in diagnostic.related
        ],
    }


def _place(span: Span) -> dict[str, object]:
    line, column = span.position
    end_line, end_column = span.source.position(span.end)
    return {
        "file": span.source.name,
        "line": line,
        "column": column,
        "end_line": end_line,
        "end_column": end_column,
    }
