"""Conditions over integers as data: atoms, cells and formulas.

An *atom* compares a polynomial with zero. A *cell* is a conjunction of atoms, a *block* a
disjunction of cells, a *formula* a conjunction of blocks. No block at all is true; a block
without cells is false.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import gcd
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from rulec.compiler.polynomial import Poly, number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from fractions import Fraction

    from rulec.compiler.polynomial import Range

PRESENT = 1 << 20
"""`PRESENT + r` is 1 where register *r* holds a value, 0 where it is absent."""

QUOTIENT = 1 << 21
"""Variables from here on are quotients, rounded down, of polynomials over other variables."""

FRESH = 1 << 40
"""Variables from here on stand for nothing that is written; no guard has them."""

MOST_CELLS = 64
"""Cells that a block may have while variables are eliminated."""

Sign: TypeAlias = Literal["ge", "gt", "eq", "ne", "div"]


@dataclass(frozen=True, slots=True)
class Atom:
    """`poly ≥ 0`, `> 0`, `= 0`, `≠ 0`, or divisible by `modulus`; `rules` are its origins.

    Where an atom comes from makes no difference to what it is equal to.
    `> 0` stands for what has any number of digits; no formula that is kept has it.
    """

    sign: Sign
    poly: Poly
    modulus: int = 0
    rules: tuple[int, ...] = field(default=(), compare=False, metadata={"stored": True})

    def of(self, rules: Iterable[int]) -> Atom:
        """The atom, which comes from these rules too."""
        return replace(self, rules=tuple(sorted({*self.rules, *rules})))


Cell: TypeAlias = tuple[Atom, ...]
Block: TypeAlias = tuple[Cell, ...]
Formula: TypeAlias = tuple[Block, ...]

TRUE: Formula = ()
FALSE: Formula = ((),)


@dataclass(frozen=True, slots=True)
class Quotient:
    """The variable `name` is `top` divided by `bottom`, which is positive, rounded down."""

    name: int
    top: Poly
    bottom: Poly

    @property
    def atoms(self) -> Cell:
        """What makes it that."""
        rest = self.top - self.bottom * Poly(((1, (self.name,)),))
        return Atom("ge", rest), Atom("ge", self.bottom - number(1) - rest)


class Control(NamedTuple):
    """What counts demand of each way on, and what they promise."""

    ways: tuple[Cell, ...]
    known: Cell


class Unfit(Exception):
    """Why a condition has no exact projection; `rules` are those it comes from.

    Where a certificate was refuted, `wrong` has the values of fields that do it, by register.
    """

    def __init__(
        self,
        reason: str,
        rules: Iterable[int] = (),
        wrong: Mapping[int, Fraction] | None = None,
    ) -> None:
        super().__init__(reason)
        self.rules = frozenset(rules)
        self.wrong = wrong


class TooMany(Exception):
    """A condition falls into more cases than the machine looks at."""


def equal(poly: Poly, other: Poly | int = 0) -> Atom:
    """`poly = other`."""
    return Atom("eq", poly - (number(other) if isinstance(other, int) else other))


def atoms_of(formula: Formula) -> Iterator[Atom]:
    """The atoms of a formula."""
    return (atom for block in formula for cell in block for atom in cell)


def variables(formula: Formula) -> frozenset[int]:
    """The variables of a formula."""
    return frozenset().union(*(block_variables(block) for block in formula))


def block_variables(block: Block) -> frozenset[int]:
    """The variables of a block."""
    return frozenset().union(*map(cell_variables, block))


def cell_variables(cell: Cell) -> frozenset[int]:
    """The variables of a cell."""
    return frozenset().union(*(atom.poly.variables for atom in cell))


def settled(atom: Atom, bounds: Mapping[int, Range], whole: bool) -> Atom | bool:
    """The atom in its simplest form, or its truth where the bounds tell it.

    `whole` tells that every variable in it is an integer.
    """
    poly = atom.poly
    if atom.sign == "div":
        return _divides(atom)
    if atom.sign == "gt":
        raise Unfit("it compares strictly what has any number of digits", atom.rules)
    content = poly.content
    if whole and content > 1:
        if poly.offset % content and atom.sign in ("eq", "ne"):
            return atom.sign == "ne"
        poly = poly.over(content)
    low, high = poly.range(bounds)
    if atom.sign == "ge":
        if low is not None and low >= 0:
            return True
        if high is not None and high < 0:
            return False
    else:
        if (low is not None and low > 0) or (high is not None and high < 0):
            return atom.sign == "ne"
        if poly.constant == 0:
            return atom.sign == "eq"
    if atom.sign != "ge" and poly.parts[-1][0] < 0:
        poly = poly.times(-1)
    return atom if poly is atom.poly else replace(atom, poly=poly)


def _divides(atom: Atom) -> Atom | bool:
    modulus = atom.modulus
    parts = tuple((c % modulus, m) for c, m in atom.poly.parts if c % modulus)
    poly = Poly(parts)
    if poly.constant is not None:
        return poly.constant == 0
    common = gcd(modulus, poly.content)
    if poly.offset % common:
        return False  # what is left over is never divided
    if common > 1:
        poly, modulus = poly.over(common), modulus // common
    if poly.parts[-1][0] * 2 > modulus:
        poly = Poly(tuple(((-c) % modulus, m) for c, m in poly.parts))
    return replace(atom, poly=poly, modulus=modulus)


def conjoined(*formulas: Formula) -> Formula:
    """All of the formulas."""
    found: dict[Block, Block] = {}
    for formula in formulas:
        for block in formula:
            found[block] = _both_rules(found[block], block) if block in found else block
    return tuple(found.values())


def rules_of(*formulas: Formula) -> frozenset[int]:
    """The rules that formulas come from."""
    atoms = (atom for formula in formulas for atom in atoms_of(formula))
    return frozenset(rule for atom in atoms for rule in atom.rules)


def within(formula: Formula, cell: Cell) -> Formula:
    """The formula and the atoms of a cell."""
    return conjoined(formula, tuple(((atom,),) for atom in cell))


def _both_rules(one: Block, other: Block) -> Block:
    return tuple(
        tuple(a.of(b.rules) for a, b in zip(cell, twin, strict=True))
        for cell, twin in zip(one, other, strict=True)
    )


def product(blocks: Iterable[Block]) -> Block:
    """The conjunction of blocks as one block."""
    cells: list[Cell] = [()]
    for block in blocks:
        cells = [(*cell, *other) for cell in cells for other in block]
        if len(cells) > 8 * MOST_CELLS:
            raise TooMany
    return tuple(cells)


def mapped(formula: Formula, change: Callable[[Poly], Poly]) -> Formula:
    """The formula with every polynomial changed."""
    return tuple(
        tuple(tuple(replace(atom, poly=change(atom.poly)) for atom in cell) for cell in block)
        for block in formula
    )
