"""The reference engine with what it computes kept, and numbers told by intervals."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from rulec.compiler.kinds import DIGITS
from rulec.runtime.allowed import Rules
from rulec.runtime.numerals import Allowed, Numeral, feasible
from rulec.runtime.prefixes import prefixes
from rulec.runtime.programs import Programs
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler import ops as m
    from rulec.compiler.machine import Field, Machine
    from rulec.compiler.regions import Region

MOST_SETS = 4_096
"""Allowed sets that are kept."""


class Remembered(Rules):
    """Allowed sets, kept by the registers that they depend on."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._known: OrderedDict[Any, Any] = OrderedDict()

    def numbers(self, field: Field, regs: Sequence[Any], guard: int) -> Allowed:
        """The numbers that a field may hold, computed once for equal registers."""
        key = "n", field.register, guard, *self.seen(field, regs, guard)
        found: Allowed = self._once(key, super().numbers, field, regs, guard)
        return found

    def regions(
        self, field: Field, regs: Sequence[Any], guard: int
    ) -> tuple[Region | None, ...]:
        """Where an expression's value may have to lie, computed once for equal registers."""
        key = "r", field.register, guard, *self.seen(field, regs, guard)
        found: tuple[Region | None, ...] = self._once(key, super().regions, field, regs, guard)
        return found

    def _once(self, key: Any, made: Any, *given: Any) -> Any:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = made(*given)
            if len(self._known) > MOST_SETS:
                self._known.popitem(last=False)
        return found


class Intervals(Programs):
    """Programs that test the beginning of a number by sorted intervals."""

    def feasible(self, field: Field, op: m.Step, numeral: Numeral) -> bool:
        """Whether an allowed number begins with what has come."""
        allowed = numeral.allowed
        quick = allowed is not None and op.phase in ("int", "frac")
        if not quick or numeral.fraction > field.most or numeral.mantissa > DIGITS:
            return feasible(field, op.phase, numeral)
        fraction = numeral.fraction if op.phase == "frac" else 0
        open_ = prefixes(
            field.least, field.most, op.phase, fraction, numeral.negative, allowed or ()
        )
        if open_ is None:
            return feasible(field, op.phase, numeral)
        return open_.holds(numeral.mantissa)


class Quick(Reference):
    """The reference engine with its allowed sets kept."""

    def _rules(self) -> Rules:
        return Remembered(self.machine)

    def _runner(self) -> Programs:
        return Intervals(self.machine, self.rules, guarded=self.guarded)
