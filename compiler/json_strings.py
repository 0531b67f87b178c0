"""JSON strings that must not hold a pattern, however their characters are escaped."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.compiler.automata import LIMIT, search_dfa, utf8_dfa
from rulec.compiler.derivatives import TooLarge
from rulec.compiler.graph import byte_set
from rulec.compiler.machine import Pending
from rulec.compiler.ops import Count, Enough, Reset
from rulec.compiler.utf8 import DEAD

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from rulec.compiler.automata import Dfa
    from rulec.compiler.graph import Graph
    from rulec.dsl.checked import ProseType
    from rulec.dsl.regex import Regex

_SHORT = dict(zip(b'"\\/bfnrt', b'"\\/\b\f\n\r\t', strict=True))
_DIGITS = tuple(f"{n:x}{n:X}".encode() for n in range(16))
_PLANE = 1 << 16
_HIGH, _LOW, _HALF = 0xD800, 0xDC00, 0x400


class Strings(NamedTuple):
    """The control of what stands between quotes: `whole` states are between characters."""

    rows: tuple[tuple[int, ...], ...]
    whole: frozenset[int]


@cache
def strings_without(pattern: Regex) -> Strings:
    """The strings whose text doesn't hold the pattern. Raises `TooLarge`."""
    return _Strings(search_dfa(pattern)).lay()


def endless(pattern: Regex) -> bool:
    """Whether every text without the pattern can go on for ever without it."""
    rows, whole = strings_without(pattern)
    ways = [set(row) - {DEAD} for row in rows]
    lasting = set(range(len(rows)))
    while True:
        left = {state for state in lasting if ways[state] & lasting}
        if left == lasting:
            return whole <= lasting
        lasting = left


class Laid(NamedTuple):
    """A string in a graph: its entry, its first character, and the nodes between characters."""

    head: int
    first: int
    tails: tuple[int, ...]


def lay_string(
    graph: Graph, strings: Strings, type_: ProseType, register: int, target: int
) -> Laid:
    """The nodes of a string, its characters counted as a repeat's items are."""
    rows, whole = strings
    outer = graph.pending
    if type_.least > 1:
        graph.pending = (*outer, Pending(register, type_.least, 0))
    nodes = [graph.node() for _ in rows]
    tails = {state: graph.node() for state in sorted(whole)}
    graph.pending = outer
    for node, row in zip(nodes, rows, strict=True):
        for after in sorted(set(row) - {DEAD}):
            values = byte_set(byte for byte, state in enumerate(row) if state == after)
            graph.edge(node, values, (), tails.get(after, nodes[after]))
    count, enough = Count(register, type_.most), Enough(register, type_.least)
    for state, node in tails.items():
        graph.exit(node, (enough,) if type_.least > 1 else (), target)
        graph.exit(node, (count,), nodes[state])
    head = graph.node()
    graph.exit(head, (Reset((register,)), count), nodes[0])
    if type_.least == 0:
        graph.exit(head, (), target)
    return Laid(head, nodes[0], tuple(tails.values()))


class _Strings:
    """A state stands within a character, between two, or within an escape."""

    def __init__(self, barred: Dfa) -> None:
        self._utf8 = utf8_dfa()
        self._dead = len(barred.transitions)
        table = np.array([*barred.transitions, (DEAD,) * 256], np.int64)
        table[np.isin(table, [DEAD, *barred.accepting])] = self._dead
        self._table = table
        self._rows: list[list[int]] = []
        self._numbers: dict[tuple[int, int], int] = {}
        self._hexes: dict[tuple[int, ...], int] = {}

    def lay(self) -> Strings:
        """All states that are come to."""
        self._at(0, 0)
        queue = list(self._numbers)
        for key in queue:  # grows while it is gone through
            self._connect(*key)
            queue += list(self._numbers)[len(queue) :]
        whole = frozenset(n for (inner, _), n in self._numbers.items() if inner == 0)
        return Strings(tuple(map(tuple, self._rows)), whole)

    def _new(self) -> int:
        if len(self._rows) >= LIMIT:
            raise TooLarge
        self._rows.append([DEAD] * 256)
        return len(self._rows) - 1

    def _at(self, inner: int, state: int) -> int:
        """The state within a character (between two where `inner` is 0), by the pattern's."""
        if state == self._dead:
            return DEAD
        if (inner, state) not in self._numbers:
            self._numbers[inner, state] = self._new()
        return self._numbers[inner, state]

    def _connect(self, inner: int, state: int) -> None:
        row = self._rows[self._numbers[inner, state]]
        for byte, after in enumerate(self._utf8.transitions[inner]):
            if after != DEAD and byte >= 0x20 and byte not in b'"\\':
                row[byte] = self._at(after, int(self._table[state, byte]))
        if inner == 0:
            row[ord("\\")] = self._escape(state)

    def _escape(self, state: int) -> int:
        made = self._new()
        for letter, byte in _SHORT.items():
            self._rows[made][letter] = self._at(0, int(self._table[state, byte]))
        points = np.arange(_PLANE)
        leaves = self._behind(state, points)
        leaves[_HIGH : _HIGH + _HALF] = self._halves(state)
        leaves[_LOW : _LOW + _HALF] = DEAD
        self._rows[made][ord("u")] = self._hex(leaves)
        return made

    def _halves(self, state: int) -> NDArray[np.int64]:
        """The states behind the first halves of characters, which need the second."""
        points = _PLANE + np.arange(_HALF * _HALF)
        after = self._behind(state, points).reshape(_HALF, _HALF)
        kinds, which = np.unique(after, axis=0, return_inverse=True)
        made: list[int] = []
        for kind in kinds:
            leaves = np.full(_PLANE, DEAD)
            leaves[_LOW : _LOW + _HALF] = kind
            slash, letter = self._new(), self._new()
            self._rows[slash][ord("\\")] = letter
            self._rows[letter][ord("u")] = self._hex(leaves)
            made.append(slash)
        return np.array(made)[which.ravel()]

    def _behind(self, state: int, points: NDArray[np.int64]) -> NDArray[np.int64]:
        """The states between characters behind each of some code points."""
        after = np.empty(len(points), np.int64)
        ends = (0, 0x80, 0x800, 0x10000, 0x110000)
        for more, (low, high) in enumerate(pairwise(ends)):
            chosen = (points >= low) & (points < high)
            held = points[chosen]
            lead = (0, 0xC0, 0xE0, 0xF0)[more] | held >> 6 * more
            reached = self._table[state, lead]
            for place in reversed(range(more)):
                reached = self._table[reached, 0x80 | held >> 6 * place & 0x3F]
            after[chosen] = reached
        kinds, which = np.unique(after, return_inverse=True)
        return np.array([self._at(0, int(kind)) for kind in kinds])[which.ravel()]

    def _hex(self, leaves: NDArray[np.int64]) -> int:
        """The state before four hexadecimal digits that lead to the leaves."""
        while len(leaves) > 1:
            kinds, which = np.unique(leaves.reshape(-1, 16), axis=0, return_inverse=True)
            leaves = np.array([self._digit(kind.tolist()) for kind in kinds])[which.ravel()]
        return int(leaves[0])

    def _digit(self, behind: Sequence[int]) -> int:
        key = tuple(behind)
        if set(key) == {DEAD}:
            return DEAD
        if key not in self._hexes:
            self._hexes[key] = self._new()
            for digits, after in zip(_DIGITS, key, strict=True):
                for digit in digits:
                    self._rows[self._hexes[key]][digit] = after
        return self._hexes[key]
