"""The one layout of a file: what its author wrote, as everybody would have written it.

Line breaks inside of an item stay where the author put them; blanks, indentation and the
columns of neighbouring lines are settled here. Tokens are never changed, except for the
indentation of long strings, so the meaning stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from rulec.dsl.layout import Line, aligned
from rulec.dsl.parse import Parsed, parse
from rulec.dsl.source import Source
from rulec.dsl.spacing import Spacing, marks_of
from rulec.dsl.strings import read_long

if TYPE_CHECKING:
    from lark import Token

    from rulec.dsl.diagnostics import Diagnostic
    from rulec.dsl.tokens import Comment

INDENT = 4

_OPENING = frozenset(("_LPAR", "_LBRACE", "_LBRACKET"))
_CLOSING = frozenset(("_RPAR", "_RBRACE", "_RBRACKET"))


def format_text(text: str, name: str = "<text>") -> str | tuple[Diagnostic, ...]:
    """The text in its one layout, or why it cannot be read."""
    source = Source(name, text)
    parsed = parse(source)
    if parsed.diagnostics:
        return parsed.diagnostics
    return _Printer(parsed).text()


@dataclass(frozen=True, slots=True)
class _Open:
    """A bracket that is open: the indentation of its line, and what it holds."""

    indent: int
    statements: bool


class _Printer:
    def __init__(self, parsed: Parsed) -> None:
        self.source = parsed.file.source
        self.tokens = parsed.tokens
        self.marks = marks_of(parsed.file)
        self.spacing = Spacing(parsed.tokens, self.marks)
        self.gaps = _gaps(parsed.tokens, parsed.comments)
        self.lines: list[Line] = []
        self.open: list[_Open] = []

    def text(self) -> str:
        """Every line, aligned with its neighbours."""
        breaks = self._breaks()
        for at, token in enumerate(self.tokens):
            self._comments(at)
            if breaks[at]:
                self._new_line(at)
            elif at:
                self.lines[-1].text += self.spacing.between(at)
            self._put(at, token)
        self._comments(len(self.tokens))
        return aligned(self.lines)

    # line breaks

    def _breaks(self) -> list[bool]:
        """Before which tokens a line ends."""
        breaks = [self._breaks_before(at) for at in range(len(self.tokens))]
        total = list(accumulate(breaks, initial=0))
        for at, token in enumerate(self.tokens):
            closing = self.spacing.partner.get(at, at)
            if token.type not in _OPENING or closing <= at + 1:
                continue
            if self.spacing.is_block(at):
                broken = total[closing + 1] - total[at + 1] > 0
                breaks[at + 1] = breaks[closing] = broken
            elif breaks[at + 1]:
                breaks[closing] = True
        return breaks

    def _breaks_before(self, at: int) -> bool:
        if at == 0 or self.gaps[at]:
            return True
        start = self.spacing.start(at)
        if start in self.marks.forced:
            return True
        if self.spacing.between(at) == "" and self.spacing.kind(at - 1) not in _OPENING:
            return self.spacing.kind(at) in _CLOSING and self._written_break(at)
        return self._written_break(at)

    def _written_break(self, at: int) -> bool:
        before = self.tokens[at - 1].end_pos or 0
        return "\n" in self.source.text[before : self.spacing.start(at)]

    # comments

    def _comments(self, at: int) -> None:
        """The comments that stand before token `at`."""
        for comment in self.gaps[at]:
            line_start = self.source.text.rfind("\n", 0, comment.start) + 1
            if self.lines and self.source.text[line_start : comment.start].strip():
                self.lines[-1].comment = comment.text
                continue
            blank = self._blank_before(comment.start)
            self.lines.append(Line(self._indent(at), comment.text, blank=blank))

    def _blank_before(self, start: int) -> bool:
        """Whether the author left a blank line before this place."""
        if not self.lines or self.lines[-1].opens:
            return False
        text, at, newlines = self.source.text, start, 0
        while at and newlines < 2 and text[at - 1] in " \t\r\n":
            at -= 1
            newlines += text[at] == "\n"
        return newlines > 1

    # lines

    def _new_line(self, at: int) -> None:
        indent = self._indent(at)
        kind = self.spacing.kind(at)
        blank = kind not in _CLOSING and self._blank_before(self.spacing.start(at))
        self.lines.append(Line(indent, "", blank=blank, kind=kind))

    def _indent(self, at: int) -> int:
        if at >= len(self.tokens):
            return 0
        kind, start = self.spacing.kind(at), self.spacing.start(at)
        if kind in _CLOSING and self.open and not self.gaps[at]:
            return self.open[-1].indent
        if kind in _CLOSING and self.open:
            return self.open[-1].indent + (0 if self._closes_now(at) else INDENT)
        inner = self.open[-1].indent + INDENT if self.open else 0
        plain = bool(self.open) and not self.open[-1].statements
        if plain or start in self.marks.statements or kind in {"_BAR", "_LBRACE"}:
            return inner
        return inner + INDENT

    def _closes_now(self, at: int) -> bool:
        """Whether the comments before a closing bracket have been put already."""
        last = self.gaps[at][-1].text
        return bool(self.lines) and last in {self.lines[-1].text, self.lines[-1].comment}

    def _put(self, at: int, token: Token) -> None:
        line = self.lines[-1]
        if token.type in _CLOSING and self.open:
            self.open.pop()
        if token.type == "LONG_STRING":
            line.text += self._long(token, line.indent)
        else:
            line.text += str(token)
        line.opens = token.type in _OPENING
        if line.anchor is None and self._is_anchor(at, token, line):
            line.anchor = len(line.text)
        if token.type in _OPENING:
            statements = self.spacing.is_block(at) or self.spacing.is_group(at)
            self.open.append(_Open(line.indent, statements))

    def _is_anchor(self, at: int, token: Token, line: Line) -> bool:
        """Whether the next token begins a column that neighbouring lines share."""
        if line.kind in {"_TYPE", "_CONST"}:
            return at + 1 < len(self.tokens) and self.tokens[at + 1].type == "_EQUAL"
        return line.kind in {"_RULE", "TIER"} and token.type == "_COLON"

    def _long(self, token: Token, indent: int) -> str:
        start, end = token.start_pos or 0, token.end_pos or 0
        body = self.source.text[start + 3 : end - 3]
        text, _ = read_long(self.source, start, end)
        if "\n" not in body or body.rsplit("\n", 1)[1].strip(" \t"):
            return str(token)
        margin = " " * (indent + INDENT)
        lines = [f"{margin}{line}" if line else "" for line in text.split("\n")]
        return "\n".join(('"""', *lines, f'{margin}"""'))


def _gaps(
    tokens: tuple[Token, ...], comments: tuple[Comment, ...]
) -> list[tuple[Comment, ...]]:
    """The comments before each token, and after the last one."""
    gaps: list[tuple[Comment, ...]] = []
    at = 0
    for token in tokens:
        first = at
        while at < len(comments) and comments[at].start < (token.start_pos or 0):
            at += 1
        gaps.append(comments[first:at])
    gaps.append(comments[at:])
    return gaps
