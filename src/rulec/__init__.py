"""Constraints over language-model output, compiled to token masks.

Importing this module is cheap: each name is loaded from its stage when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rulec.compiler import Pack
    from rulec.compiler import compile_ruleset as compile
    from rulec.dsl import load as check
    from rulec.dsl.diagnostics import Diagnostic
    from rulec.runtime import Session, Verdict, verify

__all__ = ["Diagnostic", "Pack", "Session", "Verdict", "check", "compile", "verify"]

_HOMES = {
    "Diagnostic": ("rulec.dsl.diagnostics", "Diagnostic"),
    "Pack": ("rulec.compiler", "Pack"),
    "Session": ("rulec.runtime", "Session"),
    "Verdict": ("rulec.runtime", "Verdict"),
    "check": ("rulec.dsl", "load"),
    "compile": ("rulec.compiler", "compile_ruleset"),
    "verify": ("rulec.runtime", "verify"),
}


def __getattr__(name: str) -> object:
    """Load an exported name from the module where it lives."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rulec' has no attribute {name!r}")
    module, attribute = _HOMES[name]
    value = getattr(import_module(module), attribute)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
