"""Rules inside `model.generate(...)` of transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from transformers import LogitsProcessor

from rulec.runtime.externals import UNASKED
from rulec.runtime.host import Host
from rulec.runtime.logits import Masking, constrain
from rulec.runtime.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from torch import LongTensor, Tensor

    from rulec.compiler import Pack


class Guide(Masking, Protocol):
    """What the processor asks of a session."""

    def allows(self, token: int) -> bool:
        """Whether the token may come next."""

    def accept(self, token: int) -> None:
        """Take the token."""

    def rollback(self, count: int) -> None:
        """Give back the last `count` tokens."""


@dataclass(slots=True)
class _Row:
    """A session and the tokens that it has accepted."""

    guide: Guide
    tokens: list[int] = field(default_factory=list)

    def follow(self, tokens: Sequence[int]) -> int | None:
        """Bring the session to `tokens`, whatever it has seen before.

        Returns:
            The first token that it refuses; it stays before that one.
        """
        same = 0
        while same < min(len(tokens), len(self.tokens)) and tokens[same] == self.tokens[same]:
            same += 1
        if same < len(self.tokens):
            self.guide.rollback(len(self.tokens) - same)
            del self.tokens[same:]
        for token in tokens[same:]:
            if not self.guide.allows(token):
                return token
            self.guide.accept(token)
            self.tokens.append(token)
        return None


@dataclass(frozen=True, slots=True)
class _End:
    """Nothing but the end: what follows a draft that will be turned down."""

    ends: frozenset[int]

    def mask(self, out: NDArray[np.uint32]) -> None:
        for token in self.ends:
            out[token // 32] |= np.uint32(1 << token % 32)


class RulesProcessor(LogitsProcessor):  # type: ignore[misc]
    """A logits processor that masks each sequence of a batch by its own session.

    Its masks depend on the token ids alone: a row whose ids differ from those of the call
    before (beams that changed places, drafts that were turned down) is brought to the new ids
    by rollback. A row that has ended is left as it is, since it only holds padding from there.

    A processor can take nothing back that was chosen, so it can't keep `commit` rules; use
    `rulec.runtime.generate` for those.
    """

    supports_continuous_batching = False

    def __init__(
        self,
        begin: Callable[[int, int], Guide],
        *,
        size: int,
        ends: Sequence[int],
        prompt_length: int | None = None,
        drafts: bool = False,
    ) -> None:
        """Make a processor.

        Args:
            begin: opens the session of a row; called with the row and the number of rows.
            size: how many tokens a session's mask has bits for.
            ends: the tokens that end a sequence.
            prompt_length: how many of the ids are the prompt, padding at its left included.
                Without it, the first call's ids are the prompt, and so are those of every
                later call that does not go on from the one before by one token a row;
                decoding that adds several tokens between two calls has to give it.
            drafts: the ids may hold tokens that the model has not chosen yet, as in assisted
                decoding. Without it a token that breaks a rule is an error: something else
                has put it there.
        """
        self._begin = begin
        self._size = size
        self._ends = frozenset(ends)
        self._given = prompt_length
        self._drafts = drafts
        self._prompt: list[list[int]] = []
        self._width = -1
        self._rows: list[_Row] = []

    def __call__(self, input_ids: LongTensor, scores: Tensor) -> Tensor:
        """The scores of the next tokens, -inf where a rule bans one.

        Args:
            input_ids: `[batch, length]`, prompt and everything chosen so far.
            scores: `[batch, vocab]`; not changed.

        Raises:
            ValueError: if a row holds a token that its rules refuse.
        """
        ids: list[list[int]] = input_ids.tolist()
        if self._starts(ids):
            start = input_ids.shape[1] if self._given is None else self._given
            self._prompt = [row[:start] for row in ids]
            self._rows = [_Row(self._begin(row, len(ids))) for row in range(len(ids))]
        self._width = input_ids.shape[1]
        start = len(self._prompt[0])
        guides = [self._guide(row, tokens[start:]) for row, tokens in enumerate(ids)]
        masked = scores.clone()
        constrain(masked, guides, self._size)
        return masked

    def _guide(self, number: int, written: list[int]) -> Masking | None:
        """What masks a row after these tokens; None once it has ended."""
        if not self._ends.isdisjoint(written):
            return None
        row = self._rows[number]
        refused = row.follow(written)
        if refused is None:
            return row.guide
        if self._drafts:
            return _End(self._ends)
        raise ValueError(
            f"token {refused} at place {len(row.tokens)} of row {number} breaks the rules"
        )

    def _starts(self, ids: list[list[int]]) -> bool:
        """Whether these ids belong to another generation than those of the call before."""
        if len(ids) != len(self._prompt):
            return True
        if self._given is None and len(ids[0]) != self._width + 1:
            return True
        start = len(self._prompt[0])
        return [row[:start] for row in ids] != self._prompt


def rules_processor(
    pack: Pack,
    *,
    inputs: Mapping[str, object] | Sequence[Mapping[str, object]] | None = None,
    budget: int | None = None,
    prompt_length: int | None = None,
    drafts: bool = False,
    audit_commit: bool = False,
) -> RulesProcessor:
    """A processor for the rules of a pack.

    Args:
        pack: made for the model's vocabulary.
        inputs: params and inputs of the request; or one mapping a prompt, whose sequences stand
            side by side in the batch, as transformers expands them.
        budget: the tokens within which each trace is completed; give `max_new_tokens`.
        prompt_length: see `RulesProcessor`.
        drafts: see `RulesProcessor`.
        audit_commit: let `commit` rules be broken; `rulec.runtime.verify` finds where. Only
            there functions of the embedding program are asked.

    Raises:
        ValueError: if the pack has `commit` rules, which need rollback, and `audit_commit` is
            not given.
        BadInput: from the first call, if the inputs do not fit or no trace fits the budget.
    """
    loose = sorted({rule.name for rule in pack.machine.rules if rule.tier == "commit"})
    if loose and not audit_commit:
        raise ValueError(
            f"the rules {', '.join(loose)} are kept by rollback, which `model.generate` lacks; "
            "use `rulec.runtime.generate`, or pass `audit_commit=True` to let them be broken"
        )

    host = Host(pack)

    def begin(row: int, rows: int) -> Guide:
        if inputs is None or isinstance(inputs, Mapping):
            return Session(pack, inputs, budget, host, UNASKED)
        return Session(pack, inputs[row * len(inputs) // rows], budget, host, UNASKED)

    return RulesProcessor(
        begin,
        size=pack.size,
        ends=pack.ends,
        prompt_length=prompt_length,
        drafts=drafts,
    )
