"""Elimination: the condition under which a variable can be chosen so that a formula holds.

Equalities substitute, congruences give the variable a stride, and what bounds it from below is
paired with what bounds it from above (Fourier and Motzkin), exactly over the integers: where
neither coefficient is 1, a pair is split into the cases that leave an integer between its ends
(the dark shadow and the splinters of the Omega test). What has no such form, products above
all, is looked at value by value, where the variable has few.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.conditions import (
    Atom,
    Block,
    Cell,
    Formula,
    TooMany,
    Unfit,
    atoms_of,
    block_variables,
    cell_variables,
    conjoined,
    equal,
    product,
    rules_of,
    variables,
    within,
)
from rulec.compiler.polynomial import Poly, number, variable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.space import Space

MOST_QUOTIENTS = 32
"""Quotients that may depend on a variable."""

MOST_SPLINTERS = 12
"""Cases into which a pair of bounds may fall."""

MOST_VALUES = 16
"""Values of a variable that are looked at one by one."""


class Bound(NamedTuple):
    """`factor · x ≥ end` or `≤ end`; the factor is positive."""

    factor: Poly
    end: Poly
    rules: tuple[int, ...]


class _Split(NamedTuple):
    """An atom as `slope · x + rest`."""

    atom: Atom
    slope: Poly
    rest: Poly


def eliminate(space: Space, formula: Formula, name: int) -> Formula:
    """The formula without a variable, and without the quotients that depend on it.

    Raises:
        Unfit: if that has no exact form.
    """
    try:
        return _exactly(space, formula, name)
    except Unfit as error:
        reason = error
    if space.few(name, MOST_VALUES):
        return _one_by_one(space, formula, name, reason, keep=False)
    factor = None if name in space.quotients else factor_of(space, formula, name)
    if factor is None:
        raise reason
    try:
        return _exactly(space, spelled_out(space, formula, factor, reason), name)
    except Unfit:
        raise reason from None


def factor_of(space: Space, formula: Formula, name: int) -> int | None:
    """The variable of fewest values by which one is multiplied or divided."""
    moved = {name, *space.depending(name)}
    parts = [part for atom in atoms_of(formula) for part in atom.poly.parts]
    found = {v for _, held in parts if moved.intersection(held) for v in held}
    found = found.union(*(space.quotients[q].bottom.variables for q in moved - {name}))
    few = {v: len(values) for v in found - moved if (values := space.few(v, MOST_VALUES))}
    return min(few, key=lambda v: (few[v], v), default=None)


def spelled_out(space: Space, formula: Formula, name: int, reason: Unfit) -> Formula:
    """The formula with a cell for each value of a variable. Raises the reason if too many."""
    return _one_by_one(space, formula, name, reason, keep=True)


def _one_by_one(
    space: Space, formula: Formula, name: int, reason: Unfit, *, keep: bool
) -> Formula:
    values = space.few(name, MOST_VALUES)
    if not values:
        raise reason
    about = tuple(block for block in formula if name in space.deep((block,)))
    rest = tuple(block for block in formula if block not in about)
    rules = rules_of(about)
    about = tuple(_defined(space, block, name) for block in about)
    ways: list[Formula] = []
    for value in values:
        way = space.replaced(about, name, number(value))
        ways.append(within(way, (equal(variable(name), value).of(rules),) if keep else ()))
    try:
        return conjoined(rest, space.joined(ways))
    except TooMany:
        raise reason from None


def _exactly(space: Space, formula: Formula, name: int) -> Formula:
    try:
        for _ in range(MOST_QUOTIENTS):
            held = variables(formula)
            part = next((part for part in space.depending(name) if part in held), name)
            formula = _without(space, formula, part)
            if part == name:
                return formula
    except TooMany as error:
        blocks = [b for b in formula if name in block_variables(b)]
        raise Unfit("it falls into too many cases", rules_of(tuple(blocks))) from error
    blocks = [b for b in formula if name in block_variables(b)]
    raise Unfit("it rounds too often", rules_of(tuple(blocks)))


def _without(space: Space, formula: Formula, name: int) -> Formula:
    about = [block for block in formula if name in block_variables(block)]
    if not about:
        return formula
    rest = tuple(block for block in formula if name not in block_variables(block))
    cells: list[Cell] = []
    for cell in space.cells(_defined(space, product(about), name)):
        cells.extend(_cell(space, cell, name, 0))
    return space.simple(conjoined(rest, (tuple(cells),)))


def _defined(space: Space, block: Block, name: int) -> Block:
    """The block with what a quotient is, in the cells that have it: others need none."""
    if name not in space.quotients:
        return block
    atoms = space.quotients[name].atoms
    return tuple((*cell, *atoms) if name in cell_variables(cell) else cell for cell in block)


def _cell(space: Space, cell: Cell, name: int, depth: int) -> list[Cell]:
    """One cell without the variable, as some cells."""
    settled = space.cell(cell)
    if settled is None:
        return []
    about = [atom for atom in settled if name in atom.poly.variables]
    if not about:
        return [settled]
    if depth > MOST_SPLINTERS:
        raise Unfit("it falls into too many cases", rules_of(((cell,),)))
    rest = tuple(atom for atom in settled if name not in atom.poly.variables)
    split = [_solved(atom, name) for atom in about]
    for step in (_by_equality, _by_congruence, _by_cases):
        made = step(space, split, rest, name)
        if made is not None:
            return [found for part, new in made for found in _cell(space, part, new, depth + 1)]
    return _by_bounds(space, split, rest, name, depth)


def _solved(atom: Atom, name: int) -> _Split:
    parts = atom.poly.split(name)
    if parts is None:
        raise Unfit("a field is multiplied by itself", atom.rules)
    return _Split(atom, *parts)


_Cases = list[tuple[Cell, int]]


def _by_equality(space: Space, split: list[_Split], rest: Cell, name: int) -> _Cases | None:
    equations = [part for part in split if part.atom.sign == "eq"]
    plain = [part for part in equations if part.slope.constant is not None]
    dense = name in space.dense
    if not plain:
        if equations and not dense:
            raise Unfit("a product is written before its factor", equations[0].atom.rules)
        if equations:
            raise Unfit("a quotient of fields fixes an expression", equations[0].atom.rules)
        return None
    chosen = min(plain, key=lambda part: abs(part.slope.constant or 0))
    slope = chosen.slope.constant or 1
    top = chosen.rest.times(-1 if slope > 0 else 1)  # |slope| · x = top
    size = abs(slope)
    cell = list(rest)
    if not dense and not space.whole(top):
        reason = "its value can have more digits than its last field shows"
        raise Unfit(reason, chosen.atom.rules)
    if size > 1 and not dense:
        cell.append(Atom("div", top, size, chosen.atom.rules))
    cell.extend(space.inside(name, top, size, chosen.atom.rules))
    for part in split:
        if part is chosen:
            continue
        atom = part.atom.of(chosen.atom.rules)
        poly = part.slope * top + part.rest.times(size)
        cell.append(replace(atom, poly=poly, modulus=atom.modulus * size))
    return [(tuple(cell), name)]


def _by_congruence(space: Space, split: list[_Split], rest: Cell, name: int) -> _Cases | None:
    """`slope · x + rest ≡ 0`: the variable is a residue and a multiple of another one."""
    chosen = next((part for part in split if part.atom.sign == "div"), None)
    if chosen is None:
        return None
    slope, modulus = chosen.slope.constant, chosen.atom.modulus
    if slope is None:
        raise Unfit("a remainder of a product of fields", chosen.atom.rules)
    common = gcd(slope, modulus)
    cell = list(rest)
    residue = chosen.rest
    if common > 1:
        cell.append(Atom("div", residue, common, chosen.atom.rules))
        known = residue.constant
        if known is not None and known % common:
            return []
        residue = (
            number(known // common)
            if known is not None
            else variable(space.quotient(residue, number(common)))
        )
        slope, modulus = slope // common, modulus // common
    low, high = space.bounds.get(name, (None, None))
    if modulus == 1:
        base, unit = Poly(), 1
    else:
        base, unit = residue.times(-pow(slope, -1, modulus)), modulus
    least, most = base.range(space.bounds)
    fresh = space.fresh(
        (
            None if low is None or most is None else -((most - low) // unit),
            None if high is None or least is None else (high - least) // unit,
        )
    )
    value = base + variable(fresh).times(unit)
    for part in split:
        if part is not chosen:
            poly = part.slope * value + part.rest
            cell.append(replace(part.atom.of(chosen.atom.rules), poly=poly))
    cell.extend(space.inside(name, value))
    return [(tuple(cell), fresh)]


def _by_cases(space: Space, split: list[_Split], rest: Cell, name: int) -> _Cases | None:
    """What the variable must not be, and factors of unknown sign."""
    for part in split:
        others = (*rest, *(other.atom for other in split if other is not part))
        if part.atom.sign == "ne":
            return [((*others, atom), name) for atom in _beside(space, part.atom)]
        if not _sign(space, part.slope, rest):
            return _signed(space, split, part.slope, rest, name)
    return None


def _beside(space: Space, atom: Atom) -> tuple[Atom, Atom]:
    """The two sides of what must not be."""
    if not space.whole(atom.poly):
        raise Unfit("it leaves single values out of an expression's range", atom.rules)
    above = replace(atom, sign="ge", poly=atom.poly - number(1))
    below = replace(atom, sign="ge", poly=atom.poly.times(-1) - number(1))
    return above, below


def _signed(space: Space, split: list[_Split], slope: Poly, rest: Cell, name: int) -> _Cases:
    """A factor above zero, below zero, and zero."""
    rules = tuple(sorted(rules_of(((tuple(part.atom for part in split),),))))
    if not space.whole(slope):
        raise Unfit("it multiplies by an expression", rules)
    atoms = tuple(part.atom for part in split)
    above = Atom("ge", slope - number(1), 0, rules)
    below = Atom("ge", slope.times(-1) - number(1), 0, rules)
    zero = Atom("eq", slope, 0, rules)
    flat = tuple(
        replace(part.atom, poly=part.rest)
        if part.slope in (slope, slope.times(-1))
        else part.atom
        for part in split
    )
    return [
        ((*rest, *atoms, above), name),
        ((*rest, *atoms, below), name),
        ((*rest, *flat, zero), name),
    ]


def _sign(space: Space, slope: Poly, atoms: Iterable[Atom]) -> int:
    """1 where a factor is positive, -1 where it is negative, 0 where that is not known."""
    low, high = slope.range(space.bounds)
    if low is not None and low > 0:
        return 1
    if high is not None and high < 0:
        return -1
    for atom in atoms:
        for sign in (1, -1) if atom.sign == "ge" else ():
            least = _least(slope.times(sign), atom.poly)
            if least is not None and least > 0:
                return sign
    return 0


def _least(poly: Poly, other: Poly) -> Fraction | None:
    """The least value that `other ≥ 0` leaves for a polynomial along the same slope."""
    a, b = poly.content, other.content
    if not a or not b:
        return None
    along = poly.times(b) - other.times(a)
    return None if along.constant is None else Fraction(along.constant, b)


def _by_bounds(
    space: Space, split: list[_Split], rest: Cell, name: int, depth: int
) -> list[Cell]:
    least, most = space.bounds.get(name, (None, None))
    lower = [] if least is None else [Bound(number(1), number(least), ())]
    upper = [] if most is None else [Bound(number(1), number(most), ())]
    for part in split:
        sign = _sign(space, part.slope, rest)
        factor = part.slope.times(sign)
        if sign > 0:
            lower.append(Bound(factor, part.rest.times(-1), part.atom.rules))
        else:
            upper.append(Bound(factor, part.rest, part.atom.rules))
    dense = name in space.dense
    cell = list(rest)
    hard: list[tuple[Bound, Bound]] = []
    for low in lower:
        for high in upper:
            made = _between(space, low, high, dense)
            if made is None:
                hard.append((low, high))
            else:
                cell.extend(made)
    if not hard:
        return [tuple(cell)]
    return _splintered(space, tuple(cell), hard, split, name, depth)


def _between(space: Space, low: Bound, high: Bound, dense: bool) -> Cell | None:
    """When something lies between two bounds; None where that needs several cases."""
    gap = low.factor * high.end - high.factor * low.end
    rules = tuple(sorted({*low.rules, *high.rules}))
    whole_low, whole_high = space.whole(low.end), space.whole(high.end)
    if dense:
        return (Atom("ge", gap, 0, rules),)
    if (low.factor.constant == 1 and whole_low) or (high.factor.constant == 1 and whole_high):
        return (Atom("ge", gap, 0, rules),)
    if not (whole_low and whole_high):
        least, _ = (gap - low.factor * high.factor).range(space.bounds)
        if least is not None and least >= 0:
            return ()
        raise Unfit("no value with the digits of its last field may lie there", rules)
    a, b = low.factor.constant, high.factor.constant
    width = high.end - low.end - low.factor + number(1)
    if low.factor == high.factor:
        least, _ = width.range(space.bounds)
        if least is not None and least >= 0:
            return ()
    if a is not None and b is not None:
        least, _ = (gap - number((a - 1) * (b - 1))).range(space.bounds)
        if least is not None and least >= 0:
            return ()
    return None


def _splintered(
    space: Space,
    cell: Cell,
    hard: list[tuple[Bound, Bound]],
    split: list[_Split],
    name: int,
    depth: int,
) -> list[Cell]:
    """The cases in which an integer lies between bounds with factors above 1."""
    rules = rules_of(((tuple(part.atom for part in split),),))
    dark = list(cell)
    made: list[Cell] = []
    lowest: dict[Bound, int] = {}
    for low, high in hard:
        a, b = low.factor.constant, high.factor.constant
        if a is None or b is None:
            raise Unfit("a product of fields is bound from both sides", rules)
        gap = high.end.times(a) - low.end.times(b) - number((a - 1) * (b - 1))
        dark.append(Atom("ge", gap, 0, tuple(sorted({*low.rules, *high.rules}))))
        lowest[low] = max(lowest.get(low, 0), (a * b - a - b) // b)
    made.append(tuple(dark))
    if sum(last + 1 for last in lowest.values()) > MOST_SPLINTERS:
        raise Unfit("its factors are too large to be sure that an integer fits", rules)
    atoms = tuple(part.atom for part in split)
    rest = tuple(atom for atom in cell if name not in atom.poly.variables)
    for low, last in lowest.items():
        for offset in range(last + 1):
            fixed = low.factor * variable(name) - low.end - number(offset)
            equation = Atom("eq", fixed, 0, low.rules)
            made.extend(_cell(space, (*rest, *atoms, equation), name, depth + 1))
    return made
