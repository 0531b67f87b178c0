"""The page of each diagnostic code."""

from __future__ import annotations

import re
from importlib import resources

_CODE = re.compile(r"R[0-9]{4}")


def page(code: str) -> str | None:
    """The page of a code such as `R0201`, in Markdown; None if there is no such code."""
    if not _CODE.fullmatch(code):
        return None
    path = resources.files("rulec").joinpath("diagnostics", f"{code}.md")
    return path.read_text("utf-8") if path.is_file() else None


def codes() -> tuple[str, ...]:
    """Every code that has a page, in order."""
    folder = resources.files("rulec").joinpath("diagnostics")
    names = (entry.name.removesuffix(".md") for entry in folder.iterdir())
    return tuple(sorted(name for name in names if _CODE.fullmatch(name)))
