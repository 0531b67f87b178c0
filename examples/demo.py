"""A small model answers free and under rules, side by side.

python examples/demo.py --model FOLDER
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from rulec.compiler import Machine, Pack, build, compile_ruleset
from rulec.dsl import load, render
from rulec.runtime import Claim, Session, Verdict, verify
from rulec.runtime.generate import Output
from rulec.runtime.writer import Writer

HERE = Path(__file__).parent
QUESTIONS = (
    "What is 17 + 25?",
    "Anna has 48 apples and gives away 19. How many are left? Answer with an equation.",
    "Add 125 and 378, then subtract 64. Show each step as an equation.",
    "A ticket costs $12.50. What do 6 tickets cost? Show the equation.",
    "Compute 9 * 9, 8 * 7 and 6 * 12.",
    "Write five examples of addition with two-digit numbers, like 12 + 13 = 25.",
)
ORDER = """\
Order: 4 ABC-1234 at $2.50, 1 DEF-5678 at $20.00.
INVOICE
- ABC-1234 x4 @ $2.50 = $10.00
- DEF-5678 x1 @ $20.00 = $20.00
Subtotal: $30.00
Tax (8%): $2.40
Total: $32.40

Order: 3 LMP-1001 at $12.50, 12 CBL-2040 at $4.25, 2 DSK-3300 at $189.00.
"""


@dataclass(frozen=True)
class Rules:
    """A ruleset, ready to steer and to judge."""

    machine: Machine
    pack: Pack


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and what the rules say about it."""

    output: Output
    verdict: Verdict

    @property
    def wrong(self) -> list[Claim]:
        """The claims that do not hold."""
        return [claim for claim in self.verdict.claims if claim.verdict == "violate"]

    def shown(self) -> Text:
        """The text with claims that hold in green and those that don't in red."""
        raw = self.output.text
        text = Text(raw.decode("utf-8", "replace"))
        for claim in self.verdict.claims:
            start = len(raw[: claim.start].decode("utf-8", "replace"))
            end = len(raw[: claim.end].decode("utf-8", "replace"))
            text.stylize("bold red" if claim.verdict == "violate" else "green", start, end)
        if self.output.stop == "length":
            text.append(" …", style="dim")
        for claim in self.wrong:
            text.append(f"\n✗ {claim.rule}: expected {claim.expected}", style="red")
        return text


def open_rules(path: Path, writer: Writer) -> Rules:
    """Check and compile a ruleset for the model's vocabulary."""
    loaded = load(path)
    built = build(loaded.ruleset) if loaded.ruleset else None
    if loaded.ruleset is None or built is None or built.machine is None:
        found = (*loaded.diagnostics, *(built.diagnostics if built else ()))
        raise SystemExit("\n".join(map(render, found)))
    return Rules(built.machine, compile_ruleset(loaded.ruleset, writer.vocabulary))


def answers(
    writer: Writer, prompts: list[list[int]], rules: Rules, *, steer: bool, limit: int
) -> list[Answer]:
    """Let the model answer, and judge every answer by the rules."""
    sessions = [Session(rules.pack, budget=limit) if steer else None for _ in prompts]
    with Progress(transient=True) as progress:
        bar = progress.add_task("under rules" if steer else "free", total=limit)
        outputs = writer.write(
            prompts,
            sessions,
            max_new_tokens=limit,
            on_token=lambda _row, _token, held: progress.update(bar, completed=held),
        )
    return [Answer(output, verify(rules.machine, output.text, {})) for output in outputs]


def speed(batch: list[Answer]) -> float:
    """Tokens per second of a whole batch."""
    tokens = sum(len(answer.output.tokens) for answer in batch)
    return tokens / max(answer.output.seconds for answer in batch)


def side_by_side(
    title: str, asked: list[str], free: list[Answer], ruled: list[Answer]
) -> Table:
    """One row a prompt."""
    table = Table(title=title, show_lines=True, expand=True)
    table.add_column("prompt", ratio=2)
    table.add_column("free", ratio=4)
    table.add_column("under rules", ratio=4)
    for prompt, left, right in zip(asked, free, ruled, strict=True):
        table.add_row(Text(prompt), left.shown(), right.shown())
    return table


def totals(rows: list[tuple[str, list[Answer]]]) -> Table:
    """What each way of writing came to."""
    table = Table(title="in numbers")
    table.add_column("")
    for heading in ("claims", "wrong", "verdicts", "tokens", "tokens/s", "rollbacks"):
        table.add_column(heading, justify="right")
    for name, batch in rows:
        kinds = [answer.verdict.verdict for answer in batch]
        table.add_row(
            name,
            str(sum(len(answer.verdict.claims) for answer in batch)),
            str(sum(len(answer.wrong) for answer in batch)),
            ", ".join(f"{kinds.count(kind)} {kind}" for kind in dict.fromkeys(kinds)),
            str(sum(len(answer.output.tokens) for answer in batch)),
            f"{speed(batch):.1f}",
            str(sum(answer.output.rollbacks for answer in batch)),
        )
    return table


def main() -> None:
    """Run the demo."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--tokens", type=int, default=96, help="the limit for each answer")
    chosen = options.parse_args()
    console = Console()
    with console.status("loading the model and compiling the rules"):
        writer = Writer(chosen.model)
        arithmetic = open_rules(HERE / "arithmetic.rules", writer)
        invoice = open_rules(HERE / "invoice.rules", writer)
        writer.write([writer.prompt("Hello")], [None], max_new_tokens=2)
    questions = [writer.prompt(question) for question in QUESTIONS]
    order = [writer.prompt(ORDER, raw=True)]
    rows: list[tuple[str, list[Answer]]] = []
    for name, prompts, rules, asked, limit in (
        ("arithmetic", questions, arithmetic, list(QUESTIONS), chosen.tokens),
        ("invoice", order, invoice, [ORDER], 2 * chosen.tokens),
    ):
        free = answers(writer, prompts, rules, steer=False, limit=limit)
        ruled = answers(writer, prompts, rules, steer=True, limit=limit)
        console.print(side_by_side(f"{name}.rules", asked, free, ruled))
        rows += [(f"{name}, free", free), (f"{name}, under rules", ruled)]
    console.print(totals(rows))


if __name__ == "__main__":
    main()
