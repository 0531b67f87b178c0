"""Tables for the device: words of 64 bits, with addresses that move where they are loaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


class Address(int):
    """A word that says where another stands; 0 is nowhere."""


NOWHERE = Address(0)


class Tables:
    """Words that are gathered part by part; equal parts are kept once.

    The first words are the head, which is filled in last.
    """

    def __init__(self, head: int) -> None:
        self._words: list[int] = [0] * head
        self._known: dict[tuple[tuple[int, bool], ...], Address] = {}

    def __len__(self) -> int:
        return len(self._words)

    def add(self, words: Iterable[int]) -> Address:
        """Where a part stands."""
        part = tuple(words)
        key = tuple((int(word), isinstance(word, Address)) for word in part)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = Address(len(self._words))
            self._words.extend(part)
        return known

    def listed(self, words: Sequence[int]) -> Address:
        """Where a part stands that begins with how many words it has."""
        return self.add((len(words), *words))

    def listed_pairs(self, pairs: Sequence[tuple[int, int]]) -> Address:
        """Where pairs stand, behind how many there are."""
        return self.add((len(pairs), *(word for pair in pairs for word in pair)))

    def put(self, place: int, word: int) -> None:
        """Write a word of the head."""
        self._words[place] = word

    def finished(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The words, and the places of those that are addresses."""
        places = (n for n, word in enumerate(self._words) if isinstance(word, Address) and word)
        return tuple(int(word) for word in self._words), tuple(places)
