"""`rulec explain`: the page of a diagnostic's code."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markdown import Markdown

from rulec.cli.console import Format, FormatOption, emit, misuse, stdout
from rulec.dsl import pages


def explain(
    code: Annotated[str, typer.Argument(metavar="CODE", help="A code such as R0301.")],
    form: FormatOption = Format.text,
) -> None:
    """Say what a diagnostic means and how to mend it."""
    page = pages.page(code.upper())
    if page is None:
        known = ", ".join(pages.codes())
        misuse(f"no diagnostic has the code {code}; there are {known}")
    console = stdout()
    if form is Format.json:
        emit({"code": code.upper(), "page": page})
    elif console.is_terminal:
        console.print(Markdown(page))
    else:
        typer.echo(page.rstrip("\n"))
