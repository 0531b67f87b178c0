"""What a term stands for: the kinds of values that rules speak of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from typing_extensions import assert_never

from rulec.dsl import checked as c

Powers: TypeAlias = tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Num:
    """An exact number, with the powers of its base units."""

    powers: Powers = ()


@dataclass(frozen=True, slots=True)
class Day:
    """A date."""


@dataclass(frozen=True, slots=True)
class Bool:
    """True or false."""


@dataclass(frozen=True, slots=True)
class Str:
    """Any string."""


@dataclass(frozen=True, slots=True)
class Word:
    """One of a few words."""

    words: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a table, or a name with its attributes."""

    table: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table or a set of names as a whole."""

    name: str


@dataclass(frozen=True, slots=True)
class Typed:
    """The value of an expression over names."""

    names: str


@dataclass(frozen=True, slots=True)
class Proposition:
    """A formula over names."""

    names: str


@dataclass(frozen=True, slots=True)
class Record:
    """The trace of a shape: a value for each field."""

    shape: str


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list; lists of lists are flattened."""

    item: Kind


@dataclass(frozen=True, slots=True)
class Unknown:
    """What an earlier error has left without a kind; it agrees with everything."""


Kind: TypeAlias = (
    Num
    | Day
    | Bool
    | Str
    | Word
    | Row
    | Table
    | Typed
    | Proposition
    | Record
    | ListOf
    | Unknown
)


def kind_of(type_: c.Type | None, dimension: Powers = ()) -> Kind:
    """The kind of a field of this type; `dimension` is that of a quantity."""
    if simple := _SIMPLE.get(type(type_)):
        return simple
    match type_:
        case None:
            return Unknown()
        case c.EnumType(words):
            return Word(words)
        case c.ShapeType(shape):
            return Record(shape)
        case _:
            return _number_or_name(type_, dimension)


def _number_or_name(type_: c.Type, dimension: Powers) -> Kind:
    match type_:
        case c.DefType(names):
            return Row(names)
        case c.RefType(table):
            return Row(table)
        case c.FormulaType(names):
            return Proposition(names)
        case c.ExprType(names):
            return Num() if names is None else Typed(names)
        case c.QuantityType():
            return Num(dimension)
        case _:
            return Num()


_SIMPLE: dict[type, Kind] = {
    c.TextType: Str(),
    c.ProseType: Str(),
    c.DateType: Day(),
    c.BoolType: Bool(),
}


def describe(kind: Kind) -> str:
    """The kind in the author's words."""
    match kind:
        case Num(powers):
            return f"a number in {show_powers(powers)}" if powers else "a number"
        case Row(table):
            return f"a row of `{table}`"
        case Table(name):
            return f"the table `{name}`"
        case Record(shape):
            return f"a `{shape}`"
        case ListOf(item):
            return f"a list of {_plural(item)}"
        case _:
            return _PLAIN[type(kind)]


_PLAIN: dict[type, str] = {
    Day: "a date",
    Bool: "a condition",
    Str: "a string",
    Word: "a word",
    Typed: "an expression",
    Proposition: "a formula",
    Unknown: "something unknown",
}


def _plural(kind: Kind) -> str:
    match kind:
        case Record(shape):
            return f"`{shape}`"
        case Row(table):
            return f"rows of `{table}`"
        case Num() | Day() | Bool() | Str() | Word() | Typed() | Proposition():
            return describe(kind).removeprefix("a ").removeprefix("an ") + "s"
        case Table() | ListOf() | Unknown():
            return describe(kind)
        case _:
            assert_never(kind)


def show_powers(powers: Powers) -> str:
    """`m/s` and the like."""
    above = [unit for unit, power in powers for _ in range(power)]
    below = [unit for unit, power in powers for _ in range(-power)]
    return "/".join(("*".join(above) or "1", *below))


def multiply(left: Powers, right: Powers, sign: int = 1) -> Powers:
    """The powers of a product, or with `sign` -1 of a quotient."""
    total = dict(left)
    for unit, power in right:
        total[unit] = total.get(unit, 0) + sign * power
    return tuple(sorted((unit, power) for unit, power in total.items() if power))
