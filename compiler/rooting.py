"""`rooted` by counting: the names that nothing refers to yet, the *loose* ones.

References lead to names that are there, so a graph has no circle, and a name leads to all
others exactly where every other one is referred to. Of each reference it is asked whether its
name was loose until then, a field that no text shows; so many fewer loose names are left.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.terms import Term


@dataclass(frozen=True, slots=True)
class Loosening:
    """What counts the loose names of a graph: a fold of its shape's list.

    `cited` are the folds that count those to which the shape under way refers, by the fields of
    its references (-1 where it has but one).
    """

    fold: int
    cited: Mapping[int, int]


def rooted_graphs(ruleset: checked.Ruleset) -> dict[str, str]:
    """The graphs of which rules ask whether they are rooted, by the names they are over."""
    found: dict[str, str] = {}
    for shape in ruleset.shapes.values():
        for name in (name for rule in shape.rules for name in _asked(rule.condition)):
            graph = ruleset.graphs[name]
            type_ = ruleset.shapes[graph.shape].fields[graph.node].type
            if isinstance(type_, checked.DefType):
                found.setdefault(type_.names, name)
    return found


def _asked(term: object) -> Iterator[str]:
    """The graphs of which a term asks whether they are rooted."""
    match term:
        case checked.Call("rooted", (checked.Text(graph), *_)):
            yield graph
        case tuple():
            for part in term:
                yield from _asked(part)
        case _ if is_dataclass(term) and not isinstance(term, type):
            for part in fields(term):
                if part.name != "span":
                    yield from _asked(getattr(term, part.name))


def counted(term: Term, forms: Mapping[Term, Term]) -> Term:
    """A term in which what is asked of graphs is told by counting, as far as it can be."""
    if term in forms:
        return forms[term]
    inner = terms.parts(term)
    return terms.rebuilt(term, [counted(part, forms) for part in inner]) if inner else term
