"""Random signatures, expressions over names, and their types told by plain recursion."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

INFIX = ("or", "and", "==", "<", "<=", "+", "-", "*", "/", "//", "%")
LEVELS = (
    ("or",),
    ("and",),
    ("not",),
    ("==", "<", "<="),
    ("+", "-"),
    ("*", "/", "//", "%"),
    ("-",),
)
WORDS = ("and", "or", "not", "implies")
TYPES = ("int", "number", "str", "bool", "list", "set", "u")
NAMES = ("a", "ab", "abc", "b", "n", "no", "note", "x1")
DEPTH = 4


@dataclass
class Signatures:
    """Types, operators with their results, and the words that are literals."""

    types: tuple[str, ...]
    infix: dict[tuple[str, str, str], str]
    prefix: dict[tuple[str, str], str]
    words: dict[str, str] = field(default_factory=dict)

    def item(self) -> str:
        """The item that declares them."""
        infix = [f"{a} {op} {b} -> {to}" for (a, op, b), to in self.infix.items()]
        prefix = [f"{op} {a} -> {to}" for (op, a), to in self.prefix.items()]
        words = [f"{word} -> {to}" for word, to in self.words.items()]
        return "operators { " + "  ".join((*infix, *prefix, *words)) + " }"

    def literals(self) -> dict[str, str]:
        """The words that are literals."""
        if "bool" not in self.types or "bool" in self.words.values():
            return self.words
        return {**self.words, "true": "bool", "false": "bool"}


def signatures(r: Random) -> Signatures:
    """A few types with a few operators between them."""
    types = tuple(r.sample(TYPES, r.randint(1, 4)))
    infix: dict[tuple[str, str, str], str] = {}
    for _ in range(r.randint(0, 6)):
        infix[r.choice(types), r.choice(INFIX), r.choice(types)] = r.choice(types)
    prefix: dict[tuple[str, str], str] = {}
    for _ in range(r.randint(0, 2)):
        prefix[r.choice(("-", "not")), r.choice(types)] = r.choice(types)
    words = {"True": r.choice(types)} if r.random() < 0.3 else {}
    return Signatures(types, infix, prefix, words)


# --- types ---


class Wrong(Exception):
    """No expression, or none that has a type."""


def type_of(own: Signatures, names: dict[str, str], text: str) -> str:
    """The type of an expression; empty where it has none."""
    try:
        return _Reader(own, names, text).type()
    except Wrong:
        return ""


class _Reader:
    """Reads one text, operand by operand."""

    def __init__(self, own: Signatures, names: dict[str, str], text: str) -> None:
        self._own = own
        self._names = names
        self._tokens = _tokens(text)
        self._at = 0

    def type(self) -> str:
        """The type of the whole. Raises `Wrong`."""
        found = self._level(0, 0)
        if self._at < len(self._tokens):
            raise Wrong
        return found

    def _ahead(self) -> str:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def _level(self, level: int, depth: int) -> str:
        if level == len(LEVELS):
            return self._operand(depth)
        ops = LEVELS[level]
        if ops in (("not",), ("-",)):
            if self._ahead() != ops[0]:
                return self._level(level + 1, depth)
            self._at += 1
            return _made(self._own.prefix, (ops[0], self._level(level, depth)))
        left = self._level(level + 1, depth)
        while self._ahead() in ops:
            op = self._ahead()
            self._at += 1
            left = _made(self._own.infix, (left, op, self._level(level + 1, depth)))
            if "==" in ops and self._ahead() in ops:
                raise Wrong
        return left

    def _operand(self, depth: int) -> str:
        kind, text = self._tokens[self._at] if self._at < len(self._tokens) else ("", "")
        self._at += 1
        if text == "(" and depth < DEPTH:
            found = self._level(0, depth + 1)
            if self._ahead() != ")":
                raise Wrong
            self._at += 1
            return found
        if len(text.replace(".", "")) > 15 and kind in ("whole", "fraction"):
            raise Wrong
        known = {
            "word": self._own.literals().get(text) or self._names.get(text, ""),
            "whole": "int" if "int" in self._own.types else "number",
            "fraction": "number",
            "text": "str",
        }
        if known.get(kind) not in self._own.types:
            raise Wrong
        return known[kind]


def _made(known: dict[tuple[str, ...], str], case: tuple[str, ...]) -> str:
    if case not in known:
        raise Wrong
    return known[case]


_TOKEN = re.compile(
    r"(?P<word>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<fraction>(?:0|[1-9][0-9]*)?\.[0-9]{1,6}(?![0-9.]))"
    r"|(?P<whole>(?:0|[1-9][0-9]*)(?![0-9.]))"
    r'|(?P<text>"(?:[^"\\\x00-\x1f\x7f]|\\["\\nrt])*")'
    r"|(?P<sign>==|<=|//|[-+*/%<()])"
)


def _tokens(text: str) -> list[tuple[str, str]]:
    """The tokens, spaces being where they may and must be."""
    found: list[tuple[str, str]] = []
    at = 0
    while at < len(text):
        blank = text[at] == " "
        token = _TOKEN.match(text, at + blank)
        if token is None or token.lastgroup is None or not _fits(found, token, blank):
            raise Wrong
        found.append((token.lastgroup, token[0]))
        at = token.end()
    return found


def _fits(before: list[tuple[str, str]], token: re.Match[str], blank: bool) -> bool:
    """Whether a token may follow some others, with a space or without."""
    kind, last = before[-1] if before else ("sign", "(")
    infix = before[:-1] and _ended(before[-2])
    if _ended((kind, last)):
        if token[0] == ")":
            return not blank
        if token[0] in ("and", "or"):
            return blank
        return token.lastgroup == "sign" and token[0] != "("
    if last in WORDS:
        return blank
    return not blank or (last != "(" and bool(infix))


def _ended(token: tuple[str, str]) -> bool:
    """Whether an operand may end with a token."""
    return token[1] == ")" or (token[0] != "sign" and token[1] not in WORDS)


# --- texts ---


def expression(r: Random, own: Signatures, names: dict[str, str], depth: int = 3) -> str:
    """An expression, of whatever types its parts may be."""
    if depth == 0 or r.random() < 0.25:
        literals = ["1", "0", "12", "2.5", ".5", '""', '"a\\n"', '"é"', *own.literals()]
        return r.choice([*names, *names, *literals])
    if r.random() < 0.25:
        return f"({expression(r, own, names, depth - 1)})"
    if r.random() < 0.15:
        return r.choice(("-", "not ")) + expression(r, own, names, depth - 1)
    op = r.choice([op for _, op, _ in own.infix] or ["+"])
    left, right = (expression(r, own, names, depth - 1) for _ in range(2))
    before, behind = (" " if op.isalpha() else r.choice(("", " ")) for _ in range(2))
    return f"{left}{before}{op}{behind}{right}"


def named(r: Random, own: Signatures) -> dict[str, str]:
    """A few names with their types."""
    return {name: r.choice(own.types) for name in r.sample(NAMES, r.randint(0, 4))}


def kinds(own: Signatures) -> str:
    """The items for types, names and operators."""
    words = " ".join(f'"{word}"' for word in own.types)
    return f"type Kind = one of ({words})\nnames vars {{ kind: Kind }}\n{own.item()}\n"


def declaring(own: Signatures, wanted: str = "") -> str:
    """A ruleset in which names are declared one by one; then comes an expression."""
    rule = f'rule wanted: typeof(value) == "{wanted}"' if wanted else ""
    return kinds(own) + (
        'shape Own { name: def(vars, /[a-z][a-z0-9]{0,3}/, kind: kind) ":" kind: Kind ";" }\n'
        f'shape All {{ ( own: Own )* "{{" value: expr(vars) "}}"\n{rule} }}\ntrace All'
    )


def lets(own: Signatures) -> str:
    """A ruleset of bindings, and names that come without a value."""
    return kinds(own) + (
        'shape Own { name: def(vars, /[a-z][a-z0-9]{0,3}/, kind: kind) ":" kind: Kind ";" }\n'
        "shape Let { name: def(vars, /[a-z][a-z0-9]{0,3}/, kind: kind) ':' kind: Kind '='"
        " value: expr(vars) ';' rule typed: typeof(value) == kind }\n".replace("'", '"')
        + 'shape All { "[" ( own: Own ){0..2} "|" lets: Let{1..3} "]" }\ntrace All'
    )
