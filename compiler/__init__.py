"""Checked rules to a byte machine, and the machine to a pack."""

from rulec.compiler.compile import CompileError, compile_ruleset
from rulec.compiler.machine import Machine
from rulec.compiler.pack import Pack, PackError, fit, load_pack
from rulec.compiler.stages import Built, RuleSummary, build
from rulec.compiler.vocabulary import Vocabulary, VocabularyError, load_vocabulary

__all__ = [
    "Built",
    "CompileError",
    "Machine",
    "Pack",
    "PackError",
    "RuleSummary",
    "Vocabulary",
    "VocabularyError",
    "build",
    "compile_ruleset",
    "fit",
    "load_pack",
    "load_vocabulary",
]
