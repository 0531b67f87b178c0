"""`rulec compile`: a ruleset and a vocabulary to a pack, or any stage on the way, printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.pretty import pretty_repr
from typing_extensions import assert_never

from rulec import compiler, dsl
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    broken,
    emit,
    misuse,
    show,
    stderr,
    steps,
)
from rulec.cli.stages import Report, Stage, inspect
from rulec.compiler import Pack
from rulec.compiler.vocabulary import VocabularyError, load_vocabulary
from rulec.dsl.checked import Ruleset
from rulec.dsl.parse import parse


def compile(
    file: RulesFile,
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            help="tokenizer.json, tiktoken ranks, tekken, a GGUF, or a folder of a model.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="Where the pack goes.")
    ] = None,
    stage: Annotated[Stage | None, typer.Option("--emit", help="Print this stage.")] = None,
    form: FormatOption = Format.text,
) -> None:
    """Compile a ruleset for a tokenizer."""
    if out is None and stage is None:
        misuse("say where the pack goes with -o, or what to print with --emit")
    needed = out is not None or stage is Stage.pack
    if needed and tokenizer is None:
        misuse("a pack is made for one tokenizer: name it with --tokenizer")
    report = inspect(file)
    if report.ruleset is None or broken(report.diagnostics):
        _refuse(report, form)
        raise typer.Exit(Exit.fault)
    if form is Format.text:
        show(report.diagnostics, stderr())
    pack = _pack(report.ruleset, tokenizer) if needed and tokenizer is not None else None
    if pack is not None and out is not None:
        _save(pack, out)
    if stage is not None:
        typer.echo(stage_text(stage, report, pack))
    elif form is Format.json:
        found = [dsl.to_record(one) for one in report.diagnostics]
        emit({"pack": str(out), "diagnostics": found})
    else:
        stderr().print(f"wrote {out}")


def stage_text(stage: Stage, report: Report, pack: Pack | None) -> str:
    """A stage as Python would show it."""
    match stage:
        case Stage.syntax if report.ruleset is not None:
            return pretty_repr(parse(report.ruleset.span.source).file)
        case Stage.rules | Stage.syntax:
            return pretty_repr(report.ruleset)
        case Stage.plan:
            return pretty_repr(report.rules)
        case Stage.machine:
            return pretty_repr(report.machine)
        case Stage.pack:
            return pretty_repr(pack)
        case _:
            assert_never(stage)


def _pack(ruleset: Ruleset, tokenizer: Path) -> Pack:
    try:
        with steps("compiling", None):
            return compiler.compile_ruleset(ruleset, load_vocabulary(tokenizer))
    except VocabularyError as error:
        misuse(str(error))


def _save(pack: Pack, out: Path) -> None:
    try:
        pack.save(out)
    except OSError as error:
        misuse(f"{out}: {error.strerror}")


def _refuse(report: Report, form: Format) -> None:
    if form is Format.json:
        emit({"diagnostics": [dsl.to_record(found) for found in report.diagnostics]})
    else:
        show(report.diagnostics, stderr())
