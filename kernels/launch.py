"""The kernels of slots: on a GPU by Triton, elsewhere by their twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.kernels import reference
from rulec.kernels.advance import advance_kernel
from rulec.kernels.dialect import launched
from rulec.kernels.prepare import combine_kernel, look_up_kernel, number_kernel, test_kernel

if TYPE_CHECKING:
    from torch import Tensor

    from rulec.kernels.memory import Memory

REGISTERS = None
"""Registers of a thread that walks tokens: so many of them are at work at once."""

WORDS = 1024
"""Words of a mask that a program puts together."""


def advance(memory: Memory, tokens: Tensor, until: Tensor) -> None:
    """Scan the tokens of every slot up to `until`.

    See `rulec.kernels.reference.advance`.
    """
    if not launched(memory.slots):
        reference.advance(memory, tokens, until)
        return
    slots, stride = memory.slots.shape
    advance_kernel[(slots,)](
        memory.slots, memory.tables, memory.data, memory.offsets, tokens, until,
        stride, tokens.stride(0), memory.room, num_warps=1,
    )  # fmt: skip


def prepare(memory: Memory, lines: int | None = None) -> None:
    """Write what may come next for the slot of each line to `memory.bits`.

    See `rulec.kernels.reference.prepare`.
    """
    if not launched(memory.slots):
        reference.prepare(memory, lines)
        return
    count = memory.lines.shape[0] if lines is None else lines
    stride, found = memory.slots.shape[1], memory.found.shape[1]
    words = memory.bits.shape[1]
    look_up_kernel[(count,)](
        memory.slots, memory.tables, memory.found, memory.lines,
        stride, found, memory.most, memory.room, num_warps=1,
    )  # fmt: skip
    combine_kernel[count, -(-words // WORDS)](
        memory.found, memory.rows, memory.bits, words, found, WORDS, num_warps=4
    )
    number_kernel[(1,)](
        memory.found, memory.starts, count, found, 1 << (count - 1).bit_length(), num_warps=4
    )
    test_kernel[(memory.walkers.shape[0],)](
        memory.slots, memory.tables, memory.data, memory.offsets, memory.found, memory.open,
        memory.bits, memory.walkers, memory.starts, memory.lines, count, words, stride, found,
        memory.room, memory.walkers.shape[1], num_warps=1, maxnreg=REGISTERS,
    )  # fmt: skip
