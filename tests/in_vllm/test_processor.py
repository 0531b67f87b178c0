"""The processor by itself: what a worker can't keep ends at once."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
import torch
from asks import CATALOG, MODEL
from vllm import SamplingParams

from rulec.runtime.vllm import RulesProcessor, enforce, opened

SLOTS, LENGTH = 2, 64


@pytest.fixture
def make(rules, monkeypatch):
    """A processor with a secret, over slots that hold a prompt of three tokens."""
    monkeypatch.setenv("RULEC_VLLM", "")
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "1")
    settings = {"rules": str(rules), "tokenizer": str(MODEL), "secret": "s"}
    monkeypatch.setenv("RULEC_VLLM", json.dumps(settings))
    size = opened()[1].size

    def made(size=size, others=()):
        model = SimpleNamespace(logits_processors=others, max_model_len=LENGTH)
        states = SimpleNamespace(
            vocab_size=size,
            all_token_ids=SimpleNamespace(gpu=torch.zeros(SLOTS, LENGTH, dtype=torch.int32)),
            total_len=SimpleNamespace(gpu=torch.full((SLOTS,), 3)),
            prompt_len=SimpleNamespace(np=torch.full((SLOTS,), 3).numpy()),
        )
        return RulesProcessor(SimpleNamespace(model_config=model), states)

    return made


def ends_at_once(processor, extra, limit=60):
    """Whether a slot may write nothing but its end."""
    params = SamplingParams(max_tokens=limit, extra_args=extra)
    assert processor.add_request(0, params)
    slot = torch.tensor([0])
    context = SimpleNamespace(
        idx_mapping_np=slot.numpy(),
        expanded_idx_mapping=slot,
        expanded_local_pos=torch.tensor([0]),
        input_ids=torch.tensor([0]),
    )
    size = opened()[1].size
    (row,) = processor.apply(torch.zeros(1, size), context)
    return torch.isfinite(row).nonzero().flatten().tolist() == list(opened()[1].ends)


def resumed(**changed):
    digest = opened()[2].find("bill").digest
    return {"secret": "s", "origin": 3, "budget": 40, "digest": digest, "bars": []} | changed


def test_what_a_worker_cannot_keep_ends_at_once(make):
    processor = make()
    assert not ends_at_once(processor, {"rules": "bill"})
    assert not ends_at_once(processor, {"rules": "bill", "rulec_resumed": resumed()})
    unknown = resumed(digest="another")
    assert ends_at_once(processor, {"rules": "bill", "rulec_resumed": unknown})
    assert ends_at_once(processor, {"rules": "bil"})
    assert ends_at_once(processor, {"rules": "bill"}, 5)
    table = {"rules": "stock", "with": {"catalog": {"sha256": "never uploaded"}}}
    assert ends_at_once(processor, {"rules": table})
    there = {"rules": "stock", "with": {"catalog": CATALOG}}
    assert not ends_at_once(processor, {"rules": there})
    assert processor.counts.refused == 4


def test_requests_without_rules_and_audits_are_left_alone(make):
    processor = make()
    for extra in (None, {"other": 1}, {"rules": "bill", "rules_enforce": 0}):
        assert not processor.add_request(1, SamplingParams(extra_args=extra))


def test_packs_under_way_outlive_those_that_replace_them(make):
    processor = make()
    _, _, catalog = opened()
    processor.serve(catalog)
    old = resumed()
    newer = [entry for entry in catalog if entry.name != "bill"]
    processor.serve(type(catalog)(newer))
    assert ends_at_once(processor, {"rules": "bill"})
    assert not ends_at_once(processor, {"rules": "bill", "rulec_resumed": old})


def test_what_would_weaken_masks_stops_the_engine(make):
    with pytest.raises(ValueError, match="could undo"):
        make(others=["a.b:C"])
    with pytest.raises(ValueError, match="logits"):
        make(size=opened()[1].size + 1)


def test_nothing_is_served_without_rules(monkeypatch):
    monkeypatch.delenv("RULEC_VLLM", raising=False)
    with pytest.raises(RuntimeError, match="no rules are named"):
        RulesProcessor.validate_params(SamplingParams())


def test_arguments_for_vllm(rules, monkeypatch):
    monkeypatch.setenv("RULEC_VLLM", "")
    monkeypatch.setenv("VLLM_USE_V2_MODEL_RUNNER", "")
    given = enforce(rules, MODEL)
    assert given["logprobs_mode"] == "processed_logprobs"
    assert "speculative_config" not in given
    assert enforce(rules, MODEL, drafts=3)["speculative_config"]["num_speculative_tokens"] == 3
