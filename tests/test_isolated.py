"""Functions in processes of their own: those that hang, raise, end and give nonsense."""

from __future__ import annotations

import pytest

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime import BadExternal, verify
from rulec.runtime.isolated import Isolated

MODULE = """
import os, time

def odd(number):
    return number % 2 == 1

def hang(number):
    while True:
        pass

def fail(number):
    raise ValueError("no such number")

def end(number):
    os._exit(3)

def odd_type(number):
    return object
"""
RULES = """
external test(int) -> bool
shape One { number: int rule tested: test(number) }
trace One
"""


@pytest.fixture(scope="module")
def machine():
    return build(load_text(RULES, "one.rules").ruleset).machine


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "apart.py").write_text(MODULE)
    return str(tmp_path)


def judged(machine, folder, function, *texts):
    functions = Isolated({"test": f"apart:{function}"}, 5.0, folder)
    if function == "hang":
        object.__setattr__(functions, "seconds", 0.3)
    try:
        return [verify(machine, text, None, functions) for text in texts]
    finally:
        functions.close()


def test_answers_are_those_of_the_function(machine, folder):
    found = judged(machine, folder, "odd", "3", "4", "5")
    assert [one.verdict for one in found] == ["pass", "violate", "pass"]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("hang", "gave no answer within 0.3 s"),
        ("fail", "raised ValueError: no such number"),
        ("end", "the process that called `test` ended"),
    ],
)
def test_no_answer_is_no_pass(machine, folder, function, said):
    for verdict in judged(machine, folder, function, "3", "4"):
        assert verdict.verdict == "too complex"
        assert said in verdict.claims[0].reason


def test_what_does_not_fit_is_told_ahead(machine, folder):
    with pytest.raises(BadExternal, match="not registered"):
        verify(machine, "3", None, Isolated({"other": "apart:odd"}, folder=folder))
