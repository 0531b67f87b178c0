"""Masks around references on the host engine: a table of 10,000 keys, and 1,024 names.

    python benchmarks/names.py --vocabulary 131k=tekken.json

Every token that is walked has its bit tested before it is taken. Times are of single fills,
in microseconds; the first trace warms up and is told apart. Fills in which the system took the
core away are left out and counted.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from random import Random
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from memory import preemptions
from vocabularies import chosen, load_tokenizer

from rulec.compiler import build, fit
from rulec.dsl import load_text
from rulec.runtime import inputs
from rulec.runtime.host import Host
from rulec.runtime.programs import Name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from vocabularies import Tokenizer

KEYS, STEPS = 10_000, 1_024
LOST = -1.0
"""In place of a time that the system took a part of."""
PACKS = Path(__file__).parent.parent / "examples"
CITED = (
    "input stock: table { key sku: text /[A-Z]{3}-[0-9]{4}/ }\n"
    'shape Line { "- " sku: ref(stock) "\\n" }\ntrace Line{1..20}'
)


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--vocabulary", action="append", default=[])
    for name, path in chosen(parser.parse_args().vocabulary).items():
        tokenizer = load_tokenizer(name, path)
        r = Random(1)
        skus = sorted({_sku(r) for _ in range(KEYS + 200)})[:KEYS]
        prices = {sku: f"{r.randint(1, 40_000) / 100:.2f}" for sku in skus}
        rows = [{"sku": sku} for sku in skus]
        lines = ["".join(f"- {r.choice(skus)}\n" for _ in range(10)) for _ in range(41)]
        _report(f"{name}, references", tokenizer, CITED, {"stock": rows}, lines)
        catalog = [{"sku": sku, "price": price} for sku, price in prices.items()]
        invoices = [_invoice(r, skus, prices) for _ in range(41)]
        rules = (PACKS / "packs" / "invoice.rules").read_text("utf-8")
        _report(f"{name}, invoice", tokenizer, rules, {"catalog": catalog}, invoices)
        proof = (PACKS / "proof.rules").read_text("utf-8")
        proof = proof.replace("{1,3}", "{1,4}").replace("{1..64}", f"{{1..{STEPS}}}")
        _report(f"{name}, proof", tokenizer, proof, {}, [_steps(r, 8), _steps(r, STEPS)])


def _sku(r: Random) -> str:
    return "".join(r.choices("ABCDEFGHIJKLMNOPQRSTUVWXYZ", k=3)) + f"-{r.randint(0, 9999):04}"


def _invoice(r: Random, skus: Sequence[str], prices: Mapping[str, str]) -> str:
    text = "INVOICE\n"
    for sku in r.sample(skus, 4):
        count, price = r.randint(1, 9), prices[sku]
        cents = count * round(float(price) * 100)
        text += f"- {sku} x{count} @ ${price} = ${cents // 100}.{cents % 100:02}\n"
    return text


def _steps(r: Random, count: int) -> str:
    text = "S1. A fact [given]\n"
    for number in range(2, count + 1):
        others = r.sample(range(1, number - 1), min(number - 2, 2)) if number > 2 else []
        cited = [number - 1, *others]  # else more steps would be left unused than can be
        text += f"S{number}. So it is [from {', '.join(f'S{n}' for n in cited)}]\n"
    return text


def _report(
    title: str,
    tokenizer: Tokenizer,
    rules: str,
    given: Mapping[str, object],
    texts: Sequence[str],
) -> None:
    ruleset = load_text(rules).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if machine is None:
        raise SystemExit(f"{title}: the rules are at fault")
    host = Host(fit(machine, tokenizer.vocabulary))
    regs = inputs.registers(machine, given)
    first = _walk(host, tokenizer, regs, texts[0])
    every = [time for text in texts[1:] for time in _walk(host, tokenizer, regs, text)]
    times = [time for time in every if time != LOST]
    shown = np.percentile(times, [50, 90, 99, 100])
    print(
        f"{title}: {len(times)} masks, {len(every) - len(times)} left out, "
        f"p50 {shown[0]:.0f} p90 {shown[1]:.0f} "
        f"p99 {shown[2]:.0f} max {shown[3]:.0f}; the first trace's worst {max(first):.0f}"
    )


def _walk(
    host: Host, tokenizer: Tokenizer, regs: Mapping[int, object], text: str
) -> list[float]:
    """Times of the masks before and within references."""
    out = np.zeros((host.pack.size + 31) // 32, np.uint32)
    config, at = host.engine.start(regs), 0  # type: ignore[arg-type]
    times: list[float] = []
    for token in tokenizer.encode(text):
        inside = any(isinstance(thread.lex, Name) for thread in config.threads)
        lost, started = preemptions(), perf_counter()
        host.fill(config, at, out)
        spent = (perf_counter() - started) * 1e6
        kept = preemptions() == lost
        if not out[token // 32] >> (token % 32) & 1:
            raise SystemExit(f"behind {text[:at][-80:]!r} token {token} is barred")
        data = host.pack.table.text(token)
        config = host.engine.walk(config, data, at)
        at += len(data)
        if inside or any(isinstance(thread.lex, Name) for thread in config.threads):
            times.append(spent if kept else LOST)
    return times


if __name__ == "__main__":
    main()
