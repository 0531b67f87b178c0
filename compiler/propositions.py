"""Formulas as traces spell them: what they say, and what follows from them.

`not` binds tighter than `and`, that tighter than `or`, that tighter than `implies`, which
associates to the right.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache, reduce
from typing import TYPE_CHECKING, TypeAlias

from typing_extensions import assert_never

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MOST_ATOMS = 16
"""Names whose truths are tabulated; beyond, the solver is asked."""

LONGEST = 4_096
"""Characters of formulas that are looked at with every byte of the last of them."""

DEEPEST = 100
"""Parentheses in one another."""

WORDS = ("and", "or", "not", "implies")

_TOKEN = re.compile(r"\s*(?:([()])|([^\W\d]\w*))")


@dataclass(frozen=True, slots=True)
class Name:
    """A proposition that is true or false by itself."""

    text: str


@dataclass(frozen=True, slots=True)
class Denied:
    """`not term`."""

    term: Proposition


@dataclass(frozen=True, slots=True)
class Both:
    """`a and b and …`."""

    terms: tuple[Proposition, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`a or b or …`."""

    terms: tuple[Proposition, ...]


@dataclass(frozen=True, slots=True)
class Implied:
    """`a implies (b implies …)`."""

    terms: tuple[Proposition, ...]


Proposition: TypeAlias = Name | Denied | Both | Either | Implied


class NoFormula(Exception):
    """A text that is no formula."""


# --- reading ---


@lru_cache(1_024)
def parse(text: str) -> Proposition:
    """What a formula says. Raises `NoFormula`."""
    reader = _Reader(tuple(_tokens(text)))
    found = reader.implied(0)
    if reader.ahead:
        raise NoFormula(f"`{reader.ahead}` can't stand there")
    return found


def _tokens(text: str) -> Iterator[str]:
    at, end = 0, len(text.rstrip())
    while at < end:
        token = _TOKEN.match(text, at)
        if token is None:
            raise NoFormula(f"`{text[at:].strip()[:1]}` has no meaning")
        yield token[1] or token[2]
        at = token.end()


class _Reader:
    """Reads tokens, one behind the other."""

    def __init__(self, tokens: Sequence[str]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def ahead(self) -> str:
        """The token that comes next; empty at the end."""
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _taken(self, word: str) -> bool:
        if self.ahead != word:
            return False
        self._at += 1
        return True

    def implied(self, depth: int) -> Proposition:
        """A whole formula."""
        terms = [self._either(depth)]
        while self._taken("implies"):
            terms.append(self._either(depth))
        return terms[0] if len(terms) == 1 else Implied(tuple(terms))

    def _either(self, depth: int) -> Proposition:
        terms = [self._both(depth)]
        while self._taken("or"):
            terms.append(self._both(depth))
        return terms[0] if len(terms) == 1 else Either(tuple(terms))

    def _both(self, depth: int) -> Proposition:
        terms = [self._unit(depth)]
        while self._taken("and"):
            terms.append(self._unit(depth))
        return terms[0] if len(terms) == 1 else Both(tuple(terms))

    def _unit(self, depth: int) -> Proposition:
        odd = False
        while self._taken("not"):
            odd = not odd
        inner = self._atom(depth)
        return Denied(inner) if odd else inner

    def _atom(self, depth: int) -> Proposition:
        if self._taken("("):
            if depth == DEEPEST:
                raise NoFormula(f"more than {DEEPEST} parentheses are open")
            inner = self.implied(depth + 1)
            if not self._taken(")"):
                raise NoFormula("`)` is missing")
            return inner
        name = self.ahead
        if not name or name in (*WORDS, ")"):
            raise NoFormula(f"a name is missing before {f'`{name}`' if name else 'the end'}")
        self._at += 1
        return Name(name)


# --- what follows ---


def atoms(terms: Iterable[Proposition]) -> tuple[str, ...]:
    """The names in formulas, in the order in which they come."""
    found: dict[str, None] = {}
    queue = [*terms][::-1]
    while queue:
        term = queue.pop()
        match term:
            case Name(text):
                found[text] = None
            case Denied(inner):
                queue.append(inner)
            case Both(inner) | Either(inner) | Implied(inner):
                queue.extend(reversed(inner))
            case _:
                assert_never(term)
    return tuple(found)


def small(premises: Sequence[str], claim: str) -> bool:
    """Whether formulas are so short, and their names so few, that tables tell. May raise."""
    if sum(map(len, premises)) + len(claim) > LONGEST:
        return False
    return len(atoms(map(parse, (*premises, claim)))) <= MOST_ATOMS


@lru_cache(1_024)
def entails(premises: tuple[str, ...], claim: str) -> bool:
    """Whether a formula holds wherever all the premises do; they have few names.

    Each truth table is one integer: bit *n* is the truth where name *k* has the truth of bit
    *k* of *n*. From premises that exclude each other everything follows.
    """
    return counterexample(premises, claim) is None


def counterexample(premises: tuple[str, ...], claim: str) -> dict[str, bool] | None:
    """The truths of the names where the premises hold and the claim doesn't."""
    said, wanted = [parse(text) for text in premises], parse(claim)
    names = atoms((*said, wanted))
    rows = 1 << len(names)
    whole = (1 << rows) - 1
    columns = {name: _column(place, rows) for place, name in enumerate(names)}
    left = reduce(lambda held, term: held & _table(term, columns, whole), said, whole)
    left &= ~_table(wanted, columns, whole)
    if not left:
        return None
    first = (left & -left).bit_length() - 1
    return {name: bool(first >> place & 1) for place, name in enumerate(names)}


def holds(term: Proposition, truths: Mapping[str, bool]) -> bool:
    """Whether a formula is true where its names are so."""
    return bool(_table(term, {name: int(truth) for name, truth in truths.items()}, 1))


def _column(place: int, rows: int) -> int:
    """The truths of a name: so many zeros, so many ones, again and again."""
    run = 1 << place
    block = ((1 << run) - 1) << run
    width = 2 * run
    while width < rows:
        block |= block << width
        width *= 2
    return block


def _table(term: Proposition, columns: Mapping[str, int], whole: int) -> int:
    match term:
        case Name(text):
            return columns[text]
        case Denied(inner):
            return whole ^ _table(inner, columns, whole)
        case Both(inner):
            return reduce(lambda a, b: a & b, (_table(part, columns, whole) for part in inner))
        case Either(inner):
            return reduce(lambda a, b: a | b, (_table(part, columns, whole) for part in inner))
        case Implied(inner):
            *given, last = (_table(part, columns, whole) for part in inner)
            return reduce(lambda held, part: held | whole ^ part, reversed(given), last)
        case _:
            assert_never(term)
