"""The functions of the embedding program that rules call: what they take and give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import machine
from rulec.compiler.kinds import domain_of, kind_of, pattern_of, unsupported, words_of
from rulec.compiler.opaque import called

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.terms import Term
    from rulec.dsl import checked
    from rulec.dsl.diagnostics import Diagnostic


def externals_of(
    ruleset: checked.Ruleset, said: Iterable[Term]
) -> tuple[tuple[machine.External, ...], tuple[Diagnostic, ...]]:
    """The functions that terms call, and what is wrong with their types."""
    made: list[machine.External] = []
    problems: list[Diagnostic] = []
    for name in sorted(frozenset().union(*map(called, said))):
        declared = ruleset.externals[name]
        types = (*declared.arguments, declared.result)
        *sorts, result = (_sort(problems, declared, type_) for type_ in types)
        made.append(machine.External(name, tuple(sorts), result))
    return tuple(made), tuple(problems)


def _sort(
    problems: list[Diagnostic], declared: checked.External, type_: checked.ScalarType
) -> machine.Sort:
    """What a value of a type is, as parameters have it."""
    kind = kind_of(type_)
    if kind in ("typed", "formula"):
        problems.append(unsupported(f"`{declared.name}(…)` of this type", declared.span))
        return machine.Sort("text")
    return machine.Sort(kind, domain_of(type_), words_of(type_), pattern_of(type_))
