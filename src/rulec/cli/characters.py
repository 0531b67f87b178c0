"""Bytes and characters that may come next, in a few words."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from rulec.dsl.findings import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.runtime.explain import Reading

PRINTABLE = frozenset(range(0x20, 0x7F))
USUAL = frozenset(b"\t\n\r")
MOST_RUNS = 12


def quoted(text: bytes | str) -> str:
    """A text in backticks, control characters spelled out."""
    shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
    return f"`{one_line(shown)}`"


def told(reading: Reading, longest: int) -> str:
    """What may come next in a reading."""
    if not reading.next:
        return "only the end" if reading.ends else ""
    if reading.forced:
        shown = reading.forced.decode("utf-8", "replace")
        more = "…" if len(shown) > longest else ""
        return f"only {quoted(shown[:longest] + more)}"
    parts = list(_ascii(frozenset(byte for byte in reading.next if byte < 0x80)))
    beyond = [char for char in reading.characters if ord(char) >= 0x80]
    parts += [quoted(char) for char in beyond]
    if not beyond and any(byte >= 0xC2 for byte in reading.next):
        parts.append("characters beyond ASCII")
    if any(0x80 <= byte < 0xC0 for byte in reading.next):
        parts.append("the rest of a character")
    return ", ".join(parts) + (", or the end" if reading.ends else "")


def _ascii(values: frozenset[int]) -> Iterator[str]:
    """Characters of ASCII: what they are, or what they are not."""
    left_out = list(_spelled(PRINTABLE - values))
    if len(values & PRINTABLE) > len(PRINTABLE) // 2 and len(left_out) <= MOST_RUNS:
        yield "any character" + (f" but {' '.join(left_out)}" if left_out else "")
        return
    spelled = list(_spelled(values & PRINTABLE))
    yield from spelled[:MOST_RUNS]
    if len(spelled) > MOST_RUNS:
        yield f"{len(spelled) - MOST_RUNS} more"
    controls = values - PRINTABLE
    if len(controls) > len(USUAL):
        yield "control characters"
    else:
        yield from _spelled(controls)


def _spelled(values: Iterable[int]) -> Iterator[str]:
    for low, high in _runs(sorted(values)):
        if high - low > 1:
            yield f"{quoted(chr(low))} to {quoted(chr(high))}"
        else:
            yield from (quoted(chr(value)) for value in range(low, high + 1))


def _runs(values: Iterable[int]) -> Iterator[tuple[int, int]]:
    """Neighbours as ranges: those of digits, of letters, and single characters."""
    held = list(values)
    breaks = [
        index
        for index, (one, other) in enumerate(pairwise(held), 1)
        if other != one + 1 or not chr(one).isalnum() or not chr(other).isalnum()
    ]
    for start, end in pairwise([0, *breaks, len(held)]):
        if start < end:
            yield held[start], held[end - 1]
