"""Cutting source text into tokens, as far as the parser can take them.

A word is a keyword only where the grammar has a use for it, and `/` begins a regular
expression only where one may stand; so the scanner is told which terminals fit.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lark.lexer import Token

from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.findings import one_line
from rulec.dsl.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Collection

END = "$END"

ITEM_WORDS = {
    "ruleset": "_RULESET",
    "use": "_USE",
    "type": "_TYPE",
    "const": "_CONST",
    "param": "_PARAM",
    "input": "_INPUT",
    "names": "_NAMES",
    "graph": "_GRAPH",
    "operators": "_OPERATORS",
    "unit": "_UNIT",
    "external": "_EXTERNAL",
    "shape": "_SHAPE",
    "json": "_JSON",
    "watch": "_WATCH",
    "trace": "_TRACE",
    "accept": "_ACCEPT",
    "reject": "_REJECT",
}
ITEM_STARTS = frozenset(ITEM_WORDS.values())

WORDS = ITEM_WORDS | {
    "table": "_TABLE",
    "key": "KEY",
    "up": "_UP",
    "to": "_TO",
    "compact": "COMPACT",
    "open": "OPEN",
    "by": "_BY",
    "with": "_WITH",
    "sep": "_SEP",
    "int": "_INT",
    "decimal": "_DECIMAL",
    "number": "_NUMBER",
    "percent": "_PERCENT",
    "fraction": "_FRACTION",
    "date": "_DATE",
    "bool": "_BOOL",
    "one": "_ONE",
    "of": "_OF",
    "text": "_TEXT",
    "prose": "_PROSE",
    "without": "_WITHOUT",
    "expr": "_EXPR",
    "quantity": "_QUANTITY",
    "def": "_DEF",
    "ref": "_REF",
    "forward": "FORWARD",
    "formula": "_FORMULA",
    "grouped": "GROUPED",
    "mask": "TIER",
    "audit": "TIER",
    "rule": "_RULE",
    "because": "_BECAUSE",
    "if": "_IF",
    "then": "_THEN",
    "else": "_ELSE",
    "implies": "_IMPLIES",
    "or": "OR",
    "and": "AND",
    "not": "NOT",
    "in": "_IN",
    "true": "TRUE",
    "false": "FALSE",
}
QUANTIFIERS = frozenset(("all", "any", "sum", "min", "max", "count"))

SYMBOLS = {
    "==": "RELATION",
    "!=": "RELATION",
    "<=": "RELATION",
    ">=": "RELATION",
    "~=": "RELATION",
    "<": "RELATION",
    ">": "RELATION",
    "->": "_ARROW",
    "..": "_DOTS",
    "//": "FLOOR",
    "=": "_EQUAL",
    ":": "_COLON",
    ";": "_SEMICOLON",
    ",": "_COMMA",
    ".": "_DOT",
    "|": "_BAR",
    "!": "CUT",
    "?": "QUESTION",
    "+": "PLUS",
    "-": "MINUS",
    "*": "STAR",
    "/": "SLASH",
    "%": "PERCENT",
    "(": "_LPAR",
    ")": "_RPAR",
    "{": "_LBRACE",
    "}": "_RBRACE",
    "[": "_LBRACKET",
    "]": "_RBRACKET",
}

_BLANK = r"(?:[ \t\r\n]|#[^\n]*)*"
_SKIP = re.compile(r"[ \t\r\n]+")
_COMMENT = re.compile(r"#[^\n]*")
_WORD = re.compile(r"[^\W\d]\w*")
_LABEL = re.compile(_BLANK + r"\??" + _BLANK + ":")
_BLANKS = r"(?:[ \t\r\n]|#[^\n]*)+"
_QUANTIFIER = re.compile(_BLANK + r"\(" + _BLANK + r"[^\W\d]\w*" + _BLANKS + r"in\b")
_NUMBER = re.compile(r"[0-9][0-9_]*(?:\.[0-9][0-9_]*)?|\.[0-9][0-9_]*")
_STRING = re.compile(r'"(?:[^"\\\n]|\\[^\n])*"')
_LONG = re.compile(r'"""(?s:.*?)"""')
_REGEX = re.compile(r"/(?:[^/\\\n\[]|\\[^\n]|\[\^?\]?(?:[^\]\\\n]|\\[^\n])*\])+/")
_SYMBOL = re.compile("|".join(re.escape(text) for text in sorted(SYMBOLS, key=len)[::-1]))
_FOREIGN = {
    "&": "write `and`",
    "'": 'text stands in `"…"`',
    "“": 'text stands in `"…"`',
    "”": 'text stands in `"…"`',
    "≤": "write `<=`",
    "≥": "write `>=`",
    "≠": "write `!=`",
    "×": "write `*`",
    "÷": "write `/`",
    "−": "write `-`",
    "^": "powers are written as products",
}
_OPERAND = frozenset(
    ("NAME", "WHOLE", "DECIMALS", "_RPAR", "_RBRACE", "_RBRACKET", "TRUE", "FALSE")
)


@dataclass(frozen=True, slots=True)
class Comment:
    """`# …` from its `#` to the end of its line."""

    start: int
    text: str


@dataclass
class Scanner:
    """A place in the source that moves forward, token by token."""

    source: Source
    at: int = 0
    line_start: bool = True
    last: str = ""
    comments: list[Comment] = field(default_factory=list)
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def next(self, fits: Collection[str] | None) -> Token:
        """The next token, as one of the terminals that fit; None: whatever it looks like."""
        while True:
            self._skip()
            text = self.source.text
            if self.at >= len(text):
                return self._token(END, self.at)
            kind, end = self._match(text[self.at], fits)
            if kind:
                return self._token(kind, end)
            self.at = end

    def _token(self, kind: str, end: int) -> Token:
        start, self.at, self.last = self.at, end, kind
        value = self.source.text[start:end]
        return Token(kind, value, start, 0, 0, 0, 0, end)

    def _skip(self) -> None:
        text = self.source.text
        self.line_start = self.at == 0
        while True:
            if blank := _SKIP.match(text, self.at):
                self.line_start = self.line_start or "\n" in blank.group()
                self.at = blank.end()
            elif comment := _COMMENT.match(text, self.at):
                self.comments.append(Comment(self.at, comment.group().rstrip()))
                self.at = comment.end()
            else:
                return

    def _match(self, char: str, fits: Collection[str] | None) -> tuple[str, int]:
        """Terminal and end of what starts here; no terminal where nothing could be read."""
        text, at = self.source.text, self.at
        if word := _WORD.match(text, at):
            return self._word(word.group(), word.end(), fits), word.end()
        if number := _NUMBER.match(text, at):
            return self._number(number.end())
        if char == '"':
            return self._quoted()
        if char == "/" and self._regex_fits(fits):
            return self._regex()
        if symbol := _SYMBOL.match(text, at):
            return SYMBOLS[symbol.group()], symbol.end()
        end = at + 1
        while end < len(text) and text[end] == char:
            end += 1
        self._stray(char, end)
        return "", end

    def _word(self, word: str, end: int, fits: Collection[str] | None) -> str:
        text = self.source.text
        if (fits is None or "LABEL" in fits) and _LABEL.match(text, end):
            return "LABEL"
        special = self._special(word, end)
        if fits is not None and special in fits:
            return special
        keyword = WORDS.get(word, "NAME")
        if fits is None or keyword in fits or "NAME" not in fits:
            return keyword
        return "NAME"

    def _special(self, word: str, end: int) -> str:
        """Words that the text after them makes another terminal."""
        text = self.source.text
        if word in QUANTIFIERS and _QUANTIFIER.match(text, end):
            return "QUANTIFIER"
        return "_EXPR_OF" if word == "expr" and text.startswith("(", end) else ""

    def _number(self, end: int) -> tuple[str, int]:
        text, start = self.source.text, self.at
        digits = text[start:end]
        if tail := _WORD.match(text, end):
            end = tail.end()
            self._wrong("R0106", start, end, f"`{text[start:end]}` is no number")
        elif digits.endswith("_") or "__" in digits or "_." in digits or "._" in digits:
            self._wrong("R0106", start, end, "`_` stands between two digits of a number")
        elif not digits.isascii():
            self._wrong("R0106", start, end, "numbers are written in the digits 0 to 9")
        return ("DECIMALS" if "." in digits else "WHOLE"), end

    def _quoted(self) -> tuple[str, int]:
        text, at = self.source.text, self.at
        if text.startswith('"""', at):
            if long := _LONG.match(text, at):
                return "LONG_STRING", long.end()
            self._wrong("R0102", at, at + 3, 'this text never ends; `"""` is missing')
            return "LONG_STRING", len(text)
        if short := _STRING.match(text, at):
            return "STRING", short.end()
        end = self._line_end()
        self._wrong("R0102", at, end, 'this text does not end on its line; `"` is missing')
        return "STRING", end

    def _regex_fits(self, fits: Collection[str] | None) -> bool:
        if fits is not None:
            return "REGEX" in fits
        return self.last not in _OPERAND and bool(_REGEX.match(self.source.text, self.at))

    def _regex(self) -> tuple[str, int]:
        if regex := _REGEX.match(self.source.text, self.at):
            return "REGEX", regex.end()
        end = self._line_end()
        message = "this regular expression does not end on its line; `/` is missing"
        self._wrong("R0102", self.at, end, message)
        return "REGEX", end

    def _line_end(self) -> int:
        end = self.source.text.find("\n", self.at)
        return end if end >= 0 else len(self.source.text)

    def _stray(self, char: str, end: int) -> None:
        shown = char if char.isprintable() else f"U+{ord(char):04X}"
        message = f"`{shown}` has no meaning here"
        self._wrong("R0105", self.at, end, message, _FOREIGN.get(char, ""))

    def _wrong(self, code: str, start: int, end: int, message: str, hint: str = "") -> None:
        place = Label(Span(self.source, start, end), "")
        self.diagnostics.append(Diagnostic(code, one_line(message), place, hint=hint))
