"""Small values for the variables of formulas, tried before the solver is asked."""

from __future__ import annotations

from itertools import product
from math import prod
from random import Random
from typing import TYPE_CHECKING

from rulec.compiler.conditions import block_variables

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.conditions import Atom, Block, Formula
    from rulec.compiler.polynomial import Poly
    from rulec.compiler.space import Space

MOST_CASES = 64
"""Values, of all variables together, of which each is looked at."""

SAMPLES = 40
"""Assignments that are tried."""


def assignments(space: Space, *formulas: Formula) -> Iterator[dict[int, int]]:
    """Values that fit the variables' bounds, the same in every run.

    None where a variable may be any rational.
    """
    names = sorted(space.deep(*formulas))
    if not space.dense.isdisjoint(names):
        return
    chance = Random(1)
    free = [name for name in names if name not in space.quotients]
    for turn in range(SAMPLES):
        values = {name: _pick(space, name, turn, chance) for name in free}
        for name in names:
            if name in space.quotients:
                quotient = space.quotients[name]
                bottom = value(quotient.bottom, values)
                values[name] = value(quotient.top, values) // bottom if bottom > 0 else 0
        yield values


def always(space: Space, block: Block) -> bool:
    """Whether a block holds whatever its variables are, where these have few values in all."""
    names = sorted(block_variables(block))
    ranges = [space.few(name, MOST_CASES) for name in names]
    if not all(ranges) or prod(map(len, ranges)) > MOST_CASES:
        return False
    rows = product(*ranges)
    return all(holds((block,), dict(zip(names, row, strict=True))) for row in rows)


def _pick(space: Space, name: int, turn: int, chance: Random) -> int:
    low, high = space.bounds.get(name, (None, None))
    near = 0 if low is None else max(low, min(0, low if high is None else high))
    near = near if high is None else min(near, high)
    if turn < 3:
        return (near, near if low is None else low, near if high is None else high)[turn]
    options = [near, near + 1, near + chance.randint(0, 12), low, high]
    if low is not None and high is not None:
        options.append(chance.randint(low, high))
    fitting = [
        option
        for option in options
        if option is not None
        and (low is None or option >= low)
        and (high is None or option <= high)
    ]
    return chance.choice(fitting or [near])


def value(poly: Poly, values: Mapping[int, int]) -> int:
    """The value of a polynomial."""
    return sum(factor * prod(values[name] for name in names) for factor, names in poly.parts)


def holds(formula: Formula, values: Mapping[int, int]) -> bool:
    """Whether a formula holds with some values."""
    return all(
        any(all(_is(atom, values) for atom in cell) for cell in block) for block in formula
    )


def _is(atom: Atom, values: Mapping[int, int]) -> bool:
    found = value(atom.poly, values)
    match atom.sign:
        case "ge":
            return found >= 0
        case "eq":
            return found == 0
        case "ne":
            return found != 0
        case _:
            return found % atom.modulus == 0
