"""GSM8K's training set under the example rulesets. Skipped where the data is not there."""

from __future__ import annotations

import json
import re
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest
from rulesets import FUZZ

from rulec.compiler import Machine, build
from rulec.dsl import load
from rulec.runtime import Verifier

ROOT = Path(__file__).parent.parent
DATA = ROOT.parent / "shared" / "data" / "gsm8k" / "train.jsonl"
STEP = 1 if FUZZ else 10
"""Every how many-th solution is changed before it is judged; all under `RULEC_FUZZ=1`."""

ANNOTATION = re.compile(r"<<([^<>=]*)=([^<>]*)>>")
REJECTED = 54
"""Solutions that `arithmetic.rules` rejects: docs/evaluation.md lists them."""

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="the data is not there")


@cache
def solutions() -> tuple[str, ...]:
    lines = DATA.read_text("utf-8").splitlines()
    return tuple(json.loads(line)["answer"] for line in lines)


@cache
def verifier(name: str) -> Verifier:
    ruleset = load(ROOT / "examples" / f"{name}.rules").ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert isinstance(machine, Machine)
    return Verifier(machine)


def test_every_solution_is_accepted() -> None:
    verify = verifier("gsm8k")
    assert len(solutions()) == 7_473
    wrong = [
        n for n, text in enumerate(solutions(), 1) if verify(text.encode()).verdict != "pass"
    ]
    assert not wrong


def changed(result: str) -> str:
    """A result that is off by a unit of a digit shown, and surely not right by rounding."""
    at = max(n for n, char in enumerate(result) if char.isdigit())
    if "." not in result:
        at = min(n for n, char in enumerate(result) if char.isdigit())
    digit = str((int(result[at]) + 4) % 10 or 5)
    return result[:at] + digit + result[at + 1 :]


def number(text: str) -> Fraction:
    return Fraction(text.replace(",", ""))


def test_every_changed_annotation_is_rejected_there() -> None:
    verify = verifier("gsm8k")
    count = 0
    for line, text in enumerate(solutions()[::STEP]):
        found = list(ANNOTATION.finditer(text))
        if not found:
            continue
        one = found[line % len(found)]
        result = changed(one[2])
        if number(result) == number(one[2]):
            continue
        trace = text[: one.start(2)] + result + text[one.end(2) :]
        verdict = verify(trace.encode())
        assert verdict.verdict == "violate", trace
        broken = [claim for claim in verdict.claims if claim.verdict == "violate"]
        steering = [claim for claim in broken if claim.tier != "audit"]
        start = len(text[: one.start(2)].encode())
        assert [claim.start for claim in steering] == [start], trace
        assert steering[0].end == start + len(result)
        assert steering[0].found == result
        shown = "." in result
        if shown == ("." in one[2]):
            assert right_values(steering[0].expected, one[2]), (trace, steering[0].expected)
        count += 1
    assert count > 0.9 * len(solutions()[::STEP])


def right_values(expected: str, written: str) -> bool:
    """Whether the value that stood there is among those that were expected."""
    return any(
        low <= number(written) <= high
        for part in expected.split(" or ")
        for low, high in (ends(part),)
    )


def ends(part: str) -> tuple[Fraction, Fraction]:
    low, _, high = part.partition(" to ")
    return number(low), number(high.split(" in steps")[0] or low)


def listed() -> set[int]:
    """The lines that docs/evaluation.md names."""
    text = (ROOT / "docs" / "evaluation.md").read_text("utf-8")
    return {int(n) for n in re.findall(r"^- line (\d+)", text, re.MULTILINE)}


def test_solutions_without_annotations() -> None:
    """All that are listed are rejected, and no others."""
    verify = verifier("arithmetic")
    assert len(listed()) == REJECTED
    wrong = {
        line
        for line, text in enumerate(solutions(), 1)
        if (line % STEP == 0 or line in listed())
        and verify(ANNOTATION.sub("", text).encode()).verdict != "pass"
    }
    assert wrong == listed()
