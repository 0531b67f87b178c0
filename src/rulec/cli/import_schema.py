"""`rulec import-schema`: a JSON Schema as a ruleset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from rulec import dsl
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    broken,
    emit,
    given,
    misuse,
    show,
    stderr,
)
from rulec.compiler import build
from rulec.dsl.bodies import DEEPEST
from rulec.dsl.diagnostics import Diagnostic
from rulec.dsl.json_schema import BadSchema
from rulec.dsl.json_schema import import_schema as imported
from rulec.dsl.parse import LARGEST


def import_schema(
    schema: Annotated[
        Path, typer.Argument(metavar="SCHEMA", help="A JSON Schema; - reads stdin.")
    ],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Where the ruleset goes.")
    ] = None,
    depth: Annotated[
        int,
        typer.Option(min=1, max=DEEPEST, help="How deep shapes that hold themselves nest."),
    ] = 3,
    form: FormatOption = Format.text,
) -> None:
    """Turn a JSON Schema into a ruleset; what that can't carry is told on stderr."""
    path = given(schema)
    name = "schema" if str(path) == "-" else path.stem
    try:
        found = imported(_read(path), name, depth)
    except BadSchema as error:
        misuse(f"{path}: {error}")
    diagnostics = _checked(found.text, name if out is None else str(out))
    if form is Format.json:
        notes = [{"pointer": note.pointer, "reason": note.reason} for note in found.notes]
        told = [dsl.to_record(one) for one in diagnostics]
        emit({"rules": found.text, "notes": notes, "diagnostics": told})
    else:
        for note in found.notes:
            stderr().print(f"not carried over: {note.pointer}: {note.reason}")
        show(diagnostics, stderr())
    if out is not None:
        _write(out, found.text)
    elif form is Format.text:
        typer.echo(found.text, nl=False)
    if broken(diagnostics):
        raise typer.Exit(Exit.fault)


def _checked(text: str, name: str) -> tuple[Diagnostic, ...]:
    """What `rulec check` says of the form of a ruleset."""
    loaded = dsl.load_text(text, name)
    if loaded.ruleset is None:
        return loaded.diagnostics
    return (*loaded.diagnostics, *build(loaded.ruleset).diagnostics)


def _read(path: Path) -> str:
    try:
        data = sys.stdin.buffer.read(LARGEST + 1) if str(path) == "-" else _bytes(path)
    except OSError as error:
        misuse(f"{path}: {error.strerror}")
    if len(data) > LARGEST:
        misuse(f"{path}: the schema is larger than {LARGEST:_} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        misuse(f"{path}: the schema is no UTF-8")


def _bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(LARGEST + 1)


def _write(out: Path, text: str) -> None:
    try:
        out.write_bytes(text.encode("utf-8"))
    except OSError as error:
        misuse(f"{out}: {error.strerror}")
