"""All stages in one call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.pack import Pack, fit
from rulec.compiler.stages import build

if TYPE_CHECKING:
    from rulec.compiler.vocabulary import Vocabulary
    from rulec.dsl import checked
    from rulec.dsl.diagnostics import Diagnostic


class CompileError(Exception):
    """A ruleset that can't be compiled; `diagnostics` say why."""

    def __init__(self, diagnostics: tuple[Diagnostic, ...]) -> None:
        super().__init__("; ".join(found.message for found in diagnostics))
        self.diagnostics = diagnostics


def compile_ruleset(ruleset: checked.Ruleset, vocabulary: Vocabulary) -> Pack:
    """Build a ruleset's machine and fit it to a vocabulary.

    Raises:
        CompileError: if the rules are at fault.
        PackError: if the vocabulary can't write what the rules ask for.
    """
    built = build(ruleset)
    if built.machine is None or any(d.severity == "error" for d in built.diagnostics):
        raise CompileError(built.diagnostics)
    return fit(built.machine, vocabulary)
