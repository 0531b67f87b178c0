"""Where names live: in shapes, in lists, and in watches."""

from __future__ import annotations

from random import Random

import pytest
from brute import Brute
from hypothesis import given
from named import watched
from rulesets import SEEDS, letters_of, many, random_walk, seeded, vocabulary
from test_engines import compare_walk
from test_names import made_of
from test_promises import allowed, problems_of
from test_walks import check_verdict

from rulec.compiler import fit
from rulec.dsl import load_text
from rulec.dsl.format import format_text
from rulec.runtime import Verifier
from rulec.runtime.budget import Budget
from rulec.runtime.host import Host
from rulec.runtime.reference import Reference
from rulec.runtime.sample import sample

BLOCKS = """
names vars in Block
shape Let { "let " id: def(vars, /[a-z]/) ";" }
shape Use { "=" v: ref(vars) ";" }
shape Block up to 2 { "{" ( lets: Let | uses: Use | blocks: Block )* "}" }
trace Block{1..3}
"""

JUMPS = """
names labels in Fn
graph jumps = Line.id -> Line.to
shape Line { "L" id: def(labels, /[a-c]/) ( ">" to: ref(labels, forward) )? ";" }
shape Fn up to 1 {
    "f(" lines: Line{1..3} ( inner: Fn )? ")"
    rule straight: acyclic(jumps)
}
trace Fn{1..3}
"""


@pytest.mark.parametrize(
    ("trace", "at"),
    [
        (b"{let a;=a;{let b;=a;=b;}=a;}{let a;let b;}", None),
        (b"{let a;{let b;}=b;}", 16),
        (b"{let a;{let a;}}", 12),
        (b"{let a;}{=a;}", 10),
        (b"{=a;}", 2),
    ],
)
def test_names_live_in_their_block(trace: bytes, at: int | None) -> None:
    verdict = Verifier(made_of(BLOCKS))(trace)
    assert [claim.start for claim in verdict.claims] == ([] if at is None else [at])


def test_masks_know_where_names_live() -> None:
    machine = made_of(BLOCKS)
    assert allowed(machine, b"{let a;{let b;=") == b"ab"
    assert allowed(machine, b"{let a;{let b;}=") == b"a"
    assert b"=" not in allowed(machine, b"{let a;}{")
    assert b"a" not in allowed(machine, b"{let a;{let ")
    assert b"a" in allowed(machine, b"{let a;}{let ")


def test_promises_are_kept_where_they_were_made() -> None:
    machine = made_of(JUMPS)
    verify = Verifier(machine)
    assert verify(b"f(La>b;Lb;)f(Lb>a;La;)").verdict == "pass"
    assert [c.start for c in verify(b"f(La>b;)f(Lb;)").claims if c.rule == "to"] == [5]
    assert [c.start for c in verify(b"f(La>b;Lb>a;)").claims if c.verdict == "violate"] == [10]
    assert allowed(machine, b"f(La>b;Lb>c;") == b"L"
    assert b"f" not in allowed(machine, b"f(La>b;")
    assert allowed(machine, b"f(La;f(Lb>") == b"ac"
    for seed in range(many(10, 500)):
        assert verify(sample(machine, seed, None)).verdict == "pass"


def test_a_shape_defines_no_name_that_lives_in_it() -> None:
    loaded = load_text('names n in B shape B { x: def(n) ";" } trace B')
    assert [found.code for found in loaded.diagnostics] == ["R0319"]


def test_scopes_are_formatted() -> None:
    text = 'names  n   in B{k:K}type K=int in 0..3 shape L{k:K x:def(n,k:k)";"}'
    text += 'shape B{ls:L*"."}trace B'
    shown = format_text(text)
    assert "names n in B { k: K }\n" in shown
    assert format_text(shown) == shown


# --- lists of names ---


def test_lists_of_names() -> None:
    text = """
    type Kind = one of ("i" "s")
    names vars { kind: Kind }
    shape Decl { kind: Kind " " ids: def(vars, /[a-z]/, kind: kind){1..3 sep ","} ";" }
    shape Use { "=" v: ref(vars) ";" rule known: v.kind == "s" }
    shape P { decls: Decl{1..2} uses: Use{0..2} "." }
    trace P
    """
    machine = made_of(text)
    verify = Verifier(machine)
    assert verify(b"s a,b;=a;=b;.").verdict == "pass"
    for trace, rule, at in (
        (b"s a,b;i c;=a;=c;.", "known", 14),
        (b"s a,a;.", "ids", 4),
        (b"s a;s b,a;.", "ids", 8),
        (b"s a;=d;.", "v", 5),
    ):
        broken = [c for c in verify(trace).claims if c.verdict == "violate"]
        assert [(claim.rule, claim.start) for claim in broken] == [(rule, at)]
    assert b"a" not in allowed(machine, b"s a,b,")
    assert allowed(machine, b"s a,b;=") == b"ab"


def test_names_without_a_field() -> None:
    text = """
    names vars
    shape L { "(" ( def(vars, /[ab]/) ";" ){0..3} ")" }
    shape P { L u: ref(vars) }
    trace P
    """
    machine = made_of(text)
    assert allowed(machine, b"(") == b"ab"
    assert allowed(machine, b"(a;b;") == b")"
    assert problems_of(text) == []
    inside = text.replace("trace P", 'shape Q { "(" def(vars) ")" u: ref(vars) }\ntrace Q')
    assert problems_of(inside) == [("R0413", "no trace can have enough names")]


def test_what_lists_of_names_cannot_be() -> None:
    kinds = 'type N = int in 0 .. 3\nshape S { ( x: def(v, n: k) "=" k: N ";" )* "." }\ntrace S'
    assert problems_of("names v { n: N }\n" + kinds)[0][1].startswith(
        "the attribute `n` from a list"
    )
    graph = (
        'names v\ngraph g = S.x -> S.y\nshape S { x: def(v)+ sep "," ":" y: ref(v) }\ntrace S'
    )
    assert problems_of(graph)[0][1].startswith("a list as the node of `g`")


# --- watches ---


def test_names_behind_the_cut_of_a_watch() -> None:
    text = """
    names vars
    watch Let in prose { "let " ! name: def(vars, /[a-z]{1,3}/) ";" }
    watch Use in prose { "<" ! use: ref(vars) ">" }
    trace prose
    """
    machine = made_of(text)
    verify = Verifier(machine)
    assert verify(b"so let x; and <x>").verdict == "pass"
    assert [c.start for c in verify(b"let x; let x;").claims if c.verdict == "violate"] == [11]
    assert [c.start for c in verify(b"<y>").claims if c.verdict == "violate"] == [1]
    assert b"<" not in allowed(machine, b"let it")
    assert b"<" in allowed(machine, b"let it; ")
    assert allowed(machine, b"let it; <") == b"i"


def test_names_before_the_cut_of_a_watch() -> None:
    text = """
    names vars
    watch Let in prose { "let " name: def(vars, /[a-z]/) ! ";" }
    watch Use in prose { "<" use: ref(vars) ! ">" }
    trace prose
    """
    machine = made_of(text)
    for trace in (b"let x; <x>", b"let x; let xy", b"<y]", b"let x; let x."):
        assert Verifier(machine)(trace).verdict == "pass", trace
    assert allowed(machine, b"let x") == b";"
    assert len(allowed(machine, b"let x; let x")) > 1
    assert allowed(machine, b"let x; <x") == b">"


def test_watches_promise_what_shapes_define() -> None:
    text = """
    names terms
    watch Use in Doc.text { "<" ! use: ref(terms, forward) ">" }
    shape Gloss { id: def(terms, /[a-z]/) ": " note: prose "\\n" }
    shape Doc { text: prose "\\n\\n" items: Gloss{0..2} "END" }
    trace Doc
    """
    machine = made_of(text)
    verify = Verifier(machine)
    assert verify(b"a <b>\n\nb: x\nEND").verdict == "pass"
    (claim,) = verify(b"a <b>\n\nEND").claims
    assert (claim.rule, claim.start) == ("use", 3)
    assert allowed(machine, b"a <b> <c> <") == b"bc"
    assert b"E" not in allowed(machine, b"a <b>\n\n")


@seeded(3, 1_000)
@given(SEEDS)
def test_watches_with_names_come_to_an_end(seed: int) -> None:
    r = Random(seed)
    machine = made_of(watched(r).text)
    engine, budget, verify = Reference(machine), Budget(machine), Verifier(machine)
    for number in range(3):
        walk = random_walk(engine, budget, engine.start({}), Random(number), 40)
        assert walk.end == "done", (walk.end, walk.text)
        check_verdict(machine, verify(walk.text), walk.text)


@seeded(2, 500)
@given(SEEDS)
def test_engines_agree_on_watches_with_names(seed: int) -> None:
    r = Random(seed)
    machine = made_of(watched(r).text)
    pack = fit(machine, vocabulary(r, letters_of(machine)))
    compare_walk(pack, Host(pack), Brute(pack), r, 10, inputs={})


TYPED = """
type Kind = one of ("int" "bool")
names vars in Block { kind: Kind }
operators { int + int -> int    int < int -> bool }
shape Let {
    "let " name: def(vars, kind: kind) ": " kind: Kind " = " value: expr(vars) ";"
    rule typed: typeof(value) == kind
}
shape Block { "{" lets: Let{1..2} "}" }
trace Block{1..2}
"""


@pytest.mark.parametrize(
    ("before", "may", "may_not"),
    [
        ("{let x: int = 1;let y: int = ", "x", "y"),
        ("{let x: int = 1;}{let y: int = ", "1", "x"),
        ("{let x: int = 1;}{let y: bool = ", "1<2", "x"),
        ("{let x: int = 1;}{let ", "x", "1"),
    ],
)
def test_names_of_a_type_are_gone_with_their_block(before: str, may: str, may_not: str) -> None:
    machine = made_of(TYPED)
    engine = Reference(machine)
    config = engine.walk(engine.start({}), before.encode(), 0)
    assert engine.walk(config, may.encode(), len(before)).threads
    assert not engine.walk(config, may_not.encode(), len(before)).threads


@seeded(3, 500)
@given(SEEDS)
def test_engines_agree_on_types_in_blocks(seed: int) -> None:
    machine = made_of(TYPED)
    r = Random(seed)
    pack = fit(machine, vocabulary(r, letters_of(machine)))
    compare_walk(pack, Host(pack), Brute(pack), r, 40)
