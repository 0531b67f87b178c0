"""The parser: samples, recovery, limits, and malformed input of every kind."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.dsl import load, load_text, render, to_record
from rulec.dsl.parse import parse
from rulec.dsl.source import Source

LANGUAGE = Path(__file__).parent / "golden" / "language"
SAMPLES = sorted(LANGUAGE.glob("*.rules"))
TEXTS = [path.read_text("utf-8") for path in SAMPLES]
MANY = 5_000 if os.environ.get("RULEC_FUZZ") else 150
PIECE = re.compile(r"\w+|\"[^\"\n]*\"|\s+|.", re.DOTALL)
EXTRA = [
    '"""', '"', "/", "(", ")", "{", "}", "[", "]", "prev", "prev.x", "9" * 50, "not in", "..",
    "~=", "up to 3", 'sep ","', "\x00", "é", "\U0001f389", "rule r: ", "1_", "{3..1}", "\r\n",
    "{1_000_000_000}", "operands(lhs)", "typeof(sku)", "implies", "(a else b)", "if", "!",
]  # fmt: skip


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples_are_clean(path: Path) -> None:
    loaded = load(path)
    assert loaded.diagnostics == ()
    assert loaded.ruleset is not None


def codes(text: str) -> list[str]:
    return [found.code for found in load_text(text).diagnostics]


def test_all_errors_of_a_file_in_one_run() -> None:
    text = """
shape A {
    x: int
    rule a: x = 3
    rule b: (x == 4
    rule c: y == 5
    rule d: x == 6)
}
shap B { y: int }
const c = 1 +
trace A
"""
    found = load_text(text).diagnostics
    lines = [
        finding.primary.span.source.position(finding.primary.span.start)[0] for finding in found
    ]
    assert lines == [4, 6, 6, 7, 9, 11]


def test_a_broken_item_is_not_reported_as_missing() -> None:
    assert codes("type Money = decimal(\nparam cap: Money = 3\ntrace prose") == ["R0101"]


def test_keywords_are_names_where_they_mean_nothing() -> None:
    text = """
shape Order {
    total: int "," date: date "," rule: int "," text: text /[a-z]/ "," in: int "," key: int
    mask rule rule: rule == total and in < key
    audit rule mask: date > "2020-01-01" and text != "x"
}
trace Order
"""
    loaded = load_text(text)
    assert loaded.diagnostics == ()


def test_division_is_no_regular_expression() -> None:
    text = (
        "const a = 1 / 3\nconst b = a / 2 / 3\nshape S {\n    n: int in 1 .. 2 /x/\n}\ntrace S"
    )
    assert codes(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "const a = " + "(" * 5000 + "1" + ")" * 5000 + "\ntrace prose",
        "const a = " + "-" * 5000 + "1\ntrace prose",
        "const a = " + "1+" * 5000 + "1\ntrace prose",
        "shape A { x: int rule r: " + "not " * 5000 + "x == 1 }\ntrace A",
        "shape A { " + "(" * 5000 + '"x"' + ")" * 5000 + " }\ntrace A",
        "const a = " + "9" * 10_000 + "\ntrace prose",
        'shape A { "x"{1..1_000_000_000} }\ntrace A',
    ],
    ids=["parens", "minus", "sum", "not", "groups", "digits", "count"],
)
def test_absurd_sizes_are_diagnosed(text: str) -> None:
    assert set(codes(text)) <= {"R0602", "R0603"}
    assert codes(text)


def test_long_chains_of_definitions() -> None:
    chain = "".join(f"const c{n} = c{n + 1} + 1\ntype T{n} = T{n + 1}\n" for n in range(2000))
    ring = chain + "const c2000 = 1\ntype T2000 = T0\ntrace prose"
    assert codes(ring) == ["R0205"]


@st.composite
def mutations(draw: st.DrawFn) -> str:
    parts = PIECE.findall(draw(st.sampled_from(TEXTS)))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(parts) - 1))
        end = min(len(parts), start + draw(st.integers(0, 12)))
        other = PIECE.findall(draw(st.sampled_from(TEXTS)))
        piece = draw(st.sampled_from([[], parts[start:end] * 2, [draw(st.sampled_from(EXTRA))],
                                      other[start:end]]))  # fmt: skip
        parts[start:end] = piece
        parts = parts or [""]
    return "".join(parts)


def check_total(text: str) -> None:
    """Whatever the text is, there are diagnostics or a ruleset, and never an exception."""
    loaded = load_text(text, "fuzz.rules")
    failed = any(found.severity == "error" for found in loaded.diagnostics)
    assert failed == (loaded.ruleset is None)
    for found in loaded.diagnostics:
        assert "\n" not in found.message
        assert render(found).startswith(f"{found.severity}[{found.code}]: ")
        assert to_record(found)["code"] == found.code


@settings(max_examples=MANY, deadline=None)
@given(mutations())
def test_mutated_samples(text: str) -> None:
    check_total(text)


@settings(max_examples=MANY, deadline=None)
@given(st.text(max_size=80))
def test_any_text(text: str) -> None:
    check_total(text)


@settings(max_examples=MANY, deadline=None)
@given(st.lists(st.sampled_from([*EXTRA, "shape", "X", "type", "=", "int", "\n"]), max_size=30))
def test_any_words(words: list[str]) -> None:
    check_total(" ".join(words))


def test_spans_cover_what_they_name() -> None:
    for text in TEXTS:
        for item in parse(Source("x", text)).file.items:
            assert item.span.text.split()[0].isalpha()
