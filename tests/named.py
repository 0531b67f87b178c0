"""Random rulesets with tables and names, over languages so small that they can be listed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

KEYS = ("a", "ab", "abb", "b", "ba", "bb")


@dataclass
class Named:
    """A ruleset, and the values of a request to it."""

    text: str
    inputs: dict[str, object]


def _rows(r: Random) -> list[dict[str, object]]:
    keys = r.sample(KEYS, r.randint(0, 3))
    return [{"key": key, "cost": r.randint(0, 4), "size": r.randint(0, 2)} for key in keys]


def tables(r: Random) -> Named:
    """References to rows of a request, with rules over their columns."""
    low, high = r.randint(0, 1), r.randint(1, 2)
    amount = r.choice(['"=" amount: int in 0 .. 6', ""])
    count = r.choice(['"x" n: int in 1 .. 2', ""])
    item = f'"-" key: ref(stock) {count} {amount} ";"'
    if r.random() < 0.3:
        item = f'( {item} | "?" )'
    optional = r.random() < 0.3 or item.startswith("(")
    worth = "(key.cost else 1)" if optional else "key.cost"
    rules = []
    if amount:
        times = " * n" if count else ""
        relation = r.choice(["==", ">=", "<="])
        rules.append(f"rule amount: amount {relation} key.cost{times}")
    if r.random() < 0.3:
        rules.append(f"rule worth: {worth} {r.choice(['<=', '>=', '!='])} {r.randint(0, 4)}")
    if r.random() < 0.2:
        rules.append("rule both: key.cost + key.size <= 4")
    if r.random() < 0.2:
        before = r.choice(["(prev.key.cost else 0)", "(prev.key.size else 2)", "prev.key.cost"])
        rules.append(f"rule order: {worth} {r.choice(['>=', '!='])} {before}")
    if r.random() < 0.3:
        rules.append("rule own: " + _of_rows(r, "amount" if amount else worth))
    outer = []
    field = r.choice(["amount", "key.cost", "key.size"] if amount else ["key.cost"])
    if r.random() < 0.6:
        outer.append(f"rule cap: sum(items.{field}) {r.choice(['<=', '>='])} {r.randint(1, 7)}")
    if r.random() < 0.4:
        outer.append("rule once: distinct(items.key)")
    tail = ""
    if r.random() < 0.3:
        tail = '">" last: ref(stock)'
        outer.append("rule last: last.cost >= max(items.key.cost)")
    if r.random() < 0.3:
        outer.append("rule rows: " + _of_rows(r, "count(items)"))
    if r.random() < 0.2:
        end = f"{r.choice(['first', 'last'])}(items).key.{r.choice(['cost', 'size'])}"
        outer.append(f"rule end: {end} {r.choice(['<=', '>=', '=='])} {r.randint(0, 2)}")
    text = (
        "input stock: table { key key: text /[ab]{1,3}/, cost: int in 0 .. 4, "
        "size: int in 0 .. 2 }\n"
        f"shape Item {{ {item}\n" + "\n".join(rules) + "\n}\n"
        f'shape Order {{ "[" items: Item{{{low}..{high}}} "]" {tail}\n'
        + "\n".join(outer)
        + "\n}\ntrace Order"
    )
    return Named(text, {"stock": _rows(r)})


def _of_rows(r: Random, value: str) -> str:
    """A condition on all rows of a request, and a value of the trace."""
    return r.choice(
        [
            f"sum(stock.cost) >= {value}",
            f"sum(s in stock: if s.size > 1 then s.cost else 1) >= {value}",
            f"{value} <= max(stock.cost)",
            f"min(stock.cost) < {value}",
            f"count(s in stock: s.cost > 1) <= {value}",
            "all(s in stock: s.cost >= s.size)",
            f"all(s in stock: s.cost >= {value})",
            f"any(s in stock: s.size > 0 and s.cost == {value})",
            f"count(stock) != {value}",
            f"first(stock).cost <= {value}",
            f"{value} in stock.cost",
            "distinct(stock.size) or sorted(stock.cost)",
            f'stock["ab"].cost < {value}',
            f'"a" in stock implies {value} == 1',
        ]
    )


def names(r: Random) -> Named:
    """Names that the trace defines and refers to."""
    pattern = r.choice(["[ab]", "[ab]{1,2}", "a?b"])
    kinds = r.random() < 0.5
    attribute = " { kind: Kind }" if kinds else ""
    own = f"def(known, /{pattern}/{', kind: kind' if kinds else ''})"
    kind = '":" kind: Kind ' if kinds else ""
    uses = r.choice(
        [
            '( "(" uses: ref(known){1..2 sep ","} ")" )?',
            '( "!" | "(" uses: ref(known) ")" )',
            '( "(" uses: ref(known){0..2 sep ","} ")" )',
        ]
    )
    rules = []
    if "{" in uses and r.random() < 0.4:
        rules.append("rule apart: distinct(uses)")
    if kinds and "{" not in uses and r.random() < 0.6:
        rules.append("rule same: uses.kind == kind")
    outer = []
    goal = r.choice(['">" goal: ref(known)', ""])
    if goal and kinds and r.random() < 0.5:
        outer.append('rule kind: goal.kind == "s"')
    if r.random() < 0.3:
        kinded = ['all(k in known: k.kind == "i")', 'count(k in known: k.kind == "s") <= 1']
        plain = [
            "count(known) != 1",
            "any(k in known: k == goal)" if goal else "count(known) < 2",
        ]
        outer.append("rule rows: " + r.choice(kinded if kinds else plain))
    text = (
        'type Kind = one of ("i" "s")\n'
        f"names known{attribute}\n"
        f'shape Step {{ "-" id: {own} {kind}{uses}\n' + "\n".join(rules) + "\n}\n"
        f'shape Proof {{ steps: Step{{{r.randint(0, 1)}..{r.randint(1, 2)}}} {goal} "."\n'
        + "\n".join(outer)
        + "\n}\ntrace Proof"
    )
    return Named(text, {})


def rooted(r: Random) -> Named:
    """Steps that refer to earlier ones, all of which the last one has to need."""
    uses = r.choice(
        [
            '( "!" | "(" uses: ref(known){1..2 sep ","} ")" )',
            '( "(" uses: ref(known){1..2 sep ","} ")" )?',
            '"(" uses: ref(known){0..2 sep ","} ")"',
            '( "(" uses: ref(known) ")" )?',
            '( "(" uses: ref(known){2..3} ")" | "!" )',
        ]
    )
    own = r.choice(["", "", "rule apart: distinct(uses)" if "{" in uses else ""])
    outer = r.choice(["", "", "rule few: count(steps) != 2", 'rule end: goal != "a"'])
    form = r.choice(["rooted(deps, goal)", "rooted(deps, goal)", "not rooted(deps, goal)"])
    text = (
        "names known\ngraph deps = Step.id -> Step.uses\n"
        f'shape Step {{ "-" id: def(known, /[abc]/) {uses} {own} }}\n'
        f"shape Proof {{ steps: Step{{{r.randint(1, 2)}..{r.randint(2, 3)}}} "
        f'">" goal: ref(known) "." rule needed: {form} {outer} }}\ntrace Proof'
    )
    return Named(text, {})


def nested(r: Random) -> Named:
    """References in lists of lists, with fixed text before each."""
    keys = r.sample(("a", "ab", "abb", "b", "ba"), r.randint(1, 4))
    rows = [{"key": key, "cost": r.randint(0, 3), "kind": r.choice("xy")} for key in keys]
    rule = r.choice(
        [
            f"sum(items.keys.cost) <= {r.randint(1, 5)}",
            f"sum(items.keys.cost) >= {r.randint(1, 5)}",
            "distinct(items.keys)",
            "distinct(items.keys.cost)",
            "distinct(items.keys.kind)",
            f"count(items.keys) != {r.randint(1, 2)}",
        ]
    )
    own = r.choice(["", "rule own: distinct(keys)", "rule own: sum(keys.cost) <= 3"])
    text = (
        "input stock: table { key key: text /[ab]{1,3}/, cost: int in 0 .. 4, "
        'kind: one of ("x" "y") }\n'
        f'shape Item {{ "(" keys: ref(stock){{1..{r.randint(1, 2)} sep "-"}} ")" {own} }}\n'
        f'shape All {{ "x" items: Item{{1..{r.randint(1, 2)}}} "." rule r: {rule} }}\n'
        "trace All"
    )
    return Named(text, {"stock": rows})


def named(r: Random) -> Named:
    """Any of these."""
    return r.choice((tables, names, nested, rooted))(r)
