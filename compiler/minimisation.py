"""The smallest automaton of a language."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray


def merge_states(
    table: NDArray[np.int32], accepting: Iterable[int]
) -> tuple[NDArray[np.int32], frozenset[int]]:
    """Merge states with the same future and number them breadth first from state 0.

    Args:
        table: `[states, 256]` targets, -1 for none; every state must be able to accept.
        accepting: the states in which a text may end.

    Returns:
        The table and the accepting states of the smallest automaton; equal languages give
        equal results.

    Source: Hopcroft's partition refinement, over the distinct columns of the table.
    """
    columns, column_of = np.unique(table, axis=1, return_inverse=True)
    final = frozenset(accepting)
    block_of = _refine(columns, final)
    chosen = np.zeros(max(block_of) + 1, dtype=np.int64)
    chosen[block_of] = np.arange(len(block_of))
    merged = np.append(np.asarray(block_of), -1)[columns[chosen]]
    order = _breadth_first(merged, block_of[0])
    place = np.full(len(chosen) + 1, -1, dtype=np.int32)
    place[order] = np.arange(len(order), dtype=np.int32)
    small = place[merged[order]][:, column_of.reshape(-1)]
    ends = {block_of[state] for state in final}
    return small, frozenset(index for index, block in enumerate(order) if block in ends)


def _refine(columns: NDArray[np.int32], final: frozenset[int]) -> list[int]:
    """The block of each state in the coarsest partition that respects moves and ends."""
    states = range(len(columns))
    blocks = [group for group in (set(final), set(states) - final) if group]
    block_of = [0] * len(columns)
    for state in blocks[-1]:
        block_of[state] = len(blocks) - 1
    sources = _sources(columns)
    pending = set(range(len(blocks)))
    while pending:
        by_column: dict[int, list[int]] = defaultdict(list)
        for state in blocks[pending.pop()]:
            for source, column in sources[state]:
                by_column[column].append(source)
        for hits in by_column.values():
            pending.update(_split(hits, blocks, block_of))
    return block_of


def _split(hits: list[int], blocks: list[set[int]], block_of: list[int]) -> list[int]:
    """Divide each block into what was hit and what was not; returns the new blocks."""
    touched: dict[int, set[int]] = defaultdict(set)
    for state in hits:
        touched[block_of[state]].add(state)
    first = len(blocks)
    for block, inside in touched.items():
        whole = blocks[block]
        if len(inside) == len(whole):
            continue
        smaller = inside if 2 * len(inside) <= len(whole) else whole - inside
        whole -= smaller
        for state in smaller:
            block_of[state] = len(blocks)
        blocks.append(smaller)
    return list(range(first, len(blocks)))


def _sources(columns: NDArray[np.int32]) -> list[list[tuple[int, int]]]:
    """Per state, the (state, column) pairs that lead to it."""
    found: list[list[tuple[int, int]]] = [[] for _ in range(len(columns))]
    for source, row in enumerate(columns.tolist()):
        for column, target in enumerate(row):
            if target >= 0:
                found[target].append((source, column))
    return found


def _breadth_first(table: NDArray[np.int64], start: int) -> list[int]:
    order = [start]
    seen = {start}
    queue = deque(order)
    while queue:
        for target in table[queue.popleft()].tolist():
            if target >= 0 and target not in seen:
                seen.add(target)
                order.append(target)
                queue.append(target)
    return order
