"""The kernels in torch and plain Python: what they mean, without a GPU.

Each has the name, the signature and the checks of its twin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from rulec.kernels import encoding as e
from rulec.kernels import prepare as prepared
from rulec.kernels.advance import scan
from rulec.kernels.checks import check_kept, check_mask_logits
from rulec.kernels.dialect import Buffer, plain

if TYPE_CHECKING:
    from torch import Tensor

    from rulec.kernels.memory import Memory


def mask_logits(logits: Tensor, allowed: Tensor, rows: Tensor) -> None:
    """Set every token that its row bans to -inf, in place.

    Args:
        logits: `[rows, vocabulary]` float; rows may be strided, columns may not.
        allowed: `[masks, ceil(vocabulary / 32) or more]` int32; bit `t % 32` of word `t // 32`
            is token `t`.
        rows: `[rows]` int32, a row of `allowed` for each; -1 leaves it unconstrained.

    Raises:
        ShapeError: if shapes, types or devices disagree.

    Source: the bit order of vLLM's grammar bitmask.
    """
    check_mask_logits(logits, allowed, rows)
    for line, row in enumerate(rows.tolist()):
        if row >= 0:
            logits[line, ~_open(allowed[row], logits.shape[1])] = -torch.inf


def mask_logits_kept(
    logits: Tensor, allowed: Tensor, rows: Tensor, temperature: Tensor, out: Tensor
) -> None:
    """The same, and the logarithm of the share of each row's mass that is kept.

    Args:
        logits: `[rows, vocabulary]` float, as `mask_logits` takes them.
        allowed: the masks.
        rows: the mask of each row.
        temperature: `[rows]` float32, by which logits are divided before they are weighed.
        out: `[rows]` float32, takes `log Σ_allowed softmax(logits / temperature)`.
    """
    check_mask_logits(logits, allowed, rows)
    check_kept(logits, temperature)
    heated = logits.float() / temperature[:, None]
    whole = torch.logsumexp(heated, 1)
    mask_logits(logits, allowed, rows)
    left = torch.where(torch.isneginf(logits), -torch.inf, heated)
    out.copy_(torch.logsumexp(left, 1) - whole)


def _open(words: Tensor, width: int) -> Tensor:
    token = torch.arange(width, device=words.device)
    return (words[token // 32] >> (token % 32) & 1).bool()


# --- slots ---


def advance(memory: Memory, tokens: Tensor, until: Tensor) -> None:
    """Scan the tokens of every slot up to `until`.

    Args:
        memory: the tensors of the engine.
        tokens: `[slots, length]` int32, the tokens of each slot.
        until: `[slots]` int32, how many of them there are.
    """
    S, T, D, P = _buffers(memory.slots, memory.tables, memory.data, memory.offsets)
    stride = memory.slots.shape[1]
    follow = plain(scan)
    for slot, end in enumerate(until.tolist()):
        base = slot * stride
        scratch = base + e.SLOT_HEAD + 2 * memory.room
        line = _buffer(tokens[slot])
        follow(S, T, D, P, line, base, end, memory.room, scratch, scratch + e.SCRATCH)


def prepare(memory: Memory, lines: int | None = None) -> None:
    """Write what may come next for the slot of each line to `memory.bits`.

    Where nothing is enforced all bits are set.

    Args:
        memory: the tensors of the engine.
        lines: how many of the first lines; all where it is left out.
    """
    S, T, D, P, F, N, C = _buffers(
        memory.slots,
        memory.tables,
        memory.data,
        memory.offsets,
        memory.found,
        memory.open,
        memory.walkers,
    )
    stride = memory.slots.shape[1]
    look_up, lives = plain(prepared.look_up), plain(prepared.lives)
    room = memory.room
    for line, slot in enumerate(memory.lines[:lines].tolist()):
        found = line * memory.found.shape[1]
        bits = memory.bits[line]
        bits.zero_()
        base = slot * stride
        if slot < 0:
            memory.found[line, e.FOUND_COUNT] = -1
            bits.fill_(-1)
            continue
        look_up(S, T, F, base, found, memory.most, room, base + e.SLOT_HEAD + 2 * room)
        count, may_end, _total, *entries = memory.found[line].tolist()
        if count < 0:
            bits.fill_(-1)
            continue
        tokens: list[int] = _ends(memory, base) if may_end else []
        for entry in range(count):
            at = entry * e.FOUND_SIZE
            row, first, open_, own, after = entries[at : at + e.FOUND_SIZE]
            if row >= 0:
                bits |= memory.rows[row]
            for place in range(open_):
                token = place if first < 0 else (N + (first + place))[0][first + place]
                if lives(
                    S, T, D, P, base, own, after, token, C, 0, room, 2 * room,
                    2 * room + e.SCRATCH,
                ):  # fmt: skip
                    tokens.append(token)
        _set(bits, tokens)


def _ends(memory: Memory, base: int) -> list[int]:
    tables = memory.tables
    pack = int(memory.slots.view(-1)[base + e.SLOT_PACK])
    place = int(tables[pack + e.PACK_ENDS])
    return tables[place + 1 : place + 1 + int(tables[place])].tolist()


def _set(bits: Tensor, tokens: list[int]) -> None:
    words = bits.numpy().view(np.uint32)
    for token in tokens:
        words[token >> 5] |= np.uint32(1 << (token & 31))


def _buffers(*tensors: Tensor) -> tuple[Buffer, ...]:
    return tuple(map(_buffer, tensors))


def _buffer(tensor: Tensor) -> Buffer:
    return Buffer(memoryview(tensor.numpy().reshape(-1).data))
