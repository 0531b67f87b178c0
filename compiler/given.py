"""What rules ask of a request alone: computed once, before the trace begins.

A term over parameters and the tables of a request is a parameter itself, which nobody gives:
masks and certificates know as much of it as of any other.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import machine, regions, terms
from rulec.compiler.opaque import asks, calls, free
from rulec.compiler.rows import MOST_ROWS
from rulec.compiler.terms import LIMIT, Gap

if TYPE_CHECKING:
    from rulec.compiler.places import Layout
    from rulec.compiler.regions import Region
    from rulec.compiler.terms import Term

ZERO = Fraction(0)
_TRUTHS = ("all", "any", "distinct", "sorted")
_PICKS = ("min", "max", "first", "last")


@dataclass
class Given:
    """The terms of a ruleset that are known with its request."""

    layout: Layout

    @property
    def registers(self) -> frozenset[int]:
        """The registers that are known before the trace."""
        tables = (keyed.table for keyed in self.layout.tables.values())
        return frozenset(
            (
                *(parameter.register for parameter in self.layout.given),
                *(table.register for table in tables if table.given),
            )
        )

    def known(self, term: Term, text: str) -> Term:
        """The term, or the register that holds it if the request tells it; `text` names it.

        What may have no value but for being absent is left alone, and so is what may be of any
        size: a request with it would have to be refused, whatever its rules' tiers.
        """
        if calls(term) or free(term) or terms.folds(term) or not self._told(term):
            return term
        if asks(term, terms.Binary | terms.Rounded):
            return term
        found = self._ends(term)
        if found is None:
            sort = self._sort(term)
            found = -1 if sort is None else self._held(term, sort, text)
        if found >= 0 and _may_lack(term):
            self.layout.maybe.append(range(found, found + 1))
        return terms.Read(found) if found >= 0 else term

    def _told(self, term: Term) -> bool:
        read = terms.registers(term)
        return bool(read) and read <= self.registers

    def _held(self, term: Term, sort: machine.Sort, text: str) -> int:
        made = self.layout.computed.get(term)
        if made is None:
            register, name = self.layout.register(Gap.UNKNOWN), " ".join(text.split())
            made = machine.Parameter(
                name, register, sort.kind, None, sort.domain, sort.words, None, term
            )
            self.layout.computed[term] = made
        return made.register

    def _ends(self, term: Term) -> int | None:
        """The register in which a table has its count, or an end of a column, anyway."""
        match term:
            case terms.Each("count", _, terms.Entries(table), terms.Const(True)):
                return self._table(table).count
            case terms.Each(("min" | "max") as function, _, source, body):
                column = self._column(source, body)
                end = -1 if column is None else column.low if function == "min" else column.high
                return end if end >= 0 else None
            case _:
                return None

    def _table(self, register: int) -> machine.Table:
        tables = (keyed.table for keyed in self.layout.tables.values())
        return next(table for table in tables if table.register == register)

    def _column(self, source: Term, body: Term) -> machine.Column | None:
        """The column of a table that a list goes through, if it is one."""
        match source, body:
            case terms.Each("items", _, rows, inner), terms.Bound():
                return self._column(rows, inner)
            case terms.Entries(), terms.Lookup(table, terms.Bound(), place):
                return self._table(table).columns[place]
            case _:
                return None

    def _sort(self, term: Term) -> machine.Sort | None:
        """What a term may be; None where it may be too much."""
        match term:
            case terms.Listed() | terms.Among():
                return machine.Sort("word", (), ("true", "false"))
            case terms.Lookup(table, _, place):
                return _of_column(self._table(table).columns[place])
            case terms.Each("items"):
                return machine.Sort("list", regions.EVERYTHING)
            case terms.Each(function, _, source, body) if function in _TRUTHS:
                return machine.Sort("word", (), ("true", "false"))
            case terms.Each("count", _, source) if asks(source, terms.Entries):
                return _counted(_Ends(1, Fraction(1), Fraction(1)))
            case terms.Each(function, _, source, body):
                column = self._column(source, body)
                if function in _PICKS and column is not None:
                    return _of_column(column)
                ends = self._range(source, body)
                if ends is None or function not in ("sum", *_PICKS):
                    return None
                return _counted(ends) if function == "sum" else _number(ends)
            case _:
                return None

    def _range(self, source: Term, body: Term) -> _Ends | None:
        """Where the numbers that a list adds up lie, each of them."""
        column = self._column(source, body)
        if column is not None:
            return _Ends.of(column.domain) if column.kind == "number" else None
        match body:
            case terms.Const(value) if not isinstance(value, bool | str):
                return _Ends(value.denominator, value, value)
            case terms.Either(_, yes, no):
                return _hull(self._range(source, yes), self._range(source, no))
            case _:
                return None


class _Ends(NamedTuple):
    """Numbers between two, each a whole number over `scale`."""

    scale: int
    low: Fraction
    high: Fraction

    @staticmethod
    def of(domain: Region) -> _Ends | None:
        """The ends of a domain that has some."""
        low, high = regions.lowest(domain), regions.highest(domain)
        steps = [piece.step for piece in domain]
        if low is None or high is None or not all(steps):
            return None
        return _Ends(lcm(*(step.denominator for step in steps if step)), low, high)


def _hull(one: _Ends | None, other: _Ends | None) -> _Ends | None:
    if one is None or other is None:
        return None
    scale = lcm(one.scale, other.scale)
    return _Ends(scale, min(one.low, other.low), max(one.high, other.high))


def _counted(each: _Ends) -> machine.Sort | None:
    """What as many rows as a table may have can add up to; None where that is too much."""
    low, high = min(ZERO, each.low * MOST_ROWS), max(ZERO, each.high * MOST_ROWS)
    return _number(_Ends(each.scale, low, high))


def _number(ends: _Ends) -> machine.Sort | None:
    if max(abs(ends.low), abs(ends.high)) * ends.scale > LIMIT:
        return None
    step = Fraction(1, ends.scale)
    return machine.Sort("number", regions.grid(step, ends.low, ends.high))


def _of_column(column: machine.Column) -> machine.Sort:
    return machine.Sort(column.kind, column.domain, column.words, column.pattern)


def _may_lack(term: Term) -> bool:
    """Whether a term may be absent."""
    return isinstance(term, terms.Lookup) or (
        isinstance(term, terms.Each) and term.function in _PICKS
    )
