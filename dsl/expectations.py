"""What could have stood where a token makes no sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lark.parsers.lalr_analysis import Shift

from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.findings import one_line
from rulec.dsl.source import Source, Span
from rulec.dsl.spelling import did_you_mean
from rulec.dsl.tokens import END, ITEM_STARTS, SYMBOLS, WORDS

if TYPE_CHECKING:
    from lark import Token
    from lark.parsers.lalr_parser_state import ParserState

_SHOWN = {
    "NAME": "a name",
    "LABEL": "a name and `:`",
    "WHOLE": "a number",
    "DECIMALS": "a number",
    "STRING": "a string",
    "LONG_STRING": "a string",
    "REGEX": "a regular expression",
    "RELATION": "a comparison",
    "TIER": "a rule",
    "_RULE": "a rule",
    "CUT": "`!`",
    "_EXPR_OF": "`expr`",
    "QUANTIFIER": "a name",
    END: "the next item",
}
_SHOWN |= {kind: f"`{text}`" for text, kind in (SYMBOLS | WORDS).items() if kind not in _SHOWN}
_ITEM = "the next item"
_MOST = 4


def unexpected(
    source: Source, state: ParserState[Any], token: Token, item: list[Token]
) -> Diagnostic:
    """The finding for a token that the parser, in this state, has no use for."""
    kinds = acceptable(state)
    start, end = token.start_pos or 0, token.end_pos or 0
    found = f"`{_shorten(str(token))}`"
    if token.type == END:
        start = (item[-1].end_pos or 0) if item else 0
        end, found = start, "the end of the file"
    message = f"{found} makes no sense here"
    if wanted := _wanted(kinds):
        message = f"expected {wanted}, found {found}"
    related = _opened(source, item) if token.type == END or token.type in ITEM_STARTS else ()
    place = Label(Span(source, start, end), "")
    return Diagnostic("R0101", message, place, related, _hint(kinds, token, item))


def acceptable(state: ParserState[Any]) -> set[str]:
    """The terminals that the parser can really take in this state."""
    listed = list(state.parse_conf.states[state.position])
    return {kind for kind in listed if (kind.isupper() or kind == END) and accepts(state, kind)}


def accepts(state: ParserState[Any], kind: str) -> bool:
    """Whether the parser can take a terminal: its table alone says yes too often.

    Only the stack of states is followed, since the parser's values are shared.
    """
    table = state.parse_conf
    stack = list(state.state_stack)
    while kind in table.states[stack[-1]]:
        action, rule = table.states[stack[-1]][kind]
        if action is Shift:
            return True
        del stack[len(stack) - len(rule.expansion) :]
        _, after = table.states[stack[-1]][rule.origin.name]
        stack.append(after)
        if kind == END and after == table.end_state:
            return True
    return False


def _wanted(kinds: set[str]) -> str:
    names = sorted({_ITEM if kind in ITEM_STARTS else _SHOWN[kind] for kind in kinds})
    if not names or len(names) > _MOST:
        return ""
    return " or ".join((", ".join(names[:-1]), names[-1])) if len(names) > 1 else names[0]


def _opened(source: Source, item: list[Token]) -> tuple[Label, ...]:
    """The innermost bracket that is still open."""
    stack: list[Token] = []
    for token in item:
        if token.type in {"_LPAR", "_LBRACE", "_LBRACKET"}:
            stack.append(token)
        elif token.type in {"_RPAR", "_RBRACE", "_RBRACKET"} and stack:
            stack.pop()
    if not stack:
        return ()
    last = stack[-1]
    span = Span(source, last.start_pos or 0, last.end_pos or 0)
    return (Label(span, "this is still open"),)


def _hint(kinds: set[str], token: Token, item: list[Token]) -> str:
    last = item[-1].type if item else ""
    word = str(token)
    if word == "=" and "RELATION" in kinds:
        return "a comparison is written `==`"
    if last == "_TEXT":
        return "`text` in a shape needs its regular expression: `text /[a-z]+/`"
    if last == "_PROSE" or (word == "{" and "QUESTION" in kinds):
        return "the braces of a prose are its length; a list of prose is `(p: prose){…}`"
    if last == "CUT" and "NAME" in kinds:
        return "a negation is written `not`"
    return _near(kinds, token)


def _near(kinds: set[str], token: Token) -> str:
    """The keyword that a word may have been meant to be."""
    if token.type not in {"NAME", "LABEL"} and token.type not in WORDS.values():
        return ""
    kinds = kinds | ITEM_STARTS if END in kinds else kinds
    return did_you_mean(str(token), [text for text, kind in WORDS.items() if kind in kinds])


def _shorten(text: str) -> str:
    return one_line(text if len(text) <= 30 else text[:30] + "…")
