"""Texts that variables can stand for, so many that no more of them would make a difference."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.automata import longest
from rulec.compiler.matches import LONGEST, dfa_of, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rulec.compiler.automata import Dfa
    from rulec.compiler.terms import Term

MOST_PATTERNS = 4
"""Different regular expressions of which all common matches are looked for."""


def constants(asked: Iterable[Term]) -> tuple[str, ...]:
    """The texts that stand in terms."""
    found: dict[str, None] = {}
    queue = [*asked][::-1]
    while queue:
        term = queue.pop()
        if isinstance(term, terms.Const) and isinstance(term.value, str):
            found[term.value] = None
        queue.extend(reversed(terms.parts(term)))
    return tuple(found)


def candidates(
    patterns: Mapping[int, str | None], fixed: Sequence[str]
) -> tuple[dict[int, tuple[str, ...]], bool]:
    """Texts for every variable by its pattern (None: any text), and whether they are enough.

    They are enough where every set of different texts that the variables could hold has one
    among the candidates that is equal and different in the same places: as many texts as there
    are variables for every set of patterns that a text may match, and all constants.
    """
    kinds = sorted({pattern for pattern in patterns.values() if pattern is not None})
    enough = len(kinds) <= MOST_PATTERNS
    wanted = len(patterns) + len(fixed)
    pools = {kind: [text for text in fixed if matches(kind, text)] for kind in kinds}
    free = [*fixed]
    for count in range(1, min(len(kinds), MOST_PATTERNS) + 1):
        for group in combinations(kinds, count):
            dfas = tuple(dfa_of(kind) for kind in group)
            common = texts(dfas, wanted)
            enough = enough and (len(common) == wanted or any(map(_short, dfas)))
            free += common
            for kind in group:
                pools[kind] += common
    free += [f"text {n}" for n in range(wanted)]
    found = {
        variable: tuple(dict.fromkeys(free if pattern is None else pools[pattern]))
        for variable, pattern in patterns.items()
    }
    return found, enough


def _short(dfa: Dfa) -> bool:
    """Whether no text is too long to be looked for."""
    most = longest(dfa)
    return most is not None and most <= LONGEST


def matches(pattern: str, text: str) -> bool:
    """Whether a text is one of a regular expression's."""
    return dfa_of(pattern).accepts(text.encode("utf-8", "surrogatepass"))
