"""The open tokens of a row, sorted so that most are settled without being walked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from rulec.runtime.stack import TAME

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.fit import Ids, Row, TokenTable, Words
    from rulec.compiler.skeleton import Posture, Skeleton

Values: TypeAlias = NDArray[np.int64]
LONGEST = 18
"""Digits of the longest token that is read as one number."""


class Text(NamedTuple):
    """A token, its bytes, and how many of them it shares with the one before it."""

    token: int
    text: bytes
    shared: int


@dataclass(frozen=True)
class Digits:
    """Tokens of the same number of digits: their ids and values, by id."""

    length: int
    ids: Ids
    values: Values


@dataclass(frozen=True)
class Candidates:
    """The open tokens of a posture.

    `digits` are those of digits only, `fresh` the same without a lone `0`, which begins no
    longer number. `inside` stay in an expression, `across` leave it or may not. `texts` are
    all but `digits`, `every` is all.
    """

    digits: tuple[Digits, ...]
    fresh: tuple[Digits, ...]
    zero: tuple[Text, ...]
    texts: tuple[Text, ...]
    across: tuple[Text, ...]
    inside: Ids
    every: tuple[Text, ...]


def candidates(row: Row, table: TokenTable, skeleton: Skeleton, posture: Posture) -> Candidates:
    """Sort the open tokens of a posture."""
    texts = [(int(token), table.text(int(token))) for token in row.open]
    numeric = [(t, text) for t, text in texts if text.isdigit() and len(text) <= LONGEST]
    rest = [(t, text) for t, text in texts if not text.isdigit() or len(text) > LONGEST]
    within = {t for t, text in rest if _stays(skeleton, posture, text)}
    return Candidates(
        digits=tuple(_groups(numeric)),
        fresh=tuple(_groups((t, text) for t, text in numeric if text[:1] != b"0")),
        zero=tuple(in_turn((t, text) for t, text in numeric if text == b"0")),
        texts=tuple(in_turn(rest)),
        across=tuple(in_turn((t, text) for t, text in rest if t not in within)),
        inside=np.array(sorted(within), np.int32),
        every=tuple(in_turn(texts)),
    )


def _stays(skeleton: Skeleton, posture: Posture, text: bytes) -> bool:
    """Whether a short text without a leading digit can stay in an expression."""
    if len(text) > TAME or text[:1].isdigit():
        return False
    nodes = skeleton.machine.nodes
    stance = skeleton.stance(posture)
    for byte in text:
        stance = skeleton.step(stance, byte)
    return any(nodes[after.node].lexical for after, _ in skeleton.stances[stance])


def _groups(texts: Iterable[tuple[int, bytes]]) -> Iterator[Digits]:
    groups: dict[int, list[tuple[int, int]]] = {}
    for token, text in texts:
        groups.setdefault(len(text), []).append((token, int(text)))
    for length, group in sorted(groups.items()):
        ids, values = zip(*sorted(group), strict=True)
        yield Digits(length, np.array(ids, np.int32), np.array(values, np.int64))


def in_turn(texts: Iterable[tuple[int, bytes]]) -> Iterator[Text]:
    """Tokens in the order of their bytes, each with what it shares with the one before."""
    before = b""
    for token, text in texts:
        common = 0
        while common < min(len(before), len(text)) and before[common] == text[common]:
            common += 1
        yield Text(token, text, common)
        before = text


def set_bits(out: Words, ids: Ids) -> None:
    """Set the bits of some tokens."""
    if len(ids) > 12:
        np.bitwise_or.at(out, ids >> 5, np.uint32(1) << (ids & 31).astype(np.uint32))
        return
    words: dict[int, int] = {}
    for token in ids.tolist():
        words[token >> 5] = words.get(token >> 5, 0) | 1 << (token & 31)
    for word, bits in words.items():
        out[word] |= np.uint32(bits)
