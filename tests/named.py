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


def forwards(r: Random) -> Named:
    """Names that are promised before they are defined."""
    pattern = r.choice(["[ab]", "[ab]", "a?b", "[abc]"])
    own = f"id: def(known, /{pattern}/)"
    refs = r.choice(
        [
            '( "(" uses: ref(known, forward){1..2 sep ","} ")" )?',
            '"(" uses: ref(known, forward){0..2 sep ","} ")"',
            '( "!" | "(" uses: ref(known, forward) ")" )',
            '"(" uses: ref(known, forward) ")"',
            '( "(" uses: ref(known, forward) ")" )? ( "[" old: ref(known) "]" )?',
        ]
    )
    body = f'"-" {own} {refs}' if r.random() < 0.6 else f'"-" {refs} "=" {own}'
    amount = r.random() < 0.2
    if amount:
        body += ' "x" n: int in 0 .. 1'
    item = r.choice(["steps: Step", "steps: Step", '( steps: Step | "?" )'])
    low, high = r.randint(0, 2), r.choice([1, 2, 2, 2, 3])
    before = r.choice(['first: ref(known, forward) ":"', "", ""])
    behind = r.choice(['">" goal: ref(known)', '">" goal: ref(known, forward)', "", ""])
    last = r.choice(['( "&" more: Step )?', "", ""])
    outer = []
    if "uses" in refs:
        outer.append(
            r.choice(
                ["acyclic(needs)", "depth(needs) <= 1", "degree(needs) <= 1", ""]
                + (["rooted(needs, goal)"] if behind else [])
                + (["reaches(needs, first, goal)"] if behind and before else [])
            )
        )
    if amount:
        outer.append(f"sum(steps.n) {r.choice(['<=', '>=', '=='])} {r.randint(0, 4)}")
    if r.random() < 0.3:
        outer.append(f"count(steps) {r.choice(['<=', '>='])} {r.randint(1, 2)}")
    rules = (f"rule r{n}: {condition}" for n, condition in enumerate(filter(None, outer)))
    graph = "graph needs = Step.id -> Step.uses\n" if "uses" in refs else ""
    text = (
        f"names known\n{graph}shape Step {{ {body} }}\n"
        f'shape Proof {{ {before} ( {item} ){{{min(low, high)}..{high}}} {last} {behind} "."\n'
        + "\n".join(rules)
        + "\n}\ntrace Proof"
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


def scoped(r: Random) -> Named:
    """Names that live in a shape and in such shapes inside of it, and lists of names."""
    pattern = r.choice(["[ab]", "[ab]", "a?b", "[abc]"])
    forward = r.choice(["", ", forward"])
    scope = r.choice([" in Block", " in Block", ""])
    own = r.choice(
        [f"id: def(known, /{pattern}/)", f'ids: def(known, /{pattern}/){{1..2 sep ","}}']
    )
    use = f'( "(" to: ref(known{forward}) ")" )?'
    line = f'"-" {own} {use}' if r.random() < 0.7 else f'"-" {use} "=" {own}'
    low, high = r.randint(0, 1), r.randint(1, 2)
    inner = r.choice(['( "!" inner: Block )?', ""])
    behind = r.choice([f'( ">" go: ref(known{forward}) )?', ""])
    outer = r.choice(["block: Block", "blocks: Block{1..2}"])
    first = r.choice([f'( "@" first: ref(known{forward}) )?', "", ""])
    text = (
        f"names known{scope}\n"
        f"shape Line {{ {line} }}\n"
        f'shape Block up to 1 {{ "[" {first} lines: Line{{{low}..{high}}} {inner} {behind} "]" '
        "}\n"
        f'shape All {{ {outer} "." }}\ntrace All'
    )
    return Named(text, {})


def watched(r: Random) -> Named:
    """Names in watches, before their cut or behind it, and in shapes around their prose."""
    cut = r.choice(
        ['"d" ! name: def(known, /[ab]{1,2}/) ";"', '"d" name: def(known, /[ab]/) ! ";"']
    )
    forward = r.choice(["", ", forward"])
    use = r.choice(
        [
            f'"<" ! uses: ref(known{forward}){{1..2 sep ","}} ">"',
            f'"<" use: ref(known{forward}) ! ">"',
            f'"<" ! use: ref(known{forward}) ( "=" n: int in 0 .. 3 )? ">"',
        ]
    )
    watches = r.sample(
        [f"watch Let in prose {{ {cut} }}", f"watch Use in prose {{ {use} }}"], 2
    )
    low, high = r.randint(0, 1), r.randint(1, 2)
    items = f"items: Item{{{low}..{high}}}" if r.random() < 0.7 else ""
    form = "ab]{1,2}" if "{1,2}" in cut else "ab]"
    text = (
        "names known\n"
        + "\n".join(watches if r.random() < 0.7 or items == "" else watches[:1])
        + f'\nshape Item {{ "-" id: def(known, /[{form}/) ":" }}\n'
        + f'shape All {{ text: prose "\\n" {items} "." }}\ntrace All'
    )
    return Named(text, {})


def named(r: Random) -> Named:
    """Any of these."""
    return r.choice((tables, names, nested, rooted, forwards, scoped))(r)
