"""What the verbs print, and where: results to stdout, everything else to stderr."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, NoReturn, TypeAlias

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table
from rich.text import Text

from rulec import dsl
from rulec.cli.stages import inspect
from rulec.compiler import Built, Machine
from rulec.dsl.checked import Ruleset
from rulec.dsl.diagnostics import Diagnostic


class Format(str, Enum):
    """For people or for programs."""

    text = "text"
    json = "json"


class Exit(int, Enum):
    """What the exit code says."""

    fine = 0
    fault = 1
    misuse = 2


FormatOption: TypeAlias = Annotated[
    Format, typer.Option("--format", help="text for people, json for programs.")
]
RulesFile: TypeAlias = Annotated[
    Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A .rules file.")
]
RulesFiles: TypeAlias = Annotated[
    list[Path],
    typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="The .rules files."),
]

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def stdout() -> Console:
    """The console for results; coloured only on a terminal."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def stderr() -> Console:
    """The console for all that is not a result."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def emit(record: Mapping[str, object]) -> None:
    """Print one JSON object on a line of its own."""
    typer.echo(json.dumps(record))


def given(path: Path) -> Path:
    """A file or `-`, which is stdin; anything else ends the verb."""
    if str(path) != "-" and not path.exists():
        misuse(f"{path}: no such file")
    if path.is_dir():
        misuse(f"{path}: is a directory")
    return path


def misuse(message: str) -> NoReturn:
    """Say what is wrong with the call, and leave."""
    text = Text("error: ", style=_STYLES["error"])
    stderr().print(text + Text(message))
    raise typer.Exit(Exit.misuse)


def show(diagnostics: Iterable[Diagnostic], console: Console) -> None:
    """Print diagnostics with their source lines."""
    for diagnostic in diagnostics:
        head, newline, rest = dsl.render(diagnostic).rstrip("\n").partition("\n")
        text = Text(head)
        text.stylize(_STYLES[diagnostic.severity], 0, max(head.find(":"), 0))
        text.append(newline + rest)
        console.print(text)


def broken(diagnostics: Iterable[Diagnostic]) -> bool:
    """Whether one of them is an error."""
    return any(diagnostic.severity == "error" for diagnostic in diagnostics)


@dataclass(frozen=True, slots=True)
class Sound:
    """A ruleset without errors, and its machine."""

    ruleset: Ruleset
    machine: Machine
    built: Built


def sound(path: Path) -> Sound:
    """A ruleset for a verb that works with it; where it has errors they end the verb."""
    report = inspect(path)
    show(report.diagnostics, stderr())
    ruleset, machine, built = report.ruleset, report.machine, report.built
    if ruleset is None or machine is None or built is None or broken(report.diagnostics):
        raise typer.Exit(Exit.fault)
    return Sound(ruleset, machine, built)


def plain_table() -> Table:
    """A table without lines, its headings dim."""
    return Table(box=None, padding=(0, 2), header_style="dim", show_edge=False)


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2 rules`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


class Steps:
    """A bar that moves to `done` steps."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task

    def reach(self, done: float) -> None:
        """Move the bar."""
        self._progress.update(self._task, completed=done)


@contextmanager
def steps(what: str, total: float | None, *, results: bool = False) -> Iterator[Steps]:
    """A progress bar on stderr, shown only on a terminal and gone afterwards.

    With `results` the verb prints them meanwhile: a terminal that shows those needs no bar.
    """
    console = stderr()
    hidden = not console.is_terminal or (results and sys.stdout.isatty())
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
    with Progress(
        *columns,
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=hidden,
        redirect_stdout=False,
        redirect_stderr=False,
    ) as progress:
        yield Steps(progress, progress.add_task(what, total=total))
