"""Every diagnostic code of the front end has a page, and the examples on it do what it says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rulec.dsl import load, load_text
from rulec.dsl.pages import codes, page

SOURCES = Path(__file__).parent.parent / "dsl"
EXAMPLE = re.compile(r"```rules (bad|good)\n(.*?)```", re.DOTALL)
WITHOUT_EXAMPLE = {"R0108", "R0601", "R0604"}


def raised() -> list[str]:
    text = "".join(path.read_text("utf-8") for path in sorted(SOURCES.glob("*.py")))
    return sorted(set(re.findall(r'"(R[0-9]{4})"', text)))


@pytest.mark.parametrize("code", raised())
def test_examples_of_the_page(code: str, tmp_path: Path) -> None:
    text = page(code)
    assert text is not None, f"{code} has no page"
    assert text.startswith(f"# {code}: ")
    examples = dict(EXAMPLE.findall(text))
    if code in WITHOUT_EXAMPLE:
        assert not examples
        return
    path = tmp_path / "example.rules"
    path.write_text(examples["bad"], "utf-8")
    assert code in {found.code for found in load(path).diagnostics}
    path.write_text(examples["good"], "utf-8")
    good = load(path)
    assert good.ruleset is not None
    assert not good.diagnostics


def test_codes_without_an_example(tmp_path: Path) -> None:
    path = tmp_path / "latin.rules"
    path.write_bytes(b"trace prose\n# caf\xe9\n")
    assert [found.code for found in load(path).diagnostics] == ["R0108"]
    large = load_text("#" * ((1 << 20) + 1))
    assert [found.code for found in large.diagnostics] == ["R0601"]
    many = load_text("shape ) A\n" * 300)
    assert many.diagnostics[-1].code == "R0604"
    assert len(many.diagnostics) == 101


def test_unknown_codes_have_no_page() -> None:
    assert page("R9999") is None
    assert page("../R0101") is None
    assert "R0101" in codes()
