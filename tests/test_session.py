"""A session, call by call, over a small vocabulary."""

from pathlib import Path

import numpy as np
import pytest

from rulec.compiler import Vocabulary, compile_ruleset
from rulec.dsl import load, load_text
from rulec.runtime import BadInput, Refused, Session

EXAMPLES = Path(__file__).parent.parent / "examples"
WORDS = (b"12", b"345", b"<<", b">>", b" = ", b"= $", b"\n####", b"7>>", b"24", b"INVOICE\n")
TOKENS = (*(bytes((byte,)) for byte in range(256)), *WORDS, None, None)
VOCABULARY = Vocabulary(TOKENS, (len(TOKENS) - 2, len(TOKENS) - 1), len(TOKENS) + 7)


def pack(source):
    loaded = load(EXAMPLES / source) if source.endswith(".rules") else load_text(source)
    assert loaded.ruleset is not None, loaded.diagnostics
    return compile_ruleset(loaded.ruleset, VOCABULARY)


def written(session, text):
    for byte in text:
        session.accept(byte)
    return session


def allowed(session):
    out = np.full((VOCABULARY.size + 31) // 32, 0xFFFFFFFF, np.uint32)
    session.mask(out)
    bits = np.unpackbits(out.view(np.uint8), bitorder="little")
    assert not bits[VOCABULARY.size :].any()
    return set(np.flatnonzero(bits).tolist())


def test_mask_is_what_allows_says():
    session = written(Session(pack("gsm8k.rules")), b"So <<48/2=")
    assert allowed(session) == {t for t in range(VOCABULARY.size) if session.allows(t)}
    texts = {TOKENS[token] for token in allowed(session)}
    assert texts == {b"2", b"24"}


def test_why_names_rule_field_and_what_is_right():
    session = written(Session(pack("gsm8k.rules")), b"So <<48/2=")
    refusal = session.why(ord("3"))
    assert refusal is not None
    assert (refusal.rule, refusal.field) == ("Calc.holds", "Calc.result")
    assert refusal.allowed == "24"
    assert session.why(ord("2")) is None


def test_refused_token_changes_nothing():
    session = written(Session(pack("gsm8k.rules")), b"So <<48/2=")
    with pytest.raises(Refused):
        session.accept(ord("3"))
    assert session.text == b"So <<48/2="
    session.accept(ord("2"))


def test_forced_bytes():
    session = Session(pack("invoice.rules"))
    assert session.forced() == b"INVOICE\n- "
    written(session, b"INVOICE\n- ABC-1234 x4 @ $2.50")
    assert session.forced() == b" = $10.00\n"


def test_rollback_restores_masks():
    session = written(Session(pack("invoice.rules")), b"INVOICE\n- ABC-1234 x4")
    before = allowed(session)
    written(session, b" @ $2.5")
    session.rollback(7)
    assert allowed(session) == before
    with pytest.raises(ValueError, match="can't be taken back"):
        session.rollback(1_000)


def test_end_only_where_the_trace_may_end():
    session = written(Session(pack("gsm8k.rules")), b"Two.\n#### 2")
    assert set(VOCABULARY.ends) <= allowed(session)
    session.accept(VOCABULARY.ends[1])
    assert session.finished
    assert session.verdict().verdict == "pass"
    assert not set(VOCABULARY.ends) & allowed(written(Session(pack("gsm8k.rules")), b"Two."))


def test_verdicts_come_as_claims_close():
    session = written(Session(pack("gsm8k.rules")), b"So <<48/2=24>> and ")
    (claim,) = session.verdicts()
    assert (claim.rule, claim.verdict, claim.start, claim.end) == ("holds", "pass", 10, 12)


def test_commit_rule_goes_back_to_its_field_and_bars_the_bytes():
    shapes = (
        'shape Line { "- " sku: text /[A-Z]{3}(-[0-9])?/ "\\n" } '
        'shape All { lines: Line{1..9} "." rule once: distinct(lines.sku) } trace All'
    )
    session = Session(pack(shapes))
    written(session, b"- ABC\n- ABC\n")
    (broken,) = session.violations
    assert (broken.rule, broken.found) == ("once", "ABC")
    assert session.retreat() == 4
    assert session.text.endswith(b"\n- ")
    written(session, b"ABC")
    assert not session.allows(ord("\n"))
    assert session.allows(ord("-"))


def test_budget_completes_the_trace():
    held = pack("gsm8k.rules")
    session = Session(held, budget=24)
    steps = 0
    while not session.finished:
        choices = allowed(session)
        prose = [token for token in choices if TOKENS[token] == b"a"]
        session.accept(prose[0] if prose else max(choices))
        steps += 1
    assert steps <= 24
    assert session.verdict().verdict == "pass"
    with pytest.raises(BadInput, match="may be needed"):
        Session(held, budget=3)


def test_inputs_are_checked():
    held = pack("invoice.rules")
    for wrong in ({"cap": "a"}, {"cap": -1}, {"cap": 0.001}, {"cap": True}, {"top": 1}):
        with pytest.raises(BadInput):
            Session(held, wrong)
    session = written(Session(held, {"cap": 10}), b"INVOICE\n- ABC-1234 x4 @ $")
    refusal = session.why(ord("3"))
    assert refusal is not None
    assert "FIN-7" in refusal.because


def test_equation_in_prose_is_owed_its_result():
    session = written(Session(pack("arithmetic.rules")), b"So 3 + 4 =")
    texts = {TOKENS[token] for token in allowed(session)}
    once = {b" ", b"$", b"7", b"7>>", b"\xc2", b"\xe2"}
    assert texts == once | {b"=", b"= $", b">", b">>"}  # `==` and `=>` are no equation
    written(session, b" 7")
    assert not session.allows(ord("5"))
    assert session.allows(ord("."))


def test_number_may_go_on_behind_a_point():
    shape = 'shape A { prose "x=" v: number prose } trace A'
    session = written(Session(pack(shape)), b"x=24.")
    assert session.allows(ord("5"))
    assert session.allows(ord(" "))
    written(session, b" So.")
    session.accept(VOCABULARY.ends[0])
    assert session.finished


def test_exhausted_says_since_when():
    held = pack("gsm8k.rules")
    session = Session(held, budget=8)
    written(session, b"So 3 a")  # the fewest tokens then: "\\n####", " ", a digit and the end
    assert allowed(session) == set(VOCABULARY.ends)
    verdict = session.verdict()
    assert (verdict.verdict, verdict.at, verdict.token) == ("exhausted", 5, 5)
    assert verdict.to_record()["stopped"]["token"] == 5
    session.rollback(2)
    assert not session.exhausted
    assert session.verdict().verdict == "unparsed"


def test_exhausted_after_every_try():
    shape = 'shape I { t: text /[ab]/ ";" } shape A { xs: I{3} rule r: distinct(xs.t) } trace A'
    session = Session(pack(shape))
    for _ in range(1_000):
        choices = allowed(session)
        if session.exhausted:
            break
        if not session.stuck:
            session.accept(min(choices))
        while session.violations or session.stuck:
            if not session.retreat():
                break
    verdict = session.verdict()
    assert (verdict.verdict, verdict.at, verdict.token) == ("exhausted", 4, 4)
