"""Names that come later: what is promised must be defined, and masks leave room for it."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from brute import sure
from hypothesis import given
from named import forwards
from rulesets import SEEDS, letters_of, many, seeded, vocabulary, ways
from test_budgets import check_nearer
from test_links import check as check_links
from test_names import made_of

from rulec.compiler import Machine, build, fit
from rulec.compiler.codec import Malformed
from rulec.compiler.links import NOTHING, Links
from rulec.compiler.marking import mark
from rulec.compiler.pack import from_bytes
from rulec.compiler.wellformed import examine
from rulec.dsl import load_text
from rulec.runtime import Session, Verifier
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.explain import explain
from rulec.runtime.reference import Reference
from rulec.runtime.sample import sample


def plan(count: str = "1..3", *, tail: str = "", rules: str = "") -> str:
    """Tasks that wait for others, earlier or later ones."""
    return f"""
    names tasks
    graph needs = Task.id -> Task.after
    shape Task {{
        "- " id: def(tasks, /[a-z]+/)
        ( " after " after: ref(tasks, forward){{1..2 sep ", "}} )? ";"
    }}
    shape Plan {{ list: Task{{{count}}} "." {tail} {rules} }}
    trace Plan
    """


def problems_of(text: str) -> list[tuple[str, str]]:
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    return [(found.code, found.message) for found in build(ruleset).diagnostics]


def allowed(machine: Machine, text: bytes) -> bytes:
    """The bytes that may follow a text, and `$` where the trace may end."""
    engine = Reference(machine)
    config = engine.walk(engine.start({}), text, 0)
    assert config.threads, text
    found = bytes(byte for byte, _ in ways(engine, config, len(text)))
    return found + (b"$" if engine.ending(config, len(text)) else b"")


def test_a_promise_that_is_not_kept_is_told_where_it_was_made() -> None:
    verify = Verifier(made_of(plan()))
    assert verify(b"- a after b, c;- c;- b;.").verdict == "pass"
    verdict = verify(b"- a after b, c;- d after b;- c;.")
    (claim,) = verdict.claims
    assert (verdict.verdict, claim.rule, claim.found) == ("violate", "after", "b")
    assert (claim.start, claim.end) == (10, 11)
    assert claim.expected == "a name that `tasks` has in the end"


def test_a_name_is_defined_once_whoever_promised_it() -> None:
    verify = Verifier(made_of(plan()))
    assert verify(b"- a after b;- b;.").verdict == "pass"
    assert verify(b"- a after a;.").verdict == "pass"
    assert verify(b"- a after b;- b;- b;.").verdict == "violate"


def test_no_more_is_promised_than_can_be_defined() -> None:
    machine = made_of(plan())
    assert allowed(machine, b"- a after ")[0] == b"a"[0]
    assert len(allowed(machine, b"- a after b, ")) == 26
    assert allowed(machine, b"- a after b, c;- ") == b"bc"
    assert len(allowed(machine, b"- a after b;- ")) == 26
    assert allowed(machine, b"- a after b, c;- b after ") == b"abc"
    assert allowed(machine, b"- a after b;- c;- ") == b"b"
    assert allowed(machine, b"- a after b;") == b"-"
    assert allowed(machine, b"- a;") == b"-."


def test_names_that_begin_alike_are_told_apart() -> None:
    machine = made_of(plan())
    assert set(allowed(machine, b"- a after ab, abc;- ab")) == set(b" ;c")
    assert set(allowed(machine, b"- a after ab, abc;- abc")) == set(b" ;")


def test_rules_count_with_promises() -> None:
    text = plan("1..9", rules="rule few: count(list) <= 2")
    machine = made_of(text)
    assert [rule.tier for rule in machine.rules] == ["mask"]
    assert allowed(machine, b"- a after b, ") == b"ab"
    assert allowed(machine, b"- a after b;- ") == b"b"


def test_names_of_shapes_inside_are_new_too() -> None:
    text = """
    names n
    shape B up to 3 { "(" x: def(n, /[ab]/) ( "<" r: ref(n, forward) )? b: B? ")" }
    trace B
    """
    machine = made_of(text)
    assert allowed(machine, b"(a(") == b"b"
    assert allowed(machine, b"(a(b<") == b"ab"
    assert allowed(machine, b"(a<b") == b"("
    assert Verifier(machine)(b"(a(a))").verdict == "violate"
    assert Verifier(machine)(b"(a<b(b))").verdict == "pass"


def test_a_first_reference_promises() -> None:
    text = plan("0..2").replace("list:", 'first: ref(tasks, forward) ":" list:')
    machine = made_of(text)
    assert allowed(machine, b"a:") == b"-"
    assert allowed(machine, b"a:- b;- ") == b"a"
    assert allowed(machine, b"a:- a;") == b"-."


def test_promises_of_two_tables_share_the_items_left() -> None:
    text = """
    names n
    names m
    shape A {
        ( "@" x: def(n, /[a-z]/) | "#" w: def(m, /[a-z]/) )
        "=" y: ref(m, forward) ( "," t: ref(n, forward) )? ";"
    }
    shape S { as: A{1..3} "." }
    trace S
    """
    machine = made_of(text)
    assert allowed(machine, b"@a=a,") != b"a"
    assert allowed(machine, b"@a=a,b;") == b"#@"
    assert allowed(machine, b"@a=a,b;@") == b"b"
    assert allowed(machine, b"@a=a,b;@b=") == b"a"
    assert allowed(machine, b"@a=a,b;@b=a;") == b"#"


def test_more_names_than_can_be_told_apart() -> None:
    text = plan("3..4").replace("/[a-z]+/", "/[ab]/")
    assert problems_of(text) == [("R0413", "no trace can have enough names")]
    machine = made_of(plan("8..20").replace("/[a-z]+/", "/[0-9]/"))
    assert Verifier(machine)(sample(machine, 1, None)).verdict == "pass"


def test_what_names_that_come_later_cannot_be_asked() -> None:
    typed = plan().replace(
        "names tasks", "names tasks { hours: Hours }\ntype Hours = int in 1 .. 9"
    )
    typed = typed.replace("/[a-z]+/)", '/[a-z]+/, hours: effort) " " effort: Hours')
    (code, message), *_ = problems_of(
        typed.replace(
            "}\n    shape Plan", "rule r: all(a in after: a.hours < effort) }\n shape Plan"
        )
    )
    assert (code, "of a name that may come later" in message) == ("R0901", True)
    other = plan(tail="last: L").replace(
        "shape Plan", "shape L { id: def(tasks, /[0-9]/) }\nshape Plan"
    )
    assert "have several forms" in problems_of(other)[0][1]


def test_graphs_over_names_that_come_later() -> None:
    text = plan("1..4", tail="goal: ref(tasks)", rules="rule r: RULE")
    trace = b"- a after b;- b after c;- c;- d after a;.d"
    for rule, held in {
        "acyclic(needs)": True,
        "depth(needs) <= 3": True,
        "depth(needs) <= 2": False,
        "degree(needs) == 1": True,
        "rooted(needs, goal)": True,
        "reaches(needs, goal, goal)": True,
    }.items():
        verdict = Verifier(made_of(text.replace("RULE", rule)))(trace)
        assert (verdict.verdict == "pass") is held, (rule, verdict)
    circle = made_of(text.replace("RULE", "acyclic(needs)"))
    assert Verifier(circle)(b"- a after b;- b after a;.a").verdict == "violate"


def test_a_reference_that_would_close_a_circle_is_barred() -> None:
    text = plan("1..4", rules="rule r: acyclic(needs)").replace("/[a-z]+/", "/[a-z]/")
    machine = made_of(text)
    assert b"a"[0] not in allowed(machine, b"- a after ")
    assert not set(allowed(machine, b"- a after b;- b after c;- c after ")) & set(b"abc")
    assert allowed(machine, b"- a after b;- b after c;- d;- c") == b" ;"


@seeded(30, 2_000)
@given(SEEDS)
def test_graphs_grow_in_any_order(seed: int) -> None:
    r = Random(seed)
    names = [f"n{number}" for number in range(r.randint(1, 7))]
    links, edges = NOTHING, dict[str, tuple[str, ...]]()
    for name in r.sample(names, len(names)):
        leads = tuple(r.sample(names, r.randint(0, min(3, len(names)))))
        links, edges = links.with_node(name, leads), {**edges, name: leads}
    check_links(links, edges)
    check_links(Links(edges), edges)


def test_explain_says_what_is_promised() -> None:
    ruleset = load_text(plan()).ruleset
    assert ruleset is not None
    marked = mark(build(ruleset))
    for trace, message in {
        "- a after b;.": "`.` can't stand here: `b` of `tasks` must still be defined",
        "- a after b, c;- d": "`d` can't stand here: `Task.id` must be `b` or `c`",
        "- a after b, c;- b after d": (
            "`d` can't stand here: `Task.after` must be `a`, `b` or `c`"
        ),
    }.items():
        stop = explain(marked, trace, len(trace)).stop
        assert stop is not None
        assert stop.refusal.message == message


# --- budgets ---


def check_budget(seed: int, steps: int = 40) -> None:
    """From every state a byte leads nearer to the end."""
    r = Random(seed)
    machine = made_of(forwards(r).text)
    if not sure(machine) or any(rule.tier == "commit" for rule in machine.rules):
        return
    engine, budget = Reference(machine), Budget(machine)
    config, text = engine.start(given_inputs.registers(machine, {})), bytearray()
    for _ in range(steps):
        found = ways(engine, config, len(text))
        ends = engine.ending(config, len(text)) is not None
        if not found and (not ends or not config.threads):
            return
        check_nearer(budget, config, [after for _, after in found], ends=ends)
        if not found:
            return
        byte, config = r.choice(found)
        text.append(byte)


@seeded(8, 5_000)
@given(SEEDS)
def test_a_byte_leads_nearer_to_the_end(seed: int) -> None:
    check_budget(seed)


def test_what_promises_cost() -> None:
    machine = made_of(plan("0..50").replace("/[a-z]+/", "/[a-z]{2}/"))
    budget, engine = Budget(machine), Reference(machine)

    def cost(text: bytes) -> int:
        return budget.cost(engine.walk(engine.start({}), text, 0))

    assert cost(b"") == len(b".")
    assert cost(b"- aa after bb;") == len(b"- bb;.")
    assert cost(b"- aa after bb, cc;") == len(b"- bb;- cc;.")
    assert cost(b"- aa after bb, cc;- dd after ee;- bb;") == len(b"- cc;- ee;.")


def test_sessions_end_within_their_budget() -> None:
    machine = made_of(plan("0..").replace("/[a-z]+/", "/[a-z]{1,2}/"))
    assert sure(machine)
    for seed in range(many(6, 300)):
        r = Random(seed)
        pack = from_bytes(fit(machine, vocabulary(r, letters_of(machine))).to_bytes())
        session = Session(pack, budget=r.randint(20, 60))
        out = np.zeros((pack.size + 31) // 32, np.uint32)
        while not session.finished:
            session.mask(out)
            assert not session.exhausted, session.text
            bits = np.unpackbits(out.view(np.uint8), bitorder="little")[: pack.size]
            session.accept(r.choice(np.flatnonzero(bits).tolist()))
        assert session.verdict().verdict == "pass"


def test_a_pack_whose_promises_point_outside_is_refused() -> None:
    machine = made_of(plan())
    (table,) = machine.tables
    for changed in (
        replace(table, spoken=len(machine.initial)),
        replace(table, begun=len(machine.initial)),
        replace(table, owed=-2),
        replace(table, spoken=-1),
    ):
        with pytest.raises(Malformed):
            examine(replace(machine, tables=(changed,)))
    examine(machine)
