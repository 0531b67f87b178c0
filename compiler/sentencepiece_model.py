"""Reader of SentencePiece `.model` files, a protocol buffer."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler.listing import Listing, VocabularyError
from rulec.compiler.pieces import fallback_byte, from_spaced

if TYPE_CHECKING:
    from collections.abc import Iterator

Field: TypeAlias = "tuple[int, int | memoryview]"
"""Number and value; the value of a nested message is its bytes."""

_PIECES, _TRAINER = 1, 2
_TEXT, _KIND = 1, 3
_END_ID = 42
_NORMAL, _USER_DEFINED, _BYTE = 1, 4, 6
_DEFAULT_END = 2


def list_pieces(content: bytes) -> Listing:
    """The tokens of a SentencePiece model, numbered in their order."""
    listing = Listing()
    end: object = _DEFAULT_END
    count = 0
    for number, value in _fields(memoryview(content)):
        if number == _PIECES and isinstance(value, memoryview):
            _add_piece(listing, count, value)
            count += 1
        elif number == _TRAINER and isinstance(value, memoryview):
            end = dict(_fields(value)).get(_END_ID, _DEFAULT_END)
    if count == 0:
        raise VocabularyError("the file holds no pieces")
    if end in listing.specials.values():
        # An end of -1 is none; it shows as a huge number.
        listing.add_end(end)
    return listing


def _add_piece(listing: Listing, token: int, message: memoryview) -> None:
    fields = dict(_fields(message))
    text, kind = fields.get(_TEXT, b""), fields.get(_KIND, _NORMAL)
    if isinstance(text, int):
        raise VocabularyError(f"piece {token} has no text")
    try:
        piece = bytes(text).decode()
    except UnicodeDecodeError as error:
        raise VocabularyError(f"piece {token} is not UTF-8") from error
    if kind in {_NORMAL, _USER_DEFINED}:
        listing.add(token, from_spaced(piece))
    elif kind == _BYTE:
        byte = fallback_byte(piece)
        if byte is None:
            raise VocabularyError(f"piece {token} is no byte: {piece[:20]!r}")
        listing.add(token, byte)
    else:
        listing.add_special(token, piece)


def _fields(message: memoryview) -> Iterator[Field]:
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        match tag & 7:
            case 0:
                value, at = _varint(message, at)
                yield tag >> 3, value
                continue
            case 1:
                length = 8
            case 2:
                length, at = _varint(message, at)
            case 5:
                length = 4
            case _:
                raise VocabularyError("the file is no SentencePiece model")
        if length > len(message) - at:
            raise VocabularyError("the SentencePiece model is cut off")
        yield tag >> 3, message[at : at + length]
        at += length


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            raise VocabularyError("the SentencePiece model is cut off")
        value |= (message[at] & 0x7F) << shift
        at += 1
        if message[at - 1] < 0x80:
            return value, at
    raise VocabularyError("the SentencePiece model holds an endless number")
