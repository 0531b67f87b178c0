"""Which tokens touch: what the syntax tree says of the tokens it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.descent import nodes

if TYPE_CHECKING:
    from lark import Token

_CALLING = frozenset(
    ("NAME", "QUANTIFIER", "_EXPR_OF", "_DECIMAL", "_QUANTITY", "_DEF", "_REF", "_FORMULA")
)
_OPERAND = frozenset(("NAME", "_RPAR", "_RBRACKET"))
_OPEN = frozenset(("_LPAR", "_LBRACKET"))
_GLUED = frozenset(("_RPAR", "_RBRACKET", "_COMMA", "_SEMICOLON", "_COLON", "_DOT", "QUESTION"))
_SIGNS = frozenset(("STAR", "PLUS"))


@dataclass
class Marks:
    """Places of the source, by what stands there in the tree."""

    statements: set[int] = field(default_factory=set)
    forced: set[int] = field(default_factory=set)
    negatives: set[int] = field(default_factory=set)
    counts: set[int] = field(default_factory=set)
    count_ends: set[int] = field(default_factory=set)
    groups: set[int] = field(default_factory=set)
    choices: set[int] = field(default_factory=set)
    repeated: set[int] = field(default_factory=set)
    powers: set[int] = field(default_factory=set)
    signatures: set[int] = field(default_factory=set)


def marks_of(file: i.File) -> Marks:
    """The marks of a whole file."""
    marks = Marks()
    for item in file.items:
        marks.forced.add(item.span.start)
        for node in nodes(item):
            _mark(marks, node)
    marks.statements |= marks.forced
    return marks


def _mark(marks: Marks, node: object) -> None:
    match node:
        case i.Rule():
            marks.forced.add(node.span.start)
        case i.Shape(body=body) | i.Watch(body=body):
            marks.statements.update(element.span.start for element in body)
        case s.Group(options):
            marks.groups.add(node.span.start)
            marks.statements.update(e.span.start for option in options for e in option)
        case i.JsonMember() | i.Column():
            marks.statements.add(node.span.start)
        case i.Signature():
            marks.statements.add(node.span.start)
            marks.signatures.add(node.span.start)
        case i.Object(entries):
            marks.statements.update(key.span.start for key, _ in entries)
        case _:
            _mark_term(marks, node)


def _mark_term(marks: Marks, node: object) -> None:
    match node:
        case s.Negative():
            marks.negatives.add(node.span.start)
        case s.Count():
            marks.counts.add(node.span.start)
            marks.count_ends.add(node.span.end)
        case s.Choices():
            marks.choices.add(node.span.start)
        case s.Repeat(body):
            marks.repeated.add(body.span.end)
        case s.Power(unit):
            marks.powers.add(unit.span.start)
        case _:
            pass


class Spacing:
    """Decides what stands between two neighbouring tokens of one line."""

    def __init__(self, tokens: tuple[Token, ...], marks: Marks) -> None:
        self.tokens = tokens
        self.marks = marks
        self.partner = _partners(tokens)

    def start(self, at: int) -> int:
        """Where token `at` starts in the source."""
        return self.tokens[at].start_pos or 0

    def kind(self, at: int) -> str:
        """The terminal of token `at`."""
        return self.tokens[at].type

    def is_count(self, at: int) -> bool:
        """Whether the brace at `at` opens or closes a count."""
        opening = min(at, self.partner.get(at, at))
        return self.kind(opening) == "_LBRACE" and self.start(opening + 1) in self.marks.counts

    def is_block(self, at: int) -> bool:
        """Whether the brace at `at` opens a block of statements."""
        if self.kind(at) != "_LBRACE" or self.start(at) in self.marks.choices:
            return False
        return not self.is_count(at)

    def is_group(self, at: int) -> bool:
        """Whether the parenthesis at `at` belongs to a group of elements."""
        return self.start(min(at, self.partner.get(at, at))) in self.marks.groups

    def is_sign(self, at: int) -> bool:
        """Whether the token is the `*` or `+` of a repeat."""
        before = self.tokens[at - 1].end_pos or 0
        return self.kind(at) in _SIGNS and before in self.marks.repeated

    def between(self, at: int) -> str:
        """The blanks between token `at - 1` and token `at`."""
        if self.start(at) in self.marks.signatures and self.kind(at - 1) != "_LBRACE":
            return " " * 4
        return "" if self._touches_left(at) or self._touches_right(at - 1) else " "

    def _touches_left(self, at: int) -> bool:
        """Whether token `at` touches what stands before it."""
        kind, before = self.kind(at), self.kind(at - 1)
        if kind in {"_RPAR", "_RBRACKET"}:
            return not (self.is_group(at) and kind == "_RPAR")
        if kind in _GLUED or self.is_sign(at):
            return True
        if kind in {"_LBRACE", "_RBRACE"}:
            return self._brace_touches(at)
        if kind == "_LPAR":
            return before in _CALLING and not self.is_group(at)
        if kind == "_LBRACKET":
            return before in _OPERAND
        return (kind == "_DOTS" and self._in_count(at)) or self._in_powers(at)

    def _brace_touches(self, at: int) -> bool:
        if self.is_count(at):
            return True
        opening = min(at, self.partner.get(at, at))
        if self.kind(at) == "_RBRACE":
            return self.start(opening) in self.marks.choices or opening == at - 1
        return self.kind(at - 1) in _OPEN

    def _touches_right(self, at: int) -> bool:
        """Whether token `at` touches what stands after it."""
        kind = self.kind(at)
        if kind in _OPEN:
            return not (kind == "_LPAR" and self.is_group(at))
        if kind == "_LBRACE":
            return self.is_count(at) or self.start(at) in self.marks.choices
        if kind in {"_DOT", "MINUS"}:
            return kind == "_DOT" or self.start(at) in self.marks.negatives
        if kind == "_DOTS":
            return self._in_count(at)
        return kind in {"SLASH", "STAR"} and self._in_powers(at)

    def _in_count(self, at: int) -> bool:
        """Whether the dots belong to a count, as in `1..20`, and not to an interval."""
        if self.start(at) in self.marks.counts:
            return True
        if (self.tokens[at].end_pos or 0) in self.marks.count_ends:
            return True
        return self.start(at - 1) in self.marks.counts

    def _in_powers(self, at: int) -> bool:
        """Whether `*` or `/` stands between two units."""
        if self.kind(at) not in {"SLASH", "STAR"} or at + 1 >= len(self.tokens):
            return False
        return self.start(at + 1) in self.marks.powers


def _partners(tokens: tuple[Token, ...]) -> dict[int, int]:
    """For each bracket the index of the one that closes or opens it."""
    partner: dict[int, int] = {}
    stack: list[int] = []
    for at, token in enumerate(tokens):
        if token.type in {"_LPAR", "_LBRACE", "_LBRACKET"}:
            stack.append(at)
        elif token.type in {"_RPAR", "_RBRACE", "_RBRACKET"} and stack:
            opening = stack.pop()
            partner[opening], partner[at] = at, opening
    return partner
