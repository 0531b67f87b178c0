"""What terms over lists, names and functions speak of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.terms import (
    Bound,
    Called,
    Each,
    Entails,
    Entries,
    Linked,
    Listed,
    Lookup,
    Opaque,
    Operands,
    parts,
)

if TYPE_CHECKING:
    from types import UnionType

    from rulec.compiler.terms import Term


def opaque(term: Term) -> bool:
    """Whether a term speaks of what only a value tells anything of."""
    return isinstance(term, Opaque) or any(map(opaque, parts(term)))


def calls(term: Term) -> bool:
    """Whether a term may have to ask: a function, or the solver what follows."""
    return isinstance(term, Called | Entails) or any(map(calls, parts(term)))


def called(term: Term) -> frozenset[str]:
    """The functions that a term calls."""
    own = frozenset({term.function}) if isinstance(term, Called) else frozenset()
    return own.union(*map(called, parts(term)))


def asks(term: Term, kind: type | UnionType) -> bool:
    """Whether a term has a part of some kind."""
    return isinstance(term, kind) or any(asks(part, kind) for part in parts(term))


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
    if asks(term, Linked):
        return "it asks what a graph looks like"
    if asks(term, Entries):
        return "it goes through the rows of a table"
    if asks(term, Lookup | Listed):
        return "it looks a row up"
    if opaque(term):
        return "which numbers a text or a list holds is no allowed set"
    return ""
