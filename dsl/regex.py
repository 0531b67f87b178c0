r"""Regular expressions over code points.

The dialect is truly regular: literals, escapes, classes, `.`, groups, `|` and repeats. A
pattern always covers a whole text, so anchors have no place in it. `\d`, `\w` and `\s` are
ASCII, `.` is everything but a newline, and surrogates are no characters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TypeAlias

from rulec.dsl.codepoints import CodePoints, complement, normal

DEEPEST = 40
LARGEST_COUNT = 1_000_000

_DIGIT: CodePoints = ((48, 57),)
_WORD: CodePoints = ((48, 57), (65, 90), (95, 95), (97, 122))
_SPACE: CodePoints = ((9, 13), (32, 32))
_NEWLINE: CodePoints = ((10, 10),)

_CLASSES = {
    "d": _DIGIT,
    "w": _WORD,
    "s": _SPACE,
    "D": complement(_DIGIT),
    "W": complement(_WORD),
    "S": complement(_SPACE),
}
_CONTROLS = {"n": 10, "t": 9, "r": 13, "f": 12, "v": 11}
_WHOLE = "; a pattern always covers the whole text"
_FOREIGN_ESCAPES = {
    "b": "word boundaries (`\\b`) are not supported",
    "B": "word boundaries (`\\B`) are not supported",
    "A": "anchors (`\\A`) are not supported" + _WHOLE,
    "Z": "anchors (`\\Z`) are not supported" + _WHOLE,
    "z": "anchors (`\\z`) are not supported" + _WHOLE,
    "G": "anchors (`\\G`) are not supported" + _WHOLE,
    "p": "unicode properties (`\\p`) are not supported",
    "P": "unicode properties (`\\P`) are not supported",
    "k": "backreferences (`\\k`) are not supported",
    "0": "`\\0` is not supported; write `\\x00`",
}
_FOREIGN_GROUPS = (
    ("?=", "lookahead (`(?=`) is not supported"),
    ("?!", "lookahead (`(?!`) is not supported"),
    ("?<=", "lookbehind (`(?<=`) is not supported"),
    ("?<!", "lookbehind (`(?<!`) is not supported"),
    ("?<", "named groups (`(?<`) are not supported; write `(`"),
    ("?P=", "backreferences (`(?P=`) are not supported"),
    ("?P", "named groups (`(?P<`) are not supported; write `(`"),
    ("?>", "atomic groups (`(?>`) are not supported"),
    ("?#", "comments (`(?#`) are not supported"),
    ("?", "flags (`(?…)`) are not supported"),
    ("*", "verbs (`(*`) are not supported; write `\\*` for the character"),
)


class RegexError(Exception):
    """A pattern that is malformed or not regular; offsets count characters of it."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.message = message
        self.start = start
        self.end = end


@dataclass(frozen=True, slots=True)
class Chars:
    """One code point out of a set that is never empty."""

    points: CodePoints


@dataclass(frozen=True, slots=True)
class Concat:
    """One part after the other; without parts it matches the empty text."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alternate:
    """Any of two options or more."""

    options: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repetition:
    """`body` from `least` to `most` times; `most` None is no limit."""

    body: Node
    least: int
    most: int | None


Node: TypeAlias = Chars | Concat | Alternate | Repetition


@dataclass(frozen=True, slots=True)
class Regex:
    """A parsed pattern; `str()` gives its text, which takes no part in equality."""

    node: Node
    pattern: str = field(default="", compare=False)

    def __str__(self) -> str:
        return self.pattern


def parse_regex(pattern: str) -> Regex:
    """Parse the text between the slashes of `/re/`.

    Raises:
        RegexError: if the pattern is malformed or uses a construct that is not regular.
    """
    parser = _Parser(pattern)
    node = parser.alternation(0)
    if parser.at < len(pattern):
        raise RegexError("`)` closes nothing; write `\\)` for the character", *parser.here())
    return Regex(node, pattern)


class _Parser:
    """Recursive descent; `at` is the offset of the next character."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.at = 0

    def peek(self) -> str:
        return self.pattern[self.at : self.at + 1]

    def here(self, width: int = 1) -> tuple[int, int]:
        return self.at, min(self.at + width, len(self.pattern))

    def skip(self, text: str) -> bool:
        found = self.pattern.startswith(text, self.at)
        if found:
            self.at += len(text)
        return found

    def alternation(self, depth: int) -> Node:
        options = [self.sequence(depth)]
        while self.skip("|"):
            options.append(self.sequence(depth))
        return options[0] if len(options) == 1 else Alternate(tuple(options))

    def sequence(self, depth: int) -> Node:
        parts: list[Node] = []
        while self.peek() not in {"", "|", ")"}:
            parts.append(self.repeated(depth))
        return parts[0] if len(parts) == 1 else Concat(tuple(parts))

    def repeated(self, depth: int) -> Node:
        atom = self.atom(depth)
        bounds = self.bounds()
        if bounds is None:
            return atom
        match self.peek():
            case "?":
                raise RegexError("lazy quantifiers are not supported", *self.here())
            case "+":
                raise RegexError("possessive quantifiers are not supported", *self.here())
            case "*" | "{":
                raise RegexError("repeat of a repeat; put the first in `( )`", *self.here())
        return Repetition(atom, *bounds)

    def bounds(self) -> tuple[int, int | None] | None:
        if self.skip("*"):
            return 0, None
        if self.skip("+"):
            return 1, None
        if self.skip("?"):
            return 0, 1
        return self.counts() if self.peek() == "{" else None

    def counts(self) -> tuple[int, int | None]:
        start = self.at
        self.at += 1
        low = self.count()
        high = low
        if self.skip(","):
            high = self.count()
        elif low is None:
            raise self.bad_counts(start)
        if not self.skip("}") or (low is None and high is None):
            raise self.bad_counts(start)
        if high is not None and (low or 0) > high:
            raise RegexError("the repeat's bounds are reversed", start, self.at)
        return low or 0, high

    def bad_counts(self, start: int) -> RegexError:
        message = "`{` starts a repeat like `{2,4}`; write `\\{` for the character"
        return RegexError(message, start, max(self.at, start + 1))

    def count(self) -> int | None:
        start = self.at
        while self.peek() in _DECIMALS:
            self.at += 1
        digits = self.pattern[start : self.at].lstrip("0")
        if len(digits) > 7 or int(digits or 0) > LARGEST_COUNT:
            raise RegexError(f"repeat counts end at {LARGEST_COUNT}", start, self.at)
        return int(digits or 0) if self.at > start else None

    def atom(self, depth: int) -> Node:
        match self.peek():
            case "(":
                return self.group(depth)
            case "[":
                return Chars(self.bracket())
            case "\\":
                return Chars(self.escape(in_class=False))
            case ".":
                self.at += 1
                return Chars(complement(_NEWLINE))
            case "^" | "$" as anchor:
                message = f"anchors (`{anchor}`) are not supported{_WHOLE}"
                raise RegexError(message, *self.here())
            case "*" | "+" | "?" | "{" as sign:
                raise RegexError(
                    f"`{sign}` repeats nothing; write `\\{sign}` for the character",
                    *self.here(),
                )
        return Chars(self.character())

    def character(self) -> CodePoints:
        point = ord(self.peek())
        if 0xD800 <= point <= 0xDFFF:
            raise RegexError("surrogates are no characters", *self.here())
        self.at += 1
        return ((point, point),)

    def group(self, depth: int) -> Node:
        start = self.at
        self.at += 1
        if depth == DEEPEST:
            raise RegexError(f"groups nest deeper than {DEEPEST}", start, self.at)
        if not self.skip("?:"):
            for sign, message in _FOREIGN_GROUPS:
                if self.pattern.startswith(sign, self.at):
                    raise RegexError(message, start, self.at + len(sign))
        node = self.alternation(depth + 1)
        if not self.skip(")"):
            raise RegexError("this group is not closed", start, start + 1)
        return node

    def bracket(self) -> CodePoints:
        start = self.at
        self.at += 1
        negated = self.skip("^")
        if self.skip("]"):
            raise RegexError("empty class; write `\\]` for the character", start, self.at)
        ranges: list[tuple[int, int]] = []
        while not self.skip("]"):
            if self.at >= len(self.pattern):
                raise RegexError("this class is not closed", start, start + 1)
            ranges.extend(self.member())
        points = complement(normal(ranges)) if negated else normal(ranges)
        if not points:
            raise RegexError("empty class: no character is left", start, self.at)
        return points

    def member(self) -> CodePoints:
        """One member of a class: a character, an escape or a range."""
        start = self.at
        low = self.endpoint()
        if not self.pattern.startswith("-", self.at) or self.at + 1 >= len(self.pattern):
            return low
        if self.pattern[self.at + 1] == "]":
            return low
        self.at += 1
        high = self.endpoint()
        if not _single(low) or not _single(high):
            raise RegexError("a range needs a character at both ends", start, self.at)
        if low[0][0] > high[0][1]:
            raise RegexError("the range is reversed", start, self.at)
        return ((low[0][0], high[0][1]),)

    def endpoint(self) -> CodePoints:
        if self.peek() == "\\":
            return self.escape(in_class=True)
        if self.pattern.startswith("&&", self.at):
            raise RegexError("class intersection (`&&`) is not supported", *self.here(2))
        if self.pattern.startswith("[:", self.at):
            raise RegexError("posix classes (`[:`) are not supported", *self.here(2))
        if self.peek() == "[":
            raise RegexError("`[` inside a class; write `\\[` for the character", *self.here())
        return self.character()

    def escape(self, *, in_class: bool) -> CodePoints:
        start = self.at
        self.at += 1
        letter = self.peek()
        self.at += 1
        if letter == "":
            raise RegexError(
                "`\\` at the end; write `\\\\` for the character", start, start + 1
            )
        if letter in _CLASSES:
            return _CLASSES[letter]
        if letter in _CONTROLS:
            return ((_CONTROLS[letter], _CONTROLS[letter]),)
        if letter in {"x", "u"}:
            point = self.hexadecimal(start, letter)
            return ((point, point),)
        if letter.isascii() and letter.isalnum():
            raise RegexError(_foreign(letter, in_class=in_class), start, self.at)
        self.at -= 1
        return self.character()

    def hexadecimal(self, start: int, letter: str) -> int:
        if letter == "u" and self.skip("{"):
            end = self.pattern.find("}", self.at)
            end = len(self.pattern) if end < 0 else end
            digits = self.pattern[self.at : end]
            self.at = min(end + 1, len(self.pattern))
            whole = self.pattern[end : end + 1] == "}" and len(digits.lstrip("0")) <= 6
        else:
            width = 2 if letter == "x" else 4
            digits = self.pattern[self.at : self.at + width]
            self.at = min(self.at + width, len(self.pattern))
            whole = len(digits) == width
        if not whole or not digits or not set(digits) <= _HEXADECIMALS:
            raise RegexError("write `\\xHH`, `\\uHHHH` or `\\u{H…}`", start, self.at)
        point = int(digits, 16)
        if 0xD800 <= point <= 0xDFFF:
            raise RegexError("surrogates are no characters", start, self.at)
        if point > 0x10FFFF:
            raise RegexError("characters end at `\\u{10ffff}`", start, self.at)
        return point


_DECIMALS = frozenset("0123456789")
_HEXADECIMALS = frozenset("0123456789abcdefABCDEF")


def _single(points: CodePoints) -> bool:
    return len(points) == 1 and points[0][0] == points[0][1]


def _foreign(letter: str, *, in_class: bool) -> str:
    if letter == "b" and in_class:
        return "`\\b` has no meaning in a class; write `\\x08` for a backspace"
    if letter in "123456789":
        return f"backreferences (`\\{letter}`) are not supported"
    return _FOREIGN_ESCAPES.get(letter, f"the escape `\\{letter}` has no meaning")
