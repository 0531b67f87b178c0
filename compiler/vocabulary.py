"""The vocabulary of a model: which bytes each token writes."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from rulec.compiler import tekken, tiktoken_ranks, tokenizer_json
from rulec.compiler.gguf import MAGIC, read_gguf
from rulec.compiler.listing import (
    MOST_IDS,
    Listing,
    VocabularyError,
    parse_json,
    read_file,
)
from rulec.compiler.sentencepiece_model import list_pieces

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Vocabulary", "VocabularyError", "load_vocabulary"]

_FOLDER_FILES = ("tokenizer.json", "tekken.json", "tokenizer.model")
_FOLDER_ENDINGS = ("*.gguf", "*.tiktoken")
_RANK_LINE = re.compile(rb"[A-Za-z0-9+/]+=* [0-9]+\r?\n")
_SCRIPT = re.compile(rb"export default|module\.exports|const |//|Object\.define")


@dataclass(frozen=True)
class Vocabulary:
    """Bytes per token id.

    `tokens[id]` is None for ids that write nothing: special ones, unused ones, the ends. No
    token is empty. `size` is the width of the model's logits, at least the number of ids.
    """

    tokens: tuple[bytes | None, ...]
    ends: tuple[int, ...]
    size: int
    specials: Mapping[str, int] = field(default_factory=dict, compare=False, repr=False)
    """Special tokens by the way they are spelled."""

    @cached_property
    def digest(self) -> str:
        """SHA-256 over tokens and ends: the same for every file format and padding."""
        total = hashlib.sha256(b"rulec vocabulary 1\n")
        for text in self.tokens[: self._used]:
            total.update((-1 if text is None else len(text)).to_bytes(4, "little", signed=True))
            total.update(text or b"")
        total.update(b"ends")
        for end in self.ends:
            total.update(end.to_bytes(4, "little"))
        return total.hexdigest()

    def with_size(self, size: int) -> Vocabulary:
        """The same tokens under logits of another width.

        Raises:
            VocabularyError: if there is no room for a token.
        """
        needed = max(
            (n + 1 for n, text in enumerate(self.tokens) if text is not None), default=0
        )
        needed = max(needed, *(end + 1 for end in self.ends), 1)
        if not needed <= size <= MOST_IDS:
            raise VocabularyError(f"{size} logits for {needed} tokens")
        return replace(self, tokens=self.tokens[:size], size=size)

    def with_ends(self, ends: Iterable[int]) -> Vocabulary:
        """The same tokens with other ends; an end writes nothing."""
        chosen = tuple(sorted(set(ends)))
        outside = [end for end in chosen if not 0 <= end < self.size]
        if outside:
            raise VocabularyError(f"end {outside[0]} is outside 0..{self.size - 1}")
        tokens = list(self.tokens)
        tokens.extend([None] * (max(chosen, default=-1) + 1 - len(tokens)))
        for end in chosen:
            tokens[end] = None
        return replace(self, tokens=tuple(tokens), ends=chosen)

    @cached_property
    def _used(self) -> int:
        """Ids up to the last that writes something."""
        return max((n + 1 for n, text in enumerate(self.tokens) if text is not None), default=0)

    @cached_property
    def ids(self) -> Mapping[bytes, int]:
        """The lowest id that writes some bytes."""
        found: dict[bytes, int] = {}
        for token, text in enumerate(self.tokens):
            if text is not None:
                found.setdefault(text, token)
        return found

    @cached_property
    def longest(self) -> int:
        """Bytes of the longest token."""
        return max(map(len, self.ids), default=0)

    def missing_bytes(self) -> tuple[int, ...]:
        """The bytes that no token writes on its own."""
        return tuple(byte for byte in range(256) if bytes([byte]) not in self.ids)

    def encode_greedy(self, text: bytes) -> list[int]:
        """Tokens that write `text`, each the longest that fits; not the model's own choice.

        Raises:
            VocabularyError: if some byte can't be written.
        """
        tokens: list[int] = []
        at = 0
        while at < len(text):
            width = min(self.longest, len(text) - at)
            while width and text[at : at + width] not in self.ids:
                width -= 1
            if not width:
                raise VocabularyError(f"no token begins with byte {text[at]:#04x}")
            tokens.append(self.ids[text[at : at + width]])
            at += width
        return tokens


def load_vocabulary(path: Path) -> Vocabulary:
    """Read a tokenizer from a model's folder or from one of its files.

    Known are Hugging Face `tokenizer.json`, tiktoken ranks (also as JavaScript), tekken,
    SentencePiece models and GGUF; the content decides, not the name. Where the file doesn't
    say which tokens end a text, `ends` is empty.

    Raises:
        VocabularyError: if there is nothing to read, or its bytes can't be told.
    """
    listing = _read(_tokenizer_file(path) if path.is_dir() else path)
    if not listing.texts:
        raise VocabularyError(f"`{path.name}` holds no token that writes anything")
    size = max(listing.size, *(end + 1 for end in listing.ends), 1)
    tokens = tuple(listing.texts.get(token) for token in range(size))
    return Vocabulary(tokens, (), size, listing.specials).with_ends(listing.ends)


def _tokenizer_file(folder: Path) -> Path:
    for name in _FOLDER_FILES:
        if (folder / name).is_file():
            return folder / name
    for ending in _FOLDER_ENDINGS:
        found = sorted(folder.glob(ending))
        if len(found) > 1:
            names = ", ".join(f"`{path.name}`" for path in found[:4])
            raise VocabularyError(f"the folder holds several tokenizers: {names}")
        if found:
            return found[0]
    raise VocabularyError(f"`{folder.name}` holds no tokenizer file")


def _read(path: Path) -> Listing:
    if _first_bytes(path) == MAGIC:
        return read_gguf(path)
    content = read_file(path)
    if content.lstrip()[:1] == b"{":
        return _read_json(path, content)
    if _RANK_LINE.match(content):
        return tiktoken_ranks.list_ranks(content)
    if _SCRIPT.match(content):
        return tiktoken_ranks.list_script(content)
    if content[:1] == b"\n":
        return list_pieces(content)
    raise VocabularyError(f"`{path.name}` is no tokenizer file that is known")


def _read_json(path: Path, content: bytes) -> Listing:
    parsed = parse_json(content, path.name)
    if "model" in parsed:
        return tokenizer_json.read_parsed(parsed, path.parent)
    if "vocab" in parsed and "config" in parsed:
        return tekken.list_tokens(parsed)
    if "bpe_ranks" in parsed:
        return tiktoken_ranks.list_packed(parsed)
    raise VocabularyError(f"`{path.name}` is JSON, but no tokenizer that is known")


def _first_bytes(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC))
    except OSError as error:
        raise VocabularyError(f"can't read `{path.name}`: {error.strerror}") from error
