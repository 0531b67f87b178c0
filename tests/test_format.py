"""The formatter: one layout, the same meaning, every comment kept."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.dsl import format_text
from rulec.dsl.parse import Parsed, parse
from rulec.dsl.source import Source
from rulec.dsl.tokens import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable

FOLDER = Path(__file__).parent / "golden"
SAMPLES = sorted((FOLDER / "language").glob("*.rules"))
TEXTS = [path.read_text("utf-8") for path in SAMPLES]
MANY = 2_000 if os.environ.get("RULEC_FUZZ") else 60


def parsed(text: str) -> Parsed:
    return parse(Source("x.rules", text))


def formatted(text: str) -> str:
    result = format_text(text)
    assert isinstance(result, str)
    return result


def check(text: str) -> None:
    once = formatted(text)
    before, after = parsed(text), parsed(once)
    assert not after.diagnostics
    assert after.file.items == before.file.items
    assert [c.text for c in after.comments] == [c.text for c in before.comments]
    assert formatted(once) == once


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
def test_samples(path: Path, golden: Callable[[Path, str], None]) -> None:
    text = path.read_text("utf-8")
    check(text)
    golden(FOLDER / "format" / path.name, formatted(text))


def test_errors_are_returned() -> None:
    result = format_text("shape {", "x.rules")
    assert not isinstance(result, str)
    assert [found.code for found in result] == ["R0101"]


@st.composite
def relaid(draw: st.DrawFn) -> str:
    """A sample with other blanks and with comments between its tokens."""
    text = draw(st.sampled_from(TEXTS))
    tokens = parsed(text).tokens
    blanks = st.sampled_from(
        [
            "keep",
            "keep",
            "keep",
            "keep",
            " ",
            "  ",
            "\n",
            "\n\n\n",
            " # note\n",
            "\n  # a\n# b\n",
        ]
    )
    out, at = [], 0
    for token in tokens:
        start, end = token.start_pos or 0, token.end_pos or 0
        gap = text[at:start]
        new = draw(blanks)
        loose = bool(gap.strip() or not gap) or new == "keep"
        out.append(gap if loose else new)
        out.append(text[start:end])
        at = end
    out.append(draw(st.sampled_from(["", "\n", "\n\n# end", "  # end\n"])))
    return "".join(out)


@settings(max_examples=MANY, deadline=None)
@given(relaid())
def test_any_layout_becomes_one(text: str) -> None:
    if not parsed(text).diagnostics:
        check(text)


@given(st.text(alphabet='ab1_. \n"/{}()=#', max_size=40))
def test_scanner_reads_every_character_once(text: str) -> None:
    scanner = Scanner(Source("x", text))
    end = 0
    while (token := scanner.next(None)).type != "$END":
        assert (token.start_pos or 0) >= end
        end = token.end_pos or 0
        assert text[token.start_pos : end] == str(token)
