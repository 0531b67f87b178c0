"""Rows for the tables of a trace that is laid out: few, with keys that are known.

What the rows of a request hold is left open, as parameters are. The names that the trace
defines are told one after the other, so that a reference is one of some words.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler import terms
from rulec.compiler.candidates import constants, matches
from rulec.compiler.domains import Domain
from rulec.compiler.matches import dfa_of, texts
from rulec.compiler.symbolic import ABSENT, Held, chosen, some

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.machine import Column, Table
    from rulec.compiler.plan import Plan
    from rulec.compiler.tables import Keyed
    from rulec.compiler.terms import Term

MOST_NAMES = 64
"""Names that a trace may define to be looked at."""

COUNTS = (2, 1, 4, 0)
"""How many rows are tried beside those that rules name, in this order."""

Keys: TypeAlias = "Mapping[str, tuple[str, ...]]"
"""The keys of every table of a request, by its name."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row by its key: what its columns are."""

    key: str
    columns: tuple[Held, ...]


@dataclass
class Supply:
    """The rows of all tables as far as the trace has come."""

    how: Mapping[int, Term] = field(default_factory=dict)
    """How registers are computed of the request."""
    rows: dict[int, list[Row]] = field(default_factory=dict)
    """By the registers of the tables."""

    def find(self, table: int, key: Term, column: int) -> Held:
        """A column of the row with a key; absent where there is none."""
        held = ABSENT
        for row in self.rows.get(table, ()):
            here, cell = _same(key, row.key), row.columns[column]
            lacking = chosen(here, cell.absent, held.absent)
            term = cell.term if held is ABSENT else chosen(here, cell.term, held.term)
            held = Held(term, lacking)
        return held

    def has(self, table: int, key: Term) -> Term:
        """Whether a table has a key."""
        return some([_same(key, row.key) for row in self.rows.get(table, ())])

    def keys(self, table: int) -> list[str]:
        """The keys that a table has."""
        return [row.key for row in self.rows.get(table, ())]

    def computed(self, register: int) -> Term | None:
        """How a register is computed of the request, if it is."""
        return self.how.get(register)

    def enter(self, table: int, row: Row) -> None:
        """One more row."""
        self.rows.setdefault(table, []).append(row)


def _same(key: Term, other: str) -> Term:
    if isinstance(key, terms.Const):
        return terms.Const(key.value == other)
    return terms.Relate("==", key, terms.Const(other))


def supplies(plans: Sequence[Plan]) -> Iterator[Keys]:
    """Sets of keys for the tables that come with a request; a single one where none do."""
    given = {
        name: keyed
        for plan in plans
        for name, keyed in plan.layout.tables.items()
        if keyed.table.given
    }
    told = tuple(dict.fromkeys(text for plan in plans for text in _texts(plan)))
    for count in COUNTS if given else COUNTS[:1]:
        yield {name: _keys(keyed, told, count) for name, keyed in given.items()}


def names_for(keyed: Keyed, plan: Plan) -> Iterator[str]:
    """Names that a trace may define, those first that rules speak of."""
    return iter(_keys(keyed, _texts(plan), MOST_NAMES))


def _keys(keyed: Keyed, told: Sequence[str], count: int) -> tuple[str, ...]:
    """The keys that rules name, and some others."""
    table = keyed.table
    if not table.key and table.given:
        return tuple(map(str, range(1, count + 1)))
    own = [text for text in told if text and matches(table.pattern, text)]
    others = [text for text in texts((dfa_of(table.pattern),), count + len(own) + 1) if text]
    return (*own, *[text for text in others if text not in own][:count])


def _texts(plan: Plan) -> tuple[str, ...]:
    """The texts that rules speak of."""
    said = [rule.term for rule in plan.rules]
    said += [fold.body for fold in plan.folds]
    said += plan.layout.computed
    return constants(said)


def columns_of(table: Table) -> Iterator[tuple[Column, Domain]]:
    """The columns of a table, with what they can hold."""
    for column in table.columns:
        yield column, Domain(column.kind, column.domain, 0, 0, 0, column.words, column.pattern)
