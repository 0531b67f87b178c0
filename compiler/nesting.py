"""Room for shapes that nest deeply: each part of a shape is laid by a call inside another."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

DEEPEST_CALLS = 20_000
"""Calls within one another; shapes nest at most 70 deep, and brackets in them 100."""


@contextmanager
def deep_calls() -> Iterator[None]:
    """More calls within one another than Python allows by itself."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, DEEPEST_CALLS))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
