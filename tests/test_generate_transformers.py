"""The logits processor inside `model.generate(...)`, on small random models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LogitsProcessorList

from rulec.runtime.generate import generate
from rulec.runtime.transformers import RulesProcessor

# More threads than cores wait for each other when several test processes run.
torch.set_num_threads(1)

SIZE = 37
WIDTH = 40
END = 36
PAD = 35


def small_model(seed: int) -> LlamaForCausalLM:
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WIDTH,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.4,
        bos_token_id=0,
        eos_token_id=END,
        pad_token_id=PAD,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module")
def model():
    return small_model(7)


@dataclass
class Vocabulary:
    tokens: tuple[bytes | None, ...] = (*(bytes([65 + n]) for n in range(SIZE - 1)), None)
    ends: tuple[int, ...] = (END,)
    size: int = SIZE


@dataclass
class Climb:
    """`count` tokens below 35, each one to four above the one before, round the clock."""

    count: int
    ids: list[int] = field(default_factory=list)
    finished: bool = False
    exhausted: bool = False
    since: None = None
    stuck: bool = False
    violations: tuple[()] = ()

    def allowed(self):
        if len(self.ids) == self.count:
            return [END]
        last = self.ids[-1] if self.ids else 0
        return [(last + step) % 35 for step in (1, 2, 3, 4)]

    def mask(self, out):
        for token in self.allowed():
            out[token // 32] |= np.uint32(1 << token % 32)

    def allows(self, token):
        return token in self.allowed()

    def accept(self, token):
        assert self.allows(token)
        self.finished = token == END
        if not self.finished:
            self.ids.append(token)

    def rollback(self, count):
        assert not self.finished
        del self.ids[len(self.ids) - count :]

    def forced(self):
        return b""

    def retreat(self):
        return 0

    def verdicts(self):
        return ()


def processor(**options):
    return RulesProcessor(
        lambda row, rows: Climb(5 + row % 3), size=SIZE, ends=[END], **options
    )


def run(model, ids, guide, **options):
    return model.generate(
        ids,
        attention_mask=(ids != PAD).long(),
        logits_processor=LogitsProcessorList([guide]),
        max_new_tokens=12,
        **options,
    )


def written(row, start):
    tokens = row[start:].tolist()
    assert END in tokens
    return tokens[: tokens.index(END)]


def follows(tokens, count):
    guide = Climb(count)
    for token in [*tokens, END]:
        guide.accept(token)
    return guide.finished


BATCH = torch.tensor([[PAD, PAD, 1, 2], [3, 4, 5, 6], [PAD, 7, 8, 9]])


def test_a_padded_batch_equals_the_own_loop(model):
    got = run(model, BATCH, processor(), do_sample=False)
    prompts = [[t for t in row if t != PAD] for row in BATCH.tolist()]
    want = generate(
        model,
        prompts,
        [Climb(5 + row) for row in range(3)],
        vocabulary=Vocabulary(),
        max_new_tokens=12,
    )
    for row, output in zip(got, want, strict=True):
        assert [*written(row, 4), END] == list(output.tokens)


def test_several_sequences_and_beams(model):
    sampled = run(model, BATCH, processor(), do_sample=True, num_return_sequences=4)
    for row, tokens in enumerate(sampled):
        assert follows(written(tokens, 4), 5 + row % 3)
    guide = RulesProcessor(lambda row, rows: Climb(6), size=SIZE, ends=[END])
    for tokens in run(model, BATCH, guide, num_beams=3, num_return_sequences=2):
        assert follows(written(tokens, 4), 6)


def test_drafts_of_another_model(model):
    ids = BATCH[1:2]
    plain = run(model, ids, processor(), do_sample=False)
    drafted = run(
        model, ids, processor(prompt_length=4), do_sample=False, assistant_model=small_model(8)
    )
    assert drafted.tolist() == plain.tolist()
    ids = torch.tensor([[3, 4, 5, 6, 1, 2, 20, 21, 9, 30, 4, 5, 6, 7, 8]])
    plain = run(model, ids, processor(), do_sample=False)
    guide = processor(prompt_length=15, drafts=True)
    looked_up = run(model, ids, guide, do_sample=False, prompt_lookup_num_tokens=3)
    assert looked_up.tolist() == plain.tolist()


def test_one_processor_may_serve_several_generations(model):
    guide = processor()
    first = run(model, BATCH, guide, do_sample=False)
    again = run(model, BATCH, guide, do_sample=False)
    assert first.tolist() == again.tolist()
    other = run(model, BATCH[:, 1:], guide, do_sample=False)
    assert follows(written(other[1], 3), 6)


def test_the_mask_depends_on_the_ids_alone(model):
    guide = processor(prompt_length=1)
    scores = torch.zeros(1, WIDTH)
    paths = [[0], [0, 2], [0, 2, 4, 5], [0, 2, 4, 8, 9], [0, 1], [0], [0, 2, 4, 8, 9, 11, END]]
    for ids in paths:
        got = guide(torch.tensor([ids]), scores)
        if END in ids:
            assert (got == 0).all()
            continue
        fresh = Climb(5)
        for token in ids[1:]:
            fresh.accept(token)
        assert (got[0] == 0).nonzero().flatten().tolist() == sorted(fresh.allowed())
    assert (scores == 0).all()
    with pytest.raises(ValueError, match="breaks the rules"):
        guide(torch.tensor([[0, 30]]), scores)
