"""`rulec coverage`: which rules, fields and branches a file of traces exercises."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    counted,
    emit,
    plain_table,
    sound,
    stderr,
    stdout,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.cli.traces import FieldOption, PlainOption, TracesFile, answer, reading
from rulec.compiler.marking import mark
from rulec.runtime.coverage import Survey
from rulec.runtime.tallies import Coverage, LengthUse, Place, Share

NEVER = Text("never", style="bold yellow")


def coverage(
    file: RulesFile,
    traces: TracesFile,
    field: FieldOption = "trace",
    plain: PlainOption = False,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Say what traces exercise: rules, fields, branches, and the bytes that rules guard.

    A byte is guarded where it lies in a field that a tested rule reads. A line may bring its
    own inputs in a member `with`.
    """
    inputs = read_inputs(request)
    survey = asking(partial(Survey, mark(sound(file).built)), external)
    unread = 0
    with reading(traces, field, plain=plain, what="reading") as lines:
        for line in lines:
            _, error = answer(survey.take, line, inputs)
            if error:
                unread += 1
                stderr().print(f"{traces}:{line.number}: {error}")
    covered = survey.coverage()
    if form is Format.json:
        emit(covered.to_record() | {"unreadable": unread})
    else:
        _show(covered, unread, stdout())
    if unread:
        raise typer.Exit(Exit.fault)


# --- for people ---


def _show(covered: Coverage, unread: int, console: Console) -> None:
    total = sum(count for _, count in covered.traces)
    kinds = ", ".join(f"{count} {verdict}" for verdict, count in covered.traces)
    lost = f", {counted(unread, 'line')} unreadable" if unread else ""
    console.print(f"{counted(total, 'trace')}: {kinds or 'nothing to count'}{lost}")
    _show_rules(covered, console)
    _show_fields(covered, console)
    _show_ways(covered, console)
    _show_lengths(covered.lengths, console)
    for owed in covered.owed:
        console.print(f"{owed.name}: what the text owes did not come {_times(owed.violated)}")
    _show_share(covered.share, console)


def _show_rules(covered: Coverage, console: Console) -> None:
    if not covered.rules:
        return
    tested = sum(rule.tested > 0 for rule in covered.rules)
    console.print(f"{tested} of {counted(len(covered.rules), 'rule')} tested")
    odd = any(rule.complex for rule in covered.rules)
    headings = ["rule", "shape", "tier", "tested", "passed", "violated", "vacuous"]
    table = _table(headings + ["too complex"] * odd, numbers=3)
    for rule in covered.rules:
        counts = [rule.passed, rule.violated, rule.vacuous, *([rule.complex] * odd)]
        about = (rule.name, rule.place.shape, rule.tier)
        table.add_row(*about, _number(rule.tested), *map(str, counts))
    console.print(table)


def _show_fields(covered: Coverage, console: Console) -> None:
    if not covered.fields:
        return
    written = sum(field.times > 0 for field in covered.fields)
    console.print(f"{written} of {counted(len(covered.fields), 'field')} written")
    odd = any(field.outside for field in covered.fields)
    headings = ["field", "shape", "line", "times", "bytes", "guarded"]
    table = _table(headings + ["out of range"] * odd, numbers=3)
    for field in covered.fields:
        cells = ["", ""]
        if field.kind != "shape":
            cells = [str(field.size), _percent(field.guarded, field.size)]
        cells += [str(field.outside)] * odd
        name = field.name or field.place.text
        table.add_row(name, *_place(field.place), _number(field.times), *cells)
    console.print(table)


def _show_ways(covered: Coverage, console: Console) -> None:
    if not covered.ways:
        return
    taken = sum(way.times > 0 for way in covered.ways)
    console.print(f"{taken} of {len(covered.ways)} branches taken")
    table = _table(["branch", "shape", "line", "times"], numbers=3)
    for way in covered.ways:
        name = f"no {way.place.text}" if way.kind == "absent" else way.place.text
        table.add_row(name, *_place(way.place), _number(way.times))
    console.print(table)


def _show_lengths(lengths: Sequence[LengthUse], console: Console) -> None:
    if not lengths:
        return
    table = _table(["list", "shape", "line", "times", "items", "of"], numbers=3)
    for length in lengths:
        seen = "" if length.least is None else _span(length.least, length.most)
        table.add_row(
            length.place.text,
            *_place(length.place),
            _number(length.times),
            seen,
            _span(length.low, length.high),
        )
    console.print(table)


def _show_share(share: Share, console: Console) -> None:
    console.print(f"{counted(share.total, 'byte')} of text")
    table = _table(["", "bytes", "share"], numbers=1)
    rows = {
        "in fields that a tested rule reads": share.guarded,
        "in other fields": share.fields,
        "prose": share.prose,
        "fixed text": share.text,
        "not read": share.unread,
    }
    for name, count in rows.items():
        if count:
            table.add_row(name, str(count), _percent(count, share.total))
    if share.total:
        console.print(table)


def _table(headings: Iterable[str], *, numbers: int) -> Table:
    """A table whose columns from `numbers` on are numbers."""
    table = plain_table()
    for index, heading in enumerate(headings):
        table.add_column(
            heading, overflow="fold", justify="right" if index >= numbers else "left"
        )
    return table


def _place(place: Place) -> tuple[str, str]:
    return place.shape or "the trace", f"{place.line}:{place.column}"


def _number(count: int) -> Text:
    return Text(str(count)) if count else NEVER


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f}%" if whole else ""


def _span(low: int, high: int | None) -> str:
    return f"{low} or more" if high is None else str(low) if low == high else f"{low} to {high}"
