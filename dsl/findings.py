"""The findings of a pass, in the order in which it comes upon them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from rulec.dsl.source import Span


@dataclass
class Findings:
    """Collects diagnostics; a pass goes on after each."""

    found: list[Diagnostic] = field(default_factory=list)

    def error(
        self,
        code: str,
        span: Span,
        message: str,
        *,
        label: str = "",
        hint: str = "",
        related: tuple[Label, ...] = (),
    ) -> None:
        """Record an error at `span`."""
        self.found.append(Diagnostic(code, message, Label(span, label), related, hint))

    def warning(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Record a warning at `span`."""
        place = Label(span, "")
        self.found.append(Diagnostic(code, message, place, hint=hint, severity="warning"))
