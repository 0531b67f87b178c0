"""What a string in quotes stands for."""

from __future__ import annotations

import re

from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.findings import one_line
from rulec.dsl.source import Source, Span

_ESCAPE = re.compile(r"\\(u\{([0-9A-Fa-f]{1,6})\}|.)")
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_HINT = r"the escapes are `\n` `\r` `\t` `\"` `\\` and `\u{1F600}`"


def read_string(source: Source, start: int, end: int) -> tuple[str, tuple[Diagnostic, ...]]:
    """The text of the string literal that stands at `start` up to `end`, quotes included."""
    body = source.text[start + 1 : end]
    body = body.removesuffix('"') if end - start > 1 else body
    findings: list[Diagnostic] = []

    def replaced(match: re.Match[str]) -> str:
        letter, digits = match.group(1), match.group(2)
        if letter in _SIMPLE:
            return _SIMPLE[letter]
        if digits and _scalar(int(digits, 16)):
            return chr(int(digits, 16))
        place = Span(source, start + 1 + match.start(), start + 1 + match.end())
        message = one_line(f"`{match.group()}` is no escape")
        findings.append(Diagnostic("R0103", message, Label(place, ""), hint=_HINT))
        return ""

    return _ESCAPE.sub(replaced, body), tuple(findings)


def _scalar(point: int) -> bool:
    return point <= 0x10FFFF and not 0xD800 <= point <= 0xDFFF


def read_long(source: Source, start: int, end: int) -> tuple[str, tuple[Diagnostic, ...]]:
    '''The text of a `"""` literal: without its frame and the closing line's indentation.'''
    body = source.text[start + 3 : max(end - 3, start + 3)]
    lines = body.replace("\r\n", "\n").split("\n")
    if len(lines) > 1 and not lines[0]:
        lines = lines[1:]
    indent = lines[-1]
    if len(lines) == 1 or indent.strip(" \t"):
        return "\n".join(lines), ()
    if all(line.startswith(indent) or not line.strip(" \t") for line in lines):
        return "\n".join(line[len(indent) :] for line in lines[:-1]), ()
    place = Span(source, end - 3, end)
    message = 'a line of this text is indented less than the `"""` that closes it'
    hint = "every line loses the indentation of the closing line, so it must have as much"
    return body, (Diagnostic("R0104", message, Label(place, "this one"), hint=hint),)
