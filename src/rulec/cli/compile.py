"""`rulec compile`: a ruleset and a vocabulary to a pack, or any stage on the way, printed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
from rulec.cli.listing import Stage, stage_text
from rulec.cli.stages import Report, inspect
from rulec.cli.tokenizers import EndOption, SizeOption, TokenizerOption, open_vocabulary
from rulec.compiler import Machine, Pack, PackError, Vocabulary
from rulec.runtime.budget import HOPELESS, shortest


def compile(
    file: RulesFile,
    tokenizer: TokenizerOption = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", dir_okay=False, help="Where the pack goes.")
    ] = None,
    stage: Annotated[Stage | None, typer.Option("--emit", help="Print this stage.")] = None,
    end: EndOption = None,
    size: SizeOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Compile a ruleset for a tokenizer."""
    if out is None and stage is None:
        misuse("say where the pack goes with -o, or what to print with --emit")
    needed = out is not None or stage is Stage.pack
    if needed and tokenizer is None:
        misuse("a pack is made for one tokenizer: name it with --tokenizer")
    report = inspect(file)
    if report.ruleset is None or report.machine is None or broken(report.diagnostics):
        _refuse(report, form)
        raise typer.Exit(Exit.fault)
    if form is Format.text:
        show(report.diagnostics, stderr())
    pack = None
    if needed and tokenizer is not None:
        with steps("compiling", None):
            pack = _pack(report.machine, open_vocabulary(tokenizer, end, size))
    if pack is not None and out is not None:
        _save(pack, out)
    _tell(stage, out, report, pack, form)


def _pack(machine: Machine, vocabulary: Vocabulary) -> Pack:
    try:
        return compiler.fit(machine, vocabulary)
    except PackError as error:
        misuse(str(error))


def _save(pack: Pack, out: Path) -> None:
    """Write a pack so that nobody ever sees half of it."""
    draft = out.with_name(f"{out.name}.draft")
    try:
        pack.save(draft)
        draft.replace(out)
    except OSError as error:
        draft.unlink(missing_ok=True)
        misuse(f"{out}: {error.strerror}")


def _tell(
    stage: Stage | None, out: Path | None, report: Report, pack: Pack | None, form: Format
) -> None:
    text = None if stage is None else stage_text(stage, report, pack)
    if form is Format.json:
        record: dict[str, object] = {}
        if stage is not None:
            record |= {"stage": stage.value, "text": text}
        if pack is not None:
            needed = shortest(pack)
            record |= {
                "pack": None if out is None else str(out),
                "rules": pack.digest,
                "vocabulary": pack.vocabulary,
                "size": pack.size,
                "ends": list(pack.ends),
                "rows": len(pack.rows),
                "shortest": needed if needed < HOPELESS else None,
            }
        emit(record | {"diagnostics": [dsl.to_record(one) for one in report.diagnostics]})
        return
    if text is not None:
        typer.echo(text)
    if pack is not None and out is not None:
        rows = f"{len(pack.rows)} rows of {pack.size} tokens"
        needed = shortest(pack)
        fits = f"a trace is sure to fit {needed}" if needed < HOPELESS else "no budget is sure"
        stderr().print(f"wrote {out}: {rows}, {fits}")


def _refuse(report: Report, form: Format) -> None:
    if form is Format.json:
        emit({"diagnostics": [dsl.to_record(found) for found in report.diagnostics]})
    else:
        show(report.diagnostics, stderr())
