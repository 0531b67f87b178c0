"""What stands to the left of a byte in prose: whether a watch may begin there.

A letter blocks only where it touches; a digit, a closing parenthesis, a per cent sign, an
operator, a lone `x` and the words of arithmetic block across spaces and currency signs too.
A bullet or an ordinal at the start of a line and `**` are no neighbours; inside a call,
nothing begins.
"""

from __future__ import annotations

from functools import cache
from typing import Literal, NamedTuple

Kind = Literal["free", "word", "digit", "dot", "block"]
Line = Literal["start", "bullet", "ordinal", "marked", "inside"]

WORDS = ("of", "mod", "times", "plus", "minus", "x")
DEEPEST = 4
"""Parentheses inside a call that are told apart."""

_PREFIXES = frozenset(word[:end] for word in WORDS for end in range(1, len(word) + 1))
_OPERATORS = frozenset("+-−–*×·/÷^√")
_BULLETS = frozenset("-*+•–")
_CURRENCY = frozenset("$€£")
_BLANKS = frozenset(" \t\u00a0")
_SYMBOLS = frozenset("\u00a0£·×÷€•–−√")
_NUMERALS = ((0x2070, 0x209C), (0x2150, 0x218B), (0xB2, 0xB3), (0xB9, 0xB9), (0xBC, 0xBE))


class Left(NamedTuple):
    """What has just been read.

    `kind` is what the last character that counts makes of the next one: a "word" and a "dot"
    block only what touches them, a "block" also what stands behind spaces. `word` is the word
    under way where it begins one of the listed words; `ident` tells that the run of word
    characters holds a letter; `star` is the kind before a single `*`; `call` counts open
    parentheses of a call; `lead` holds the bytes of a character that is not complete.
    """

    kind: Kind
    word: str = ""
    ident: bool = False
    line: Line = "inside"
    star: Kind | None = None
    call: int = 0
    lead: bytes = b""


START = Left("free", line="start")
NUMBER = Left("digit")


def may_begin(left: Left) -> bool:
    """Whether a watch may begin with the next byte."""
    return left.kind == "free" and not left.call and not left.lead


def alike(byte: int) -> int | str:
    """A key that bytes share which `advance` never tells apart."""
    char = chr(byte)
    if _digit(char):
        return "digit"
    if byte < 0x80 and _wordy(char):
        return char.lower() if any(char.lower() in word for word in WORDS) else "letter"
    return "control" if byte < 0x20 and char not in "\t\n\r" else byte


@cache
def advance(left: Left, byte: int) -> Left:
    """The state behind one more byte."""
    if byte < 0x80:
        return _character(left._replace(lead=b""), chr(byte))
    lead = left.lead + bytes((byte,))
    if byte < 0xC0 and not left.lead:
        return left  # inside a character that has been told by its first bytes
    if lead[0] not in _TELLING:
        return _character(left, "a")
    known = lead in _TELLING or (lead[0] == 0xE2 and len(lead) < 3 and lead in _SECOND)
    if known:
        return left._replace(lead=lead)
    plain = left._replace(lead=b"")
    if lead[0] == 0xF0:
        return _character(plain, "\U0001f600" if lead[1] == 0x9F else "a")
    if lead[0] == 0xE2 and len(lead) == 2:
        return _character(plain, "\u2014")
    return _character(plain, lead.decode("utf-8", "replace")[0])


_TELLING = (0xC2, 0xC3, 0xE2, 0xF0, b"\xc2", b"\xc3", b"\xe2", b"\xf0")
"""First bytes of characters that are not all letters."""

_SECOND = tuple(b"\xe2" + bytes((byte,)) for byte in (0x80, 0x81, 0x82, 0x85, 0x86, 0x88))


def _character(left: Left, char: str) -> Left:
    if char in "\n\r":
        return START
    if left.call:
        return _called(left, char)
    if char == "(" and left.ident:
        return Left("free", call=1)
    if char in _BLANKS:
        return _blank(left)
    if char in _CURRENCY:
        return Left(_apart(left))
    line = _line(left.line, char)
    if char == "*":
        return _star(left, line)
    if _wordy(char):
        return _word(left, char, line)
    return Left(_mark(left, char), line=line)


def _called(left: Left, char: str) -> Left:
    depth = min(left.call + (char == "(") - (char == ")"), DEEPEST)
    return Left("free", call=depth) if depth else Left("block")


def _apart(left: Left) -> Kind:
    """What is left of a neighbour behind a space."""
    if left.kind in ("block", "digit") or left.word in WORDS:
        return "block"
    return "free"


def _blank(left: Left) -> Left:
    if left.line in ("bullet", "marked"):
        return Left("free")
    return Left(_apart(left), line="start" if left.line == "start" else "inside")


def _line(line: Line, char: str) -> Line:
    if line == "start":
        return "bullet" if char in _BULLETS else "ordinal" if _digit(char) else "inside"
    if line == "ordinal":
        return "ordinal" if _digit(char) else "marked" if char in ".)" else "inside"
    return "inside"


def _star(left: Left, line: Line) -> Left:
    if left.star is None:
        before = "block" if left.word in WORDS else left.kind
        return Left("block", line=line, star=before)
    return Left(left.star, line="start" if left.line == "bullet" else "inside")


def _word(left: Left, char: str, line: Line) -> Left:
    touching = left.kind in ("word", "digit")
    if _digit(char):
        return Left("digit", ident=touching and left.ident, line=line)
    lower = char.lower()
    if lower == "x" and left.kind in ("digit", "block"):
        return Left("word", word="x", ident=True, line=line)
    before = left.word if left.kind == "word" else "-"
    joined = (before or "-") + lower if touching else lower
    return Left("word", word=joined if joined in _PREFIXES else "", ident=True, line=line)


def _mark(left: Left, char: str) -> Kind:
    if char == "." or (char == "," and left.kind == "digit"):
        return "dot"
    return "block" if char in _OPERATORS or char in ")%" else "free"


def _digit(char: str) -> bool:
    return "0" <= char <= "9"


def _wordy(char: str) -> bool:
    """Letters, digits and `_`; beyond ASCII all but punctuation and symbols.

    The ranges are written out, so that they don't depend on a version of Unicode.
    """
    point = ord(char)
    if point < 0x80:
        return char.isalnum() or char == "_"
    if char in _SYMBOLS:
        return False
    if any(low <= point <= high for low, high in _NUMERALS):
        return True
    return not (0x80 <= point < 0xC0 or 0x2000 <= point < 0x2C00 or 0x1F000 <= point < 0x20000)
