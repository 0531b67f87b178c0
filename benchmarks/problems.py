"""Word problems with worked, annotated solutions, as many as are asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("Ann", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gus", "Hana")
THINGS = ("apples", "books", "cards", "eggs", "pens", "shells", "stamps", "toys")
MOST = 999


@dataclass(frozen=True)
class Problem:
    """A question, and an answer that ends with `#### ` and the number."""

    question: str
    answer: str


def problem(chance: Random) -> Problem:
    """One problem of one to three steps; every number is a whole one of at most `MOST`."""
    name, thing = chance.choice(NAMES), chance.choice(THINGS)
    held = chance.randint(2, 60)
    asked, solved = [f"{name} has {held} {thing}."], []
    for _ in range(chance.randint(1, 3)):
        said, done, held = _step(chance, name, thing, held)
        asked.append(said)
        solved.append(done)
    question = " ".join((*asked, f"How many {thing} does {name} have now?"))
    return Problem(question, "\n".join((*solved, f"#### {held}")))


def _step(chance: Random, name: str, thing: str, held: int) -> tuple[str, str, int]:
    """What happens next, how it is worked out, and how many there are then."""
    ways = ["buy", "box"] if held + 81 <= MOST else []
    ways += ["lose"] if held > 1 else []
    ways += ["times"] if held * 2 <= MOST else []
    ways += ["share"] if any(held % n == 0 for n in range(2, 6)) else []
    match chance.choice(ways):
        case "buy":
            more = chance.randint(1, 60)
            made, said = held + more, f"{name} buys {more} more."
            worked = f"{held}+{more}"
        case "box":
            boxes = chance.randint(2, 9)
            each = chance.randint(2, 9)
            made, said = (
                held + boxes * each,
                f"{name} gets {boxes} boxes with {each} {thing} each.",
            )
            worked = f"{held}+{boxes}*{each}"
        case "lose":
            less = chance.randint(1, held - 1)
            made, said = held - less, f"{name} gives {less} away."
            worked = f"{held}-{less}"
        case "times":
            times = chance.randint(2, min(9, MOST // held))
            made, said = held * times, f"Then {name} has {times} times as many."
            worked = f"{held}*{times}"
        case _:
            parts = chance.choice([n for n in range(2, 6) if held % n == 0])
            made, said = held // parts, f"{name} keeps one of {parts} equal parts."
            worked = f"{held}/{parts}"
    return said, f"{name} has {worked}=<<{worked}={made}>>{made} {thing}.", made


def write(path: Path, count: int, seed: int) -> None:
    """Write distinct problems as JSON lines."""
    chance, seen = Random(seed), set()
    with path.open("w", encoding="utf-8") as stream:
        while len(seen) < count:
            one = problem(chance)
            if one.question not in seen:
                seen.add(one.question)
                record = {"question": one.question, "answer": one.answer}
                stream.write(json.dumps(record) + "\n")
