"""`rulec explain`: the page of a diagnostic's code, or what may come at a place of a trace."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.markdown import Markdown

from rulec import compiler
from rulec.cli.console import Format, FormatOption, emit, given, misuse, sound, stdout, steps
from rulec.cli.place import View, show_place
from rulec.cli.place_record import record
from rulec.cli.request import WithOption, read_inputs
from rulec.cli.tokenizers import EndOption, SizeOption, TokenizerOption, open_vocabulary
from rulec.cli.traces import LONGEST, opened
from rulec.compiler import PackError, Vocabulary, VocabularyError
from rulec.compiler.marking import mark
from rulec.dsl import pages
from rulec.runtime.explain import Explainer
from rulec.runtime.inputs import BadInput
from rulec.runtime.tokens import Cut, cut, next_tokens


def explain(
    subject: Annotated[
        str, typer.Argument(metavar="CODE|FILE", help="A code such as R0301, or a .rules file.")
    ],
    trace: Annotated[
        Path | None,
        typer.Option(
            metavar="TRACE", help="What has been written, byte for byte; - reads stdin."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option(help="The text itself, in place of a file.")
    ] = None,
    at: Annotated[
        int | None, typer.Option(min=0, help="The byte to stand at; without it, the end.")
    ] = None,
    tokenizer: TokenizerOption = None,
    token: Annotated[
        int | None, typer.Option(min=0, help="The token to stand at, in place of a byte.")
    ] = None,
    end: EndOption = None,
    size: SizeOption = None,
    request: WithOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Say what a diagnostic means, or what may come at a place of a trace, and why.

    With a tokenizer the text is cut into the longest tokens that fit, and the answer is given
    in tokens too.
    """
    if trace is None and text is None:
        if any(option is not None for option in (at, tokenizer, token, request)):
            misuse("say with --trace or --text what has been written")
        _page(subject, form)
        return
    if trace is not None and text is not None:
        misuse("--trace and --text exclude each other")
    if token is not None and (tokenizer is None or at is not None):
        misuse("--token needs --tokenizer, and stands in place of --at")
    name, content = _text(trace, text)
    vocabulary = None if tokenizer is None else open_vocabulary(tokenizer, end, size)
    _explain(Asked(Path(subject), name, content, at, token), vocabulary, request, form)


@dataclass(frozen=True, slots=True)
class Asked:
    """The place of a trace that is asked about, by its byte or its token; None for the end."""

    rules: Path
    name: str
    trace: bytes
    at: int | None
    token: int | None


def _page(code: str, form: Format) -> None:
    page = pages.page(code.upper())
    if page is None and Path(code).is_file():
        misuse(f"say with --trace or --text which trace of {code} to explain")
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


def _text(trace: Path | None, text: str | None) -> tuple[str, bytes]:
    """The name of the text and its bytes."""
    if trace is None:
        return "text", (text or "").encode("utf-8", "surrogateescape")
    with opened(given(trace)) as file:
        content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        misuse(f"{trace}: the text is longer than {LONGEST:,} bytes")
    return str(trace), content


def _explain(
    asked: Asked, vocabulary: Vocabulary | None, request: str | None, form: Format
) -> None:
    if not asked.rules.is_file():
        misuse(f"{asked.rules}: no such file")
    inputs = read_inputs(request)
    found = sound(asked.rules)
    tokens = None if vocabulary is None else _cut(vocabulary, asked.trace)
    at = _byte(asked, tokens)
    marked = mark(found.built)
    coming = None
    try:
        explanation = Explainer(marked)(asked.trace, at, inputs)
        if vocabulary is not None and tokens is not None:
            with steps("compiling", None):
                pack = compiler.fit(found.machine, vocabulary)
            coming = next_tokens(pack, tokens, asked.trace, explanation.at, inputs)
    except BadInput as refused:
        misuse(f"--with: {refused}")
    except PackError as error:
        misuse(str(error))
    seen = View(marked, explanation, asked.name, asked.trace, at, vocabulary, coming)
    if form is Format.json:
        emit(record(seen))
    else:
        show_place(seen, stdout())


def _cut(vocabulary: Vocabulary, trace: bytes) -> Cut:
    try:
        return cut(vocabulary, trace)
    except VocabularyError as error:
        misuse(f"--tokenizer: {error}")


def _byte(asked: Asked, tokens: Cut | None) -> int:
    """The byte that is asked about."""
    if asked.token is not None and tokens is not None:
        if asked.token >= len(tokens.starts):
            misuse(f"--token {asked.token}: the text has {len(tokens.tokens)} tokens")
        return tokens.starts[asked.token]
    if asked.at is None:
        return len(asked.trace)
    if asked.at > len(asked.trace):
        misuse(f"--at {asked.at}: the text has {len(asked.trace)} bytes")
    return asked.at
