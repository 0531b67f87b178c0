"""Rules over the rows of tables, and columns behind other items."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rulesets import ruled
from test_names import made_of

from rulec.runtime import BadInput, Verifier
from rulec.runtime.differences import compare
from rulec.runtime.inputs import registers

if TYPE_CHECKING:
    from collections.abc import Mapping

STOCK = "input stock: table { key sku: text /[A-Z]/, price: int in 0 .. 9, kind: Kind }\n"
KIND = 'type Kind = one of ("x" "y")\n'
ROWS = [
    {"sku": "A", "price": 2, "kind": "x"},
    {"sku": "B", "price": 5, "kind": "y"},
    {"sku": "C", "price": 2, "kind": "x"},
]


def order(rule: str) -> str:
    """A total, and a rule on it."""
    return f'{KIND}{STOCK}shape S {{ "= " total: int in 0 .. 99 "." rule r: {rule} }}\ntrace S'


MASKED = {
    "total <= sum(stock.price)": {9: True, 10: False},
    "total == max(stock.price) - min(stock.price)": {3: True, 4: False},
    'total >= sum(s in stock: if s.kind == "x" then s.price else 0)': {4: True, 3: False},
    "total == count(stock)": {3: True, 2: False},
    'total == count(s in stock: s.kind == "x")': {2: True, 3: False},
    "all(s in stock: s.price > 1) and total > 4": {5: True, 4: False},
    "total > 0 or distinct(stock.price)": {1: True, 0: False},
    "sorted(stock.price) or total == 0": {0: True, 1: False},
    "total == first(stock).price + last(stock.price)": {4: True, 5: False},
    'total == stock["B"].price': {5: True, 2: False},
    'total == (stock["Z"].price else 7)': {7: True, 5: False},
    '"B" in stock implies total < 3': {2: True, 3: False},
}
"""Rules that a request settles but for the total, with totals that keep them or don't."""

TESTED = {
    "total in stock.price": {5: True, 3: False},
    "any(s in stock: s.price == total)": {2: True, 3: False},
    "total == sum(s in stock: s.price * 2)": {18: True, 9: False},
}


@pytest.mark.parametrize("rule", [*MASKED, *TESTED])
def test_rules_over_the_rows_of_a_request(rule: str) -> None:
    machine = made_of(order(rule))
    (told,) = machine.rules
    assert told.tier == ("mask" if rule in MASKED else "commit")
    verify = Verifier(machine)
    for total, kept in (MASKED | TESTED)[rule].items():
        found = verify(f"= {total}.".encode(), {"stock": ROWS}).verdict
        assert found == ("pass" if kept else "violate"), (rule, total)


def test_nothing_of_an_empty_table() -> None:
    for rule, total in (("total > max(stock.price)", 0), ("total == sum(stock.price)", 0)):
        verify = Verifier(made_of(order(rule)))
        assert verify(f"= {total}.".encode(), {"stock": []}).verdict == "pass"
    verify = Verifier(made_of(order("total == sum(stock.price)")))
    assert verify(b"= 1.", {"stock": []}).verdict == "violate"


STEPS = """
type Kind = one of ("x" "y")
names steps { kind: Kind, weight: int in 0 .. 9 }
shape Step {
    id: def(steps, /[a-c]/, kind: kind, weight: weight) ":" kind: Kind weight: int in 0 .. 9 ";"
}
shape S { list: Step{0..3} "." rule r: RULE }
trace S
"""


@pytest.mark.parametrize(
    ("rule", "good", "bad"),
    [
        ("sum(steps.weight) <= 5", b"a:x2;b:y3;.", b"a:x2;b:y4;."),
        ('count(s in steps: s.kind == "x") == 1', b"a:x2;b:y3;.", b"a:y1;."),
        ('all(s in steps: s.kind == "y" implies s.weight > 2)', b"a:y3;.", b"a:x0;b:y2;."),
        ("last(steps).weight == 3 or count(steps) == 0", b"a:x2;b:y3;.", b"b:y3;a:x2;."),
        ("sorted(steps.weight)", b"b:x1;a:x1;.", b"b:x1;a:x0;."),
        ('any(s in steps: s == "c")', b"c:x0;.", b"a:x0;."),
    ],
)
def test_rules_over_the_names_of_a_trace(rule: str, good: bytes, bad: bytes) -> None:
    verify = Verifier(made_of(STEPS.replace("RULE", rule)))
    assert verify(good).verdict == "pass"
    assert verify(bad).verdict == "violate"


COLUMNS = (
    KIND
    + STOCK
    + """
shape Line {
    "-" sku: ref(stock) ";"
    rule up: sku.price >= (prev.sku.price else 0)
    rule other: sku != prev.sku
}
shape S {
    lines: Line{1..3} "=" end: int in 0 .. 9
    rule end: end == first(lines).sku.price + last(lines.sku).price
}
trace S
"""
)


@pytest.mark.parametrize(
    ("text", "broken"),
    [
        (b"-A;-B;=7", set()),
        (b"-A;=4", set()),
        (b"-B;-A;=7", {"up"}),
        (b"-A;-C;=5", {"end"}),
        (b"-A;-A;=4", {"other"}),
    ],
)
def test_a_column_of_another_item(text: bytes, broken: set[str]) -> None:
    machine = made_of(COLUMNS)
    report = Verifier(machine)(text, {"stock": ROWS})
    found = {c.rule for c in report.claims if c.verdict == "violate"}
    assert found == broken


ROADS = """
unit m  unit km = 1000 m
unit s  unit h = 3600 s
param top: quantity(km/h, int in 0 .. 200) = "130 km/h"
input roads: table { key name: text /[A-Z]/, limit: quantity(km/h, int in 0 .. 200) }
shape Trip {
    road: ref(roads) " " speed: quantity(km/h, int in 0 .. 300)
    rule legal: speed <= road.limit
    rule top: speed <= top
    rule known: speed <= max(roads.limit)
}
trace Trip
"""
GIVEN = {"roads": [{"name": "A", "limit": "72 km/h"}, {"name": "B", "limit": "30 m/s"}]}


@pytest.mark.parametrize(
    ("text", "given", "verdict"),
    [
        (b"A 20 m/s", {}, "pass"),
        (b"A 21 m/s", {}, "violate"),
        (b"A 73 km/h", {}, "violate"),
        (b"B 108 km/h", {}, "pass"),
        (b"B 108 km/h", {"top": "100 km/h"}, "violate"),
        (b"B 27 m/s", {"top": "98 km/h"}, "pass"),
    ],
)
def test_quantities_of_a_request(text: bytes, given: Mapping[str, str], verdict: str) -> None:
    machine = made_of(ROADS)
    assert [rule.tier for rule in machine.rules][:2] == ["mask", "mask"]
    assert Verifier(machine)(text, {**GIVEN, **given}).verdict == verdict


@pytest.mark.parametrize("top", ["130", 130, "130 mph", "201 km/h", "99.5 km/h"])
def test_a_quantity_that_is_none_is_refused(top: object) -> None:
    with pytest.raises(BadInput, match="`top`"):
        registers(made_of(ROADS), {**GIVEN, "top": top})


@pytest.mark.parametrize(
    ("old", "new", "relation"),
    [
        ("total <= sum(stock.price)", "total < sum(stock.price)", "stricter"),
        ("total <= sum(stock.price)", "total <= max(stock.price)", "different"),
        ('total == stock["A"].price', 'total == stock["B"].price', "different"),
        ("any(s in stock: s.price > 2)", "any(s in stock: s.price > 3)", "stricter"),
        ("total in stock.price", "total in stock.price or total == 1", "looser"),
        ("count(stock) == total", "count(stock) == total", "equivalent"),
    ],
)
def test_a_difference_is_shown_with_rows(old: str, new: str, relation: str) -> None:
    made = ruled(order(old)), ruled(order(new))
    assert made[0] is not None
    assert made[1] is not None
    assert compare(*made).relation == relation


REFERRED = STEPS.replace('"." rule', '"." ( "by " by: ref(steps) )? rule')


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('by.kind == "x"', 'by.kind == "y"'),
        ("by.weight >= 2", "by.weight > 2"),
        ("sum(steps.weight) <= 5", "sum(steps.weight) < 5"),
        ('by == "b"', 'by == "a"'),
    ],
)
def test_a_difference_is_shown_with_names(old: str, new: str) -> None:
    made = [ruled(REFERRED.replace("RULE", rule)) for rule in (old, new)]
    assert made[0] is not None
    assert made[1] is not None
    found = compare(made[0], made[1])
    assert found.only_old.difference is not None


def test_tables_with_other_columns_are_other_requests() -> None:
    one, other = (
        ruled(order("total > 1")),
        ruled(order("total > 1").replace("0 .. 9,", "0 .. 8,")),
    )
    assert one is not None
    assert other is not None
    assert compare(one, other).requests == ("the table `stock` has other rows",)


def test_a_list_of_values_in_order() -> None:
    rule = "input q: text\nshape S { x: int rule r: sorted(numbers(q)) or x == 0 }\ntrace S"
    verify = Verifier(made_of(rule))
    assert verify(b"1", {"q": "1, 2 and 2"}).verdict == "pass"
    assert verify(b"1", {"q": "1, 3 and 2"}).verdict == "violate"


OPTIONAL = """
names steps
graph deps = Step.id -> Step.uses
shape Step { "-" ( id: def(steps, /[a-c]/) )? ( "(" uses: ref(steps) ")" )? ";" }
shape S { list: Step{1..3} "." goal: ref(steps) rule all: rooted(deps, goal) }
trace S
"""


def test_loose_names_are_not_counted_where_a_name_may_be_left_out() -> None:
    (rule,) = made_of(OPTIONAL).rules
    assert rule.tier == "commit"
