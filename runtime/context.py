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

    Each row may grow by one token between two calls of `logits`, and may be cut back to any
    length of one or more. A row that is cut back is shifted to the right in the cache, so that
    what is left of it stays contiguous and distances between positions are kept.
    """

    def __init__(self, model: CausalModel, rows: Sequence[Sequence[int]]) -> None:
        self.rows = [list(row) for row in rows]
        self.forwards = 0
        self._model = model
        self._cache: Any = None
        self._read = [0] * len(self.rows)
        self._width = 0
        self._options: dict[str, Any] = {"use_cache": True}
        known = signature(model.forward).parameters
        self._kept = "cache" if "cache" in known else "past_key_values"
        if "logits_to_keep" in known:
            self._options |= {"logits_to_keep": 1}

    def logits(self) -> Tensor:
        """`[batch, vocab]`: the scores of the token after the last one of each row."""
        if any(len(row) != read + 1 for row, read in zip(self.rows, self._read, strict=True)):
            self._cache = None
        if self._cache is None:
            self._read = [0] * len(self.rows)
            self._width = 0
        ids, places, seen = self._unread()
        device = self._model.device
        with torch.no_grad():
            result = self._model(
                input_ids=ids.to(device),
                attention_mask=seen.to(device),
                position_ids=places.to(device),
                **self._options,
                **{self._kept: self._cache},
            )
        self.forwards += 1
        self._cache = getattr(result, self._kept)
        self._read = [len(row) for row in self.rows]
        self._width = seen.shape[1]
        scores: Tensor = result.logits[:, -1]
        return scores

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
            seen[line, self._width + count - end :] = 1
        return ids, places, seen

    def append(self, row: int, token: int) -> None:
        """Put `token` at the end of a row."""
        self.rows[row].append(token)

    def cut(self, row: int, length: int) -> None:
        """Take tokens off the end of a row until it holds `length`, 1 or more.

        The last token that stays is read again by the next `logits`.
        """
        if not 1 <= length <= len(self.rows[row]):
            raise ValueError(f"row {row} holds {len(self.rows[row])} tokens, not {length}")
        del self.rows[row][length:]
        stale = self._read[row] - (length - 1)
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
