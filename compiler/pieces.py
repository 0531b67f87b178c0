"""How tokenizers spell bytes in the names of their tokens."""

from __future__ import annotations

import re

from rulec.compiler.listing import utf8

SPACE = "▁"
_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")


def _byte_letters() -> dict[str, int]:
    """The letter that GPT-2 writes for each byte, turned around."""
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    hidden = [byte for byte in range(256) if byte not in shown]
    letters = {chr(byte): byte for byte in shown}
    return letters | {chr(256 + place): byte for place, byte in enumerate(hidden)}


BYTE_LETTERS = _byte_letters()


def from_byte_letters(piece: object) -> bytes:
    """The bytes of a byte-level token; with any other letter in it, it stands for itself."""
    plain = utf8(piece)
    found = [BYTE_LETTERS.get(letter) for letter in plain.decode()]
    known = bytes(byte for byte in found if byte is not None)
    return known if len(known) == len(found) else plain


def fallback_byte(piece: object) -> bytes | None:
    """The byte of `<0xNN>`, None for any other token."""
    match = _BYTE.fullmatch(piece) if isinstance(piece, str) else None
    return bytes.fromhex(match[1]) if match else None


def from_spaced(piece: object) -> bytes:
    """The bytes of a SentencePiece token, which writes `▁` for a space."""
    return utf8(piece).replace(SPACE.encode(), b" ")
