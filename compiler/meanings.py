"""That conditions and folds mean what they were flattened to.

What a rule says is put to the solver once more, as it stands, beside the formula that masks
keep: where the two differ is refuted. Conditions over words, over what may be absent and over
the digits shown are left to tests.
"""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import terms
from rulec.compiler.asking import over_names, whole
from rulec.compiler.conditions import PRESENT, QUOTIENT, Formula, rules_of, variables
from rulec.compiler.polynomial import number, variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.compiler.machine import Folding
    from rulec.compiler.names import Names
    from rulec.compiler.projection import Projection, Taken
    from rulec.compiler.terms import Term


class Meaning(NamedTuple):
    """Some rules, and a term that holds where they and what masks keep are apart."""

    rules: frozenset[int]
    apart: Term


def meanings(projection: Projection) -> Iterator[Meaning]:
    """The meanings of a projection that the solver can compare."""
    for (rule, part), formula in projection.flattened.items():
        held = _over_units(projection.names, part)
        if held is not None and not _asks_presence(formula):
            yield Meaning(frozenset({rule}), _apart(held, (), formula))
    for taken in projection.taken:
        meaning = _of_item(projection.names, taken)
        if meaning is not None:
            yield meaning


def _asks_presence(formula: Formula) -> bool:
    return any(PRESENT <= name < QUOTIENT for name in variables(formula))


def _apart(held: Term, given: Iterable[Term], formula: Formula) -> Term:
    """Where a condition and a formula differ."""
    kept = over_names(formula)
    differ = terms.Some(
        (
            terms.Every((held, terms.Negated(kept))),
            terms.Every((terms.Negated(held), kept)),
        )
    )
    return terms.Every((*given, differ))


def _of_item(names: Names, taken: Taken) -> Meaning | None:
    """One more item of a list: its folds as they are afterwards, by what rules say of them."""
    space, behind = names.space, taken.behind
    given: list[Term] = []
    for fold in taken.folds:
        if not {fold.register, PRESENT + fold.register} & space.deep(behind):
            continue
        after = space.fresh(space.bounds.get(fold.register, (None, None)))
        value = _added(names, fold)
        if value is None:
            return None
        behind = space.replaced(behind, fold.register, variable(after))
        behind = space.replaced(behind, PRESENT + fold.register, number(1))
        given.append(terms.Relate("==", terms.Read(after), value))
    if not given or _asks_presence(behind) or _asks_presence(taken.before):
        return None
    apart = _apart(over_names(behind), given, taken.before)
    return Meaning(rules_of(behind, taken.before), apart)


def _added(names: Names, fold: Folding) -> Term | None:
    """A fold behind one more item, in its units; None where that has no such form."""
    scale = names.scales.get(fold.register)
    home = names.plan.lists[fold.list].count
    if fold.function == "count" and fold.body == terms.Const(True):
        return terms.Binary("+", terms.Read(fold.register), whole(1))
    if scale is None or any(names.may_lack(r, home) for r in terms.registers(fold.body)):
        return None
    body = _over_units(names, fold.body)
    if body is None or fold.function not in ("sum", "prev", "last"):
        return None
    value = terms.Binary("*", body, whole(scale))
    if fold.function == "sum":
        return terms.Binary("+", terms.Read(fold.register), value)
    return value


def _over_units(names: Names, term: Term) -> Term | None:
    """The term over registers that count units; None where it has no such form."""
    match term:
        case terms.Const(Fraction()):
            return term
        case terms.Read(register):
            return _in_units(names, register)
        case terms.Folded(fold):
            spec = names.plan.folds[fold]
            known = spec.function in ("sum", "count")
            return _in_units(names, spec.register) if known else None
        case (
            terms.Binary() | terms.Relate() | terms.Minus() | terms.Rounded() | terms.Negated()
        ):
            pass
        case terms.Absolute() | terms.Extreme() | terms.Every() | terms.Some() | terms.Either():
            pass
        case _:
            return None
    inner = [_over_units(names, part) for part in terms.parts(term)]
    known_parts = [part for part in inner if part is not None]
    return terms.rebuilt(term, known_parts) if len(known_parts) == len(inner) else None


def _in_units(names: Names, register: int) -> Term | None:
    scale = names.scales.get(register)
    if scale is None or register in names.words:
        return None
    read = terms.Read(register)
    return read if scale == 1 else terms.Binary("/", read, whole(scale))
