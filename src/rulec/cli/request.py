"""What comes with a request: `--with`, read exactly, and the functions that rules call."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, TypeAlias, TypeVar

import typer

from rulec.cli.console import misuse
from rulec.runtime.exact_json import Inputs, parse_inputs
from rulec.runtime.externals import BadExternal, Externals
from rulec.runtime.isolated import Isolated

T = TypeVar("T")

WithOption: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="JSON",
        help="Params and inputs: a JSON object, or @FILE.",
    ),
]

ExternalOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--external",
        metavar="[NAME=]MODULE:FUNCTION",
        help="A function that the rules call, which is imported and run; may be repeated.",
    ),
]


def read_inputs(text: str | None) -> Inputs:
    """The value of `--with`; leaves with a message when it is not a JSON object."""
    if text is None:
        return {}
    try:
        if text.startswith("@"):
            text = Path(text[1:]).read_text(encoding="utf-8-sig")
        return parse_inputs(text)
    except (OSError, ValueError) as error:
        misuse(f"--with: {error}")


def asking(make: Callable[[Externals], T], named: Sequence[str] | None) -> T:
    """What is made with the functions of `--external`; leaves where they don't fit."""
    try:
        return make(Externals(dict(map(_imported, named or ()))))
    except BadExternal as error:
        misuse(f"{error}; name its function with `--external [NAME=]MODULE:FUNCTION`")


def isolated(named: Sequence[str] | None, seconds: float) -> Isolated:
    """The functions of `--external` in processes of their own; leaves where there are none."""
    paths = {}
    for text in named or ():
        name, _ = _imported(text)
        paths[name] = text.rpartition("=")[2]
    return Isolated(paths, seconds, str(Path.cwd()))


def _imported(text: str) -> tuple[str, Callable[..., object]]:
    """A function by the name that rules call it; modules of the working folder count."""
    name, _, path = text.rpartition("=")
    module, _, function = path.partition(":")
    if not module or not function:
        misuse(f"--external: `{text}` is no `MODULE:FUNCTION`")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found: Callable[..., object] = getattr(import_module(module), function)
    except (ImportError, AttributeError) as error:
        misuse(f"--external: {error}")
    finally:
        del sys.path[0]
    return name or function, found
