"""The values of a guard's variables, and what its formulas leave of one of them."""

from __future__ import annotations

from fractions import Fraction
from math import gcd, prod
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rulec.compiler.conditions import PRESENT, QUOTIENT, block_variables
from rulec.compiler.terms import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.conditions import Atom, Cell, Formula
    from rulec.compiler.machine import Guard
    from rulec.compiler.polynomial import Poly
    from rulec.compiler.rows import Rows

Number = int | Fraction

MOST = 2**62
"""Values below it are computed in 64 bits."""


class Span(NamedTuple):
    """The numbers from `low` to `high` (None: no end) that are `offset` modulo `step`."""

    low: Number | None = None
    high: Number | None = None
    step: int = 1
    offset: int = 0
    excluded: tuple[Number, ...] = ()


def present(held: Any) -> bool:
    """Whether a register holds a value, or may still come to hold one."""
    return held is not Gap.ABSENT and held != ()


def read(readers: dict[int, Callable[[Any], Number]], register: int, held: Any) -> Number:
    """What a guard reads where a register holds a value."""
    if isinstance(held, Gap):
        return 0  # told apart by its presence, or not written yet
    reader = readers.get(register)
    return int(held) if reader is None else reader(held)


class Valued:
    """The values of variables, each computed when it is first asked for."""

    def __init__(
        self,
        readers: dict[int, Callable[[Any], Number]],
        regs: Sequence[Any],
        guard: Guard,
        fixed: dict[int, Number] | None = None,
    ) -> None:
        self._readers = readers
        self._regs = regs
        self._quotients = guard.quotients
        self._known: dict[int, Number] = dict(fixed or {})

    def __getitem__(self, name: int) -> Number:
        known = self._known.get(name)
        if known is None:
            known = self._known[name] = self._read(name)
        return known

    def _read(self, name: int) -> Number:
        if name >= QUOTIENT:
            quotient = self._quotients[name - QUOTIENT]
            bottom = self.value(quotient.bottom)
            return self.value(quotient.top) // bottom if bottom > 0 else 0
        if name >= PRESENT:
            return int(present(self._regs[name - PRESENT]))
        return read(self._readers, name, self._regs[name])

    def value(self, poly: Poly) -> Number:
        """The value of a polynomial."""
        total: Number = 0
        for factor, monomial in poly.parts:
            part: Number = factor
            for name in monomial:
                part *= self[name]
            total += part
        return total

    def holds(self, formula: Formula) -> bool:
        """Whether a formula holds."""
        return all(
            any(all(self._holds(atom) for atom in cell) for cell in block) for block in formula
        )

    def _holds(self, atom: Atom) -> bool:
        return _is(atom, self.value(atom.poly))

    def spans(
        self, formula: Formula, name: int, unit: int, *, whole: bool = True
    ) -> Iterable[Span]:
        """The values of a variable, in units, with which a formula holds."""
        spans: dict[Span, None] = {Span(): None}
        for block in formula:
            found = (
                self._cell(cell, name, unit, span, whole) for span in spans for cell in block
            )
            spans = {span: None for span in found if span is not None}
        return spans

    def _cell(
        self, cell: Cell, name: int, unit: int, span: Span | None, whole: bool
    ) -> Span | None:
        for atom in cell:
            if span is None:
                return None
            slope, rest = self._split(atom.poly, name)
            if slope == 0:
                span = span if _is(atom, rest) else None
            else:
                span = _narrowed(span, atom, slope * unit, rest, whole)
        return span

    def _split(self, poly: Poly, name: int) -> tuple[Number, Number]:
        slope: Number = 0
        rest: Number = 0
        for factor, monomial in poly.parts:
            part: Number = factor
            own = False
            for variable in monomial:
                if variable == name:
                    own = True
                else:
                    part *= self[variable]
            if own:
                slope += part
            else:
                rest += part
        return slope, rest


def _is(atom: Atom, value: Number) -> bool:
    match atom.sign:
        case "ge":
            return value >= 0
        case "eq":
            return value == 0
        case "ne":
            return value != 0
        case _:
            return value % atom.modulus == 0


def _narrowed(span: Span, atom: Atom, slope: Number, rest: Number, whole: bool) -> Span | None:
    """What `slope · x + rest` leaves of a span."""
    match atom.sign:
        case "ge":
            return _bound(span, slope, rest, whole)
        case "eq":
            value = Fraction(-rest) / slope
            if whole and value.denominator != 1:
                return None
            exact: Number = int(value) if whole else value
            return _at_least(_at_most(span, exact), exact)
        case "ne":
            value = Fraction(-rest) / slope
            return span._replace(excluded=(*span.excluded, value))
        case _:
            return _strided(span, int(slope), int(rest), atom.modulus)


def _bound(span: Span, slope: Number, rest: Number, whole: bool) -> Span | None:
    if slope > 0:
        low = -(rest // slope) if whole else Fraction(-rest) / slope
        return _at_least(span, low)
    high = rest // -slope if whole else Fraction(rest) / -slope
    return _at_most(span, high)


def _at_least(span: Span | None, low: Number) -> Span | None:
    if span is None or (span.high is not None and span.high < low):
        return None
    return span if span.low is not None and span.low >= low else span._replace(low=low)


def _at_most(span: Span | None, high: Number) -> Span | None:
    if span is None or (span.low is not None and span.low > high):
        return None
    return span if span.high is not None and span.high <= high else span._replace(high=high)


def _strided(span: Span, slope: int, rest: int, modulus: int) -> Span | None:
    """The members with which `slope · x + rest` is divisible by `modulus`."""
    common = gcd(slope, modulus)
    if rest % common:
        return None
    step = modulus // common
    offset = -(rest // common) * pow(slope // common, -1, step) % step if step > 1 else 0
    shared = gcd(span.step, step)
    if (offset - span.offset) % shared:
        return None
    whole = span.step // shared * step
    rounds = (offset - span.offset) // shared * pow(span.step // shared, -1, step // shared)
    start = span.offset + span.step * (rounds % (step // shared))
    return span._replace(step=whole, offset=start % whole)


class Columns(Valued):
    """Values of which some are those of a table's columns, for all of its rows at once.

    `columns` are registers, each with the place of its column.
    """

    def __init__(
        self,
        readers: dict[int, Callable[[Any], Number]],
        regs: Sequence[Any],
        guard: Guard,
        rows: Rows,
        columns: Sequence[tuple[int, int]],
    ) -> None:
        super().__init__(readers, regs, guard)
        self._rows = rows
        self._columns = dict(columns)

    def _read(self, name: int) -> Any:
        if name < PRESENT and name in self._columns:
            read = self._readers[name]
            return self._rows.array(
                self._columns[name],
                "value",
                lambda held: 0 if isinstance(held, Gap) else int(read(held)),
            )
        if PRESENT <= name < QUOTIENT and name - PRESENT in self._columns:
            place = self._columns[name - PRESENT]
            return self._rows.array(place, "there", lambda held: not isinstance(held, Gap))
        if name >= QUOTIENT:
            quotient = self._quotients[name - QUOTIENT]
            bottom = self.value(quotient.bottom)
            top = self.value(quotient.top)
            return np.where(bottom > 0, top // np.where(bottom > 0, bottom, 1), 0)
        return super()._read(name)

    def value(self, poly: Poly) -> Any:
        """The value in every row; with exact integers where 64 bits may not do."""
        parts = [(factor, [self[name] for name in monomial]) for factor, monomial in poly.parts]
        if sum(abs(f) * prod(map(_largest, held)) for f, held in parts) < MOST:
            return sum((f * prod(held) for f, held in parts), start=0)
        wide = ((f, [np.asarray(each, object) for each in held]) for f, held in parts)
        return sum((f * prod(held) for f, held in wide), start=np.asarray(0, object))

    def holding(self, formula: Formula) -> NDArray[np.bool_]:
        """In which rows a formula holds."""
        names = frozenset().union(*map(block_variables, formula))
        about = self._columns.keys() & names
        if len(about) == 1 and max(names) < PRESENT:
            return self._by_spans(formula, *about)
        found = np.ones(len(self._rows), bool)
        for block in formula:
            some = np.zeros(len(self._rows), bool)
            for cell in block:
                every = np.ones(len(self._rows), bool)
                for atom in cell:
                    every &= np.asarray(_is(atom, self.value(atom.poly)), bool)
                some |= every
            found &= some
        return found

    def _by_spans(self, formula: Formula, register: int) -> NDArray[np.bool_]:
        """The same where it is about the values of one column, by what it leaves of them."""
        held = self[register]
        found = np.zeros(len(self._rows), bool)
        for span in self.spans(formula, register, 1):
            inside = np.ones(len(self._rows), bool)
            if span.low is not None:
                inside &= held >= int(span.low)
            if span.high is not None:
                inside &= held <= int(span.high)
            if span.step > 1:
                inside &= held % span.step == span.offset
            for value in span.excluded:
                inside &= held != value
            found |= inside
        return found


def _largest(value: Any) -> int:
    return (
        int(np.max(np.abs(value), initial=0)) if isinstance(value, np.ndarray) else abs(value)
    )
