"""Projection of single fields: what they may hold, and what must hold before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import small
from rulec.compiler.automata import one_length, regex_dfa, rooms
from rulec.compiler.conditions import (
    TRUE,
    Atom,
    Cell,
    Formula,
    TooMany,
    Unfit,
    atoms_of,
    block_variables,
    equal,
    rules_of,
    variables,
)
from rulec.compiler.derivations import demands
from rulec.compiler.eliminate import (
    MOST_QUOTIENTS,
    MOST_VALUES,
    eliminate,
    factor_of,
    spelled_out,
)
from rulec.compiler.kinds import DIGITS
from rulec.compiler.names import oversize
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.witnesses import shown_by
from rulec.dsl import checked
from rulec.dsl.json_text import escaped_regex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.machine import Field
    from rulec.compiler.names import Names
    from rulec.compiler.plan import Plan
    from rulec.compiler.space import Space

FEW = "there may be fewer values than items that must be distinct"
MOST_TRIED = 100
"""Values that are looked at for each one that must differ."""


def joined(space: Space, formulas: Sequence[Formula]) -> Formula:
    """One of the formulas. Raises `Unfit`."""
    try:
        return space.joined(formulas)
    except TooMany as error:
        raise Unfit("it falls into too many cases", rules_of(*formulas)) from error


def settled(names: Names, formula: Formula, register: int) -> Formula:
    """The formula without what can only be computed once the field is written.

    What is left has the field in no power.
    """
    raw, space = formula, names.space
    try:
        for _ in range(MOST_QUOTIENTS):
            part = next((p for p in space.depending(register) if p in variables(formula)), None)
            if part is None:
                break
            formula = eliminate(space, formula, part)
        else:
            raise Unfit("it rounds too often", rules_of(formula))
    except Unfit as reason:
        factor = None if space.few(register, MOST_VALUES) else factor_of(space, raw, register)
        if factor is None:
            return spelled_out(space, raw, register, reason)
        return settled(names, spelled_out(space, raw, factor, reason), register)
    powers = [atom for atom in atoms_of(formula) if atom.poly.split(register) is None]
    if powers:
        squared = Unfit("a field is multiplied by itself", powers[0].rules)
        return spelled_out(space, raw, register, squared)
    return formula


def about(spec: Field, formula: Formula) -> Formula:
    """What a formula says of a field."""
    own = {spec.register, spec.digits}
    return tuple(block for block in formula if own & block_variables(block))


def differing(names: Names, spec: Field, own: Formula, high: int | None) -> None:
    """Values that must differ: constants alone bind them, and leave enough. Raises `Unfit`."""
    rules = rules_of(own)
    if any(variables((block,)) != {spec.register} for block in own):
        raise Unfit("a list that must be distinct is bound by other rules too", rules)
    low, most = names.space.bounds[spec.register]
    if high is None or low is None or most is None or most - low + 1 < high:
        raise Unfit(FEW, rules)
    found = 0
    for value in range(low, min(most, low + MOST_TRIED * high) + 1) if own else ():
        found += names.space.replaced(own, spec.register, number(value)) == TRUE
        if found >= high:
            return
    if own:
        raise Unfit(FEW, rules)


def differing_texts(plan: Plan, spec: Field, rule: int, high: int | None) -> None:
    """Texts that must differ: all of one length, and enough of them. Raises `Unfit`."""
    type_ = plan.layout.types[plan.fields.index(spec)]
    if not isinstance(type_, checked.TextType) or type_.regex is None:
        raise Unfit("whether enough values are left that differ isn't known", {rule})
    dfa = regex_dfa(escaped_regex(type_.regex) if spec.quoted else type_.regex)
    if not one_length(dfa):
        raise Unfit("texts that must differ have several lengths", {rule})
    if high is None or rooms(dfa, high)[0] < high:
        raise Unfit(FEW, {rule})


def written(plan: Plan, spec: Field) -> Formula:
    """What must hold where something is written over names: that there are enough of them."""
    if spec.grammar < 0:
        return TRUE
    table = plan.layout.table_of_names(spec)
    grammar = plan.layout.grammars[spec.grammar]
    if spec.kind == "formula":
        return ((_some(table.count),),)
    demanded = demands(grammar)
    cells = tuple(
        (
            equal(variable(spec.register), number(demand.type)),
            *(_some(table.kinds[place])[0] for place in demand.names),
        )
        for demand in demanded
    )
    always = {demand.type for demand in demanded if not demand.names}
    return () if len(always) == len(grammar.types) else (cells,)


def _some(count: int) -> Cell:
    return (Atom("ge", variable(count) - number(1)),)


def eliminated(names: Names, spec: Field, formula: Formula) -> Formula:
    """The formula under which the field can be chosen. Raises `Unfit`."""
    space = names.space
    if spec.kind in ("word", "typed"):
        words = range(len(spec.words))
        ways = [space.replaced(formula, spec.register, number(n)) for n in words]
        return tuple(block for block in joined(space, ways) if not small.always(space, block))
    near = spec.digits in variables(formula)
    if not near and not oversize(spec):
        return eliminate(space, formula, spec.register)
    coarsest = spec.most - spec.least
    exponents = range(coarsest, -1, -1)
    if near and _only_near(names, spec, about(spec, formula)):
        exponents = range(coarsest, coarsest - 1, -1)
    return joined(space, [_shown(names, spec, formula, 10**exponent) for exponent in exponents])


def _only_near(names: Names, spec: Field, own: Formula) -> bool:
    """Whether the coarsest digits leave all open that finer ones do."""
    unit = 10 ** (spec.most - spec.least)
    ends = names.space.bounds[spec.register]
    if any(end is not None and end % unit for end in ends):
        return False
    return all(spec.digits in atom.poly.variables for atom in atoms_of(own))


def _shown(names: Names, spec: Field, formula: Formula, unit: int) -> Formula:
    """The formula without the field, if its last digit shown stands for `unit`."""
    shown, fresh = shown_by(names, spec, formula, unit)
    return eliminate(names.space, shown, fresh)


def writable(names: Names, spec: Field, own: Formula) -> None:
    """An expression can be brought to any value that a quotient of literals shows.

    Raises `Unfit` where a bound on it may be none of these.
    """
    for atom in atoms_of(own):
        slope, rest = atom.poly.split(spec.register) or (Poly(), Poly())
        low, high = rest.range(names.space.bounds)
        factor = slope.constant
        if rest.constant is not None and _holds_zero(atom.sign, rest.constant):
            continue
        known = low is not None and high is not None and factor is not None
        if not known or max(-(low or 0), high or 0, abs(factor or 0)) > DIGITS:
            reason = "its value may be none that an expression can be brought to"
            raise Unfit(reason, atom.rules)


def _holds_zero(sign: str, rest: int) -> bool:
    return rest >= 0 if sign == "ge" else rest == 0
