"""A real decode on a GPU: a batch under rules of the device engine, and the same one free.

    python benchmarks/decode.py make FOLDER --model MODEL     # packs and prompts
    python benchmarks/decode.py run FOLDER --model MODEL --json OUT.json
    python benchmarks/decode.py judge OUT.json               # by `verify`, the reference engine

Around every call of ours PyTorch raises at anything that waits for the device.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from demo_prompts import PROMPTS

from rulec.compiler.pack import fit, load_pack
from rulec.runtime.device import Device, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from torch import Tensor

    from rulec.compiler.machine import Machine

ROOT = Path(__file__).resolve().parent.parent
PACKS = ("arithmetic", "invoice")
BREAK = 198
"""The model's token for a line break."""

LONGEST = {"arithmetic": 160, "invoice": 320}
"""New tokens: an invoice has at most twenty lines."""


def main() -> int:
    """Make, run or judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("make", "run", "judge"))
    parser.add_argument("place", type=Path)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if options.verb == "make":
        make(options.place, options.model, options.batch)
    elif options.verb == "run":
        options.json.write_text(json.dumps(run(options)), "utf-8")
    else:
        print(json.dumps(judge(json.loads(options.place.read_text("utf-8"))), indent=1))
    return 0


def _machine(name: str) -> Machine:
    from rulec.compiler import build  # noqa: PLC0415
    from rulec.dsl import load  # noqa: PLC0415

    ruleset = load(ROOT / "examples" / f"{name}.rules").ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if machine is None:
        raise SystemExit(f"{name}: the rules have errors")
    return machine


def make(folder: Path, model: Path, batch: int) -> None:
    """Packs for the model's vocabulary, and the tokens of the prompts."""
    from transformers import AutoTokenizer  # noqa: PLC0415

    from rulec.compiler import load_vocabulary  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = load_vocabulary(model)
    tokenizer = AutoTokenizer.from_pretrained(model)
    prompts = {}
    for name in PACKS:
        fit(_machine(name), vocabulary).save(folder / f"{name}.pack")
        texts = [PROMPTS[name][row % len(PROMPTS[name])] for row in range(batch)]
        if name == "arithmetic":
            told = [[{"role": "user", "content": text}] for text in texts]
            texts = [
                tokenizer.apply_chat_template(one, tokenize=False, add_generation_prompt=True)
                for one in told
            ]
        prompts[name] = [tokenizer(text, add_special_tokens=False).input_ids for text in texts]
    (folder / "prompts.json").write_text(json.dumps(prompts), "utf-8")


@contextmanager
def unsynchronised() -> Iterator[None]:
    """Anything that waits for the device is an error."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Decode under each pack and free, with the same seeds."""
    from transformers import AutoModelForCausalLM  # noqa: PLC0415

    model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.bfloat16)
    model = model.to("cuda").eval()
    prompts = json.loads((options.place / "prompts.json").read_text("utf-8"))
    found: list[dict[str, Any]] = []
    for name in PACKS:
        pack = load_pack(options.place / f"{name}.pack")
        device = Device(pack.table, Limits(options.batch, options.batch), "cuda")
        resident = device.load(pack)
        for ruled in (True, False):  # the first of each warms up
            record = device.record(resident) if ruled else None
            for slot in range(options.batch):
                device.reset(slot, record)
                device.memory.lines[slot] = slot
            options.ruled = ruled
            made = decoded(
                model, device, prompts[name], LONGEST[name], options, list(pack.ends)
            )
            texts = [_spelled(pack, row) for row in made["tokens"]]
            found.append({"pack": name, "ruled": ruled, **made, "texts": texts})
            print(name, ruled, f"{made['rate']:.0f} tokens/s", flush=True)
    return {
        "device": torch.cuda.get_device_name(),
        "date": date.today().isoformat(),
        "batch": options.batch,
        "runs": found,
    }


@torch.inference_mode()
def decoded(
    model: Any,
    device: Device,
    prompts: Sequence[Sequence[int]],
    longest: int,
    options: argparse.Namespace,
    ends: list[int],
) -> dict[str, Any]:
    """One batch; tokens of every row up to its end, and tokens a second."""
    rows = len(prompts)
    ids, seen = _padded(prompts)
    tokens = torch.zeros((rows, longest), dtype=torch.int32, device="cuda")
    chance = torch.Generator(device="cuda").manual_seed(1)
    numbers = torch.arange(rows, dtype=torch.int32, device="cuda")
    if not options.ruled:
        numbers.fill_(-1)
    counts = torch.arange(longest + 1, dtype=torch.int32, device="cuda")
    cache, steps = None, 0
    torch.cuda.synchronize()
    began = perf_counter()
    for step in range(longest):
        out = model(input_ids=ids, attention_mask=seen, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        logits = out.logits[:, -1].float()
        with unsynchronised():
            device.advance(tokens, counts[step].expand(rows).contiguous())
            device.prepare(rows)
            device.mask(logits, numbers)
        if step == 0 and not torch.isfinite(logits).any(1).all():
            raise SystemExit("a row has no token with a weight")
        shares = torch.softmax(logits / options.temperature, -1)
        chosen = torch.multinomial(shares, 1, generator=chance)
        tokens[:, step] = chosen[:, 0].to(torch.int32)
        ids = chosen
        seen = torch.cat([seen, torch.ones_like(chosen)], 1)
        steps = step + 1
        if step % 32 == 31 and _all_ended(tokens[:, :steps], ends):
            break
    torch.cuda.synchronize()
    seconds = perf_counter() - began
    kept = [_until(row, ends) for row in tokens[:, :steps].tolist()]
    written = sum(map(len, kept))
    return {
        "seconds": seconds,
        "steps": steps,
        "rate": written / seconds,
        "step_ms": seconds / steps * 1e3,
        "tokens": kept,
        "ended": [len(row) < steps or row[-1] in ends for row in kept],
    }


def _padded(prompts: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
    """Prompts of one length: shorter ones begin with line breaks, which the model reads too."""
    longest = max(map(len, prompts))
    ids = torch.full((len(prompts), longest), BREAK, dtype=torch.int64)
    for row, prompt in enumerate(prompts):
        ids[row, longest - len(prompt) :] = torch.tensor(prompt)
    return ids.to("cuda"), torch.ones_like(ids).to("cuda")


def _all_ended(tokens: Tensor, ends: list[int]) -> bool:
    over = torch.isin(tokens, torch.tensor(ends, dtype=torch.int32, device=tokens.device))
    return bool(over.any(1).all())


def _until(row: list[int], ends: list[int]) -> list[int]:
    over = [place for place, token in enumerate(row) if token in ends]
    return row[: over[0] + 1] if over else row


def _spelled(pack: Any, row: Sequence[int]) -> str:
    data = b"".join(pack.table.text(token) for token in row if token not in pack.ends)
    return data.decode("utf-8", "replace")


# --- judging ---


def judge(report: dict[str, Any]) -> dict[str, Any]:
    """What `verify` says of every text."""
    from rulec.runtime.verify import Verifier  # noqa: PLC0415

    judged = []
    verifiers = {name: Verifier(_machine(name)) for name in PACKS}
    for one in report["runs"]:
        verdicts: dict[str, int] = {}
        wrong = claims = 0
        for text, ended in zip(one["texts"], one["ended"], strict=True):
            verdict = verifiers[one["pack"]](text.encode(), None)
            outcome = verdict.verdict if ended else f"{verdict.verdict} (cut)"
            verdicts[outcome] = verdicts.get(outcome, 0) + 1
            claims += len(verdict.claims)
            cut = len(text.encode()) if not ended else -1
            wrong += sum(
                claim.verdict == "violate" and claim.end != cut for claim in verdict.claims
            )
        judged.append(
            {
                "pack": one["pack"],
                "ruled": one["ruled"],
                "tokens a second": round(one["rate"]),
                "ms a step": round(one["step_ms"], 2),
                "ended": sum(one["ended"]),
                "verdicts": verdicts,
                "claims": claims,
                "claims that are wrong": wrong,
            }
        )
    return {key: report[key] for key in ("device", "date", "batch")} | {"runs": judged}


if __name__ == "__main__":
    sys.exit(main())
