"""Quotients and remainders by fields, beside fields with more values than are looked at."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from rulesets import SEEDS, seeded, ways

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime import Verifier
from rulec.runtime.reference import Config, Reference

if TYPE_CHECKING:
    from rulec.compiler import Machine

SHAPE = """
shape S {{ {fields} ";" rule r: {rule} }}
trace S
"""
KEPT = (
    "(b // a) * a <= 5",
    "b // a * a != 4",
    "b // a * a >= 3",
    "b % a == 0",
    "b % a <= 1",
    "b % a == 1",
    "b % a != 0",
    "(b // a) * a == b",
    "round(b / a) * a == b",
)


def machine_of(rule: str, order: str, low: int, high: int) -> Machine:
    fields = {"a": f'" a" a: int in {low} .. {high}', "b": '" b" b: int in 0 .. 60'}
    text = SHAPE.format(fields=" ".join(fields[name] for name in order), rule=rule)
    ruleset = load_text(text).ruleset
    assert ruleset is not None, text
    machine = build(ruleset).machine
    assert machine is not None
    return machine


def check(machine: Machine, order: str, low: int, high: int) -> None:
    """Masks leave open exactly the beginnings of what passes."""
    verify = Verifier(machine)
    values = [{"a": a, "b": b} for a in range(low, high + 1) for b in range(61)]
    texts = ["".join(f" {name}{each[name]}" for name in order) + ";" for each in values]
    kept = [text for text in texts if verify(text.encode()).verdict == "pass"]
    wanted = {text[:end].encode() for text in kept for end in range(len(text) + 1)}
    engine = Reference(machine)
    start = engine.start({})
    queue: list[tuple[bytes, Config]] = [(b"", start)] if start.threads else []
    seen: set[bytes] = set()
    while queue:
        text, config = queue.pop()
        seen.add(text)
        queue += [(text + bytes((b,)), after) for b, after in ways(engine, config, len(text))]
    assert seen == wanted, sorted(seen ^ wanted)[:4]


@pytest.mark.parametrize("rule", KEPT)
@pytest.mark.parametrize("order", ["ab", "ba"])
def test_quotients_are_kept(rule: str, order: str) -> None:
    machine = machine_of(rule, order, 2, 4)
    assert machine.rules[0].tier == "mask"
    check(machine, order, 2, 4)


def _term(r: Random, depth: int) -> str:
    if not depth or r.random() < 0.2:
        return r.choice(["a", "b", "b", str(r.randint(1, 9))])
    one, other = _term(r, depth - 1), _term(r, depth - 1)
    kind = r.choice(["+", "-", "*", "//", "%", "round", "floor"])
    if kind in ("round", "floor"):
        return f"{kind}({one} / {r.choice(['a', '3', '4'])})"
    return f"({one} {kind} {r.choice(['a', '5', other]) if kind in ('//', '%') else other})"


@seeded(40, 10_000)
@given(SEEDS)
def test_random_quotients(seed: int) -> None:
    r = Random(seed)
    low = r.randint(-2, 2)
    high = low + r.randint(1, 4)
    relation = r.choice(["==", "!=", "<=", ">=", "<", ">"])
    rule = f"{_term(r, 2)} {relation} {_term(r, 1)}"
    order = r.choice(["ab", "ba"])
    machine = machine_of(rule, order, low, high)
    if machine.rules[0].tier == "mask":
        check(machine, order, low, high)
