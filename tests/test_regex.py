from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rulec.dsl.codepoints import complement, normal
from rulec.dsl.regex import (
    LARGEST_COUNT,
    Chars,
    Concat,
    RegexError,
    Repetition,
    parse_regex,
)

MODEST = settings(deadline=None, max_examples=2000 if os.environ.get("RULEC_FUZZ") else 60)
REFUSED = [
    ("^a", "anchors (`^`)", 0, 1),
    ("a$", "anchors (`$`)", 1, 2),
    (r"a\Z", "anchors (`\\Z`)", 1, 3),
    (r"\bword", "word boundaries (`\\b`)", 0, 2),
    (r"\B", "word boundaries (`\\B`)", 0, 2),
    ("a*?", "lazy quantifiers", 2, 3),
    ("a{1,2}?", "lazy quantifiers", 6, 7),
    ("a++", "possessive quantifiers", 2, 3),
    ("a**", "repeat of a repeat", 2, 3),
    (r"\p{L}", "unicode properties", 0, 2),
    ("(?i)a", "flags", 0, 2),
    ("(?i:a)", "flags", 0, 2),
    (r"(a)\1", "backreferences (`\\1`)", 3, 5),
    (r"\k<a>", "backreferences (`\\k`)", 0, 2),
    ("(?P=a)", "backreferences", 0, 4),
    ("(?P<a>b)", "named groups", 0, 3),
    ("(?<a>b)", "named groups", 0, 3),
    ("(?=a)", "lookahead", 0, 3),
    ("(?!a)", "lookahead", 0, 3),
    ("(?<=a)", "lookbehind", 0, 4),
    ("(?<!a)", "lookbehind", 0, 4),
    ("(?>a)", "atomic groups", 0, 3),
    ("(?#a)", "comments", 0, 3),
    ("(*FAIL)", "verbs", 0, 2),
    ("[]", "empty class", 0, 2),
    ("[^]", "empty class", 0, 3),
    (r"[^\s\S]", "empty class", 0, 7),
    ("[b-a]", "the range is reversed", 1, 4),
    (r"[\d-z]", "a range needs a character", 1, 5),
    ("[[:alpha:]]", "posix classes", 1, 3),
    ("[a&&b]", "class intersection", 2, 4),
    ("[a[b]]", "`[` inside a class", 2, 3),
    ("a{3,1}", "the repeat's bounds are reversed", 1, 6),
    ("a{1000001}", "repeat counts end at", 2, 9),
    ("a{" + "9" * 5000 + "}", "repeat counts end at", 2, 5002),
    ("a{,}", "`{` starts a repeat", 1, 4),
    ("a{x}", "`{` starts a repeat", 1, 2),
    ("a{1", "`{` starts a repeat", 1, 3),
    ("*a", "`*` repeats nothing", 0, 1),
    ("a|+", "`+` repeats nothing", 2, 3),
    ("(a", "this group is not closed", 0, 1),
    ("a)", "`)` closes nothing", 1, 2),
    ("[a", "this class is not closed", 0, 1),
    ("[a-", "this class is not closed", 0, 1),
    ("a\\", "`\\` at the end", 1, 2),
    (r"\q", "the escape `\\q` has no meaning", 0, 2),
    (r"\0", "`\\0` is not supported", 0, 2),
    (r"\x4", "write `\\xHH`", 0, 3),
    (r"\u{}", "write `\\xHH`", 0, 4),
    (r"\u{41", "write `\\xHH`", 0, 5),
    (r"\u{110000}", "characters end at", 0, 10),
    (r"\ud800", "surrogates are no characters", 0, 6),
    ("\udfff", "surrogates are no characters", 0, 1),
    ("(" * 500, "groups nest deeper than", 40, 41),
]


@pytest.mark.parametrize(("pattern", "message", "start", "end"), REFUSED)
def test_refusal_names_the_construct(pattern, message, start, end):
    with pytest.raises(RegexError) as caught:
        parse_regex(pattern)
    assert caught.value.message.startswith(message)
    assert (caught.value.start, caught.value.end) == (start, end)
    assert "\n" not in caught.value.message


SAME = [
    (r"\d", "[0-9]"),
    (r"\w", "[a-zA-Z0-9_]"),
    (r"\s", r"[\t\n\x0b\x0c\r ]"),
    (r"\D", "[^0-9]"),
    (r"[^\W_]", "[a-zA-Z0-9]"),
    (r"\x41\u0042\u{43}\u{000044}", "ABCD"),
    (r"\/\.\\", r"[/][.][\\]"),
    ("[a-cb-d]", "[a-d]"),
    ("[-a]", r"[\-a]"),
    ("[a-]", r"[\-a]"),
    ("(?:ab)", "(ab)"),
    ("a?", "a{0,1}"),
    ("a*", "a{0,}"),
    ("a{,4}", "a{0,4}"),
    ("a+", "a{1,}"),
    ("a{3}", "a{3,3}"),
    ("()", ""),
    ("é", "\\u00e9"),
    ("]}", r"\]\}"),
    (".", r"[^\n]"),
]


@pytest.mark.parametrize(("pattern", "other"), SAME)
def test_spellings_of_the_same(pattern, other):
    one, two = parse_regex(pattern), parse_regex(other)
    assert one == two
    assert hash(one) == hash(two)
    assert (str(one), str(two)) == (pattern, other)


def test_tree():
    digit = Chars(((48, 57),))
    want = Concat((Chars(((45, 45),)), Repetition(digit, 2, LARGEST_COUNT)))
    assert parse_regex(r"-\d{2,1000000}").node == want


def test_no_class_holds_a_surrogate():
    for pattern in (".", r"\W", r"[^a]", r"[\ud7ff-\ue000]".replace("ud7ff", "u{d7ff}")):
        node = parse_regex(pattern).node
        assert isinstance(node, Chars)
        assert all(high < 0xD800 or low > 0xDFFF for low, high in node.points)


@MODEST
@given(st.text(alphabet="ab()[]{}|*+?\\^$.,-0129xud:<=!\n é", max_size=14))
def test_any_text_parses_or_is_refused(pattern):
    span = refused_span(pattern)
    assert span is None or 0 <= span[0] <= span[1] <= len(pattern)


def refused_span(pattern):
    try:
        parse_regex(pattern)
    except RegexError as error:
        return error.start, error.end
    return None


RANGES = st.tuples(st.integers(0, 0x10FFFF), st.integers(0, 300)).map(
    lambda pair: (pair[0], min(pair[0] + pair[1], 0x10FFFF))
)


@MODEST
@given(st.lists(RANGES))
def test_complement_twice_is_the_same(ranges):
    points = normal(ranges)
    assert complement(complement(points)) == points
    assert normal((*points, *complement(points))) == complement(())
