"""The kernels: their twins against brute force, by Triton's interpreter, and compiled."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rulesets import SEEDS, seeded

from rulec.compiler.terms import LIMIT
from rulec.kernels import advance, mask, prepare, reference, wide
from rulec.kernels import encoding as e
from rulec.kernels.checks import ShapeError
from rulec.kernels.dialect import TRITON, plain
from rulec.kernels.numerals import span_of
from rulec.runtime.dates import days

HERE = Path(__file__).parent
TEMPERATURE = torch.tensor([1.0, 0.7, 1.3])


@seeded(20, 400)
@given(SEEDS, st.sampled_from([1, 31, 33, 1025]), st.integers(0, 3))
def test_masks_ban_what_has_no_bit(seed: int, width: int, gap: int) -> None:
    chance = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, width + gap, generator=chance)
    allowed = torch.randint(-(2**31), 2**31, (2, -(-width // 32)), generator=chance)
    allowed = allowed.to(torch.int32)
    rows = torch.tensor([1, -1, 0], dtype=torch.int32)
    want = logits.clone()
    for line, row in enumerate(rows.tolist()):
        for token in range(width):
            if row >= 0 and not int(allowed[row, token // 32]) >> (token % 32) & 1:
                want[line, token] = -torch.inf
    share = torch.zeros(3)
    again = logits.clone()
    reference.mask_logits(logits[:, :width], allowed, rows)
    assert torch.equal(logits, want)
    reference.mask_logits_kept(again[:, :width], allowed, rows, TEMPERATURE, share)
    assert torch.equal(again, want)
    assert share[1] == 0
    assert (share <= 1e-6).all()


def test_tensors_that_do_not_fit_are_refused() -> None:
    logits = torch.zeros(2, 40)
    allowed = torch.zeros(1, 2, dtype=torch.int32)
    rows = torch.zeros(2, dtype=torch.int32)
    mask.mask_logits(logits, allowed, rows)
    with pytest.raises(ShapeError, match="logits"):
        mask.mask_logits(logits.double(), allowed, rows)
    with pytest.raises(ShapeError, match="masks"):
        mask.mask_logits(logits, allowed[:, :1], rows)
    with pytest.raises(ShapeError, match="rows"):
        mask.mask_logits(logits, allowed, rows[:1])
    with pytest.raises(ShapeError, match="side by side"):
        mask.mask_logits(logits.T.contiguous().T, allowed, rows)


# --- arithmetic ---


def value(r: Random) -> Fraction:
    size = 10 ** r.choice((1, 3, 9, 18))
    return Fraction(r.randint(-size, size), r.choice((1, 1, r.randint(1, size))))


@seeded(100, 5_000)
@given(SEEDS)
def test_fractions_are_exact(seed: int) -> None:
    r = Random(seed)
    left, right = value(r), value(r)
    for op, want in (
        (e.PLUS, left + right),
        (e.MINUS, left - right),
        (e.TIMES, left * right),
        (e.OVER, left / right if right else None),
        (e.FLOOR, Fraction(left // right) if right else None),
    ):
        tag, p, q = plain(wide.operate)(
            op, 0, left.numerator, left.denominator, 0, right.numerator, right.denominator
        )
        if want is None:
            assert tag == e.UNDEFINED
        elif abs(want.numerator) > LIMIT or want.denominator > LIMIT:
            assert tag == e.COMPLEX
        else:
            assert (tag, p, q) == (e.VALUE, want.numerator, want.denominator)
    less = plain(wide.less)(
        left.numerator, left.denominator, right.numerator, right.denominator
    )
    assert less == (left < right)


@seeded(100, 5_000)
@given(st.integers(0, 2**120), st.integers(1, 2**120))
def test_wide_numbers_are_divided(top: int, bottom: int) -> None:
    low = e.LOW
    found = plain(wide.divide_wide)(top >> e.WIDE, top & low, bottom >> e.WIDE, bottom & low)
    quotient, rest = divmod(top, bottom)
    assert found == (quotient >> e.WIDE, quotient & low, rest >> e.WIDE, rest & low)


def test_every_beginning_of_a_date() -> None:
    """All beginnings of some years, the odd ones of the calendar among them."""
    found = plain(span_of)
    for year in ("0000", "0001", "0400", "1900", "2000", "2023", "2024", "9999"):
        texts = [year[:count] for count in range(1, 5)]
        texts += [f"{year}{rest:0{size}}" for size in (1, 2) for rest in range(10**size)]
        texts += [
            f"{year}{month:02}{rest:0{size}}"
            for month in (1, 2, 4, 12, 13)
            for size in (1, 2)
            for rest in range(10**size)
        ]
        for text in texts:
            low, high = found(int(text), len(text))
            assert (None if low > high else (low, high)) == days(text), text


# --- Triton ---


@pytest.mark.skipif(not TRITON, reason="triton isn't installed")
def test_the_interpreter_runs_what_the_twins_say() -> None:
    path = os.pathsep.join((str(HERE), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, str(HERE / "interpreted.py")],
        env={**os.environ, "PYTHONPATH": path, "TRITON_INTERPRET": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]


SLOTS = {"S": "*i64", "T": "*i64"}
TOKENS = {"D": "*u8", "P": "*i32"}
KERNELS: list[tuple[Any, dict[str, str], dict[str, int]]] = [
    (
        advance.advance_kernel,
        SLOTS | TOKENS | {"X": "*i32", "until": "*i32"} | dict.fromkeys(
            ("stride", "tokens_stride", "room"), "i32"
        ),
        {},
    ),
    (
        prepare.look_up_kernel,
        SLOTS | {"F": "*i64", "slots": "*i32"} | dict.fromkeys(
            ("stride", "found_stride", "most", "room"), "i32"
        ),
        {},
    ),
    (
        prepare.number_kernel,
        {"F": "*i64", "Q": "*i32", "rows": "i32", "found_stride": "i32", "ROWS": "constexpr"},
        {"ROWS": 256},
    ),
    (
        prepare.combine_kernel,
        {"F": "*i64", "R": "*i32", "B": "*i32", "words": "i32", "found_stride": "i32",
         "BLOCK": "constexpr"},
        {"BLOCK": 1024},
    ),
    (
        prepare.test_kernel,
        SLOTS | TOKENS
        | {"F": "*i64", "N": "*i32", "B": "*i32", "C": "*i64", "Q": "*i32", "slots": "*i32"}
        | dict.fromkeys(("rows", "words", "stride", "found_stride", "room", "walker"), "i32"),
        {},
    ),
    *(
        (
            mask.mask_kernel,
            {"logits": kind, "allowed": "*i32", "rows": "*i32", "width": "i32", "stride": "i32",
             "allowed_stride": "i32", "WORDS": "constexpr"},
            {"WORDS": 128},
        )
        for kind in ("*fp32", "*bf16", "*fp16")
    ),
    (
        mask.kept_kernel,
        {"logits": "*fp32", "allowed": "*i32", "rows": "*i32", "temperature": "*fp32",
         "parts": "*fp32", "width": "i32", "stride": "i32", "allowed_stride": "i32",
         "blocks": "i32", "WORDS": "constexpr"},
        {"WORDS": 128},
    ),
    (
        mask.share_kernel,
        {"parts": "*fp32", "out": "*fp32", "blocks": "i32", "BLOCKS": "constexpr"},
        {"BLOCKS": 32},
    ),
]  # fmt: skip


@pytest.mark.skipif(not TRITON, reason="triton isn't installed")
@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel[0].__name__)
def test_kernels_compile_for_hopper(kernel: tuple[Any, dict[str, str], dict[str, int]]) -> None:
    import triton  # noqa: PLC0415
    from triton.backends.compiler import GPUTarget  # noqa: PLC0415
    from triton.compiler import ASTSource  # noqa: PLC0415

    function, signature, constants = kernel
    scalar = "WORDS" not in signature and "BLOCK" not in signature
    made = triton.compile(
        ASTSource(fn=function, signature=signature, constexprs=constants),
        target=GPUTarget("cuda", 90, 32),
        options={"num_warps": 1 if scalar else 4, "enable_fp_fusion": True},
    )
    assert made.asm["cubin"]
