"""Places in a JSON Schema, and what of them rules don't carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

ANNOTATIONS = frozenset((
    "title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly",
    "$schema", "$id", "$comment", "$anchor", "$defs", "definitions",
))  # fmt: skip
"""Keywords that say nothing of what is valid."""

Notes = list["Note"]


@dataclass(frozen=True, slots=True)
class Note:
    """What is not carried over, by its JSON pointer (behind a `#`), and why."""

    pointer: str
    reason: str


@dataclass(slots=True)
class Place:
    """One schema; what is taken of it is carried over, or has been noted."""

    schema: dict[str, Any]
    pointer: str
    notes: Notes
    taken: set[str] = field(default_factory=set)

    def __contains__(self, keyword: str) -> bool:
        return keyword in self.schema

    def take(self, keyword: str) -> Any:
        """The value of a keyword, None where it isn't there."""
        self.taken.add(keyword)
        return self.schema.get(keyword)

    def drop(self, keyword: str, reason: str) -> None:
        """Note that a keyword is not carried over."""
        self.taken.add(keyword)
        self.notes.append(Note(f"{self.pointer}/{step(keyword)}", reason))

    def refuse(self, reason: str) -> None:
        """Note that the whole place is not carried over; its keywords need no notes."""
        self.taken.update(self.schema)
        self.notes.append(Note(self.pointer, reason))

    def close(self) -> None:
        """Note every keyword that nobody took."""
        for keyword in self.schema:
            if keyword not in self.taken and keyword not in ANNOTATIONS:
                self.drop(keyword, f"there is no rule for `{keyword}` here")

    def count(self, keyword: str, most: int) -> int | None:
        """A count of a keyword: whole, not negative and not too large."""
        found = self.take(keyword)
        if found is None:
            return None
        whole = isinstance(found, int) and not isinstance(found, bool)
        if whole and 0 <= found <= most:
            return int(found)
        self.drop(keyword, f"a count is a whole number from 0 to {most:_}")
        return None


def step(name: str) -> str:
    """A name as a JSON pointer has it."""
    return name.replace("~", "~0").replace("/", "~1")
