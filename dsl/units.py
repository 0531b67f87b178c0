"""Units and their dimensions."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import prod
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl.folding import LARGEST
from rulec.dsl.kinds import Powers, multiply
from rulec.dsl.quantities import measure, parted

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.scope import Scope
    from rulec.dsl.syntax import Power

HIGHEST = 9
MOST_WAYS = 64
"""Units in which one quantity may be written."""


@dataclass
class Units:
    """Resolves units down to base units, each once."""

    scope: Scope
    findings: Findings
    known: dict[str, tuple[Fraction, Powers]] = field(default_factory=dict)

    def powers(self, measure: tuple[Power, ...]) -> Powers | None:
        """The powers of the units as they are named; None if one is unknown."""
        total: Powers = ()
        for power in measure:
            if self.scope.find(power.unit, i.Unit) is None:
                return None
            total = multiply(total, ((power.unit.text, 1),), power.sign)
            if any(abs(exponent) > HIGHEST for _, exponent in total):
                message = f"a power of a unit goes up to {HIGHEST}"
                self.findings.error("R0603", power.unit.span, message)
                return None
        return total

    def base(self, powers: Powers) -> Powers:
        """The same dimension in base units."""
        total: Powers = ()
        for name, exponent in powers:
            for base, power in self.resolved(name)[1]:
                total = multiply(total, ((base, power * exponent),))
        return total

    def resolved(self, name: str) -> tuple[Fraction, Powers]:
        """Factor and powers of base units of a unit."""
        if name not in self.known:
            item = self.scope.named.get(name)
            found: tuple[Fraction, Powers] = (Fraction(1), ((name, 1),))
            if isinstance(item, i.Unit) and item.powers:
                found = self._derived(item)
            self.known[name] = found
        return self.known[name]

    def _derived(self, item: i.Unit) -> tuple[Fraction, Powers]:
        fallback: tuple[Fraction, Powers] = (Fraction(1), ((item.name.text, 1),))
        factor = Fraction(1) if item.factor is None else item.factor.value
        powers = self.powers(item.powers)
        base: Powers = ()
        for unit, exponent in powers or ():
            scale, parts = self.resolved(unit)
            factor *= scale**exponent
            base = multiply(base, tuple((part, power * exponent) for part, power in parts))
        if powers is None:
            return fallback
        return self._bounded(item, factor), base

    def _bounded(self, item: i.Unit, factor: Fraction) -> Fraction:
        if factor == 0:
            self.findings.error("R0308", item.span, "a unit cannot be zero of another")
            return Fraction(1)
        if max(factor.numerator, factor.denominator) > LARGEST:
            message = "the factor of this unit is beyond 10^18"
            self.findings.error("R0603", item.span, message)
            return Fraction(1)
        return factor

    def ways(self, powers: tuple[Power, ...]) -> tuple[tuple[str, Fraction], ...]:
        """The units in which a quantity may be written, with what they are in base units.

        These are the measure with each of its units exchanged for any of the same dimension,
        and the units that have the dimension of the whole. Empty if they are too many.
        """
        alike = [self._alike(((power.unit.text, 1),)) for power in powers]
        if prod(map(len, alike)) > MOST_WAYS:
            return ()
        made = [("", Fraction(1))]
        for place, (power, names) in enumerate(zip(powers, alike, strict=True)):
            joint = "" if place == 0 else "*" if power.sign > 0 else "/"
            made = [
                (text + joint + name, factor * self.resolved(name)[0] ** power.sign)
                for text, factor in made
                for name in names
            ]
        whole = self._alike(tuple((power.unit.text, power.sign) for power in powers))
        found = dict(made) | {name: self.resolved(name)[0] for name in whole}
        large = any(max(f.numerator, f.denominator) > LARGEST for f in found.values())
        return () if large or len(found) > MOST_WAYS else tuple(found.items())

    def _alike(self, powers: Powers) -> list[str]:
        """The units of the same dimension; a single one itself is the first."""
        base = self.base(powers)
        units = [name for name, item in self.scope.named.items() if isinstance(item, i.Unit)]
        found = [name for name in units if self.base(((name, 1),)) == base]
        return sorted(found, key=lambda name: (name, 1) not in powers)

    def literal(self, text: str) -> tuple[Fraction, Powers] | None:
        """The value of a quantity in base units, and its dimension; None where it is none."""
        found = parted(text)
        if found is None:
            return None
        value = found[0]
        total: Powers = ()
        for name, sign in measure(found[1]):
            if not isinstance(self.scope.named.get(name), i.Unit):
                return None
            factor, base = self.resolved(name)
            value *= factor**sign
            total = multiply(total, base, sign)
        large = max(abs(value.numerator), value.denominator) > LARGEST
        return None if large else (value, total)

    def all(self) -> dict[str, c.Unit]:
        """Every unit of the ruleset, in base units."""
        units: dict[str, c.Unit] = {}
        for name, item in self.scope.named.items():
            if isinstance(item, i.Unit):
                factor, base = self.resolved(name)
                powers = base if item.powers else ()
                units[name] = c.Unit(name, factor, powers, item.span)
        return units
