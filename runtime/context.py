"""What a model has read: a batch of token sequences and its key-value cache."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any, Protocol

import torch
from transformers.cache_utils import DynamicLayer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


class CausalModel(Protocol):
    """A causal language model of transformers."""

    @property
    def device(self) -> torch.device:
        """Where its inputs belong."""

    def forward(self, *args: Any, **options: Any) -> Any:
        """One pass; the result holds `logits`, and `cache` or what it was called before."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        """The same, with the model's hooks."""


class Context:
    """Token sequences of different lengths, right-aligned in one cache.

    Each row may grow between two calls of `scores`, and may be cut back to any length of one
    or more. A row that is cut back, or grows by less than another, is shifted to the right in
    the cache, so that it stays contiguous and distances between positions are kept.
    """

    def __init__(self, model: CausalModel, rows: Sequence[Sequence[int]]) -> None:
        self.rows = [list(row) for row in rows]
        self.forwards = 0
        self._model = model
        self._cache: Any = None
        self._read = [0] * len(self.rows)
        self._width = 0
        known = signature(model.forward).parameters
        self._kept = "cache" if "cache" in known else "past_key_values"
        self._partial = "logits_to_keep" in known

    @property
    def wide(self) -> bool:
        """Whether rows may grow by several tokens, and by different numbers of them."""
        return self._cache is not None and self._plain()

    def scores(self) -> list[Tensor]:
        """For each row `[places, vocab]`: the scores behind its last tokens.

        The last place is behind the row's last token. There is one place for each token that
        the row has grown by since the call before, or just the last one.
        """
        even = all(count == 1 for count in self._grown())
        if self._cache is not None and not even and not self._plain():
            self._cache = None
        asked = [1] * len(self.rows)
        if self._cache is None:
            self._read = [0] * len(self.rows)
            self._width = 0
        else:
            for line, count in enumerate(self._grown()):
                if count == 0:
                    self._forget(line, len(self.rows[line]) - 1)
            asked = self._grown()
        kept = self._pass(max(asked))
        self._settle()
        return [kept[line, -count:] for line, count in enumerate(asked)]

    def _grown(self) -> list[int]:
        return [len(row) - read for row, read in zip(self.rows, self._read, strict=True)]

    def _pass(self, places: int) -> Tensor:
        """One pass over what is unread; `[batch, places, vocab]`."""
        ids, positions, seen = self._unread()
        options: dict[str, Any] = {"use_cache": True, self._kept: self._cache}
        if self._partial:
            options["logits_to_keep"] = places
        device = self._model.device
        with torch.no_grad():
            result = self._model(
                input_ids=ids.to(device),
                attention_mask=seen.to(device),
                position_ids=positions.to(device),
                **options,
            )
        self.forwards += 1
        self._cache = getattr(result, self._kept)
        scores: Tensor = result.logits[:, -places:]
        return scores

    def _settle(self) -> None:
        """Close the gaps between what rows had read before and what they have read now."""
        grown = self._grown()
        fresh, before = max(grown), self._width
        self._width += fresh
        self._read = [len(row) for row in self.rows]
        gaps = {line: fresh - count for line, count in enumerate(grown) if count < fresh}
        if before and gaps:
            with torch.no_grad():
                for layer in self._cache.layers:
                    for line, gap in gaps.items():
                        for held in (layer.keys[line], layer.values[line]):
                            part = held[..., : before + gap, :]
                            part.copy_(part.roll(gap, dims=-2))
            self._trim()

    def _unread(self) -> tuple[Tensor, Tensor, Tensor]:
        """Ids and positions of the tokens to read, and which columns of the cache count."""
        fresh = [row[read:] for row, read in zip(self.rows, self._read, strict=True)]
        count = max(map(len, fresh))
        ids = torch.zeros(len(fresh), count, dtype=torch.long)
        places = torch.zeros_like(ids)
        seen = torch.zeros(len(fresh), self._width + count, dtype=torch.long)
        for line, tokens in enumerate(fresh):
            start, end = self._read[line], self._read[line] + len(tokens)
            ids[line, count - len(tokens) :] = torch.tensor(tokens)
            places[line, count - len(tokens) :] = torch.arange(start, end)
            seen[line, self._width - start : self._width] = 1
            seen[line, self._width + count - len(tokens) :] = 1
        return ids, places, seen

    def append(self, row: int, *tokens: int) -> None:
        """Put tokens at the end of a row."""
        self.rows[row].extend(tokens)

    def cut(self, row: int, length: int) -> None:
        """Take tokens off the end of a row until it holds `length`, 1 or more.

        The last token that stays is read again by the next `scores`.
        """
        if not 1 <= length <= len(self.rows[row]):
            raise ValueError(f"row {row} holds {len(self.rows[row])} tokens, not {length}")
        self.become(row, self.rows[row][:length])

    def become(self, row: int, tokens: Sequence[int]) -> None:
        """Let a row hold some tokens; the next `scores` reads at least the last of them."""
        held = self.rows[row]
        same = len(held)
        if held != tokens[:same]:
            pairs = enumerate(zip(held, tokens, strict=False))
            ends = min(len(held), len(tokens))
            same = next((place for place, (old, new) in pairs if old != new), ends)
        self.rows[row] = list(tokens)
        self._forget(row, min(same, len(tokens) - 1))

    def _forget(self, row: int, read: int) -> None:
        """Keep what a row has read only up to a place."""
        stale = self._read[row] - read
        if stale <= 0 or self._cache is None:
            return
        if not self._plain():
            # Windowed and recurrent layers forget what a shorter row would need.
            self._cache = None
            return
        with torch.no_grad():
            for layer in self._cache.layers:
                layer.keys[row] = layer.keys[row].roll(stale, dims=-2)
                layer.values[row] = layer.values[row].roll(stale, dims=-2)
        self._read[row] -= stale
        self._trim()

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with these rows only, in this order."""
        self.rows = [self.rows[row] for row in rows]
        self._read = [self._read[row] for row in rows]
        if self._cache is not None and rows:
            index = torch.tensor(rows, device=self._model.device)
            with torch.no_grad():
                self._cache.batch_select_indices(index)
            self._trim()

    def _plain(self) -> bool:
        return all(type(layer) is DynamicLayer for layer in self._cache.layers)

    def _trim(self) -> None:
        """Give back the columns at the left that no row uses any more."""
        unused = self._width - max(self._read)
        if unused == 0 or not self._plain():
            return
        for layer in self._cache.layers:
            layer.keys = layer.keys[..., unused:, :]
            layer.values = layer.values[..., unused:, :]
        self._width -= unused
