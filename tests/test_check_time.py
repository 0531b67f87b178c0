"""Checking a large ruleset, and one whose rules the solver can't tell, ends soon."""

from __future__ import annotations

from random import Random
from time import process_time

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime.analysis import analyse

MOST = 30
"""Seconds of one core: several times what an idle machine takes, so that a busy one passes."""


def spent(text: str) -> tuple[float, dict[str, int]]:
    """Seconds of one core that a check takes, and how many rules have each tier."""
    before = process_time()
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    built = build(ruleset)
    assert built.machine is not None
    list(analyse(built))
    tiers = [rule.tier for rule in built.machine.rules]
    return process_time() - before, {tier: tiers.count(tier) for tier in set(tiers)}


def orders(count: int) -> str:
    """A hundred rules or so, as a team would write them."""
    lines = [
        "type Money = decimal(2) in 0 .. 100_000",
        "param cap: Money = 50_000",
        'shape Line { "- " q: int in 1 .. 99 " x " p: Money " = " a: Money "\\n"',
        "  rule product: a == q * p  rule small: q <= 50 }",
    ]
    for n in range(count):
        fields = " ".join(f'"f{f} " f{f}: Money "\\n"' for f in range(7))
        lines += [
            f"shape S{n} {{ {fields} lines: Line{{0..5}}",
            '  "t " t: Money "\\n" ("n " n: int in 0 .. 9 "\\n")?',
            "  rule r0: f2 == f0 + f1  rule r1: f3 <= f2  rule r2: f4 == round(0.08 * f3, 2)",
            "  rule r3: f5 >= f4  rule r4: f6 == max(f5, f0)  rule r5: t == sum(lines.a)",
            "  rule r6: t <= cap  rule r7: n != 3 }",
        ]
    inside = " ".join(f"a{n}: S{n}" for n in range(count))
    return "\n".join([*lines, f"shape T {{ {inside} }}", "trace T"]) + "\n"


def knots(count: int) -> str:
    """Rules whose products no projection tells apart."""
    r = Random(5)
    lines = ["shape T {", *(f'  "f{n} " f{n}: int in 0 .. 1000 "\\n"' for n in range(20))]
    for number in range(count):
        a, b, c, d = (f"f{r.randrange(20)}" for _ in range(4))
        form = r.choice(
            [
                f"{a} * {b} + {c} >= {d} * {a} - 5",
                f"{a} * {b} % 7 != {c}",
                f"{a} + 3 * {b} - 2 * {c} != {r.randrange(9)}",
                f"{a} * {b} * {c} <= 100000000",
                f"({a} - {b}) * ({c} - {d}) <= 1000000",
                f"{a} <= {b} + 900",
                f"{a} == 3 implies {b} * {c} == 12",
            ]
        )
        lines.append(f"  rule r{number}: {form}")
    return "\n".join([*lines, "}", "trace T"]) + "\n"


def test_a_hundred_rules() -> None:
    seconds, tiers = spent(orders(12))
    assert tiers["mask"] == sum(tiers.values()) >= 98
    assert seconds < MOST


def test_rules_that_are_hard_to_tell() -> None:
    seconds, tiers = spent(knots(100))
    assert tiers["commit"] > 20
    assert seconds < MOST
