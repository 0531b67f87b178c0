"""Sequences in the slots of a batch, whatever engine computes their masks."""

from __future__ import annotations

from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

import numpy as np

from rulec.runtime.candidates import set_bits
from rulec.runtime.logits import apply_masks, words_for
from rulec.runtime.session import Refused

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from rulec.compiler.fit import Words
    from rulec.runtime.after import After
    from rulec.runtime.catalog import Entry
    from rulec.runtime.requests import Request
    from rulec.runtime.session import Session


@dataclass(frozen=True, slots=True)
class Order:
    """What a slot is to keep.

    Args:
        entry: the pack.
        request: inputs, marker and bars.
        origin: the token of the slot's history at which the sequence began.
        budget: tokens that the sequence may take from there.
    """

    entry: Entry
    request: Request
    origin: int
    budget: int


class History(Protocol):
    """The tokens of all slots, where the sampler keeps them; both are read anew each step."""

    @property
    def tokens(self) -> Tensor:
        """`[slots, length]` int32: prompt and output of each slot."""

    @property
    def lengths(self) -> Tensor:
        """`[slots]` int32: how many of them count."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one step's logits; those of one sequence stand side by side.

    Args:
        present: `[sequences]`, on the host: the slots of the batch.
        slots: `[rows]`: the slot of each row.
        places: `[rows]`: the place of a row among those of its sequence. Row `r` at place `j`
            follows the drafts `fed[r - j + 1]` to `fed[r]`; a negative draft is none.
        fed: `[rows]`: the token that was fed to the model at each row.
    """

    present: Sequence[int]
    slots: Tensor
    places: Tensor
    fed: Tensor


class Slots(Protocol):
    """Rules at work in the slots of a batch.

    A slot's state is a function of its order and its history alone: drafts, preemption and
    repeated calls leave nothing behind. No method raises for what a request brought.
    """

    def admit(self, slot: int, order: Order) -> None:
        """Keep rules in a slot, whatever was kept there before."""

    def refuse(self, slot: int) -> None:
        """Let a slot write nothing but the end of its sequence."""

    def release(self, slot: int) -> None:
        """Keep no rules in a slot."""

    def flush(self) -> None:
        """Take over what was staged; called once before each forward pass."""

    def apply(self, logits: Tensor, rows: Rows) -> Tensor:
        """Set what rules ban to -inf. A row is never left empty: it keeps the ends."""


@dataclass(slots=True)
class Counts:
    """What slots have done since they were made."""

    sequences: int = 0
    refused: int = 0
    rows: int = 0
    banned: int = 0
    exhausted: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Sequence:
    """A slot's guide, and the tokens that it has followed."""

    guide: Session | After
    origin: int
    tokens: list[int] = field(default_factory=list)
    astray: bool = False
    exhausted: bool = False

    def follow(self, tokens: list[int]) -> bool:
        """Bring the guide to `tokens`; False where they break the rules.

        What masks have let through never does; something else has put such tokens there.
        """
        same = len(self.tokens)
        if tokens[:same] != self.tokens:
            pairs = zip(tokens, self.tokens, strict=False)
            same = next(
                (n for n, (new, old) in enumerate(pairs) if new != old),
                min(len(tokens), same),
            )
            self.guide.rollback(len(self.tokens) - same)
            del self.tokens[same:]
        for token in tokens[same:]:
            if self.guide.finished:
                return True
            if not self._took(token):
                return False
        return True

    def _took(self, token: int) -> bool:
        try:
            self.guide.accept(token)
        except Refused:
            return False
        self.tokens.append(token)
        return True


class HostSlots:
    """Slots on the host engine: exact for every pack, and waits for the device each step.

    Args:
        history: the tokens of the slots.
        size: the width of the logits.
        ends: the tokens that end a sequence.
    """

    def __init__(self, history: History, size: int, ends: Sequence[int]) -> None:
        self.counts = Counts()
        self._history = history
        self._held: dict[int, _Sequence | None] = {}
        self._size = size
        self._only_ends = np.zeros(words_for(size), np.uint32)
        set_bits(self._only_ends, np.array(ends, np.int32))

    def admit(self, slot: int, order: Order) -> None:
        """See `Slots`."""
        guide = order.entry.begin(order.request, order.budget)
        self._held[slot] = _Sequence(guide, order.origin)
        self.counts.sequences += 1

    def refuse(self, slot: int) -> None:
        """See `Slots`."""
        self._held[slot] = None
        self.counts.refused += 1

    def release(self, slot: int) -> None:
        """See `Slots`."""
        self._held.pop(slot, None)

    def flush(self) -> None:
        """See `Slots`; nothing is staged here."""

    def apply(self, logits: Tensor, rows: Rows) -> Tensor:
        """See `Slots`."""
        if not any(slot in self._held for slot in rows.present):
            return logits
        began = perf_counter()
        slots = rows.slots.tolist()
        mine = [row for row, slot in enumerate(slots) if slot in self._held]
        words = self._words(mine, slots, rows.places.tolist(), rows.fed.tolist())
        allowed = int(np.unpackbits(words.view(np.uint8)).sum())
        self.counts.banned += len(mine) * self._size - allowed
        apply_masks(logits, mine, words)
        self.counts.seconds += perf_counter() - began
        return logits

    def _words(
        self, mine: list[int], slots: list[int], places: list[int], fed: list[int]
    ) -> Words:
        words = np.zeros((len(mine), len(self._only_ends)), np.uint32)
        first = 0
        while first < len(mine):
            row = mine[first]
            count = 1
            while first + count < len(mine) and places[mine[first + count]] > 0:
                count += 1
            drafts = fed[row + 1 : row + count]
            self._fill(slots[row], drafts, words[first : first + count])
            first += count
        self.counts.rows += len(mine)
        return words

    def _fill(self, slot: int, drafts: list[int], out: Words) -> None:
        """The masks of a sequence's rows: behind its history, and behind each of its drafts."""
        out[:] = self._only_ends
        held = self._held[slot]
        if held is None or not held.follow(self._written(slot, held.origin)):
            return
        guide = held.guide
        guide.mask(out[0])
        if guide.exhausted and not held.exhausted:
            held.exhausted = True
            self.counts.exhausted += 1
        taken = 0
        for place, token in enumerate(drafts, 1):
            if guide.finished or token < 0 or not guide.allows(token):
                break
            guide.accept(token)
            guide.mask(out[place])
            taken += 1
        guide.rollback(taken)

    def forced(self, slot: int) -> bytes:
        """The bytes that a slot must write next, whatever the model; mostly none."""
        held = self._held.get(slot)
        if held is None or not held.follow(self._written(slot, held.origin)):
            return b""
        return held.guide.forced()

    def _written(self, slot: int, origin: int) -> list[int]:
        length = int(self._history.lengths[slot])
        written: list[int] = self._history.tokens[slot, origin:length].tolist()
        return written
