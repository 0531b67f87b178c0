"""Every diagnostic code has a page, and the examples on it do what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from rulec.cli import app
from rulec.dsl import load, load_text
from rulec.dsl.pages import codes, page

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT = Path(__file__).parent.parent
STAGES = ("dsl", "compiler", "runtime", "src/rulec/cli")
EXAMPLE = re.compile(r"```rules (bad|good)\n(.*?)```", re.DOTALL)
VERBS = ("check", "test")
GOLDEN = Path(__file__).parent / "golden" / "diagnostics"
WITHOUT_EXAMPLE = {
    "R0412",
    "R0413",
    "R0502",
    "R0108",
    "R0601",
    "R0604",
    "R0517",
    "R0814",
    "R0901",
}


def raised() -> list[str]:
    files = (path for stage in STAGES for path in sorted((ROOT / stage).glob("*.py")))
    text = "".join(path.read_text("utf-8") for path in files)
    return sorted(set(re.findall(r'"(R[0-9]{4})"', text)))


def found(path: Path, text: str) -> list[str]:
    """The codes that `rulec check` finds in a ruleset, and `rulec test` in its samples."""
    path.write_text(text, "utf-8")
    shown = (CliRunner().invoke(app, [verb, str(path), "--format", "json"]) for verb in VERBS)
    return [one["code"] for out in shown for one in json.loads(out.stdout)["diagnostics"]]


def printed(path: Path, code: str) -> str:
    """What a person reads about a ruleset with this fault."""
    for verb in VERBS:
        shown = CliRunner().invoke(app, [verb, path.name])
        if f"[{code}]" in shown.output:
            return shown.output
    raise AssertionError(f"no verb says {code}")


def test_pages_are_those_of_the_codes() -> None:
    assert list(codes()) == raised()


@pytest.mark.parametrize("code", raised())
def test_examples_of_the_page(code: str, tmp_path: Path) -> None:
    text = page(code)
    assert text is not None, f"{code} has no page"
    assert text.startswith(f"# {code}: ")
    examples = EXAMPLE.findall(text)
    if code in WITHOUT_EXAMPLE:
        assert not examples
        return
    assert [kind for kind, _ in examples] == ["bad", "good"] * (len(examples) // 2)
    assert examples
    for kind, example in examples:
        shown = found(tmp_path / "example.rules", example)
        # A right use of what is not enforced yet is said to be that, and no more.
        assert code in shown if kind == "bad" else set(shown) <= {"R0901"}


@pytest.mark.parametrize("code", [code for code in raised() if code not in WITHOUT_EXAMPLE])
def test_what_is_printed(
    code: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    golden: Callable[[Path, str], None],
) -> None:
    """The source beside the message, for each bad example of the page."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    path = tmp_path / "example.rules"
    shown: list[str] = []
    for kind, example in EXAMPLE.findall(page(code) or ""):
        if kind == "bad":
            path.write_text(example, "utf-8")
            shown.append(f"{example}\n--- is answered with\n\n{printed(path, code)}")
    golden(GOLDEN / f"{code}.txt", "\n\n".join(shown))


def test_codes_without_an_example(tmp_path: Path) -> None:
    path = tmp_path / "latin.rules"
    path.write_bytes(b"trace prose\n# caf\xe9\n")
    assert [one.code for one in load(path).diagnostics] == ["R0108"]
    large = load_text("#" * ((1 << 20) + 1))
    assert [one.code for one in large.diagnostics] == ["R0601"]
    many = load_text("shape ) A\n" * 300)
    assert many.diagnostics[-1].code == "R0604"
    assert len(many.diagnostics) == 101


def test_unknown_codes_have_no_page() -> None:
    assert page("R9999") is None
    assert page("../R0101") is None
    assert "R0101" in codes()


def test_explain_prints_the_page() -> None:
    shown = CliRunner().invoke(app, ["explain", "r0201"])
    assert shown.exit_code == 0
    assert shown.output == page("R0201")
    record = CliRunner().invoke(app, ["explain", "R0201", "--format", "json"])
    assert json.loads(record.output) == {"code": "R0201", "page": page("R0201")}
    unknown = CliRunner().invoke(app, ["explain", "R9999"])
    assert unknown.exit_code == 2
    assert "R0201" in unknown.stderr


def test_a_budget_that_is_too_small(tmp_path: Path) -> None:
    path = tmp_path / "short.rules"
    path.write_text('shape S { "total: " n: int in 0 .. 99 "." }\ntrace S\n', "utf-8")
    asked = ["check", str(path), "--format", "json", "--budget"]
    small = CliRunner().invoke(app, [*asked, "9"])
    assert [one["code"] for one in json.loads(small.stdout)["diagnostics"]] == ["R0517"]
    assert small.exit_code == 1
    enough = CliRunner().invoke(app, [*asked, "10"])
    assert json.loads(enough.stdout)["diagnostics"] == []
