"""Rule packs as teams would check them in: samples, walks and engines, with their inputs."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute import Brute
from rulesets import letters_of, many, vocabulary
from test_engines import compare_walk
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import build, fit
from rulec.dsl import load
from rulec.runtime import Verifier
from rulec.runtime.host import Host
from rulec.runtime.sample import sample

if TYPE_CHECKING:
    from rulec.compiler import Machine
    from rulec.dsl.checked import Ruleset

EXAMPLES = sorted((Path(__file__).parent.parent / "examples" / "packs").glob("*.rules"))
each = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)


def made(path: Path) -> tuple[Ruleset, Machine]:
    ruleset = load(path).ruleset
    assert ruleset is not None
    built = build(ruleset)
    assert built.machine is not None
    tested = {rule.name for rule in built.rules if rule.tier != "mask"}
    assert tested <= {"few", "once", "four_eyes"}, "all others are kept by masks"
    return ruleset, built.machine


@each
def test_samples_hold(path: Path) -> None:
    result = CliRunner().invoke(app, ["test", str(path)])
    assert result.exit_code == 0, result.output


@each
def test_what_is_sampled_passes(path: Path) -> None:
    ruleset, machine = made(path)
    verify = Verifier(machine)
    inputs = next(one.inputs for one in ruleset.samples if one.accept)
    for seed in range(many(10)):
        text = sample(machine, seed, inputs)
        assert verify(text, inputs).verdict == "pass"


@each
def test_engines_agree(path: Path) -> None:
    ruleset, machine = made(path)
    inputs = next(one.inputs for one in ruleset.samples if one.accept)
    for seed in range(many(3)):
        r = Random(seed)
        pack = fit(machine, vocabulary(r, letters_of(machine)))
        compare_walk(pack, Host(pack), Brute(pack), r, 20, inputs=inputs)
