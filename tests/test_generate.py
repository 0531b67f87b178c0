"""The decoding loop against one without a cache, on small random models."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM, MistralConfig, MistralForCausalLM

from rulec.runtime.context import Context
from rulec.runtime.generate import generate
from rulec.runtime.logits import apply_mask, constrain, words_for

# More threads than cores wait for each other when several test processes run.
torch.set_num_threads(1)

SIZE = 37
WIDTH = 40
END = 36
SMALL = {
    "vocab_size": WIDTH,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
    "bos_token_id": 0,
    "eos_token_id": END,
}


@pytest.fixture(scope="module", params=["full", "windowed"])
def model(request):
    torch.manual_seed(7)
    if request.param == "full":
        return LlamaForCausalLM(LlamaConfig(**SMALL)).eval()
    return MistralForCausalLM(MistralConfig(**SMALL, sliding_window=6)).eval()


@dataclass
class Letters:
    """A vocabulary of single letters and one end."""

    tokens: tuple[bytes | None, ...] = (*(bytes([65 + n]) for n in range(SIZE - 1)), None)
    ends: tuple[int, ...] = (END,)
    size: int = SIZE


@dataclass
class Triples:
    """`count` groups of three tokens below 30, each summing to a multiple of `divisor`.

    The sum is tested when a group is whole; a wrong one is barred, and so is every prefix
    of a group that has nothing left.
    """

    count: int
    divisor: int
    ids: list[int] = field(default_factory=list)
    barred: set[tuple[int, ...]] = field(default_factory=set)
    finished: bool = False
    exhausted: bool = False
    since: None = None
    stuck: bool = False

    @property
    def group(self) -> tuple[int, ...]:
        return tuple(self.ids[len(self.ids) - len(self.ids) % 3 :])

    @property
    def violations(self):
        last = tuple(self.ids[-3:])
        whole = self.ids and len(self.ids) % 3 == 0 and not self.finished
        return (last,) if whole and sum(last) % self.divisor else ()

    def mask(self, out):
        if len(self.ids) == 3 * self.count:
            allowed = [END]
        else:
            allowed = [t for t in range(30) if (*self.group, t) not in self.barred]
        for token in allowed:
            out[token // 32] |= np.uint32(1 << token % 32)

    def accept(self, token):
        assert not self.finished
        self.finished = token == END
        if not self.finished:
            self.ids.append(token)

    def forced(self):
        return b""

    def retreat(self):
        wrong = tuple(self.ids[-3:])
        del self.ids[-3:]
        self.barred.add(wrong)
        for cut in (2, 1):
            if all((*wrong[:cut], t) in self.barred for t in range(30)):
                self.barred.add(wrong[:cut])
        return 3

    def verdicts(self):
        return (("sums", "pass"),)


def masked_scores(model, tokens, guide):
    with torch.no_grad():
        scores = model(torch.tensor([tokens])).logits[0, -1].float()
    if guide is not None:
        words = np.zeros(words_for(SIZE), np.uint32)
        guide.mask(words)
        for token in range(WIDTH):
            if token >= SIZE or not words[token // 32] >> (token % 32) & 1:
                scores[token] = -torch.inf
    return scores


def plain_decode(model, prompt, guide, limit, temperature, seed):
    """The same meaning, without a cache or a batch."""
    chance = torch.Generator().manual_seed(seed)
    tokens = []
    while len(tokens) < limit and tokens[-1:] != [END]:
        scores = masked_scores(model, [*prompt, *tokens], guide)
        if temperature == 0:
            token = int(scores.argmax())
        else:
            chances = torch.softmax((scores - scores.max()) / temperature, 0)
            token = int(torch.multinomial(chances, 1, generator=chance))
        tokens.append(token)
        if guide is not None:
            guide.accept(token)
            while guide.violations:
                del tokens[-guide.retreat() :]
    return tokens


PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11, 12, 13], [14, 15]]


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_rows_of_a_batch_equal_single_rows(model, temperature):
    def guides():
        return [Triples(4, 5), None, Triples(2, 3), Triples(6, 7)]

    got = generate(
        model,
        PROMPTS,
        guides(),
        vocabulary=Letters(),
        max_new_tokens=24,
        temperature=temperature,
        seed=3,
    )
    for row, (prompt, guide) in enumerate(zip(PROMPTS, guides(), strict=True)):
        want = plain_decode(model, prompt, guide, 24, temperature, 3 + row)
        assert list(got[row].tokens) == want
    assert sum(output.rollbacks for output in got) > 5
    for output, guide in zip(got, guides(), strict=True):
        letters = [byte - 65 for byte in output.text]
        if guide is not None:
            assert output.stop == "end"
            assert len(letters) == 3 * guide.count
            assert all(sum(letters[i : i + 3]) % guide.divisor == 0 for i in range(0, 9, 3)[:2])
            assert output.claims == (("sums", "pass"),)
            assert output.dropped == 3 * output.rollbacks


def test_free_row_equals_the_library(model):
    ids = torch.tensor([[3, 1, 4, 1, 5]])
    want = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=20,
        do_sample=False,
        pad_token_id=0,
    )
    [got] = generate(model, ids.tolist(), [None], vocabulary=Letters(), max_new_tokens=20)
    assert list(got.tokens) == want[0, 5:].tolist()
    assert got.stop == ("end" if got.tokens[-1] == END else "length")


def test_a_row_without_a_way_on_is_exhausted(model):
    class Closed(Triples):
        def mask(self, out):
            pass

    class Stuck(Triples):
        def retreat(self):
            return 0

    closed, stuck, bounded, free = generate(
        model,
        PROMPTS,
        [Closed(3, 5), Stuck(3, 97), Triples(3, 97), None],
        vocabulary=Letters(),
        max_new_tokens=9,
        max_rollbacks=4,
    )
    assert closed.stop == "exhausted"
    assert closed.tokens == ()
    assert closed.since == (0, 0)
    assert stuck.stop == "exhausted"
    assert stuck.since == (3, 3)
    assert bounded.stop == "exhausted"
    assert bounded.rollbacks == 4
    assert free.stop in {"end", "length"}
    assert free.since is None


def test_progress_names_rows_and_lengths(model):
    seen = []
    outputs = generate(
        model,
        PROMPTS[:2],
        [Triples(2, 4), None],
        vocabulary=Letters(),
        max_new_tokens=8,
        on_token=lambda row, token, held: seen.append((row, token, held)),
    )
    assert {row for row, _, _ in seen} == {0, 1}
    assert [held for row, _, held in seen if row == 1][-1] == len(outputs[1].tokens)


@pytest.mark.parametrize(
    ("prompts", "guides", "options"),
    [
        ([[1]], [], {}),
        ([[]], [None], {}),
        ([[1]], [None], {"max_new_tokens": 0}),
        ([[1]], [None], {"temperature": -1.0}),
        ([[1]], [None], {"temperature": float("nan")}),
        ([[1]], [None], {"vocabulary": Letters(size=WIDTH + 1)}),
    ],
)
def test_arguments_that_do_not_fit(model, prompts, guides, options):
    with pytest.raises(ValueError, match=r"."):
        generate(
            model, prompts, guides, **{"vocabulary": Letters(), "max_new_tokens": 4} | options
        )


EDITS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from(["append", "cut"]), st.integers(0, 29)),
    max_size=12,
)


@settings(max_examples=25, deadline=None)
@given(edits=EDITS, keep=st.permutations([0, 1, 2]))
def test_context_equals_reading_anew(model, edits, keep):
    context = Context(model, PROMPTS[:3])
    context.scores()
    for step, (row, edit, value) in enumerate(edits):
        if edit == "append":
            context.append(row, value)
        else:
            context.cut(row, 1 + value % len(context.rows[row]))
        if step == len(edits) // 2:
            context.keep(keep[: 1 + step % 3] if step > 6 else keep)
        if len(context.rows) < 3:
            break
        got = torch.stack([scores[-1] for scores in context.scores()])
        for line, tokens in enumerate(context.rows):
            with torch.no_grad():
                want = model(torch.tensor([tokens])).logits[0, -1]
            torch.testing.assert_close(got[line], want, rtol=1e-4, atol=1e-4)


@given(
    vocab=st.sampled_from([1, 31, 32, 33, 65]),
    extra=st.integers(0, 40),
    data=st.data(),
)
def test_mask_sets_exactly_the_banned(vocab, extra, data):
    bits = data.draw(st.lists(st.booleans(), min_size=vocab, max_size=vocab))
    words = np.zeros((1, words_for(vocab)), np.uint32)
    for token, bit in enumerate(bits):
        words[0, token // 32] |= np.uint32(bit << token % 32)
    logits = torch.zeros(1, vocab + extra, dtype=torch.float16)
    apply_mask(logits, words)
    assert (logits[0] == 0).tolist() == [*bits, *([False] * extra)]


def test_rows_without_a_guide_stay_as_they_are():
    logits = torch.zeros(3, WIDTH)
    constrain(logits, [None, Triples(0, 3), None], SIZE)
    assert (logits[[0, 2]] == 0).all()
    assert (logits[1] == 0).nonzero().tolist() == [[END]]
