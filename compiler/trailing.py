"""What must not follow a number that has just ended in prose.

A number takes the longest text that matches: no digit follows it, no point with a digit and
no complete group of thousands. The number that a watch is owed is not followed by an operator
and an operand either: that would make it a part of something else. Where the watch itself may
go on with `=`, that is no prose.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from rulec.compiler.ops import Breach

Kind = Literal["", "number", "owed", "chain"]
Stage = Literal[
    "", "end", "point", "comma", "comma1", "comma2", "space", "c3", "operator", "equals"
]

_DIGITS = frozenset(b"0123456789")
_OPERATORS = frozenset(b"+-*/")
_TELLING = frozenset(b"+-*/.,($ =>\xc3\x97\xb7")
_OPERANDS = _DIGITS | frozenset(b"($.")


class Trailing(NamedTuple):
    """How far the text behind a number has come; "" when nothing is forbidden any more."""

    kind: Kind
    stage: Stage


NOTHING = Trailing("", "")
NUMBER = Trailing("number", "end")
OWED = Trailing("owed", "end")
CHAIN = Trailing("chain", "end")


def alike(byte: int) -> int:
    """A key that bytes share which `advance` never tells apart."""
    return 0x30 if byte in _DIGITS else byte if byte in _TELLING else 0


def advance(after: Trailing, byte: int) -> tuple[Trailing, Breach]:
    """The state behind one more byte, and what it breaks there."""
    match after.stage:
        case "":
            return NOTHING, ""
        case "end":
            return _ended(after, byte)
        case "point":
            return NOTHING, _digit(byte)
        case "comma":
            return (after._replace(stage="comma1") if byte in _DIGITS else NOTHING), ""
        case "comma1":
            return (after._replace(stage="comma2") if byte in _DIGITS else NOTHING), ""
        case "comma2":
            return NOTHING, _digit(byte)
        case "equals":
            return NOTHING, "" if byte in b"=>" else "number"
        case _:
            return _operated(after, byte)


def _ended(after: Trailing, byte: int) -> tuple[Trailing, Breach]:
    if byte in _DIGITS:
        return NOTHING, "number"
    if byte == 0x2E:
        return after._replace(stage="point"), ""
    if byte == 0x2C:
        return after._replace(stage="comma"), ""
    return (NOTHING, "") if after.kind == "number" else _operated(after, byte)


def _operated(after: Trailing, byte: int) -> tuple[Trailing, Breach]:
    """Behind an owed number: spaces, an operator, spaces, and no operand."""
    if after.stage == "operator":
        if byte in _OPERANDS:
            return NOTHING, "operand"
        return (after if byte == 0x20 else NOTHING), ""
    if after.stage == "c3":
        return (after._replace(stage="operator") if byte in (0x97, 0xB7) else NOTHING), ""
    if byte in _OPERATORS:
        return after._replace(stage="operator"), ""
    if byte == 0x3D and after.kind == "chain":
        return after._replace(stage="equals"), ""
    if byte == 0xC3:
        return after._replace(stage="c3"), ""
    return (after._replace(stage="space") if byte == 0x20 else NOTHING), ""


def _digit(byte: int) -> Breach:
    return "number" if byte in _DIGITS else ""
