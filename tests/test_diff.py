"""`rulec diff`: what it says, and that it says nothing that isn't so."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from mutants import mutants, reshaped
from rulesets import SEEDS, author, random_walk, ruled, seeded
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler.witness import Trace
from rulec.runtime import BadInput, NoSample, Sampler
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.differences import Comparison, compare
from rulec.runtime.reference import Reference
from rulec.runtime.trials import Replay

EXAMPLES = Path(__file__).parent.parent / "examples"

RECEIPT = """\
type Money = decimal(2) in 0 .. 100
param cap: Money = 50

shape Receipt {
    "Price: " price: Money "\\n"
    "Tax: " tax: Money "\\n"
    "Total: " total: Money

    rule total: total == price + tax
    rule cap: total <= cap
    audit rule rich: total >= 1
}
trace Receipt
"""


@pytest.fixture
def told(tmp_path, monkeypatch):
    """What `rulec diff` says of two texts, and its exit code."""
    monkeypatch.chdir(tmp_path)

    def run(old: str, new: str, *options: str) -> tuple[str, int]:
        Path("old.rules").write_text(old, "utf-8")
        Path("new.rules").write_text(new, "utf-8")
        result = CliRunner().invoke(app, ["diff", "old.rules", "new.rules", *options])
        return result.output, result.exit_code

    return run


def compared(old: str, new: str) -> Comparison:
    sides = ruled(old), ruled(new)
    assert sides[0] is not None
    assert sides[1] is not None
    return compare(*sides)


# --- what is printed ---


def test_a_stricter_ruleset(told):
    assert told(RECEIPT, RECEIPT.replace("total <= cap", "total < cap")) == (
        """\
stricter: new.rules is stricter than old.rules

accepted by old.rules, rejected by new.rules:
    Price: 49.00
    Tax: 1.00
    Total: 50.00
  Receipt.cap: violate at 30..35, expected 0.00 to 49.99, found 50.00

no trace is accepted by new.rules and rejected by old.rules
""",
        1,
    )


def test_equivalent_rulesets(told):
    other = RECEIPT.replace("total == price + tax", "total - tax == price")
    assert told(RECEIPT, other) == ("equivalent: the rulesets accept the same traces\n", 0)


def test_different_rulesets(told):
    output, code = told(RECEIPT, RECEIPT.replace("price + tax", "price + 2 * tax"))
    assert code == 1
    assert output.startswith("different: old.rules and new.rules differ, and neither is str")
    assert output.count("\n\naccepted by ") == 2
    assert output.count("Receipt.total: violate at ") == 2


def test_other_shapes(told):
    assert told(RECEIPT, RECEIPT.replace('"Tax: "', '"Tax (8%): "')) == (
        """\
different: old.rules and new.rules differ, and neither is stricter
  the shapes first differ at old.rules:6:5 and new.rules:6:5

accepted by old.rules, rejected by new.rules:
    Price: 1.00
    Tax: 1.00
    Total: 2.00
  unparsed at byte 16: `:` can't stand here

accepted by new.rules, rejected by old.rules:
    Price: 1.00
    Tax (8%): 1.00
    Total: 2.00
  unparsed at byte 16: `(` can't stand here
""".replace("16: `:`", "15: `:`").replace("16: `(`", "15: ` `"),
        1,
    )


def test_what_is_not_proven_is_not_claimed(told):
    old = 'shape S { xs: int{1.. sep " "} rule r: sum(xs) == sum(x in xs: 2 * x) } trace S'
    output, code = told(old, old.replace("2 * x", "3 * x"))
    assert code == 1
    assert output.startswith("unknown: no difference found; not proven\n")
    assert "smallest forms of a trace" in output
    assert "not proven: there are larger forms" in output


def test_requests_that_only_one_takes(told):
    output, code = told(RECEIPT, RECEIPT.replace("param cap", "param low: int = 3\nparam cap"))
    assert code == 1
    assert output.startswith(
        "different: old.rules and new.rules don't take the same requests\n"
        "  only the new rules have the parameter `low`\n"
    )
    assert "no trace found that old.rules accepts and new.rules rejects" in output
    assert output.count("not proven: the requests differ") == 2


def test_json_has_both_sides(told):
    output, code = told(
        RECEIPT, RECEIPT.replace("cap: Money = 50", "cap: Money = 40"), "--format", "json"
    )
    record = json.loads(output)
    assert code == 1
    assert (record["relation"], record["proven"]) == ("stricter", True)
    assert record["only_old"]["with"] == {}
    assert record["only_old"]["rejected"]["verdict"] == "violate"
    assert record["only_new"] == {"trace": None, "proven": True, "tried": None, "open": []}
    assert record["apart"] is None
    assert record["requests"] == []


def test_a_file_with_errors_is_no_comparison(told):
    output, code = told(RECEIPT, RECEIPT.replace("price + tax", "prise + tax"))
    assert code == 1
    assert "R0301" in output or "prise" in output


# --- what is found ---


@pytest.mark.parametrize(
    ("change", "relation"),
    [
        (("price + tax", "tax + price"), "equivalent"),
        (("audit rule rich: total >= 1", "audit rule rich: total >= 2"), "equivalent"),
        (("audit rule rich", "rule rich"), "stricter"),
        (("rule cap: total <= cap", ""), "looser"),
        (("in 0 .. 100", "in 0 .. 99"), "different"),  # a request may not give that cap
        (("= 50", "= 60"), "looser"),
        (("param cap: Money = 50", "param cap: Money"), "different"),
        (("param cap", "param most: Money = 3\nparam cap"), "different"),
        (("price: Money", "price: decimal(2) in 0 .. 10"), "stricter"),
        (("price: Money", "price: decimal(1..2) in 0 .. 100"), "looser"),
        (("price: Money", "price: int in 0 .. 100"), "different"),
        (("total <= cap", "not total > cap"), "equivalent"),
        (("total <= cap", "price + tax <= cap"), "equivalent"),
        (("total == price", "total ~= price"), "equivalent"),
    ],
)
def test_relations(change, relation):
    found = compared(RECEIPT, RECEIPT.replace(*change))
    assert found.relation == relation
    assert found.proven


FORMS = """\
type Sku = text /[A-Z]{1,2}/
shape Item {
    "- " sku: Sku ( " for " cost: number )? " on " day: date "\\n"
    rule free: cost >= 0
    rule later: (prev.day else "2000-01-01") < day
}
shape List {
    items: Item{1..4}
    "all " kind: one of ("new" "old") " " same: bool " " share: percent
    rule once: distinct(items.sku)
    rule kind: kind == "new" implies all(i in items: i.day >= "2020-01-01")
    rule share: share == sum(items.cost) / 100 or same
}
trace List
"""


@pytest.mark.parametrize(
    ("change", "relation"),
    [
        (("cost >= 0", "cost > 0"), "stricter"),
        (("cost >= 0", "cost else 0) >= 0".replace("cost", "(cost", 1)), "equivalent"),
        (("cost >= 0", "present(cost) implies cost >= 0"), "equivalent"),
        (("cost >= 0", "present(cost) and cost >= 0"), "stricter"),
        ((") < day", ") <= day"), "looser"),
        (("2000-01-01", "2000-01-02"), "stricter"),
        (("distinct(items.sku)", "count(items) < 3"), "different"),
        (('== "new"', '== "old"'), "different"),
        (("all(i", "any(i"), "looser"),
        (("or same", "or not same"), "different"),
        (("{1..4}", "{1..3}"), "stricter"),
        (("{1..4}", "{2..5}"), "different"),
        (("{1..4}", "{6}"), "different"),
        (("{1..4}", "{0..}"), "looser"),
        (("[A-Z]{1,2}", "[A-Z]{2}"), "stricter"),
        (("[A-Z]{1,2}", "[A-Y]{1,3}"), "different"),
        (('("new" "old")', '("new" "old" "odd")'), "looser"),
        (("share: percent", "share: percent rule never: false"), "stricter"),
    ],
)
def test_relations_of_lists_dates_words_and_texts(change, relation):
    found = compared(FORMS, FORMS.replace(*change))
    assert found.relation == relation
    assert found.proven or relation != "different"


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        ("prose{..400}", "prose{..300}", "stricter"),
        ("prose{2..}", "prose{3..}", "stricter"),
        ("prose{..40}", "prose{..40} without /ab+/", "stricter"),
        ("int in 0 .. 9999", "int in 0 .. 9999 grouped", "looser"),
        ("decimal(2) in 0 .. 9999 grouped", "decimal(2) in 0 .. 9999", "stricter"),
        ("number", "decimal(2)", "stricter"),
        ("expr", "number", "stricter"),
    ],
)
def test_types_that_are_written_differently(old, new, relation):
    texts = [f'shape S {{ "a " x: {type_} "\\nb" }} trace S' for type_ in (old, new)]
    assert compared(*texts).relation == relation


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        ("result ~= lhs", "result == lhs", "stricter"),
        ("result ~= lhs", "result ~= lhs or result == 0", "looser"),
        # Where the left side has no value, only what comes before it counts.
        ("result == 0 or result ~= lhs", "result ~= lhs or result == 0", "stricter"),
        ("result ~= lhs", "result ~= lhs and lhs == lhs", "equivalent"),
    ],
)
def test_watches(old, new, relation):
    text = (EXAMPLES / "arithmetic.rules").read_text("utf-8").partition("accept")[0]
    texts = [text.replace("result ~= lhs", rule) for rule in (old, new)]
    found = compared(*texts)
    assert found.relation == relation
    assert found.proven


def test_counts_of_items():
    ranges = ["0..1", "1..2", "2", "2..", "0..", "3..4"]
    reach = {"0..1": {0, 1}, "1..2": {1, 2}, "2": {2}, "3..4": {3, 4}}
    reach |= {"2..": set(range(2, 9)), "0..": set(range(9))}
    for old in ranges:
        for new in ranges:
            text = 'shape S { xs: I{%s} ";" } shape I { "x" } trace S'
            found = compared(text % old, text % new)
            want = (not reach[old] <= reach[new], not reach[new] <= reach[old])
            got = (found.only_old.difference is not None, found.only_new.difference is not None)
            assert (old, new, got) == (old, new, want)
            assert found.proven


def test_unnamed_patterns():
    text = 'shape S { /[xy]{1,2}/ " " x: int } trace S'
    relations = {"[xy]{1}": "stricter", "[xyz]{1,3}": "looser", "[yz]{1,2}": "different"}
    for pattern, relation in relations.items():
        found = compared(text, text.replace("[xy]{1,2}", pattern))
        assert (found.relation, found.proven) == (relation, True)
    same = compared(text, text.replace("[xy]{1,2}", "x|y|xx|xy|yx|yy"))
    assert (same.relation, same.proven) == ("equivalent", True)


def test_long_lists_are_told_apart_by_their_length():
    text = 'shape S { xs: int{1..150 sep ","} } trace S'
    found = compared(text, text.replace("150", "120"))
    assert found.relation == "stricter"
    assert found.proven
    assert found.only_old.difference is not None
    assert found.only_old.difference.trace.text.count(b",") == 120


def test_rules_of_lists_without_an_end_are_compared():
    text = """
        shape Line { a: int " " b: int "\\n" rule r: b >= a }
        shape All {
            lines: Line* "total " t: int
            rule t: t == sum(lines.b)
            rule each: all(l in lines: l.a > 1)
        }
        trace All
    """
    changes = {
        "equivalent": text.replace("b >= a", "not a > b"),
        "stricter": text.replace("b >= a", "b > a").replace("l.a > 1", "l.a >= 3"),
        "looser": text.replace("t == sum(lines.b)", "t >= sum(lines.b)"),
    }
    for relation, changed in changes.items():
        found = compared(text, changed)
        assert (found.relation, found.proven) == (relation, True)


# --- against random traces ---


def _traces(machine, r: Random) -> list[bytes]:
    engine, budget = Reference(machine, guarded=False), Budget(machine)
    start = engine.start(given_inputs.registers(machine, None))
    found = [random_walk(engine, budget, start, Random(r.random()), 40).text for _ in range(3)]
    with suppress(NoSample, BadInput):
        found += [Sampler(machine, 3, 200)(seed) for seed in range(2)]
    return found


@seeded(12, 2_000)
@given(SEEDS)
def test_no_trace_contradicts_what_is_proven(seed):
    r = Random(seed)
    text = author(r, watches=r.random() < 0.3, prose=False)
    rewritten = [mutant.text for mutant in mutants(text)]
    changed = r.choice(rewritten) if rewritten and r.random() < 0.6 else reshaped(text, r)
    sides = ruled(text), ruled(changed)
    if sides[0] is None or sides[1] is None:
        return
    found = compare(*sides)
    replays = [Replay(side.machine) for side in sides]
    for side, (kept, other) in (
        (found.only_old, replays),
        (found.only_new, replays[::-1]),
    ):
        if side.difference is not None:
            assert kept(side.difference.trace).accepted
            assert other(side.difference.trace).rejected
        for machine in (sides[0].machine, sides[1].machine) if side.proven else ():
            for trace in map(Trace, _traces(machine, r)):
                assert not (kept(trace).accepted and other(trace).rejected)


def test_the_same_comparison_says_the_same():
    texts = FORMS, FORMS.replace("all(i", "any(i")
    assert compared(*texts) == compared(*texts)


def test_a_text_that_only_one_type_has_may_be_one_that_a_rule_names():
    text = 'shape S { a: text /[A-Z]{3}/ rule r: a == "ZZZ" } trace S'
    found = compared(text, text.replace("[A-Z]", "[A-Y]"))
    assert found.only_old.difference is not None
    assert found.only_old.difference.trace.text == b"ZZZ"


def test_what_does_not_fit_a_watch_is_prose():
    text = """
        watch W in prose { "{" a: int in 0 .. 9 "," ! b: int "}" rule r: b == a * a }
        trace prose
    """
    found = compared(text, text.replace("0 .. 9", "0 .. 99"))
    assert not found.only_old.proven
    assert found.apart is not None


def test_words_of_a_type_may_be_texts_of_another():
    text = """
        shape S { a: one of ("zip" "zap") " " b: text /[a-z]{3}/ rule r: a == b } trace S
    """
    found = compared(text, text.replace("a == b", "a == b and false"))
    assert found.relation == "stricter"
    assert found.only_old.difference is not None
