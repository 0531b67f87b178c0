"""The functions of the embedding program that rules call: what they take and give."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import machine
from rulec.compiler.opaque import called
from rulec.compiler.places import Layout
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.terms import Term
    from rulec.dsl.diagnostics import Diagnostic


def externals_of(
    ruleset: checked.Ruleset, said: Iterable[Term]
) -> tuple[tuple[machine.External, ...], tuple[Diagnostic, ...]]:
    """The functions that terms call, and what is wrong with their types."""
    names = frozenset().union(*map(called, said))
    layout = Layout(ruleset)
    made: list[machine.External] = []
    for name in sorted(names):
        declared = ruleset.externals[name]
        sorts = [_sort(layout, declared, type_) for type_ in declared.arguments]
        made.append(
            machine.External(name, tuple(sorts), _sort(layout, declared, declared.result))
        )
    return tuple(made), tuple(layout.problems)


def _sort(
    layout: Layout, declared: checked.External, type_: checked.ScalarType
) -> machine.Sort:
    """What a value of a type is, as parameters have it."""
    label = f"{declared.name}(…)"
    layout.parameter(checked.Param(label, type_, None, declared.span))
    held = layout.parameters.pop(label, None)
    if held is None:
        return machine.Sort("text")
    return machine.Sort(held.kind, held.domain, held.words, held.pattern)
