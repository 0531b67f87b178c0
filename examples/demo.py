"""A small model answers free and under rules, side by side.

python examples/demo.py --model FOLDER
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from time import perf_counter

from orders import WRITTEN
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from rulec.compiler import Machine, build, fit
from rulec.compiler.fit import Words
from rulec.dsl import load, render
from rulec.runtime import Session, Verdict, verify
from rulec.runtime.generate import Output
from rulec.runtime.host import Host
from rulec.runtime.writer import Writer

HERE = Path(__file__).parent
WIDTH = 100
QUESTIONS = (
    "What is 17 + 25?",
    "Tom earns $15 an hour and works 38 hours. How much does he earn?",
    "What is 8 * 37? Explain step by step.",
    "What is 250 - 75 - 36?",
    "Write five examples of addition with two-digit numbers, like 12 + 13 = 25.",
)
ORDER = f"""{WRITTEN}\
Order: 2 of XYZ-7000 at $15.00, 1 of DEF-5678 at $20.00
INVOICE
- XYZ-7000 x2 @ $15.00 = $30.00
- DEF-5678 x1 @ $20.00 = $20.00
Subtotal: $50.00
Tax (8%): $4.00
Total: $54.00

Order: 3 of LMP-1001 at $12.50, 12 of CBL-2040 at $4.25, 2 of DSK-3300 at $189.00
"""
FREE_INVOICE = 110
"""Tokens of an invoice without rules; it would go on with other orders."""


@dataclass(frozen=True)
class Rules:
    """A ruleset, ready to steer and to judge; `recount` is a judge that knows nothing of it."""

    name: str
    machine: Machine
    host: Host
    recount: Callable[[str], list[bool]]


@dataclass
class Clock:
    """Seconds that rules took."""

    seconds: float = 0.0


class ClockedSession(Session):
    """A session that adds the time it takes to a clock."""

    clock = Clock()

    def mask(self, out: Words) -> None:
        """See `Session.mask`."""
        began = perf_counter()
        super().mask(out)
        self.clock.seconds += perf_counter() - began

    def accept(self, token: int) -> None:
        """See `Session.accept`."""
        began = perf_counter()
        super().accept(token)
        self.clock.seconds += perf_counter() - began


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and what two judges say about it."""

    output: Output
    text: bytes
    verdict: Verdict
    recounted: list[bool]

    @property
    def wrong(self) -> int:
        """How many claims do not hold."""
        return sum(claim.verdict == "violate" for claim in self.verdict.claims)

    def shown(self) -> Text:
        """The text; results that hold in green, others in red beside the right ones."""
        text, at = Text(), 0
        for start, end, expected in self.marks():
            text.append(self.text[at:start].decode("utf-8", "replace"))
            found = self.text[start:end].decode("utf-8", "replace")
            text.append(found, style="green" if expected is None else "bold red")
            if expected is not None:
                text.append(f" ✗ {expected}", style="red")
            at = end
        text.append(self.text[at:].decode("utf-8", "replace"))
        if self.output.stop == "length" and self.text == self.output.text:
            text.append(" …", style="dim")
        if self.verdict.verdict == "unparsed":
            text.append(f"\n✗ {self.verdict.reason}", style="red")
        return text

    def marks(self) -> list[tuple[int, int, str | None]]:
        """Each place with a claim, once, and what it should hold where a claim is broken."""
        found: dict[tuple[int, int], str | None] = {}
        for claim in self.verdict.claims:
            place = claim.start, claim.end
            wrong = claim.expected if claim.verdict == "violate" else None
            found[place] = found.get(place) if wrong is None else wrong
        return [(start, end, wrong) for (start, end), wrong in sorted(found.items())]


@dataclass
class Batch:
    """The answers of one way of writing, and what they took."""

    name: str
    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0
    rules: float = 0.0

    @property
    def tokens(self) -> int:
        """How many tokens were written."""
        return sum(len(answer.output.tokens) for answer in self.answers)


NUMBER = r"(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?"
EQUATION = re.compile(
    rf"(?<![\w.)%+*/×÷√^-])(?<![-+*/×÷x] )(\$?{NUMBER}(?: ?[-+*/×÷] ?\$?{NUMBER})+)"
    rf" {{0,2}}= {{0,2}}[$€£]?(-?{NUMBER})(?!,?\d| ?[-+*/×÷] ?\d)"
)
PART = re.compile(rf"{NUMBER}|[-+*/×÷]")


def number(text: str) -> Fraction:
    """A number as it is written."""
    return Fraction(text.replace(",", ""))


def value(expression: str) -> Fraction | None:
    """A chain of operations without parentheses; None where it divides by zero."""
    first, *rest = PART.findall(expression)
    total, term = Fraction(0), number(first)
    for sign, text in zip(rest[::2], rest[1::2], strict=True):
        operand = number(text)
        if sign in "*×":
            term *= operand
        elif sign in "/÷":
            if operand == 0:
                return None
            term /= operand
        else:
            total, term = total + term, operand if sign == "+" else -operand
    return total + term


def equations(text: str) -> list[bool]:
    """Whether each plain equation in a text holds, to the digits that it shows."""
    found = []
    for match in EQUATION.finditer(text):
        meant, shown = value(match[1]), match[2]
        digits = len(shown.partition(".")[2])
        near = meant is not None and abs(number(shown) - meant) * 2 * 10**digits <= 1
        found.append(near)
    return found


LINE = re.compile(rf"^- .* x(\d+) @ \$({NUMBER}) = \$({NUMBER})$", re.MULTILINE)
SUMS = tuple(
    re.compile(rf"^{name}: \$({NUMBER})$", re.MULTILINE)
    for name in ("Subtotal", r"Tax \(8%\)", "Total")
)


def amounts(text: str) -> list[bool]:
    """Whether each amount of an invoice is right."""
    lines = [(number(n), number(price), number(sum_)) for n, price, sum_ in LINE.findall(text)]
    found = [quantity * price == amount for quantity, price, amount in lines]
    sums = [pattern.search(text) for pattern in SUMS]
    subtotal, tax, total = (number(match[1]) if match else None for match in sums)
    if subtotal is not None:
        found.append(subtotal == sum(amount for _, _, amount in lines))
    if subtotal is not None and tax is not None:
        found.append(abs(tax - subtotal * 8 / 100) * 200 <= 1)
    if subtotal is not None and tax is not None and total is not None:
        found.append(total == subtotal + tax)
    return found


def open_rules(name: str, writer: Writer, recount: Callable[[str], list[bool]]) -> Rules:
    """Check a ruleset and compile it for the model's vocabulary."""
    loaded = load(HERE / f"{name}.rules")
    built = build(loaded.ruleset) if loaded.ruleset else None
    if built is None or built.machine is None:
        found = (*loaded.diagnostics, *(built.diagnostics if built else ()))
        raise SystemExit("\n".join(map(render, found)))
    host = Host(fit(built.machine, writer.vocabulary))
    return Rules(name, built.machine, host, recount)


def write(
    writer: Writer,
    prompts: list[list[int]],
    rules: Rules,
    limit: int,
    *,
    steer: bool,
    until: bytes | None = None,
) -> Batch:
    """Let the model answer, and judge every answer; `until` is where a free text is cut."""
    batch = Batch(f"{rules.name}, {'under rules' if steer else 'free'}")
    ClockedSession.clock.seconds = 0.0
    sessions = [
        ClockedSession(rules.host.pack, budget=limit, host=rules.host) if steer else None
        for _ in prompts
    ]
    began = perf_counter()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    console = Console(stderr=True)
    hidden = not console.is_terminal
    with Progress(*columns, console=console, transient=True, disable=hidden) as progress:
        bar = progress.add_task(batch.name, total=limit)
        outputs = writer.write(
            prompts,
            sessions,
            max_new_tokens=limit,
            on_token=lambda _row, _token, held: progress.update(bar, completed=held),
        )
    batch.seconds = perf_counter() - began
    batch.rules = ClockedSession.clock.seconds
    for output in outputs:
        text = output.text if until is None or steer else output.text.partition(until)[0]
        verdict = verify(rules.machine, text)
        recounted = rules.recount(text.decode("utf-8", "replace"))
        batch.answers.append(Answer(output, text, verdict, recounted))
    return batch


def compare(console: Console, asked: tuple[str, ...], free: Batch, ruled: Batch) -> None:
    """Print each prompt, and below it what was written free and under rules."""
    name = ruled.name.partition(",")[0]
    for prompt, left, right in zip(asked, free.answers, ruled.answers, strict=True):
        console.print(Rule(style="dim"))
        console.print(Text(prompt.rstrip("\n"), style="bold"))
        table = Table(box=SIMPLE_HEAD, expand=True, padding=(0, 1), header_style="dim")
        table.add_column("free", ratio=1)
        table.add_column(f"under {name}.rules", ratio=1)
        table.add_row(left.shown(), right.shown())
        console.print(table)


def totals(batches: list[Batch]) -> Table:
    """What each way of writing came to."""
    table = Table(title="In numbers", box=SIMPLE_HEAD, title_style="bold")
    table.add_column("")
    for heading in (
        "verified",
        "wrong",
        "recounted",
        "wrong",
        "tokens",
        "tokens/s",
        "rules ms",
    ):
        table.add_column(heading, justify="right")
    for batch in batches:
        recounted = [right for answer in batch.answers for right in answer.recounted]
        wrong = sum(answer.wrong for answer in batch.answers)
        each = batch.rules / batch.tokens * 1000
        table.add_row(
            batch.name,
            str(sum(len(answer.verdict.claims) for answer in batch.answers)),
            Text(str(wrong), style="bold red" if wrong else "green"),
            str(len(recounted)),
            Text(
                str(recounted.count(False)),
                style="bold red" if False in recounted else "green",
            ),
            str(batch.tokens),
            f"{batch.tokens / batch.seconds:.1f}",
            f"{each:.2f}" if batch.rules else "",
        )
    return table


def main() -> None:
    """Run the demo."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True)
    options.add_argument("--tokens", type=int, default=112, help="the limit of an answer")
    options.add_argument("--invoice", type=int, default=320, help="the limit of the invoice")
    chosen = options.parse_args()
    console = Console(highlight=False, width=min(Console().width, WIDTH))
    with console.status("loading the model and compiling the rules"):
        writer = Writer(chosen.model)
        arithmetic = open_rules("arithmetic", writer, equations)
        invoice = open_rules("invoice", writer, amounts)
        questions = [writer.prompt(question) for question in QUESTIONS]
        # The first passes of a process are slow, whatever they compute.
        writer.write(questions, [None] * len(questions), max_new_tokens=4)
    batches: list[Batch] = []
    order = [writer.prompt(ORDER, raw=True)]
    for asked, prompts, rules, limit, until in (
        (QUESTIONS, questions, arithmetic, chosen.tokens, None),
        ((ORDER,), order, invoice, chosen.invoice, b"\n\n"),
    ):
        free_limit = limit if until is None else FREE_INVOICE
        free = write(writer, prompts, rules, free_limit, steer=False, until=until)
        ruled = write(writer, prompts, rules, limit, steer=True)
        compare(console, asked, free, ruled)
        batches += [free, ruled]
    console.print(totals(batches))
    console.print(
        "verified: by the rules; recounted: plain equations and amounts, by a regular\n"
        "expression that knows nothing of rules; rules ms: the rules' share of a token's time.",
        style="dim",
    )


if __name__ == "__main__":
    main()
