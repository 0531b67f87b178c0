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
from rulec.compiler.asking import known_of, over_names, refuted
from rulec.compiler.conditions import (
    Cell,
    Formula,
    Unfit,
    conjoined,
    rules_of,
    variables,
)
from rulec.compiler.meanings import meanings
from rulec.compiler.witnesses import Choice, choices, shown_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.names import Names
    from rulec.compiler.projection import Decision, Projection
    from rulec.compiler.terms import Term


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
        wrong = _tried(names, claim)
        if wrong is not None:
            raise _stuck(names, claim, wrong)
    wanted = [_negated(names, claim) for claim in found]
    apart = list(meanings(projection))
    every = (*wanted, *(meaning.apart for meaning in apart))
    if not every or isinstance(refuted(names, [terms.Some(every)]), solver.Contradiction):
        return
    for claim, term in zip(found, wanted, strict=True):
        answer = refuted(names, [term])
        if isinstance(answer, solver.Satisfiable):
            raise _stuck(names, claim, {})
        if isinstance(answer, solver.Undecided):
            reason = f"the solver could not tell whether `{claim.about}` can get stuck"
            raise Unfit(reason, rules_of(claim.given, *claim.shown))
    for meaning in apart:
        if not isinstance(refuted(names, [meaning.apart]), solver.Contradiction):
            reason = "the solver could not tell whether masks keep what the rule says"
            raise Unfit(reason, meaning.rules)


def _negated(names: Names, claim: Claim) -> Term:
    """The claim is wrong: what is known, what is given, and nothing that is shown."""
    known = known_of(names, claim.given, *claim.shown)
    shown = [terms.Negated(over_names(formula)) for formula in claim.shown]
    return terms.Every((*known, over_names(claim.given), *shown))


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
    for name, raw, settled in projection.settlings:
        yield Claim(name, raw, (settled,))
        yield Claim(name, settled, (raw,))
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


def _tried(names: Names, claim: Claim) -> dict[int, int] | None:
    """Small values that refute a claim, if some that were tried do."""
    for values in small.assignments(names.space, claim.given, *claim.shown):
        shown = any(small.holds(formula, values) for formula in claim.shown)
        if not shown and names.possible(values) and small.holds(claim.given, values):
            return values
    return None
