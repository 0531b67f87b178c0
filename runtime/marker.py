"""A marker, such as `</think>`, in tokens: which go on with it, and which complete it."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.compiler.vocabulary import VocabularyError
from rulec.runtime.inputs import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from rulec.compiler.vocabulary import Vocabulary

BLANK = b" \t\n\r\v\f"
"""Bytes that are skipped between a marker and the trace."""

LONGEST = 64


class Writing:
    """A vocabulary with its special tokens spelled out."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self.vocabulary = vocabulary
        spelled = {token: name.encode() for name, token in vocabulary.specials.items()}
        self.texts = tuple(
            text or spelled.get(token, b"") for token, text in enumerate(vocabulary.tokens)
        )
        self._markers: dict[bytes, Marker] = {}

    def text(self, token: int) -> bytes:
        """What a token writes, spelled out where it is a special one."""
        return self.texts[token] if token < len(self.texts) else b""

    def marker(self, text: bytes) -> Marker:
        """A marker, prepared once. Raises `BadInput` where there can be none."""
        found = self._markers.get(text)
        if found is None:
            found = self._markers[text] = Marker(text, self)
        return found

    @cached_property
    def blank(self) -> Blank:
        """The tokens that begin with blanks."""
        only, known, tokens, others = [], [], [], []
        ids = self.vocabulary.ids
        for token, text in enumerate(self.vocabulary.tokens):
            rest = (text or b"").lstrip(BLANK)
            if not text or len(rest) == len(text):
                continue
            if not rest:
                only.append(token)
            elif rest in ids:
                known.append((token, ids[rest]))
            else:
                others.append((token, rest))
            tokens.append(token)
        pairs = np.array(known, np.int64).reshape(-1, 2)
        return Blank(np.array(tokens, np.int64), np.array(only, np.int64), pairs, others)


class Blank(NamedTuple):
    """Tokens that begin with blanks.

    `only` hold nothing else; each pair of `known` is such a token and the one that writes what
    follows its blanks; `others` have the bytes of what follows.
    """

    tokens: NDArray[np.int64]
    only: NDArray[np.int64]
    known: NDArray[np.int64]
    others: list[tuple[int, bytes]]


class Marker:
    """The first occurrence of a text in what tokens write.

    A *state* counts the bytes of the marker that stand at the end of what is written.
    """

    def __init__(self, text: bytes, writing: Writing) -> None:
        if not 0 < len(text) <= LONGEST:
            raise BadInput(f"`after` must have 1 to {LONGEST} bytes")
        self.text = text
        self._writing = writing
        self._back = _borders(text)
        self._completing: dict[int, list[tuple[int, bytes]]] = {}
        self._next = [self._forced(state) for state in range(len(text))]
        self.costs = self._counted()
        """Tokens that complete the marker from each state."""
        self.dearest = max(self.costs)

    def after(self, state: int, token: int) -> tuple[int, bytes | None]:
        """The state behind a token, and what follows the marker in it; None without marker."""
        text = self._writing.text(token)
        for place, byte in enumerate(text):
            state = self._step(state, byte)
            if state == len(self.text):
                return state, text[place + 1 :]
        return state, None

    def completing(self, state: int) -> list[tuple[int, bytes]]:
        """The tokens that complete the marker from a state, with what follows it in them."""
        found = self._completing.get(state)
        if found is None:
            tokens = sorted(self._candidates(state))
            walked = ((token, self.after(state, token)[1]) for token in tokens)
            found = [(token, rest) for token, rest in walked if rest is not None]
            self._completing[state] = found
        return found

    def forced(self, state: int) -> int:
        """The token that brings the marker nearer from a state, and writes nothing else."""
        return self._next[state]

    def _candidates(self, state: int) -> set[int]:
        found = set(self._holding)
        while state:
            found.update(self._starting.get(self.text[state:], ()))
            state = self._back[state]
        return found

    @cached_property
    def _holding(self) -> list[int]:
        texts = self._writing.texts
        return [token for token, text in enumerate(texts) if self.text in text]

    @cached_property
    def _starting(self) -> Mapping[bytes, list[int]]:
        """The tokens that begin with each end of the marker."""
        ends = [self.text[at:] for at in range(1, len(self.text))]
        found: defaultdict[bytes, list[int]] = defaultdict(list)
        last = {end[0] for end in ends}
        for token, text in enumerate(self._writing.texts):
            if text and text[0] in last:
                for end in ends:
                    if text.startswith(end):
                        found[end].append(token)
        return found

    def _step(self, state: int, byte: int) -> int:
        while state and self.text[state] != byte:
            state = self._back[state]
        return state + 1 if self.text[state] == byte else 0

    def _forced(self, state: int) -> int:
        exact = [token for token, rest in self.completing(state) if not rest]
        if exact:
            return exact[0]
        try:
            return self._writing.vocabulary.encode_greedy(self.text[state:])[0]
        except VocabularyError as error:
            raise BadInput(f"the model can't write `after`: {error}") from None

    def _counted(self) -> list[int]:
        costs = [0] * (len(self.text) + 1)
        for state in reversed(range(len(self.text))):
            behind, rest = self.after(state, self._next[state])
            costs[state] = 1 if rest is not None else 1 + costs[behind]
        return costs[:-1]


def _borders(text: bytes) -> list[int]:
    """For each length of a beginning of `text`, the longest shorter one that it ends with."""
    back = [0] * (len(text) + 1)
    length = 0
    for place in range(1, len(text)):
        while length and text[place] != text[length]:
            length = back[length]
        length += text[place] == text[length]
        back[place + 1] = length
    return back
