"""What may come at a place of a trace: against the engine itself, and from end to end."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from rulesets import SEEDS, author, random_walk, seeded, ways
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import Built, Machine, build, fit, load_vocabulary
from rulec.compiler.marking import Marked, mark
from rulec.dsl import checked as c
from rulec.dsl import load_text
from rulec.runtime import BadInput, Sampler, Session
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.explain import Explainer, explain
from rulec.runtime.reference import Config, Reference
from rulec.runtime.trail import Tracing
from rulec.runtime.values import shown_values, word_values

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.runtime.explain import Explanation
    from rulec.runtime.values import Values

FOLDER = Path(__file__).parent.parent / "examples"
EXAMPLES = sorted(FOLDER.glob("*.rules"))


def built(text: str) -> tuple[c.Ruleset, Built, Machine] | None:
    ruleset = load_text(text).ruleset
    if ruleset is None:
        return None
    found = build(ruleset)
    return None if found.machine is None else (ruleset, found, found.machine)


def example(name: str) -> tuple[c.Ruleset, Built, Machine]:
    found = built((FOLDER / f"{name}.rules").read_text("utf-8"))
    assert found is not None
    return found


def marked_example(name: str) -> Marked:
    return mark(example(name)[1])


def walked(machine: Machine, r: Random, longest: int = 40) -> bytes:
    engine = Reference(machine)
    start = engine.start(given_inputs.registers(machine, None))
    if not start.threads:
        return b""
    return random_walk(engine, Budget(machine), start, r, longest).text


def configs(engine: Reference, machine: Machine, text: bytes) -> list[Config]:
    """The readings at every byte, as far as the text is allowed."""
    found = [engine.start(given_inputs.registers(machine, None))]
    for at, byte in enumerate(text):
        after = engine.step(found[-1], byte, at)
        if not after.threads:
            break
        found.append(after)
    return found


# --- against the engine ---


@seeded(15, 5_000)
@given(SEEDS)
def test_a_marked_machine_reads_the_same(seed: int) -> None:
    r = Random(seed)
    text = author(r, watches=r.random() < 0.3)
    made = built(text)
    if made is None:
        return
    _, build_, machine = made
    marked = mark(build_).machine
    own = 2 * len(machine.initial) - len(marked.initial)
    # Behind those of the plan each machine has registers for its own counters.
    for guarded in (True, False):
        plain, traced = Reference(machine, guarded=guarded), Tracing(marked, guarded=guarded)
        trace = walked(machine, r)
        pairs = zip(configs(plain, machine, trace), configs(traced, marked, trace), strict=True)
        for here, other in pairs:
            regs = [thread.regs[:own] for thread in here.threads]
            assert [thread.regs[:own] for thread in other.threads] == regs, text


def check_explained(machine: Machine, explainer: Explainer, trace: bytes, at: int) -> None:
    """What is said to be allowed is what the engine lets through, byte by byte."""
    engine = Reference(machine)
    places = configs(engine, machine, trace)
    found = explainer(trace, at)
    assert found.at == min(at, len(places) - 1)
    here = places[found.at]
    assert found.next == tuple(byte for byte, _ in ways(engine, here, found.at))
    assert found.ends == (engine.ending(here, found.at) is not None)
    assert {byte for one in found.readings for byte in one.next} == set(found.next)
    stopped = len(places) - 1
    whole = stopped == len(trace) and engine.ending(places[-1], stopped) is not None
    assert (found.stop is None) == whole
    assert found.stop is None or found.stop.at == stopped
    for reading in found.readings:
        assert trace[: found.at].endswith(reading.written)
        check_forced(engine, here, found.at, reading.forced, reading.next)


def check_forced(
    engine: Reference, here: Config, at: int, forced: bytes, first: tuple[int, ...]
) -> None:
    assert not forced or (first == (forced[0],) and engine.walk(here, forced, at).threads)


@seeded(25, 5_000)
@given(SEEDS)
def test_what_is_allowed_is_what_the_engine_lets_through(seed: int) -> None:
    r = Random(seed)
    text = author(r, watches=r.random() < 0.3)
    made = built(text)
    if made is None:
        return
    _, build_, machine = made
    trace = walked(machine, r)
    if not trace:
        return
    explainer = Explainer(mark(build_))
    torn = bytearray(trace)
    torn[r.randrange(len(torn))] = r.choice(b"0123456789;|~ ")
    for one in (trace, bytes(torn)):
        for at in {0, len(one), *(r.randrange(len(one) + 1) for _ in range(3))}:
            check_explained(machine, explainer, one, at)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_place_of_a_sample_is_explained(path: Path) -> None:
    _, build_, machine = example(path.stem)
    explainer = Explainer(mark(build_))
    trace = Sampler(machine)(3)[:150]
    for at in range(0, len(trace) + 1, 5):
        check_explained(machine, explainer, trace, at)


# --- rules one by one ---


def steering(ruleset: c.Ruleset, kept: set[tuple[str, str]]) -> Machine | None:
    """The machine of a ruleset in which only some rules steer."""

    def muted(shape: c.Shape) -> c.Shape:
        rules = (
            rule if (shape.name, rule.name) in kept else replace(rule, tier="audit")
            for rule in shape.rules
        )
        return replace(shape, rules=tuple(rules))

    shapes = {name: muted(shape) for name, shape in ruleset.shapes.items()}
    return build(replace(ruleset, shapes=shapes)).machine


def values_of(machine: Machine, trace: bytes, field: int) -> Iterator[Values]:
    """What a machine leaves open of a field that a trace ends in."""
    places = configs(Reference(machine), machine, trace)
    if len(places) <= len(trace):
        return
    for thread in places[-1].threads:
        lex: Any = thread.lex
        if getattr(lex, "field", -1) == field and getattr(lex, "allowed", None) is not None:
            spec = machine.fields[field]
            if spec.kind == "word":
                yield word_values(spec, lex.allowed)
            else:
                days = spec.kind == "date"
                yield shown_values(spec, (lex.allowed,) if days else lex.allowed)


def same_tiers(machine: Machine, other: Machine, kept: set[tuple[str, str]]) -> bool:
    """Whether rules are kept by masks without others as they are beside them."""
    pairs = zip(machine.rules, other.rules, strict=True)
    return all(one.tier == two.tier for one, two in pairs if (one.shape, one.name) in kept)


def check_narrowings(
    ruleset: c.Ruleset, machine: Machine, found: Explanation, text: bytes
) -> int:
    """Compare what each rule is said to leave open with machines of those rules."""
    names = [(rule.shape, rule.name) for rule in machine.rules]
    every = {
        name for name, rule in zip(names, machine.rules, strict=True) if rule.tier != "audit"
    }
    count = 0
    for reading in found.readings:
        wanted = reading.demand
        if wanted is None or machine.fields[reading.field].kind == "expr":
            continue
        for one in wanted.rules:
            name = names[one.rule]
            if names.count(name) > 1:
                continue
            for kept, told in (({name}, one.alone), (every - {name}, one.without)):
                other = steering(ruleset, kept)
                assert other is not None
                if not same_tiers(machine, other, kept):
                    continue
                for values in values_of(other, text, reading.field):
                    assert values == told, (name, kept)
                    count += 1
    return count


@seeded(20, 5_000)
@given(SEEDS)
def test_a_rule_alone_leaves_what_a_ruleset_of_it_leaves(seed: int) -> None:
    r = Random(seed)
    text = author(r, prose=False)
    made = built(text)
    if made is None:
        return
    ruleset, build_, machine = made
    trace = walked(machine, r)
    explainer = Explainer(mark(build_))
    for _ in range(4 if trace else 0):
        at = r.randrange(len(trace) + 1)
        check_narrowings(ruleset, machine, explainer(trace, at), trace[:at])


INVOICE = "INVOICE\n- ABC-1234 x4 @ $2.50 = $10.00\nSubtotal: $10.00\nTax (8%): $0.80\nTotal: $"


def test_rules_of_an_invoice_one_by_one() -> None:
    ruleset, build_, machine = example("invoice")
    explainer = Explainer(mark(build_))
    count = 0
    for at in range(1, len(INVOICE) + 1, 2):
        found = explainer(INVOICE.encode(), at)
        count += check_narrowings(ruleset, machine, found, INVOICE[:at].encode())
    assert count > 25


# --- what is said ---


def test_field_rules_and_path() -> None:
    marked = marked_example("invoice")
    found = explain(marked, INVOICE, len(INVOICE))
    (reading,) = found.readings
    assert reading.path == ("Invoice", "total")
    assert reading.demand is not None
    assert str(reading.demand.allowed) == "10.80"
    told = {
        marked.machine.rules[one.rule].name: (str(one.alone), str(one.without))
        for one in reading.demand.rules
    }
    assert told == {
        "total": ("10.80", "0.00 to 50000.00"),
        "cap": ("0.00 to 50000.00", "10.80"),
    }
    assert reading.forced == b"10.80"
    found = explain(marked, INVOICE, INVOICE.index("x4"))
    (reading,) = found.readings
    assert reading.path == ("Invoice", "lines[1]")
    assert reading.part is not None
    assert reading.part.span.text == '" x"'


def test_inputs_count() -> None:
    marked = marked_example("invoice")
    found = explain(marked, INVOICE, 25, {"cap": 10})
    (reading,) = found.readings
    assert reading.demand is not None
    assert str(reading.demand.allowed) == "0.00 to 2.31"
    assert found.stop is not None
    with pytest.raises(BadInput):
        explain(marked, INVOICE, 3, {"cap": "much"})


def test_all_readings_of_a_number_in_prose() -> None:
    marked = marked_example("arithmetic")
    found = explain(marked, "So 7 / 2 = 3.5", 14)
    paths = [reading.path for reading in found.readings]
    assert paths == [("prose", "Equation", "result"), ("prose",)]
    assert found.ends
    before = explain(marked, "So 7 / 2", 8)
    (reading,) = before.readings
    assert {watching.path[0] for watching in reading.watching} == {"Equation"}
    assert {watching.start for watching in reading.watching} == {3}


def test_prose_names_what_ends_it() -> None:
    found = explain(marked_example("gsm8k"), "So ", 3)
    (reading,) = found.readings
    assert [part.span.text for part in reading.openers] == ['"<<"', '"\\n#### "']


LISTS = """
shape S {
    xs: int in 0..9{1..4 sep ","} ( ";" a: int in 0..5 | "!" b: one of ("yes" "no") ) "."
    rule sum: sum(xs) == 20 because "twenty"
    rule first: present(b) implies first(xs) == 9
}
trace S
"""


def test_ways_that_rules_close() -> None:
    made = built(LISTS)
    assert made is not None
    marked = mark(made[1])
    found = explain(marked, "5,9,6!yes.", 5)
    (closed,) = found.closed
    assert closed.part is not None
    assert closed.part.span.text == '"!"'
    assert [marked.machine.rules[rule].name for rule in closed.rules] == ["first"]
    assert found.stop is not None
    assert found.stop.refusal.rule == "S.first"
    early = explain(marked, "5,9.", 3)
    assert {rule for way in early.closed for rule in way.rules} == {0, 1}
    assert early.next == (ord(","),)
    assert explain(marked, "5,9,6,0;1.", 9).stop is None


LINE = "- ABC-1234 x4 @ $2.50 = $10.00\n"


def test_texts_that_must_differ() -> None:
    found = explain(marked_example("invoice"), f"INVOICE\n{LINE}- ABC-1234", 47)
    (reading,) = found.readings
    assert reading.demand is not None
    assert reading.demand.allowed.others == ("ABC-1234",)
    assert [str(one.without) for one in reading.demand.rules] == ["any value"]
    assert found.stop is not None
    assert (found.stop.at, found.stop.refusal.rule) == (48, "Invoice.once")


COMMIT = """
shape S {
    a: int in 0..99 "," b: int in 0..99 "."
    rule odd: a * a + b * b == 25 or a * b == 7
}
trace S
"""


def test_broken_commit_rules_are_told() -> None:
    made = built(COMMIT)
    assert made is not None
    (rule,) = made[2].rules
    assert rule.tier == "commit"
    found = explain(mark(made[1]), "2,2.", 4)
    (claim,) = found.broken
    assert (claim.rule, claim.verdict, claim.found) == ("odd", "violate", "2")
    assert found.stop is None


# --- the command line ---


def run(*arguments: object, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)


@pytest.fixture
def tokens(tmp_path: Path) -> Path:
    """A tokenizer of single bytes and a few words."""
    texts = [bytes([n]) for n in range(256)] + [b"INVOICE\n", b"10", b".80", b"11", b"00"]
    path = tmp_path / "words.tiktoken"
    lines = (f"{b64encode(text).decode()} {n}\n" for n, text in enumerate(texts))
    path.write_text("".join(lines), "utf-8")
    return path


RULES = FOLDER / "invoice.rules"


def test_a_place_for_people() -> None:
    result = run("explain", RULES, "--text", f"{INVOICE}11.00", "--at", len(INVOICE) + 1)
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert lines[0] == "text:5:10, byte 81 of 85"
    assert lines[1:3] == ["  > Total: $11.00", "             ^"]
    assert re.search(r"must be +10\.80\n", result.output)
    assert re.search(r"next +only `0\.80`", result.output)
    assert re.search(r"Invoice\.total +mask +25 +10\.80 +0\.00 to 50000\.00", result.output)
    assert "Invoice.cap because FIN-7" in result.output
    assert "is refused: `1` can't stand here: `Invoice.total` must be 10.80" in result.output
    assert "\x1b" not in result.output


def test_beyond_where_a_trace_stops(tmp_path: Path) -> None:
    path = tmp_path / "trace.txt"
    path.write_bytes(f"{INVOICE}11.00".encode())
    for options in ((), ("--at", 84)):
        result = run("explain", RULES, "--trace", path, *options)
        assert result.exit_code == 0
        assert "byte 81 of 85, asked for byte" in result.output
        assert "the trace stops here: `1` can't stand here" in result.output
    whole = run("explain", RULES, "--trace", "-", stdin=f"{INVOICE}10.80")
    assert "the trace may end here" in whole.output
    assert re.search(r"next +only the end", whole.output)


def test_a_place_for_programs() -> None:
    result = run("explain", RULES, "--text", f"{INVOICE}11.00", "--at", 80, "--format", "json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert set(record) == {
        *("at", "asked", "line", "column", "length", "next", "ends", "stop", "broken"),
        *("readings", "closed", "tokens"),
    }
    assert (record["at"], record["line"], record["column"], record["length"]) == (80, 5, 9, 85)
    assert record["next"] == [ord("1")]
    assert record["stop"]["at"] == 81
    assert record["stop"]["rule"] == "Invoice.total"
    (reading,) = record["readings"]
    assert reading["path"] == ["Invoice", "total"]
    assert reading["allowed"]["intervals"][0]["low"] == "10.80"
    rules = {rule["rule"]: rule for rule in reading["rules"]}
    assert rules["cap"]["because"].startswith("FIN-7")
    assert rules["total"]["line"] == 25
    assert rules["total"]["without"]["intervals"][0]["high"] == "50000.00"
    assert record["tokens"] is None


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_every_example_is_explained(path: Path) -> None:
    _, _, machine = example(path.stem)
    trace = Sampler(machine)(1).decode("utf-8", "replace")[:100]
    for at in (0, 31, len(trace.encode())):
        for form in ("text", "json"):
            result = run("explain", path, "--text", trace, "--at", at, "--format", form)
            assert result.exit_code == 0, result.output


def test_the_answer_in_tokens(tokens: Path) -> None:
    options = ("--tokenizer", tokens, "--end", 261, "--size", 262)
    text = f"{INVOICE}11.00"
    vocabulary = load_vocabulary(tokens)
    written = vocabulary.encode_greedy(INVOICE.encode())
    place = ("--token", len(written))
    result = run("explain", RULES, "--text", text, *options, *place, "--format", "json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["at"] == len(INVOICE)
    found = record["tokens"]
    assert found["allowed"] == [ord("1"), vocabulary.ids[b"10"]]
    assert found["own"] == vocabulary.ids[b"11"]
    assert found["refusal"]["rule"] == "Invoice.total"
    shown = run("explain", RULES, "--text", text, *options, *place)
    assert f"token {len(written)}" in shown.output
    assert "2 tokens of 262 may come: `1` `10`" in shown.output
    assert "the trace's own token is `11`: `1` can't stand here" in shown.output
    within = run("explain", RULES, "--text", text, *options, "--at", 3, "--format", "json")
    assert json.loads(within.stdout)["tokens"]["number"] is None


def test_tokens_are_those_of_a_session(tokens: Path) -> None:
    vocabulary = load_vocabulary(tokens).with_size(262).with_ends([261])
    _, _, machine = example("gsm8k")
    session = Session(fit(machine, vocabulary))
    text = "Two <<1+1=2>>.\n#### 2"
    for byte in text.encode():
        session.accept(byte)
    options = ("--tokenizer", tokens, "--end", 261, "--size", 262, "--format", "json")
    result = run("explain", FOLDER / "gsm8k.rules", "--text", text, *options)
    allowed = json.loads(result.stdout)["tokens"]["allowed"]
    assert allowed == [token for token in range(262) if session.allows(token)]


def test_codes_are_explained_as_before() -> None:
    assert "a name that nobody declared" in run("explain", "R0201").output
    assert run("explain", "R9999").exit_code == 2


def test_wrong_use(tmp_path: Path, tokens: Path) -> None:
    missing = run("explain", RULES)
    assert missing.exit_code == 2
    assert "--trace or --text" in missing.stderr
    for options in (
        ("R0201", "--at", 3),
        ("nowhere.rules", "--text", "a"),
        (RULES, "--text", "a", "--trace", tokens),
        (RULES, "--trace", tmp_path / "nowhere"),
        (RULES, "--text", "INVOICE", "--at", 8),
        (RULES, "--text", "INVOICE", "--at", -1),
        (RULES, "--text", "INVOICE", "--token", 1),
        (
            RULES,
            "--text",
            "I",
            "--tokenizer",
            tokens,
            "--end",
            261,
            "--size",
            262,
            "--token",
            2,
        ),
        (RULES, "--text", "INVOICE", "--with", '{"cap": "x"}'),
        (RULES, "--text", "INVOICE", "--with", "{"),
    ):
        result = run("explain", *options)
        assert result.exit_code == 2, options
        assert "error" in result.stderr.lower()
    broken = tmp_path / "broken.rules"
    broken.write_text("shape {", encoding="utf-8")
    assert run("explain", broken, "--text", "a").exit_code == 1
