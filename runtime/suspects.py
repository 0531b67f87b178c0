"""What looks like an equation and was read by no rule: claims that were avoided, or hidden.

Rules read what they say, byte for byte. This reads as loosely as a person does (lookalikes,
invisible characters, markup, words) and judges nothing: it only tells where to look.
"""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.runtime.verdicts import Verdict

_ALIKE = {
    **dict.fromkeys("\u00d7\u2715\u2716\u2217\u00b7\u2022\u22c5\u2a2f", "*"),
    **dict.fromkeys("\u2212\u2013\u2014\u2012\u2010\u2011\ufe63", "-"),
    **dict.fromkeys("\u00f7\u2215\u2044", "/"),
    **dict.fromkeys("\u2795\ufe62", "+"),
    **dict.fromkeys("\u2248\u2243\u2245\u2261\u2a75\u2a76\u2251\ufe66\u225f\u2192\u21d2", "="),
    **dict.fromkeys("()[]{}|`_~'\"\\$\u20ac\u00a3<>\u00ab\u00bb", " "),
}
"""Spellings in which an operator hides, by the character that stands for it."""

_COMMANDS = (
    (re.compile(r"\\d?frac\s*\{([^{}]{1,40})\}\s*\{([^{}]{1,40})\}"), r"\1/\2"),
    (re.compile(r"\\(?:times|cdot|ast)(?![a-zA-Z])"), "*"),
    (re.compile(r"\\div(?![a-zA-Z])"), "/"),
)

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|\*\*|&nbsp;")
_WORDS = (
    "zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|"
    "fifteen|sixteen|seventeen|eighteen|nineteen|twenty|thirty|forty|fifty|sixty|seventy|"
    "eighty|ninety|hundred|thousand|half"
)
_FIGURES = r"(?:\d{1,3}(?:,\d{3}){1,5}|\d{1,20})(?:\.\d{1,12})?|\.\d{1,12}"
_NUMBER = rf"[-+]? ?(?:{_FIGURES}|(?:(?:{_WORDS})\b[ -]?){{1,5}})(?:e\d+| ?%)?"
_NOUN = r"(?: [a-z]{1,12})?"
_OPERATOR = (
    r" *(?:[-+*/^]|//|\bplus\b|\bminus\b|\btimes\b|\bx\b|\b(?:multiplied|divided) by\b) *"
)
_EQUAL = (
    r" *(?:=[=> ]*|\bis(?: equal to)?\b|\b(?:equals|makes|gives|are)\b) *(?:about |roughly )?"
)
_SIDE = rf"{_NUMBER}{_NOUN}(?:{_OPERATOR}(?:{_NUMBER}{_NOUN}|[a-z]\b)){{0,12}}"
_CLAIM = re.compile(rf"{_SIDE}(?:{_EQUAL}{_SIDE}){{1,8}}", re.ASCII)
_REACHED = re.compile(
    rf"(?:\d|\b(?:{_WORDS})\b)(?:e\d+| ?%)?{_NOUN}{_OPERATOR}[-+]? ?[\w.]", re.ASCII
)
"""An operator between two operands: what makes more of `is 5` than a statement."""

_DIGITS = re.compile(r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+", re.ASCII)


def suspects(verdict: Verdict) -> list[tuple[int, int]]:
    """The bytes of a judged trace that look like an equation whose end no claim has read.

    A vacuous claim reads nothing. Spans do not overlap and stand in their order.
    """
    read = [(one.start, one.end) for one in verdict.claims if one.verdict != "vacuous"]
    plain, places = _loosened(verdict.trace.decode("utf-8", "replace"))
    found: list[tuple[int, int]] = []
    for match in _CLAIM.finditer(plain):
        if not _REACHED.search(match[0]):
            continue
        numbers = list(_DIGITS.finditer(plain, match.start(), match.end()))
        if numbers:
            start, end = places[numbers[-1].start()], places[numbers[-1].end() - 1]
            if any(one <= start and end < other for one, other in read):
                continue
        told = match[0].rstrip()
        first = match.start() + len(told) - len(told.lstrip())
        found.append((places[first], places[match.start() + len(told)]))
    return found


def _loosened(text: str) -> tuple[str, list[int]]:
    """A text as it looks, and for each of its characters the byte where it stands."""
    letters: list[str] = []
    places: list[int] = []
    for shown, at in _pieces(text):
        for letter in shown:
            if letter == " " and letters[-1:] == [" "]:
                continue
            letters.append(letter)
            places.append(at)
    places.append(len(text.encode("utf-8", "surrogatepass")))
    return "".join(letters), places


def _pieces(text: str) -> Iterator[tuple[str, int]]:
    """What each character looks like, with its byte; what can't be seen is left out."""
    hidden: dict[int, tuple[int, str]] = {}
    for pattern, plain in _COMMANDS:
        for match in pattern.finditer(text):
            hidden[match.start()] = match.end(), match.expand(plain)
    for match in _TAG.finditer(text):
        hidden.setdefault(match.start(), (match.end(), ""))
    at = place = 0
    while at < len(text):
        end, shown = hidden.get(at) or (at + 1, _shown(text[at]))
        yield shown, place
        place += len(text[at:end].encode("utf-8", "surrogatepass"))
        at = end


def _shown(letter: str) -> str:
    if "0" <= letter <= "9" or "a" <= letter <= "z":
        return letter
    alike = _ALIKE.get(letter)
    if alike is not None:
        return alike
    if letter.isspace():
        return " "
    if unicodedata.category(letter) in ("Cf", "Mn", "Me", "Cc"):
        return ""
    digit = unicodedata.decimal(letter, None)
    if digit is not None:
        return str(digit)
    folded = unicodedata.normalize("NFKC", letter).lower()
    return "".join(_ALIKE.get(one, one) for one in folded)
