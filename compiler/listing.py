"""What a tokenizer file says: the bytes of each id, the special ones, the ends."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MOST_IDS = 2_000_000
LONGEST_TOKEN = 65_536
LARGEST_FILE = 64 * 2**20


class VocabularyError(Exception):
    """A tokenizer file that can't be read, or that hides what its tokens say."""


@dataclass(slots=True)
class Listing:
    """Filled by a reader, id by id; ids that are never named stay unused."""

    texts: dict[int, bytes] = field(default_factory=dict)
    specials: dict[str, int] = field(default_factory=dict)
    ends: set[int] = field(default_factory=set)
    size: int = 0

    def add(self, token: object, text: bytes) -> None:
        """`token` writes `text`; it is an id as the file gives it, so of any type."""
        number = checked_id(token)
        if len(text) > LONGEST_TOKEN:
            raise VocabularyError(f"token {number} is longer than {LONGEST_TOKEN} bytes")
        self.size = max(self.size, number + 1)
        if text:
            self.texts[number] = text

    def add_special(self, token: object, name: str) -> None:
        """`token` writes nothing that a reader sees; `name` is how it is spelled."""
        number = checked_id(token)
        self.size = max(self.size, number + 1)
        self.texts.pop(number, None)
        self.specials[name] = number

    def add_end(self, token: object) -> None:
        """`token` ends a text."""
        self.ends.add(checked_id(token))


def checked_id(token: object) -> int:
    """A token id within bounds.

    Raises:
        VocabularyError: if it is anything else.
    """
    if isinstance(token, bool) or not isinstance(token, int):
        raise VocabularyError(f"a token id is not a whole number: {str(token)[:40]!r}")
    if not 0 <= token < MOST_IDS:
        raise VocabularyError(f"token id {str(token)[:20]} is outside 0..{MOST_IDS - 1}")
    return token


def checked_objects(values: object, name: str) -> list[dict[str, Any]]:
    """A list of JSON objects, called `name`; nothing at all is an empty list.

    Raises:
        VocabularyError: if it is anything else.
    """
    if values is None:
        return []
    if not isinstance(values, list) or not all(isinstance(value, dict) for value in values):
        raise VocabularyError(f"`{name}` is not a list of objects")
    return values


def utf8(text: object) -> bytes:
    """The bytes of a string that a file gives.

    Raises:
        VocabularyError: if it is no string, or holds half of a surrogate pair.
    """
    if not isinstance(text, str):
        raise VocabularyError(f"a token is not a string: {str(text)[:40]!r}")
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise VocabularyError("a token holds half of a surrogate pair") from error


def read_file(path: Path, most: int = LARGEST_FILE) -> bytes:
    """A whole file of at most `most` bytes."""
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise VocabularyError(f"can't read `{path.name}`: {error.strerror}") from error
    if len(content) > most:
        raise VocabularyError(f"`{path.name}` is larger than {most} bytes")
    return content


def parse_json(text: bytes | str, name: str) -> dict[str, Any]:
    """A JSON object.

    Raises:
        VocabularyError: if `text`, called `name`, is anything else.
    """
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise VocabularyError(f"`{name}` is not valid JSON: {str(error)[:80]}") from error
    if not isinstance(value, dict):
        raise VocabularyError(f"`{name}` is not a JSON object")
    return value


def part(value: dict[str, Any], key: str, kind: type[Any]) -> Any:
    """`value[key]`, which has to be there and of that type."""
    found = value.get(key)
    if not isinstance(found, kind) or (kind is int and isinstance(found, bool)):
        raise VocabularyError(f"`{key}` is missing or has the wrong type")
    return found
