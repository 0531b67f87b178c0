"""Rules that follow from others whatever the lists hold: their folds are taken as unknowns."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import domains, regions, terms
from rulec.compiler.alignment import Naming
from rulec.compiler.domains import BOOLEAN, Domain
from rulec.compiler.filling import Frame, Variable
from rulec.compiler.lower import deep_folds
from rulec.compiler.outcomes import HUGE, fails, may_exceed, undefined
from rulec.compiler.steering import conjuncts
from rulec.compiler.symbolic import FALSE, Held, rebuilt

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping

    from rulec.compiler.outcomes import Size
    from rulec.compiler.pairs import Pair
    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Fold, Term

_KINDS: Mapping[Fold, Domain] = {
    "sum": Domain("expr"),
    "count": Domain("number", regions.grid(Fraction(1), Fraction(0))),
    "distinct": Domain("word", words=BOOLEAN),
    "all": Domain("word", words=BOOLEAN),
    "any": Domain("word", words=BOOLEAN),
}
"""What the folds that always have a value can be."""


class _Open(Exception):
    """Whether the rule has a value depends on more than values."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A condition of one side, that of every item of a list where `each` is one."""

    term: Term
    each: tuple[int, int] | None


def implied(pair: Pair, place: int, rule: int) -> bool:
    """Whether the one's rules of a place imply the other's rule there, whatever the lists hold.

    Only what needs no look at the items together is found; no means nothing.
    """
    kept = [own for own in pair.kept.layout.instances[place].rules if own in pair.rules]
    said = [part for own in kept for part in _said(pair.kept, own)]
    wanted = _said(pair.other, rule)
    return bool(wanted) and all(_follows(pair, part, said) for part in wanted)


def _said(plan: Plan, rule: int) -> list[_Said]:
    """The parts of a rule that all have to hold; none where one of them may be absent."""
    spec = plan.rules[rule]
    if spec.unsure:
        return []
    found: list[_Said] = []
    for part in conjuncts(spec.term):
        fold = plan.folds[part.fold] if isinstance(part, terms.Folded) else None
        if fold is not None and fold.function == "all":
            each = (fold.list, fold.outer)
            found += [_Said(inner, each) for inner in conjuncts(fold.body)]
        else:
            found.append(_Said(part, None))
    return found


def _follows(pair: Pair, wanted: _Said, said: list[_Said]) -> bool:
    """Whether a condition holds where the others do."""
    unknowns = _Unknowns(pair)
    kept: list[Term] = []
    for part in said:
        with suppress(_Open):
            if part.each in (None, wanted.each):
                kept.append(unknowns.term(pair.kept, pair.request.kept, part.term))
    # Where a condition holds, the expressions that it always reads have values.
    valued = frozenset().union(*map(_read, kept))
    try:
        goal = unknowns.term(pair.other, pair.request.other, wanted.term)
    except _Open:
        return False
    expressions = frozenset(
        2 * number for number, spec in enumerate(pair.other.fields) if spec.kind == "expr"
    )
    if not expressions & terms.registers(goal) <= valued or may_exceed(goal, unknowns.size):
        return False
    frame = Frame(tuple(unknowns.variables.values()))
    return not frame.possible([*kept, fails(Held(goal))])


def _read(term: Term) -> frozenset[int]:
    """The variables that must have values where a condition has one."""
    match term:
        case terms.Some(inner) | terms.Every(inner):
            return _read(inner[0]) if inner else frozenset()
        case terms.Either(test):
            return _read(test)
        case terms.Read(register):
            return frozenset((register,))
        case _:
            return frozenset().union(*map(_read, terms.parts(term)))


class _Unknowns:
    """Conditions over variables that stand for what they read: fields, parameters and folds.

    What is the same on both sides is one variable.
    """

    def __init__(self, pair: Pair) -> None:
        self._pair = pair
        self._numbers: dict[Hashable, int] = {}
        self.variables: dict[int, Variable] = {}

    def size(self, number: int) -> Size:
        """How large a variable can be."""
        variable = self.variables.get(number)
        return HUGE if variable is None else variable.domain.size

    def term(self, plan: Plan, given: Mapping[str, terms.Const], term: Term) -> Term:
        """A condition over variables. Raises `_Open`."""
        folds = deep_folds(term, plan.folds)
        bodies = [plan.folds[fold].body for fold in folds]
        inside = frozenset().union(*map(terms.registers, bodies))
        hazy = any(spec.register in inside and spec.kind == "expr" for spec in plan.fields)
        if hazy or any(undefined(body) != FALSE for body in bodies):
            raise _Open
        return self._term(plan, Naming(plan, given), given, term)

    def _term(
        self, plan: Plan, naming: Naming, given: Mapping[str, terms.Const], term: Term
    ) -> Term:
        match term:
            case terms.Const():
                return term
            case terms.Read(register):
                return self._read(plan, given, register)
            case terms.Folded(fold):
                domain = _KINDS.get(plan.folds[fold].function)
                if domain is None:
                    raise _Open
                return terms.Read(self._variable(naming.term(term), domain))
            case terms.Present() | terms.Else():
                raise _Open
            case _ if isinstance(term, terms.Opaque):
                raise _Open
        inner = [self._term(plan, naming, given, part) for part in terms.parts(term)]
        match term:
            case terms.Near(_, _, digits, least):
                field = next(n for n, f in enumerate(plan.fields) if f.digits == digits)
                return terms.Near(inner[0], inner[1], 2 * field + 1, least)
            case _:
                return rebuilt(term, inner)

    def _read(self, plan: Plan, given: Mapping[str, terms.Const], register: int) -> Term:
        for number, spec in enumerate(plan.fields):
            if spec.register == register:
                return self._field(number)
        for name, parameter in plan.layout.parameters.items():
            if parameter.register == register:
                domain = domains.of_parameter(parameter)
                known = given.get(name)
                return known or terms.Read(self._variable(("parameter", name), domain))
        raise _Open

    def _field(self, number: int) -> Term:
        """A field is a variable with a second one for its digits."""
        if 2 * number not in self.variables:
            made = Variable(
                2 * number,
                domains.of_field(self._pair.kept, number),
                2 * number + 1,
                beside=(domains.of_field(self._pair.other, number),),
            )
            self.variables[2 * number] = made
        return terms.Read(2 * number)

    def _variable(self, key: Hashable, domain: Domain) -> int:
        first = 2 * len(self._pair.kept.fields)
        number = self._numbers.setdefault(key, first + len(self._numbers))
        self.variables.setdefault(number, Variable(number, domain))
        return number
