"""What is wrong with a ruleset, said to its author."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rulec.dsl.source import Span

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Label:
    """A place in the source and what to say about it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One finding: `code` names its page, `message` is one lower-case line.

    `example` is a trace that shows what is meant.
    """

    code: str
    message: str
    primary: Label
    related: tuple[Label, ...] = ()
    hint: str = ""
    severity: Severity = "error"
    example: str = ""
