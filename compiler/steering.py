"""The form in which a rule is propagated: definitions put in where fields meet twice."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.lower import deep_folds
from rulec.compiler.plan import Plan, deep_registers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.terms import Term


def definitions(plan: Plan) -> dict[int, Term]:
    """The registers that a rule fixes, with the terms that they equal."""
    found: dict[int, Term] = {}
    for rule in plan.rules:
        if rule.tier != "audit" and isinstance(rule.term, terms.Relate):
            defined = defined_field(plan, rule.term)
            if defined is not None:
                found.setdefault(*defined)
    return found


def defined_field(plan: Plan, term: terms.Relate | terms.Near) -> tuple[int, Term] | None:
    """The field that an equation defines by what is written before it."""
    if isinstance(term, terms.Relate) and term.relation != "==":
        return None
    for one, other in ((term.left, term.right), (term.right, term.left)):
        if isinstance(one, terms.Read) and (one is term.left or isinstance(term, terms.Relate)):
            before = set(deep_registers(other, plan.folds))
            before |= {
                plan.lists[plan.folds[fold].outer].count
                for fold in deep_folds(other, plan.folds)
                if plan.folds[fold].function != "prev"
            }
            if all(register < one.register for register in before):
                return one.register, other
    return None


def steered(term: Term, meanings: Mapping[int, Term], plan: Plan) -> Term:
    """The rule with a field replaced by its definition, where both share a field."""
    if not isinstance(term, terms.Relate):
        return term
    own = defined_field(plan, term)
    for register, meaning in meanings.items():
        reads = deep_registers(term, plan.folds)
        if own is not None and own[0] == register:
            continue
        if register in reads and deep_registers(meaning, plan.folds) & (reads - {register}):
            term = replace(
                term,
                left=replaced(term.left, register, meaning),
                right=replaced(term.right, register, meaning),
            )
    return term


def replaced(term: Term, register: int, meaning: Term) -> Term:
    """The term with a register replaced by what it equals."""
    match term:
        case terms.Read(read) if read == register:
            return meaning
        case terms.Minus(inner) | terms.Rounded(_, inner, _) | terms.Absolute(inner):
            return replace(term, term=replaced(inner, register, meaning))
        case terms.Binary(_, left, right):
            return replace(
                term,
                left=replaced(left, register, meaning),
                right=replaced(right, register, meaning),
            )
        case _:
            return term


def conjuncts(term: Term) -> Iterator[Term]:
    """The conditions that all must hold."""
    if isinstance(term, terms.Every):
        for part in term.terms:
            yield from conjuncts(part)
    else:
        yield term
