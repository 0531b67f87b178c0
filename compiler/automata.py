"""Deterministic automata over bytes."""

from __future__ import annotations

import sys
import unicodedata
from collections import defaultdict
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from rulec.compiler.derivatives import Budget, Terms, TooLarge
from rulec.compiler.minimisation import merge_states
from rulec.compiler.utf8 import DEAD, Edges, Unfolding
from rulec.dsl.codepoints import CodePoints, complement, normal
from rulec.dsl.regex import Chars, Regex, Repetition

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LIMIT = 20_000
_STEPS_PER_STATE = 200


@dataclass(frozen=True, slots=True)
class Dfa:
    """An automaton that starts in state 0; every state is reached and can accept.

    `transitions[state][byte]` is the next state, or -1.
    """

    transitions: tuple[tuple[int, ...], ...]
    accepting: frozenset[int]

    def accepts(self, text: bytes) -> bool:
        """Does the whole text match?"""
        state = 0
        for byte in text:
            state = self.transitions[state][byte]
            if state == DEAD:
                return False
        return state in self.accepting


def one_length(dfa: Dfa) -> bool:
    """Whether all texts have the same number of bytes behind each state."""
    lengths: dict[int, int] = {}
    for state in _backwards(dfa):
        after = {lengths[other] for other in _after(dfa, state) if other in lengths}
        if len(after) + (state in dfa.accepting) != 1:
            return False
        lengths[state] = 1 + min(after, default=-1)
    return len(lengths) == len(dfa.transitions)


def rooms(dfa: Dfa, most: int) -> tuple[int, ...]:
    """How many texts can follow each state, counted up to `most`; all have one length."""
    found = [0] * len(dfa.transitions)
    for state in _backwards(dfa):
        ways = sum(found[other] for other in dfa.transitions[state] if other != DEAD)
        found[state] = min(most, ways + (state in dfa.accepting))
    return tuple(found)


def bounded(dfa: Dfa, most: int) -> Dfa:
    """The texts of at most so many bytes."""
    if (length := longest(dfa)) is not None and length <= most:
        return dfa
    numbers: dict[tuple[int, int], int] = {(0, 0): 0}
    queue = [(0, 0)]
    rows: list[tuple[int, ...]] = []
    for state, length in queue:  # grows while it is gone through
        row = [DEAD] * 256
        for byte, other in enumerate(dfa.transitions[state] if length < most else ()):
            if other == DEAD:
                continue
            key = other, length + 1
            if key not in numbers:
                numbers[key] = len(queue)
                queue.append(key)
            row[byte] = numbers[key]
        rows.append(tuple(row))
    ends = frozenset(numbers[key] for key in queue if key[0] in dfa.accepting)
    return _living(Dfa(tuple(rows), ends))


def without(dfa: Dfa, words: Sequence[bytes]) -> Dfa:
    """The texts that are none of some words."""
    barred, ends = literals_dfa(words)
    numbers = {(0, 0): 0}
    queue = [(0, 0)]
    rows: list[tuple[int, ...]] = []
    for state, inside in queue:  # grows while it is gone through
        row = [DEAD] * 256
        for byte, other in enumerate(dfa.transitions[state]):
            if other == DEAD:
                continue
            key = other, DEAD if inside == DEAD else barred.transitions[inside][byte]
            if key not in numbers:
                numbers[key] = len(queue)
                queue.append(key)
            row[byte] = numbers[key]
        rows.append(tuple(row))
    kept = (key for key in queue if key[0] in dfa.accepting and key[1] not in ends)
    return _living(Dfa(tuple(rows), frozenset(numbers[key] for key in kept)))


def _living(dfa: Dfa) -> Dfa:
    """The automaton without states from which no text ends."""
    into: dict[int, set[int]] = defaultdict(set)
    for state, row in enumerate(dfa.transitions):
        for other in set(row) - {DEAD}:
            into[other].add(state)
    alive = set(dfa.accepting)
    queue = list(alive)
    while queue:
        fresh = into[queue.pop()] - alive
        alive |= fresh
        queue.extend(fresh)
    order = [state for state in range(len(dfa.transitions)) if state in alive or state == 0]
    place = {state: number for number, state in enumerate(order)}
    rows = tuple(
        tuple(place[o] if o in alive else DEAD for o in dfa.transitions[state])
        for state in order
    )
    return Dfa(rows, frozenset(place[state] for state in dfa.accepting))


def _after(dfa: Dfa, state: int) -> set[int]:
    return {other for other in dfa.transitions[state] if other != DEAD}


def _backwards(dfa: Dfa) -> list[int]:
    """The states behind which there is no circle, each behind those that follow it."""
    waiting = {state: len(_after(dfa, state)) for state in range(len(dfa.transitions))}
    before: dict[int, list[int]] = defaultdict(list)
    for state in waiting:
        for other in _after(dfa, state):
            before[other].append(state)
    order = [state for state, count in waiting.items() if not count]
    for state in order:  # grows while it is gone through
        for other in before[state]:
            waiting[other] -= 1
            if not waiting[other]:
                order.append(other)
    return order


def regex_dfa(regex: Regex, limit: int = LIMIT) -> Dfa:
    """The smallest automaton of the UTF-8 texts that `regex` matches as a whole.

    Raises:
        TooLarge: if it, or the way to it, needs more than about `limit` states.
    """
    return _build(regex, limit, anywhere=False)


def search_dfa(regex: Regex, limit: int = LIMIT) -> Dfa:
    """The smallest automaton of the UTF-8 texts that end with a match of `regex`.

    It never dies on UTF-8 and is in an accepting state exactly when some match, started
    anywhere, ends here.

    Raises:
        TooLarge: if it, or the way to it, needs more than about `limit` states.
    """
    return _build(regex, limit, anywhere=True)


def utf8_dfa(exclude: Iterable[int] = ()) -> Dfa:
    """The automaton of well-formed UTF-8 without the code points in `exclude`."""
    allowed = complement(normal((point, point) for point in exclude))
    return regex_dfa(Regex(Repetition(Chars(allowed), 0, None)))


@cache
def foreign_digits() -> frozenset[int]:
    """The decimal digits (Unicode Nd) beyond ASCII."""
    points = range(128, sys.maxunicode + 1)
    return frozenset(point for point in points if unicodedata.category(chr(point)) == "Nd")


def literals_dfa(words: Sequence[bytes], limit: int = LIMIT) -> tuple[Dfa, dict[int, int]]:
    """The trie of `words`, and which word (the first of equals) each accepting state ends.

    Raises:
        TooLarge: if the trie has more than `limit` states.
    """
    rows = [[DEAD] * 256]
    word_at: dict[int, int] = {}
    for index, word in enumerate(words):
        state = 0
        for byte in word:
            if rows[state][byte] == DEAD:
                if len(rows) >= limit:
                    raise TooLarge
                rows[state][byte] = len(rows)
                rows.append([DEAD] * 256)
            state = rows[state][byte]
        word_at.setdefault(state, index)
    return Dfa(tuple(map(tuple, rows)), frozenset(word_at)), word_at


def shortest(dfa: Dfa) -> int | None:
    """Bytes of the shortest text, None if there is no text at all."""
    level, seen = {0}, {0}
    length = 0
    while level:
        if level & dfa.accepting:
            return length
        level = {target for state in level for target in set(dfa.transitions[state])}
        level -= seen | {DEAD}
        seen |= level
        length += 1
    return None


def longest(dfa: Dfa) -> int | None:
    """Bytes of the longest text, None if there is no longest."""
    targets = [set(row) - {DEAD} for row in dfa.transitions]
    entries = [0] * len(targets)
    for out in targets:
        for target in out:
            entries[target] += 1
    reach = [0] * len(targets)
    ready = [state for state, count in enumerate(entries) if count == 0]
    for state in ready:
        for target in targets[state]:
            reach[target] = max(reach[target], reach[state] + 1)
            entries[target] -= 1
            if entries[target] == 0:
                ready.append(target)
    return None if len(ready) < len(targets) else max(reach)


def _build(regex: Regex, limit: int, *, anywhere: bool) -> Dfa:
    budget = Budget(limit * _STEPS_PER_STATE)
    terms = Terms(budget)
    start = terms.start(regex.node)
    subsets = _Subsets(terms, start if anywhere else None, limit)
    states = subsets.explore(frozenset({start}))
    unfolding = Unfolding([[DEAD] * 256 for _ in states])
    for state, edges in enumerate(states):
        budget.spend(len(edges))
        unfolding.fill(state, edges)
        if len(unfolding.rows) > 2 * limit:
            raise TooLarge
    table = np.array(unfolding.rows, dtype=np.int32)
    table, accepting = merge_states(table, subsets.accepting())
    if len(table) > limit:
        raise TooLarge
    return Dfa(tuple(map(tuple, table.tolist())), accepting)


class _Subsets:
    """Sets of terms as states, over code points."""

    def __init__(self, terms: Terms, again: int | None, limit: int) -> None:
        self.terms = terms
        self.always: frozenset[int] = frozenset() if again is None else frozenset({again})
        self.limit = limit
        self.numbers: dict[frozenset[int], int] = {}
        self.segments, self.members = _segments(tuple(terms.sets), terms.budget)

    def explore(self, start: frozenset[int]) -> list[Edges]:
        """The edges of each state, numbered from `start`."""
        self.numbers = {start: 0}
        queue = [start]
        # `_edges` appends the states that it meets.
        return [self._edges(state, queue) for state in queue]

    def accepting(self) -> list[int]:
        """The states whose text may end."""
        ends = self.terms.ends
        return [n for state, n in self.numbers.items() if any(ends[term] for term in state)]

    def _edges(self, state: frozenset[int], queue: list[frozenset[int]]) -> Edges:
        found: dict[int, set[int]] = defaultdict(set)
        for term in state:
            for chars, target in self.terms.moves(term):
                self.terms.budget.spend(len(self.members[chars]))
                for segment in self.members[chars]:
                    found[segment].add(target)
        if self.always:
            self.terms.budget.spend(len(self.segments))
            for segment in range(len(self.segments)):
                found[segment] |= self.always
        return _joined(
            (*self.segments[segment], self._number(frozenset(found[segment]), queue))
            for segment in sorted(found)
        )

    def _number(self, state: frozenset[int], queue: list[frozenset[int]]) -> int:
        number = self.numbers.get(state)
        if number is None:
            number = self.numbers[state] = len(queue)
            queue.append(state)
            if len(queue) > self.limit:
                raise TooLarge
        return number


def _segments(
    sets: Sequence[CodePoints], budget: Budget
) -> tuple[list[tuple[int, int]], list[list[int]]]:
    """The pieces into which `sets` cut all code points, and those within each set."""
    edges = {edge for points in (*sets, complement(())) for edge in points}
    starts = sorted({low for low, _ in edges} | {high + 1 for _, high in edges})
    pieces = [(low, after - 1) for low, after in pairwise(starts)]
    segments = [piece for piece in pieces if normal([piece])]
    place = {low: index for index, (low, _) in enumerate(segments)}
    last = {high: index for index, (_, high) in enumerate(segments)}
    members: list[list[int]] = []
    for points in sets:
        inside = [n for low, high in points for n in range(place[low], last[high] + 1)]
        budget.spend(len(inside))
        members.append(inside)
    return segments, members


def _joined(edges: Iterable[tuple[int, int, int]]) -> Edges:
    joined: list[tuple[int, int, int]] = []
    for low, high, target in edges:
        if joined and joined[-1][2] == target and joined[-1][1] + 1 == low:
            joined[-1] = (joined[-1][0], high, target)
        else:
            joined.append((low, high, target))
    return tuple(joined)
