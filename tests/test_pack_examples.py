"""Rule packs as teams would check them in: samples, walks and engines, with their inputs."""

from __future__ import annotations

import ast
from contextlib import suppress
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
from rulec.runtime.sample import Sampler, sample

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
    commit = {"few", "once", "follows", "four_eyes", "circles"}
    assert tested <= commit, "all others are kept by masks"
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


PYCODE = next(path for path in EXAMPLES if path.stem == "pycode")


def evaluated(code: str) -> None:
    """What a function binds has the types that it declares, as far as it runs."""
    (function,) = ast.parse(code).body
    assert isinstance(function, ast.FunctionDef)
    given = {"int": 3, "float": 0.5, "str": "x", "bool": True}
    bound: dict[str, object] = {
        one.arg: given[ast.unparse(one.annotation)]
        for one in function.args.args
        if one.annotation is not None
    }
    declared = {name: type(value).__name__ for name, value in bound.items()}
    for statement in function.body[:-1]:
        if isinstance(statement, ast.AnnAssign):
            declared[ast.unparse(statement.target)] = ast.unparse(statement.annotation)
        if isinstance(statement, ast.Assert):
            assert type(value_of(statement.test, bound)) is bool
        else:
            exec(ast.unparse(statement), {}, bound)
        assert {name: type(bound[name]).__name__ for name in declared} == declared
    last = function.body[-1]
    assert isinstance(last, ast.Return)
    assert last.value is not None
    assert function.returns is not None
    assert type(value_of(last.value, bound)).__name__ == ast.unparse(function.returns)


def value_of(term: ast.expr, bound: dict[str, object]) -> object:
    return eval(compile(ast.Expression(term), "pycode", "eval"), {}, bound)


def test_what_is_accepted_is_python() -> None:
    ruleset, machine = made(PYCODE)
    accepted = [one.trace for one in ruleset.samples if one.accept]
    draw = Sampler(machine, longest=600)
    accepted += [draw(seed, {}).decode() for seed in range(many(6))]
    for code in accepted:
        ast.parse(code)
        with suppress(ArithmeticError):  # a division by zero, or a number that is too large
            evaluated(code)
