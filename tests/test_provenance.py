"""Where numbers come from: inputs, the numbers of texts and expressions, earlier items."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import pytest
from brute import Brute
from hypothesis import given
from rulesets import SEEDS, built, letters_of, seeded, vocabulary
from test_engines import compare_walk
from test_expressions import written

from rulec.compiler import build, fit
from rulec.compiler.provenance import numbers_in
from rulec.dsl import load_text
from rulec.runtime import BadInput, Session, Verifier, verify
from rulec.runtime.host import Host
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler import Machine
    from rulec.runtime import Claim

Data: TypeAlias = dict[str, list[int]]
Bound: TypeAlias = dict[str, int]

GROUNDED = """
input question: text
shape Calc { "<<" lhs: expr "=" result: number ">>" }
shape Solution {
    ( prose | calcs: Calc )*
    "\\n#### " answer: number
    audit rule grounded: all(c in calcs: all(n in operands(c.lhs):
        n in numbers(question) or n in earlier(c).result))
}
trace Solution
"""


def machine_of(text: str) -> Machine:
    machine = built(text)
    assert machine is not None, [d.message for d in load_text(text).diagnostics]
    return machine


def broken(machine: Machine, trace: str, **inputs: object) -> list[Claim]:
    claims = Verifier(machine)(trace.encode(), inputs).claims
    return [claim for claim in claims if claim.verdict == "violate"]


# --- the numbers of a text ---


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", ()),
        ("none, and twelve", ()),
        ("3 apples and 4.5 kg", (3, "4.5")),
        ("He paid $1,250,000.75.", ("1250000.75",)),
        ("1,2345 and 1234,567", (1, 2345, 1234, 567)),
        ("0,123", (0, 123)),
        (".5 and -.25", ("0.5", "-0.25")),
        ("24. Then 25, then", (24, 25)),
        ("1..5 and No.7 and 1.2.3", (1, 5, 7, "1.2", 3)),
        ("-5 degrees, (-6), [-7] and −8", (-5, -6, -7, -8)),
        ("-$9 and $-10 and 3,-4", (-9, -10, 3, -4)),
        ("10-12, x-5, )-3, --4, 7 - 2", (10, 12, 5, 3, 4, 7, 2)),
        ("20% and 12.5 % and 3 percent", (20, "0.2", "12.5", "0.125", 3)),
        ("1/2 of 3rd B2B 007", (1, 2, 3, 2, 7)),
        ("2024-01-31", (2024, 1, 31)),
        ("-0", (0,)),
        ("999999999999999 1000000000000000", (999999999999999,)),
        ("0.0000000000000001", ()),
        ("٣ and 4", (4,)),
    ],
)
def test_numbers_of_a_text(text: str, values: tuple[object, ...]) -> None:
    assert numbers_in(text) == tuple(Fraction(str(value)) for value in values)


@seeded(200, 20_000)
@given(SEEDS)
def test_numbers_that_fields_show_are_read_as_such(seed: int) -> None:
    r = Random(seed)
    values, text = [], ""
    for _ in range(r.randint(0, 6)):
        digits = r.randint(0, 6)
        units = r.randint(0, 10 ** r.randint(1, 9))
        whole, rest = divmod(units, 10**digits)
        shown = f"{whole:,}" if r.random() < 0.5 else str(whole)
        shown += f".{rest:0{digits}}" if digits else ""
        sign = r.choice(["", "", "-"])
        text += r.choice([" is ", "; ", " ($", "\n", " a "]) + sign + shown
        values.append(Fraction(-units if sign else units, 10**digits))
    assert numbers_in(text + r.choice(["", ".", ", and"])) == tuple(values)


# --- the numbers of an expression ---


def literals(text: str) -> tuple[Fraction, ...]:
    """The numbers of an expression, cut out by what stands beside them."""
    found: list[Fraction] = []
    text = text.replace("//", "/").replace(" ", "").replace("$", "").replace(",", "")
    digits, sign = "", 1
    for before, char in pairwise("(" + text + ")"):
        if char in "0123456789.":
            digits += char
            continue
        if digits:
            found.append(sign * Fraction(digits))
        digits = ""
        sign = -1 if char == "-" and before in "(+-*/×÷" else 1
    return tuple(found)


def operands_of(machine: Machine, text: str) -> tuple[Fraction, ...] | None:
    engine = Reference(machine, guarded=False)
    after = engine.walk(engine.start({}), f"[{text}]".encode(), 0)
    return after.threads[0].regs[machine.fields[0].digits] if after.threads else None


COUNTED = 'shape A { "[" x: expr "]"\naudit rule r: count(operands(x)) > 0 }\ntrace A'


@seeded(150, 20_000)
@given(SEEDS)
def test_operands_are_the_numbers_that_are_written(seed: int) -> None:
    text = written(Random(seed))
    found = operands_of(machine_of(COUNTED), text)
    assert found is None or found == literals(text), text


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("3", "3"),
        ("-3*+2", "-3 2"),
        ("-(3-2)", "3 2"),
        ("1,000 // $.5", "1000 0.5"),
        ("((1)+2)*3/0", "1 2 3 0"),
        ("5--5", "5 -5"),
    ],
)
def test_operands(text: str, values: str) -> None:
    assert operands_of(machine_of(COUNTED), text) == tuple(map(Fraction, values.split()))


def test_the_operands_of_an_equation_in_prose_are_those_of_its_left_side() -> None:
    machine = machine_of(
        "watch E in prose { lhs: expr / {0,2}= {0,2}/ ! result: number\n"
        "audit rule r: all(n in operands(lhs): n != 9) }\ntrace prose"
    )
    assert broken(machine, "so (9 + 1 = 10") != []
    assert broken(machine, "so 9 * (2 + 3 = 5") == []


def test_operands_of_long_expressions_take_no_longer() -> None:
    machine = machine_of(COUNTED.replace("> 0", "== 1000"))
    assert verify(machine, f"[{'+'.join(['1'] * 1_000)}]").claims[0].verdict == "pass"
    (claim,) = verify(machine, f"[{'+'.join(['1'] * 20_000)}]").claims
    assert claim.verdict == "too complex"


# --- rules ---


def test_a_claim_names_what_comes_from_nowhere() -> None:
    machine = machine_of(GROUNDED)
    (claim,) = broken(machine, "<<3+4=7>> <<7*5=35>>\n#### 35", question="3 and 4")
    assert (claim.start, claim.end) == (12, 15)
    assert (claim.found, claim.expected) == ("5", "one of 3, 4, 7")
    assert not broken(machine, "<<3+4=7>> <<7*4=28>>\n#### 28", question="3 and 4")
    assert not broken(machine, "<<3-4=-1>> <<-1*4=-4>>\n#### 0", question="3 and 4")
    (claim,) = broken(machine, "<<1+1=2>>\n#### 2", question="one and one")
    assert claim.expected == "none: nothing is known"


def test_an_item_is_no_earlier_item_of_its_own() -> None:
    machine = machine_of(GROUNDED)
    (claim,) = broken(machine, "<<2*2=2>>\n#### 2", question="")
    assert claim.found == "2"


def test_an_input_comes_with_every_request() -> None:
    machine = machine_of(GROUNDED)
    with pytest.raises(BadInput, match="`question` must come"):
        Verifier(machine)(b"\n#### 2")
    with pytest.raises(BadInput, match="must be a string"):
        Verifier(machine)(b"\n#### 2", {"question": 3})


def test_inputs_of_other_types_are_as_parameters() -> None:
    machine = machine_of(
        'input most: int in 0 .. 9\ninput due: date\ninput kind: one of ("a" "b")\n'
        'shape S { n: int in 0 .. 99 " " d: date\n'
        'rule n: n <= most\nrule d: d <= due\nrule k: kind == "a" or n == 0 }\ntrace S'
    )
    given = {"most": 5, "due": "2024-02-01", "kind": "a"}
    assert Verifier(machine)(b"5 2024-02-01", given).verdict == "pass"
    assert {claim.rule for claim in broken(machine, "6 2024-02-02", **given)} == {"n", "d"}
    with pytest.raises(BadInput, match="outside of its range"):
        Verifier(machine)(b"5 2024-02-01", given | {"most": 10})


LISTS = """
type Digit = int in 0 .. 9
param q: text = "2, 3 and 4%"
shape Item { "(" a: int in 0 .. 9 " " x: expr ")" }
shape S {
    before: Digit{2..2 sep " "} ":" items: Item{0..4} ";" n: int in 0 .. 9
    RULE
}
trace S
"""


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ("count(numbers(q)) == n", ";4", ";3"),
        ("sum(numbers(q)) == n + 0.04", ";9", ";8"),
        ("max(numbers(q)) == n", ";4", ";3"),
        ("first(numbers(q)) == n", ";2", ";3"),
        ("n in numbers(q)", ";3", ";5"),
        ("not n in numbers(q)", ";5", ";3"),
        ("any(m in numbers(q): m == n + 1)", ";1", ";6"),
        ("all(i in items: count(earlier(i)) == i.a)", "(0 1)(1 1);0", "(0 1)(0 1);0"),
        ("all(i in items: sum(earlier(i).a) < 5)", "(4 1)(9 1);0", "(4 1)(1 1)(0 1);0"),
        ("all(i in items: i.a not in earlier(i).a)", "(4 1)(9 1);0", "(4 1)(4 1);0"),
        ("all(i in items: last(earlier(i).a) <= i.a)", "(1 1)(2 1);0", "(2 1)(1 1);0"),
        ("all(i in items: all(m in operands(i.x): m in items.a))", "(1 2)(2 1);0", "(1 2);0"),
        ("all(m in numbers(q): m in items.a or m < 1 or m == 4)", "(2 1)(3 1);0", "(2 1);0"),
        ("any(i in items: n in operands(i.x))", "(1 2)(2 7+8);7", "(1 2);1"),
        ("all(i in items: any(m in operands(i.x): any(k in numbers(q): k == m)))", "(0 2);0",
         "(0 7);0"),
        ("all(m in items.a: all(k in items.x: m != k))", "(1 2);0", "(1 1);0"),
        ("all(b in before: b in items.a)", "(1 2)(0 1);0", "(1 2)(2 1);0"),
        ("all(i in items: i.a in before)", "(1 2)(0 1);0", "(1 2)(2 1);0"),
        ("all(i in items: any(b in before: b == i.a))", "(1 2)(0 1);0", "(1 2)(2 1);0"),
        ("all(m in items.a: m in items.x)", "(1 2)(2 1);0", "(1 1)(2 3);0"),
        ("all(i in items: any(k in items.x: k == i.a))", "(1 2)(2 1);0", "(1 1)(2 3);0"),
        ("sum(i in items: sum(k in items.x: k * i.a)) == n", "(1 2)(0 1);3", "(1 2)(0 1);2"),
    ],
)  # fmt: skip
def test_rules_over_lists_of_values(rule: str, right: str, wrong: str) -> None:
    machine = machine_of(LISTS.replace("RULE", f"rule r: {rule}"))
    assert Verifier(machine)(f"0 1:{right}".encode()).verdict in ("pass", "vacuous")
    (claim,) = broken(machine, f"0 1:{wrong}")
    assert (claim.rule, claim.tier) == ("r", "commit")


def test_what_the_request_decides_leaves_the_rest_to_masks() -> None:
    machine = machine_of(LISTS.replace("RULE", "rule r: distinct(numbers(q)) and n == 1"))
    assert Verifier(machine)(b"0 1:;1").verdict == "pass"
    (claim,) = broken(machine, "0 1:;2")
    assert (claim.rule, claim.tier) == ("r", "mask")


class Asker:
    """Draws conditions that go through lists within lists, with what they mean."""

    def __init__(self, r: Random) -> None:
        self.r = r
        self.bound = 0

    def source(self) -> tuple[str, Callable[[Data], list[int]]]:
        name = self.r.choice(["xs", "ys", "items.a", "items.b", "numbers(q)"])
        return name, lambda data: data[name]

    def value(self, names: list[str]) -> tuple[str, Callable[[Data, Bound], int]]:
        r = self.r
        if names and r.random() < 0.7:
            name = r.choice(names)
            return name, lambda _, bound: bound[name]
        if r.random() < 0.5:
            count = r.randint(0, 3)
            return str(count), lambda *_: count
        text, items = self.source()
        return f"sum({text})", lambda data, _: sum(items(data))

    def condition(self, names: list[str], depth: int) -> tuple[str, Callable[..., bool]]:
        r = self.r
        kind = r.choice(["in", "compare", "each", "each", "record", "total"])
        if depth == 0 or kind == "compare":
            (one, left), (other, right) = self.value(names), self.value(names)
            return f"{one} <= {other}", lambda d, b: left(d, b) <= right(d, b)
        text, items = self.source()
        if kind == "in":
            one, left = self.value(names)
            return f"{one} in {text}", lambda d, b: left(d, b) in items(d)
        self.bound += 1
        name = f"v{self.bound}"
        if kind == "total":
            one, left = self.value(names)
            other, right = self.value([*names, name])
            return (
                f"{one} <= sum({name} in {text}: {other})",
                lambda d, b: (
                    left(d, b) <= sum(right(d, {**b, name: item}) for item in items(d))
                ),
            )
        function, decide = r.choice([("all", all), ("any", any)])
        if kind == "each":
            body, holds = self.condition([*names, name], depth - 1)
            return f"{function}({name} in {text}: {body})", lambda d, b: decide(
                holds(d, {**b, name: item}) for item in items(d)
            )
        body, holds = self.condition([*names, f"{name}.a", f"{name}.b"], depth - 1)
        return f"{function}({name} in items: {body})", lambda d, b: decide(
            holds(d, {**b, f"{name}.a": one, f"{name}.b": other})
            for one, other in zip(d["items.a"], d["items.b"], strict=True)
        )


NESTED = """
type D = int in 0 .. 4
param q: text = "1 and 3"
shape Item {{ "(" a: D "," b: D ")" }}
shape S {{ xs: D{{0..3 sep ","}} ":" items: Item{{0..3}} ";" ys: D{{0..3 sep ","}} "."
    rule r: {condition}
}}
trace S
"""


@seeded(60, 4_000)
@given(SEEDS)
def test_lists_within_lists_mean_what_they_say(seed: int) -> None:
    r = Random(seed)
    text, holds = Asker(r).condition([], 3)
    machine = built(NESTED.format(condition=text))
    if machine is None:
        ruleset = load_text(NESTED.format(condition=text)).ruleset
        assert ruleset is not None, text
        assert {found.code for found in build(ruleset).diagnostics} <= {"R0901", "R0511"}
        return
    for _ in range(6):
        xs, ys, a, b = (r.choices(range(5), k=r.randint(0, 3)) for _ in range(4))
        items = list(zip(a, b, strict=False))
        data = {"xs": xs, "ys": ys, "numbers(q)": [1, 3]}
        data |= {"items.a": [one for one, _ in items], "items.b": [two for _, two in items]}
        trace = f"{','.join(map(str, xs))}:{''.join(f'({one},{two})' for one, two in items)}"
        trace += f";{','.join(map(str, ys))}."
        (claim,) = Verifier(machine)(trace.encode()).claims
        assert (claim.verdict == "pass") == holds(data, {}), (text, trace)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("n in numbers(q)", "which numbers a text or a list holds is no allowed set"),
        ("count(numbers(q)) == n", "which numbers a text or a list holds is no allowed set"),
    ],
)
def test_masks_never_keep_them(rule: str, reason: str) -> None:
    loaded = load_text(LISTS.replace("RULE", f"mask rule r: {rule}"))
    assert loaded.ruleset is not None
    (found,) = build(loaded.ruleset).diagnostics
    assert (found.code, found.primary.text) == ("R0501", reason)


@pytest.mark.parametrize(
    "rule",
    [
        "all(i in items: all(e in earlier(i): e.a < i.a))",
        "all(m in numbers(q): any(i in items: i.a == m))",
    ],
)
def test_what_has_no_form_is_said(rule: str) -> None:
    loaded = load_text(LISTS.replace("RULE", f"rule r: {rule}"))
    assert loaded.ruleset is not None
    assert [found.code for found in build(loaded.ruleset).diagnostics] == ["R0901"]


def test_prose_is_no_value() -> None:
    """Its text is not kept, so that such a rule could not be tested."""
    loaded = load_text('shape S { "a" p: prose ";" rule r: p != "x" }\ntrace S')
    assert loaded.ruleset is not None
    assert [found.code for found in build(loaded.ruleset).diagnostics] == ["R0901"]


# --- engines ---

ENGINES = """
param question: text = "1 and 2 make 12%"
shape Calc {{ "<" lhs: expr "=" result: int in 0 .. 99 ">" }}
shape S {{
    calcs: Calc{{0..3}} ";" n: int in 0 .. 99
    {tier} rule grounded: all(c in calcs: all(m in operands(c.lhs):
        m in numbers(question) or m in earlier(c).result))
    {tier} rule known: n in numbers(question) or n in calcs.result
    rule most: sum(calcs.result) <= 120
}}
trace S
"""


@pytest.mark.parametrize("tier", ["", "audit"])
def test_masks_are_those_of_the_reference(tier: str) -> None:
    for seed in range(3):
        r = Random(seed)
        machine = machine_of(ENGINES.format(tier=tier))
        pack = fit(machine, vocabulary(r, letters_of(machine)))
        compare_walk(pack, Host(pack), Brute(pack), r, 12)


def test_a_commit_rule_sends_back_to_where_the_number_began() -> None:
    machine = machine_of(ENGINES.format(tier=""))
    pack = fit(machine, vocabulary(Random(1), b"<>=;+", 0))
    session = Session(pack)
    for byte in b"<1+3=":
        session.accept(next(t for t in range(pack.size) if pack.table.text(t) == bytes([byte])))
    assert [claim.found for claim in session.violations] == ["3"]
    assert session.retreat() == 4
    assert session.text == b"<"
    assert not session.violations
