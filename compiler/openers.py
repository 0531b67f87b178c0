"""The texts at which prose ends, found while it is read (Aho and Corasick)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Openers:
    """An automaton over bytes: `steps[state][byte]` is the next state.

    `found[state]` is the opener that has just ended, or -1; `pending[state]` counts the
    characters at the end of the text that may still become an opener.
    """

    steps: tuple[tuple[int, ...], ...]
    found: tuple[int, ...]
    pending: tuple[int, ...]


def openers(words: Sequence[bytes]) -> Openers:
    """The automaton of the words; where two end at once the longer one counts."""
    children: list[dict[int, int]] = [{}]
    found = [-1]
    prefixes = [b""]
    for number, word in enumerate(words):
        state = 0
        for byte in word:
            if byte not in children[state]:
                children[state][byte] = len(children)
                children.append({})
                found.append(-1)
                prefixes.append(prefixes[state] + bytes((byte,)))
            state = children[state][byte]
        found[state] = number
    steps = _complete(children, found)
    pending = tuple(_characters(prefix) for prefix in prefixes)
    return Openers(tuple(map(tuple, steps)), tuple(found), pending)


def _complete(children: list[dict[int, int]], found: list[int]) -> list[list[int]]:
    steps = [[0] * 256 for _ in children]
    fallback = [0] * len(children)
    queue = deque([0])
    while queue:
        state = queue.popleft()
        back = fallback[state]
        if found[state] < 0:
            found[state] = found[back]
        for byte in range(256):
            child = children[state].get(byte)
            if child is None:
                steps[state][byte] = steps[back][byte] if state else 0
            else:
                fallback[child] = steps[back][byte] if state else 0
                steps[state][byte] = child
                queue.append(child)
    return steps


def _characters(prefix: bytes) -> int:
    """How many characters begin in it."""
    return sum(byte & 0xC0 != 0x80 for byte in prefix)
