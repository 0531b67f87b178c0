"""From source text to the syntax tree, past every error on the way."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from lark import Lark, Token, Tree
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.expectations import accepts, unexpected
from rulec.dsl.item_nodes import ItemNodes
from rulec.dsl.items import File, Item
from rulec.dsl.source import Source, Span
from rulec.dsl.tokens import END, ITEM_STARTS, ITEM_WORDS, Comment, Scanner

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from lark.parsers.lalr_parser_state import ParserState

DEEPEST = 100
LARGEST = 1 << 20
MOST_ERRORS = 100

_OPENING = frozenset(("_LPAR", "_LBRACE", "_LBRACKET"))
_CLOSING = frozenset(("_RPAR", "_RBRACE", "_RBRACKET"))
_RULE_STARTS = frozenset(("TIER", "_RULE"))
_WITH_RULES = frozenset(("_SHAPE", "_WATCH", "_JSON"))


@dataclass(frozen=True, slots=True)
class Parsed:
    """A file, its tokens and comments in order, and what was wrong with its syntax."""

    file: File
    tokens: tuple[Token, ...]
    comments: tuple[Comment, ...]
    diagnostics: tuple[Diagnostic, ...]


def parse(source: Source) -> Parsed:
    """Parse a whole file; an item with an error in it is left out, and named as broken."""
    if len(source.text.encode("utf-8", "surrogatepass")) > LARGEST:
        message = f"this file is larger than {LARGEST:_} bytes"
        finding = Diagnostic("R0601", message, Label(Span(source, 0, 0), ""))
        file = File(source, (), frozenset(("<use>", "<trace>")))
        return Parsed(file, (), (), (finding,))
    driver = _Driver(source)
    driver.run()
    return driver.parsed()


class _NoLexer(Lexer):
    """The driver feeds the parser, since what a word means depends on where it stands."""

    def __init__(self, conf: object) -> None:
        pass

    def lex(self, *_: object) -> Any:
        """Nothing."""
        return iter(())


@cache
def _grammar() -> Lark:
    text = resources.files("rulec.dsl").joinpath("grammar.lark").read_text("utf-8")
    return Lark(
        text,
        parser="lalr",
        lexer=_NoLexer,
        start="item",
        strict=True,
        propagate_positions=True,
    )


def _fresh() -> ParserState[Any]:
    return _grammar().parse_interactive("", start="item").parser_state


def _table(state: ParserState[Any]) -> Mapping[str, object]:
    return state.parse_conf.states[state.position]


@dataclass
class _Checkpoint:
    """A place to go on from: the parser as it was before a rule."""

    state: ParserState[Any]
    depth: int
    in_rules: bool
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        self.state = self.state.copy(deepcopy_values=False)
        self.sizes = tuple(len(_children(value)) for value in self.state.value_stack)

    def resumed(self) -> ParserState[Any]:
        """The parser as it was: lists that have grown since are cut back."""
        for value, size in zip(self.state.value_stack, self.sizes, strict=True):
            del _children(value)[size:]
        return self.state.copy(deepcopy_values=False)


def _children(value: object) -> list[Any]:
    return value.children if isinstance(value, Tree) else []


class _TooDeepError(Exception):
    """Brackets are nested deeper than anyone means."""


@dataclass
class _Driver:
    """Feeds the parser token by token, an item at a time."""

    source: Source
    trees: list[Tree[Token]] = field(default_factory=list)
    tokens: list[Token] = field(default_factory=list)
    broken: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.scanner = Scanner(self.source)
        self._begin()

    def _begin(self) -> None:
        self.state = _fresh()
        self.depth = 0
        self.item: list[Token] = []
        self.checkpoint: _Checkpoint | None = None
        self.damaged = False

    def run(self) -> None:
        """Read the file to its end."""
        try:
            token = self._next()
            while token.type != END or self.item:
                token = self._step(token)
        except _TooDeepError:
            self.broken.update(("<use>", "<trace>"))

    def parsed(self) -> Parsed:
        """What has been read."""
        nodes = ItemNodes(self.source)
        built: list[Item] = []
        for tree in self.trees:
            item = nodes.build(tree)
            if item is not None:
                built.append(item)
            else:
                tokens = [child for child in tree.children if isinstance(child, Token)]
                self.broken.update(str(token) for token in tokens if token.type == "NAME")
                self.broken.update({"<trace>"} if tree.data == "trace" else ())
        found = (*self.scanner.diagnostics, *nodes.diagnostics)
        file = File(self.source, tuple(built), frozenset(self.broken))
        comments = tuple(self.scanner.comments)
        return Parsed(file, tuple(self.tokens), comments, _in_order(found))

    def _next(self) -> Token:
        fits: Collection[str] = _table(self.state)
        if END in fits:
            fits = {*fits, *ITEM_STARTS}
        if "REGEX" in fits and "SLASH" in fits:
            fits = set(fits) - {"SLASH" if accepts(self.state, "REGEX") else "REGEX"}
        return self.scanner.next(fits)

    def _step(self, token: Token) -> Token:
        """Feed one token, or recover from it; returns the next one."""
        try:
            if self._ends_item(token):
                tree = self.state.feed_token(Token.new_borrow_pos(END, "", token), True)
                if self.damaged:
                    self.broken.update(_declared(self.item))
                self.trees.append(tree)
                self._begin()
                return token
            checkpoint = self._before_rule(token)
            self.state.feed_token(token)
            self.checkpoint = checkpoint
        except UnexpectedToken:
            self.scanner.diagnostics.append(
                unexpected(self.source, self.state, token, self.item)
            )
            return self._recover(token)
        self._count(token)
        self.item.append(token)
        self.tokens.append(token)
        if self._opens_rules(token):
            self.checkpoint = _Checkpoint(self.state, self.depth, in_rules=False)
        return self._next()

    def _ends_item(self, token: Token) -> bool:
        table = _table(self.state)
        return token.type == END or (
            token.type in ITEM_STARTS and token.type not in table and END in table
        )

    def _opens_rules(self, token: Token) -> bool:
        first = self.item[0].type if self.item else ""
        return token.type == "_LBRACE" and self.depth == 1 and first in _WITH_RULES

    def _before_rule(self, token: Token) -> _Checkpoint | None:
        """The parser as it stands, if a rule begins here; else the last checkpoint."""
        if token.type in _RULE_STARTS and self.checkpoint and self.item[-1].type != "TIER":
            return _Checkpoint(self.state, self.depth, in_rules=True)
        return self.checkpoint

    def _count(self, token: Token) -> None:
        if token.type in _OPENING:
            self.depth += 1
            if self.depth > DEEPEST:
                place = Label(Span(self.source, token.start_pos or 0, token.end_pos or 0), "")
                message = f"brackets are nested more than {DEEPEST} deep"
                self.scanner.diagnostics.append(Diagnostic("R0602", message, place))
                raise _TooDeepError
        elif token.type in _CLOSING:
            self.depth -= 1

    def _recover(self, token: Token) -> Token:
        """Skip to the next rule of the same shape, to its end, or to the next item."""
        token = self._overlooked() or token
        if not self.item:
            self.item.append(token)
        while token.type != END:
            if self._starts_line(token) and token.type in ITEM_STARTS and self._outside(token):
                break
            if self.checkpoint and self._resumes(token, self.checkpoint):
                self._resume(self.checkpoint)
                return token
            if token.type == "_RBRACE" or token.type not in _CLOSING or self._inside():
                self._count(token)
            token = self.scanner.next(None)
            if len(self.item) == 1:
                self.item.append(token)
        self.broken.update(_declared(self.item))
        self._begin()
        return token

    def _overlooked(self) -> Token | None:
        """The start of an item that was taken for a name, since the last one had no end."""
        for token in reversed(self.item[1:]):
            start = token.start_pos or 0
            if str(token) in ITEM_WORDS and self.source.text[start - 1] == "\n":
                self.scanner.at = start
                return self.scanner.next(ITEM_STARTS)
        return None

    def _inside(self) -> bool:
        """Whether a bracket is open that the item had not opened when it went wrong."""
        return self.depth > (self.checkpoint.depth if self.checkpoint else 0)

    def _starts_line(self, token: Token) -> bool:
        start = token.start_pos or 0
        line_start = self.source.text.rfind("\n", 0, start) + 1
        return not self.source.text[line_start:start].strip()

    def _outside(self, token: Token) -> bool:
        start = token.start_pos or 0
        return self.depth <= 0 or start == 0 or self.source.text[start - 1] == "\n"

    def _resumes(self, token: Token, checkpoint: _Checkpoint) -> bool:
        if token.type == "_RBRACE":
            return self.depth == checkpoint.depth or self._starts_line(token)
        return token.type in _RULE_STARTS and self._starts_line(token)

    def _resume(self, checkpoint: _Checkpoint) -> None:
        self.damaged = self.damaged or not checkpoint.in_rules
        self.state = checkpoint.resumed()
        self.depth = checkpoint.depth


def _declared(tokens: list[Token]) -> set[str]:
    """What an unreadable item would have declared; `<use>` stands for any name at all."""
    if not tokens:
        return set()
    first = tokens[0].type
    if first in {"_USE", "_TRACE"}:
        return {f"<{tokens[0]}>"}
    return {str(token) for token in tokens[1:3] if token.type == "NAME"}


def _in_order(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    return tuple(sorted(found, key=lambda finding: finding.primary.span.start))
