"""Certificates: that a projection leaves nothing open that gets stuck, and nothing else out.

For every choice the projection has a formula *before* it and one for each way on. Four things
are refuted, all free of quantifiers, over any values that fit the types:

- `before` holds and none of some witnesses can be chosen;
- a way on holds though `before` doesn't;
- between the items of a list, `before` and what its two ways need differ;
- a rule and the conditions that it was flattened to differ.

Small values are tried first; what they don't refute is asked of the solver, within a limit of
its own steps, so that the same rules always have the same answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import small, solver, terms
from rulec.compiler.conditions import (
    Atom,
    Cell,
    Formula,
    Unfit,
    conjoined,
    rules_of,
    variables,
)
from rulec.compiler.witnesses import Choice, choices, shown_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.names import Names
    from rulec.compiler.polynomial import Poly
    from rulec.compiler.projection import Decision, Projection
    from rulec.compiler.space import Space
    from rulec.compiler.terms import Term

EFFORT = 1_500_000
"""What the solver may spend on one claim, in its own steps."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Wherever `given` holds, one of `shown` does; `about` names the choice."""

    about: str
    given: Formula
    shown: tuple[Formula, ...]


def certify(projection: Projection) -> None:
    """Prove every claim of a projection. Raises `Unfit` with the one that can't be had."""
    found = [claim for claim in claims(projection) if not _plain(claim)]
    names = projection.names
    for claim in found:
        wrong = _tried(names.space, claim)
        if wrong is not None:
            raise _stuck(names, claim, wrong)
    wanted = [_negated(names, claim) for claim in found]
    if not wanted:
        return
    whole = terms.Some(tuple(wanted)) if len(wanted) > 1 else wanted[0]
    if isinstance(_ask(names, whole), solver.Contradiction):
        return
    for claim, term in zip(found, wanted, strict=True):
        answer = _ask(names, term)
        if isinstance(answer, solver.Satisfiable):
            raise _stuck(names, claim, {})
        if isinstance(answer, solver.Undecided):
            reason = f"the solver could not tell whether `{claim.about}` can get stuck"
            raise Unfit(reason, rules_of(claim.given, *claim.shown))


def _stuck(names: Names, claim: Claim, wrong: Mapping[int, int]) -> Unfit:
    shown = ", ".join(
        f"{names.fields[name].name} = {Fraction(value, names.scales[name])}"
        for name, value in sorted(wrong.items())
        if name in names.fields and names.fields[name].name and name in names.scales
    )
    after = f", for one after {shown}" if shown else ""
    reason = f"a trace can get stuck at `{claim.about}`{after}"
    return Unfit(reason, rules_of(claim.given, *claim.shown))


# --- claims ---


def claims(projection: Projection) -> Iterator[Claim]:
    """What must be proven of a projection."""
    for decision in projection.decisions.values():
        if decision.kind == "field":
            yield from _of_field(projection.names, decision)
        else:
            yield from _of_ways(decision)


def _of_field(names: Names, decision: Decision) -> Iterator[Claim]:
    (behind,) = decision.ways
    spec = names.fields[decision.register]
    options: list[Choice] = list(choices(names, spec, behind))
    shown = tuple(option.formula for option in options)
    given = conjoined(decision.before, *(_cell(option.meaning) for option in options))
    yield Claim(decision.name, given, shown)
    if spec.digits not in variables(behind):
        yield Claim(decision.name, behind, (decision.before,))
        return
    for exponent in range(spec.most - spec.least + 1):
        shown_so, _ = shown_by(names, spec, behind, 10**exponent)
        yield Claim(decision.name, shown_so, (decision.before,))


def _of_ways(decision: Decision) -> Iterator[Claim]:
    known = _cell(decision.known)
    yield Claim(decision.name, conjoined(decision.before, known), decision.ways)
    for way in decision.ways:
        yield Claim(decision.name, conjoined(way, known), (decision.before,))


def _cell(cell: Cell) -> Formula:
    return tuple(((atom,),) for atom in cell)


def _plain(claim: Claim) -> bool:
    """Whether a claim is told by its form: all that is shown is given."""
    given = set(claim.given)
    return () in given or any(given.issuperset(shown) for shown in claim.shown)


def _tried(space: Space, claim: Claim) -> dict[int, int] | None:
    """Small values that refute a claim, if some that were tried do."""
    for values in small.assignments(space, claim.given, *claim.shown):
        shown = any(small.holds(formula, values) for formula in claim.shown)
        if not shown and small.holds(claim.given, values):
            return values
    return None


# --- the solver ---


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


def known_of(names: Names, formula: Formula, more: Sequence[int] = ()) -> Iterator[Term]:
    """What the types allow the variables of a formula, and `more` of them, to be."""
    yield from _known(names.space, Claim("", formula, ()))
    for name in more:
        yield from _bounds(names.space, name)


def over_names(formula: Formula) -> Term:
    """A formula as a term that reads the variables of its space."""
    return _conjunction(formula)


def _ask(names: Names, term: Term) -> solver.Answer:
    return refuted(names, [term])


def _renamed(term: Term, order: Mapping[int, int]) -> Term:
    match term:
        case terms.Read(register):
            return terms.Read(order[register])
        case terms.Binary(op, left, right):
            return terms.Binary(op, _renamed(left, order), _renamed(right, order))
        case terms.Relate(relation, left, right):
            return terms.Relate(relation, _renamed(left, order), _renamed(right, order))
        case terms.Every(inner):
            return terms.Every(tuple(_renamed(part, order) for part in inner))
        case terms.Some(inner):
            return terms.Some(tuple(_renamed(part, order) for part in inner))
        case terms.Negated(inner):
            return terms.Negated(_renamed(inner, order))
        case _:
            return term


def _negated(names: Names, claim: Claim) -> Term:
    """The claim is wrong: what the types allow, what is given, and nothing that is shown."""
    given = [_formula(block) for block in _blocks(claim.given)]
    shown = [terms.Negated(_conjunction(formula)) for formula in claim.shown]
    return terms.Every((*_known(names.space, claim), *given, *shown))


def _known(space: Space, claim: Claim) -> Iterator[Term]:
    """What the types allow, and what quotients are."""
    for name in sorted(small.read(space, claim.given, *claim.shown)):
        yield from _bounds(space, name)
        if name in space.quotients:
            yield from map(_atom, space.quotients[name].atoms)


def _bounds(space: Space, name: int) -> Iterator[Term]:
    low, high = space.bounds.get(name, (None, None))
    if low is not None:
        yield terms.Relate(">=", terms.Read(name), _number(low))
    if high is not None:
        yield terms.Relate("<=", terms.Read(name), _number(high))


def _blocks(formula: Formula) -> Sequence[Formula]:
    return [(block,) for block in formula]


def _conjunction(formula: Formula) -> Term:
    if not formula:
        return terms.Const(True)
    return terms.Every(tuple(_formula(block) for block in _blocks(formula)))


def _formula(formula: Formula) -> Term:
    ((*cells,),) = formula
    if not cells:
        return terms.Const(False)
    return terms.Some(tuple(terms.Every(tuple(map(_atom, cell))) for cell in cells))


def _atom(atom: Atom) -> Term:
    value, zero = _poly(atom.poly), _number(0)
    match atom.sign:
        case "ge":
            return terms.Relate(">=", value, zero)
        case "eq":
            return terms.Relate("==", value, zero)
        case "ne":
            return terms.Relate("!=", value, zero)
        case _:
            rest = terms.Binary("%", value, _number(atom.modulus))
            return terms.Relate("==", rest, zero)


def _poly(poly: Poly) -> Term:
    parts: list[Term] = []
    for factor, monomial in poly.parts:
        part: Term = _number(factor)
        for place, name in enumerate(monomial):
            read = terms.Read(name)
            plain = place == 0 and factor == 1
            part = read if plain else terms.Binary("*", part, read)
        parts.append(part)
    total: Term = parts[0] if parts else _number(0)
    for part in parts[1:]:
        total = terms.Binary("+", total, part)
    return total


def _number(value: int) -> Term:
    return terms.Const(Fraction(value))
