"""Ways into the parts of a trace, and what decides how a part is laid."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import numbers
from rulec.compiler.automata import Dfa
from rulec.compiler.graph import byte_set
from rulec.compiler.kinds import DIGITS
from rulec.compiler.regions import contains
from rulec.compiler.trailing import NOTHING, Trailing
from rulec.dsl import checked
from rulec.dsl.regex import Chars, Repetition

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.graph import Graph
    from rulec.compiler.machine import Field
    from rulec.dsl.regex import Regex


class Entry:
    """The way into a part of the trace, laid when first asked for.

    What has just been written decides what may follow: there is a node for each `Trailing`.
    """

    def __init__(self, graph: Graph, lay: Callable[[Trailing], int]) -> None:
        self._graph = graph
        self._lay = lay
        self._pending = graph.pending
        self._nodes: dict[Trailing, int] = {}

    def __call__(self, after: Trailing = NOTHING) -> int:
        """The node at which the part begins behind `after`."""
        if after not in self._nodes:
            outer, self._graph.pending = self._graph.pending, self._pending
            self._nodes[after] = self._lay(after)
            self._graph.pending = outer
        return self._nodes[after]

    def promise(self, after: Trailing) -> int:
        """A node that stands for the entry while it is being laid."""
        self._nodes[after] = self._graph.node()
        return self._nodes[after]


FEW = 16
"""Bytes of a run that are states rather than counted."""

_SPACES = {ord(" "): 1, ord("%"): 2}
PERCENT_SIGN = Dfa(
    (
        tuple(_SPACES.get(byte, -1) for byte in range(256)),
        tuple(2 if byte == ord("%") else -1 for byte in range(256)),
        (-1,) * 256,
    ),
    frozenset({2}),
)


class Run(NamedTuple):
    """A pattern of up to `most` bytes out of a set."""

    values: int
    most: int


def run_of(regex: Regex) -> Run | None:
    """The run that a pattern is, where counting its bytes spares states."""
    match regex.node:
        case Repetition(Chars(points), 0, most) if most and most > FEW and points[-1][1] < 128:
            values = (byte for low, high in points for byte in range(low, high + 1))
            return Run(byte_set(values), most)
        case _:
            return None


def has_cut(element: checked.Element) -> bool:
    """Whether a cut stands somewhere in the element."""
    match element:
        case checked.Cut():
            return True
        case checked.Sequence(inner) | checked.Choice(inner):
            return any(map(has_cut, inner))
        case checked.Optional(body) | checked.Repeat(body):
            return has_cut(body)
        case _:
            return False


def has_looped_cut(element: checked.Element) -> bool:
    """Whether a cut stands in a repeat."""
    match element:
        case checked.Sequence(inner) | checked.Choice(inner):
            return any(map(has_looped_cut, inner))
        case checked.Optional(body):
            return has_looped_cut(body)
        case checked.Repeat(body):
            return has_cut(body)
        case _:
            return False


def once(laid: Callable[[], int]) -> Callable[[Trailing], int]:
    """An entry that doesn't care what stands before it."""
    held: list[int] = []

    def lay(_: Trailing) -> int:
        if not held:
            held.append(laid())
        return held[0]

    return lay


def spelling_of(type_: checked.ScalarType, spec: Field) -> numbers.Spelling:
    """What the text of a numeric field may have."""
    low = spec.domain[0].low if spec.domain else None
    match type_:
        case checked.NumberType() | checked.PercentType():
            return numbers.Spelling(True, True, True, True, True)
        case checked.DecimalType(least, most, grouped=grouped):
            negative = low is None or low < 0
            return numbers.Spelling(negative, most > 0, grouped, False, least == 0)
        case checked.IntType(grouped=grouped):
            return numbers.Spelling(low is None or low < 0, False, grouped, False, True)
        case _:
            return numbers.Spelling(True, False, False, False, True)


def longest_number(field: Field) -> int:
    """Bytes of the longest number that a field can hold, grouping left aside."""
    ends = [end for piece in field.domain for end in (piece.low, piece.high)]
    if None in ends or not ends:
        return numbers.LONGEST
    sign = any(end < 0 for end in ends if end is not None)
    whole = max(len(str(int(abs(end) * 10**field.shift))) for end in ends if end is not None)
    digits = min(whole + field.most, len(str(DIGITS)) + 1) if field.most else whole
    return sign + digits + bool(field.most)


def shortest_number(field: Field) -> int:
    """Bytes of the shortest number that a field can hold."""
    decimals = field.least + 1 if field.least else 0
    lengths = [
        len(str(int(abs(end) * 10**field.shift))) + (end < 0)
        for piece in field.domain
        for end in (piece.low, piece.high)
        if end is not None
    ]
    zero = any(contains(field.domain, Fraction(small)) for small in range(10))
    return decimals + (1 if zero or not lengths else min(lengths))


def reachable_words(dfa: Dfa, words: dict[int, int]) -> list[tuple[int, ...]]:
    """The words that can still come, for each state of a trie."""
    found: list[set[int]] = [set() for _ in dfa.transitions]
    changed = True
    while changed:
        changed = False
        for state, row in enumerate(dfa.transitions):
            new = {words[state]} if state in words else set()
            new = new.union(*(found[after] for after in row if after >= 0))
            changed = changed or new != found[state]
            found[state] = new
    return [tuple(sorted(reached)) for reached in found]
