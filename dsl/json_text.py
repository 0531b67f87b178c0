r"""How texts are spelled within JSON strings, and the space between the parts of a JSON text.

Of the escapes that JSON knows only those that it demands are used: `\"`, `\\`, and for control
characters the short ones or `\u00` with small letters. So a text has one spelling.
"""

from __future__ import annotations

import json

from rulec.dsl import regex as r
from rulec.dsl.codepoints import CodePoints, complement, normal

MOST_SPACE = 64
"""Bytes of white space in one place."""

SPACE = r.parse_regex(rf"[ \t\n\r]{{0,{MOST_SPACE}}}")
NO_SPACE = r.parse_regex("")

_HEX = "[0-9A-Fa-f]"
_PAIR = rf"[Dd][89ABab]{_HEX}{{2}}\\u[Dd][C-Fc-f]{_HEX}{{2}}"
CHARACTER = r.parse_regex(
    r'[^"\\\x00-\x1f]|\\(["\\/bfnrt]|u('
    rf"[0-9A-Ca-cE-Fe-f]{_HEX}{{3}}|[Dd][0-7]{_HEX}{{2}}|{_PAIR}))"
)
"""One character in any of its spellings; one that JSON writes as two halves needs both."""

_ESCAPED: CodePoints = ((0x00, 0x1F), (0x22, 0x22), (0x5C, 0x5C))


def escaped(text: str) -> str:
    """A text as it stands between the quotes of a JSON string."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


def unescaped(spelled: str) -> str:
    """The text that stands between the quotes of a JSON string."""
    return str(json.loads(f'"{spelled}"', strict=False))


def escaped_regex(regex: r.Regex) -> r.Regex:
    """What matches the spellings of the texts that `regex` matches."""
    return r.Regex(_node(regex.node), regex.pattern)


def _node(node: r.Node) -> r.Node:
    match node:
        case r.Chars(points):
            return _spellings(points)
        case r.Concat(parts):
            return r.Concat(tuple(map(_node, parts)))
        case r.Alternate(options):
            return r.Alternate(tuple(map(_node, options)))
        case r.Repetition(body, least, most):
            return r.Repetition(_node(body), least, most)


def _spellings(points: CodePoints) -> r.Node:
    """One character out of a set, those that need it with their escapes."""
    others = complement(points)
    plain = complement(normal((*others, *_ESCAPED)))
    needy = complement(normal((*others, *complement(_ESCAPED))))
    options: list[r.Node] = [r.Chars(plain)] if plain else []
    for low, high in needy:
        options += [_literal(escaped(chr(point))) for point in range(low, high + 1)]
    return options[0] if len(options) == 1 else r.Alternate(tuple(options))


def _literal(text: str) -> r.Node:
    return r.Concat(tuple(r.Chars(((ord(letter), ord(letter)),)) for letter in text))
