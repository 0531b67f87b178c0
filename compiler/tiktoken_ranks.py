"""Readers of tiktoken's ranks: its own text format and two JavaScript packagings."""

from __future__ import annotations

import base64
import json
import re
from typing import TYPE_CHECKING, Any

from rulec.compiler.listing import Listing, VocabularyError, parse_json, part, utf8

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SECTION = re.compile(r"^(?:const |/\*\*)", re.MULTILINE)
_CHUNK = re.compile(r"c[0-9]+ = \[")
_ELEMENT = re.compile(r'\s*("(?:[^"\\]|\\.)*"|\[[0-9,\s]*\])?\s*(,|$)')
_ESCAPE = re.compile(r"\\(x[0-9A-Fa-f]{2}|[^x])")
_SCRIPT_ESCAPES = {"0": "\\u0000", "v": "\\u000b", "'": "'"}

_END = "<|endoftext|>"
_SPECIALS_BY_LAST_RANK = {
    199_997: {_END: 199_999, "<|endofprompt|>": 200_018},
    100_255: {
        _END: 100_257,
        "<|fim_prefix|>": 100_258,
        "<|fim_middle|>": 100_259,
        "<|fim_suffix|>": 100_260,
        "<|endofprompt|>": 100_276,
    },
    50_255: {_END: 50_256},
    50_280: {_END: 50_256},
}
"""The ranks say nothing of special tokens; these are the published sets, by their last rank."""


def list_ranks(text: bytes) -> Listing:
    """The tokens of a `.tiktoken` file: a base64 token and its rank on each line."""
    listing = Listing()
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            token, _, rank = line.partition(b" ")
            listing.add(_rank(rank, number), _bytes(token))
    return _published(listing)


def list_packed(content: dict[str, Any]) -> Listing:
    """The tokens of js-tiktoken: lines of a name, a first rank and base64 tokens."""
    listing = Listing()
    for number, line in enumerate(part(content, "bpe_ranks", str).splitlines(), 1):
        fields = line.split(" ")
        if len(fields) < 2:
            raise VocabularyError(f"line {number} of `bpe_ranks` has no rank")
        first = _rank(fields[1].encode(), number)
        for place, token in enumerate(fields[2:]):
            listing.add(first + place, _bytes(token.encode()))
    return _with_specials(listing, part(content, "special_tokens", dict))


def list_script(text: bytes) -> Listing:
    """The tokens of a JavaScript module, of either packaging."""
    try:
        script = text.decode()
    except UnicodeDecodeError as error:
        raise VocabularyError("the script is not UTF-8") from error
    if script.startswith(("export default {", "module.exports = {")):
        body = script[script.index("{") : script.rfind("}") + 1]
        return list_packed(parse_json(body, "the script"))
    listing = Listing()
    entries = (entry for section in _SECTION.split(script) for entry in _chunk(section))
    for rank, entry in enumerate(entries):
        listing.add(rank, _entry_bytes(entry))
    return _published(listing)


def _chunk(section: str) -> Iterator[object]:
    """The entries of `c0 = [ … ];`; a rank that was left out is None."""
    start = _CHUNK.match(section)
    if start is None:
        return
    at = start.end()
    body = section.rstrip().removesuffix(";").removesuffix("]").rstrip().removesuffix(",")
    while at < len(body):
        element = _ELEMENT.match(body, at)
        if element is None:
            raise VocabularyError(f"this is no token: {body[at : at + 40]!r}")
        yield _element(element[1] or "null")
        at = element.end()


def _element(text: str) -> object:
    try:
        return json.loads(_ESCAPE.sub(_as_json, text), strict=False)
    except ValueError as error:
        raise VocabularyError(f"this is no token: {text[:40]!r}") from error


def _as_json(escape: re.Match[str]) -> str:
    letter = escape[1]
    if letter.startswith("x"):
        return f"\\u00{letter[1:]}"
    return _SCRIPT_ESCAPES.get(letter, escape[0])


def _entry_bytes(entry: object) -> bytes:
    if not isinstance(entry, list):
        return b"" if entry is None else utf8(entry)
    if not all(type(byte) is int and 0 <= byte < 256 for byte in entry):
        raise VocabularyError("a token holds something that is not a byte")
    return bytes(entry)


def _published(listing: Listing) -> Listing:
    last = max(listing.texts, default=-1)
    return _with_specials(listing, _SPECIALS_BY_LAST_RANK.get(last, {}))


def _with_specials(listing: Listing, specials: Mapping[str, object]) -> Listing:
    for name, token in specials.items():
        listing.add_special(token, name)
    if _END in listing.specials:
        listing.add_end(listing.specials[_END])
    return listing


def _rank(text: bytes, line: int) -> int:
    text = text.strip()
    if not text.isdigit() or len(text) > 9:
        raise VocabularyError(f"line {line} has no rank")
    return int(text)


def _bytes(token: bytes) -> bytes:
    try:
        return base64.b64decode(token, validate=True)
    except ValueError as error:
        raise VocabularyError(f"{token[:40]!r} is not base64") from error
