"""Regular expressions taken one code point at a time.

A *term* is what is left to match: a linked list of repeats, interned so that equal terms
are one integer. Counts stay numbers (`a{3}` leaves `a{2}`), so a large count costs nothing
until somebody walks it.

Source: Antimirov's partial derivatives, with counters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rulec.dsl.regex import Alternate, Chars, Concat, Node, Repetition

if TYPE_CHECKING:
    from rulec.dsl.codepoints import CodePoints

END = 0
Move: TypeAlias = tuple[int, int]
"""Index of a set of code points, and the term that one of them leads to."""


class TooLarge(Exception):
    """An automaton that would not fit the limits."""

    def __init__(self) -> None:
        super().__init__("this needs too many states; use smaller counts or fewer overlaps")


@dataclass(slots=True)
class Budget:
    """Steps that a construction may still take."""

    left: int

    def spend(self, steps: int) -> None:
        """Take `steps` off.

        Raises:
            TooLarge: if there are not so many left.
        """
        self.left -= steps
        if self.left < 0:
            raise TooLarge


class _Flat(NamedTuple):
    """A node over numbered nodes; the only kid of `chars` is the index of its set."""

    kind: Literal["chars", "concat", "alternate", "repetition"]
    kids: tuple[int, ...]
    least: int = 1
    most: int | None = 1


class _Part(NamedTuple):
    """`node{least,most}`, then the term `rest`."""

    node: int
    least: int
    most: int | None
    rest: int


@dataclass(slots=True)
class Terms:
    """The terms that a regular expression leaves, made as they are asked for."""

    budget: Budget
    sets: dict[CodePoints, int] = field(default_factory=dict)
    ends: list[bool] = field(default_factory=lambda: [True])
    """Per term: may the text end here?"""

    _nodes: list[_Flat] = field(default_factory=list)
    _empty: list[bool] = field(default_factory=list)
    _node_of: dict[_Flat, int] = field(default_factory=dict)
    _parts: list[_Part] = field(default_factory=lambda: [_Part(-1, 0, 0, END)])
    _term_of: dict[_Part, int] = field(default_factory=dict)
    _moves: dict[int, tuple[Move, ...]] = field(default_factory=dict)

    def start(self, node: Node) -> int:
        """The term of a whole expression."""
        return self._push(self._number(node), END)

    def moves(self, term: int) -> tuple[Move, ...]:
        """Where one more code point leads."""
        found = self._moves.get(term)
        if found is None:
            moves: dict[Move, None] = {}
            self._walk(term, moves)
            found = self._moves[term] = tuple(moves)
        return found

    def _walk(self, term: int, moves: dict[Move, None]) -> None:
        while term != END:
            part = self._parts[term]
            self._heads(part.node, self._again(part), moves)
            if part.least > 0:
                return
            term = part.rest

    def _heads(self, node: int, after: int, moves: dict[Move, None]) -> None:
        """Add what `node`, followed by the term `after`, may begin with."""
        self.budget.spend(1)
        flat = self._nodes[node]
        match flat.kind:
            case "chars":
                moves[flat.kids[0], after] = None
            case "repetition":
                again = self._again(_Part(flat.kids[0], flat.least, flat.most, after))
                self._heads(flat.kids[0], again, moves)
            case "alternate":
                for kid in flat.kids:
                    self._heads(kid, after, moves)
            case "concat":
                self._concat_heads(flat.kids, after, moves)

    def _concat_heads(self, kids: tuple[int, ...], after: int, moves: dict[Move, None]) -> None:
        tails: list[int] = []
        for kid in reversed(kids):
            tails.append(after)
            after = self._push(kid, after)
        for kid, tail in zip(kids, reversed(tails), strict=True):
            self._heads(kid, tail, moves)
            if not self._empty[kid]:
                return

    def _again(self, part: _Part) -> int:
        """What is left of a repeat once its body has been entered one more time."""
        most = None if part.most is None else part.most - 1
        return self._term(part._replace(least=max(part.least - 1, 0), most=most))

    def _push(self, node: int, rest: int) -> int:
        flat = self._nodes[node]
        if flat.kind == "repetition":
            return self._term(_Part(flat.kids[0], flat.least, flat.most, rest))
        return self._term(_Part(node, 1, 1, rest))

    def _term(self, part: _Part) -> int:
        if part.most == 0:
            return part.rest
        if self._empty[part.node]:
            part = part._replace(least=0)
        term = self._term_of.get(part)
        if term is None:
            self.budget.spend(1)
            term = self._term_of[part] = len(self._parts)
            self._parts.append(part)
            self.ends.append(part.least == 0 and self.ends[part.rest])
        return term

    def _number(self, node: Node) -> int:
        match node:
            case Chars(points):
                index = self.sets.setdefault(points, len(self.sets))
                return self._intern(_Flat("chars", (index,)), empty=False)
            case Concat(parts):
                kids = tuple(map(self._number, parts))
                empty = all(self._empty[kid] for kid in kids)
                return self._intern(_Flat("concat", kids), empty=empty)
            case Alternate(options):
                kids = tuple(map(self._number, options))
                empty = any(self._empty[kid] for kid in kids)
                return self._intern(_Flat("alternate", kids), empty=empty)
            case Repetition(_, _, 0):
                return self._intern(_Flat("concat", ()), empty=True)
            case Repetition(body, least, most):
                kid = self._number(body)
                empty = least == 0 or self._empty[kid]
                flat = _Flat("repetition", (kid,), least, most)
                return self._intern(flat, empty=empty)

    def _intern(self, flat: _Flat, *, empty: bool) -> int:
        found = self._node_of.get(flat)
        if found is None:
            self.budget.spend(1)
            found = self._node_of[flat] = len(self._nodes)
            self._nodes.append(flat)
            self._empty.append(empty)
        return found
