"""`rulec explain`: the page of a diagnostic's code."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from rulec.cli.console import Format, FormatOption, emit, misuse, stdout

_PAGES = files("rulec.cli.pages")


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as R0301.")],
    form: FormatOption = Format.text,
) -> None:
    """Say what a diagnostic means and how to mend it."""
    page = _page(code.upper())
    if page is None:
        known = ", ".join(_codes())
        misuse(f"no diagnostic has the code {code}; there are {known}")
    console = stdout()
    if form is Format.json:
        emit({"code": code.upper(), "page": page})
    elif console.is_terminal:
        console.print(Markdown(page))
    else:
        typer.echo(page.rstrip("\n"))


def _codes() -> list[str]:
    return sorted(
        Path(page.name).stem for page in _PAGES.iterdir() if page.name.endswith(".md")
    )


def _page(code: str) -> str | None:
    return (_PAGES / f"{code}.md").read_text(encoding="utf-8") if code in _codes() else None
