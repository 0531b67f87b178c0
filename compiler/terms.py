"""Rule terms over registers: what the rules of a ruleset become in the machine.

A register holds an exact value (`Fraction`, `str`, `bool`) or a `Gap`. Nothing here knows
names; every term is data and can be stored in a pack.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from fractions import Fraction
from typing import TYPE_CHECKING, Literal, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.dsl.checked import Arithmetic, Relation

LIMIT = 10**18
"""Numerator and denominator of every reduced intermediate stay within it."""


class Gap(Enum):
    """What stands in place of a value."""

    UNKNOWN = "unknown"  # not written yet
    ABSENT = "absent"  # can no longer be written: rules over it are vacuous
    UNDEFINED = "undefined"  # division by zero
    COMPLEX = "too complex"  # an intermediate left the limit
    PENDING = "pending"  # known as soon as a function of the embedding program is asked


Exact: TypeAlias = Fraction | str | bool
Value: TypeAlias = Exact | Gap | tuple[Exact, ...]
"""What a term can be; a tuple is a list of values."""

Fold: TypeAlias = Literal[
    "sum", "count", "min", "max", "first", "last", "prev", "distinct", "sorted", "all", "any",
    "items", "earlier",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Const:
    """A constant."""

    value: Exact


@dataclass(frozen=True, slots=True)
class Read:
    """The value in a register."""

    register: int


@dataclass(frozen=True, slots=True)
class Folded:
    """A list folded so far: `fold` is an index into the machine's folds."""

    fold: int


@dataclass(frozen=True, slots=True)
class Present:
    """Whether the register holds a value."""

    register: int


@dataclass(frozen=True, slots=True)
class Else:
    """`term`, or `otherwise` where it is absent."""

    term: Term
    otherwise: Term


@dataclass(frozen=True, slots=True)
class Minus:
    """`-term`."""

    term: Term


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right` over numbers."""

    op: Arithmetic
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Rounded:
    """`term` rounded to `digits` fraction digits.

    `mode` is "half" (half away from zero), "even", "floor" or "ceil".
    """

    mode: Literal["half", "even", "floor", "ceil"]
    term: Term
    digits: int


@dataclass(frozen=True, slots=True)
class Absolute:
    """`abs(term)`."""

    term: Term


@dataclass(frozen=True, slots=True)
class Extreme:
    """`min` or `max` of two terms or more."""

    largest: bool
    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Relate:
    """`left relation right`; `~=` has a type of its own."""

    relation: Relation
    left: Term
    right: Term


@dataclass(frozen=True, slots=True)
class Near:
    """`left ~= right`: equal once rounded to the digits that `left` shows.

    `digits` is the register of the digits shown, `least` how many they are at least.
    """

    left: Term
    right: Term
    digits: int
    least: int = 0


@dataclass(frozen=True, slots=True)
class Lookup:
    """A column of the row with a key, in the table that a register holds."""

    table: int
    key: Term
    column: int


@dataclass(frozen=True, slots=True)
class Listed:
    """Whether the table that a register holds has a key."""

    table: int
    key: Term


@dataclass(frozen=True, slots=True)
class Entries:
    """The keys of all rows of the table that a register holds, as they came: a list.

    It is known when the lists with these registers for their phases are closed.
    """

    table: int
    until: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Linked:
    """What a graph says of some names: its truth, or a number.

    It is known when the lists with these registers for their phases are closed.
    """

    function: Literal["acyclic", "rooted", "reaches", "depth", "degree"]
    graph: int
    names: tuple[Term, ...]
    until: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Negated:
    """`not term`."""

    term: Term


@dataclass(frozen=True, slots=True)
class Every:
    """All terms hold, looked at in order only as far as needed."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Some:
    """One of the terms holds, looked at in order only as far as needed."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """`if test then yes else no`."""

    test: Term
    yes: Term
    no: Term


@dataclass(frozen=True, slots=True)
class Listing:
    """A list that is spelled out."""

    terms: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Numbers:
    """The list of the numbers in a text."""

    text: Term


@dataclass(frozen=True, slots=True)
class Operands:
    """The list of the numbers in an expression: `value` reads that, `register` holds them."""

    value: Term
    register: int


@dataclass(frozen=True, slots=True)
class Bound:
    """The item at which the `Each` of this number is."""

    number: int


@dataclass(frozen=True, slots=True)
class Each:
    """`function` of what `body` is for every item of the list `source`."""

    function: Fold
    number: int
    source: Term
    body: Term


@dataclass(frozen=True, slots=True)
class Among:
    """Whether a value is an item of a list."""

    term: Term
    source: Term


@dataclass(frozen=True, slots=True)
class Called:
    """A function of the embedding program, by its name."""

    function: str
    arguments: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Entails:
    """Whether a formula follows from a list of formulas, all of them texts."""

    premises: Term
    claim: Term


Term: TypeAlias = (
    Const
    | Read
    | Folded
    | Present
    | Else
    | Minus
    | Binary
    | Rounded
    | Absolute
    | Extreme
    | Relate
    | Near
    | Lookup
    | Listed
    | Entries
    | Linked
    | Negated
    | Every
    | Some
    | Either
    | Listing
    | Numbers
    | Operands
    | Bound
    | Each
    | Among
    | Called
    | Entails
)

Opaque: TypeAlias = (
    Listing
    | Numbers
    | Operands
    | Bound
    | Each
    | Among
    | Called
    | Entails
    | Lookup
    | Listed
    | Entries
    | Linked
)
"""Terms over lists, tables, graphs and functions, of which only a value tells anything."""


def parts(term: Term) -> tuple[Term, ...]:
    """The terms directly inside."""
    match term:
        case Else(inner, otherwise):
            return (inner, otherwise)
        case Minus(inner) | Rounded(_, inner, _) | Absolute(inner) | Negated(inner):
            return (inner,)
        case Binary(_, left, right) | Relate(_, left, right) | Near(left, right):
            return (left, right)
        case Linked(_, _, names):
            return names
        case Lookup(_, key) | Listed(_, key):
            return (key,)
        case Extreme(_, terms) | Every(terms) | Some(terms):
            return terms
        case Listing(terms) | Called(_, terms):
            return terms
        case Numbers(inner) | Operands(inner):
            return (inner,)
        case Each(_, _, left, right) | Among(left, right) | Entails(left, right):
            return (left, right)
        case Either(test, yes, no):
            return (test, yes, no)
        case _:
            return ()


def rebuilt(term: Term, inner: Sequence[Term]) -> Term:
    """The term with other terms directly inside, in the order of `parts`."""
    match term:
        case Extreme() | Every() | Some():
            return replace(term, terms=tuple(inner))
        case Else():
            return Else(inner[0], inner[1])
        case Either():
            return Either(inner[0], inner[1], inner[2])
        case Minus() | Rounded() | Absolute() | Negated():
            return replace(term, term=inner[0])
        case Linked():
            return replace(term, names=tuple(inner))
        case Lookup() | Listed():
            return replace(term, key=inner[0])
        case Binary() | Relate() | Near():
            return replace(term, left=inner[0], right=inner[1])
        case _:
            return _rebuilt(term, inner)


def _rebuilt(term: Term, inner: Sequence[Term]) -> Term:
    """The same for terms over lists and functions."""
    match term:
        case Listing():
            return Listing(tuple(inner))
        case Called():
            return replace(term, arguments=tuple(inner))
        case Numbers():
            return Numbers(inner[0])
        case Operands():
            return replace(term, value=inner[0])
        case Each():
            return replace(term, source=inner[0], body=inner[1])
        case Among() | Entails():
            return type(term)(inner[0], inner[1])
        case _:
            return term


def registers(term: Term) -> frozenset[int]:
    """The registers that a term reads itself, folds left aside."""
    match term:
        case Read(register) | Present(register) | Lookup(register) | Listed(register):
            own = frozenset({register})
        case Linked(_, held, _, until) | Entries(held, until):
            own = frozenset({held, *until})
        case _:
            own = frozenset()
    return own.union(*(registers(part) for part in parts(term)))


def awaited(term: Term) -> frozenset[int]:
    """The phases of the lists that must be closed before graphs and tables are known."""
    own = frozenset(term.until) if isinstance(term, Linked | Entries) else frozenset()
    return own.union(*map(awaited, parts(term)))


def folds(term: Term) -> frozenset[int]:
    """The folds that a term reads itself."""
    own = frozenset({term.fold}) if isinstance(term, Folded) else frozenset()
    return own.union(*(folds(part) for part in parts(term)))


START: dict[Fold, Exact | Gap | int | tuple[Exact, ...]] = {
    "sum": Fraction(0),
    "count": 0,
    "min": Gap.ABSENT,
    "max": Gap.ABSENT,
    "first": Gap.ABSENT,
    "last": Gap.ABSENT,
    "prev": Gap.ABSENT,
    "distinct": (),
    "sorted": (),
    "all": True,
    "any": False,
    "items": (),
    "earlier": (),
}
"""What a list is folded from."""
