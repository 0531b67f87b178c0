"""Guards as tables for the device: cases of atoms, each over a slope and a rest."""

from __future__ import annotations

from itertools import product
from math import gcd
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.conditions import QUOTIENT
from rulec.compiler.polynomial import Poly, number
from rulec.kernels import encoding as e
from rulec.runtime.guards import within
from rulec.runtime.lowered_registers import LARGEST, HostOnly
from rulec.runtime.lowered_tables import NOWHERE, Address
from rulec.runtime.numerals import runs
from rulec.runtime.valued import Span

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.conditions import Atom, Cell
    from rulec.compiler.machine import Field, Guard, Machine
    from rulec.runtime.lowered_registers import Registers
    from rulec.runtime.lowered_tables import Tables

MOST_CASES = 16
MOST_RUNS = 16
MOST_MODULUS = 1 << 30
STEEPEST = 4
"""A slope in front of a field, where an expression stands beside it."""

_SIGNS = {"ge": e.GE, "eq": e.EQ, "ne": e.NE, "div": e.DIV}


class Parts(NamedTuple):
    """`slope · x + rest + dense · expression`; `register` holds the expression, -1 for none."""

    slope: Poly
    rest: Poly
    dense: Poly
    register: int


class Guards:
    """The guards of a machine, laid out in tables."""

    def __init__(self, machine: Machine, registers: Registers, tables: Tables) -> None:
        self.machine = machine
        self.registers = registers
        self.tables = tables
        self.most_runs = 1
        for guard in machine.guards:
            self.most_runs = max(self.most_runs, _most_runs(guard, machine))

    @property
    def width(self) -> int:
        """Words for the runs of one count of digits."""
        return 1 + 3 * self.most_runs

    def free(self, field: Field) -> Address:
        """The numbers of a field's type; nowhere for a fraction."""
        if field.kind == "fraction":
            return NOWHERE
        words: list[int] = []
        for digits in range(field.least, field.most + 1):
            members = runs(field.domain, digits + field.shift)
            words.append(len(members))
            words += [end for run in members for end in run]
            words += [0] * (3 * (self.most_runs - len(members)))
        return self.tables.add(words)

    # --- what a field may hold ---

    def numbers(self, number_: int, field: Field) -> Address:
        """A guard of a number or a date, for each count of digits shown."""
        guard = self._plain(number_)
        if guard is None:
            return NOWHERE
        if guard.distinct >= 0:
            raise HostOnly("numbers that must differ are kept by the host")
        found = []
        for shown in range(field.least, field.most + 1):
            unit = 10 ** (field.most - shown)
            fixed = {field.digits: number(unit)} if field.kind == "number" else {}
            pieces = list(within(Span(), field, unit))
            if len(pieces) > self.most_runs:
                raise HostOnly("a type of many parts is kept by the host")
            inside = (len(pieces), *(end for run in pieces for end in (run.low, run.high)))
            found.append(self._laid(guard, field.register, unit, fixed, inside))
        return self.tables.add(found)

    def words(self, number_: int, field: Field) -> Address:
        """A guard of a word, whose place is its value."""
        guard = self._plain(number_)
        if guard is None:
            return NOWHERE
        if guard.distinct >= 0:
            raise HostOnly("words that must differ are kept by the host")
        return self._laid(guard, field.register, 1, {}, ())

    def condition(self, number_: int) -> Address:
        """A guard of a choice."""
        guard = self.machine.guards[number_]
        return self._laid(guard, -1, 1, {}, ())

    def region(self, number_: int, field: Field) -> Address:
        """A guard of an expression."""
        guard = self._plain(number_)
        if guard is None:
            return NOWHERE
        if any(len(block) != 1 for block in guard.formula):
            raise HostOnly("an expression in one of several ranges is kept by the host")
        return self._laid(guard, field.register, 0, {}, ())

    def _plain(self, number_: int) -> Guard | None:
        """A guard that says anything."""
        guard = self.machine.guards[number_] if number_ >= 0 else None
        return None if guard is None or not (guard.formula or guard.distinct >= 0) else guard

    def _laid(
        self,
        guard: Guard,
        x: int,
        unit: int,
        fixed: Mapping[int, Poly],
        inside: Sequence[int],
    ) -> Address:
        """Quotients, pieces and cases; a `unit` of 0 is that of an expression."""
        words = list(self._quotients(guard, fixed))
        words += inside
        cases = list(product(*guard.formula))
        if len(cases) > MOST_CASES:
            raise HostOnly("a guard of many cases is kept by the host")
        words.append(len(cases))
        for case in cases:
            atoms = [atom for cell in case for atom in cell]
            words.append(len(atoms))
            words += self._atoms(atoms, x, unit, fixed)
        return self.tables.add(words)

    def _quotients(self, guard: Guard, fixed: Mapping[int, Poly]) -> Iterator[int]:
        self.registers.bounds.clear()
        yield len(guard.quotients)
        for place, quotient in enumerate(guard.quotients):
            top, bottom = _with(quotient.top, fixed), _with(quotient.bottom, fixed)
            shared = gcd(*(c for poly in (top, bottom) for c, _ in poly.parts))
            top, bottom = top.over(shared or 1), bottom.over(shared or 1)
            name = QUOTIENT + place
            if quotient.name != name:
                raise HostOnly("quotients out of order are kept by the host")
            yield self.registers.factor(name)
            yield self._polynomial(top)
            yield self._polynomial(bottom)
            self.registers.bounds[name] = self.registers.extent(top)

    # --- atoms ---

    def _atoms(
        self, atoms: Sequence[Atom], x: int, unit: int, fixed: Mapping[int, Poly]
    ) -> Iterator[int]:
        step = 1
        for atom in atoms:
            parts = self._parts(atom, x, unit or 1, fixed)
            self._examine(atom, parts, dense=unit == 0)
            stride = (max(atom.modulus, 1), 1, 0, 1, 0)
            if atom.sign == "div" and parts.slope.parts:
                stride = _stride(atom, parts.slope, step)
                step = step // stride[3] * stride[1]
                if step > MOST_MODULUS:
                    raise HostOnly("a wide stride is kept by the host")
            yield _SIGNS[atom.sign]
            yield self._polynomial(parts.slope)
            yield self._polynomial(parts.rest)
            yield self._polynomial(parts.dense)
            yield 0 if parts.register < 0 else self.registers.word("dense", parts.register)
            yield from stride

    def _parts(self, atom: Atom, x: int, unit: int, fixed: Mapping[int, Poly]) -> Parts:
        """The parts of an atom, divided by what divides all of them."""
        poly = _with(atom.poly, fixed)
        split = poly.split(x)
        if split is None:
            raise HostOnly("a field that is squared is kept by the host")
        slope, rest = split[0].times(unit), split[1]
        dense, register = Poly(), -1
        for name in sorted(rest.variables & self.registers.dense):
            apart = rest.split(name)
            if register >= 0 or apart is None or apart[0].variables & self.registers.dense:
                raise HostOnly("several expressions in one sum are kept by the host")
            dense, rest, register = *apart, name
        if atom.sign != "div":
            parts = (*slope.parts, *rest.parts, *dense.parts)
            shared = gcd(*(c for c, _ in parts)) or 1
            slope, rest, dense = (p.over(shared) for p in (slope, rest, dense))
        return Parts(slope, rest, dense, register)

    def _examine(self, atom: Atom, parts: Parts, *, dense: bool) -> None:
        """Whether the device has the arithmetic for an atom. Raises `HostOnly`."""
        if parts.register < 0:
            if dense and atom.sign == "div" and parts.slope.parts:
                raise HostOnly("the remainder of an expression is kept by the host")
            return
        steep = parts.slope.constant
        if atom.sign == "div" or steep is None or abs(steep) > STEEPEST:
            raise HostOnly("an expression in a product is kept by the host")
        factor = parts.dense.constant
        if (
            dense
            and steep
            and (parts.rest.parts or factor is None or abs(factor) != abs(steep))
        ):
            raise HostOnly("two expressions in one sum are kept by the host")

    def _polynomial(self, poly: Poly) -> Address:
        """A sum of products, each of at most three registers."""
        if self.registers.extent(poly) >= LARGEST:
            raise HostOnly("a sum that 64 bits don't hold is kept by the host")
        words = [len(poly.parts)]
        for coefficient, monomial in poly.parts:
            if len(monomial) > e.TERM_FACTORS:
                raise HostOnly("a product of more than three is kept by the host")
            factors = [self.registers.factor(name) for name in monomial]
            words += [coefficient, *factors, *[0] * (e.TERM_FACTORS - len(factors))]
        return self.tables.add(words)

    def body(self, poly: Poly) -> Address:
        """What a fold takes in."""
        return self._polynomial(poly)


def _with(poly: Poly, fixed: Mapping[int, Poly]) -> Poly:
    """The polynomial with values in place of some variables."""
    total = Poly()
    for coefficient, monomial in poly.parts:
        part = number(coefficient)
        for name in monomial:
            part *= fixed.get(name) or Poly(((1, (name,)),))
        total += part
    return total


def _most_runs(guard: Guard, machine: Machine) -> int:
    """How many runs a guard can leave of a number."""
    cases = list(product(*guard.formula)) if len(guard.formula) < 12 else [()]
    widest = max((len(field.domain) for field in machine.fields), default=1)
    most = widest * sum(1 + _excluded(case) for case in cases)
    if most > MOST_RUNS or any(_excluded(case) > e.MOST_EXCLUDED for case in cases):
        raise HostOnly("a field of many ranges is kept by the host")
    return max(1, most)


def _excluded(case: Sequence[Cell]) -> int:
    return sum(atom.sign == "ne" for cell in case for atom in cell)


def _stride(atom: Atom, slope: Poly, step: int) -> tuple[int, int, int, int, int]:
    """What a stride needs: modulus, own stride, inverse; what it shares with the one so far."""
    steep = slope.constant
    if steep is None or atom.modulus > MOST_MODULUS:
        raise HostOnly("a remainder by what isn't known ahead is kept by the host")
    shared = gcd(steep, atom.modulus)
    own = atom.modulus // shared
    inverse = pow(steep // shared, -1, own) if own > 1 else 0
    both = gcd(step, own)
    every = own // both
    join = pow(step // both, -1, every) if every > 1 else 0
    return atom.modulus, own, inverse, both, join
