"""How formulas are spelled: a regular expression, since parentheses nest only so deep."""

from __future__ import annotations

from functools import cache

from rulec.compiler.propositions import WORDS
from rulec.dsl import checked
from rulec.dsl.regex import parse_regex

DEPTH = 4
"""Parentheses that may be open at once."""

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
_REST = _LETTERS + "0123456789"


@cache
def formula_text() -> checked.TextType:
    """The texts of formulas over any identifiers, with single spaces between words."""
    return checked.TextType(parse_regex(_formula(DEPTH)))


def _formula(depth: int) -> str:
    atom = _identifier(tuple(WORDS), "")
    if depth:
        atom = rf"(?:{atom}|\({_formula(depth - 1)}\))"
    unit = f"(?:not )*{atom}"
    return f"{unit}(?: (?:and|or|implies) {unit})*"


def _identifier(words: tuple[str, ...], begun: str) -> str:
    """What may follow the beginning of a name that is none of some words."""
    going = {word[len(begun)] for word in words if word.startswith(begun) and word != begun}
    allowed = _REST if begun else _LETTERS
    free = "".join(letter for letter in allowed if letter not in going)
    ways = [f"[{free}][{_REST}]*"]
    ways += [letter + _identifier(words, begun + letter) for letter in sorted(going)]
    ended = "?" if begun and begun not in words else ""
    return f"(?:{'|'.join(ways)}){ended}"
