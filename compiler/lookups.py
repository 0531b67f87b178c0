"""What tables and graphs say of names."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.compiler import links, rows, terms
from rulec.compiler.gathering import worst
from rulec.compiler.terms import Gap

if TYPE_CHECKING:
    from rulec.compiler.evaluate import Evaluator
    from rulec.compiler.terms import Value


Asking: TypeAlias = "terms.Lookup | terms.Listed | terms.Entries | terms.Linked"

CLOSED = 3
"""The phase of a list that is over."""


def value(evaluator: Evaluator, term: Asking) -> Value:
    """The value of a term that asks a table or a graph."""
    until = term.until if isinstance(term, terms.Linked | terms.Entries) else ()
    if any(evaluator.register(phase) != CLOSED for phase in until):
        return Gap.UNKNOWN
    held: list[Any] = [evaluator.value(part) for part in terms.parts(term)]
    gap = worst(held)
    if gap is not None:
        return gap
    match term:
        case terms.Lookup(register, _, column):
            return _rows(evaluator, register).value(str(held[0]), column)
        case terms.Listed(register):
            return str(held[0]) in _rows(evaluator, register)
        case terms.Entries(register):
            return tuple(_rows(evaluator, register))
        case _:
            return _linked(evaluator, term, held)


def _rows(evaluator: Evaluator, register: int) -> rows.Rows:
    held: Any = evaluator.register(register)
    return held if isinstance(held, rows.Rows) else rows.NOTHING


def _linked(evaluator: Evaluator, term: terms.Linked, names: list[Any]) -> Value:
    held: Any = evaluator.register(term.graph)
    graph = held if isinstance(held, links.Links) else links.NOTHING
    match term.function:
        case "acyclic":
            return graph.acyclic
        case "rooted":
            return graph.rooted(names[0])
        case "reaches":
            return graph.reaches(names[0], names[1])
        case "depth":
            depth = graph.depth
            return Gap.UNDEFINED if depth is None else Fraction(depth)
        case _:
            return Fraction(graph.degree)
