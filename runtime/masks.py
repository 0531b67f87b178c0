"""The masks of a trace, computed again from its tokens alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.runtime.session import Refused, Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rulec.compiler.fit import Words
    from rulec.compiler.pack import Pack
    from rulec.runtime.bars import Bar
    from rulec.runtime.externals import Externals
    from rulec.runtime.host import Host


class Masked(NamedTuple):
    """What was allowed where a token was chosen.

    `allowed` has bit `t % 32` of word `t // 32` set for token `t`; `choices` says for how many.
    """

    allowed: Words
    choices: int

    @property
    def forced(self) -> bool:
        """Whether there was no choice."""
        return self.choices == 1


def replay(  # noqa: PLR0913
    token_ids: Sequence[int],
    pack: Pack,
    inputs: Mapping[str, object] | None = None,
    *,
    origin: int = 0,
    bars: Iterable[Bar] = (),
    budget: int | None = None,
    externals: Externals | None = None,
    host: Host | None = None,
) -> list[Masked]:
    """The mask for each token of a trace: those that were used when it was sampled.

    Args:
        token_ids: the trace's tokens, its end of sequence included where it has one; the prompt
            may stand before them.
        pack: the rules that it was sampled under.
        inputs: the values that came with the request (`with`).
        origin: where the trace begins in `token_ids`.
        bars: the bytes that were barred when rules sent it back (`Session.bars`); without them
            the masks of a trace that was rolled back differ.
        budget: the tokens that it was given, as the session was.
        externals: the functions that the rules call.
        host: an engine to share between traces of one pack.

    Raises:
        BadInput: if a value doesn't fit, or no trace fits the budget.
        ValueError: if a token is not allowed where it stands: it was not sampled like this.
    """
    session = Session(pack, inputs, budget, host, externals)
    for bar in bars:
        session.bar(bar)
    found: list[Masked] = []
    for place, token in enumerate(token_ids[origin:], origin):
        words = np.zeros(pack.table.words, np.uint32)
        session.mask(words)
        allowed = 0 <= token < pack.size and words[token >> 5] >> np.uint32(token & 31) & 1
        try:
            if not allowed:
                raise ValueError(f"token {token} at place {place} is not allowed there")
            session.accept(token)
        except Refused as refused:
            raise ValueError(f"token {token} at place {place}: {refused}") from None
        choices = int(np.unpackbits(words.view(np.uint8)).sum())
        found.append(Masked(words, choices))
    return found
