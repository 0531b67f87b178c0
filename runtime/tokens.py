"""What may come at a place of a trace, in the tokens of one vocabulary."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np

from rulec.runtime import inputs as given
from rulec.runtime.host import Host
from rulec.runtime.reasons import Refusal, explain_refusal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.pack import Pack
    from rulec.compiler.vocabulary import Vocabulary


@dataclass(frozen=True, slots=True)
class Cut:
    """A trace as tokens, each the longest that fits; the last of `starts` is its end."""

    tokens: tuple[int, ...]
    starts: tuple[int, ...]


def cut(vocabulary: Vocabulary, trace: bytes) -> Cut:
    """Cut a trace into tokens. Raises `VocabularyError` where a byte can't be written."""
    tokens = tuple(vocabulary.encode_greedy(trace))
    lengths = (len(vocabulary.tokens[token] or b"") for token in tokens)
    return Cut(tokens, tuple(accumulate(lengths, initial=0)))


@dataclass(frozen=True, slots=True)
class NextTokens:
    """The tokens that may come at a place; ends of sequence among them.

    `number` is the place, counted in tokens; None within a token. `own` is the token that
    stands there, None at the end of the trace, and `refusal` why it may not.
    """

    allowed: tuple[int, ...]
    number: int | None
    own: int | None
    refusal: Refusal | None


def next_tokens(
    pack: Pack, tokens: Cut, trace: bytes, at: int, inputs: Mapping[str, object] | None
) -> NextTokens:
    """The tokens that may come at a byte of a trace; expects the text before it to be allowed.

    Raises `BadInput` for values that don't fit.
    """
    host = Host(pack)
    start = host.engine.start(given.registers(pack.machine, inputs))
    config = host.engine.walk(start, trace[:at], 0)
    out = np.zeros(pack.table.words, np.uint32)
    host.fill(config, at, out)
    bits = np.unpackbits(out.view(np.uint8), bitorder="little")
    allowed = tuple(np.flatnonzero(bits).tolist())
    number = tokens.starts.index(at) if at in tokens.starts else None
    if number is None or number == len(tokens.tokens):
        return NextTokens(allowed, number, None, None)
    own = tokens.tokens[number]
    refusal = explain_refusal(host.engine, config, pack.table.text(own), at)
    return NextTokens(allowed, number, own, refusal)
