"""The command line: one module a verb."""

from __future__ import annotations

import sys
from io import TextIOWrapper

import typer

from rulec.cli import (
    check,
    compile,
    coverage,
    diff,
    explain,
    fmt,
    generate,
    import_schema,
    sample,
    serve,
    test,
    verify,
    vote,
)

app = typer.Typer(
    name="rulec",
    help="Constraints over language-model output, compiled to token masks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    epilog="Exit codes: 0 fine, 1 the rules or the traces are at fault, 2 wrong use.",
)
_VERBS = (
    *(check, compile, fmt, test, verify, coverage, sample, generate, explain, diff),
    import_schema,
    vote,
)
for _verb in _VERBS:
    app.command()(getattr(_verb, _verb.__name__.rpartition(".")[2]))
# What is not known here is vLLM's.
_PASSED_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
app.command(context_settings=_PASSED_ON)(serve.serve)


def main() -> None:
    """Run the command line."""
    for stream in (sys.stdout, sys.stderr):
        # A file name or a trace may hold what the terminal's encoding lacks.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    app()
