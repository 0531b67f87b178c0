"""Passes of a model under rules, with forced text read ahead and without.

python benchmarks/ahead.py --model FOLDER
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from demo_prompts import WRITTEN
from rich.console import Console
from rich.table import Table

from rulec.runtime import Session
from rulec.runtime.catalog import compiled
from rulec.runtime.generate import generate
from rulec.runtime.host import Host
from rulec.runtime.writer import Writer

if TYPE_CHECKING:
    from rulec.runtime.generate import Output

EXAMPLES = Path(__file__).parent.parent / "examples"
ORDER = f"{WRITTEN}Order: 2 of XYZ-7000 at $15.00, 1 of DEF-5678 at $20.00\n"
PROBLEM = """\
Q: Natalia sold 48 clips in April, and half as many in May. How many in all?
A: In May she sold 48/2 = <<48/2=24>>24 clips.
In all she sold 48+24 = <<48+24=72>>72 clips.
#### 72

Q: A pen costs $3 and a book $12. How much are 4 pens and 2 books?
A: The pens are 4*3 = $<<4*3=12>>12.
The books are 2*12 = $<<2*12=24>>24.
In all that is 12+24 = $<<12+24=36>>36.
#### 36

Q: A farmer has 135 hens and buys 248 more. Each lays 12 eggs. How many eggs are there?
A: He has 135+248 ="""


@dataclass(frozen=True)
class Task:
    """A ruleset, a prompt and a limit."""

    rules: str
    prompt: str
    limit: int


TASKS = (Task("invoice", ORDER, 220), Task("gsm8k", PROBLEM, 60))


def write(writer: Writer, host: Host, task: Task, *, propose: bool) -> Output:
    """One answer, the likeliest token each time."""
    session = Session(host.pack, budget=task.limit, host=host)
    (output,) = generate(
        writer.network,
        [writer.prompt(task.prompt, raw=True)],
        [session],
        vocabulary=writer.vocabulary,
        max_new_tokens=task.limit,
        propose=propose,
    )
    return output


def main() -> None:
    """Count."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--model", type=Path, required=True)
    writer = Writer(options.parse_args().model)
    table = Table(title="Passes for one answer")
    for heading in ("rules", "tokens", "passes", "ahead", "tokens a pass"):
        table.add_column(heading, justify="right")
    for task in TASKS:
        host = Host(compiled(EXAMPLES / f"{task.rules}.rules", writer.vocabulary))
        plain, ahead = (write(writer, host, task, propose=propose) for propose in (False, True))
        if plain.tokens != ahead.tokens:
            raise SystemExit(f"{task.rules}: reading ahead has changed the answer")
        count = len(plain.tokens)
        share = f"{count / ahead.forwards:.2f}"
        row = (task.rules, str(count), str(plain.forwards), str(ahead.forwards), share)
        table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
