"""The values of terms while the variables of a trace are still open.

Which fields a trace has is known here, what they hold is not. So the absent is worked out, and
what remains is a term over variables.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations
from typing import TYPE_CHECKING, Protocol, TypeAlias

from rulec.compiler import terms

if TYPE_CHECKING:
    from rulec.compiler.terms import Fold, Term
    from rulec.dsl.checked import Relation

TRUE = terms.Const(True)
FALSE = terms.Const(False)
ZERO = terms.Const(Fraction(0))
ONE = terms.Const(Fraction(1))


@dataclass(frozen=True, slots=True)
class Held:
    """A value: absent where the condition `absent` is true, else that of `term`."""

    term: Term
    absent: Term = FALSE


ABSENT = Held(FALSE, TRUE)

Registers: TypeAlias = Mapping[int, Held]
Fetch: TypeAlias = Callable[[int, Registers], Held]
"""The value of a fold, by its index, over these registers."""


# --- conditions, simplified without a change of what they mean ---


def every(parts: Sequence[Term]) -> Term:
    """All of them, in order."""
    kept: list[Term] = []
    for part in parts:
        if part == TRUE:
            continue
        kept.append(part)
        if part == FALSE:
            break
    if not kept:
        return TRUE
    return kept[0] if len(kept) == 1 else terms.Every(tuple(kept))


def some(parts: Sequence[Term]) -> Term:
    """One of them, in order."""
    kept: list[Term] = []
    for part in parts:
        if part == FALSE:
            continue
        kept.append(part)
        if part == TRUE:
            break
    if not kept:
        return FALSE
    return kept[0] if len(kept) == 1 else terms.Some(tuple(kept))


def negated(term: Term) -> Term:
    """`not term`."""
    if term in (TRUE, FALSE):
        return FALSE if term == TRUE else TRUE
    return term.term if isinstance(term, terms.Negated) else terms.Negated(term)


def chosen(test: Term, yes: Term, no: Term) -> Term:
    """`if test then yes else no`."""
    if test in (TRUE, FALSE):
        return yes if test == TRUE else no
    return terms.Either(test, yes, no)


# --- terms ---


class Tables(Protocol):
    """The rows of a trace, by the registers of their tables."""

    def find(self, table: int, key: Term, column: int) -> Held:
        """A column of the row with a key; absent where there is none."""

    def has(self, table: int, key: Term) -> Term:
        """Whether a table has a key."""

    def keys(self, table: int) -> list[str]:
        """The keys that a table has."""

    def computed(self, register: int) -> Term | None:
        """How a register is computed of the request, if it is."""


class Valuer:
    """Values terms over registers that hold terms; a register that is missing is absent."""

    def __init__(self, fetch: Fetch, tables: Tables | None = None) -> None:
        self._fetch = fetch
        self._tables = tables
        self._bound: dict[int, Held] = {}

    def held(self, term: Term, regs: Registers) -> Held:
        """What a term is."""
        match term:
            case terms.Const():
                return Held(term)
            case terms.Read(register):
                return regs.get(register, ABSENT)
            case terms.Folded(fold):
                return self._fetch(fold, regs)
            case terms.Present(register):
                return Held(negated(regs.get(register, ABSENT).absent))
            case terms.Else(inner, otherwise):
                return _otherwise(self.held(inner, regs), self.held(otherwise, regs))
            case terms.Every(inner):
                return _every([self.held(part, regs) for part in inner])
            case terms.Some(inner):
                found = _every([_turned(self.held(part, regs)) for part in inner])
                return _turned(found)
            case terms.Either(test, yes, no):
                return _either(*(self.held(part, regs) for part in (test, yes, no)))
            case _ if isinstance(term, terms.Opaque):
                return self._opaque(term, regs)
            case _:
                return self._strict(term, regs)

    def _opaque(self, term: terms.Opaque, regs: Registers) -> Held:
        """What a term over lists and tables is, where the rows are known."""
        match term:
            case terms.Bound(number) if number in self._bound:
                return self._bound[number]
            case terms.Lookup(table, key, column) if self._tables is not None:
                held = self.held(key, regs)
                found = self._tables.find(table, held.term, column)
                return Held(found.term, some([held.absent, found.absent]))
            case terms.Listed(table, key) if self._tables is not None:
                held = self.held(key, regs)
                return Held(self._tables.has(table, held.term), held.absent)
            case terms.Each(function, number, source, body):
                items = self._list(source, regs)
                if items is not None:
                    return folded(function, self._each(number, items, body, regs))
                return self._unfolded(term, regs)
            case terms.Among(inner, source):
                items, held = self._list(source, regs), self.held(inner, regs)
                if items is not None:
                    return Held(some([_equal(held, item) for item in items]), held.absent)
        return self._strict(term, regs)

    def _unfolded(self, term: terms.Each, regs: Registers) -> Held:
        items, found = self.held(term.source, regs), self.held(term.body, regs)
        inner = (items.term, chosen(found.absent, FALSE, found.term))
        return Held(rebuilt(term, inner), items.absent)

    def _list(self, source: Term, regs: Registers) -> list[Held] | None:
        """The items of a list, where it goes through rows."""
        match source:
            case terms.Entries(table) if self._tables is not None:
                return [Held(terms.Const(key)) for key in self._tables.keys(table)]
            case terms.Read(register) if self._tables is not None:
                computed = self._tables.computed(register)
                return None if computed is None else self._list(computed, regs)
            case terms.Each("items", number, inner, body):
                items = self._list(inner, regs)
                return None if items is None else self._each(number, items, body, regs)
            case _:
                return None

    def _each(
        self, number: int, items: Sequence[Held], body: Term, regs: Registers
    ) -> list[Held]:
        """What a body is for each of some items."""
        outer, found = self._bound.get(number), []
        for item in items:
            self._bound[number] = item
            found.append(self.held(body, regs))
        self._bound.pop(number, None)
        if outer is not None:
            self._bound[number] = outer
        return found

    def _strict(self, term: Term, regs: Registers) -> Held:
        """What has a value only where all of its parts have one."""
        inner = [self.held(part, regs) for part in terms.parts(term)]
        absent = some([part.absent for part in inner])
        if absent == TRUE:
            return ABSENT
        parts = [part.term for part in inner]
        if isinstance(term, terms.Near):
            return Held(_near(term, parts, regs), absent)
        return Held(rebuilt(term, parts), absent)


def rebuilt(term: Term, parts: Sequence[Term]) -> Term:
    """A term with other parts; a negation in its simplest form."""
    return negated(parts[0]) if isinstance(term, terms.Negated) else terms.rebuilt(term, parts)


def _near(term: terms.Near, parts: Sequence[Term], regs: Registers) -> Term:
    shown = regs[term.digits].term
    if not isinstance(shown, terms.Read):
        raise TypeError("the digits shown are no variable")
    return terms.Near(parts[0], parts[1], shown.register, term.least)


def _otherwise(inner: Held, otherwise: Held) -> Held:
    if inner.absent == TRUE:
        return otherwise
    term = chosen(inner.absent, otherwise.term, inner.term)
    if otherwise.absent == TRUE:
        return inner
    return Held(term, every([inner.absent, otherwise.absent]))


def _either(test: Held, yes: Held, no: Held) -> Held:
    if test.absent == TRUE:
        return ABSENT
    # Where one side is absent its term says nothing; the test still may lack a value.
    yes_term = no.term if yes.absent == TRUE else yes.term
    no_term = yes.term if no.absent == TRUE else no.term
    absent = chosen(test.term, yes.absent, no.absent)
    if yes.absent == no.absent:
        absent = yes.absent
    return Held(chosen(test.term, yes_term, no_term), some([test.absent, absent]))


def _turned(held: Held) -> Held:
    return Held(negated(held.term), held.absent)


def _every(inner: Sequence[Held]) -> Held:
    """A conjunction: false as soon as a part is; absent where one is and all others hold."""
    term = every([chosen(part.absent, TRUE, part.term) for part in inner])
    missing = some([part.absent for part in inner])
    return Held(term, every([term, missing]) if missing != FALSE else FALSE)


def _equal(held: Held, item: Held) -> Term:
    return every([negated(item.absent), terms.Relate("==", held.term, item.term)])


# --- lists ---


def folded(function: Fold, items: Sequence[Held]) -> Held:
    """A list's fold; items that are absent don't count."""
    there = [item for item in items if item.absent != TRUE]
    match function:
        case "sum":
            return Held(_sum([chosen(i.absent, ZERO, i.term) for i in there]))
        case "count":
            return Held(_sum([chosen(_counts(i), ONE, ZERO) for i in there]))
        case "all":
            return Held(every([chosen(i.absent, TRUE, i.term) for i in there]))
        case "any":
            return Held(some([chosen(i.absent, FALSE, i.term) for i in there]))
        case "distinct":
            return Held(_apart("!=", there))
        case "sorted":
            return Held(_apart("<=", there))
        case "items" | "earlier":
            return Held(terms.Listing(tuple(chosen(i.absent, FALSE, i.term) for i in there)))
        case "first" | "last" | "prev":
            return _first(there if function == "first" else there[::-1])
        case _:
            return _extreme(function == "max", there)


def _counts(item: Held) -> Term:
    return every([negated(item.absent), item.term])


def _sum(parts: Sequence[Term]) -> Term:
    """A sum, put together so that it nests little."""
    kept = [part for part in parts if part != ZERO]
    if not kept:
        return ZERO
    if len(kept) == 1:
        return kept[0]
    middle = len(kept) // 2
    return terms.Binary("+", _sum(kept[:middle]), _sum(kept[middle:]))


def _apart(relation: Relation, items: Sequence[Held]) -> Term:
    """Whether any two are so, in their order; those left aside of which one is absent."""
    return every(
        [
            some([one.absent, other.absent, terms.Relate(relation, one.term, other.term)])
            for one, other in combinations(items, 2)
        ]
    )


def _first(items: Sequence[Held]) -> Held:
    if not items:
        return ABSENT
    held = items[-1]
    for item in reversed(items[:-1]):
        held = _otherwise(item, held)
    return held


def _extreme(largest: bool, items: Sequence[Held]) -> Held:
    """The least or the greatest of those that are there."""
    if not items:
        return ABSENT
    if all(item.absent == FALSE for item in items):
        inner = tuple(item.term for item in items)
        return Held(inner[0] if len(inner) == 1 else terms.Extreme(largest, inner))
    held = items[0]
    for item in items[1:]:
        both = terms.Extreme(largest, (held.term, item.term))
        term = chosen(held.absent, item.term, chosen(item.absent, held.term, both))
        held = Held(term, every([held.absent, item.absent]))
    return held
