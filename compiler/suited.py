"""Projection of references: whether one of a table's rows suits what follows.

The rows come with a request, so their values aren't known yet; but the least and the greatest
value of a column are, once it is there. A row whose value is large enough is there exactly
where that of the greatest value is one, and so with the least.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rulec.compiler.asking import implied
from rulec.compiler.conditions import (
    TRUE,
    Atom,
    Cell,
    Formula,
    TooMany,
    Unfit,
    product,
    rules_of,
)
from rulec.compiler.polynomial import Poly, variable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.machine import Field, Table
    from rulec.compiler.names import Names

UNKNOWN = "which rows suit what follows is known with the request only"


def suited(names: Names, table: Table, columns: Sequence[Field], own: Formula) -> Formula:
    """The formula under which a row is there with which `own` holds. Raises `Unfit`.

    `own` speaks of the fields that stand for a row's columns.
    """
    if own == TRUE:
        return TRUE
    ends = {
        field.register: column for field, column in zip(columns, table.columns, strict=True)
    }
    about = names.space.deep(own) & ends.keys()
    register = min(about)
    try:
        block = names.space.cells(product(own))
    except TooMany:
        raise Unfit("it falls into too many cases", rules_of(own)) from None
    reason = Unfit(UNKNOWN, rules_of(own))
    for side, end in ((-1, ends[register].low), (1, ends[register].high)):
        if len(about) > 1 or end < 0:
            raise reason
        weaker = names.space.simple(
            (tuple(_one_sided(names, c, register, side) for c in block),)
        )
        if weaker == names.space.simple((block,)) or implied(names, weaker, own):
            return names.space.replaced(weaker, register, variable(end))
    raise reason


def _one_sided(names: Names, cell: Cell, register: int, side: int) -> Cell:
    """The atoms of a cell that ask for nothing, or for values on one side."""
    bounds = (one for a in cell for one in (_bounds(a) if a.sign == "eq" else (a,)))
    return tuple(a for a in bounds if _trend(names, a, a.poly, register) in (0, side))


def _bounds(atom: Atom) -> tuple[Atom, Atom]:
    """An equation as two inequalities."""
    at_least = replace(atom, sign="ge")
    return at_least, replace(at_least, poly=atom.poly.times(-1))


def _trend(names: Names, atom: Atom, poly: Poly, register: int) -> int:
    """1 where a polynomial grows with a variable, -1 where it falls, else 0. Raises `Unfit`."""
    trends: set[int] = set()
    for factor, monomial in poly.parts:
        moved = [v for v in monomial if register in names.space.with_origins((v,))]
        if not moved:
            continue
        others = [v for v in monomial if v not in moved]
        sign = _sign(names, Poly(((factor, tuple(others)),)))
        if len(moved) > 1 or atom.sign != "ge" or not sign:
            raise Unfit(UNKNOWN, atom.rules)
        trends.add(sign * _of_variable(names, atom, moved[0], register))
    if len(trends) > 1:
        raise Unfit(UNKNOWN, atom.rules)
    return trends.pop() if trends else 0


def _of_variable(names: Names, atom: Atom, name: int, register: int) -> int:
    """How a variable goes with another one: itself, or a quotient of what goes with it."""
    if name == register:
        return 1
    quotient = names.space.quotients[name]
    if register in names.space.with_origins(quotient.bottom.variables):
        raise Unfit(UNKNOWN, atom.rules)
    return _trend(names, atom, quotient.top, register)


def _sign(names: Names, poly: Poly) -> int:
    """1 for a factor that is never negative, -1 for one that is never positive, else 0."""
    low, high = poly.range(names.space.bounds)
    if low is not None and low >= 0:
        return 1
    return -1 if high is not None and high <= 0 else 0
