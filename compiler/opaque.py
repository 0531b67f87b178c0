"""What terms over lists and functions speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.terms import Bound, Called, Each, Entails, Opaque, Operands, parts

if TYPE_CHECKING:
    from rulec.compiler.terms import Term


def opaque(term: Term) -> bool:
    """Whether a term speaks of lists or functions of which only a value tells anything."""
    return isinstance(term, Opaque) or any(map(opaque, parts(term)))


def calls(term: Term) -> bool:
    """Whether a term may have to ask: a function, or the solver what follows."""
    return isinstance(term, Called | Entails) or any(map(calls, parts(term)))


def called(term: Term) -> frozenset[str]:
    """The functions that a term calls."""
    own = frozenset({term.function}) if isinstance(term, Called) else frozenset()
    return own.union(*map(called, parts(term)))


def free(term: Term) -> frozenset[int]:
    """The numbers of the items that a term reads and doesn't go through itself."""
    match term:
        case Bound(number):
            return frozenset({number})
        case Each(_, number, source, body):
            return free(source) | (free(body) - {number})
        case _:
            return frozenset().union(*map(free, parts(term)))


def operands(term: Term) -> frozenset[int]:
    """The registers of the operands that a term asks for."""
    own = frozenset({term.register}) if isinstance(term, Operands) else frozenset()
    return own.union(*map(operands, parts(term)))


def why(term: Term) -> str:
    """Why masks can't keep a condition that speaks of them; empty where it doesn't."""
    if called(term):
        return "it calls a function of the embedding program"
    if calls(term):
        return "what follows from formulas is no allowed set"
    if opaque(term):
        return "which numbers a text or a list holds is no allowed set"
    return ""
