"""Which rules masks keep: the ones that they should, and the reasons of those they can't."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from rulesets import SEEDS, author, seeded
from test_walks import check_walks

from rulec.compiler import build
from rulec.dsl import load, load_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler import Built

ROOT = Path(__file__).parent
PACKS = sorted((ROOT.parent / "examples").rglob("*.rules"))

MONEY = "type Money = decimal(2) in 0 .. 1_000_000\n"

KEPT = {
    "a four-line invoice": MONEY
    + """
    type Qty = int in 1 .. 999
    const vat = 0.08
    param cap: Money = 50_000
    shape Line {
        "- " qty: Qty " @ " price: Money " = " amount: Money "\\n"
        rule product: amount == qty * price
    }
    shape Invoice {
        lines: Line{1..20}
        "Subtotal: " subtotal: Money "\\n" "Tax: " tax: Money "\\n" "Total: " total: Money
        rule subtotal: subtotal == sum(lines.amount)
        rule tax: tax == round(vat * subtotal, 2)
        rule total: total == subtotal + tax
        rule cap: total <= cap
    }
    trace Invoice
    """,
    "a running balance": MONEY
    + """
    shape Entry {
        "+" credit: Money " -" debit: Money " = " balance: decimal(2) in -1_000_000 .. 1_000_000
        "\\n"
        rule running: balance == (prev.balance else 100) + credit - debit
        rule never: balance >= 0
    }
    shape Ledger { entries: Entry* "." }
    trace Ledger
    """,
    "a running balance from outside": MONEY
    + """
    shape Entry { "+" credit: Money " -" debit: Money " = " balance: Money "\\n" }
    shape Ledger {
        "open " opening: Money "\\n" entries: Entry{1..50}
        rule running: all(e in entries:
            e.balance == (e.prev.balance else opening) + e.credit - e.debit)
    }
    trace Ledger
    """,
    "a budget split over fields": """
    type Part = decimal(1) in 0 .. 100
    shape Split {
        "a " a: Part " b " b: Part " c " c: decimal(1) in 10 .. 30
        rule whole: a + b + c == 100
    }
    trace Split
    """,
    "a budget split over a list": """
    param whole: int in 0 .. 300 = 100
    shape Split { parts: int in 5 .. 60{1..6 sep ","} "." rule whole: sum(parts) == whole }
    trace Split
    """,
    "a unit conversion": """
    shape Way {
        "km " km: decimal(0..3) in 0 .. 10_000 " m " m: int in 0 .. 10_000_000
        rule metres: m == km * 1000
    }
    trace Way
    """,
    "a conversion with an offset": """
    shape Heat {
        "C " c: decimal(1) in -50 .. 50 " F " f: decimal(2) in -100 .. 200
        rule fahrenheit: f == c * 9 / 5 + 32
    }
    trace Heat
    """,
    "two equations": """
    shape Pair { "x " x: int " y " y: int rule both: x + y == 10 and x - y == 4 }
    trace Pair
    """,
    "a diophantine equation": """
    shape Pair {
        "x " x: int in 1 .. 1000 " y " y: int in 1 .. 1000
        rule hundred: 7 * x + 3 * y == 100
    }
    trace Pair
    """,
    "double entry": """
    type Money = decimal(2) in 0 .. 10_000
    shape Entry { "D" d: Money " C" c: Money "\\n" rule one: d == 0 or c == 0 }
    shape Journal { entries: Entry{2..10} "." rule even: sum(entries.d) == sum(entries.c) }
    trace Journal
    """,
    "words, parts that may be absent, and implications": """
    shape Payment {
        "s=" s: one of ("paid" "open" "void") " a=" a: decimal(2) in 0 .. 1000
        ( " refund " r: decimal(2) in 0 .. 500 )? " n=" n: int in 0 .. 9
        rule void: s == "void" implies a == 0
        rule refund: present(r) implies s == "paid"
        rule most: r <= a
        rule number: n == (if s == "open" then 1 else 2) or n > 7
    }
    trace Payment
    """,
    "dates": """
    shape Due {
        "issued " issued: date in "2024-01-01" .. "2026-12-31" " due " due: date
        " days " days: int in 0 .. 90
        rule due: due == issued + days
        rule weekday: due % 7 in {1, 2, 3, 4, 5}
    }
    trace Due
    """,
    "a nested list": """
    shape Order { "o" parts: int in 1 .. 9{1..3 sep ","} ";" }
    shape Orders { orders: Order{1..4} "=" total: int rule total: total == sum(orders.parts) }
    trace Orders
    """,
    "conditions on some and on all": """
    shape Marks {
        "strict " strict: bool " " marks: int in 0 .. 9{1..5 sep ","}
        rule all: strict implies all(m in marks: m >= 5)
        rule some: any(m in marks: m >= 3)
    }
    trace Marks
    """,
    "the least and the greatest": """
    shape Range {
        marks: int in 0 .. 50{2..5 sep ","} " " low: int in 0 .. 50 ".." high: int in 0 .. 50
        rule low: low == min(marks)
        rule high: high == max(marks)
        rule spread: high - low <= 10
    }
    trace Range
    """,
    "a product before its factors": """
    shape Crate {
        "units " units: int in 1 .. 500 " in " boxes: int in 1 .. 12 " of " each: int in 1 .. 60
        rule units: units == boxes * each
        rule square: boxes * boxes <= each
    }
    trace Crate
    """,
    "an order that may be broken": """
    shape Steps {
        "free " free: bool " " steps: int in 0 .. 20{1..5 sep ","}
        rule order: free or sorted(steps)
    }
    trace Steps
    """,
    "a proof without loose ends": """
    names steps
    graph deps = Step.id -> Step.uses
    shape Step {
        id: def(steps, /[a-z]/) ( "." | " from " uses: ref(steps){1..3 sep ","} ";" )
        rule apart: count(uses) != 2
    }
    shape Proof {
        steps: Step{1..9} "so " goal: ref(steps)
        rule needed: rooted(deps, goal)
        rule some: count(steps) >= 3
    }
    trace Proof
    """,
    "a plan in which all is needed by the last": """
    names tasks
    graph needs = Task.id -> Task.after
    shape Task { "- " id: def(tasks, /[a-z]{1,2}/) ( " after " after: ref(tasks) )? "\\n" }
    shape Plan {
        "for " list: Task{1..} "end " last: ref(tasks)
        rule all: rooted(needs, last)
    }
    trace Plan
    """,
    "a remainder of what items add": """
    shape Packs {
        packs: int in 2 .. 5{1..4 sep ","} " by " by: int in 1 .. 6
        rule even: sum(packs) % by == 0
    }
    trace Packs
    """,
}

REFUSED = {
    "its factor comes later": (
        'shape S { "c " c: int in 1 .. 99 " a " a: int in 1 .. 99 " b " b: int in 1 .. 99\n'
        "rule r: c == a * b }\ntrace S",
        "a product is written before its factor",
    ),
    "the list is already closed": (
        'shape S { xs: int in 0 .. 9{1..3 sep ","} " m " m: int in 0 .. 9\n'
        "rule r: all(x in xs: x <= m) }\ntrace S",
        "it reads a field that is written behind its list",
    ),
    "no bound on a product of products": (
        'shape S { "a " a: decimal(2) " b " b: decimal(2) " c " c: decimal(2)\n'
        "rule r: a * b * 0.3 <= c }\ntrace S",
        "an intermediate result may leave the limit of exact numbers",
    ),
    "too few values": (
        'shape S { xs: int in 0 .. 2{1..5 sep ","} rule r: distinct(xs) }\ntrace S',
        "there may be fewer values than items that must be distinct",
    ),
}


def made(text: str) -> Built:
    ruleset = load_text(text).ruleset
    assert ruleset is not None, load_text(text).diagnostics
    return build(ruleset)


@pytest.mark.parametrize("name", KEPT)
def test_rules_that_masks_keep(name: str) -> None:
    result = made(KEPT[name])
    assert {rule.name: rule.tier for rule in result.rules if rule.tier != "mask"} == {}
    assert result.machine is not None
    check_walks(result.machine, range(12), 120)


@pytest.mark.parametrize("name", REFUSED)
def test_rules_that_masks_cannot_keep(name: str) -> None:
    text, reason = REFUSED[name]
    (rule,) = made(text).rules
    assert (rule.tier, rule.reason) == ("commit", reason)


def test_rules_are_admitted_in_file_order() -> None:
    text = (
        'shape S {{ "c " c: int in 1 .. 999 " a " a: int in 1 .. 30 " b " b: int in 1 .. 30\n'
        "{} }}\ntrace S"
    )
    product, least = "rule product: c == a * b", "rule least: a <= b"
    for rules in (f"{product}\n{least}", f"{least}\n{product}"):
        tiers = {rule.name: rule.tier for rule in made(text.format(rules)).rules}
        assert tiers == {"product": "commit", "least": "mask"}


@pytest.mark.parametrize("path", PACKS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_the_tiers_of_every_pack(path: Path, golden: Callable[[Path, str], None]) -> None:
    ruleset = load(path).ruleset
    assert ruleset is not None
    told = [f"{r.shape}.{r.name}: {r.tier}, {r.reason}\n" for r in build(ruleset).rules]
    golden(ROOT / "golden" / "tiers" / f"{path.parent.name}-{path.stem}.txt", "".join(told))


@seeded(12, 500)
@given(SEEDS)
def test_the_same_file_has_the_same_certificates(seed: int) -> None:
    text = author(Random(seed))
    ruleset = load_text(text).ruleset
    if ruleset is None:
        return
    one, other = build(ruleset), made(text)
    assert one.rules == other.rules
    assert one.machine == other.machine
    if one.machine is not None and other.machine is not None:
        assert one.machine.digest == other.machine.digest
