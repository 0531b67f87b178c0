"""Rules in vLLM's own engine, under every way of scheduling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from asks import MODEL, asks
from run import MODES
from transformers import AutoModelForCausalLM, AutoTokenizer

from rulec.runtime import verify
from rulec.runtime.generate import generate
from rulec.runtime.marker import Writing
from rulec.runtime.requests import read

NEAR = 1e-4
"""Logits so near to each other may change places between two programs."""


@pytest.mark.parametrize("mode", ["plain", "spec", "preempt"])
def test_requests_without_rules_write_what_they_wrote_before(ran, mode):
    ruled = ran(mode)["outputs"]
    free = iter(ran(mode, "free")["outputs"])
    for ask, output in zip(asks(), ruled, strict=True):
        if ask.rules is None:
            assert output == next(free), ask


@pytest.mark.parametrize("mode", MODES)
def test_outputs_keep_their_rules(ran, catalog, vocabulary, mode):
    ran_outputs = ran(mode)
    assert ran_outputs["counted"][0]["refused"] == 0
    assert ran_outputs["counted"][0]["exhausted"] == 0
    for ask, outputs in zip(asks(), ran_outputs["outputs"], strict=True):
        for output in outputs:
            check(ask, output, catalog, vocabulary)


def check(ask, output, catalog, vocabulary):
    if ask.rules is None:
        return
    request = read({"rules": ask.rules})
    writing = Writing(vocabulary)
    tokens = output["tokens"]
    assert output["finish"] == "stop"
    assert tokens[-1] in vocabulary.ends
    text = b"".join(map(writing.text, tokens[:-1]))
    if request.after:
        text = text.partition(request.after)[2]
        text = text.lstrip(b" \t\n\r\v\f")
    machine = catalog.find(request.rules).pack.machine
    verdict = verify(machine, text, request.inputs)
    assert verdict.verdict in ("pass", "vacuous"), (ask, text, verdict)


@pytest.mark.parametrize("mode", ["async", "preempt", "prefix"])
def test_scheduling_changes_nothing(ran, mode):
    assert ran(mode)["outputs"] == ran("plain")["outputs"]


def test_the_cache_changes_nothing(ran):
    assert ran("prefix")["again"] == ran("prefix")["outputs"]


def test_preemption_happened(ran):
    assert ran("preempt")["metrics"]["vllm:num_preemptions"] > 0


@pytest.mark.parametrize("level", [1, 2])
def test_sleep_changes_nothing(ran, level):
    assert ran("plain")[f"slept {level}"] == ran("plain")["outputs"]


def test_workers_tell_what_they_serve(ran, catalog):
    assert ran("plain")["served"] == [dict(catalog.digests)]


def test_forced_text_is_accepted_as_drafts(ran):
    metrics = ran("drafts")["metrics"]
    assert metrics["vllm:spec_decode_num_accepted_tokens"] > 0


@pytest.mark.parametrize("mode", ["spec", "drafts"])
def test_speculation_keeps_greedy_outputs(ran, mode):
    for ask, plain, spec in zip(
        asks(), ran("plain")["outputs"], ran(mode)["outputs"], strict=True
    ):
        if ask.sampling["temperature"] == 0:
            assert plain == spec, ask


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("unknown", "there are no rules `bil`"),
        ("member", "did you mean `with`"),
        ("flat", "did you mean `with`"),
        ("value", "can't be 'x'"),
        ("range", "outside of its range"),
        ("json", "no JSON"),
        ("budget", "no trace is sure to fit 5 tokens"),
        ("commit", "use `rulec serve`"),
        ("audit", "is kept by masks"),
        ("table", "must come with the request"),
        ("resumed", "is not for requests"),
        *(
            (option, f"`{option}` can't stand beside enforced rules")
            for option in (
                *("stop", "ignore_eos", "min_tokens", "bad_words"),
                *("logit_bias", "allowed_token_ids"),
            )
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(ran, wrong, said):
    assert said in ran("plain")["refused"][wrong]


def test_greedy_outputs_are_those_of_the_own_loop(ran, catalog, vocabulary):
    model = AutoModelForCausalLM.from_pretrained(MODEL, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(MODEL)
    for ask, outputs in zip(asks(), ran("plain")["outputs"], strict=True):
        if ask.sampling["temperature"] != 0:
            continue
        (output,) = outputs
        prompt = tokenizer(ask.prompt)["input_ids"]
        own = written(model, prompt, ask, catalog, vocabulary)
        assert same(model, prompt, own, output["tokens"], ask, catalog), ask


def opened(ask, catalog):
    request = read({"rules": ask.rules})
    return catalog.find(request.rules).begin(request, ask.limit)


def written(model, prompt, ask, catalog, vocabulary):
    guide = opened(ask, catalog) if ask.rules else None
    (output,) = generate(
        model, [prompt], [guide], vocabulary=vocabulary, max_new_tokens=ask.limit
    )
    return list(output.tokens)


def same(model, prompt, own, theirs, ask, catalog):
    """Whether two outputs agree up to the first choice between equals."""
    for place, (mine, other) in enumerate(zip(own, theirs, strict=False)):
        if mine != other:
            ids = torch.tensor([[*prompt, *own[:place]]])
            scores = model(ids).logits[0, -1].float()
            if ask.rules:
                guide = opened(ask, catalog)
                for token in own[:place]:
                    guide.accept(token)
                words = np.zeros(-(-len(scores) // 32), np.uint32)
                guide.mask(words)
                bits = np.unpackbits(words.view(np.uint8), bitorder="little")
                assert bits[mine]
                assert bits[other]
            return abs(float(scores[mine] - scores[other])) < NEAR
    return len(own) == len(theirs)
