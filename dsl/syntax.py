"""The syntax tree: what an author wrote, with its place, before any name has a meaning."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rulec.dsl.expressions import (
    Binary,
    Both,
    Call,
    Chain,
    Choices,
    Choose,
    Either,
    Fallback,
    Ident,
    Implies,
    Index,
    Inside,
    Interval,
    Member,
    Name,
    Negated,
    Negative,
    Number,
    Quantified,
    Term,
    Text,
    Truth,
)

if TYPE_CHECKING:
    from rulec.dsl.source import Span

__all__ = [
    "Binary", "Both", "Call", "Chain", "Choices", "Choose", "Count", "Cut", "DateType",
    "DecimalType", "DefType", "Either", "Element", "ExprType", "Fallback", "FormulaType",
    "Group", "Ident", "Implies", "Index", "Inside", "IntType", "Interval", "Literal",
    "Member", "Name", "NamedType", "Negated", "Negative", "Number", "Pattern",
    "PlainType", "Power", "ProseType", "Quantified", "QuantityType", "Quoted", "RefType",
    "RegexText", "Repeat", "Slot", "Term", "Text", "TextType", "Truth", "Type",
    "WordsType",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Quoted:
    """A string, its escapes read; the span covers its quotes as well."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RegexText:
    """The text between the slashes of `/re/`; the span covers the slashes as well."""

    pattern: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Count:
    """`3`, `1..20`, `..5` or `2..`; a bound that is None was not written."""

    low: Number | Ident | None
    high: Number | Ident | None
    span: Span = field(compare=False)


# --- types ---


@dataclass(frozen=True, slots=True)
class NamedType:
    """The name of a type or a shape."""

    name: Ident
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class PlainType:
    """A type that is one word: number percent fraction bool, or `text` without regex."""

    word: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class IntType:
    """`int in low..high grouped`."""

    low: Term | None
    high: Term | None
    grouped: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class DecimalType:
    """`decimal(digits) in low..high grouped`."""

    digits: Count
    low: Term | None
    high: Term | None
    grouped: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class DateType:
    """`date in low..high`."""

    low: Term | None
    high: Term | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class WordsType:
    """`one of ("a" "b")`."""

    words: tuple[Quoted, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TextType:
    """`text /re/`."""

    regex: RegexText
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ProseType:
    """`prose{a..b} without /re/`."""

    length: Count | None
    without: RegexText | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class ExprType:
    """`expr` or `expr(names)`."""

    names: Ident | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Power:
    """A unit in a measure, multiplied (1) or divided by (-1)."""

    unit: Ident
    sign: int


@dataclass(frozen=True, slots=True)
class QuantityType:
    """`quantity(km/h)` or `quantity(km/h, number)`."""

    powers: tuple[Power, ...]
    number: Type | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class DefType:
    """`def(names, /re/, attribute: field)`."""

    names: Ident
    regex: RegexText | None
    attributes: tuple[tuple[Ident, Ident], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class RefType:
    """`ref(table)` or `ref(names, forward)`."""

    table: Ident
    forward: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class FormulaType:
    """`formula(names)`."""

    names: Ident
    span: Span = field(compare=False)


Type: TypeAlias = (
    NamedType
    | PlainType
    | IntType
    | DecimalType
    | DateType
    | WordsType
    | TextType
    | ProseType
    | ExprType
    | QuantityType
    | DefType
    | RefType
    | FormulaType
)


# --- elements ---


@dataclass(frozen=True, slots=True)
class Literal:
    """Text that stands in the trace as it is."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An anonymous regular expression."""

    regex: RegexText
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """`!`."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Slot:
    """`name: Type`, or an unnamed type or shape."""

    name: Ident | None
    type: Type
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Group:
    """`( A | B )`; one option is a plain group."""

    options: tuple[tuple[Element, ...], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`body` with a quantifier: `?`, `*`, `+` or the braces of `count`."""

    body: Element
    sign: str
    count: Count | None
    separator: Quoted | None
    span: Span = field(compare=False)


Element: TypeAlias = Literal | Pattern | Cut | Slot | Group | Repeat
