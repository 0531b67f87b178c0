"""Where kernels come from: Triton, or plain Python where it isn't installed.

The programs of a slot are scalar, so that one source serves both. `plain` makes of a function
that Triton would compile one that Python runs over buffers of integers: the same steps, with
every sum checked against 64 bits by the buffer that takes it.
"""

from __future__ import annotations

import os
from importlib.util import find_spec
from types import FunctionType, SimpleNamespace
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TRITON", "Buffer", "called", "jit", "launched", "plain", "tl", "twin"]

TRITON = find_spec("triton") is not None
"""Whether kernels can be compiled here."""

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
"""Whether Triton's interpreter runs kernels, on any memory."""

if TRITON:
    import triton
    import triton.language as tl

    def jit(function: Callable[..., Any]) -> Any:
        """A function that is inlined where it is called."""
        return triton.jit(function)

    def called(function: Callable[..., Any]) -> Any:
        """A function that is called, for it would be too long in every place."""
        return triton.jit(function, noinline=True)

else:

    class _Source:
        """A function that waits for Triton."""

        def __init__(self, function: Callable[..., Any]) -> None:
            self.fn = function

    tl = SimpleNamespace(constexpr=int)

    def jit(function: Callable[..., Any]) -> Any:
        """A function that is inlined where it is called."""
        return _Source(function)

    called = jit


def launched(tensor: Any) -> bool:
    """Whether Triton runs what works on a tensor; else its twin does."""
    return TRITON and (INTERPRETED or tensor.is_cuda)


class Buffer:
    """A buffer of integers that is read and written by `buffer + index`."""

    __slots__ = ("held",)

    def __init__(self, held: Any) -> None:
        self.held = held

    def __add__(self, index: int) -> tuple[Any, int]:
        return self.held, index


class _Language:
    """The few words of Triton's language that scalar programs use."""

    int64 = int

    @staticmethod
    def load(place: tuple[Any, int]) -> int:
        held, index = place
        return held[index]  # type: ignore[no-any-return]

    @staticmethod
    def store(place: tuple[Any, int], value: int) -> None:
        held, index = place
        held[index] = int(value)

    @staticmethod
    def full(_shape: tuple[()], value: int, _type: type) -> int:
        return value

    @staticmethod
    def where(test: bool, yes: int, no: int) -> int:
        return yes if test else no

    @staticmethod
    def minimum(one: int, other: int) -> int:
        return min(one, other)

    @staticmethod
    def maximum(one: int, other: int) -> int:
        return max(one, other)


_PLAIN: dict[int, Callable[..., Any]] = {}


def twin(source: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Names what Python runs in place of a function that works on blocks."""

    def named(function: Callable[..., Any]) -> Callable[..., Any]:
        _PLAIN[id(source)] = function
        return function

    return named


def plain(source: Any) -> Any:
    """The function that Python runs, for one that `jit` or `called` made."""
    known = _PLAIN.get(id(source))
    if known is not None:
        return known
    function = source.fn
    scope = dict(function.__globals__)
    made = FunctionType(function.__code__, scope, function.__name__)
    _PLAIN[id(source)] = made
    for name in function.__code__.co_names:
        held = scope.get(name)
        if hasattr(held, "fn"):
            scope[name] = plain(held)
    scope["tl"] = _Language
    return made
