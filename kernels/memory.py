"""The tensors of the device engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


@dataclass
class Memory:
    """Everything that kernels read and write, on one device.

    Args:
        tables: `[words]` int64, the tables of all packs.
        slots: `[slots, stride]` int64, the state of each sequence.
        data: `[bytes]` uint8, the bytes of all tokens.
        offsets: `[tokens + 1]` int32, where those of each token begin.
        rows: `[rows, words]` int32, the tokens that need no test.
        open: `[tokens]` int32, those that do, row by row.
        found: `[lines, found]` int64, what is looked up for each row of the logits.
        bits: `[lines, words]` int32, the masks: bit `t % 32` of word `t // 32` is token `t`.
        walkers: `[walkers, stride]` int64, room in which tokens are walked.
        starts: `[lines + 1]` int32, where the open tokens of each line begin among all.
        lines: `[lines]` int32, the slot of each row of the logits, -1 for none.
        room: words of one pool of readings.
        most: how many of a text's own readings can be live at once.
    """

    tables: Tensor
    slots: Tensor
    data: Tensor
    offsets: Tensor
    rows: Tensor
    open: Tensor
    found: Tensor
    bits: Tensor
    walkers: Tensor
    starts: Tensor
    lines: Tensor
    room: int
    most: int
