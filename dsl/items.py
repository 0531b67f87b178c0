"""The items of a file: what stands at the top level of a `.rules` file."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rulec.dsl.syntax import Count, Element, Ident, Number, Power, Quoted, Term, Type

if TYPE_CHECKING:
    from rulec.dsl.source import Source, Span


@dataclass(frozen=True, slots=True)
class Header:
    """`ruleset name "version"`."""

    name: Ident
    version: Quoted
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Use:
    """`use "file.rules"`."""

    path: Quoted
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class TypeDef:
    """`type Name = type`."""

    name: Ident
    type: Type
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Const:
    """`const name: type = value`."""

    name: Ident
    type: Type | None
    value: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Param:
    """`param name: type = default`."""

    name: Ident
    type: Type
    default: Term | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """`key name: type` in a table, `name: type` in `names`."""

    name: Ident
    type: Type
    key: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Input:
    """`input name: table { … }` or `input name: type`."""

    name: Ident
    type: Type | tuple[Column, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Names:
    """`names name { attribute: type }`, or `names name open`: any identifier is one of them.

    With `in Shape` they live in that shape.
    """

    name: Ident
    attributes: tuple[Column, ...]
    span: Span = field(compare=False)
    open: bool = False
    scope: Ident | None = None


@dataclass(frozen=True, slots=True)
class Graph:
    """`graph name = Shape.node -> Shape.edges`."""

    name: Ident
    node: tuple[Ident, Ident]
    edges: tuple[Ident, Ident]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Signature:
    """`left op right -> result`; `left` is None for a unary operator.

    Without `op` the word `right` is a literal itself.
    """

    left: Ident | None
    op: str
    right: Ident
    result: Ident
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Operators:
    """`operators { … }`."""

    signatures: tuple[Signature, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unit:
    """`unit name = factor powers`; a base unit has no powers."""

    name: Ident
    factor: Number | None
    powers: tuple[Power, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class External:
    """`external name(types) -> type`."""

    name: Ident
    arguments: tuple[Type, ...]
    result: Type
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Rule:
    """`tier rule name: condition because "reason"`."""

    tier: str
    name: Ident
    condition: Term
    because: Quoted | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """`shape Name up to n { elements rules }`."""

    name: Ident
    depth: Number | None
    body: tuple[Element, ...]
    rules: tuple[Rule, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """`watch Name in place { elements rules }`; `within` None is all prose."""

    name: Ident
    within: tuple[Ident, Ident] | None
    body: tuple[Element, ...]
    rules: tuple[Rule, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class JsonMember:
    """`name?: type` or `name: [type]{1..50}`."""

    name: Ident
    optional: bool
    type: Type
    listing: bool
    count: Count | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Json:
    """`json compact Name up to n { members rules }`."""

    name: Ident
    compact: bool
    depth: Number | None
    members: tuple[JsonMember, ...]
    rules: tuple[Rule, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Trace:
    """`trace element`."""

    element: Element
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Array:
    """`[a, b]` in a sample."""

    values: tuple[Value, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Object:
    """`{ a: 1 }` in a sample."""

    entries: tuple[tuple[Ident, Value], ...]
    span: Span = field(compare=False)


Value: TypeAlias = Term | Array | Object


@dataclass(frozen=True, slots=True)
class Sample:
    """`accept` or `reject by rule`, `with { … }`, and a trace."""

    accept: bool
    by: Ident | None
    inputs: Object | None
    trace: Quoted
    span: Span = field(compare=False)


Item: TypeAlias = (
    Header
    | Use
    | TypeDef
    | Const
    | Param
    | Input
    | Names
    | Graph
    | Operators
    | Unit
    | External
    | Shape
    | Json
    | Watch
    | Trace
    | Sample
)


@dataclass(frozen=True, slots=True)
class File:
    """The items of one source.

    `broken` names those that could not be read, so that nobody is told that they are
    missing.
    """

    source: Source
    items: tuple[Item, ...]
    broken: frozenset[str] = frozenset()
