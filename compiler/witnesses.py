"""Values that a field can be given where its formula holds for some value."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, lcm, prod
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.conditions import (
    FALSE,
    Atom,
    Cell,
    Formula,
    block_variables,
    variables,
    within,
)
from rulec.compiler.eliminate import MOST_VALUES
from rulec.compiler.kinds import DIGITS
from rulec.compiler.polynomial import Poly, number, variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Field
    from rulec.compiler.names import Names
    from rulec.compiler.space import Space

MOST = 96
"""Witnesses of a field."""

NEAR = 8
"""Values beside an end that are witnesses where there are strides and gaps."""


class Choice(NamedTuple):
    """The formula with a value put in; `meaning` tells what the value is."""

    formula: Formula
    meaning: Cell


def choices(names: Names, spec: Field, formula: Formula) -> Iterator[Choice]:
    """The formula behind a field with every witness of it, its domain kept."""
    space, register = names.space, spec.register
    if spec.kind in ("word", "typed"):
        for place in range(len(spec.words)):
            yield Choice(space.replaced(formula, register, number(place)), ())
        return
    if spec.digits not in variables(formula):
        yield from _values(space, formula, register)
        return
    for exponent in (spec.most - spec.least, 0):
        shown, fresh = shown_by(names, spec, formula, 10**exponent)
        yield from _values(space, shown, fresh)


def shown_by(names: Names, spec: Field, formula: Formula, unit: int) -> tuple[Formula, int]:
    """The formula if the field's last digit shown stands for `unit`, over another variable.

    The variable counts these units.
    """
    space = names.space
    low, high = space.bounds[spec.register]
    fresh = space.fresh(
        (
            -DIGITS if low is None else max(-DIGITS, -(-low // unit)),
            DIGITS if high is None else min(DIGITS, high // unit),
        )
    )
    formula = space.replaced(formula, spec.digits, number(unit))
    return space.replaced(formula, spec.register, variable(fresh).times(unit)), fresh


def _values(space: Space, formula: Formula, name: int) -> Iterator[Choice]:
    if few := space.few(name, MOST_VALUES):
        for value in few:
            yield Choice(space.replaced(formula, name, number(value)), ())
        return
    found = 0
    for end, meaning in list(_ends(space, formula, name)):
        near = [(end + number(by), meaning) for by in _beside(space, formula, name)]
        for chosen, known in (*near, *_in_stride(space, formula, name, end, meaning)):
            found += 1
            if found > MOST:
                return
            made = space.replaced(formula, name, chosen)
            if made != FALSE:
                yield Choice((*made, *_within(space, name, chosen)), known)


def _in_stride(
    space: Space, formula: Formula, name: int, end: Poly, meaning: Cell
) -> Iterator[tuple[Poly, Cell]]:
    """The first value from an end on that congruences let through, where they always do."""
    always: list[Atom] = []
    cells: list[list[Atom]] = []
    for block in formula:
        for cell in block:
            found = [a for a in cell if a.sign == "div" and name in a.poly.variables]
            if found and len(block) == 1:
                always += found
            elif found:
                cells.append(found)
    for own in cells or [[]]:
        atoms = [*always, *own]
        moduli = [atom.modulus for atom in atoms]
        coprime = all(_coprime(atom, name) for atom in atoms)
        if not atoms or not coprime or lcm(*moduli) != prod(moduli):
            continue
        first = space.fresh((None, None))
        value = variable(first)
        held = tuple(replace(a, poly=a.poly.replaced({name: value})) for a in atoms)
        reach = (Atom("ge", value - end), Atom("ge", end + number(lcm(*moduli) - 1) - value))
        yield value, (*meaning, *held, *reach)


def _within(space: Space, name: int, value: Poly) -> Formula:
    """The value is one of the variable's own."""
    return space.simple(within((), space.inside(name, value)))


def _beside(space: Space, formula: Formula, name: int) -> range:
    """How far from an end a witness may lie: past what must not be, or in a short stride."""
    if name in space.dense:
        return range(1)
    about = [
        atom
        for block in formula
        if name in block_variables(block)
        for cell in block
        for atom in cell
        if name in atom.poly.variables
    ]
    gaps = sum(atom.sign == "ne" for atom in about)
    strides = [atom.modulus for atom in about if not _coprime(atom, name)]
    reach = min(NEAR, gaps + max(strides, default=0))
    return range(-reach, reach + 1)


def _coprime(atom: Atom, name: int) -> bool:
    """Whether every residue of a congruence is met by some value of a variable."""
    slope = (atom.poly.split(name) or (Poly(), Poly()))[0].constant
    return atom.sign != "div" or (slope is not None and gcd(slope, atom.modulus) == 1)


def _ends(space: Space, formula: Formula, name: int) -> Iterator[tuple[Poly, Cell]]:
    """The ends of what a formula leaves to a variable."""
    for bound in space.bounds.get(name, (None, None)):
        if bound is not None:
            yield number(bound), ()
    low, high = space.bounds.get(name, (None, None))
    if (low is None or low < 0) and (high is None or high > 0):
        yield Poly(), ()
    seen: set[Poly] = set()
    for block in formula:
        for cell in block:
            for atom in cell:
                parts = atom.poly.split(name)
                if parts is None or not parts[0].parts or atom.poly in seen:
                    continue
                seen.add(atom.poly)
                yield from _solved(space, atom, *parts, dense=name in space.dense)


def _solved(
    space: Space, atom: Atom, slope: Poly, rest: Poly, *, dense: bool
) -> Iterator[tuple[Poly, Cell]]:
    factor = slope.constant
    if factor in (1, -1):
        yield rest.times(-(factor or 1)), ()
        return
    low, high = slope.range(space.bounds)
    sign = 1 if low is not None and low > 0 else -1 if high is not None and high < 0 else 0
    if sign == 0 or atom.sign == "div":
        return
    # The end is a variable that its meaning fixes: a · end lies within a of what it must be.
    top, bottom = rest.times(-sign), slope.times(sign)
    end = space.fresh((None, None))
    over = variable(end) * bottom - top
    if dense or not space.whole(top):
        space.dense.add(end)
        yield variable(end), (Atom("eq", over),)
    elif sign > 0:
        yield variable(end), (Atom("ge", over), Atom("ge", bottom - number(1) - over))
    else:
        yield variable(end), (Atom("ge", over.times(-1)), Atom("ge", bottom - number(1) + over))
