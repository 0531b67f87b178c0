"""A model with rules off, audited and enforced, on questions with known answers.

python benchmarks/evaluate.py --model FOLDER --rules examples/gsm8k.rules --questions test.jsonl

The three arms have the same questions, seeds and sampling. Answers are judged by the data's own
labels, equations by a checker of its own (`equations.py`): never by the rules that steered.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

from equations import equations
from rich.console import Console
from rich.table import Table

from rulec.compiler import build, fit
from rulec.dsl import load
from rulec.runtime import Session, Verifier
from rulec.runtime.answers import right_answer
from rulec.runtime.digests import engine_digest
from rulec.runtime.host import Host
from rulec.runtime.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler import Machine
    from rulec.runtime.generate import Output

ARMS = ("off", "audited", "enforced")
PROMPT = "Question: {question}\nAnswer: "
PLOTTED = ("accuracy", "wrong_equations", "spurious_correct", "coverage")


@dataclass(frozen=True)
class Question:
    """A question and the label that it came with."""

    text: str
    answer: str


@dataclass(frozen=True)
class Result:
    """What one arm did with one seed; rates are shares of traces if nothing else is said.

    `wrong_equations` is the share of equations; `spurious_correct` of traces that are right
    with a wrong equation in them. `removed_mass` sums up, for each trace, what masks took from
    each step's distribution; `log_removed` is `-Σ log_kept` in nats. Both are means over
    traces.
    """

    arm: str
    seed: int
    traces: int
    accuracy: float
    wrong_equations: float
    traces_with_wrong_equations: float
    spurious_correct: float
    equations: float
    claims: float
    coverage: float
    removed_mass: float
    log_removed: float
    forced: float
    rollbacks: float
    dropped: int
    exhausted: float
    unfinished: float
    tokens: int
    tokens_per_second: float
    valid: float
    seconds: float


def main() -> None:
    """Run what the command line asks for."""
    options = _options()
    questions = read(options.questions, options.question, options.answer, options.limit)
    ruleset = load(options.rules).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if machine is None:
        raise SystemExit(f"{options.rules}: the rules have errors; `rulec check` tells them")
    began = perf_counter()
    arms = Arms(Writer(options.model, options.device), machine, questions, options)
    found: list[Result] = []
    for seed in options.seeds:
        for arm in options.arms:
            found.append(arms.run(arm, seed))
            Console(stderr=True).print(f"{arm}, seed {seed}: {found[-1].seconds:.0f} s")
    report = {
        "model": str(options.model),
        "rules": {"file": options.rules.name, "digest": machine.digest},
        "engine": engine_digest(),
        "questions": {"file": options.questions.name, "count": len(questions)},
        "temperature": options.temperature,
        "max_new_tokens": options.max_new_tokens,
        "seeds": options.seeds,
        "seconds": round(perf_counter() - began, 1),
        "arms": summed(found),
        "runs": [asdict(one) for one in found],
    }
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    if options.plot is not None:
        plot(report["arms"], options.plot)
    Console().print(table(report["arms"]))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True, help="a folder of transformers")
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--questions", type=Path, required=True, help="JSON lines")
    parser.add_argument("--question", default="question", help="the member with the question")
    parser.add_argument("--answer", default="answer", help="the member with the label")
    parser.add_argument("--prompt", default=PROMPT, help="with {question} in it")
    parser.add_argument("--chat", action="store_true", help="as a message of a chat")
    parser.add_argument("--limit", type=int, help="so many questions, from the first")
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=ARMS)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--temperature", type=float, default=1.0)
    parser.add_argument("--max-new-tokens", type=int, default=256)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", type=Path, help="write all that was measured")
    parser.add_argument("--plot", type=Path, help="draw it (.png, .svg)")
    return parser.parse_args()


def read(path: Path, question: str, answer: str, limit: int | None) -> list[Question]:
    """The questions of a file."""
    lines = path.read_text("utf-8").splitlines()[:limit]
    records = [json.loads(line) for line in lines]
    return [Question(one[question], str(one[answer])) for one in records]


class Arms:
    """One model, one ruleset, one list of questions."""

    def __init__(
        self,
        writer: Writer,
        machine: Machine,
        questions: Sequence[Question],
        options: argparse.Namespace,
    ) -> None:
        self._writer = writer
        self._options = options
        self._verify = Verifier(machine)
        self._host = Host(fit(machine, writer.vocabulary))
        # Prompts of like length stand together, so that little is padded.
        prompts = [
            writer.prompt(options.prompt.format(question=one.text), raw=not options.chat)
            for one in questions
        ]
        order = sorted(range(len(questions)), key=lambda n: len(prompts[n]))
        self._prompts = [prompts[n] for n in order]
        self._questions = [questions[n] for n in order]

    def run(self, arm: str, seed: int) -> Result:
        """One arm with one seed; audited traces are judged as they are finished."""
        began = perf_counter()
        outputs: list[Output] = []
        size = self._options.batch
        for first in range(0, len(self._prompts), size):
            written = self._write(arm, seed + first, self._prompts[first : first + size])
            if arm == "audited":
                for output in written:
                    self._verify(output.text)
            outputs += written
        return self._result(arm, seed, outputs, perf_counter() - began)

    def _write(self, arm: str, seed: int, prompts: list[list[int]]) -> list[Output]:
        most = self._options.max_new_tokens
        sessions = [
            Session(self._host.pack, None, most, self._host) if arm == "enforced" else None
            for _ in prompts
        ]
        return self._writer.write(
            prompts,
            sessions,
            max_new_tokens=most,
            temperature=self._options.temperature,
            seed=seed,
            traced=arm == "enforced",
        )

    def _result(self, arm: str, seed: int, outputs: Sequence[Output], seconds: float) -> Result:
        count = len(outputs)
        texts = [output.text.decode("utf-8", "replace") for output in outputs]
        claimed = [equations(text) for text in texts]
        verdicts = [self._verify(output.text) for output in outputs]
        right = [
            right_answer(text, one.answer)
            for text, one in zip(texts, self._questions, strict=True)
        ]
        wrong = [any(not one.holds for one in found) for found in claimed]
        every = [one for found in claimed for one in found]
        steps = [step for output in outputs for step in output.steps]
        tokens = sum(len(output.tokens) for output in outputs)
        return Result(
            arm=arm,
            seed=seed,
            traces=count,
            accuracy=sum(right) / count,
            wrong_equations=sum(not one.holds for one in every) / max(len(every), 1),
            traces_with_wrong_equations=sum(wrong) / count,
            spurious_correct=sum(map(all, zip(right, wrong, strict=True))) / count,
            equations=len(every) / count,
            claims=sum(verdict.claim_count for verdict in verdicts) / count,
            coverage=sum(verdict.coverage for verdict in verdicts) / count,
            removed_mass=sum(-math.expm1(step.log_kept) for step in steps) / count,
            log_removed=-sum(step.log_kept for step in steps) / count,
            forced=sum(step.forced for step in steps) / max(len(steps), 1),
            rollbacks=sum(output.rollbacks for output in outputs) / count,
            dropped=sum(output.dropped for output in outputs),
            exhausted=sum(output.stop == "exhausted" for output in outputs) / count,
            unfinished=sum(output.stop == "length" for output in outputs) / count,
            tokens=tokens,
            tokens_per_second=tokens / seconds,
            valid=sum(verdict.holds for verdict in verdicts) / count,
            seconds=seconds,
        )


# --- what it comes to ---


def summed(results: Sequence[Result]) -> dict[str, dict[str, dict[str, float]]]:
    """For each arm and figure the mean over seeds, and their standard deviation."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for arm in dict.fromkeys(one.arm for one in results):
        runs = [asdict(one) for one in results if one.arm == arm]
        names = [name for name in runs[0] if name not in ("arm", "seed", "traces")]
        found[arm] = {
            name: {
                "mean": statistics.fmean(run[name] for run in runs),
                "spread": statistics.stdev(run[name] for run in runs) if runs[1:] else 0.0,
            }
            for name in names
        }
    return found


def table(arms: dict[str, Any]) -> Table:
    """The figures, an arm a column."""
    shown = Table(box=None, padding=(0, 2), header_style="dim")
    shown.add_column("")
    for arm in arms:
        shown.add_column(arm, justify="right")
    for name in next(iter(arms.values())):
        cells = [
            f"{arms[arm][name]['mean']:.4g} ± {arms[arm][name]['spread']:.2g}" for arm in arms
        ]
        shown.add_row(name.replace("_", " "), *cells)
    return shown


def plot(arms: dict[str, Any], path: Path) -> None:
    """Draw the shares side by side, and tokens a second beside them."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(10, 4), layout="constrained")
    shares, speed = figure.subplots(1, 2, width_ratios=[3, 1.4])
    width = 0.8 / len(arms)
    for place, (arm, held) in enumerate(arms.items()):
        at = [n + place * width for n in range(len(PLOTTED))]
        means = [held[name]["mean"] for name in PLOTTED]
        shares.bar(at, means, width, yerr=[held[n]["spread"] for n in PLOTTED], label=arm)
        rate = held["tokens_per_second"]
        speed.bar([place], [rate["mean"]], yerr=[rate["spread"]])
    middle = 0.4 - width / 2
    shares.set_xticks(
        [n + middle for n in range(len(PLOTTED))], [name.replace("_", " ") for name in PLOTTED]
    )
    shares.legend(frameon=False)
    speed.set_xticks(range(len(arms)), list(arms))
    speed.set_ylabel("tokens a second")
    figure.savefig(path)


if __name__ == "__main__":
    main()
