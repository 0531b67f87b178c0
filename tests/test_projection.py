"""What masks leave open is exactly what can still be completed."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from hypothesis import given
from rulesets import SEEDS, seeded, ways
from systems import prefixes, system

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime import Verifier
from rulec.runtime.reference import Config, Reference

if TYPE_CHECKING:
    from rulec.compiler import Machine

MOST_STATES = 40_000


def reached(machine: Machine) -> tuple[set[bytes], set[bytes]]:
    """Every text to which masks lead, and those at which the trace may end."""
    engine = Reference(machine)
    start = engine.start({})
    seen: set[bytes] = set()
    ends: set[bytes] = set()
    queue: list[tuple[bytes, Config]] = [(b"", start)] if start.threads else []
    while queue and len(seen) < MOST_STATES:
        text, config = queue.pop()
        seen.add(text)
        if engine.ending(config, len(text)) is not None:
            ends.add(text)
        queue += [(text + bytes((b,)), after) for b, after in ways(engine, config, len(text))]
    return seen, ends


def check_system(seed: int) -> bool:
    made = system(Random(seed))
    ruleset = load_text(made.text).ruleset
    if ruleset is None:
        return False
    machine = build(ruleset).machine
    assert machine is not None, made.text
    if any(rule.tier != "mask" for rule in machine.rules):
        return False
    verify = Verifier(machine)
    kept = [text for text in made.texts if verify(text.encode()).verdict == "pass"]
    seen, ends = reached(machine)
    assert ends == {text.encode() for text in kept}, (seed, made.text)
    wanted = set(prefixes(kept))
    assert seen == wanted, (seed, made.text, sorted(seen ^ wanted)[:5])
    return True


@seeded(60, 20_000)
@given(SEEDS)
def test_masks_leave_open_what_can_be_completed(seed: int) -> None:
    check_system(seed)
