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
    """The value of a term that asks a table or a graph; no name to come opens a circle."""
    until = term.until if isinstance(term, terms.Linked | terms.Entries) else ()
    if not all(_over(evaluator, register) for register in until):
        return False if _circular(evaluator, term) else Gap.UNKNOWN
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


def _circular(evaluator: Evaluator, term: Asking) -> bool:
    """Whether a graph that must have no circle has one already."""
    if not isinstance(term, terms.Linked) or term.function != "acyclic":
        return False
    return not _graph(evaluator, term).acyclic


def _over(evaluator: Evaluator, register: int) -> bool:
    """Whether a list, or a shape that stands alone, is closed, or will never be."""
    return evaluator.register(register) in (CLOSED, Gap.ABSENT)


def _rows(evaluator: Evaluator, register: int) -> rows.Rows:
    held: Any = evaluator.register(register)
    return held if isinstance(held, rows.Rows) else rows.NOTHING


def _graph(evaluator: Evaluator, term: terms.Linked) -> links.Links:
    held: Any = evaluator.register(term.graph)
    return held if isinstance(held, links.Links) else links.NOTHING


def _linked(evaluator: Evaluator, term: terms.Linked, names: list[Any]) -> Value:
    graph = _graph(evaluator, term)
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
