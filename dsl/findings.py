"""The findings of a pass, in the order in which it comes upon them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.dsl.source import Span
from rulec.dsl.spelling import did_you_mean

_LONGEST = 300
_MOST_HINTS = 200


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
        place = Label(span, label)
        message, hint = one_line(message), one_line(hint)
        self.found.append(Diagnostic(code, message, place, related, hint))

    def near(self, word: str, names: Iterable[str]) -> str:
        """A hint that names the closest name; none where there are many findings already."""
        return did_you_mean(word, names) if len(self.found) < _MOST_HINTS else ""

    def warning(self, code: str, span: Span, message: str, hint: str = "") -> None:
        """Record a warning at `span`."""
        place = Label(span, "")
        message = one_line(message)
        self.found.append(Diagnostic(code, message, place, hint=hint, severity="warning"))


def one_line(text: str) -> str:
    """The text without control characters, and not longer than anyone would read."""
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)
