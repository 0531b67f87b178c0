"""Walking down a syntax tree."""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING

from rulec.dsl.source import Source, Span

if TYPE_CHECKING:
    from collections.abc import Iterator


def nodes(root: object) -> Iterator[object]:
    """A node and every node in it, in no particular order."""
    stack = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, tuple):
            stack.extend(node)
        elif is_dataclass(node) and not isinstance(node, Span | Source):
            yield node
            stack.extend(getattr(node, part.name) for part in fields(node))
