"""Diagnostics of whole files: the source beside what is said about it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from rulec.dsl import load_text, render, to_record

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "golden" / "check"
CASES = sorted(path.stem for path in FOLDER.glob("*.rules"))


@pytest.mark.parametrize("name", CASES)
def test_diagnostics(name: str, golden: Callable[[Path, str], None]) -> None:
    source = (FOLDER / f"{name}.rules").read_text("utf-8")
    loaded = load_text(source, f"{name}.rules")
    assert loaded.ruleset is None
    text = "\n\n".join(render(found) for found in loaded.diagnostics)
    golden(FOLDER / f"{name}.txt", text + "\n")


@pytest.mark.parametrize("name", CASES)
def test_form(name: str) -> None:
    source = (FOLDER / f"{name}.rules").read_text("utf-8")
    for found in load_text(source, f"{name}.rules").diagnostics:
        assert "\n" not in found.message
        assert not found.message.endswith(".")
        assert not found.message[0].isupper()
        record = to_record(found)
        assert record["code"] == found.code
        assert record["file"] == f"{name}.rules"
        assert (record["line"], record["column"]) <= (record["end_line"], record["end_column"])
