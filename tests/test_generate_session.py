"""Decoding under real sessions: small random models, small vocabularies, whole rulesets."""

from __future__ import annotations

import json

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    PreTrainedTokenizerFast,
)
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import Vocabulary, build, fit
from rulec.dsl import load_text
from rulec.runtime import Session, verify
from rulec.runtime.generate import generate
from rulec.runtime.host import Host
from rulec.runtime.transformers import rules_processor

# More threads than cores wait for each other when several test processes run.
torch.set_num_threads(1)

PIECES = (
    *(bytes([byte]) for byte in (10, *range(32, 127))),
    *(b"12", b"00", b" = ", b" + ", b"= ", b"ab", b"ba", b"aa b", b" a", b"=1", b" b\n", b". "),
    *(b"\xc3", b"\xa9", "é".encode(), b"1.", b"b a", b"item", b"Total: "),
    *(bytes([byte]) for byte in (*range(10), *range(11, 32), *range(127, 256))),
)
SPECIAL, END, OTHER_END = len(PIECES), len(PIECES) + 1, len(PIECES) + 2
SIZE = len(PIECES) + 5
VOCABULARY = Vocabulary((*PIECES, None, None, None), (END, OTHER_END), SIZE)

DISTINCT = """
type Word = text /[ab]{1,3}/
shape Words {
    "words: " words: Word{3..6 sep " "} "\\n"
    rule once: distinct(words)
}
trace Words
"""
SUMS = """
type Part = int in 0 .. 999
shape Row { "item " part: Part "\\n" }
shape Bill {
    rows: Row{1..4}
    "Total: " total: int in 0 .. 9999
    rule total: total == sum(rows.part)
}
trace Bill
"""
EVEN = """
shape Pair {
    a: int in 0 .. 99 " " b: int in 0 .. 99 " " c: int in 0 .. 9 "\\n"
    rule even: (a * b + c) % 3 == 0
}
shape Pairs { pairs: Pair{2..3} "." }
trace Pairs
"""
PROSE = """
watch Equation in prose {
    lhs: expr / {0,2}= {0,2}/ ! result: number
    rule holds: result ~= lhs
}
trace prose
"""
RULESETS = {"distinct": DISTINCT, "sums": SUMS, "even": EVEN, "prose": PROSE}


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(11)
    config = LlamaConfig(
        vocab_size=SIZE + 3,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        bos_token_id=SPECIAL,
        eos_token_id=[END, OTHER_END],
        pad_token_id=SPECIAL,
    )
    return LlamaForCausalLM(config).eval()


@pytest.fixture(scope="module", params=RULESETS)
def host(request):
    loaded = load_text(RULESETS[request.param])
    assert loaded.ruleset is not None, loaded.diagnostics
    built = build(loaded.ruleset)
    assert built.machine is not None, built.diagnostics
    return Host(fit(built.machine, VOCABULARY))


PROMPTS = [[SPECIAL, 5, 6], [7], [SPECIAL, 1, 2, 3, 4, 60, 61], [9, 9], [40, 41, 42], [12]]


def judged(host, output, limit):
    """The checks that every finished sequence passes."""
    assert output.stop == "end", output
    assert 1 <= len(output.tokens) <= limit
    assert output.tokens[-1] in VOCABULARY.ends
    verdict = verify(host.pack.machine, output.text)
    assert verdict.verdict == "pass", (output.text, verdict)


@pytest.mark.parametrize("temperature", [0.0, 0.7, 3.0])
@pytest.mark.parametrize("limit", [90, 160])
def test_what_is_written_keeps_the_rules(model, host, temperature, limit):
    outputs = generate(
        model,
        PROMPTS,
        [Session(host.pack, budget=limit, host=host) for _ in PROMPTS],
        vocabulary=VOCABULARY,
        max_new_tokens=limit,
        temperature=temperature,
        seed=5,
    )
    for output in outputs:
        judged(host, output, limit)


def test_commit_rules_are_kept_by_rollback(model):
    loaded = load_text(DISTINCT)
    built = build(loaded.ruleset)
    assert [rule.tier for rule in built.rules] == ["commit"]
    host = Host(fit(built.machine, VOCABULARY))
    rollbacks = 0
    for seed in range(4):
        outputs = generate(
            model,
            PROMPTS,
            [Session(host.pack, budget=80, host=host) for _ in PROMPTS],
            vocabulary=VOCABULARY,
            max_new_tokens=80,
            temperature=1.0,
            seed=seed * 100,
        )
        rollbacks += sum(output.rollbacks for output in outputs)
        for output in outputs:
            judged(host, output, 80)
            words = output.text.decode().removeprefix("words: ").split()
            assert len(set(words)) == len(words) >= 3
            assert (output.dropped > 0) == (output.rollbacks > 0)
    assert rollbacks > 0


def test_rows_do_not_depend_on_each_other(model, host):
    def written(prompts):
        return generate(
            model,
            prompts,
            [Session(host.pack, budget=100, host=host) for _ in prompts],
            vocabulary=VOCABULARY,
            max_new_tokens=100,
        )

    together = written(PROMPTS)
    for prompt, output in zip(PROMPTS, together, strict=True):
        [alone] = written([prompt])
        assert alone.tokens == output.tokens


def test_the_processor_keeps_the_rules(model, host):
    pack, limit = host.pack, 100
    commit = any(rule.tier == "commit" for rule in pack.machine.rules)
    if commit:
        with pytest.raises(ValueError, match="kept by rollback"):
            rules_processor(pack)
        return
    ids = torch.tensor([[SPECIAL, SPECIAL, 8], [5, 6, 7], [SPECIAL, 70, 71]])
    for options in (
        {"do_sample": False},
        {"do_sample": True, "temperature": 2.0, "num_return_sequences": 2},
        {"num_beams": 3},
    ):
        result = model.generate(
            ids,
            attention_mask=(ids != SPECIAL).long(),
            logits_processor=LogitsProcessorList([rules_processor(pack, budget=limit)]),
            max_new_tokens=limit,
            **options,
        )
        for row in result[:, ids.shape[1] :].tolist():
            ends = [place for place, token in enumerate(row) if token in VOCABULARY.ends]
            assert ends
            text = b"".join(PIECES[token] for token in row[: ends[0]])
            assert verify(pack.machine, text).verdict == "pass", text


def test_the_processor_reads_params(model):
    text = PROSE.replace("watch", "param unused: int in 0..9 = 3\nwatch", 1)
    host = Host(fit(build(load_text(text).ruleset).machine, VOCABULARY))
    guide = rules_processor(host.pack, inputs=[{"unused": 1}, {"unused": 10}])
    with pytest.raises(Exception, match="outside of its range"):
        guide(torch.tensor([[1], [2]]), torch.zeros(2, SIZE))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The model on disk, with a tokenizer of the same pieces."""
    path = tmp_path_factory.mktemp("model")
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: number for number, letter in enumerate(letters)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(["<s>", "</s>"])
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<s>"
    )
    fast.save_pretrained(path)
    config = LlamaConfig(**model.config.to_dict() | {"vocab_size": 300, "eos_token_id": 257})
    torch.manual_seed(3)
    LlamaForCausalLM(config).save_pretrained(path)
    return path


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.mark.parametrize("name", RULESETS)
def test_the_command_line_writes(folder, tmp_path, name):
    rules = tmp_path / f"{name}.rules"
    rules.write_text(RULESETS[name], "utf-8")
    options = ("--model", folder, "--prompt", "Go.", "-n", 3, "--max-new-tokens", 120)
    written = run("generate", rules, *options, "--temperature", 1.5, "--format", "json")
    assert written.exit_code == 0, written.output
    records = [json.loads(line) for line in written.stdout.splitlines()]
    assert len(records) == 3
    assert {record["stop"] for record in records} == {"end"}
    assert all(len(record["tokens"]) <= 120 for record in records)
    traces = tmp_path / "written.jsonl"
    traces.write_text(written.stdout, "utf-8")
    judged = run("verify", rules, traces)
    assert judged.exit_code == 0, judged.output


def test_the_command_line_says_what_does_not_fit(folder, tmp_path):
    rules = tmp_path / "sums.rules"
    rules.write_text(SUMS, "utf-8")
    small = run("generate", rules, "--model", folder, "--prompt", "x", "--max-new-tokens", 3)
    assert small.exit_code == 2
    assert "3 tokens" in small.stderr
    empty = run("generate", rules, "--model", tmp_path, "--prompt", "x")
    assert empty.exit_code == 2
    assert "no tokenizer" in empty.stderr
    torn = tmp_path / "torn"
    torn.mkdir()
    for file in folder.iterdir():
        content = file.read_bytes()
        torn.joinpath(file.name).write_bytes(
            content[: len(content) // 2] if file.suffix == ".safetensors" else content
        )
    broken = run("generate", rules, "--model", torn, "--prompt", "x")
    assert broken.exit_code == 2
    assert "can't be loaded" in broken.stderr


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_reading_ahead_changes_only_the_number_of_passes(model, temperature):
    """Rows that force much, little and nothing, side by side."""
    names = ["sums", "distinct", "even", "prose"]
    machines = {name: build(load_text(RULESETS[name]).ruleset).machine for name in names}
    hosts = {name: Host(fit(machine, VOCABULARY)) for name, machine in machines.items()}
    found = []
    for propose in (False, True):
        sessions = [Session(hosts[name].pack, None, 60, hosts[name]) for name in names]
        found.append(
            generate(
                model,
                [[5, 6], [7], [8, 9, 10], [11]],
                [*sessions],
                vocabulary=VOCABULARY,
                max_new_tokens=60,
                temperature=temperature,
                seed=3,
                propose=propose,
            )
        )
    plain, ahead = found
    assert [one.tokens for one in plain] == [one.tokens for one in ahead]
    assert sum(one.forwards for one in ahead) < sum(one.forwards for one in plain)
