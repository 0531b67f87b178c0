"""What is measured: rules, the nearest grammars of the peers, and traces.

xgrammar and llguidance get the structure alone: no grammar of theirs ties one value to another.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
SEED = 20_260


@dataclass(frozen=True)
class Workload:
    """Rules and traces that keep them.

    `ebnf` is for xgrammar, `lark` for llguidance. `source` says where the traces come from.
    """

    name: str
    rules: str
    ebnf: str
    lark: str
    traces: tuple[str, ...]
    source: str


_GSM8K_EBNF = r"""
root ::= [^<\n]* rest
rest ::= calc root | "<" [^<\n] root | "\n" line
line ::= "#### " number | [^#<\n] root | calc root | "<" [^<\n] root | "\n" line
calc ::= "<<" expr "=" number ">>"
expr ::= blank sign operand (blank operator blank sign operand)* blank
operand ::= "$"? digits | "(" expr ")"
operator ::= "+" | "-" | "*" | "//" | "/" | "×" | "÷"
blank ::= " "?
sign ::= [-+]?
number ::= "-"? digits
digits ::= ([0-9] [0-9,]*)? "." [0-9]+ | [0-9] [0-9,]*
"""

_GSM8K_LARK = r"""
start: part* ANSWER number
part: TEXT | LESS | BREAK | calc
TEXT: /[^<\n]+/
LESS: /<[^<\n]/
BREAK: "\n"
ANSWER: "\n#### "
calc: "<<" expr "=" number ">>"
expr: blank sign operand (blank OPERATOR blank sign operand)* blank
operand: "$"? DIGITS | "(" expr ")"
blank: " "?
sign: ("-" | "+")?
number: "-"? DIGITS
OPERATOR: /\+|-|\*|\/\/|\/|×|÷/
DIGITS: /([0-9][0-9,]*)?\.[0-9]+|[0-9][0-9,]*/
"""

_INVOICE_EBNF = r"""
root ::= "INVOICE\n" line{1,20} "Subtotal: $" money "\nTax (8%): $" money "\nTotal: $" money
line ::= "- " [A-Z]{3} "-" [0-9]{4} " x" quantity " @ $" money " = $" money "\n"
quantity ::= [1-9] [0-9]{0,2}
money ::= ("0" | [1-9] [0-9]{0,6}) "." [0-9] [0-9]
"""

_INVOICE_LARK = r"""
start: "INVOICE\n" line{1,20} "Subtotal: $" MONEY "\nTax (8%): $" MONEY "\nTotal: $" MONEY
line: "- " SKU " x" QUANTITY " @ $" MONEY " = $" MONEY "\n"
SKU: /[A-Z]{3}-[0-9]{4}/
QUANTITY: /[1-9][0-9]{0,2}/
MONEY: /(0|[1-9][0-9]{0,6})\.[0-9][0-9]/
"""

_REPORT_RULES = r"""
ruleset report "1.0"

shape Item {
    "- [" code: text /[A-Z]{2}[0-9]{3}/ "] " note: text /[A-Za-z][A-Za-z ,;()-]{0,79}/ "\n"
}

shape Report {
    "REPORT " number: text /[0-9]{4}-[A-Z]{2}/
    "\nOwner: " owner: text /[A-Z][a-z]{1,15}( [A-Z][a-z]{1,15}){1,2}/
    "\nState: " state: text /open|closed|waiting for review/ "\n"
    items: Item{1..8}
    "Summary: " summary: text /[A-Z][A-Za-z0-9 ,.]{9,199}/ "\nEnd."
}

trace Report
"""

_REPORT_EBNF = r"""
root ::= "REPORT " [0-9]{4} "-" [A-Z]{2} "\nOwner: " name " " name (" " name)? "\nState: " rest
rest ::= ("open" | "closed" | "waiting for review") "\n" item{1,8} "Summary: " summary "\nEnd."
name ::= [A-Z] [a-z]{1,15}
item ::= "- [" [A-Z]{2} [0-9]{3} "] " [A-Za-z] [A-Za-z ,;()-]{0,79} "\n"
summary ::= [A-Z] [A-Za-z0-9 ,.]{9,199}
"""

_REPORT_LARK = r"""
start: "REPORT " NUMBER "\nOwner: " OWNER "\nState: " STATE "\n" item{1,8} rest
rest: "Summary: " SUMMARY "\nEnd."
item: "- [" CODE "] " NOTE "\n"
NUMBER: /[0-9]{4}-[A-Z]{2}/
OWNER: /[A-Z][a-z]{1,15}( [A-Z][a-z]{1,15}){1,2}/
STATE: /open|closed|waiting for review/
CODE: /[A-Z]{2}[0-9]{3}/
NOTE: /[A-Za-z][A-Za-z ,;()-]{0,79}/
SUMMARY: /[A-Z][A-Za-z0-9 ,.]{9,199}/
"""

_PROBLEMS = (
    "{a} boxes hold {b} pens each, so there are {a}*{b} = <<{a}*{b}={ab}>>{ab} pens.\n"
    "Then {c} more arrive: {ab}+{c} = <<{ab}+{c}={abc}>>{abc}.\n#### {abc}",
    "She pays ${a} and then ${b}, which is ${a}+${b} = $<<{a}+{b}={s}>>{s} in all.\n"
    "Half of it is {s}/2 = <<{s}/2={h}>>{h} dollars.\n#### {h}",
)
_WORDS = (
    *("the", "pump", "was", "checked", "and", "cleaned,", "a", "valve", "leaks"),
    *("(left", "side)", "after", "new", "tests"),
)
_NAMES = ("Ada", "Berta", "Carl", "Dora", "Emil", "Frida", "Gustav", "Hanna", "Igor", "Jana")


def workloads(gsm8k: Path | None, count: int) -> Iterator[Workload]:
    """All workloads, with up to `count` traces each."""
    lines, source = _solutions(gsm8k, count)
    examples = ROOT / "examples"
    rules = (examples / "gsm8k.rules").read_text("utf-8")
    yield Workload("gsm8k", rules, _GSM8K_EBNF, _GSM8K_LARK, lines, source)
    made = "made by a seeded generator"
    reports = tuple(_made(_report, count))
    yield Workload("report", _REPORT_RULES, _REPORT_EBNF, _REPORT_LARK, reports, made)
    rules = (examples / "invoice.rules").read_text("utf-8")
    invoices = tuple(_made(_invoice, count))
    yield Workload("invoice", rules, _INVOICE_EBNF, _INVOICE_LARK, invoices, made)


def _solutions(path: Path | None, count: int) -> tuple[tuple[str, ...], str]:
    if path is None or not path.is_file():
        return tuple(
            _made(_solution, count)
        ), "made in the style of GSM8K, the data is not here"
    lines = path.read_text("utf-8").splitlines()
    step = max(1, len(lines) // count)
    chosen = lines[::step][:count]
    return tuple(json.loads(line)["answer"] for line in chosen), f"real lines of {path.name}"


def _made(make: Callable[[random.Random], str], count: int) -> Iterator[str]:
    chance = random.Random(SEED)
    for _ in range(count):
        yield make(chance)


def _solution(chance: random.Random) -> str:
    a, b, c = chance.randint(2, 99), chance.randint(2, 400), chance.randint(1, 999)
    s = a + b
    half = str(s // 2) if s % 2 == 0 else f"{s // 2}.5"
    template = chance.choice(_PROBLEMS)
    return template.format(a=a, b=b, c=c, ab=a * b, abc=a * b + c, s=s, h=half)


def _report(chance: random.Random) -> str:
    def words(least: int, most: int) -> str:
        return " ".join(chance.choice(_WORDS) for _ in range(chance.randint(least, most)))

    items = "".join(
        f"- [{chance.choice('ABC')}{chance.choice('XYZ')}{chance.randint(100, 999)}] "
        f"the {words(2, 8)}\n"
        for _ in range(chance.randint(1, 8))
    )
    owner = " ".join(chance.sample(_NAMES, chance.randint(2, 3)))
    state = chance.choice(("open", "closed", "waiting for review"))
    summary = words(4, 20).replace("(", "").replace(")", "").capitalize()
    head = f"REPORT {chance.randint(1000, 9999)}-QA\nOwner: {owner}\nState: {state}\n"
    return f"{head}{items}Summary: {summary}.\nEnd."


def _invoice(chance: random.Random) -> str:
    lines: list[str] = []
    subtotal = 0
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    for number in chance.sample(range(10_000), chance.randint(1, 12)):
        quantity, price = chance.randint(1, 40), chance.randint(1, 9_999)
        amount = quantity * price
        subtotal += amount
        sku = "".join(chance.choice(letters) for _ in range(3)) + f"-{number:04}"
        lines.append(f"- {sku} x{quantity} @ ${_money(price)} = ${_money(amount)}\n")
    tax = (8 * subtotal + 50) // 100
    totals = f"Tax (8%): ${_money(tax)}\nTotal: ${_money(subtotal + tax)}"
    return f"INVOICE\n{''.join(lines)}Subtotal: ${_money(subtotal)}\n{totals}"


def _money(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
