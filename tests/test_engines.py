"""The host engine against brute force over the reference engine, bit for bit."""

from __future__ import annotations

import os
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute import Brute
from hypothesis import given
from hypothesis import strategies as st
from rulesets import SEEDS, author, built, letters_of, many, seeded, vocabulary

from rulec.compiler import Machine, Pack, PackError, Vocabulary, build, fit, load_vocabulary
from rulec.dsl import load
from rulec.runtime import BadInput, Externals, Refused, Session
from rulec.runtime import inputs as given_inputs
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.fit import Words
    from rulec.runtime.reference import Config

EXAMPLES = Path(__file__).parent.parent / "examples"
TOKENIZERS = os.environ.get("RULEC_TOKENIZERS", "")


def shown(mask: Words, other: Words, pack: Pack) -> str:
    """Which tokens two masks differ in."""
    lines = []
    for word in np.flatnonzero(mask ^ other).tolist():
        for bit in range(32):
            if (int(mask[word]) ^ int(other[word])) >> bit & 1:
                token = 32 * word + bit
                text = pack.table.text(token) if token < pack.size else b"beyond the end"
                lines.append(f"{token} {text!r} host={int(mask[word]) >> bit & 1}")
    return "; ".join(lines[:6])


def compare_walk(
    pack: Pack,
    host: Host,
    brute: Brute,
    r: Random,
    steps: int,
    *,
    inputs: Mapping[str, object] | None = None,
    externals: Externals | None = None,
) -> None:
    """Walk at random and compare every mask, every reading, and what is forced."""
    start = brute.engine.start(given_inputs.registers(pack.machine, inputs))
    if not start.threads:
        return
    session = Session(pack, inputs, host=host, externals=externals)
    out = np.full((pack.size + 31) // 32, 0xFFFFFFFF, np.uint32)
    config, at, written = start, 0, b""
    for _ in range(steps):
        found = brute.allowed(config, at)
        tokens = set(found)
        if brute.engine.ending(config, at) is not None:
            tokens |= set(pack.ends)
        want = brute.mask(tokens)
        host.fill(config, at, out)
        assert np.array_equal(out, want), f"after {written!r}: {shown(out, want, pack)}"
        check_forced(session, brute, found, written)
        if not found:
            break
        session_mask(session, want, written)
        token = r.choice(sorted(found))
        reached = host.advance(config, token, at)
        assert reached.threads == found[token].threads, f"{written!r} + {token}"
        session.accept(token)
        config, text = found[token], pack.table.text(token)
        at, written = at + len(text), written + text
    check_rollback(session, brute, r, inputs, externals)


def session_mask(session: Session, want: Words, written: bytes) -> None:
    out = np.zeros_like(want)
    session.mask(out)
    assert np.array_equal(out, want), f"the session's mask after {written!r}"


def check_forced(
    session: Session, brute: Brute, found: dict[int, Config], written: bytes
) -> None:
    """What is said to be forced is what every allowed token agrees with."""
    forced = session.forced()
    if forced:
        texts = {brute.pack.table.text(token) for token in found}
        assert texts
        for text in texts:
            same = min(len(text), len(forced))
            assert text[:same] == forced[:same], (written, forced, text)


def check_rollback(
    session: Session,
    brute: Brute,
    r: Random,
    inputs: Mapping[str, object] | None = None,
    externals: Externals | None = None,
) -> None:
    tokens = session.tokens
    count = r.randint(0, len(tokens))
    session.rollback(count)
    kept = tokens[: len(tokens) - count]
    assert session.tokens == kept
    again = Session(brute.pack, inputs, externals=externals)
    for token in kept:
        again.accept(token)
    one = np.zeros((brute.pack.size + 31) // 32, np.uint32)
    other = np.zeros_like(one)
    session.mask(one)
    again.mask(other)
    assert np.array_equal(one, other)
    assert session.verdicts() == again.verdicts()


def fitted(machine: Machine | None, r: Random) -> Pack | None:
    return None if machine is None else fit(machine, vocabulary(r, letters_of(machine)))


@seeded(10, 2_000)
@given(SEEDS, st.booleans())
def test_masks_are_those_of_the_reference(seed: int, watches: bool) -> None:
    r = Random(seed)
    pack = fitted(built(author(r, watches=watches)), r)
    if pack is not None:
        host, brute = Host(pack), Brute(pack)
        for _ in range(2):
            compare_walk(pack, host, brute, r, 14)


@seeded(10, 2_000)
@given(SEEDS)
def test_masks_within_a_budget(seed: int) -> None:
    r = Random(seed)
    pack = fitted(built(author(r)), r)
    if pack is None:
        return
    host, brute = Host(pack), Brute(pack)
    start = brute.engine.start(given_inputs.registers(pack.machine, None))
    if not start.threads:
        return
    budget = brute.budget.cost(start) + 1 + r.randint(0, 8)
    session = Session(pack, budget=budget, host=host)
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    config, at = start, 0
    for taken in range(budget):
        found = brute.allowed(config, at, budget - taken - 2)
        tokens = set(found)
        if brute.engine.ending(config, at) is not None:
            tokens |= set(pack.ends)
        session.mask(out)
        if session.exhausted:
            assert not tokens
            return
        want = brute.mask(tokens)
        assert np.array_equal(out, want), f"{session.text!r}: {shown(out, want, pack)}"
        assert all(
            session.allows(token) for token in r.sample(sorted(tokens), min(8, len(tokens)))
        )
        if not found:
            return
        token = r.choice(sorted(found))
        session.accept(token)
        config, at = found[token], at + len(pack.table.text(token))


@seeded(10, 2_000)
@given(SEEDS)
def test_mask_allows_accept_and_why_agree(seed: int) -> None:
    r = Random(seed)
    pack = fitted(built(author(r)), r)
    if pack is None:
        return
    try:
        session = Session(pack)
    except BadInput:
        return
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for _ in range(8):
        session.mask(out)
        if session.exhausted:
            return
        allowed = [t for t in range(pack.size) if out[t // 32] >> (t % 32) & 1]
        refused = sorted(set(range(pack.size)) - set(allowed))
        for token in r.sample(refused, min(6, len(refused))):
            assert not session.allows(token)
            assert session.why(token) is not None
            with pytest.raises(Refused):
                session.accept(token)
        for token in r.sample(allowed, min(6, len(allowed))):
            assert session.allows(token)
            assert session.why(token) is None
        session.accept(r.choice(allowed))
        if session.finished:
            return


@seeded(10, 2_000)
@given(SEEDS)
def test_barred_bytes_are_barred_whatever_their_tokens(seed: int) -> None:
    """After a retreat a mask is the brute one without what would spell barred bytes again."""
    r = Random(seed)
    pack = fitted(built(author(r, prose=False)), r)
    if pack is None or all(rule.tier != "commit" for rule in pack.machine.rules):
        return
    try:
        session = Session(pack)
    except BadInput:
        return
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    barred: list[bytes] = []
    for _ in range(60):
        session.mask(out)
        if session.stuck:
            assert session.retreat() or session.exhausted
            continue
        if session.exhausted or session.finished:
            return
        allowed = [t for t in range(pack.size) if out[t // 32] >> (t % 32) & 1]
        for token in allowed:
            if token not in pack.ends:
                text = session.text + pack.table.text(token)
                assert not any(text.startswith(bar) for bar in barred), (text, barred)
        session.accept(r.choice(allowed))
        if session.violations:
            whole = session.text
            session.retreat()
            if session.exhausted:
                return
            kept = session.text
            assert whole.startswith(kept)
            barred = [bar for bar in barred if kept.startswith(bar[: len(kept)])]
            masks_bar(session, whole, kept)


def masks_bar(session: Session, whole: bytes, kept: bytes) -> None:
    """The token that led astray is refused where its bytes alone broke the rule."""
    pack = session.pack
    for token in range(pack.size):
        text = pack.table.text(token)
        if text and (kept + text) == whole and token not in pack.ends:
            assert not session.allows(token)


# --- real tokenizers ---


def tokenizers() -> list[Path]:
    """Files named by `RULEC_TOKENIZERS`, one folder or file after the other (`:` between)."""
    return [Path(part) for part in TOKENIZERS.split(":") if part and Path(part).exists()]


@pytest.mark.skipif(not tokenizers(), reason="RULEC_TOKENIZERS names no tokenizer")
@pytest.mark.parametrize("path", tokenizers(), ids=lambda path: path.name)
@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.rules")), ids=lambda p: p.stem)
def test_examples_on_real_tokenizers(path: Path, example: Path) -> None:
    ruleset = load(example).ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert machine is not None
    words = load_vocabulary(path)
    if not words.ends:
        words = words.with_size(words.size + 1).with_ends([words.size])
    try:
        pack = fit(machine, words)
    except PackError as missing:
        pytest.skip(str(missing))
    host, brute = Host(pack), Brute(pack)
    for seed in range(many(2, 40)):
        compare_walk(pack, host, brute, Random(seed), many(12, 60))


def test_a_vocabulary_without_a_needed_byte_is_refused() -> None:
    machine = built("trace int")
    assert machine is not None
    tokens = tuple(bytes((byte,)) for byte in range(256) if byte != ord("7"))
    with pytest.raises(PackError, match="0x37"):
        fit(machine, Vocabulary((*tokens, None), (255,), 256))
