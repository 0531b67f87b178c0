"""What can be written over names: the shortest text of each type, and of what completes one.

Operators bind as they do in rules, the loosest at level 0; an operand stands at level 8. Types
are numbers. What is needed to complete a text is known for each level: by how many bytes, if
the operand at that level has one type or another.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Grammar, Signature

DEPTH = 4
"""Parentheses that may be open at once."""

OPERAND = 8
"""The level of names, literals and parentheses."""

LEVELS: dict[str, int] = {
    "implies": 0, "or": 1, "and": 2,
    "==": 4, "!=": 4, "<": 4, "<=": 4, ">": 4, ">=": 4, "~=": 4,
    "+": 5, "-": 5, "*": 6, "/": 6, "//": 6, "%": 6,
}  # fmt: skip
"""How tightly operators between two operands bind."""

PREFIXES: dict[str, int] = {"not": 3, "-": 7}
"""The same of those before one."""

COMPARING = 4
"""The level of which one operator may stand side by side with no other."""

FAR = 1 << 40
"""More bytes than anything takes: that of what can't be written."""

MOST_BARE = 6
"""Types without a literal that a table of names may have."""

MOST_TYPES = 32
"""Types of a grammar."""

Shortest: TypeAlias = "tuple[bytes | None, ...]"
"""The shortest text of each type, if there is one."""

Costs: TypeAlias = tuple[int, ...]
"""The fewest bytes behind something, for each type that it may have."""


class Waiting(NamedTuple):
    """An operator that waits for what follows; `left` is -1 where nothing stands before it."""

    op: str
    left: int

    @property
    def level(self) -> int:
        """How tightly it binds."""
        return PREFIXES[self.op] if self.left == -1 else LEVELS[self.op]


class Inside(NamedTuple):
    """One depth of parentheses: what completes all, by its type, and the operators in it."""

    goal: Costs
    waiting: tuple[Waiting, ...] = ()

    @property
    def level(self) -> int:
        """The level of what stands behind the last operator."""
        if not self.waiting:
            return 0
        last = self.waiting[-1]
        return last.level if last.left == -1 else last.level + 1


def spelled(op: str, *, prefix: bool = False) -> bytes:
    """An operator with the spaces that it must have."""
    if not op.isalpha():
        return op.encode()
    return f"{op} ".encode() if prefix else f" {op} ".encode()


class Derivations:
    """What a grammar derives where there are certain names, by the shortest of each type."""

    def __init__(self, grammar: Grammar, names: Shortest) -> None:
        self.grammar = grammar
        self._names = names
        self._hash = hash((grammar, names))
        self._results = {(s.op, s.left, s.right): s.result for s in grammar.signatures}
        self._at: dict[tuple[int, bool], list[Signature]] = {}
        for one in grammar.signatures:
            levels = PREFIXES if one.left == -1 else LEVELS
            self._at.setdefault((levels[one.op], one.left == -1), []).append(one)
        atoms = [_shorter(pair) for pair in zip(names, literals(grammar), strict=True)]
        self._least: list[tuple[Shortest, ...]] = []
        for depth in range(DEPTH + 1):
            inner = self._least[depth - 1][0] if depth else (None,) * len(atoms)
            closed = [None if text is None else b"(" + text + b")" for text in inner]
            pairs = zip(atoms, closed, strict=True)
            self._least.append(tuple(self._levels([_shorter(pair) for pair in pairs])))
        self._wanted: dict[tuple[Inside, int], tuple[Costs, ...]] = {}

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Derivations):
            return self is other
        return (self.grammar, self._names) == (other.grammar, other._names)

    def __hash__(self) -> int:
        return self._hash

    def result(self, op: str, left: int, right: int) -> int:
        """The type of an operator's result; -1 where it has none."""
        return self._results.get((op, left, right), -1)

    def shortest(self, level: int, left: int = DEPTH) -> Shortest:
        """The shortest text of each type at a level, with so many parentheses left."""
        return self._least[left][level]

    # --- the shortest texts ---

    def _levels(self, operands: list[bytes | None]) -> Iterator[Shortest]:
        """The shortest texts, from the loosest level to the tightest."""
        found = [tuple(operands)]
        for level in range(OPERAND - 1, -1, -1):
            found.append(self._level(level, found[-1]))
        return reversed(found)

    def _level(self, level: int, operands: Shortest) -> Shortest:
        held = list(operands)
        infix, prefix = self._at.get((level, False), []), self._at.get((level, True), [])
        changed = True
        while changed:
            changed = False
            for one in infix:
                left = operands if level == COMPARING else held
                changed |= _shortened(held, one.result, _joined(one, left, operands))
            for one in prefix:
                changed |= _shortened(held, one.result, _joined(one, held, held))
        return tuple(held)

    # --- what completes a text ---

    def wanted(self, inside: Inside, left: int) -> tuple[Costs, ...]:
        """What completes a text behind an operand of each level, with parentheses left."""
        known = self._wanted.get((inside, left))
        if known is None:
            known = self._wanted[inside, left] = tuple(self._completing(inside, left))
        return known

    def _completing(self, inside: Inside, left: int) -> Iterator[Costs]:
        costs = inside.goal
        yield costs
        for level in range(OPERAND):
            there = [held for held in inside.waiting if held.level == level]
            if level != COMPARING or not there:
                costs = self.around(level, costs, left)
            for held in there:
                rights = range(len(costs))
                results = [self.result(held.op, held.left, right) for right in rights]
                costs = tuple(FAR if to < 0 else costs[to] for to in results)
            yield costs

    def around(self, level: int, costs: Costs, left: int) -> Costs:
        """What completes a text behind the left side of the operators of a level."""
        least = self._least[left][level + 1]
        found = list(costs)
        changed = True
        while changed:
            changed = False
            for one in self._at.get((level, False), []):
                text = least[one.right]
                before = costs if level == COMPARING else found
                if text is None or before[one.result] >= FAR:
                    continue
                cost = len(spelled(one.op)) + len(text) + before[one.result]
                if cost < found[one.left]:
                    found[one.left] = cost
                    changed = True
        return tuple(found)

    def rest(self, inside: Inside, left: int) -> int:
        """The fewest bytes where an operand is awaited; `FAR` where there are none."""
        level, wanted = inside.level, self.wanted(inside, left)
        prefixed = bool(inside.waiting) and inside.waiting[-1].left == -1
        costs = wanted[level + prefixed]  # what waits at this level itself is behind it
        pairs = zip(self._least[left][level], costs, strict=True)
        return min((len(t) + c for t, c in pairs if t is not None and c < FAR), default=FAR)

    def before(self, inside: Inside, held: int, op: str) -> Inside | None:
        """The depth behind one more operator; None where it can't stand there.

        `held` is the type of the operand before it, -1 where it has none.
        """
        level = LEVELS[op]
        waiting = inside.waiting
        while waiting and waiting[-1].level >= level:
            if waiting[-1].level == level == COMPARING:
                return None
            held = self._applied(waiting[-1], held)
            waiting = waiting[:-1]
        return inside._replace(waiting=(*waiting, Waiting(op, held if held >= 0 else NONE)))

    def whole(self, inside: Inside, held: int) -> int:
        """The type of all that stands in a depth, -1 where it has none."""
        for waiting in reversed(inside.waiting):
            held = self._applied(waiting, held)
        return held

    def _applied(self, waiting: Waiting, right: int) -> int:
        return self.result(waiting.op, waiting.left, right)


NONE = -2
"""The type of the left side of an operator where it has none."""


def _shorter(texts: Iterable[bytes | None]) -> bytes | None:
    return min((t for t in texts if t is not None), key=len, default=None)


def _shortened(held: list[bytes | None], place: int, text: bytes | None) -> bool:
    before = held[place]
    if text is None or (before is not None and len(before) <= len(text)):
        return False
    held[place] = text
    return True


def _joined(
    one: Signature, left: list[bytes | None] | Shortest, right: list[bytes | None] | Shortest
) -> bytes | None:
    first = b"" if one.left == -1 else left[one.left]
    last = right[one.right]
    if first is None or last is None:
        return None
    return first + spelled(one.op, prefix=one.left == -1) + last


def literals(grammar: Grammar) -> Shortest:
    """The shortest literal of each type."""
    found: list[bytes | None] = [None] * len(grammar.types)
    plain = ((b"1", grammar.whole), (b".5", grammar.fraction), (b'""', grammar.text))
    for text, place in (*((w.encode(), n) for w, n in grammar.words), *plain):
        if place >= 0:
            _shortened(found, place, text)
    return tuple(found)


# --- what is inhabited, whatever names there are ---


class Demand(NamedTuple):
    """The types of which there must be names so that a type has a text."""

    type: int
    names: tuple[int, ...]


@lru_cache(64)
def demands(grammar: Grammar) -> tuple[Demand, ...]:
    """For each type that has texts at all the least sets of types that must have names."""
    bare = [n for n, text in enumerate(literals(grammar)) if text is None]
    found: list[Demand] = []
    for size in range(len(bare) + 1):
        for names in combinations(bare, size):
            texts = _with(grammar, names, 1).shortest(0)
            for place, text in enumerate(texts):
                told = (d.names for d in found if d.type == place)
                if text is not None and not any(set(own) <= set(names) for own in told):
                    found.append(Demand(place, names))
    return tuple(sorted(found))


@lru_cache(64)
def longest(grammar: Grammar, name: int, *, every: bool) -> int:
    """Bytes that the shortest text has at most, if names have so many.

    That of any type, or with `every` that of the type for which it is longest.
    """
    found = 0
    for made in _cases(grammar, name):
        lengths = [len(text) for text in made.shortest(0) if text is not None]
        found = max(found, (max if every else min)(lengths, default=0))
    return found


@lru_cache(64)
def farthest(grammar: Grammar, name: int) -> int:
    """Bytes that complete a text at most, wherever it stands; names have so many bytes."""
    return name + max(map(_farthest, _cases(grammar, name)))


def _cases(grammar: Grammar, name: int) -> Iterator[Derivations]:
    """The names that there may be, as far as types without literals go."""
    bare = [n for n, text in enumerate(literals(grammar)) if text is None]
    sets = (names for size in range(len(bare) + 1) for names in combinations(bare, size))
    return (_with(grammar, names, name) for names in sets)


def _with(grammar: Grammar, names: Iterable[int], length: int) -> Derivations:
    there = set(names)
    texts = (b"x" * length if n in there else None for n in range(len(grammar.types)))
    return Derivations(grammar, tuple(texts))


def _most(made: Derivations, levels: Iterable[int], depths: Iterable[int]) -> int:
    texts = (t for depth in depths for level in levels for t in made.shortest(level, depth))
    return max((len(text) for text in texts if text is not None), default=0)


def _farthest(made: Derivations) -> int:
    """In each parenthesis every level may still need to come to another type."""
    each, depths = 0, range(DEPTH + 1)
    count = len(made.grammar.types)
    for goal in range(count):
        costs = tuple(0 if n == goal else FAR for n in range(count))
        found = (made.around(n, costs, left) for n in range(OPERAND) for left in depths)
        each = max(each, *(cost for near in found for cost in near if cost < FAR))
    operand = _most(made, range(OPERAND + 1), depths)
    return (DEPTH + 1) * (OPERAND * each + 1) + operand + len(" implies ")
