"""Final answers: where a text states one, and when two are the same."""

from __future__ import annotations

import re
from fractions import Fraction

_MARKED = re.compile(r"####[ \t]*(\S[^\n]*)")
_BOXED = re.compile(r"\\boxed\{([^{}]*)\}")
_NUMBER = re.compile(r"-?[$€£]?-?(?:\d[\d,]*(?:\.\d+)?|\.\d+)", re.ASCII)
_PLAIN = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:/\d+)?", re.ASCII)
LONGEST = 64
"""Characters of a number that are read as one."""


def final_answer(text: str) -> str | None:
    """The answer that a text ends with; None where there is none.

    It stands behind the last `####`, else in the last box, else it is the last number.
    """
    for pattern in (_MARKED, _BOXED, _NUMBER):
        found = pattern.findall(text)
        if found:
            return str(found[-1]).strip()
    return None


def number(text: str) -> Fraction | None:
    """The number that a text is; None for others.

    Grouping, a currency and a closing stop are left aside.
    """
    plain = re.sub(r"[,\s$€£]", "", text).rstrip(".")
    if len(plain) > LONGEST or not _PLAIN.fullmatch(plain):
        return None
    try:
        return Fraction(plain)
    except (ValueError, ZeroDivisionError):
        return None


def same_answer(one: str, other: str) -> bool:
    """Whether two answers are the same: as exact numbers, else as texts."""
    left, right = number(one), number(other)
    if left is None or right is None:
        return left is right and one.strip() == other.strip()
    return left == right


def right_answer(text: str, reference: str) -> bool:
    """Whether a text ends with the answer that a reference is, or ends with."""
    found = final_answer(text)
    wanted = reference if number(reference) is not None else final_answer(reference)
    return found is not None and wanted is not None and same_answer(found, wanted)
