"""`rulec fmt`: the one way to lay out a ruleset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rulec import dsl
from rulec.cli.console import Exit, Format, FormatOption, emit, given, misuse, show, stderr
from rulec.dsl import files as sources
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.parse import LARGEST
from rulec.dsl.source import Source, Span


def fmt(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE",
            help="The .rules files; - reads stdin and writes stdout.",
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; say what would change.")
    ] = False,
    form: FormatOption = Format.text,
) -> None:
    """Format rulesets in place, comments kept."""
    changed: list[str] = []
    found: list[Diagnostic] = []
    for path in map(given, files):
        text = _read(path)
        result = dsl.format_text(text, str(path)) if isinstance(text, str) else (text,)
        if not isinstance(result, str):
            found.extend(result)
            continue
        if result != text:
            changed.append(str(path))
        if not check:
            _deliver(path, result, same=result == text)
    _report(changed, found, form, "would format" if check else "formatted")
    if found or (check and changed):
        raise typer.Exit(Exit.fault)


def _report(changed: list[str], found: list[Diagnostic], form: Format, verb: str) -> None:
    if form is Format.json:
        emit({"changed": changed, "diagnostics": [dsl.to_record(one) for one in found]})
        return
    show(found, stderr())
    for name in changed:
        stderr().print(f"{verb} {name}")


def _deliver(path: Path, text: str, *, same: bool) -> None:
    """Put formatted text where it belongs; a file that is fine is not touched."""
    if str(path) == "-":
        typer.echo(text, nl=False)
    elif not same:
        try:
            path.write_bytes(text.encode("utf-8"))
        except OSError as error:
            misuse(f"{path}: {error.strerror}")


def _read(path: Path) -> str | Diagnostic:
    """The text of a file or of stdin, or why there is none."""
    if str(path) != "-":
        return sources.read(path)
    data = sys.stdin.buffer.read(LARGEST + 1)
    place = Label(Span(Source("-", ""), 0, 0), "")
    if len(data) > LARGEST:
        return Diagnostic("R0601", f"the text is larger than {LARGEST:_} bytes", place)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Diagnostic("R0108", f"line {line} of the text is not UTF-8", place)
