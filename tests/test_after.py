"""Traces behind a marker: what is thought is free, what follows keeps the rules."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.runtime import BadInput, Refused, Session
from rulec.runtime.after import After
from rulec.runtime.marker import BLANK, Marker, Writing

SINGLES = tuple(bytes([byte]) for byte in range(256))
PIECES = (
    *SINGLES,
    *(b"</", b"think", b"k>", b"</think>\n\n", b"</think>a = 1", b"k>\n4", b"k>9", b"k> x"),
    *(b" 1", b" 4", b"\n", b" a", b"\n\n", b"12", b"nk", b"<<"),
)
END, SPECIAL = len(PIECES), len(PIECES) + 1
SIZE = len(PIECES) + 5
TOKENS = (*PIECES, None, None)
SPELLED = Vocabulary(TOKENS, (END,), SIZE, {"<|end|>": END, "</think>": SPECIAL})
BARE = Vocabulary(TOKENS, (END,), SIZE, {"<|end|>": END})
RULES = """
shape Sum { a: int in 0 .. 99 "+" b: int in 0 .. 99 "=" c: int rule sum: c == a + b }
trace Sum
"""
MARKER = b"</think>"


@pytest.fixture(scope="module")
def machine():
    return build(load_text(RULES, "sum.rules").ruleset).machine


@pytest.fixture(scope="module", params=[SPELLED, BARE], ids=["special", "bytes"])
def opening(request, machine):
    vocabulary = request.param
    pack, writing = fit(machine, vocabulary), Writing(vocabulary)

    def begin(budget=60):
        session = Session(pack, budget=budget)
        return After(session, writing.marker(MARKER), writing, budget), session, writing

    return begin


def allowed(guide):
    words = np.zeros(-(-SIZE // 32), np.uint32)
    guide.mask(words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")
    assert not bits[SIZE:].any()
    return set(np.flatnonzero(bits).tolist())


def expected(written, token, writing, session, room):
    """What the definition says, from bytes alone."""
    if token == END and MARKER not in written:
        return False
    before = written.partition(MARKER)[2] if MARKER in written else None
    text = b"" if token == END else writing.text(token)
    if before is None:
        after = (written + text).partition(MARKER)
        if not after[1]:
            return True
        head = after[2].lstrip(BLANK)
        return not head or fits(session, head, room)
    assert not before.strip(BLANK)
    if token >= len(PIECES):
        return False
    head = text.lstrip(BLANK)
    return session.needed <= room if not head else fits(session, head, room)


def fits(session, head, room):
    needed = session.begins(head)
    return needed is not None and needed <= room


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1), budget=st.integers(30, 60))
def test_walks_end_behind_the_marker_within_the_budget(opening, seed, budget):
    chance = np.random.default_rng(seed)
    guide, session, writing = opening(budget)
    written = b""
    while not guide.finished:
        tokens = allowed(guide)
        assert tokens
        left = budget - len(guide.tokens)
        roomy = left - 1 >= writing.marker(MARKER).dearest + session.needed
        if guide.session is None and (roomy or MARKER in written):
            for token in range(SIZE):
                held = expected(written, token, writing, session, left - 1)
                assert (token in tokens) == held, (written, token)
        likely = [t for t in tokens if t >= 256] or sorted(tokens)
        token = int(chance.choice(likely if chance.random() < 0.5 else sorted(tokens)))
        assert guide.allows(token)
        guide.accept(token)
        written += b"" if token == END else writing.text(token)
    assert len(guide.tokens) <= budget
    assert guide.verdict().verdict == "pass"
    trace = written.partition(MARKER)[2].lstrip(BLANK)
    left, _, right = trace.partition(b"=")
    assert sum(map(int, left.split(b"+"))) == int(right)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 2**32 - 1))
def test_rollback_leads_to_the_same_masks(opening, seed):
    chance = np.random.default_rng(seed)
    guide, _, _ = opening(50)
    masks, tokens = [], []
    while not guide.finished:
        masks.append(allowed(guide))
        tokens.append(int(chance.choice(sorted(masks[-1]))))
        guide.accept(tokens[-1])
    for count in (1, len(tokens) // 2, len(tokens)):
        guide.rollback(count)
        kept = len(tokens) - count
        assert list(guide.tokens) == tokens[:kept]
        for place in range(kept, len(tokens)):
            assert allowed(guide) == masks[place]
            guide.accept(tokens[place])


def test_the_end_may_not_stand_before_the_marker(opening):
    guide, _, _ = opening()
    assert not guide.allows(END)
    with pytest.raises(Refused):
        guide.accept(END)


def test_the_budget_must_hold_marker_and_trace(opening):
    with pytest.raises(BadInput, match="may be needed"):
        opening(6)


def test_a_marker_that_overlaps_itself():
    writing = Writing(BARE)
    marker = Marker(b"aab", writing)
    state, rest = 0, None
    for byte in b"xaaab":
        state, rest = marker.after(state, byte)
    assert rest == b""


def test_a_marker_has_some_bytes():
    with pytest.raises(BadInput, match="1 to 64 bytes"):
        Writing(BARE).marker(b"")
