"""Where masks that only test a rule at its end would get stuck."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

from rulec.compiler import regions
from rulec.runtime import inputs as given
from rulec.runtime.inputs import BadInput
from rulec.runtime.reference import Reference
from rulec.runtime.sample import PLAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from fractions import Fraction

    from rulec.compiler.machine import Machine
    from rulec.runtime.reference import Config

WALKS = 80
LONGEST = 400


def stuck_at(
    machine: Machine, rules: Iterable[int], wrong: Mapping[int, Fraction] | None = None
) -> bytes | None:
    """A text behind which nothing can follow, if these rules were only tested at their end.

    `wrong` are values, by register, that are said to lead there; they are tried before others.
    None where no walk finds such a text.
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
    for leader in (_aimed(strict, wrong), strict) if wrong else (strict,):
        walks = _walks(Reference(leader))
        found = min((t for t in walks if _is_stuck(engine, start, t)), key=len, default=None)
        if found is not None:
            return found
    return None


def _aimed(machine: Machine, wrong: Mapping[int, Fraction]) -> Machine:
    """The machine with no values but some in their fields."""
    return replace(
        machine,
        fields=tuple(
            replace(
                field, domain=regions.interval(wrong[field.register], wrong[field.register])
            )
            if field.register in wrong and field.kind in ("number", "date")
            else field
            for field in machine.fields
        ),
    )


def _walks(engine: Reference) -> Iterator[bytes]:
    start = engine.start(given.registers(engine.machine, None))
    walks = (_walk(engine, start, Random(seed)) for seed in range(WALKS))
    return (text for text in walks if text is not None)


def _is_stuck(engine: Reference, config: Config, text: bytes) -> bool:
    """Whether a text is let through, and nothing can follow."""
    for at, byte in enumerate(text):
        config = engine.step(config, byte, at)
    possible = {b for thread in config.threads for b in engine.bytes_of(thread.node)}
    after = (engine.step(config, byte, len(text)) for byte in possible)
    ended = engine.ending(config, len(text)) is not None
    return bool(config.threads) and not ended and not any(a.threads for a in after)


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
