"""`rulec verify`: a verdict for each trace of a file."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from enum import Enum
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from rulec.cli.bulk import Job, Judged, cores, judged
from rulec.cli.chunks import Source, behind
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    counted,
    given,
    misuse,
    sound,
    stderr,
    stdout,
    steps,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.cli.runs import Run
from rulec.cli.stages import FINE, claim_line, claim_of
from rulec.cli.summary import Summary, tables
from rulec.cli.traces import FieldOption, PlainOption
from rulec.runtime.verify import Verifier

SMALL = 1 << 20
"""Bytes of a file for which it is not worth while to start other processes."""

INTERRUPTED = 130
"""The exit code behind Ctrl-C."""


class Engine(str, Enum):
    """Where traces are judged."""

    local = "local"
    ray = "ray"


def verify(
    file: RulesFile,
    traces: Annotated[
        Path,
        typer.Argument(
            metavar="TRACES",
            help="JSON lines or Parquet with a trace in each line or row; - reads stdin.",
        ),
    ],
    field: FieldOption = "trace",
    plain: PlainOption = False,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            dir_okay=False,
            help="Write the records there; a call that was broken off goes on.",
        ),
    ] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Don't go on, begin anew.")] = False,
    report: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write a page of HTML with plots and traces there."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option("--workers", "-j", min=1, help="Processes; all cores if left out."),
    ] = None,
    suspects: Annotated[
        bool,
        typer.Option("--suspects", help="Tell what looks like an equation and isn't read."),
    ] = False,
    engine: Annotated[
        Engine, typer.Option(help="This machine, or a Ray cluster.")
    ] = Engine.local,
) -> None:
    """Judge traces: a verdict a line, with the place of each broken rule.

    A line may bring its own inputs in a member `with`. What is no trace has a record that says
    why. Records are described in docs/verdicts.md.
    """
    source = Source(given(traces), field, plain)
    if not source.seekable and (out or report or engine is Engine.ray):
        misuse("--out, --report and --engine ray need a file of lines or rows")
    inputs = read_inputs(request)
    machine = sound(file).machine
    asking(partial(Verifier, machine), external)
    job = replace(Job.of(machine, traces, field, inputs, external), suspects=suspects)
    run = None if out is None else Run.begin(job, out, fresh=fresh)
    if run is not None and run.done:
        stderr().print(f"goes on behind line {run.done:,}")
    count = workers or (cores() if (source.size() or 0) > SMALL else 1)
    after = 0 if run is None else run.done
    if engine is Engine.ray:
        from rulec.cli.on_ray import judged_on_ray  # noqa: PLC0415 - an extra

        found = judged_on_ray(job, source, after)
    else:
        chunks = source.chunks(1 if count == 1 else 256)
        found = judged(job, behind(chunks, after), count, after)
    summary = _taken(found, source, run, form)
    if run is not None:
        run.finish()
    _tell(summary, form, whole=run is not None)
    if report is not None:
        from rulec.cli.report import write_report  # noqa: PLC0415 - an extra

        write_report(report, summary, source, machine)
    if not summary.fine:
        raise typer.Exit(Exit.fault)


def _taken(
    found: Generator[Judged, None, None], source: Source, run: Run | None, form: Format
) -> Summary:
    """Bring all verdicts to where they belong, and count them."""
    summary = Summary() if run is None else run.summary
    console = None if form is Format.json else stdout()
    try:
        with steps("verifying", source.size(), results=run is None) as bar, closing(found):
            for one in found:
                if one.refused:
                    misuse(f"--with: {one.refused}")
                if run is not None:
                    run.write(one)
                else:
                    summary.merge(one.summary)
                    _print(one.records, source.path, console)
                bar.reach(one.read)
    except KeyboardInterrupt:
        rest = "" if run is None else "; the same call goes on with the rest"
        stderr().print(f"interrupted behind {counted(summary.traces, 'trace')}{rest}")
        raise typer.Exit(INTERRUPTED) from None
    return summary


def _print(records: bytes, path: Path, console: Console | None) -> None:
    """Records as they are, or for people; what is no trace is told to them all."""
    if console is None:
        typer.echo(records, nl=False)
    for line in records.splitlines():
        if console is None and b'"error": null' in line:
            continue
        record = json.loads(line)
        if record["error"] is not None:
            stderr().print(f"{path}:{record['line']}: {record['error']}")
        elif console is not None:
            console.print(_shown(record))


def _tell(summary: Summary, form: Format, *, whole: bool) -> None:
    """Say what it all comes to; with the tables where there was nothing else to see."""
    if form is Format.json:
        if whole:
            typer.echo(json.dumps(summary.to_record()))
        return
    console = stdout()
    if whole and summary.traces:
        for table in tables(summary):
            console.print(table)
        share = summary.guarded / summary.bytes if summary.bytes else 0.0
        console.print(f"{counted(summary.claimed, 'claim')}, {share:.1%} of the text guarded")
        if summary.suspected:
            shown = counted(summary.suspected, "trace")
            console.print(f"{shown} with what looks like an equation and no rule read")
    kinds = ", ".join(f"{count} {name}" for name, count in summary.verdicts.most_common())
    console.print(f"{counted(summary.traces, 'trace')}: {kinds or 'nothing to verify'}")


def _shown(record: dict[str, Any]) -> Text:
    fine = record["verdict"] in FINE
    text = Text(f"{record['line']}: ")
    text.append(record["verdict"], style="green" if fine else "bold red")
    if record["stopped"] is not None:
        text.append(f" at byte {record['stopped']['byte']}: {record['stopped']['reason']}")
    for claim in record["claims"]:
        if claim["verdict"] not in FINE:
            text.append(f"\n  {claim_line(claim_of(claim))}")
    for one in record.get("suspects", ()):
        start, end = one["bytes"]
        text.append(f"\n  no rule read what looks like an equation at {start}..{end}")
    return text
