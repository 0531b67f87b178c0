"""What the registers of a plan are as variables of conditions.

A number is counted in units of the last digit that its field can show, a date in days, a word
by its place among the words of its field. The register of the digits shown stands for the unit
of the last digit that *is* shown. An expression is any rational.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from itertools import product
from math import lcm
from typing import TYPE_CHECKING

from rulec.compiler import regions
from rulec.compiler.conditions import PRESENT
from rulec.compiler.kinds import DIGITS
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.rows import MOST_ROWS
from rulec.compiler.space import Space

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence, Set

    from rulec.compiler.machine import Asked, Field, Table
    from rulec.compiler.plan import Plan
    from rulec.compiler.polynomial import Range
    from rulec.compiler.regions import Region


@dataclass(slots=True)
class Names:
    """The variables of a plan, in a space of their own."""

    plan: Plan
    space: Space = field(default_factory=Space)
    fields: dict[int, Field] = field(default_factory=dict)
    words: dict[int, tuple[str, ...]] = field(default_factory=dict)
    scales: dict[int, int] = field(default_factory=dict)
    units: dict[int, int] = field(default_factory=dict)
    texts: set[int] = field(default_factory=set)
    exclusive: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        if self.fields:
            return
        for spec in self.plan.fields:
            self.fields[spec.register] = spec
            self._add(spec.register, spec.kind, spec.domain, spec.words)
            if spec.kind == "number":
                self.scales[spec.register] = scale_of(spec)
                self.space.bounds[spec.register] = _units(spec.domain, scale_of(spec))
                widest = 10 ** (spec.most - spec.least)
                self.units[spec.digits] = spec.most + spec.shift
                self.space.bounds[spec.digits] = (1, widest)
        for parameter in self.plan.layout.given:
            register = parameter.register
            self._add(register, parameter.kind, parameter.domain, parameter.words)
        for keyed in self.plan.layout.tables.values():
            self._table(keyed.table)
        scopes = (s for i in self.plan.layout.instances for s in self.plan.layout.scopes(i))
        for scope in scopes:
            for register, kept in scope.kept.items():
                if register in self.scales:
                    self.scales[kept] = 1
                    self.space.bounds[kept] = self.space.bounds[register]
        for list_ in self.plan.lists:
            self.scales[list_.count] = 1
            self.space.bounds[list_.count] = (0, list_.high)

    def copied(self) -> Names:
        """The same names in a space of their own."""
        return replace(self, space=self.space.copied())

    def _add(self, register: int, kind: Asked, domain: Region, words: tuple[str, ...]) -> None:
        self.space.bounds[PRESENT + register] = (0, 1)
        match kind:
            case "word" | "typed":
                self.words[register] = words
                self.space.bounds[register] = (0, len(words) - 1)
            case "number" | "date":
                scale = regions.denominator(domain)
                self.scales[register] = scale
                self.space.bounds[register] = _units(domain, scale)
            case "expr":
                self.scales[register] = 1
                self.space.bounds[register] = (None, None)
                self.space.dense.add(register)
            case _:
                self.texts.add(register)

    def _table(self, table: Table) -> None:
        """How many rows there are, and the ends of columns that have an order."""
        for register in (table.count, table.begun, table.owed, *table.kinds):
            if register >= 0:
                self.scales[register] = 1
                self.space.bounds[register] = (0, MOST_ROWS)
        for column in table.columns:
            for register in (column.low, column.high):
                if register >= 0:
                    self._add(register, column.kind, column.domain, column.words)

    def value(self, register: int) -> tuple[Poly, int] | None:
        """A number as a polynomial over a scale; None where it is none."""
        scale = self.scales.get(register)
        return None if scale is None else (variable(register), scale)

    def unit(self, digits: int) -> Poly:
        """What the last digit shown stands for, in units of the last that can be shown."""
        low, high = self.space.bounds[digits]
        return number(1) if low == high else variable(digits)

    def fold(self, number_: int, scale: int, bounds: Range) -> None:
        """Note the scale and the bounds of a fold's register."""
        register = self.plan.folds[number_].register
        self.scales[register] = scale
        self.space.bounds[register] = bounds
        self.space.bounds[PRESENT + register] = (0, 1)

    def exclude(self, options: Sequence[Set[int]]) -> None:
        """Note fields of branches of which only one is written."""
        for place, own in enumerate(options):
            for others in options[place + 1 :]:
                pairs = product(own - others, others - own)
                registers = ((self._register(a), self._register(b)) for a, b in pairs)
                self.exclusive.update((min(pair), max(pair)) for pair in registers)

    def _register(self, number_: int) -> int:
        return self.plan.fields[number_].register

    def possible(self, values: Mapping[int, int]) -> bool:
        """Whether no two fields of exclusive branches are there."""
        there = {name - PRESENT for name, held in values.items() if name >= PRESENT and held}
        return not any(a in there and b in there for a, b in self.exclusive)

    def may_lack(self, register: int, home: int) -> bool:
        """Whether a field may be absent where a rule, by a register beside it, is not."""
        return self.plan.layout.may_lack(register, home)


def scale_of(spec: Field) -> int:
    """Units of a number field's last digit in 1, or of a column's number."""
    if spec.kind != "number":
        return 1
    return lcm(10 ** (spec.most + spec.shift), regions.denominator(spec.domain))


def _units(domain: Region, scale: int) -> Range:
    if not domain:
        return 1, 0
    low, high = regions.lowest(domain), regions.highest(domain)
    return (
        None if low is None else int(low * scale),
        None if high is None else int(high * scale),
    )


def oversize(spec: Field) -> bool:
    """Whether a field has values that only fewer digits than its most can show."""
    if spec.kind != "number" or spec.least == spec.most:
        return False
    low, high = _units(spec.domain, scale_of(spec))
    return max(abs(low or 0), abs(high or 0)) > DIGITS
