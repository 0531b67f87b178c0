"""Train a model to solve word problems with annotated steps, for `evaluate.py` and `grpo.py`.

python benchmarks/train.py --data train.jsonl --model .demo/smollm2 --out DIR   # fine-tune
python benchmarks/train.py --synthetic 200000 --out DIR                         # a small GPT

DIR gets the model (`model/`), the problems that were held out (`test.jsonl`), and the loss
(`training.json`).
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

import problems
import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerFast,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

PROMPT = "Question: {question}\nAnswer: "
SIZES = {
    "tiny": {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2},
    "small": {"hidden_size": 256, "num_hidden_layers": 6, "num_attention_heads": 8},
}
"""Of the GPT that is trained from nothing; its vocabulary is bytes."""


@dataclass(frozen=True)
class Example:
    """The tokens of a problem; the loss counts those from `start` on."""

    tokens: tuple[int, ...]
    start: int


def main() -> None:
    """Train what the command line asks for."""
    options = _options()
    torch.manual_seed(options.seed)
    options.out.mkdir(parents=True, exist_ok=True)
    train, test = _data(options)
    model, tokenizer = _model(options)
    examples = [
        one for one in map(_example(tokenizer), train) if len(one.tokens) <= options.most
    ]
    print(f"{len(examples)} of {len(train)} problems have at most {options.most} tokens")
    began = perf_counter()
    losses = fit(model.to(options.device), examples, options)
    _save(model, tokenizer, options.out / "model")
    lines = "".join(json.dumps(one) + "\n" for one in test)
    (options.out / "test.jsonl").write_text(lines, "utf-8")
    report = {
        "parameters": sum(part.numel() for part in model.parameters()),
        "problems": len(examples),
        "held_out": len(test),
        "steps": len(losses),
        "batch": options.batch,
        "rate": options.rate,
        "seed": options.seed,
        "seconds": round(perf_counter() - began, 1),
        "losses": [round(loss, 4) for loss in losses],
    }
    (options.out / "training.json").write_text(json.dumps(report) + "\n", "utf-8")
    last = losses[-min(20, len(losses)) :]
    print(f"{len(losses)} steps in {report['seconds']} s, loss {sum(last) / len(last):.3f}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="JSON lines with `question` and `answer`")
    parser.add_argument("--synthetic", type=int, help="so many generated problems instead")
    parser.add_argument("--model", type=Path, help="the folder to begin with, else a small GPT")
    parser.add_argument("--size", choices=SIZES, default="small", help="of the small GPT")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--hold-out", type=int, default=1_000, help="problems, the last ones")
    parser.add_argument("--epochs", type=float, default=3.0)
    parser.add_argument("--steps", type=int, help="of the optimiser, whatever the epochs")
    parser.add_argument("--minutes", type=float, default=7.0, help="stop before")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rate", type=float, help="1e-4 for a model, 1e-3 for a small GPT")
    parser.add_argument("--most", type=int, default=512, help="tokens of a problem")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    if (options.data is None) == (options.synthetic is None):
        parser.error("one of --data and --synthetic")
    options.rate = options.rate or (1e-4 if options.model else 1e-3)
    return options


def _data(options: argparse.Namespace) -> tuple[list[dict[str, str]], list[dict[str, str]]]:
    """The problems to learn from, and the last ones, which are held out."""
    path = options.data
    if path is None:
        path = options.out / "problems.jsonl"
        problems.write(path, options.synthetic + options.hold_out, options.seed)
    records = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    if len(records) <= options.hold_out:
        raise SystemExit(f"{path}: {len(records)} problems, and {options.hold_out} to hold out")
    first = len(records) - options.hold_out
    return records[:first], records[first:]


def _model(options: argparse.Namespace) -> tuple[Any, Any]:
    if options.model is not None:
        model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
        return model, AutoTokenizer.from_pretrained(options.model)
    tokenizer = byte_tokenizer()
    size = SIZES[options.size]
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        intermediate_size=4 * size["hidden_size"],
        max_position_embeddings=2_048,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **size,
    )
    return LlamaForCausalLM(config), tokenizer


def byte_tokenizer() -> PreTrainedTokenizerFast:
    """One token a byte, as Hugging Face spells bytes, and three special ones."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    held = Tokenizer(models.BPE(vocab={one: n for n, one in enumerate(letters)}, merges=[]))
    held.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    held.decoder = decoders.ByteLevel()
    held.add_special_tokens(["<s>", "</s>", "<pad>"])
    return PreTrainedTokenizerFast(
        tokenizer_object=held, bos_token="<s>", eos_token="</s>", pad_token="<pad>"
    )


def _example(tokenizer: Any) -> Any:
    """What makes an example of a problem."""

    def made(record: dict[str, str]) -> Example:
        asked = tokenizer(PROMPT.format(question=record["question"]))["input_ids"]
        said = tokenizer(record["answer"], add_special_tokens=False)["input_ids"]
        return Example((*asked, *said, tokenizer.eos_token_id), len(asked))

    return made


# --- training ---


def fit(model: Any, examples: Sequence[Example], options: argparse.Namespace) -> list[float]:
    """Train; returns the loss of each step, in nats a token."""
    total = options.steps or math.ceil(options.epochs * len(examples) / options.batch)
    warm = min(100, max(total // 10, 1))
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=options.rate, betas=(0.9, 0.95), weight_decay=0.01
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer,
        lambda step: min(
            (step + 1) / warm, 0.5 * (1 + math.cos(math.pi * min(step / total, 1.0))) + 0.02
        ),
    )
    model.train()
    losses: list[float] = []
    until = perf_counter() + 60 * options.minutes
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        task = bar.add_task("", total=total)
        for batch in _batches(examples, options.batch, options.seed):
            losses.append(_step(model, batch, optimizer))
            schedule.step()
            bar.advance(task)
            if len(losses) == total or perf_counter() > until:
                break
    model.eval()
    return losses


def _batches(examples: Sequence[Example], size: int, seed: int) -> Iterator[list[Example]]:
    """Batches without end, in a new order each epoch; those of like length come together."""
    chance = Random(seed)
    while True:
        order = sorted(
            range(len(examples)), key=lambda n: (len(examples[n].tokens), chance.random())
        )
        batches = [order[n : n + size] for n in range(0, len(order), size)]
        chance.shuffle(batches)
        for batch in batches:
            yield [examples[n] for n in batch]


def _step(model: Any, batch: Sequence[Example], optimizer: torch.optim.Optimizer) -> float:
    device = model.device
    width = max(len(one.tokens) for one in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.long)
    labels = torch.full_like(ids, -100)
    for row, one in enumerate(batch):
        tokens = torch.tensor(one.tokens)
        ids[row, : len(tokens)] = tokens
        labels[row, one.start : len(tokens)] = tokens[one.start :]
    loss = loss_of(model, ids.to(device), labels.to(device))
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return float(loss.detach())


def loss_of(model: Any, ids: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of the labels. Rows are padded at their right: nothing is masked."""
    with torch.autocast(ids.device.type, torch.bfloat16, enabled=ids.is_cuda):
        logits = model(input_ids=ids).logits
    return torch.nn.functional.cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), labels[:, 1:].flatten(), ignore_index=-100
    )


def _save(model: Any, tokenizer: Any, folder: Path) -> None:
    model.to("cpu").save_pretrained(folder)
    tokenizer.save_pretrained(folder)


if __name__ == "__main__":
    main()
