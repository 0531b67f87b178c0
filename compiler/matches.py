"""Texts that automata accept, the shortest and most readable first."""

from __future__ import annotations

from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler.automata import Dfa, regex_dfa
from rulec.dsl.regex import parse_regex

if TYPE_CHECKING:
    from collections.abc import Iterator

LONGEST = 200
"""Bytes of the longest text that is looked for."""

_READABLE = (
    *b"abcdefghijklmnopqrstuvwxyz",
    *b"ABCDEFGHIJKLMNOPQRSTUVWXYZ",
    *b"0123456789",
    *b"-_.,:;!?'()/ ",
)
_ORDER = (*_READABLE, *(byte for byte in range(255, -1, -1) if byte not in _READABLE))

_States: TypeAlias = tuple[int, ...]


@cache
def dfa_of(pattern: str) -> Dfa:
    """The automaton of a regular expression's text."""
    return regex_dfa(parse_regex(pattern))


def texts(wanted: tuple[Dfa, ...], most: int, shunned: tuple[Dfa, ...] = ()) -> tuple[str, ...]:
    """Up to `most` texts that all of `wanted` accept and none of `shunned` does."""
    return tuple(islice(_Search(wanted, shunned).texts(), most))


def any_text(wanted: tuple[Dfa, ...], shunned: tuple[Dfa, ...] = ()) -> bool:
    """Whether there is a text that all of `wanted` accept and none of `shunned` does."""
    return _Search(wanted, shunned).any()


class _Search:
    """Several automata side by side; the first ones must accept, the others must not."""

    def __init__(self, wanted: tuple[Dfa, ...], shunned: tuple[Dfa, ...]) -> None:
        self._all = (*wanted, *shunned)
        self._wanted = len(wanted)
        self._ways: dict[_States, list[tuple[int, _States]]] = {}
        self._reached: dict[tuple[_States, int], bool] = {}

    def any(self) -> bool:
        """Whether some state that is come to ends a text."""
        queue = [(0,) * len(self._all)]
        seen = set(queue)
        while queue:
            states = queue.pop()
            if self._reaches(states, 0):
                return True
            fresh = {after for _, after in self._steps(states)} - seen
            seen |= fresh
            queue.extend(fresh)
        return False

    def texts(self) -> Iterator[str]:
        """Texts in the order of their lengths."""
        start = (0,) * len(self._all)
        level = {start}
        for length in range(LONGEST + 1):
            for found in self._spelled(start, length):
                yield found.decode("utf-8", "replace")
            level = {after for states in level for _, after in self._steps(states)}
            if not level:
                return

    def _spelled(self, states: _States, left: int) -> Iterator[bytes]:
        if not self._reaches(states, left):
            return
        if left == 0:
            yield b""
            return
        for byte, after in self._steps(states):
            for rest in self._spelled(after, left - 1):
                yield bytes((byte,)) + rest

    def _reaches(self, states: _States, left: int) -> bool:
        """Whether exactly so many bytes more can end a text."""
        key = (states, left)
        if key not in self._reached:
            if left == 0:
                accepted = [
                    s in dfa.accepting for s, dfa in zip(states, self._all, strict=True)
                ]
                found = all(accepted[: self._wanted]) and not any(accepted[self._wanted :])
            else:
                followers = {after for _, after in self._steps(states)}
                found = any(self._reaches(after, left - 1) for after in followers)
            self._reached[key] = found
        return self._reached[key]

    def _steps(self, states: _States) -> list[tuple[int, _States]]:
        ways = self._ways.get(states)
        if ways is None:
            ways = self._ways[states] = []
            for byte in _ORDER:
                after = tuple(
                    dfa.transitions[state][byte] if state >= 0 else -1
                    for state, dfa in zip(states, self._all, strict=True)
                )
                if all(state >= 0 for state in after[: self._wanted]):
                    ways.append((byte, after))
        return ways
