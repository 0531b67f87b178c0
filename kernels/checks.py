"""What kernels ask of their tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from torch import Tensor

FLOATS = (torch.float32, torch.bfloat16, torch.float16)


class ShapeError(ValueError):
    """Tensors whose shapes, types or devices don't fit together."""


def check_mask_logits(logits: Tensor, allowed: Tensor, rows: Tensor) -> None:
    """Raises `ShapeError` where the tensors of a mask don't fit together."""
    if logits.ndim != 2 or logits.dtype not in FLOATS:
        raise ShapeError(f"logits are [rows, vocabulary] floats, not {_said(logits)}")
    if logits.shape[1] > 1 and logits.stride(1) != 1:
        raise ShapeError("the logits of a row lie side by side")
    words = -(-logits.shape[1] // 32)
    if allowed.ndim != 2 or allowed.dtype != torch.int32 or allowed.shape[1] < words:
        raise ShapeError(f"masks are [masks, {words} or more] int32, not {_said(allowed)}")
    if allowed.shape[1] > 1 and allowed.stride(1) != 1:
        raise ShapeError("the words of a mask lie side by side")
    if rows.shape != logits.shape[:1] or rows.dtype != torch.int32:
        raise ShapeError(f"rows are [{logits.shape[0]}] int32, not {_said(rows)}")
    if not logits.device == allowed.device == rows.device:
        raise ShapeError("logits, masks and rows are on one device")


def check_kept(logits: Tensor, temperature: Tensor) -> None:
    """Raises `ShapeError` where temperatures don't fit the logits."""
    if temperature.shape != logits.shape[:1] or temperature.dtype != torch.float32:
        raise ShapeError(
            f"temperatures are [{logits.shape[0]}] float32, not {_said(temperature)}"
        )


def _said(tensor: Tensor) -> str:
    return f"{list(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"
