"""The vocabulary that a pack is made for: `--tokenizer`, `--end`, `--size`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from rulec.cli.console import misuse
from rulec.compiler import Vocabulary, VocabularyError, load_vocabulary

TokenizerOption: TypeAlias = Annotated[
    Path | None,
    typer.Option(
        exists=True,
        help="tokenizer.json, tiktoken, tekken, SentencePiece, GGUF, or a model's folder.",
    ),
]
EndOption: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--end",
        metavar="TOKEN",
        help="A token that ends a sequence, by id or as it is spelled; may be repeated. "
        "Without it, those that the tokenizer names.",
    ),
]
SizeOption: TypeAlias = Annotated[
    int | None,
    typer.Option(
        "--size",
        min=1,
        help="The width of the model's logits, where it exceeds the tokenizer's.",
    ),
]

_ENDINGS = ("</s>", "eos", "eot", "end_of", "endoftext", "im_end")


def open_vocabulary(path: Path, ends: list[str] | None, size: int | None) -> Vocabulary:
    """The vocabulary of a tokenizer, as the options amend it; what can't be ends the verb."""
    try:
        vocabulary = load_vocabulary(path)
    except VocabularyError as error:
        misuse(f"--tokenizer: {error}")
    try:
        if size is not None:
            vocabulary = vocabulary.with_size(size)
        if ends:
            vocabulary = vocabulary.with_ends([_end(vocabulary, end) for end in ends])
    except VocabularyError as error:
        misuse(f"--size, --end: {error}")
    if not vocabulary.ends:
        misuse(
            f"{path} does not say which token ends a sequence; "
            f"name it with --end{_suggestion(vocabulary)}"
        )
    return vocabulary


def _end(vocabulary: Vocabulary, text: str) -> int:
    if text in vocabulary.specials:
        return vocabulary.specials[text]
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        misuse(f"--end: {text!r} is no id and no special token{_suggestion(vocabulary)}")
    return int(text)


def _suggestion(vocabulary: Vocabulary) -> str:
    """Special tokens that look like an end, for a hint."""
    likely = [
        spelled
        for spelled in vocabulary.specials
        if any(ending in spelled.lower() for ending in _ENDINGS)
    ]
    return f", such as {' or '.join(map(repr, likely[:3]))}" if likely else ""
