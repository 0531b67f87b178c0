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
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import small, solver, terms
from rulec.compiler.asking import EFFORT, over_names, possible
from rulec.compiler.conditions import (
    Formula,
    Unfit,
    atoms_of,
    rules_of,
    variables,
    within,
)
from rulec.compiler.meanings import meanings
from rulec.compiler.witnesses import Choice, choices, shown_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.meanings import Meaning
    from rulec.compiler.names import Names
    from rulec.compiler.projection import Decision, Projection
    from rulec.compiler.terms import Exact, Term


MOST_TOGETHER = 4
"""Claims for which a common question may spend what each of them may."""

MOST_ATOMS = 4_000
"""Comparisons in all claims of a projection."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Wherever `given` holds, one of `shown` does; `about` names the choice.

    Where that is wrong a trace gets stuck, or, with `leaves`, something is left out.
    """

    about: str
    given: Formula
    shown: tuple[Formula, ...]
    leaves: bool = False


def certify(projection: Projection) -> None:
    """Prove every claim of a projection. Raises `Unfit` with the one that can't be had."""
    found = [claim for claim in claims(projection) if not _plain(claim)]
    names = projection.names
    sizes = (len(list(atoms_of(part))) for c in found for part in (c.given, *c.shown))
    if sum(sizes) > MOST_ATOMS:
        raise Unfit("it falls into too many cases", projection.rules)
    for claim in found:
        wrong = _tried(names, claim)
        if wrong is not None:
            raise _stuck(names, claim, _numbers(wrong))
    doubts = [_Doubt(_negated(claim), claim, None) for claim in found]
    doubts += [_Doubt(meaning.apart, None, meaning) for meaning in meanings(projection)]
    doubt = _open(names, doubts)
    if doubt is not None:
        raise doubt[0].unfit(names, doubt[1])


class _Doubt(NamedTuple):
    """A term that holds where a claim is wrong, or where a meaning is missed."""

    term: Term
    claim: Claim | None
    meaning: Meaning | None

    def unfit(self, names: Names, answer: solver.Answer) -> Unfit:
        """Why masks can't rely on what is doubted, by the solver's answer."""
        if self.meaning is not None or self.claim is None:
            rules = self.meaning.rules if self.meaning is not None else ()
            return Unfit("the solver could not tell whether masks keep what it says", rules)
        if isinstance(answer, solver.Satisfiable):
            return _stuck(names, self.claim, _numbers(answer.values))
        reason = f"the solver could not tell whether `{self.claim.about}` can get stuck"
        return Unfit(reason, rules_of(self.claim.given, *self.claim.shown))


def _open(names: Names, doubts: Sequence[_Doubt]) -> tuple[_Doubt, solver.Answer] | None:
    """The first doubt that can't be refuted; many are put together, then in halves."""
    if not doubts:
        return None
    whole = terms.Some(tuple(doubt.term for doubt in doubts))
    effort = EFFORT * min(len(doubts), MOST_TOGETHER)
    answer = possible(names, whole, effort)
    if isinstance(answer, solver.Contradiction):
        return None
    if len(doubts) == 1:
        return doubts[0], answer
    middle = len(doubts) // 2
    return _open(names, doubts[:middle]) or _open(names, doubts[middle:])


def _negated(claim: Claim) -> Term:
    """The claim is wrong: what is given holds, and nothing that is shown."""
    shown = [terms.Negated(over_names(formula)) for formula in claim.shown]
    return terms.Every((over_names(claim.given), *shown))


def _stuck(names: Names, claim: Claim, found: Mapping[int, Fraction]) -> Unfit:
    rules = rules_of(claim.given, *claim.shown)
    if claim.leaves:
        return Unfit(f"masks would leave out something that `{claim.about}` may be", rules)
    wrong = {
        name: value / names.scales[name]
        for name, value in sorted(found.items())
        if name in names.fields and name in names.scales
    }
    named = [(names.fields[name].name, value) for name, value in wrong.items()]
    shown = ", ".join(f"{name} = {value}" for name, value in named if name)
    after = f", for one after {shown}" if shown else ""
    reason = f"a trace can get stuck at `{claim.about}`{after}"
    return Unfit(reason, rules, wrong)


def _numbers(values: Mapping[int, int] | Mapping[int, Exact]) -> dict[int, Fraction]:
    return {name: Fraction(value) for name, value in values.items()}


# --- claims ---


def claims(projection: Projection) -> Iterator[Claim]:
    """What must be proven of a projection."""
    for name, raw, settled in projection.settlings:
        yield Claim(name, raw, (settled,), leaves=True)
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
    given = within(decision.before, tuple(atom for o in options for atom in o.meaning))
    yield Claim(decision.name, given, shown)
    if spec.digits not in variables(behind):
        yield Claim(decision.name, behind, (decision.before,), leaves=True)
        return
    for exponent in range(spec.most - spec.least + 1):
        shown_so, _ = shown_by(names, spec, behind, 10**exponent)
        yield Claim(decision.name, shown_so, (decision.before,), leaves=True)


def _of_ways(decision: Decision) -> Iterator[Claim]:
    known = decision.known
    yield Claim(decision.name, within(decision.before, known), decision.ways)
    for way in decision.ways:
        yield Claim(decision.name, within(way, known), (decision.before,), leaves=True)


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
