"""Projections as the guards of a machine: one for each place where something is chosen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rulec.compiler.conditions import (
    QUOTIENT,
    TRUE,
    Formula,
    Quotient,
    conjoined,
    mapped,
)
from rulec.compiler.machine import Guard
from rulec.compiler.polynomial import Poly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.projection import Projection, Where
    from rulec.compiler.space import Space


class GuardBook:
    """Collects the guards of a plan; equal ones are kept once."""

    def __init__(self) -> None:
        self._numbers: dict[Guard, int] = {}
        self._places: dict[Where, Guard] = {}
        self._begins = Guard()

    def add(self, projection: Projection) -> None:
        """Take in what a projection guards."""
        space = projection.names.space
        self._begins = _both(self._begins, _guard(space, projection.start))
        for where, way in (*projection.ways.items(), *projection.fields.items()):
            if way != TRUE:
                known = self._places.get(where, Guard())
                self._places[where] = _both(known, _guard(space, way))
        for where, (_, fold) in projection.distinct_places.items():
            known = self._places.get(where, Guard())
            self._places[where] = replace(known, distinct=fold)

    def finish(self) -> tuple[tuple[Guard, ...], Mapping[Where, int], int]:
        """The guards, which one stands where, and which one a request must meet."""
        places = {where: self._number(guard) for where, guard in self._places.items()}
        begins = self._number(self._begins) if self._begins.formula else -1
        return tuple(self._numbers), places, begins

    def _number(self, guard: Guard) -> int:
        return self._numbers.setdefault(guard, len(self._numbers))


def _guard(space: Space, formula: Formula) -> Guard:
    """The formula with the quotients that it reads, numbered from the first on."""
    needed = sorted(space.deep(formula) & space.quotients.keys())
    order = {name: QUOTIENT + place for place, name in enumerate(needed)}
    quotients = tuple(
        Quotient(
            new,
            _renamed(space.quotients[old].top, order),
            _renamed(space.quotients[old].bottom, order),
        )
        for old, new in order.items()
    )
    return Guard(mapped(formula, lambda poly: _renamed(poly, order)), quotients)


def _renamed(poly: Poly, names: Mapping[int, int]) -> Poly:
    """The polynomial with other names for some variables."""
    parts = tuple((c, tuple(sorted(names.get(v, v) for v in m))) for c, m in poly.parts)
    return Poly(tuple(sorted(parts, key=lambda part: part[1])))


def _both(one: Guard, other: Guard) -> Guard:
    """Two guards as one; the quotients of the second come behind those of the first."""
    if not one.formula or not other.formula:
        return replace(
            other if not one.formula else one, distinct=max(one.distinct, other.distinct)
        )
    moved = {q.name: q.name + len(one.quotients) for q in other.quotients}
    quotients = tuple(
        Quotient(moved[q.name], _renamed(q.top, moved), _renamed(q.bottom, moved))
        for q in other.quotients
    )
    formula = mapped(other.formula, lambda poly: _renamed(poly, moved))
    return Guard(
        conjoined(one.formula, formula),
        (*one.quotients, *quotients),
        max(one.distinct, other.distinct),
    )
