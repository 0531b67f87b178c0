"""Checked rules: names resolved, types known, constants exact.

This is what the checker hands to the compiler. Spans never take part in equality.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias
from typing import Literal as Choose

if TYPE_CHECKING:
    from fractions import Fraction

    from rulec.dsl.regex import Regex
    from rulec.dsl.source import Span

Cardinality: TypeAlias = Choose["one", "optional", "list"]
Arithmetic: TypeAlias = Choose["+", "-", "*", "/", "//", "%"]
Relation: TypeAlias = Choose["==", "!=", "<", "<=", ">", ">=", "~="]
Tier: TypeAlias = Choose["mask", "audit", ""]


# --- types ---


@dataclass(frozen=True, slots=True)
class IntType:
    """`int in low..high`; a bound that is None was not written. `grouped` allows `,`."""

    low: int | None = None
    high: int | None = None
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class DecimalType:
    """`decimal(least..most) in low..high`; `least` and `most` count fraction digits."""

    least: int
    most: int
    low: Fraction | None = None
    high: Fraction | None = None
    grouped: bool = False


@dataclass(frozen=True, slots=True)
class NumberType:
    """`number`; less than `below`, where that is no None."""

    below: int | None = None


@dataclass(frozen=True, slots=True)
class PercentType:
    """`percent`."""


@dataclass(frozen=True, slots=True)
class FractionType:
    """`fraction`."""


@dataclass(frozen=True, slots=True)
class DateType:
    """`date in low..high`; bounds are day numbers (`datetime.date.toordinal`)."""

    low: int | None = None
    high: int | None = None


@dataclass(frozen=True, slots=True)
class BoolType:
    """`bool`."""


@dataclass(frozen=True, slots=True)
class EnumType:
    """`one of ("a" "b")`."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TextType:
    """`text /re/`."""

    regex: Regex


@dataclass(frozen=True, slots=True)
class ProseType:
    """`prose{least..most} without /re/`, lengths in characters; `most` None is no limit."""

    least: int = 0
    most: int | None = None
    without: Regex | None = None


@dataclass(frozen=True, slots=True)
class ExprType:
    """Numeric `expr`, or `expr(names)` over the names of a table."""

    names: str | None = None


@dataclass(frozen=True, slots=True)
class QuantityType:
    """`quantity(km/h, number)`: powers of named units, sorted by name.

    `units` are those in which it can be written, each with what it is in base units; the one
    that the type names is the first.
    """

    powers: tuple[tuple[str, int], ...]
    number: IntType | DecimalType | NumberType
    units: tuple[tuple[str, Fraction], ...]


@dataclass(frozen=True, slots=True)
class DefType:
    """`def(names, /re/, attribute: field)`."""

    names: str
    regex: Regex | None = None
    attributes: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class RefType:
    """`ref(table)` or `ref(names, forward)`."""

    table: str
    forward: bool = False


@dataclass(frozen=True, slots=True)
class FormulaType:
    """`formula(names)`."""

    names: str


ScalarType: TypeAlias = (
    IntType
    | DecimalType
    | NumberType
    | PercentType
    | FractionType
    | DateType
    | BoolType
    | EnumType
    | TextType
    | ProseType
    | ExprType
    | QuantityType
    | DefType
    | RefType
    | FormulaType
)


@dataclass(frozen=True, slots=True)
class ShapeType:
    """The trace of another shape, by name."""

    shape: str


Type: TypeAlias = ScalarType | ShapeType


# --- elements ---


@dataclass(frozen=True, slots=True)
class Literal:
    """The text itself (escapes already read)."""

    text: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Pattern:
    """An anonymous regular expression."""

    regex: Regex
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Cut:
    """`!` in a watch: from here on the rest is owed."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Slot:
    """`name: Type`, or an unnamed `Type` (`name` is None), or an unnamed shape.

    A `quoted` value stands within a JSON string, with the escapes that it needs there.
    """

    name: str | None
    type: Type
    span: Span = field(compare=False)
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Sequence:
    """One part after the other; empty is allowed.

    Where there is a `separator`, it stands between any two parts that are written, and behind
    it what `spacing` matches; parts may be optional then.
    """

    parts: tuple[Element, ...]
    span: Span = field(compare=False)
    separator: str = ""
    spacing: Pattern | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """`( A | B )`, two options or more."""

    options: tuple[Sequence, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Optional:
    """`x?`."""

    body: Element
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Repeat:
    """`x*`, `x+`, `x{low..high sep "…"}`; `high` None is no limit.

    Behind each separator stands what `spacing` matches.
    """

    body: Element
    low: int
    high: int | None
    separator: str
    span: Span = field(compare=False)
    spacing: Pattern | None = None


Element: TypeAlias = Literal | Pattern | Cut | Slot | Sequence | Choice | Optional | Repeat


# --- terms ---


@dataclass(frozen=True, slots=True)
class Number:
    """An exact constant; a `const` is folded into it, a date literal is its day number."""

    value: Fraction
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Text:
    """A string constant."""

    value: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Truth:
    """`true` or `false`."""

    value: bool
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A `param` or an `input` of the request."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Variable:
    """A name bound by the nearest `Comprehension` that binds it: one item of its list."""

    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class This:
    """The record of the shape (or watch) in which the rule stands."""

    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Previous:
    """The item before `of` (`This` or a `Variable`) in its list; absent for the first."""

    of: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Member:
    """`of.name`; of a list it is the list of that member, nested lists flattened."""

    of: Term
    name: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Index:
    """`table[key]`, a row of a table."""

    table: str
    key: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Default:
    """`(term else otherwise)`."""

    term: Term
    otherwise: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Negate:
    """`-term`."""

    term: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Compute:
    """`left op right` over numbers."""

    op: Arithmetic
    left: Term
    right: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Call:
    """A built-in or external function over its arguments.

    Numbers: abs floor ceil round round_even (the last two with the digits as second
    argument), min and max over two arguments or more. Lists (one argument of kind list):
    sum count min max first last distinct sorted. Others: present defined typeof unitof
    numbers operands earlier entails, the graph predicates, and `external` names.
    """

    function: str
    arguments: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Comprehension:
    """`function(variable in source: body)` for all any sum min max count."""

    function: str
    variable: str
    source: Term
    body: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Compare:
    """`left relation right`; a chained comparison is an `And` of these."""

    relation: Relation
    left: Term
    right: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Within:
    """`term in low..high`, both ends included."""

    term: Term
    low: Term
    high: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class OneOf:
    """`term in {a, b}`; `not in` is a `Not` around it."""

    term: Term
    options: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class InList:
    """`term in source`, a list or a table."""

    term: Term
    source: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Not:
    """`not term`."""

    term: Term
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class And:
    """All of them, looking only as far as it must."""

    terms: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of them, looking only as far as it must; `a implies b` is `not a or b`."""

    terms: tuple[Term, ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class If:
    """`if test then yes else no`."""

    test: Term
    yes: Term
    no: Term
    span: Span = field(compare=False)


Term: TypeAlias = (
    Number
    | Text
    | Truth
    | Parameter
    | Variable
    | This
    | Previous
    | Member
    | Index
    | Default
    | Negate
    | Compute
    | Call
    | Comprehension
    | Compare
    | Within
    | OneOf
    | InList
    | Not
    | And
    | Or
    | If
)


# --- items of a ruleset ---


@dataclass(frozen=True, slots=True)
class Rule:
    """`tier rule name: condition because reason`."""

    name: str
    tier: Tier
    condition: Term
    because: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class FieldInfo:
    """One field of a shape: its type, and how often it can stand there."""

    type: Type
    cardinality: Cardinality
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Shape:
    """A shape, a JSON shape or a watch's body.

    `depth` is how often it may stand inside itself.
    """

    name: str
    body: Sequence
    fields: dict[str, FieldInfo]
    rules: tuple[Rule, ...]
    depth: int
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Watch:
    """A shape recognised in prose: in all of it, or in one field (`within`)."""

    shape: Shape
    within: tuple[str, str] | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Param:
    """`param name: type = default`; `default` None must come with the request."""

    name: str
    type: ScalarType
    default: Fraction | str | bool | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Column:
    """A column of an input table."""

    name: str
    type: ScalarType
    key: bool


@dataclass(frozen=True, slots=True)
class Input:
    """`input name: table {…}` (columns) or `input name: type`."""

    name: str
    columns: tuple[Column, ...]
    type: ScalarType | None
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Names:
    """`names name in scope { attribute: type }`; `open`: any identifier is one of them.

    They live in the shape `scope`, or as long as the trace where that is empty.
    """

    name: str
    attributes: tuple[Column, ...]
    span: Span = field(compare=False)
    open: bool = False
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Graph:
    """`graph name = Shape.node -> Shape.edges`."""

    name: str
    shape: str
    node: str
    edges: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Operator:
    """One signature of `operators`; `left` is None for a unary operator.

    Without `op` the word `right` is a literal itself.
    """

    left: str | None
    op: str
    right: str
    result: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Unit:
    """`unit km = 1000 m`: `factor` times the product of the powers; a base unit has none."""

    name: str
    factor: Fraction
    powers: tuple[tuple[str, int], ...]
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class External:
    """`external name(types) -> type`."""

    name: str
    arguments: tuple[ScalarType, ...]
    result: ScalarType
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Sample:
    """`accept` or `reject [by rule] [with {…}] "trace"`.

    `inputs` holds str, bool, Fraction, list and dict.
    """

    accept: bool
    by: str | None
    inputs: dict[str, object]
    trace: str
    span: Span = field(compare=False)


@dataclass(frozen=True, slots=True)
class Ruleset:
    """A whole checked ruleset; every mapping keeps the order of the file."""

    name: str
    version: str
    params: dict[str, Param]
    inputs: dict[str, Input]
    names: dict[str, Names]
    graphs: dict[str, Graph]
    operators: tuple[Operator, ...]
    units: dict[str, Unit]
    externals: dict[str, External]
    shapes: dict[str, Shape]
    watches: tuple[Watch, ...]
    trace: Element
    samples: tuple[Sample, ...]
    span: Span = field(compare=False)
