"""Packed masks at work on logits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor


class Masking(Protocol):
    """Whatever knows which token may come next; a `Session` does."""

    def mask(self, out: NDArray[np.uint32]) -> None:
        """Write one bit a token: bit `t % 32` of word `t // 32` is token `t`."""


def words_for(size: int) -> int:
    """Words of 32 bits that hold one bit for each of `size` tokens."""
    return -(-size // 32)


def apply_mask(logits: Tensor, words: NDArray[np.uint32]) -> None:
    """Set every token that its row of `words` bans to -inf, in place.

    Args:
        logits: `[batch, vocab]`, of any floating type and on any device.
        words: `[batch, words]`; a token past the last word is banned.
    """
    width = logits.shape[1]
    packed = torch.from_numpy(np.ascontiguousarray(words).view(np.uint8)).to(logits.device)
    shifts = torch.arange(8, dtype=torch.uint8, device=logits.device)
    allowed = ((packed.unsqueeze(-1) >> shifts) & 1).flatten(1).bool()[:, :width]
    logits[:, : allowed.shape[1]].masked_fill_(~allowed, -torch.inf)
    logits[:, allowed.shape[1] :] = -torch.inf


def apply_masks(logits: Tensor, rows: Sequence[int], words: NDArray[np.uint32]) -> None:
    """Mask some rows in place, each by its row of `words`; the others stay as they are.

    Args:
        logits: `[batch, vocab]`.
        rows: which of them, each once and in order.
        words: `[rows, words]`.
    """
    if len(rows) == len(logits):
        apply_mask(logits, words)
        return
    index = torch.tensor(rows, device=logits.device)
    masked = logits[index]
    apply_mask(masked, words)
    logits[index] = masked


def constrain(logits: Tensor, guides: Sequence[Masking | None], size: int) -> None:
    """Mask each row by its guide, in place; a row without a guide stays as it is.

    Args:
        logits: `[batch, vocab]`.
        guides: one a row.
        size: how many tokens the guides know of.
    """
    rows = [row for row, guide in enumerate(guides) if guide is not None]
    if not rows:
        return
    words = np.zeros((len(rows), words_for(size)), np.uint32)
    for line, row in enumerate(rows):
        guide = guides[row]
        if guide is not None:
            guide.mask(words[line])
    apply_masks(logits, rows, words)
