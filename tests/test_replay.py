"""Masks computed again, and what they did to a distribution, against exact probabilities."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.runtime import Session, replay
from rulec.runtime.generate import generate
from rulec.runtime.host import Host
from rulec.runtime.kept import Step, log_mass, log_policy, on_policy

torch.set_num_threads(1)

PIECES = (*(bytes([byte]) for byte in b"0123456789+=;"), b"1+", b"=2", None)
END = len(PIECES) - 1
VOCABULARY = Vocabulary(PIECES, (END,), len(PIECES))
SUM = """
shape Sum {
    a: int in 0..2 "+" b: int in 0..2 "=" c: int in 0..3
    rule sum: c == a + b
}
trace Sum
"""
ONCE_COMMIT = """
shape I { t: text /[0-3]{1,2}/ ";" }
shape All { xs: I{3} rule once: distinct(xs.t) }
trace All
"""
LIMIT = 8


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=len(PIECES) + 2,
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        initializer_range=0.8,
        bos_token_id=0,
        eos_token_id=END,
    )
    return LlamaForCausalLM(config).eval()


def host_of(source):
    return Host(fit(build(load_text(source).ruleset).machine, VOCABULARY))


@pytest.fixture(scope="module")
def host():
    return host_of(SUM)


PROMPT = [0, 5]


def log_free(model, tokens, temperature):
    """The exact free distribution behind some tokens."""
    with torch.no_grad():
        scores = model(input_ids=torch.tensor([PROMPT + tokens])).logits[0, -1]
    return torch.log_softmax(scores.double() / temperature, 0)


def allowed_of(session):
    words = np.zeros((len(PIECES) + 31) // 32, np.uint32)
    session.mask(words)
    bits = np.unpackbits(words.view(np.uint8), bitorder="little")[: len(PIECES)]
    return [token for token in range(len(PIECES)) if bits[token]]


def every_trace(model, host, temperature):
    """All traces that masks allow: tokens, their free and their masked log probability."""
    found = {}

    def go(tokens, free, masked):
        session = Session(host.pack, None, LIMIT, host)
        for token in tokens:
            session.accept(token)
        if session.finished:
            found[tuple(tokens)] = free, masked
            return
        logs = log_free(model, tokens, temperature)
        allowed = allowed_of(session)
        kept = torch.logsumexp(logs[allowed], 0)
        for token in allowed:
            go([*tokens, token], free + float(logs[token]), masked + float(logs[token] - kept))

    go([], 0.0, 0.0)
    return found


def sampled(model, host, count, temperature, seed=0, **options):
    return generate(
        model,
        [PROMPT] * count,
        [Session(host.pack, None, LIMIT, host) for _ in range(count)],
        vocabulary=VOCABULARY,
        max_new_tokens=LIMIT,
        temperature=temperature,
        seed=seed,
        traced=True,
        **options,
    )


@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_log_kept_against_exact_probabilities(model, host, temperature):
    exact = every_trace(model, host, temperature)
    assert math.fsum(math.exp(masked) for _, masked in exact.values()) == pytest.approx(1)
    counts = Counter()
    outputs = sampled(model, host, 300, temperature)
    for output in outputs:
        free, masked = exact[output.tokens]
        assert len(output.steps) == len(output.tokens)
        assert sum(step.log_probability for step in output.steps) == pytest.approx(
            free, abs=1e-4
        )
        assert sum(step.log_masked for step in output.steps) == pytest.approx(masked, abs=1e-4)
        assert log_mass(output) == pytest.approx(free - masked, abs=1e-4)
        assert all(step.log_kept <= 0 for step in output.steps)
        counts[output.tokens] += 1
    # Samples follow the masked probabilities.
    for tokens, (_, masked) in exact.items():
        chance = math.exp(masked)
        spread = math.sqrt(chance * (1 - chance) / len(outputs))
        assert abs(counts[tokens] / len(outputs) - chance) < 5 * spread + 1e-3
    # The weight exp(log mass) takes their mean to the free probability of all valid traces.
    valid = math.fsum(math.exp(free) for free, _ in exact.values())
    weights = [math.exp(log_mass(output)) for output in outputs]
    mean = math.fsum(weights) / len(weights)
    error = np.std(weights) / math.sqrt(len(weights))
    assert abs(mean - valid) < 5 * error + 1e-9
    # Masked sampling is not the free policy given that the trace is valid.
    far = max(abs(math.exp(m) - math.exp(f) / valid) for f, m in exact.values())
    assert far > 0.01


def test_forced_tokens_and_the_rules_that_remove_mass(model, host):
    outputs = sampled(model, host, 20, 1.0, removers=len(PIECES))
    steps = [step for output in outputs for step in output.steps]
    assert any(step.forced for step in steps)
    assert not all(step.forced for step in steps)
    for step in steps:
        if step.forced:
            assert step.log_masked == pytest.approx(0, abs=1e-6)
        told = math.fsum(mass for _, mass in step.removed)
        beyond = 1 - math.exp(step.log_kept) - told  # tokens past the vocabulary have no reason
        assert -1e-6 < beyond < 1
    assert {name for step in steps for name, _ in step.removed} >= {"", "Sum.sum"}
    free = generate(
        model,
        [PROMPT],
        [None],
        vocabulary=VOCABULARY,
        max_new_tokens=4,
        temperature=1.0,
        traced=True,
    )
    assert all(step.log_kept == 0 and not step.forced for step in free[0].steps)


def test_replayed_masks_are_those_of_sampling(model, host):
    class Noted(Session):
        def mask(self, out):
            super().mask(out)
            self.seen[len(self.tokens)] = out.copy()

    sessions = []
    for _ in range(30):
        session = Noted(host.pack, None, LIMIT, host)
        session.seen = {}
        sessions.append(session)
    outputs = generate(
        model,
        [PROMPT] * 30,
        sessions,
        vocabulary=VOCABULARY,
        max_new_tokens=LIMIT,
        temperature=1.5,
        traced=True,
    )
    for session, output in zip(sessions, outputs, strict=True):
        ids = [*PROMPT, *output.tokens]
        masks = replay(ids, host.pack, origin=len(PROMPT), budget=LIMIT)
        assert len(masks) == len(output.tokens)
        for place, mask in enumerate(masks):
            assert (mask.allowed == session.seen[place]).all()
            assert mask.forced == output.steps[place].forced


def test_replay_with_bars_after_rollback(model):
    host = host_of(ONCE_COMMIT)
    assert any(rule.tier == "commit" for rule in host.pack.machine.rules)
    random, tried = Random(1), 0
    for _ in range(60):
        session = Session(host.pack, None, None, host)
        seen = {}
        while not session.finished:
            allowed = allowed_of(session)
            if session.stuck:
                if not session.retreat():
                    break
                continue
            seen[len(session.tokens)] = allowed
            session.accept(random.choice(allowed))
            while session.violations and session.retreat():
                pass
        if session.exhausted:
            continue
        tried += bool(session.bars)
        masks = replay(session.tokens, host.pack, bars=session.bars, host=host)
        for place, mask in enumerate(masks):
            bits = np.unpackbits(mask.allowed.view(np.uint8), bitorder="little")
            assert np.flatnonzero(bits).tolist() == seen[place]
    assert tried > 5


def test_what_was_not_sampled_like_this_is_refused(host):
    with pytest.raises(ValueError, match="token 12 at place 2"):
        replay([0, 0, 12], host.pack, origin=2)
    with pytest.raises(ValueError, match="not allowed"):
        replay([len(PIECES) + 9], host.pack)


def test_rolled_back_traces_are_left_out(model):
    host = host_of(ONCE_COMMIT)
    outputs = generate(
        model,
        [PROMPT] * 40,
        [Session(host.pack, None, None, host) for _ in range(40)],
        vocabulary=VOCABULARY,
        max_new_tokens=40,
        temperature=3.0,
        traced=True,
    )
    back = [output for output in outputs if output.rollbacks]
    assert back
    assert all(len(output.steps) == len(output.tokens) for output in outputs)
    assert len(on_policy(outputs)) == len(outputs) - len(back)
    assert len(on_policy(outputs, rolled_back=True)) == len(outputs)
    assert isinstance(back[0].steps[0], Step)


def test_truncation_comes_behind_the_mask():
    torch.manual_seed(0)
    for seed in range(30):
        random = Random(seed)
        scores = torch.randn(3, 12, dtype=torch.float64) * 2
        allowed = torch.rand(3, 12) < 0.6
        allowed[:, seed % 12] = True
        t, k = random.choice([0.5, 1.0]), random.choice([0, 1, 4])
        p, m = random.choice([1.0, 0.7]), random.choice([0.0, 0.1])
        got = log_policy(scores, t, allowed, top_k=k, top_p=p, min_p=m)
        for row in range(3):
            chances = torch.softmax(scores[row] / t, 0).tolist()
            held = {n: chances[n] for n in range(12) if allowed[row, n]}
            top = max(held.values())
            held = {n: c for n, c in held.items() if c >= m * top - 1e-15}
            ranked = sorted(held, key=lambda n: -held[n])[: k or None]
            total, sums, kept = sum(held[n] for n in ranked), 0.0, []
            for token in ranked:
                if sums / total < p:
                    kept.append(token)
                sums += held[token]
            share = sum(chances[n] for n in kept)
            for token in range(12):
                want = math.log(chances[token] / share) if token in kept else -math.inf
                assert float(got[row, token]) == pytest.approx(want, abs=1e-9)
    free = log_policy(scores)
    kept = torch.logsumexp(free.masked_fill(~allowed, -torch.inf), 1, keepdim=True)
    masked = log_policy(scores, 1.0, allowed)
    assert torch.allclose((free - kept)[allowed], masked[allowed])
