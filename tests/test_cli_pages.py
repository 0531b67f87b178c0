"""Every code has a page, and the examples on the pages do what they say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rulec.cli
from rulec.dsl import load_text

ROOT = Path(__file__).parent.parent
PAGES = {page.stem: page for page in (Path(rulec.cli.__file__).parent / "pages").glob("*.md")}
EXAMPLES = re.compile(r"Wrong:\n\n```rules\n(.*?)```\n\nRight:\n\n```rules\n(.*?)```", re.S)


def codes_in_sources() -> set[str]:
    folders = [ROOT / name for name in ("dsl", "compiler", "runtime", "src/rulec/cli")]
    files = [file for folder in folders for file in folder.glob("*.py")]
    return {
        code for file in files for code in re.findall(r'"(R\d{4})"', file.read_text("utf-8"))
    }


def test_every_code_has_a_page():
    assert codes_in_sources() <= set(PAGES)


@pytest.mark.parametrize("code", sorted(PAGES))
def test_examples(code):
    text = PAGES[code].read_text(encoding="utf-8")
    assert text.startswith(f"# {code}: ")
    for wrong, right in EXAMPLES.findall(text):
        assert code in {found.code for found in load_text(wrong, "wrong.rules").diagnostics}
        assert load_text(right, "right.rules").diagnostics == ()


def test_explain_prints_the_page():
    shown = CliRunner().invoke(rulec.cli.app, ["explain", "r0201"])
    assert shown.exit_code == 0
    assert shown.output == PAGES["R0201"].read_text(encoding="utf-8")
    unknown = CliRunner().invoke(rulec.cli.app, ["explain", "R9999"])
    assert unknown.exit_code == 2
    assert "R0201" in unknown.stderr
