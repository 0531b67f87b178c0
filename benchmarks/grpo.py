"""GRPO with the plain answer's reward and with the rules' gate: learning curves, side by side.

python benchmarks/grpo.py --model DIR/model --questions DIR/test.jsonl --json curves.json

Both arms have the same model, questions, seeds and steps; only the reward differs. Nothing is
masked while sampling. Held-out accuracy is judged by the data's labels. A file of an earlier
call is added to, so that seeds can be run one by one.
"""

from __future__ import annotations

import argparse
import json
import statistics
from dataclasses import dataclass
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING, Any

import torch
from equations import equations
from evaluate import PROMPT, Question, read
from transformers import AutoModelForCausalLM, AutoTokenizer

from rulec.compiler import build
from rulec.dsl import load
from rulec.runtime.answers import right_answer
from rulec.runtime.rewards import Gate, Policy, RulesReward, Scored, averages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

COLOURS = {"answer": "#8a8f98", "gate": "#2c6fbb"}


@dataclass(frozen=True)
class Answer:
    """The plain reward: 1 for a right answer, however it was come to."""

    def __call__(self, scored: Scored) -> float | None:
        """The reward."""
        return float(scored.right is True)


ARMS: dict[str, Policy] = {"answer": Answer(), "gate": Gate(least_claims=1)}


def main() -> None:
    """Run what the command line asks for."""
    options = parsed()
    ruleset = load(options.rules).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if machine is None:
        raise SystemExit(f"{options.rules}: the rules have errors; `rulec check` tells them")
    questions = read(options.questions, "question", "answer", None)
    if len(questions) <= options.evaluated:
        raise SystemExit(
            f"{len(questions)} questions, and {options.evaluated} to evaluate with"
        )
    held, asked = questions[: options.evaluated], questions[options.evaluated :]
    runs = _known(options.json)
    until = perf_counter() + 60 * options.minutes
    cases = [(arm, seed) for seed in options.seeds for arm in options.arms]
    for left, (arm, seed) in enumerate(cases):
        share = (until - perf_counter()) / (len(cases) - left)
        reward = RulesReward(machine, ARMS[arm], reference="answer")
        run = Trainer(options, reward, seed).run(asked, held, perf_counter() + share)
        runs = [one for one in runs if (one["arm"], one["seed"]) != (arm, seed)]
        runs.append({"arm": arm, "seed": seed, **run})
        _write(options, runs)
    print(json.dumps(summed(runs, options.accuracy), indent=1))
    if options.plot is not None:
        plot(runs, options.plot)


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True)
    parser.add_argument("--rules", type=Path, default=Path("examples/gsm8k.rules"))
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--minutes", type=float, default=7.0, help="shared by all runs")
    parser.add_argument("--prompts", type=int, default=16, help="of a step")
    parser.add_argument("--group", type=int, default=8, help="answers to each prompt")
    parser.add_argument("--evaluated", type=int, default=256, help="questions, the first ones")
    parser.add_argument("--every", type=int, default=10, help="steps between two evaluations")
    parser.add_argument("--rate", type=float, default=1e-5)
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=200)
    parser.add_argument("--accuracy", type=float, default=0.5, help="steps to which are told")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--plot", type=Path)
    return parser.parse_args()


class Trainer:
    """One run: a fresh model, a reward and a seed."""

    def __init__(self, options: argparse.Namespace, reward: RulesReward, seed: int) -> None:
        self._options = options
        self._reward = reward
        self._seed = seed
        torch.manual_seed(seed)
        self._tokenizer: Any = AutoTokenizer.from_pretrained(options.model, padding_side="left")
        if self._tokenizer.pad_token_id is None:
            self._tokenizer.pad_token = self._tokenizer.eos_token
        model: Any = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)
        self._model: Any = model.to(options.device).eval()
        self._optimizer = torch.optim.AdamW(
            self._model.parameters(), lr=options.rate, betas=(0.9, 0.95), weight_decay=0.0
        )

    def run(
        self, asked: Sequence[Question], held: Sequence[Question], until: float
    ) -> dict[str, Any]:
        """Train until the steps or the time are used up; returns the curves."""
        chance = Random(self._seed)
        curve = [{"step": 0, **self.evaluate(held)}]
        steps: list[dict[str, float]] = []
        began = perf_counter()
        for step in range(1, self._options.steps + 1):
            batch = chance.sample(list(asked), min(self._options.prompts, len(asked)))
            steps.append(self.step(batch))
            late = perf_counter() > until
            if step % self._options.every == 0 or step == self._options.steps or late:
                curve.append({"step": step, **self.evaluate(held)})
                print(f"{self._reward.policy}, seed {self._seed}: {curve[-1]}")
            if late:
                break
        return {"curve": curve, "steps": steps, "seconds": round(perf_counter() - began, 1)}

    def step(self, batch: Sequence[Question]) -> dict[str, float]:
        """Sample, reward, and one update."""
        group = self._options.group
        ids, width = self._sample([one.text for one in batch for _ in range(group)])
        texts = self._texts(ids[:, width:])
        labels = [one.answer for one in batch for _ in range(group)]
        rewards = self._reward(["?"] * len(texts), texts, answer=labels)
        known = torch.tensor([float("nan") if one is None else one for one in rewards])
        advantages = advantages_of(known.view(-1, group)).flatten().to(ids.device)
        loss = self._update(ids, width, advantages)
        mean = float(known.nanmean()) if known.isfinite().any() else 0.0
        return {"loss": loss, "reward": mean, **averages(self._reward.last)}

    def _sample(self, questions: Sequence[str], *, greedy: bool = False) -> tuple[Tensor, int]:
        """Prompts and what the model wrote behind them, and where that begins."""
        prompts = [PROMPT.format(question=one) for one in questions]
        given = self._tokenizer(prompts, return_tensors="pt", padding=True)
        given = {
            name: given[name].to(self._model.device) for name in ("input_ids", "attention_mask")
        }
        chosen = (
            {"do_sample": False}
            if greedy
            else {
                "do_sample": True,
                "temperature": self._options.temperature,
                "top_k": 0,
                "top_p": 1.0,
            }
        )
        with torch.no_grad(), self._autocast():
            ids = self._model.generate(
                **given,
                max_new_tokens=self._options.max_new_tokens,
                pad_token_id=self._tokenizer.pad_token_id,
                **chosen,
            )
        return ids, given["input_ids"].shape[1]

    def _texts(self, written: Tensor) -> list[str]:
        found: list[str] = self._tokenizer.batch_decode(written, skip_special_tokens=True)
        return found

    def _update(self, ids: Tensor, width: int, advantages: Tensor) -> float:
        """One step of the policy gradient, in parts that fit the memory.

        Every sequence is drawn from the present policy, so that there is no ratio to clip. The
        loss is a mean over all tokens, whatever their sequence.
        """
        pad, end = self._tokenizer.pad_token_id, self._tokenizer.eos_token_id
        written = ids[:, width:]
        ended = (written == end).cumsum(1)
        counted = (ended == 0) | ((written == end) & (ended == 1))
        total = counted.sum()
        seen = torch.cat([(ids[:, :width] != pad), counted], 1).long()
        places = (seen.cumsum(1) - 1).clamp(min=0)
        self._optimizer.zero_grad(set_to_none=True)
        loss = 0.0
        for rows in torch.arange(len(ids), device=ids.device).split(32):
            if not advantages[rows].any():
                continue
            with self._autocast():
                logits = self._model(
                    input_ids=ids[rows], attention_mask=seen[rows], position_ids=places[rows]
                ).logits[:, width - 1 : -1]
            logs = torch.log_softmax(logits.float() / self._options.temperature, -1)
            own = logs.gather(-1, written[rows].unsqueeze(-1)).squeeze(-1)
            part = -(advantages[rows].unsqueeze(1) * own * counted[rows]).sum() / total
            part.backward()
            loss += float(part.detach())
        torch.nn.utils.clip_grad_norm_(self._model.parameters(), 1.0)
        self._optimizer.step()
        return loss

    def evaluate(self, held: Sequence[Question]) -> dict[str, float]:
        """Greedy answers to questions that are not trained on, judged by their labels."""
        texts: list[str] = []
        for first in range(0, len(held), 128):
            part = [one.text for one in held[first : first + 128]]
            ids, width = self._sample(part, greedy=True)
            texts += self._texts(ids[:, width:])
        right = [right_answer(text, one.answer) for text, one in zip(texts, held, strict=True)]
        claimed = [equations(text) for text in texts]
        wrong = [any(not one.holds for one in found) for found in claimed]
        return {
            "accuracy": sum(right) / len(held),
            "spurious_correct": sum(map(all, zip(right, wrong, strict=True))) / len(held),
            "wrong_equations": sum(not one.holds for found in claimed for one in found)
            / max(sum(map(len, claimed)), 1),
            "equations": sum(map(len, claimed)) / len(held),
        }

    def _autocast(self) -> torch.autocast:
        device = self._model.device.type
        return torch.autocast(device, torch.bfloat16, enabled=device == "cuda")


def advantages_of(rewards: Tensor) -> Tensor:
    """Rewards `[prompts, group]` in units of their group's spread; 0 where there is none."""
    mean = rewards.nanmean(1, keepdim=True)
    centred = torch.nan_to_num(rewards - mean)
    known = rewards.isfinite().sum(1, keepdim=True).clamp(min=1)
    spread = (centred.square().sum(1, keepdim=True) / known).sqrt()
    return torch.where(spread > 1e-6, centred / spread.clamp(min=1e-6), 0.0)


# --- what it comes to ---


def _known(path: Path | None) -> list[dict[str, Any]]:
    if path is None or not path.exists():
        return []
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["runs"]
    return found


def _write(options: argparse.Namespace, runs: list[dict[str, Any]]) -> None:
    if options.json is None:
        return
    about = {
        name: getattr(options, name)
        for name in ("steps", "prompts", "group", "rate", "temperature", "max_new_tokens")
    }
    report = about | {"summary": summed(runs, options.accuracy), "runs": runs}
    options.json.write_text(json.dumps(report) + "\n", "utf-8")


def summed(runs: Sequence[dict[str, Any]], accuracy: float) -> dict[str, Any]:
    """For each arm: the last evaluation over seeds, and the steps to an accuracy.

    The steps are None for a seed that did not come to it.
    """
    found: dict[str, Any] = {}
    for arm in dict.fromkeys(run["arm"] for run in runs):
        curves = [run["curve"] for run in runs if run["arm"] == arm]
        last = [curve[-1] for curve in curves]
        found[arm] = {
            name: {
                "mean": statistics.fmean(one[name] for one in last),
                "spread": statistics.stdev(one[name] for one in last) if last[1:] else 0.0,
            }
            for name in last[0]
        } | {
            "seeds": len(curves),
            f"steps_to_{accuracy:g}": [
                next((one["step"] for one in curve if one["accuracy"] >= accuracy), None)
                for curve in curves
            ],
        }
    return found


def plot(runs: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw accuracy and spurious-correct answers over steps, a line a seed."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(12, 3.6), layout="constrained")
    names = ("accuracy", "spurious_correct", "wrong_equations")
    for axes, name in zip(figure.subplots(1, 3), names, strict=True):
        for run in runs:
            steps = [one["step"] for one in run["curve"]]
            values = [one[name] for one in run["curve"]]
            first = run is next(one for one in runs if one["arm"] == run["arm"])
            label = run["arm"] if first else None
            axes.plot(steps, values, color=COLOURS[run["arm"]], label=label, alpha=0.8)
        axes.set_xlabel("steps")
        axes.set_title(name.replace("_", " "), fontsize="medium")
        axes.legend(frameon=False)
    figure.savefig(path)


if __name__ == "__main__":
    main()
