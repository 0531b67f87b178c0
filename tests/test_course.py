"""Sequences as their verifier follows them: what goes back, and what is shown before."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.runtime import Externals, Refused, Session
from rulec.runtime.bars import Bars
from rulec.runtime.course import Course

PIECES = (
    *(bytes([byte]) for byte in range(256)),
    *(b" b", b" a", b"ab", b"a b", b"1 2", b"3\n", b" 4\n", b"words:", b"2\n1", b"b ab"),
)
END = len(PIECES)
VOCABULARY = Vocabulary((*PIECES, None), (END,), END + 1)
WORDS = """
type Word = text /[ab]{1,2}/
shape Words {
    "words: " words: Word{3..5 sep " "} "."
    rule once: distinct(words)
}
trace Words
"""
PAIRS = """
external lucky(int) -> bool
shape Pair { a: int in 0 .. 9 " " b: int in 0 .. 9 "\\n" rule lucky: lucky(a + b) }
shape Pairs { pairs: Pair{2..3} "." }
trace Pairs
"""
LUCKY = Externals({"lucky": lambda total: total % 3 == 0})
BUDGET = 40


@pytest.fixture(scope="module", params=[WORDS, PAIRS], ids=["words", "pairs"])
def pack(request):
    return fit(build(load_text(request.param, "x.rules").ruleset).machine, VOCABULARY)


def begun(pack, bars=Bars()):  # noqa: B008
    functions = LUCKY if pack.machine.externals else None
    return Session(pack, budget=BUDGET, externals=functions, bars=bars)


def drawn(session, chance):
    words = np.zeros(session.pack.table.words, np.uint32)
    session.mask(words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    return int(chance.choice(np.flatnonzero(bits)))


@settings(deadline=None, max_examples=30)
@given(seed=st.integers(0, 2**32 - 1), streamed=st.booleans())
def test_what_is_kept_holds_and_what_was_shown_stays(pack, seed, streamed):
    """Another session, told only tokens and bars, makes the masks: as in a worker."""
    chance = np.random.default_rng(seed)
    course = Course(begun(pack), streamed=streamed)
    worker, shown = begun(pack), []
    for _ in range(2_000):
        token = drawn(worker, chance)
        worker.accept(token)
        before = len(course.kept)
        dropped = course.take(token)
        if dropped:
            assert before - len(course.kept) in (dropped, dropped - 1)
            worker = begun(pack, course.bars)
            for kept in course.kept:
                worker.accept(kept)
        assert course.kept[: len(shown)] == shown
        assert course.shown >= len(shown)
        shown = course.kept[: course.shown] if streamed or course.over else []
        if course.over:
            break
    verdict = course.verdict()
    assert verdict.verdict in ("pass", "exhausted", "violate")
    if not streamed and course.rollbacks < course.retries:
        assert verdict.verdict in ("pass", "exhausted")
    if verdict.verdict == "pass":
        assert shown == course.kept


def test_text_is_shown_up_to_the_claim_under_way():
    pack = fit(build(load_text(PAIRS, "x.rules").ruleset).machine, VOCABULARY)
    course = Course(begun(pack), streamed=True)
    shown = []
    for token in VOCABULARY.encode_greedy(b"1 2\n4 5\n."):
        course.take(token)
        shown.append(b"".join(PIECES[one] for one in course.kept[: course.shown]))
    assert shown == [b"", b"1 2\n", b"1 2\n", b"1 2\n", b"1 2\n", b"1 2\n4 5\n", b"1 2\n4 5\n."]


def test_a_violation_goes_back_to_its_field():
    pack = fit(build(load_text(PAIRS, "x.rules").ruleset).machine, VOCABULARY)
    course = Course(begun(pack))
    dropped = [course.take(token) for token in map(PIECES.index, (b"1", b" ", b"3", b"\n"))][
        -2:
    ]
    assert any(dropped)
    assert b"".join(PIECES[token] for token in course.kept) == b"1 "
    assert course.bars.held[0].start == 2


def test_a_token_that_masks_bar_is_an_error():
    pack = fit(build(load_text(PAIRS, "x.rules").ruleset).machine, VOCABULARY)
    with pytest.raises(Refused):
        Course(begun(pack)).take(PIECES.index(b"x"))


def test_demoted_rules_send_nothing_back():
    pack = fit(build(load_text(PAIRS, "x.rules").ruleset).machine, VOCABULARY)
    session = begun(pack)
    session.demoted = frozenset({"lucky"})
    course = Course(session, streamed=True)
    for token in (*VOCABULARY.encode_greedy(b"1 3\n1 1\n."), END):
        assert course.take(token) == 0
        assert course.shown == len(course.kept)
    assert course.verdict().verdict == "pass"
    assert [claim.verdict for claim in course.verdict().claims] == ["violate", "violate"]
