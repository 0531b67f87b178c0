"""Which guards ask for names only: then what they bar is told by how much a trace owes.

The end of a list may be barred because names are promised, or because there is none yet that
a reference could be to. What a promise costs is counted by itself (`rulec.compiler.costs`), and
after an item that defines a name there is one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from rulec.compiler.conditions import QUOTIENT, TRUE, variables
from rulec.compiler.loops import names_added
from rulec.compiler.polynomial import Poly, number, variable

if TYPE_CHECKING:
    from rulec.compiler.machine import Table
    from rulec.compiler.places import Instance
    from rulec.compiler.plan import Plan
    from rulec.compiler.tiers import Assignment
    from rulec.dsl import checked


@dataclass(frozen=True)
class Owing:
    """The guards of an assignment, as far as they ask for names."""

    plan: Plan
    assigned: Assignment

    @cached_property
    def _tables(self) -> tuple[Table, ...]:
        return tuple(k.table for k in self.plan.layout.tables.values() if not k.table.given)

    @cached_property
    def _scoped(self) -> bool:
        """Whether promises are kept within a part of the trace."""
        layout = self.plan.layout
        return any(s.table.owed >= 0 for i in layout.instances for s in layout.scopes(i))

    def free(self, guard: int) -> bool:
        """Whether a guard bars nothing while no name is promised."""
        return self._free(guard, {})

    def after(self, guard: int, element: checked.Repeat, into: Instance) -> bool:
        """Whether that is so behind an item of a repeat."""
        projection = self.assigned.projections[0]
        added: dict[int, int] = {}
        for table in self._tables:
            for register in (table.count, table.begun):
                if register >= 0:
                    least = names_added(projection, element.body, into, register)[0] or 0
                    added[register] = least * max(1, element.low)
        return self._free(guard, added)

    def _free(self, guard: int, added: dict[int, int]) -> bool:
        formula = self.assigned.guards[guard].formula
        owed = [table.owed for table in self._tables if table.owed >= 0]
        if (
            self._scoped
            or len(owed) > 1
            or any(name >= QUOTIENT for name in variables(formula))
        ):
            return False
        space = self.assigned.projections[0].names.space
        for register, least in added.items():
            formula = space.replaced(formula, register, variable(register) + number(least))
        for register in owed:
            formula = space.replaced(formula, register, Poly())
        return space.simple(formula) == TRUE
