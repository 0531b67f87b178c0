"""Bytes that broke a rule, and must not be written again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rulec.compiler.fit import Words
    from rulec.runtime.host import Host


@dataclass(frozen=True, slots=True)
class Bar:
    """Bytes that must not be written again from byte `start` of the trace on."""

    start: int
    text: bytes


class Bars:
    """The bars of one sequence."""

    def __init__(self, held: Iterable[Bar] = ()) -> None:
        self.held = tuple(held)

    def __bool__(self) -> bool:
        return bool(self.held)

    def __iter__(self) -> Iterator[Bar]:
        return iter(self.held)

    def put(self, bar: Bar) -> Bars:
        """These and another one, without those that lie behind it."""
        return Bars((*(held for held in self.held if held.start <= bar.start), bar))

    def refuse(self, written: bytes, text: bytes = b"") -> bool:
        """Whether `text` behind what is written completes what is barred.

        Without a text, whether what is written holds it already.
        """
        if not text:
            return any(written.startswith(bar.text, bar.start) for bar in self.held)
        return any(rest and text.startswith(rest) for rest in self._rests(written))

    def clear(self, out: Words, written: bytes, host: Host, ends: Sequence[int]) -> None:
        """Take the tokens out of a mask that would complete a barred text."""
        for rest in self._rests(written):
            for token in host.beginning_with(rest) if rest else ends:
                out[token >> 5] &= ~np.uint32(1 << (token & 31))

    def _rests(self, written: bytes) -> list[bytes]:
        """What would complete a barred text from here; empty where it stands already."""
        return [
            bar.text[len(written) - bar.start :]
            for bar in self.held
            if bar.start <= len(written) and bar.text.startswith(written[bar.start :])
        ]


NO_BARS = Bars()
