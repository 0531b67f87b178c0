from __future__ import annotations

import os
import re
import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.compiler.automata import (
    foreign_digits,
    literals_dfa,
    longest,
    regex_dfa,
    search_dfa,
    shortest,
    utf8_dfa,
)
from rulec.compiler.derivatives import TooLarge
from rulec.dsl.regex import parse_regex

MODEST = settings(deadline=None, max_examples=2000 if os.environ.get("RULEC_FUZZ") else 60)
ATOMS = ["a", "b", "1", "é", "€", "😀", ".", r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\/"]
ATOMS += ["[ab]", "[^a]", "[a-z1]", "[à-€]", r"[^\d\n]", r"[\u0800-\uffff]", "()", r"\.", "\\n"]
COUNTS = ["*", "+", "?", "{2}", "{1,3}", "{2,}", "{,2}", "{0}"]


def repeats(inner):
    return st.tuples(inner, st.sampled_from(COUNTS)).map(lambda two: f"(?:{two[0]}){two[1]}")


def sequences(inner):
    return st.lists(inner, min_size=1, max_size=4).map("".join)


def choices(inner):
    return st.lists(inner, min_size=2, max_size=3).map(lambda options: f"({'|'.join(options)})")


PATTERNS = st.recursive(
    st.sampled_from(ATOMS),
    lambda inner: repeats(inner) | sequences(inner) | choices(inner),
    max_leaves=8,
)
TEXTS = st.text(alphabet="ab1é€😀\n ./", max_size=7)


def python_regex(pattern):
    return re.compile(pattern, re.ASCII)


@MODEST
@given(PATTERNS, st.data())
def test_regex_dfa_agrees_with_python(pattern, data):
    dfa = regex_dfa(parse_regex(pattern))
    peer = python_regex(pattern)
    text = data.draw(TEXTS | st.from_regex(peer, fullmatch=True).filter(encodable))
    assert dfa.accepts(text.encode()) == bool(peer.fullmatch(text))


@MODEST
@given(PATTERNS, TEXTS)
def test_search_dfa_agrees_with_python(pattern, text):
    dfa = search_dfa(parse_regex(pattern))
    peer = python_regex(pattern)
    for end in range(len(text) + 1):
        ended = any(peer.fullmatch(text, start, end) for start in range(end + 1))
        assert dfa.accepts(text[:end].encode()) == ended


@MODEST
@given(PATTERNS)
def test_regex_dfa_is_trim_and_minimal(pattern):
    dfa = regex_dfa(parse_regex(pattern))
    assert len(futures(dfa)) == len(dfa.transitions)
    live = set(dfa.accepting)
    for _ in dfa.transitions:
        live |= {n for n, row in enumerate(dfa.transitions) if live & set(row)}
    assert live == set(range(len(dfa.transitions)))


def futures(dfa):
    """The classes of states that no text tells apart, by Moore's method."""
    label = [state in dfa.accepting for state in range(len(dfa.transitions))]
    while True:
        seen = {}
        finer = []
        for state, row in enumerate(dfa.transitions):
            key = label[state], tuple(-1 if n < 0 else label[n] for n in row)
            finer.append(seen.setdefault(key, len(seen)))
        if len(set(finer)) == len(set(label)):
            return seen
        label = finer


def encodable(text):
    return not any(unicodedata.category(char) == "Cs" for char in text)


@MODEST
@given(PATTERNS)
def test_lengths_bound_the_texts(pattern):
    dfa = regex_dfa(parse_regex(pattern))
    least, most = shortest(dfa), longest(dfa)
    texts = {0: {0}}
    for length in range(1, 30):
        texts[length] = {n for state in texts[length - 1] for n in dfa.transitions[state]} - {
            -1
        }
    lengths = {n for n, states in texts.items() if states & dfa.accepting}
    assert min(lengths, default=30) == min(least, 30)
    assert most is None or most >= 30 or max(lengths) == most


EQUAL = [
    ("(a|b)*", "(a*b*)*"),
    ("a{2,4}", "aa|aaa|aaaa"),
    ("(a?){3}", "a{0,3}"),
    ("a(b|c)|a(c|d)", "a[b-d]"),
    (r"(.|\n)*", r"[\s\S]*"),
]


@pytest.mark.parametrize(("one", "two"), EQUAL)
def test_equal_languages_have_equal_automata(one, two):
    assert regex_dfa(parse_regex(one)) == regex_dfa(parse_regex(two))


LARGE = [
    "(a|b)*a(a|b){30}",
    ".{1000000}",
    "(a{1000}){1000}",
    "((a{0,50}){0,50}){0,50}",
    "(.*a){1000}",
    "a?" * 2000 + "a" * 2000,
    "((((.*a){9}.*b){9}.*c){9}.*d){9}",
]


@pytest.mark.parametrize("pattern", LARGE)
@pytest.mark.parametrize("build", [regex_dfa, search_dfa])
def test_too_large_is_said_soon(build, pattern):
    began = time.monotonic()
    with pytest.raises(TooLarge):
        build(parse_regex(pattern))
    assert time.monotonic() - began < 30


def test_counts_need_no_room_of_their_own():
    assert longest(regex_dfa(parse_regex("(a?){5000}"))) == 5000


UNICODE = utf8_dfa()
WITHOUT_DIGITS = utf8_dfa(foreign_digits())
BYTES = st.binary(max_size=8) | st.text(max_size=4).filter(encodable).map(str.encode)
EDGES = [b"\xc0\x80", b"\xe0\x9f\xbf", b"\xe0\xa0\x80", b"\xed\x9f\xbf", b"\xed\xa0\x80"]
EDGES += [b"\xf0\x8f\xbf\xbf", b"\xf0\x90\x80\x80", b"\xf4\x8f\xbf\xbf", b"\xf4\x90\x80\x80"]


@MODEST
@given(BYTES | st.sampled_from(EDGES))
def test_utf8_dfa_agrees_with_python(text):
    try:
        decoded = text.decode()
    except UnicodeDecodeError:
        assert not UNICODE.accepts(text)
        return
    assert UNICODE.accepts(text)
    foreign = any(unicodedata.category(c) == "Nd" and not c.isascii() for c in decoded)
    assert WITHOUT_DIGITS.accepts(text) != foreign


def test_every_foreign_digit_is_refused():
    assert 0x0663 in foreign_digits()
    assert ord("²") not in foreign_digits()
    assert not any(WITHOUT_DIGITS.accepts(chr(point).encode()) for point in foreign_digits())
    assert WITHOUT_DIGITS.accepts("0123456789 ²½ 漢字".encode())


@MODEST
@given(st.lists(st.binary(max_size=4), max_size=12), st.binary(max_size=5))
def test_literals_dfa_tells_which_word(words, text):
    dfa, word_at = literals_dfa(words)
    assert dfa.accepts(text) == (text in words)
    for word in words:
        state = 0
        for byte in word:
            state = dfa.transitions[state][byte]
        assert word_at[state] == words.index(word)


def test_literals_dfa_is_bounded():
    with pytest.raises(TooLarge):
        literals_dfa([b"a" * 30_000])


def test_no_words_no_length():
    assert shortest(literals_dfa([])[0]) is None
