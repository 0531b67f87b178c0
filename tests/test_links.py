"""Graphs over names against a search of their ways, and in rules."""

from __future__ import annotations

from random import Random
from time import perf_counter

from hypothesis import given
from rulesets import SEEDS, seeded

from rulec.compiler import Machine, build
from rulec.compiler.links import NOTHING, Links
from rulec.dsl import load_text
from rulec.runtime import Verifier


def reached(edges: dict[str, tuple[str, ...]], start: str) -> set[str]:
    """What ways of one edge or more lead to."""
    seen: set[str] = set()
    queue = list(edges.get(start, ()))
    while queue:
        name = queue.pop()
        if name not in seen:
            seen.add(name)
            queue += edges.get(name, ())
    return seen


def longest(edges: dict[str, tuple[str, ...]], start: str) -> int:
    return max((1 + longest(edges, target) for target in edges.get(start, ())), default=0)


def check(links: Links, edges: dict[str, tuple[str, ...]]) -> None:
    names = list(dict.fromkeys(n for name, leads in edges.items() for n in (name, *leads)))
    below = {name: reached(edges, name) for name in names}
    acyclic = all(name not in below[name] for name in names)
    assert links.acyclic is acyclic
    assert links.degree == max(map(len, edges.values()), default=0)
    depths = [longest(edges, name) for name in names] if acyclic else []
    assert links.depth == (max(depths, default=0) if acyclic else None)
    led = {target for leads in edges.values() for target in leads}
    assert links.loose == edges.keys() - led
    for one in (*names, "none"):
        assert links.rooted(one) is (set(edges) <= {one, *below.get(one, ())})
        for other in (*names, "none"):
            wanted = one == other or other in below.get(one, ())
            assert links.reaches(one, other) is wanted, (edges, one, other)


def check_counting(links: Links, edges: dict[str, tuple[str, ...]]) -> None:
    """Where all lead to earlier names, one leads to all exactly if it alone is loose."""
    for one in (*edges, "none") if edges else ():
        assert links.rooted(one) is (links.loose == {one})


@seeded(200, 20_000)
@given(SEEDS)
def test_graphs(seed: int) -> None:
    r = Random(seed)
    names = [f"n{number}" for number in range(r.randint(1, 7))]
    backward = r.random() < 0.5
    links, edges = NOTHING, dict[str, tuple[str, ...]]()
    for place, name in enumerate(names):
        pool = names[:place] if backward else names
        leads = tuple(r.sample(pool, r.randint(0, min(3, len(pool)))))
        links, edges = links.with_node(name, leads), {**edges, name: leads}
        check(links, edges)
        if backward:
            check_counting(links, edges)
    check(Links(edges), edges)
    assert links == Links(edges)


def test_a_thousand_names_are_added_quickly() -> None:
    r = Random(1)
    links = NOTHING
    names = [f"S{number}" for number in range(1_024)]
    started = perf_counter()
    for place, name in enumerate(names):
        links = links.with_node(name, r.sample(names[:place], min(place, 3)))
    assert perf_counter() - started < 2
    assert links.acyclic
    assert not links.reaches("S0", "S1023")


def machine(rule: str) -> Machine:
    text = f"""
    names tasks
    graph needs = Task.id -> Task.after
    shape Task {{
        "-" id: def(tasks, /[a-f]/) ( "(" after: ref(tasks){{1..3 sep ","}} ")" )?
    }}
    shape Plan {{ list: Task{{1..6}} ">" goal: ref(tasks) rule r: {rule} }}
    trace Plan
    """
    ruleset = load_text(text).ruleset
    assert ruleset is not None, load_text(text).diagnostics
    made = build(ruleset).machine
    assert made is not None
    return made


def test_rules_over_graphs() -> None:
    trace = b"-a-b(a)-c(b)-d(a)>c"
    wanted = {
        "acyclic(needs)": True,
        "depth(needs) <= 2": True,
        "depth(needs) <= 1": False,
        "degree(needs) == 1": True,
        "rooted(needs, goal)": False,
        "reaches(needs, goal, goal)": True,
    }
    for rule, held in wanted.items():
        verdict = Verifier(machine(rule))(trace)
        assert (verdict.verdict == "pass") is held, (rule, verdict)
    assert Verifier(machine("rooted(needs, goal)"))(b"-a-b(a)>b").verdict == "pass"
