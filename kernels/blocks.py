"""Words that are copied block by block."""

from __future__ import annotations

from rulec.kernels import encoding as e
from rulec.kernels.dialect import called, jit, tl, twin


@jit
def copy_over(S, source, C, target, size):
    """Copy some words from one memory to another."""
    lane = tl.arange(0, e.BLOCK)
    done = size * 0
    while done < size:
        place = done + lane
        held = tl.load(S + (source + place), mask=place < size)
        tl.store(C + (target + place), held, mask=place < size)
        done = done + e.BLOCK
    tl.debug_barrier()


@twin(copy_over)
def _copy_over(memory, source, other, target, size):
    held, room = (memory + 0)[0], (other + 0)[0]
    room[target : target + size] = held[source : source + size]


@called
def copy(S, source, target, size):
    """Copy some words of a reading, which don't overlap."""
    tl.debug_barrier()
    copy_over(S, source, S, target, size)


@twin(copy)
def _copy(memory, source, target, size):
    _copy_over(memory, source, memory, target, size)
