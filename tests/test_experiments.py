"""The experiments from end to end, on a model that learns nothing in so few steps."""

from __future__ import annotations

import importlib
import json
import sys
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
import torch

from rulec.compiler import build
from rulec.dsl import load
from rulec.runtime import Verifier

ROOT = Path(__file__).resolve().parent.parent
RULES = ROOT / "examples" / "gsm8k.rules"

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def bench():
    """Imports the modules of the benchmarks."""
    sys.path.insert(0, str(ROOT / "benchmarks"))
    yield importlib.import_module
    sys.path.remove(str(ROOT / "benchmarks"))


def call(bench, monkeypatch, name, *options):
    monkeypatch.setattr(sys, "argv", [name, *map(str, options)])
    bench(name).main()


def test_problems_are_right_and_keep_the_rules(bench):
    problems, equations = bench("problems"), bench("equations")
    verify = Verifier(build(load(RULES).ruleset).machine)
    chance = Random(2)
    for _ in range(300):
        one = problems.problem(chance)
        verdict = verify(one.answer.encode())
        assert verdict.verdict == "pass", one
        assert all(claim.verdict == "pass" for claim in verdict.claims), one
        found = equations.equations(one.answer)
        assert found
        assert all(equation.holds for equation in found), one


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("<<48/2=24>>24", [True]),
        ("<<48/2=25>>", [False]),
        ("<<1/3=.33>> <<1/3=0.30>>", [True, False]),
        ("so 3 + 4 = 7, and 2 x 2 = 5", [True]),
        ("3 + 4 = $8. Then 10,000 / 2 = 5,000", [False, True]),
        ("(1 + 2) × 3 = 9", [True]),
        ("2 * 3 = 6 + 1", []),
        ("x = 3; 5 = 5; 8/0 = 2; 5% * 2 = 10", []),
        ("<<a=2>> <<__import__('os')=2>>", []),
        ("1 + 1 = 2.", [True]),
    ],
)
def test_equations_are_read_without_rules(bench, text, found):
    assert [one.holds for one in bench("equations").equations(text)] == found


def test_expressions_are_exact(bench):
    evaluate = bench("equations").evaluate
    assert evaluate("0.1 + 0.2") == Fraction(3, 10)
    assert evaluate("-(2 - 5) * 1,000") == 3_000
    for none in ("", "2 ** 9", "a", "1 if 1 else 2", "1/0", "9" * 300, "(" * 150):
        assert evaluate(none) is None


def test_advantages(bench):
    rewards = torch.tensor(
        [[1.0, 0.0, 1.0, 0.0], [1.0, 1.0, 1.0, 1.0], [1.0, 0.0, float("nan"), 0.5]]
    )
    found = bench("grpo").advantages_of(rewards)
    assert found[0].tolist() == [1, -1, 1, -1]
    assert not found[1].any()
    assert found[2, 2] == 0
    assert found[2].sum().abs() < 1e-6


@pytest.fixture(scope="module")
def trained(bench, tmp_path_factory):
    out = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patch:
        options = ("--synthetic", 40, "--hold-out", 12, "--steps", 3, "--batch", 4)
        call(bench, patch, "train", *options, "--size", "tiny", "--out", out, "--device", "cpu")
    return out


def test_training_leaves_a_model_and_what_was_held_out(trained):
    report = json.loads((trained / "training.json").read_text("utf-8"))
    assert (report["steps"], report["held_out"]) == (3, 12)
    assert all(loss > 0 for loss in report["losses"])
    assert (trained / "model" / "model.safetensors").exists()
    assert len((trained / "test.jsonl").read_text("utf-8").splitlines()) == 12


def test_evaluation_has_three_arms(bench, trained, monkeypatch, tmp_path):
    out = tmp_path / "report.json"
    options = ["--model", trained / "model", "--rules", RULES, "--json", out, "--limit", 3]
    options += ["--questions", trained / "test.jsonl", "--max-new-tokens", 40]
    options += ["--seeds", 0, 1, "--batch", 2]
    if importlib.util.find_spec("matplotlib"):
        options += ["--plot", tmp_path / "plot.png"]
    call(bench, monkeypatch, "evaluate", *options)
    report = json.loads(out.read_text("utf-8"))
    assert list(report["arms"]) == ["off", "audited", "enforced"]
    runs = {(run["arm"], run["seed"]): run for run in report["runs"]}
    assert len(runs) == 6
    told = ("accuracy", "tokens", "wrong_equations", "coverage", "claims", "unfinished")
    for seed in (0, 1):
        off, audited, enforced = (runs[arm, seed] for arm in report["arms"])
        assert [off[name] for name in told] == [audited[name] for name in told]
        assert off["removed_mass"] == 0
        assert enforced["removed_mass"] > 0
        assert enforced["log_removed"] > 0
        assert enforced["valid"] == 1
        assert enforced["unfinished"] == 0
    if importlib.util.find_spec("matplotlib"):
        assert (tmp_path / "plot.png").stat().st_size > 1_000


def test_grpo_has_two_curves_and_adds_seeds(bench, trained, monkeypatch, tmp_path):
    out = tmp_path / "curves.json"
    options = ["--model", trained / "model", "--questions", trained / "test.jsonl"]
    options += ["--steps", 2, "--every", 1, "--prompts", 2, "--group", 2, "--evaluated", 3]
    options += ["--max-new-tokens", 12, "--json", out, "--device", "cpu", "--rules", RULES]
    call(bench, monkeypatch, "grpo", *options)
    call(bench, monkeypatch, "grpo", *options, "--seeds", 1, "--arms", "gate")
    report = json.loads(out.read_text("utf-8"))
    assert [(run["arm"], run["seed"]) for run in report["runs"]] == [
        ("answer", 0),
        ("gate", 0),
        ("gate", 1),
    ]
    for run in report["runs"]:
        assert [one["step"] for one in run["curve"]] == [0, 1, 2]
        assert len(run["steps"]) == 2
        assert {"reward", "valid", "claims", "coverage", "right"} <= set(run["steps"][0])
    assert report["runs"][0]["curve"][0] == report["runs"][1]["curve"][0]
    assert report["summary"]["gate"]["seeds"] == 2


class Letters:
    """A reward that anything can learn: the share of small letters."""

    policy = "letters"
    last = ()

    def __call__(self, prompts, completions, answer):
        return [sum(map(str.islower, text)) / 12 for text in completions]


def test_the_policy_gradient_goes_uphill(bench, trained, monkeypatch):
    grpo = bench("grpo")
    options = ["grpo", "--model", trained / "model", "--questions", trained / "test.jsonl"]
    options += ["--rate", 0.01, "--max-new-tokens", 12, "--group", 16, "--device", "cpu"]
    monkeypatch.setattr(sys, "argv", [*map(str, options)])
    trainer = grpo.Trainer(grpo.parsed(), Letters(), 0)
    asked = bench("evaluate").read(trained / "test.jsonl", "question", "answer", 2)
    means = [trainer.step(asked)["reward"] for _ in range(16)]
    assert sum(means[-4:]) > 2 * sum(means[:4])
    assert sum(means[-4:]) / 4 > 0.5
