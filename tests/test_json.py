"""JSON shapes: what is written under them is JSON, and JSON of their form is accepted."""

from __future__ import annotations

import json
import re
from random import Random
from typing import Any

import pytest
from brute import Brute, sure
from hypothesis import given
from json_rulesets import Digits, Shown, json_author, loaded
from rulesets import SEEDS, built, letters_of, many, random_walk, seeded, vocabulary
from test_engines import compare_walk
from test_walks import check_verdict, check_walks, kept_by_masks

from rulec.compiler import Machine, build, fit
from rulec.dsl import checked as c
from rulec.dsl import load_text
from rulec.runtime import BadInput, NoSample, Sampler, Verifier
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.host import Host
from rulec.runtime.reference import Reference


def machine_of(text: str) -> Machine:
    found = built(text)
    assert found is not None
    return found


def accepts(text: str, trace: str) -> bool:
    return Verifier(machine_of(text))(trace.encode()).verdict == "pass"


def random_json(seed: int) -> tuple[c.Ruleset, Machine] | None:
    """A ruleset of which a whole trace is one JSON text."""
    ruleset = load_text(json_author(Random(seed))).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if ruleset is None or machine is None or not isinstance(ruleset.trace, c.Slot):
        return None
    return ruleset, machine


def shape_of(ruleset: c.Ruleset) -> str:
    assert isinstance(ruleset.trace, c.Slot)
    assert isinstance(ruleset.trace.type, c.ShapeType)
    return ruleset.trace.type.shape


# --- random rulesets ---


@seeded(25, 4_000)
@given(SEEDS)
def test_walks_are_json_of_the_shapes_form(seed: int) -> None:
    found = random_json(seed)
    if found is None:
        return
    ruleset, machine = found
    engine, budget, verify = Reference(machine), Budget(machine), Verifier(machine)
    start = engine.start(given_inputs.registers(machine, None))
    for walk_seed in range(3) if start.threads else ():
        walk = random_walk(engine, budget, start, Random(walk_seed), 60)
        assert walk.end == "done" or not sure(machine), (walk.end, walk.text)
        if walk.end != "done":
            continue
        check_verdict(machine, verify(walk.text), walk.text)
        Shown(ruleset).check(shape_of(ruleset), loaded(walk.text.decode()))


@seeded(10, 2_000)
@given(SEEDS)
def test_masks_are_those_of_the_reference(seed: int) -> None:
    r = Random(seed)
    machine = built(json_author(r))
    if machine is not None:
        pack = fit(machine, vocabulary(r, letters_of(machine)))
        host, brute = Host(pack), Brute(pack)
        for _ in range(2):
            compare_walk(pack, host, brute, r, 14)


def dumped(value: Any, **options: Any) -> str:
    """A JSON text whose numbers have the digits that they came with."""
    marked = json.dumps(_marked(value), ensure_ascii=False, **options)
    return re.sub('"\ue000([^\ue001]*)\ue001"', r"\1", marked)


def _marked(value: Any) -> Any:
    match value:
        case Digits():
            return f"\ue000{value}\ue001"
        case dict():
            return {name: _marked(held) for name, held in value.items()}
        case list():
            return [_marked(held) for held in value]
        case _:
            return value


@seeded(20, 4_000)
@given(SEEDS)
def test_what_is_accepted_is_accepted_however_it_is_laid_out(seed: int) -> None:
    found = random_json(seed)
    if found is None:
        return
    ruleset, machine = found
    compact = "json compact" in ruleset.span.source.text
    verify, sampler = Verifier(machine), Sampler(machine)
    for number in range(2):
        try:
            text = sampler(number)
        except BadInput:
            return
        except NoSample:
            assert not kept_by_masks(machine)
            return
        value = loaded(text.decode())
        Shown(ruleset).check(shape_of(ruleset), value)
        wide = [{"separators": (",", ":")}, *([] if compact else [{"indent": 2}, {}])]
        for options in wide:
            again = dumped(value, **options)
            assert verify(again.encode()).verdict == "pass", again


# --- members ---

OPTIONAL = """
json O {{
    a{}: int
    b{}: bool
    c{}: text /x/
}}
trace O
"""
MEMBERS = (("a", 1), ("b", True), ("c", "x"))


@pytest.mark.parametrize("optional", range(8))
def test_commas_of_optional_members(optional: int) -> None:
    marks = ["?" if optional >> n & 1 else "" for n in range(3)]
    machine = machine_of(OPTIONAL.format(*marks))
    verify = Verifier(machine)
    for chosen in range(8):
        value = {name: held for n, (name, held) in enumerate(MEMBERS) if chosen >> n & 1}
        owed = {name for n, (name, _) in enumerate(MEMBERS) if not marks[n]}
        for indent in (None, 2):
            trace = json.dumps(value, indent=indent)
            verdict = verify(trace.encode()).verdict
            assert (verdict == "pass") == (owed <= set(value)), trace
    for wrong in ('{,"a":1}', '{"a":1,}', '{"a":1,,"b":true}', '{"a":1 "b":true}', "{,}"):
        assert verify(wrong.encode()).verdict != "pass"


def test_members_keep_their_order() -> None:
    text = OPTIONAL.format("?", "?", "?")
    assert accepts(text, '{"a":1,"c":"x"}')
    assert not accepts(text, '{"c":"x","a":1}')
    assert not accepts(text, '{"a":1,"a":1}')


def test_rules_see_what_is_left_out() -> None:
    text = """
        json O { a?: int  b?: int  c: int  rule r: present(a) implies a <= (b else c) }
        trace O
    """
    assert accepts(text, '{"c": 1}')
    assert accepts(text, '{"a": 3, "b": 4, "c": 1}')
    assert not accepts(text, '{"a": 3, "c": 1}')


def test_an_empty_object_and_an_empty_list() -> None:
    text = "json E { } json O { e: E  l: [int] } trace O"
    assert accepts(text, '{"e":{},"l":[]}')
    assert accepts(text, '{ "e": { }, "l": [\n] }')
    assert not accepts(text, '{"e":{},"l":[,]}')


# --- white space ---


@pytest.mark.parametrize(("count", "fine"), [(0, True), (1, True), (64, True), (65, False)])
def test_how_much_white_space_stands_in_one_place(count: int, fine: bool) -> None:
    text = "json O { a: [int]{1..3}  b: date } trace O"
    whole = '{"a":[1,2],"b":"2024-02-29"}'
    for at in (1, 4, 5, 6, 7, 8, 9, 10, 11, 14, 15, 27):
        trace = whole[:at] + " " * count + whole[at:]
        assert accepts(text, trace) == fine, trace
    for at in (0, 2, 3, 12, 16, 26, 28):
        trace = whole[:at] + " " * count + whole[at:]
        assert accepts(text, trace) == (not count), trace


def test_a_compact_shape_has_no_white_space() -> None:
    text = "json compact O { a: [int]  b?: bool } trace O"
    assert accepts(text, '{"a":[1,2],"b":true}')
    assert not accepts(text, '{"a":[1, 2]}')
    assert not accepts(text, '{ "a":[1]}')


def test_samples_and_the_cheapest_way_have_no_white_space() -> None:
    machine = machine_of("json O { a: [int]{1..3}  b?: text /[a-z]*/ } trace O")
    for seed in range(20):
        assert not set(Sampler(machine)(seed)) & set(b" \t\r\n")
    engine, budget = Reference(machine), Budget(machine)
    walk = random_walk(engine, budget, engine.start({}), Random(0), 1)
    assert walk.end == "done"
    assert not set(walk.text) & set(b" \t\r\n")


# --- values ---

TYPED = [
    ("int", "-12", '"1"', "1.0", "1e3", "01", "-0"),
    ("int grouped", "1234", "1,234"),
    ("decimal(2)", "0.50", "0.5", ".50"),
    ("decimal(0..2)", "0.5", ".5", "1."),
    ("number", "1234.5", "1,234.5", ".5", '"1"', "1e3"),
    ("bool", "true", '"true"', "True"),
    ("date", '"2024-02-29"', '"2023-02-29"', "2024-02-29"),
    ("percent", '"5 %"', "5", '"5"'),
    ("fraction", '"1/3"', "1/3", '"1/0"'),
    ("expr", '"1 + 2"', "1 + 2", "3"),
    ('one of ("a" "b\\"\\n")', r'"b\"\n"', '"c"', "a", r'"\u0061"'),
    ("text /a+/", '"aa"', '""', r'"\u0061"'),
    (r"text /[\x00-\x1f\"\\]/", r'"\u001f"', r'"\u001F"', '"\x1f"'),
    (r"text /[\x00-\x1f\"\\]/", r'"\n"', r'"\u000a"', '"\n"'),
    (r"text /[\x00-\x1f\"\\]/", r'"\""', '"""', r'"\/"'),
    (r"text /\//", '"/"', r'"\/"'),
    ("text /é/", '"é"', r'"\u00e9"'),
    ("prose{1..1}", r'"\u00e9"', '""', '"ab"', '"\n"', r'"\x"', r'"\ud83d"', r'"\ud83dx"'),
    ("prose{1..1}", r'"\uD83D\uDE00"', r'"\ude00"', r'"\ud83d\u0041"'),
    ("prose{1..1}", r'"\/"', r'"\n\n"', '"é€"'),
    ('prose without /é|a"/', r'"\u0065a"', r'"\u00e9"', '"xé"', r'"a\""', r'"\u0061\u0022"'),
    (
        "prose without /[😀-😂]/",
        r'"\ud83d\ude03"',
        r'"\ud83d\ude00"',
        r'"\uD83d\uDE02"',
        '"😁"',
    ),
    (r"prose{2..3} without /\n/", r'"\ta"', r'"a\nb"', r'"a\u000Ab"', '"a"', '"abcd"'),
    ("prose{..1} without /ab/", r'"a"', r'"\u0061b"', '"xy"'),
    ("prose{2..3}", r'"\b😀"', r'"\n"', r'"\n\n\n\n"'),
]


@pytest.mark.parametrize("case", TYPED, ids=lambda case: f"{case[0]} {case[1]}")
def test_how_values_are_spelled(case: tuple[str, ...]) -> None:
    type_, good, *bad = case
    for text, quote in (
        (f"json O {{ x: {type_} }} trace O", '{"x": %s}'),
        (f"json O {{ x?: [{type_}]{{2}}  y: int }} trace O", '{"x":[%s,%s],"y":1}'),
    ):
        verify = Verifier(machine_of(text))
        assert verify(quote.replace("%s", good).encode()).verdict == "pass"
        assert json.loads(quote.replace("%s", good))
        for wrong in bad:
            trace = quote.replace("%s", wrong)
            assert verify(trace.encode()).verdict != "pass", trace


def test_texts_compare_after_unescaping() -> None:
    text = r"""
        json O {
            a: text /["\\a\n]{1,3}/
            b: text /["\\a\n]{1,3}/
            w: one of ("\"" "a")
            rule same: a == b
            rule known: a in {"\"\n", "a"}
            rule word: w == "\""
        }
        trace O
    """
    assert accepts(text, r'{"a":"\"\n","b":"\"\n","w":"\""}')
    assert not accepts(text, r'{"a":"\"\n","b":"a","w":"\""}')
    assert not accepts(text, r'{"a":"\\","b":"\\","w":"\""}')
    assert not accepts(text, r'{"a":"a","b":"a","w":"a"}')


def test_escaped_texts_that_must_differ() -> None:
    """Their masks are told from their values, whatever their spelling."""
    text = r"""json O { a: [text /["a]/]{2} rule once: distinct(a) } trace O"""
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    assert [rule.tier for rule in build(ruleset).rules] == ["commit"]
    text = r"""json O { a: [text /["\\]/]{2} rule once: distinct(a) } trace O"""
    machine = machine_of(text)
    assert {rule.tier for rule in machine.rules} == {"mask"}
    check_walks(machine, range(many(20)), 20)
    traces = {Sampler(machine)(seed) for seed in range(20)}
    assert traces == {rb'{"a":["\"","\\"]}', rb'{"a":["\\","\""]}'}


# --- nesting ---


def test_a_shape_nests_to_its_depth() -> None:
    text = "json T up to 2 { v: int  of?: [T]{1..2} } trace T"
    assert accepts(text, '{"v":1}')
    assert accepts(text, '{"v":1,"of":[{"v":2,"of":[{"v":3},{"v":4}]}]}')
    assert not accepts(text, '{"v":1,"of":[{"v":2,"of":[{"v":3,"of":[{"v":4}]}]}]}')


def test_a_json_shape_within_a_plain_one() -> None:
    text = """
        json Call { name: text /[a-z]+/  n: int }
        shape Step { "think: " prose "\\ncall: " call: Call "\\n" rule n: call.n >= 0 }
        trace Step{1..3}
    """
    assert accepts(text, 'think: well\ncall: {"name": "f", "n": 1}\n')
    assert not accepts(text, 'think: well\ncall: {"name": "f", "n": -1}\n')
    check_walks(machine_of(text), range(many(5)), 80)


def refusal(text: str) -> list[tuple[str, str]]:
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    return [(found.code, found.message) for found in build(ruleset).diagnostics]


def test_what_is_refused() -> None:
    watch = 'watch W in prose { "<" ! a: int ">" } json O { p: prose } trace O'
    message = "a watch over prose in JSON can't be enforced by this version"
    assert refusal(watch) == [("R0901", message)]
    short = "json O { p: prose{3..} without /a|bb|[^b]b/ } trace O"
    assert not refusal(short)
    short = "json O { p: prose{3..} without /./ } trace O"
    assert not refusal(short)
    short = r"json O { p: prose{3..} without /(.|\n)(.|\n)/ } trace O"
    message = (
        "prose that `without` may keep too short, in JSON can't be enforced by this version"
    )
    assert refusal(short) == [("R0901", message)]
