"""Which row of the vocabulary belongs to where a reading stands."""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl


@jit
def mixed(value):
    """A number below 2^31 spread over 62 bits."""
    once = (value + 1) * 2654435761 & e.LOW
    folded = (once >> 23) & e.LOW_HALF
    return (folded * 2246822519 & e.LOW) ^ (once & e.LOW_HALF)


@called
def key_of(S, pool, width, own, live):
    """The key of a reading and of the watches that look on; where the next reading stands."""
    node = tl.load(S + (pool + own * width + e.NODE))
    key = mixed(node)
    at = own + 1
    inside = at < live
    while inside:
        sub = pool + at * width
        watch = tl.load(S + (sub + e.WATCH))
        inside = watch != 0
        if inside:
            key = (key + mixed((watch << 20) + tl.load(S + (sub + e.NODE)))) & e.LOW
            at = at + 1
            inside = at < live
    return key, at


@called
def row_of(T, rows, key, node):
    """Where the row with a key stands in the table at `T + rows`; 0 for none."""
    mask = tl.load(T + rows)
    place = key & mask
    found = rows * 0
    looking = rows > 0
    while looking:
        entry = rows + 1 + place * e.ROW_SIZE
        held = tl.load(T + entry)
        same = (held == key) & (tl.load(T + (entry + e.ROW_NODE)) == node)
        found = tl.where(same, entry, found)
        looking = (held >= 0) & (same == 0)
        place = (place + 1) & mask
    return found
