"""Verdict records: their schema, their places, and that all who judge judge alike."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from random import Random

import jsonschema
import pytest
from hypothesis import given
from rulesets import FUZZ, SEEDS, author, built, letters_of, seeded

from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.runtime import Session, Verifier
from rulec.runtime.reference import Reference
from rulec.runtime.verdict_records import Spans, error_record, schema
from rulec.runtime.verify import Judging

WORDS = (b"12", b"= ", b"<<", b">>", b"=2", b"ab", b"1 ", b".\n")
TOKENS = (*(bytes((byte,)) for byte in range(256)), *WORDS, None)
VOCABULARY = Vocabulary(TOKENS, (len(TOKENS) - 1,), len(TOKENS))

CALC = """
shape Calc {
    "<<" lhs: expr "=" result: number ">>"
    rule holds: result ~= lhs because "sums add up"
}
shape Solution {
    ( prose | calcs: Calc )*
    "\\n#### " answer: number
    audit rule answer: answer == last(calcs).result
}
trace Solution
"""
WATCH = """
watch Equation in prose {
    lhs: expr / {0,2}= {0,2}/ ! /[$€£]?/ result: number
    rule holds: result ~= lhs
}
trace prose
"""
LIST = """
shape Line { "- " n: int in 0..99 " " p: percent "\\n" rule small: n <= 50 }
shape All {
    lines: Line{1..4}
    "= " total: int in 0..200
    rule total: total == sum(lines.n)
    rule once: distinct(lines.n)
    audit rule up: all(l in lines: l.n >= (l.prev.n else 0))
}
trace All
"""
SOURCES = {"calc": CALC, "watch": WATCH, "list": LIST}


class Stepping(Judging):
    """The same judge, byte by byte as the reference engine goes."""

    def read(self, config, trace, at=0):
        while at < len(trace):
            after = Reference.step(self, config, trace[at], at)
            if not after.threads:
                break
            config, at = after, at + 1
        return config, at


@cache
def made(source):
    return build(load_text(source).ruleset).machine


@pytest.fixture(scope="module", params=sorted(SOURCES))
def machine(request):
    return made(SOURCES[request.param])


WRITTEN = {
    "calc": (
        "So <<48/2=24>>, <<(1+2)*.5=1.5>> é.\n#### 24",
        "x\n#### 1,200",
        "<<8/0=0>>\n#### 0",
    ),
    "watch": (
        "So 3 + 4 = 7 and 2*3=6.",
        "é 10/4 = $2.50, (1+1) = 2 -",
        "a 1/3 = 0.33, 1-1= 0",
    ),
    "list": ("- 5 3.5%\n- 7 1%\n= 12", "- 5 3%\n- 5 1 %\n= 10", "- 1 1%\n= 1"),
}


def texts(machine, random, count):
    """Traces, and the same with some bytes changed, left out, put in or cut off."""
    alphabet = b"0123456789+-*/=(). <>[#\n%ab\xc3\xa9$"
    written = next(WRITTEN[name] for name, one in SOURCES.items() if machine == made(one))
    for _ in range(count):
        text = random.choice(written).encode()
        yield text
        for _ in range(6):
            changed = bytearray(text)
            for _ in range(random.randint(1, 3)):
                at = random.randrange(len(changed) + 1)
                changed[at : at + random.randint(0, 1)] = bytes([random.choice(alphabet)])
            yield bytes(changed[: random.randint(0, len(changed) + 8)])


def test_strides_equal_steps_and_records_fit_the_schema(machine):
    swift, slow = Verifier(machine), Verifier(machine, engine=Stepping)
    check = jsonschema.Draft202012Validator(schema())
    seen = set()
    for text in texts(machine, Random(1), 400 if FUZZ else 25):
        verdict = swift(text)
        assert verdict == slow(text), text
        check.validate(verdict.to_record() | {"line": 1})
        seen.add(verdict.verdict)
        assert 0 <= verdict.guarded <= len(text)
        assert verdict.holds == (verdict.verdict in ("pass", "vacuous"))
        assert (verdict.to_record()["first_invalid"] is None) == verdict.holds
    assert {"pass", "violate"} <= seen


def test_readings_behind_strides_are_those_of_the_reference(machine):
    random = Random(2)
    for guarded in (False, True):
        swift = Judging(machine, guarded=guarded)
        for text in texts(machine, random, 200 if FUZZ else 15):
            start = swift.start({})
            read = swift.read(start, text)
            assert read == Stepping.read(swift, start, text), (guarded, text)


@seeded(20, 3_000)
@given(SEEDS)
def test_strides_equal_steps_under_random_rules(seed: int) -> None:
    random = Random(seed)
    machine = built(author(random, watches=True))
    if machine is None:
        return
    letters = letters_of(machine)
    engine = Reference(machine, guarded=False)
    start = engine.start({})
    swift, slow = Verifier(machine), Verifier(machine, engine=Stepping)
    for _ in range(6):
        text, config = bytearray(), start
        while len(text) < 60 and config.threads:
            ways = [byte for byte in letters if engine.step(config, byte, len(text)).threads]
            if not ways or random.random() < 0.03:
                text.append(random.choice(letters))
                break
            byte = random.choice(ways)
            config = engine.step(config, byte, len(text))
            text.append(byte)
        assert swift(bytes(text)) == slow(bytes(text)), bytes(text)


def tokens_of(text, random):
    """Any way to write a text with the tokens of the vocabulary."""
    at, found = 0, []
    while at < len(text):
        fits = [n for n, word in enumerate(TOKENS) if word and text.startswith(word, at)]
        token = random.choice(fits)
        found.append(token)
        at += len(TOKENS[token])
    return found


def test_a_session_judges_as_verify_does(machine):
    """Fed token by token, with what masks don't keep broken or not, and cut off or not."""
    random = Random(3)
    pack, verify = fit(machine, VOCABULARY), Verifier(machine)
    check = jsonschema.Draft202012Validator(schema())
    whole = 0
    for text in texts(machine, random, 150 if FUZZ else 12):
        session = Session(pack)
        for token in tokens_of(text, random):
            if not session.allows(token):
                break
            session.accept(token)
        if session.allows(VOCABULARY.ends[0]):
            session.accept(VOCABULARY.ends[0])
        judged, wanted = session.verdict(), verify(session.text)
        assert replace(judged, ends=None, vocabulary="") == wanted
        check.validate(judged.to_record())
        if session.finished:
            whole += 1
            assert session.verdicts() == wanted.claims
        ends = judged.ends
        assert ends is not None
        for claim in judged.to_record()["claims"]:
            (start, end), (first, last) = claim["bytes"], claim["tokens"]
            pieces = b"".join(TOKENS[token] or b"" for token in session.tokens[first:last])
            assert session.text[start:end] in pieces
    assert whole


def test_places_in_characters_and_tokens():
    spans = Spans("é<<1=2>>".encode(), (2, 4, 6, 9))
    assert spans.of(4, 7) == {"bytes": [4, 7], "chars": [3, 6], "tokens": [2, 4]}
    assert spans.of(4, 4)["tokens"] == [2, 2]
    assert Spans(b"abc", None).of(1, 2)["tokens"] is None


def test_what_a_record_says():
    machine = made(CALC)
    verdict = Verifier(machine)("½ <<48/2=25>> and <<1+1=2>>\n#### 3".encode())
    record = verdict.to_record()
    assert record["verdict"] == "violate"
    first = record["first_invalid"]
    assert (first["claim"], first["bytes"], first["chars"]) == (0, [10, 12], [9, 11])
    claim = record["claims"][0]
    assert (claim["expected"], claim["found"]) == ("24", "25")
    assert claim["because"] == "sums add up"
    rules = {one["rule"]: one["claims"] for one in record["rules"]}
    assert rules["holds"] == {"violate": 1, "too complex": 0, "pass": 1, "vacuous": 0}
    assert rules["answer"]["violate"] == 1
    assert record["claim_count"] == 3
    assert record["coverage"]["guarded"] == len("48/2251+12") + len("3")
    untested = Verifier(machine)(b"Nothing.\n#### 3").to_record()
    assert (untested["verdict"], untested["claim_count"]) == ("pass", 0)
    assert untested["coverage"]["share"] == 0
    stopped = Verifier(machine)(b"Nothing").to_record()
    assert stopped["stopped"]["byte"] == stopped["first_invalid"]["bytes"][0] == 7
    jsonschema.validate(error_record("no JSON", machine.digest), schema())
