"""Votes of the traces that hold."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime import Verifier
from rulec.runtime.voting import Ballot, vote

RULES = """
shape Calc { "<<" lhs: expr "=" result: number ">>" rule holds: result ~= lhs }
shape Solution { ( prose | calcs: Calc )* "\\n#### " answer: number }
trace Solution
"""
GOOD = "<<1+1=2>>\n#### "
BAD = "<<1+1=3>>\n#### "


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "calc.rules"
    path.write_text(RULES, "utf-8")
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def traces(tmp_path, *records):
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in records), "utf-8")
    return path


def test_only_traces_that_hold_vote():
    verifier = Verifier(build(load_text(RULES).ruleset).machine)
    texts = [BAD + "5", BAD + "5", BAD + "5", GOOD + "2", GOOD + "2.0", GOOD + "3", "torn"]
    result = vote(texts, verifier)
    assert (result.answer, result.agreed, result.voted) == ("2", 2, 3)
    assert (result.held, result.traces, result.tied) == (3, 7, False)
    assert result.share == pytest.approx(2 / 3)


def test_weights():
    ballot = Ballot()
    ballot.add("1", holds=True, log_mass=math.log(3))
    for _ in range(2):
        ballot.add("2", holds=True, log_mass=math.log(1))
    ballot.add("3", holds=True, log_mass=-math.inf)
    result = ballot.result()
    assert (result.answer, result.agreed) == ("1", 1)
    assert result.share == pytest.approx(3 / 5)
    assert [one["share"] for one in result.to_record()["votes"]] == pytest.approx([0.6, 0.4, 0])
    far = Ballot()
    far.add("1", holds=True, log_mass=-100_000.0)
    far.add("2", holds=True, log_mass=-100_001.0)
    assert far.result().share == pytest.approx(1 / (1 + math.exp(-1)))
    for wrong in (math.nan, math.inf):
        with pytest.raises(ValueError, match="log mass"):
            far.add("1", holds=True, log_mass=wrong)


def test_ties_go_to_the_first_and_are_said():
    ballot = Ballot()
    ballot.add("7", holds=True)
    ballot.add("8", holds=True)
    assert (ballot.result().answer, ballot.result().tied) == ("7", True)
    assert Ballot().result().answer is None


def test_the_command_line(rules, tmp_path):
    file = traces(
        tmp_path,
        {"id": "a", "trace": GOOD + "2", "mass": -1},
        {"id": "b", "trace": GOOD + "4", "mass": -3.5},
        {"id": "a", "trace": GOOD + "3", "mass": -9},
        {"id": "a", "trace": GOOD + "3.0", "mass": -9},
        {"id": "a", "trace": BAD + "9", "mass": 0},
    )
    result = run("vote", rules, file, "--group", "id", "--format", "json")
    assert result.exit_code == 0, result.output
    one, other = [json.loads(line) for line in result.stdout.splitlines()]
    assert (one["group"], one["answer"], one["agreed"], one["held"]) == ("a", "3", 2, 3)
    assert (other["group"], other["answer"], other["share"]) == ("b", "4", 1.0)
    weighed = run("vote", rules, file, "--group", "id", "--weight", "mass")
    assert weighed.stdout.startswith("a: 2 by 1 of 3 votes")
    alone = run("vote", rules, file, "--pattern", r"#### (\d)")
    assert "of 4 votes" in alone.stdout


def test_what_cannot_vote_is_said(rules, tmp_path):
    file = traces(tmp_path, {"trace": GOOD + "2"}, {"id": "a", "trace": GOOD + "2"}, 3)
    result = run("vote", rules, file, "--group", "id", "--format", "json")
    assert result.exit_code == 1
    assert "t.jsonl:1: there is no `id`" in result.stderr
    assert "t.jsonl:3: " in result.stderr
    assert json.loads(result.stdout)["answer"] == "2"
    none = run("vote", rules, traces(tmp_path, {"trace": BAD + "2"}))
    assert none.exit_code == 1
    assert "no answer: 0 of 1 traces hold" in none.stdout
    assert run("vote", rules, file, "--pattern", "(").exit_code == 2
    assert run("vote", rules, file, "--pattern", "x").exit_code == 2
