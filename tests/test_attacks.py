"""Attempts to get past the rules: each comes to what docs/limits.md says of it."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from random import Random

import jsonschema
import pytest
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load
from rulec.runtime import Session, Verifier
from rulec.runtime.host import Host
from rulec.runtime.suspects import suspects
from rulec.runtime.verdict_records import schema

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "limits.md").read_text("utf-8")
ROW = re.compile(r"^\| ([^|]+) \| `(.+)` \| (\w+) \| (\w+) \|$", re.MULTILINE)
INPUTS = {"grounded": {"question": "Ann has 8 apples. How many are they?"}}

PIECES = (b"=8", b"=8>>", b"8>>8", b"<<3", b"4=", b" =", b"+4", b" <<", b"\n####", b">>", b"<<")
TOKENS = (*(bytes((byte,)) for byte in range(256)), *PIECES, None)
VOCABULARY = Vocabulary(TOKENS, (len(TOKENS) - 1,), len(TOKENS))


def attempts():
    """The rows of the page: what is tried, under which rules, and what comes of it."""
    for name, example, rules, answer in ROW.findall(PAGE):
        text = re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), example)
        text = text.replace("⏎", "\n")
        yield pytest.param(text if text[:4] != "####" else "\n" + text, rules, answer, id=name)


@cache
def machine(name):
    return build(load(ROOT / "examples" / f"{name}.rules").ruleset).machine


@cache
def host(name):
    return Host(fit(machine(name), VOCABULARY))


def written(name, tokens, inputs=None):
    """Whether a session lets all of some tokens through, and the end behind them."""
    session = Session(host(name).pack, inputs, None, host(name))
    for token in (*tokens, VOCABULARY.ends[0]):
        if not session.allows(token):
            return False
        session.accept(token)
    return not session.violations


@pytest.mark.parametrize(("text", "rules", "answer"), list(attempts()))
def test_attempt(text, rules, answer):
    inputs = INPUTS.get(rules)
    verdict = Verifier(machine(rules))(text.encode(), inputs)
    assert verdict.holds or not written(rules, text.encode(), inputs)
    audited = any(claim.verdict == "violate" for claim in verdict.claims)
    silent = verdict.claim_count == 0 and verdict.coverage == 0
    if not verdict.holds:
        found = "masked"
    elif audited:
        found = "reported"
    elif suspects(verdict):
        found = "suspect"
    else:
        found = "reported" if silent else "limit"
    assert found == answer


def test_every_kind_of_attempt_is_there():
    rows = ROW.findall(PAGE)
    assert len(rows) > 45
    assert {row[3] for row in rows} == {"masked", "reported", "suspect", "limit"}
    beyond = PAGE[PAGE.index("## Out of reach") :]
    for name, *_, answer in rows:
        if answer == "limit":
            assert name.partition(",")[0].split()[0].lower() in beyond.lower(), name


@pytest.mark.parametrize(
    ("text", "holds"),
    [("So <<3+4=8>>8.\n#### 8", False), ("So <<3+4=7>>7.\n#### 7", True)],
)
def test_tokens_that_straddle_a_claim_change_nothing(text, holds):
    raw = text.encode()
    for seed in range(40):
        random, tokens, at = Random(seed), [], 0
        while at < len(raw):
            fits = [n for n, one in enumerate(TOKENS) if one and raw.startswith(one, at)]
            tokens.append(random.choice(fits))
            at += len(TOKENS[tokens[-1]])
        assert written("gsm8k", tokens) == holds, tokens


def test_what_was_read_is_no_suspect():
    verify = Verifier(machine("arithmetic"))
    for text in (
        "So 3 + 4 = 7.",
        "3 * $4.50 = $13.50, and 1/4 = 0.25",
        "no numbers",
        "",
        "1,234",
    ):
        verdict = verify(text.encode())
        assert verdict.holds
        assert not suspects(verdict), text
    chained = Verifier(machine("chains"))(b"3 + 4 = 5 + 2 = 7")
    assert not suspects(chained)


def test_suspects_have_their_place():
    text = "é 3 + 4 = 7, but 2 plus 2 is 5 in all."
    verdict = Verifier(machine("arithmetic"))(text.encode())
    ((start, end),) = suspects(verdict)
    assert text.encode()[start:end].decode().startswith("2 plus 2 is 5")


@pytest.mark.parametrize(
    "text",
    [
        "1 a " * 3_000,
        "1+" * 5_000,
        "1 + 1 = " * 2_000,
        "one " * 3_000,
        "1," * 5_000,
        "- " * 9_000,
    ],
)
def test_suspects_are_found_in_linear_time(text):
    verdict = Verifier(machine("gsm8k"))(text.encode())
    assert suspects(verdict) is not None


def test_the_command_line_tells_them(tmp_path):
    file = tmp_path / "t.jsonl"
    file.write_text(json.dumps({"trace": "3 plus 4 is 8."}) + "\n", "utf-8")
    call = ["verify", str(ROOT / "examples" / "arithmetic.rules"), str(file)]
    result = CliRunner().invoke(app, [*call, "--suspects", "--format", "json"])
    record = json.loads(result.stdout)
    jsonschema.validate(record, schema())
    assert [one["bytes"] for one in record["suspects"]] == [[0, 13]]
    assert (
        "looks like an equation at 0..13"
        in CliRunner().invoke(app, [*call, "--suspects"]).stdout
    )
    assert "suspects" not in CliRunner().invoke(app, [*call, "--format", "json"]).stdout
