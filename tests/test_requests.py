"""What requests say of rules, what policies allow, and which packs there are."""

from __future__ import annotations

import hashlib
import json
from fractions import Fraction

import pytest

from rulec.compiler import Vocabulary
from rulec.runtime.bars import Bar, Bars
from rulec.runtime.catalog import Catalog, CatalogError
from rulec.runtime.policy import Policy, PolicyError, read_policy
from rulec.runtime.requests import RESUMED, BadRequest, Request, read, resumed
from rulec.runtime.tables import Tables

PIECES = tuple(bytes([byte]) for byte in range(256))
VOCABULARY = Vocabulary((*PIECES, None), (256,), 257)
RULES = 'ruleset {name} "1"\nshape A {{ a: int rule r: a > 0 }}\ntrace A\n'


def test_the_same_request_in_three_forms():
    want = Request("bill", {"most": Fraction(99, 10)}, b"</think>", False, ("once",))
    whole = {
        "rules": "bill",
        "with": {"most": 9.9},
        "after": "</think>",
        "enforce": False,
        "audit": ["once"],
    }
    flat = {
        "rules": "bill",
        "rules_with": '{"most": 9.9}',
        "rules_after": "</think>",
        "rules_enforce": 0,
        "rules_audit": "once",
        "another": 1,
    }
    assert read(flat) == want
    assert read({"rules": json.dumps(whole)}) == want
    nested = read({"rules": whole})
    assert nested is not None
    assert float(nested.inputs["most"]) == 9.9
    assert read({"another": 1}) is None
    assert read(None) is None


@pytest.mark.parametrize(
    ("extra", "said"),
    [
        ({"rules": 3}, "name of a ruleset"),
        ({"rules": "{"}, "no JSON"),
        ({"rules": '{"rules": "a", "rules": "b"}'}, "twice"),
        ({"rules": {"rules": "a"}, "rules_with": "{}"}, "can't stand beside it"),
        ({"rules": {"rules": "a", "wth": {}}}, "did you mean `with`"),
        ({"rules": "a", "rules_with": "x" * 2_000_000}, "larger than"),
        ({"rules": "a", "rules_with": '{"x": 1e9999}'}, "too long"),
        ({"rules": "a", "rules_audit": [1]}, "list of rules"),
        ({"rules": "a", RESUMED: {"secret": "guess", "bars": []}}, "is not for requests"),
        ({RESUMED: {}}, "is not for requests"),
    ],
)
def test_malformed_requests_are_refused(extra, said):
    with pytest.raises(BadRequest, match=said):
        read(extra, "secret")


def test_only_the_front_says_where_a_sequence_goes_on():
    bars = Bars([Bar(3, b"\xff\x00x")])
    request = Request("bill", origin=7, budget=20, bars=bars, digest="d")
    extra = {"rules": "bill", RESUMED: resumed(request, "secret")}
    assert json.loads(json.dumps(extra)) == extra
    found = read(extra, "secret")
    assert found is not None
    assert (found.origin, found.budget, found.digest) == (7, 20, "d")
    assert found.bars.held == bars.held
    for secret in ("", "other"):
        with pytest.raises(BadRequest):
            read(extra, secret)


def test_policies_name_who_may_demote():
    digest = hashlib.sha256(b"key").hexdigest()
    policy = Policy(demote=(digest,))
    policy.check(Request("a", enforce=False), "key")
    policy.check(None, "")
    for request in (Request("a", enforce=False), Request("a", audit=("r",))):
        with pytest.raises(BadRequest, match="into audits"):
            policy.check(request, "another")
        Policy(demote=("*",)).check(request, "")


def test_policies_require_rules():
    policy = Policy(required=("a", "b"))
    policy.check(Request("b"), "")
    for request in (None, Request("c")):
        with pytest.raises(BadRequest, match="requires rules"):
            policy.check(request, "")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "object"),
        ("{", "Expecting"),
        ('{"requires": []}', "there is no `requires`"),
        ('{"required": "a"}', "list of strings"),
        ('{"retries": 0}', "above 0"),
        ('{"retries": true}', "above 0"),
        ('{"retries": 1.5}', "above 0"),
    ],
)
def test_policies_that_cannot_be_read(tmp_path, text, said):
    path = tmp_path / "policy.json"
    path.write_text(text)
    with pytest.raises(PolicyError, match=said):
        read_policy(path)


def test_a_policy_is_read(tmp_path):
    path = tmp_path / "policy.json"
    path.write_text('{"required": ["a"], "external_seconds": 0.5}')
    assert read_policy(path) == Policy(required=("a",), external_seconds=0.5)


def test_catalogs_compile_what_has_no_pack(tmp_path):
    (tmp_path / "one.rules").write_text(RULES.format(name="one"))
    catalog = Catalog.open(tmp_path, VOCABULARY)
    pack = catalog.find("one").pack
    pack.save(tmp_path / "one.rulepack")
    assert Catalog.open(tmp_path, VOCABULARY).digests == catalog.digests
    with pytest.raises(BadRequest, match="there are no rules `two`; there are `one`"):
        catalog.find("two")


def test_catalogs_are_whole_or_none(tmp_path):
    with pytest.raises(CatalogError, match="neither packs nor rules"):
        Catalog.open(tmp_path, VOCABULARY)
    (tmp_path / "one.rules").write_text(RULES.format(name="one"))
    (tmp_path / "two.rules").write_text(RULES.format(name="one"))
    with pytest.raises(CatalogError, match="two rulesets are called `one`"):
        Catalog.open(tmp_path, VOCABULARY)
    (tmp_path / "two.rules").write_text("shape A { a: int rule r: b > 0 }\ntrace A\n")
    with pytest.raises(CatalogError, match="R0201"):
        Catalog.open(tmp_path, VOCABULARY)
    (tmp_path / "two.rules").unlink()
    (tmp_path / "one.rulepack").write_bytes(b"damaged")
    with pytest.raises(CatalogError, match=r"one\.rulepack"):
        Catalog.open(tmp_path, VOCABULARY)


def test_a_pack_for_another_vocabulary_is_refused(tmp_path):
    (tmp_path / "one.rules").write_text(RULES.format(name="one"))
    other = Vocabulary((*PIECES, b"ab", None), (257,), 258)
    Catalog.open(tmp_path, other).find("one").pack.save(tmp_path / "one.rulepack")
    with pytest.raises(CatalogError, match="another vocabulary"):
        Catalog.open(tmp_path, VOCABULARY)


def test_tables_are_what_their_digests_say():
    tables = Tables(most=2)
    texts = [json.dumps([{"sku": name}]).encode() for name in "abc"]
    digests = [hashlib.sha256(text).hexdigest() for text in texts]
    for digest, text in zip(digests, texts, strict=True):
        tables.put(digest, text)
    assert tables.filled({"t": {"sha256": digests[2]}, "x": 1}) == {"t": [{"sku": "c"}], "x": 1}
    with pytest.raises(BadRequest, match="upload it first"):
        tables.filled({"t": {"sha256": digests[0]}})
    for digest, text in ((digests[0], texts[1]), (hashlib.sha256(b"{}").hexdigest(), b"{}")):
        with pytest.raises(BadRequest):
            tables.put(digest, text)
