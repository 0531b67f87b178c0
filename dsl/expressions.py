"""Terms of rules as they are written, and the names in them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from fractions import Fraction

    from rulec.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Ident:
    """A name where it stands."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number."""

    value: Fraction
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Name:
    """A name: a field, a variable, a parameter, a constant, a table."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`."""

    of: Term
    name: Ident
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`of[key]`."""

    of: Term
    key: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """`function(arguments)`."""

    function: Ident
    arguments: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Quantified:
    """`function(variable in source: body)`."""

    function: Ident
    variable: Ident
    source: Term
    body: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Negative:
    """`-term`."""

    term: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Binary:
    """`left op right` over numbers."""

    op: str
    left: Term
    right: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Chain:
    """`first r1 term1 r2 term2 …`."""

    first: Term
    links: tuple[tuple[str, Term], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Interval:
    """`low .. high` after `in`."""

    low: Term
    high: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Choices:
    """`{a, b}` after `in`."""

    options: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Inside:
    """`term in domain` or `term not in domain`."""

    term: Term
    domain: Term | Interval | Choices
    negated: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Negated:
    """`not term`."""

    term: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Both:
    """`a and b and c`."""

    terms: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Either:
    """`a or b or c`."""

    terms: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Implies:
    """`left implies right`."""

    left: Term
    right: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Choose:
    """`if test then yes else no`."""

    test: Term
    yes: Term
    no: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Fallback:
    """`(term else otherwise)`."""

    term: Term
    otherwise: Term
    span: Span = field(compare=False)


Term: TypeAlias = (
    Number
    | Text
    | Truth
    | Name
    | Member
    | Index
    | Call
    | Quantified
    | Negative
    | Binary
    | Chain
    | Inside
    | Negated
    | Both
    | Either
    | Implies
    | Choose
    | Fallback
)
