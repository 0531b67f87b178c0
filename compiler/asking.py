"""Questions about formulas, put to the solver as terms over the variables of a space."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import solver, terms
from rulec.compiler.conditions import PRESENT, Atom, Block, Formula, Quotient
from rulec.compiler.polynomial import number

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from rulec.compiler.names import Names
    from rulec.compiler.polynomial import Poly
    from rulec.compiler.space import Space
    from rulec.compiler.terms import Term

EFFORT = 1_500_000
"""What the solver may spend on one question, in its own steps."""


def refuted(names: Names, conditions: Sequence[Term], effort: int = EFFORT) -> solver.Answer:
    """Values of a space's variables with which all conditions hold, or that there are none.

    The conditions are terms over the variables (`over_names`); the core of a contradiction are
    places among them.
    """
    read = frozenset().union(*map(terms.registers, conditions))
    order = {name: place for place, name in enumerate(sorted(read))}
    scales = {place: None if name in names.space.dense else 1 for name, place in order.items()}
    asked = [_renamed(condition, order) for condition in conditions]
    answer = solver.satisfy(asked, scales, rlimit=effort, core=len(asked) > 1)
    if isinstance(answer, solver.Satisfiable):
        return solver.Satisfiable({name: answer.values[n] for name, n in order.items()})
    return answer


def _renamed(term: Term, order: Mapping[int, int]) -> Term:
    if isinstance(term, terms.Read):
        return terms.Read(order[term.register])
    return terms.rebuilt(term, [_renamed(part, order) for part in terms.parts(term)])


def possible(names: Names, term: Term, effort: int = EFFORT) -> solver.Answer:
    """Values with which a term holds, and all that is known of the variables that it reads."""
    known = known_of(names, terms.registers(term))
    return refuted(names, [terms.Every((*known, term))], effort)


def known_of(names: Names, variables: Iterable[int]) -> Iterator[Term]:
    """What is true of variables wherever they stand.

    The types bound them, quotients are what they are, and of the fields of exclusive branches
    only those of one are there.
    """
    space = names.space
    read = space.with_origins(variables)
    for name in sorted(read):
        low, high = space.bounds.get(name, (None, None))
        if low is not None:
            yield terms.Relate(">=", terms.Read(name), whole(low))
        if high is not None:
            yield terms.Relate("<=", terms.Read(name), whole(high))
        if name in space.quotients:
            yield _known_quotient(space, space.quotients[name])
    there = {name - PRESENT for name in read if name >= PRESENT}
    for one, other in sorted(names.exclusive):
        if one in there and other in there:
            both = terms.Binary("+", terms.Read(PRESENT + one), terms.Read(PRESENT + other))
            yield terms.Relate("<=", both, whole(1))


def _known_quotient(space: Space, quotient: Quotient) -> Term:
    """A quotient is what it is wherever its bottom is positive."""
    atoms = terms.Every(tuple(map(_atom, quotient.atoms)))
    low, _ = quotient.bottom.range(space.bounds)
    if low is not None and low > 0:
        return atoms
    return terms.Some((_atom(Atom("ge", number(0) - quotient.bottom)), atoms))


def over_names(formula: Formula) -> Term:
    """A formula as a term that reads the variables of its space."""
    if not formula:
        return terms.Const(True)
    return terms.Every(tuple(map(_block, formula)))


def _block(block: Block) -> Term:
    if not block:
        return terms.Const(False)
    return terms.Some(tuple(terms.Every(tuple(map(_atom, cell))) for cell in block))


def _atom(atom: Atom) -> Term:
    value, zero = _poly(atom.poly), whole(0)
    match atom.sign:
        case "ge":
            return terms.Relate(">=", value, zero)
        case "eq":
            return terms.Relate("==", value, zero)
        case "ne":
            return terms.Relate("!=", value, zero)
        case _:
            rest = terms.Binary("%", value, whole(atom.modulus))
            return terms.Relate("==", rest, zero)


def _poly(poly: Poly) -> Term:
    parts: list[Term] = []
    for factor, monomial in poly.parts:
        part: Term = whole(factor)
        for place, name in enumerate(monomial):
            read = terms.Read(name)
            plain = place == 0 and factor == 1
            part = read if plain else terms.Binary("*", part, read)
        parts.append(part)
    total: Term = parts[0] if parts else whole(0)
    for part in parts[1:]:
        total = terms.Binary("+", total, part)
    return total


def whole(value: int) -> Term:
    """A whole number as a term."""
    return terms.Const(Fraction(value))


def implied(names: Names, given: Formula, shown: Formula) -> bool:
    """Whether one formula follows from another, as far as the solver proves it."""
    apart = terms.Every((over_names(given), terms.Negated(over_names(shown))))
    return isinstance(possible(names, apart), solver.Contradiction)
