"""Proofs of EntailmentBank are accepted, and a wrong citation is told at its place."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest

from rulec.compiler import Machine, build
from rulec.dsl import load
from rulec.runtime import Verifier

HERE = Path(__file__).parent.parent
DATA = HERE.parent / "shared" / "data" / "entailment_bank" / "task_1_dev.jsonl"
CITED = re.compile(r"(?:sent|int)[0-9]+(?= &| ->)")

pytestmark = pytest.mark.skipif(not DATA.exists(), reason="no shared data")


@cache
def machine() -> Machine:
    ruleset = load(HERE / "examples" / "packs" / "entailment.rules").ruleset
    assert ruleset is not None
    made = build(ruleset).machine
    assert made is not None
    return made


@cache
def proofs() -> list[dict[str, Any]]:
    return [json.loads(line) for line in DATA.read_text("utf-8").splitlines()]


def inputs_of(proof: dict[str, Any]) -> dict[str, object]:
    return {"context": [{"id": name} for name in proof["meta"]["triples"]]}


def test_all_proofs_are_accepted() -> None:
    verify = Verifier(machine())
    refused = {
        proof["id"]: verdict
        for proof in proofs()
        if (verdict := verify(proof["proof"].encode(), inputs_of(proof))).verdict != "pass"
    }
    assert not refused


def wrong(text: str, start: int, given: set[str], r: Random) -> list[str]:
    """Names that can't be cited at a place: of nothing, of what comes later, of itself."""
    behind = re.findall(r"-> (int[0-9]+):", text[start:])
    names = ["int99", "sent99", *behind]
    r.shuffle(names)
    return [name for name in names if name not in given]


def test_a_wrong_citation_is_told_at_its_place() -> None:
    verify, r, tried = Verifier(machine()), Random(1), 0
    for proof in proofs():
        text, inputs = proof["proof"], inputs_of(proof)
        given = set(proof["meta"]["triples"])
        place = r.choice(list(CITED.finditer(text)))
        for name in wrong(text, place.end(), given, r):
            changed = text[: place.start()] + name + text[place.end() :]
            verdict = verify(changed.encode(), inputs)
            assert verdict.verdict == "violate", (changed, verdict)
            first = next(claim for claim in verdict.claims if claim.verdict == "violate")
            at = len(text[: place.start()].encode())
            assert (first.start, first.found) == (at, name), (changed, verdict)
            tried += 1
    assert tried > 2 * len(proofs())
