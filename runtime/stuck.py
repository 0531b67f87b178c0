"""Where masks that only test a rule at its end would get stuck."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from rulec.runtime import inputs as given
from rulec.runtime.inputs import BadInput
from rulec.runtime.reference import Reference
from rulec.runtime.sample import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.compiler.machine import Machine
    from rulec.runtime.reference import Config

WALKS = 80
LONGEST = 400


def stuck_at(machine: Machine, rules: Iterable[int]) -> bytes | None:
    """A text behind which nothing can follow, if these rules were only tested at their end.

    None where random walks find none.
    """
    chosen = set(rules)
    strict = replace(
        machine,
        rules=tuple(
            replace(rule, tier="mask") if number in chosen else rule
            for number, rule in enumerate(machine.rules)
        ),
    )
    engine = Reference(strict)
    try:
        start = engine.start(given.registers(strict, None))
    except BadInput:
        return None
    walks = (_walk(engine, start, Random(seed)) for seed in range(WALKS))
    return min((text for text in walks if text is not None), key=len, default=None)


def _walk(engine: Reference, start: Config, chance: Random) -> bytes | None:
    """The text of a walk that gets stuck."""
    config, text = start, bytearray()
    while config.threads and len(text) < LONGEST:
        possible = {b for t in config.threads for b in engine.bytes_of(t.node)}
        order = sorted(possible & PLAIN or possible)
        chance.shuffle(order)
        steps = ((byte, engine.step(config, byte, len(text))) for byte in order)
        byte, after = next(((b, c) for b, c in steps if c.threads), (-1, None))
        if after is None:
            return None if engine.ending(config, len(text)) is not None else bytes(text)
        text.append(byte)
        config = after
        if engine.ending(config, len(text)) is not None and chance.random() < 0.3:
            return None
    return None
