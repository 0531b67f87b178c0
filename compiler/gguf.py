"""Reader of the tokenizer in a GGUF file; weights are never touched."""

from __future__ import annotations

import mmap
import struct
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.compiler.listing import MOST_IDS, Listing, VocabularyError, checked_id, utf8
from rulec.compiler.pieces import fallback_byte, from_byte_letters, from_spaced

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Buffer: TypeAlias = "bytes | mmap.mmap"

MAGIC = b"GGUF"
_MOST_KEYS = 4096
_MOST_ITEMS = 4 * MOST_IDS
_LONGEST_STRING = 2**20
_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?"}
_FORMATS |= {10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9

_TOKENS = "tokenizer.ggml.tokens"
_KINDS = "tokenizer.ggml.token_type"
_MODEL = "tokenizer.ggml.model"
_ENDS = tuple(f"tokenizer.ggml.{name}_token_id" for name in ("eos", "eot", "eom"))
_ARCHITECTURE = "general.architecture"
_WIDTH = ".vocab_size"
_KEYS = frozenset((_TOKENS, _KINDS, _MODEL, _ARCHITECTURE, *_ENDS))
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6


def read_gguf(path: Path) -> Listing:
    """Read the tokenizer of a model or of a vocabulary-only file."""
    try:
        with (
            path.open("rb") as file,
            mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
        ):
            return list_metadata(_Metadata(content).read())
    except (OSError, ValueError) as error:
        raise VocabularyError(f"can't read `{path.name}`: {error}") from error


def list_metadata(found: Mapping[str, Any]) -> Listing:
    """The tokens that the metadata of a GGUF file describe."""
    model = found.get(_MODEL)
    if model not in {"gpt2", "llama"}:
        raise VocabularyError(f"a GGUF tokenizer of the kind {model!s:.40} is not supported")
    tokens = found.get(_TOKENS)
    if not isinstance(tokens, list):
        raise VocabularyError(f"the file has no `{_TOKENS}`")
    kinds = found.get(_KINDS) or [_NORMAL] * len(tokens)
    if not isinstance(kinds, list) or len(kinds) != len(tokens):
        raise VocabularyError(f"`{_KINDS}` and `{_TOKENS}` differ in length")
    listing = Listing()
    for token, (piece, kind) in enumerate(zip(tokens, kinds, strict=True)):
        _add(listing, token, piece, kind, bytewise=model == "gpt2")
    for key in (key for key in _ENDS if key in found):
        listing.add_end(found[key])
    width = found.get(f"{found.get(_ARCHITECTURE)}{_WIDTH}", 0)
    listing.size = max(listing.size, checked_id(width))
    return listing


def _add(listing: Listing, token: int, piece: object, kind: object, *, bytewise: bool) -> None:
    if kind == _NORMAL:
        listing.add(token, from_byte_letters(piece) if bytewise else from_spaced(piece))
    elif kind == _USER_DEFINED:
        listing.add(token, utf8(piece))
    elif kind == _BYTE:
        byte = fallback_byte(piece)
        if byte is None:
            raise VocabularyError(f"token {token} is no byte: {str(piece)[:20]!r}")
        listing.add(token, byte)
    else:
        listing.add_special(token, utf8(piece).decode())


class _Metadata:
    """A cursor over the keys and values; every length is checked before it is used."""

    def __init__(self, buffer: Buffer) -> None:
        self.buffer = buffer
        self.at = 0
        self.items = 0

    def read(self) -> dict[str, Any]:
        """The values that describe the tokenizer."""
        if self.take(4) != MAGIC:
            raise VocabularyError("the file is no GGUF file")
        version = self.number("I")
        if version not in {2, 3}:
            raise VocabularyError(f"GGUF version {version} is not supported")
        self.number("Q")
        count = self.number("Q")
        if count > _MOST_KEYS:
            raise VocabularyError(f"the file declares {count} keys")
        found: dict[str, Any] = {}
        for _ in range(count):
            key = self.string()
            kind = self.number("I")
            value = (
                self.array(keep=key in {_TOKENS, _KINDS})
                if kind == _ARRAY
                else self.value(kind)
            )
            found[key] = value
        return found

    def take(self, length: int) -> bytes:
        self.skip(length)
        return self.buffer[self.at - length : self.at]

    def skip(self, length: int) -> None:
        if length > len(self.buffer) - self.at:
            raise VocabularyError("the GGUF file is cut off")
        self.at += length

    def number(self, letter: str) -> Any:
        layout = "<" + letter
        return struct.unpack(layout, self.take(struct.calcsize(layout)))[0]

    def string(self) -> str:
        length = self.number("Q")
        if length > _LONGEST_STRING:
            raise VocabularyError(f"the GGUF file declares a string of {length} bytes")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise VocabularyError("a string of the GGUF file is not UTF-8") from error

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind not in _FORMATS:
            raise VocabularyError(f"the GGUF file holds a value of unknown kind {kind}")
        return self.number(_FORMATS[kind])

    def array(self, *, keep: bool) -> list[Any] | None:
        """An array; one that is not kept is passed over."""
        kind = self.number("I")
        count = self.number("Q")
        self.items += count
        if self.items > _MOST_ITEMS:
            raise VocabularyError(f"the GGUF file declares a list of {count} items")
        if keep:
            return [self.value(kind) for _ in range(count)]
        if kind == _STRING:
            for _ in range(count):
                self.skip(self.number("Q"))
        elif kind in _FORMATS:
            self.skip(count * struct.calcsize(_FORMATS[kind]))
        else:
            raise VocabularyError(f"the GGUF file holds a list of unknown kind {kind}")
        return None
