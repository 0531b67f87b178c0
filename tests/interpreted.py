"""The kernels run by Triton's interpreter, against their twins; one process, run by a test.

The interpreter must be asked for before Triton is imported.
"""

from __future__ import annotations

import os

os.environ["TRITON_INTERPRET"] = "1"

from random import Random

import torch
from rulesets import built, vocabulary

from rulec.compiler import fit
from rulec.kernels import launch, mask, reference
from rulec.runtime.device import Device, Limits

RULES = """
shape Sum { a: int in 0..99 "+" b: int in 0..99 "=" c: int in 0..198 rule sums: c == a + b }
trace Sum
"""


def masks() -> None:
    """Random masks on logits that are part of wider rows; `kept` beside them.

    The interpreter has no bfloat16; `device_states.py` has it on a GPU.
    """
    for seed, width in enumerate((1, 31, 33, 1025, 4100)):
        chance = torch.Generator().manual_seed(seed)
        words = -(-width // 32) + seed % 2
        for dtype in (torch.float32, torch.float16):
            wide = torch.randn(4, width + 3, generator=chance).to(dtype)
            allowed = torch.randint(-(2**31), 2**31, (3, words), generator=chance)
            allowed = allowed.to(torch.int32)
            allowed[1] = 0
            rows = torch.tensor([2, -1, 1, 0], dtype=torch.int32)
            want, got = wide.clone(), wide.clone()
            reference.mask_logits(want[:, :width], allowed, rows)
            mask.mask_logits(got[:, :width], allowed, rows)
            assert torch.equal(want, got), (width, dtype)
            heat = torch.tensor([1.0, 0.5, 2.0, 1.0])
            one, other = torch.zeros(4), torch.zeros(4)
            got = wide.clone()
            reference.mask_logits_kept(wide[:, :width], allowed, rows, heat, one)
            mask.mask_logits_kept(got[:, :width], allowed, rows, heat, other)
            assert torch.equal(wide, got)
            assert torch.allclose(one, other, atol=1e-4), (one, other)


def slots() -> None:
    """Two slots, a few tokens; memory and masks word by word."""
    machine = built(RULES)
    assert machine is not None
    pack = fit(machine, vocabulary(Random(1), b"0123456789+=", 24))
    limits = Limits(2, 2, 1 << 14, 64, 1 << 12, 64, 4, 2)
    pair = [Device(pack.table, limits) for _ in range(2)]
    for device in pair:
        record = device.record(device.load(pack))
        device.reset(0, record)
        device.reset(1, record)
        device.memory.lines[:] = torch.tensor([0, 1], dtype=torch.int32)
    tokens = torch.tensor([[49, 43, 50], [57, 57, 43]], dtype=torch.int32)
    for count in (1, 3):
        until = torch.full((2,), count, dtype=torch.int32)
        launch.advance(pair[0].memory, tokens, until)
        reference.advance(pair[1].memory, tokens, until)
    launch.prepare(pair[0].memory)
    reference.prepare(pair[1].memory)
    assert torch.equal(pair[0].memory.bits, pair[1].memory.bits)
    assert pair[0].memory.bits.any()
    head = slice(0, 8)
    assert torch.equal(pair[0].memory.slots[:, head], pair[1].memory.slots[:, head])


if __name__ == "__main__":
    masks()
    slots()
