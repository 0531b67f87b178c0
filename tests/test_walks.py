"""No dead ends: walks over what is left open come to an end that passes."""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
import pytest
from brute import sure
from hypothesis import given
from rulesets import (
    SEEDS,
    author,
    built,
    letters_of,
    machine_of,
    many,
    random_walk,
    seeded,
    vocabulary,
)

from rulec.compiler import Machine, Pack, fit
from rulec.runtime import BadInput, NoSample, Sampler, Session, Verdict, Verifier
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.host import Host
from rulec.runtime.reference import Reference

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.rules"))


def kept_by_masks(machine: Machine) -> bool:
    return all(rule.tier != "commit" for rule in machine.rules)


def check_verdict(machine: Machine, verdict: Verdict, text: bytes) -> None:
    """No rule that masks keep is broken, and nothing else where there is no `commit` rule."""
    broken = [
        c for c in verdict.claims if c.tier == "mask" and c.verdict not in ("pass", "vacuous")
    ]
    assert not broken, (text, broken)
    assert verdict.verdict != "unparsed", (text, verdict.reason, verdict.at)
    if kept_by_masks(machine):
        assert verdict.verdict == "pass", (text, verdict)


def check_walks(machine: Machine, seeds: range, longest: int) -> None:
    engine, budget, verify = Reference(machine), Budget(machine), Verifier(machine)
    start = engine.start(given_inputs.registers(machine, None))
    if not start.threads:
        return
    for seed in seeds:
        walk = random_walk(engine, budget, start, Random(seed), longest)
        assert walk.end == "done", (walk.end, walk.text)
        check_verdict(machine, verify(walk.text), walk.text)


def walk_session(session: Session, r: Random, steps: int) -> None:
    """Follow random allowed tokens; go back where a `commit` rule is broken."""
    out = np.zeros((session.pack.size + 31) // 32, np.uint32)
    for _ in range(steps):
        session.mask(out)
        if session.stuck:
            session.retreat()
            continue
        assert out.any()
        if session.finished:
            return
        words = np.unpackbits(out.view(np.uint8), bitorder="little")[: session.pack.size]
        allowed = np.flatnonzero(words).tolist()
        session.accept(r.choice(allowed))
        if session.violations:
            session.retreat()


@seeded(40, 5_000)
@given(SEEDS)
def test_walks_over_random_rulesets_come_to_an_end(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r, watches=r.random() < 0.15))
    if machine is not None:
        check_walks(machine, range(3), 50)


@seeded(20, 5_000)
@given(SEEDS)
def test_sessions_end_within_their_budget(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r))
    if machine is None:
        return
    start = Reference(machine).start(given_inputs.registers(machine, None))
    pack = fit(machine, vocabulary(r, letters_of(machine), 60))
    if not start.threads:
        return
    limit = Budget.of(pack).cost(start) + 1 + r.choice([0, 0, 1, 5, 30])
    session = Session(pack, budget=limit)
    walk_session(session, r, 40 * limit + 400)
    assert session.finished
    assert len(session.tokens) <= limit
    if kept_by_masks(machine) and sure(machine):
        assert not session.exhausted, session.text
    verdict = Verifier(machine)(session.text)
    if session.exhausted:
        assert session.verdict().verdict != "pass"
    else:
        check_verdict(machine, verdict, session.text)
        assert verdict.verdict == session.verdict().verdict == "pass", verdict


@seeded(20, 5_000)
@given(SEEDS)
def test_samples_pass(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r))
    if machine is None:
        return
    try:
        text = Sampler(machine)(seed % 1_000)
    except BadInput:
        return
    except NoSample:
        assert not kept_by_masks(machine)
        return
    assert Verifier(machine)(text).verdict == "pass"


# --- the examples ---


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_walks_over_the_examples(path: Path) -> None:
    check_walks(machine_of(path), range(many(25, 3_000)), 150)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_samples_of_the_examples_pass(path: Path) -> None:
    machine = machine_of(path)
    sampler, verify = Sampler(machine), Verifier(machine)
    for seed in range(many(15, 1_000)):
        text = sampler(seed)
        assert verify(text).verdict == "pass", text


@pytest.fixture(scope="module")
def packs() -> dict[str, Pack]:
    return {
        path.stem: fit(machine, vocabulary(Random(1), letters_of(machine)))
        for path in EXAMPLES
        for machine in (machine_of(path),)
    }


@pytest.mark.parametrize("name", [path.stem for path in EXAMPLES])
def test_sessions_over_the_examples(name: str, packs: dict[str, Pack]) -> None:
    pack = packs[name]
    host, verify = Host(pack), Verifier(pack.machine)
    needed = host.budget.cost(
        Reference(pack.machine).start(given_inputs.registers(pack.machine, None))
    )
    for seed in range(many(8, 1_000)):
        r = Random(seed)
        limit = needed + 1 + r.choice([0, 3, 40, 150])
        session = Session(pack, budget=limit, host=host)
        walk_session(session, r, 20 * limit)
        assert session.finished
        if not session.exhausted:
            verdict = verify(session.text)
            assert verdict.verdict == "pass", (session.text, verdict)
        else:
            assert not kept_by_masks(pack.machine)
