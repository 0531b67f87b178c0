"""Masks at work on logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from rulec.kernels import reference
from rulec.kernels.checks import check_kept, check_mask_logits
from rulec.kernels.dialect import jit, launched, tl

if TYPE_CHECKING:
    from torch import Tensor

WORDS = 128
"""Words of a mask that a program applies."""


@jit
def mask_kernel(logits, allowed, rows, width, stride, allowed_stride, WORDS: tl.constexpr):
    """One program a row and a block of its tokens; only what is banned is touched.

    Four tokens are one store; they are only loaded where some of them are allowed.
    """
    line = tl.program_id(0).to(tl.int64)
    row = tl.load(rows + line).to(tl.int64)
    if row >= 0:
        word = tl.program_id(1) * WORDS + tl.arange(0, WORDS)  # [WORDS]
        held = tl.load(allowed + row * allowed_stride + word, mask=word * 32 < width, other=0)
        fours = (held[:, None] >> (tl.arange(0, 8) * 4)[None, :]) & 15  # [WORDS, 8]
        four = tl.reshape(fours, [WORDS * 8])
        first = (tl.program_id(1) * WORDS * 8 + tl.arange(0, WORDS * 8)) * 4
        one = tl.arange(0, 4)
        token = first[:, None] + one[None, :]  # [WORDS * 8, 4]
        where = logits + line * stride + token
        banned = ((four[:, None] >> one[None, :]) & 1) == 0
        whole = first + 3 < width
        some = tl.broadcast_to((whole & (four != 15))[:, None], [WORDS * 8, 4])
        mixed = tl.broadcast_to((whole & (four != 15) & (four != 0))[:, None], [WORDS * 8, 4])
        held_there = tl.load(where, mask=mixed, other=0.0)
        tl.store(where, tl.where(banned, float("-inf"), held_there), mask=some)
        if width % 4 != 0:
            tail = banned & (token < width) & (whole == 0)[:, None]
            tl.store(where, float("-inf"), mask=tail)


@jit
def kept_kernel(
    logits, allowed, rows, temperature, parts, width, stride, allowed_stride, blocks,
    WORDS: tl.constexpr,
):  # fmt: skip
    """The same, with what each block holds of the whole mass and of what is kept."""
    line = tl.program_id(0).to(tl.int64)
    block = tl.program_id(1).to(tl.int64)
    row = tl.load(rows + line).to(tl.int64)
    word = block * WORDS + tl.arange(0, WORDS)
    bit = tl.arange(0, 32)
    token = word[:, None] * 32 + bit[None, :]
    inside = token < width
    where = logits + line * stride + token
    held = tl.load(where, mask=inside, other=float("-inf")).to(tl.float32)
    held = held / tl.load(temperature + line)
    mask = tl.load(
        allowed + tl.maximum(row, 0) * allowed_stride + word, mask=word * 32 < width, other=0
    )
    open_ = (((mask[:, None] >> bit[None, :]) & 1) != 0) | (row < 0)
    kept = tl.where(open_, held, float("-inf"))
    most = tl.max(tl.max(held, 1), 0)
    peak = tl.maximum(most, -3.0e38)
    every = tl.sum(tl.sum(tl.exp(held - peak), 1), 0)
    some = tl.sum(tl.sum(tl.exp(kept - peak), 1), 0)
    part = parts + (line * blocks + block) * 3
    tl.store(part, peak)
    tl.store(part + 1, every)
    tl.store(part + 2, some)
    tl.store(where, float("-inf"), mask=(open_ == 0) & inside)


@jit
def share_kernel(parts, out, blocks, BLOCKS: tl.constexpr):
    """The logarithm of the share that is kept, from what each block holds."""
    line = tl.program_id(0).to(tl.int64)
    block = tl.arange(0, BLOCKS)
    part = parts + (line * blocks + block) * 3
    inside = block < blocks
    peak = tl.load(part, mask=inside, other=-3.0e38)
    most = tl.max(peak, 0)
    scale = tl.exp(peak - most)
    every = tl.sum(tl.load(part + 1, mask=inside, other=0.0) * scale, 0)
    some = tl.sum(tl.load(part + 2, mask=inside, other=0.0) * scale, 0)
    tl.store(out + line, tl.log(some) - tl.log(every))


def mask_logits(logits: Tensor, allowed: Tensor, rows: Tensor) -> None:
    """Set every token that its row bans to -inf, in place.

    See `rulec.kernels.reference.mask_logits`.
    """
    check_mask_logits(logits, allowed, rows)
    if not launched(logits):
        reference.mask_logits(logits, allowed, rows)
        return
    lines, width = logits.shape
    grid = (lines, -(-width // (32 * WORDS)))
    if lines and width:
        mask_kernel[grid](
            logits,
            allowed,
            rows,
            width,
            logits.stride(0),
            allowed.stride(0),
            WORDS,
            num_warps=4,
        )


def mask_logits_kept(
    logits: Tensor,
    allowed: Tensor,
    rows: Tensor,
    temperature: Tensor,
    out: Tensor,
    parts: Tensor | None = None,
) -> None:
    """The same, and the logarithm of the share of each row's mass that is kept.

    See `rulec.kernels.reference.mask_logits_kept`. `parts` is room for three floats a block of
    4,096 tokens and row, so that nothing is allocated.
    """
    check_mask_logits(logits, allowed, rows)
    check_kept(logits, temperature)
    if not launched(logits):
        reference.mask_logits_kept(logits, allowed, rows, temperature, out)
        return
    lines, width = logits.shape
    blocks = -(-width // (32 * WORDS))
    if parts is None:
        parts = torch.empty((lines, blocks, 3), dtype=torch.float32, device=logits.device)
    if lines and width:
        kept_kernel[lines, blocks](
            logits, allowed, rows, temperature, parts, width, logits.stride(0),
            allowed.stride(0), blocks, WORDS, num_warps=4,
        )  # fmt: skip
        size = 1 << (blocks - 1).bit_length()
        share_kernel[(lines,)](parts, out, blocks, size, num_warps=1)
