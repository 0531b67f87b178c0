"""Budgets: from every state a token leads nearer to the end, and a session ends within them."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from random import Random

import numpy as np
import pytest
from brute import Brute, sure
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
    ways,
)

from rulec.compiler import Machine, Pack, Vocabulary, fit, load_vocabulary
from rulec.compiler.pack import from_bytes
from rulec.runtime import Session
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget, shortest
from rulec.runtime.host import Host
from rulec.runtime.reference import Config, Reference

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.rules"))

ODD = {
    "an opener that needs characters": 'shape A { "x" p: prose{2..5} "abc" } trace A',
    "one character at least": 'shape A { "x" p: prose{1..400} "\\n#" v: int } trace A',
    "no room for an opener": 'shape A { "x" p: prose{1..1} "aa" } trace A',
    "no character": 'shape A { "x" p: prose{0..0} "aa" } trace A',
    "an opener in another": 'shape A { "x" p: prose{0..3} ( "abz" | "bc" ) } trace A',
    "characters of two bytes": 'shape A { "x" p: prose{3..} "é." } trace A',
    "an opener with a digit": 'shape A { v: int p: prose "7 is" } trace A',
    "and a length": 'shape A { v: int p: prose{1..} "7 is" } trace A',
    "items that end with prose": 'shape A { "x" ( "- " p: prose ){2..4} "\\n#" } trace A',
    "with alike openers": 'shape A { "x" ( "\\n- " p: prose ){2..4} "\\n#" } trace A',
    "with a length": 'shape A { ( "\\n- " p: prose{2..} ){2..4} "\\n#" } trace A',
    "lists of lists": (
        'shape B { "\\n- " p: prose ( "\\n* " q: prose ){3..4} } '
        'shape A { b: B{2..3} "\\n#" } trace A'
    ),
    "plain lists of lists": (
        'shape B { "<" xs: int{2..4 sep ","} ">" } shape A { b: B{3..} ";" c: B{2} } trace A'
    ),
    "a watch on the opener": (
        "watch W in prose { lhs: expr / ?= ?/ ! result: number rule holds: result ~= lhs } "
        'trace ( prose "= A" )'
    ),
    "a watch that begins like the opener": (
        'watch W in prose { "<" ! a: one of ("b" "ba") ">" } trace ( prose "<<<" )'
    ),
    "words": (
        'shape A { y: int in 0 .. 9 w: one of ("a" "abcdef" "b") ";" '
        'rule r: y > 3 implies w != "a" } trace A'
    ),
    "words without rules": 'shape A { w: one of ("accepted" "ok!") ";" b: bool } trace A',
    "an option that may be barred": (
        'shape A { y: int in 0 .. 9 ( "a" x: int in 0 .. 5 | "bbbb" ) rule r: x > y } trace A'
    ),
    "an end that may be barred": (
        'shape A { xs: int in 0 .. 9 {0..5 sep ","} ";" rule r: sum(xs) >= 20 } trace A'
    ),
    "a number of items": (
        'shape A { xs: int in 1 .. 9 {1..5 sep ","} ";" rule r: count(xs) >= 3 } trace A'
    ),
    "texts that differ": (
        'shape L { t: text /[ab]{3}/ "; " } shape A { l: L{3..5} "." rule r: distinct(l.t) } '
        "trace A"
    ),
    "texts": 'shape A { "id " t: text /[A-Z]{3}-[0-9]{4}/ "\\n" u: text /a|bc*/ "." } trace A',
}


def fitted(machine: Machine, r: Random) -> Pack:
    """The machine over a vocabulary with pieces of its own traces."""
    words = vocabulary(r, letters_of(machine), 150)
    engine, budget = Reference(machine), Budget(machine)
    start = engine.start(given_inputs.registers(machine, None))
    pieces: list[bytes] = []
    if start.threads:
        text = random_walk(engine, budget, start, r, r.choice([1, 30])).text
        places = [r.randrange(len(text) + 1) for _ in range(60)]
        pieces = [text[place : place + r.randint(2, 9)] for place in places]
    tokens = (*words.tokens, *filter(None, pieces))
    return fit(machine, Vocabulary(tokens, words.ends, max(words.size, len(tokens))))


def check_nearer(budget: Budget, here: Config, after: list[Config], *, ends: bool) -> None:
    """Of what may come next, something is nearer to the end; at the end nothing need come."""
    cost = budget.cost(here)
    assert ends if cost == 0 else min(map(budget.cost, after), default=cost) < cost
    assert cost <= budget.ceiling


def check_bytes(machine: Machine, r: Random, steps: int) -> None:
    engine, budget = Reference(machine), Budget(machine)
    config, text = engine.start(given_inputs.registers(machine, None)), bytearray()
    for _ in range(steps):
        found = ways(engine, config, len(text))
        ends = engine.ending(config, len(text)) is not None
        if not found and (not ends or not config.threads):
            return  # not a matter of budgets
        check_nearer(budget, config, [after for _, after in found], ends=ends)
        if not found:
            return
        plain = [way for way in found if way[0] in b"ab 3+4=\n#-*<>xz.7\xc3\xa9,;"]
        byte, config = r.choice(plain if plain and r.random() < 0.8 else found)
        text.append(byte)


def check_tokens(pack: Pack, brute: Brute, r: Random, steps: int) -> None:
    """Walk over tokens, of which no more are needed than bytes."""
    in_bytes = Budget(pack.machine)
    config, at = brute.engine.start(given_inputs.registers(pack.machine, None)), 0
    for _ in range(steps):
        found = brute.allowed(config, at)
        ends = brute.engine.ending(config, at) is not None
        if not found and (not ends or not config.threads):
            return
        check_nearer(brute.budget, config, list(found.values()), ends=ends)
        assert brute.budget.cost(config) <= in_bytes.cost(config)
        if not found:
            return
        hurry = r.random() < 0.3
        order = sorted(found, key=lambda token: (brute.budget.cost(found[token]), token))
        token = order[0] if hurry else r.choice(order)
        config, at = found[token], at + len(pack.table.text(token))


def end_by(pack: Pack, host: Host, r: Random) -> None:
    """A session that has just as many tokens as it asks for ends with the last of them."""
    start = host.engine.start(given_inputs.registers(pack.machine, None))
    if not start.threads:
        return
    limit = host.budget.cost(start) + 1
    session = Session(pack, budget=limit, host=host)
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    while not session.finished:
        session.mask(out)
        assert not session.exhausted, session.text
        bits = np.unpackbits(out.view(np.uint8), bitorder="little")[: pack.size]
        session.accept(r.choice(np.flatnonzero(bits).tolist()))
    assert len(session.tokens) <= limit
    verdict = session.verdict()
    if any(rule.tier == "commit" for rule in pack.machine.rules):
        # Nothing was taken back here, so a rule that masks don't promise may be broken.
        wrong = [c for c in verdict.claims if c.verdict not in ("pass", "vacuous")]
        assert all(claim.tier == "commit" for claim in wrong)
        return
    assert verdict.verdict == "pass"


@seeded(12, 5_000)
@given(SEEDS)
def test_a_byte_leads_nearer_to_the_end(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r, watches=r.random() < 0.2))
    if machine is not None and sure(machine):
        for _ in range(3):
            check_bytes(machine, r, 40)


@seeded(10, 5_000)
@given(SEEDS)
def test_a_token_leads_nearer_to_the_end(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r, watches=r.random() < 0.2))
    if machine is not None and sure(machine):
        pack = fitted(machine, r)
        brute = Brute(pack)
        for _ in range(2):
            check_tokens(pack, brute, r, 16)


@pytest.mark.parametrize("name", ODD)
def test_odd_shapes(name: str) -> None:
    machine = built(ODD[name])
    assert machine is not None
    assert sure(machine)
    for seed in range(many(25, 2_000)):
        check_bytes(machine, Random(seed), 40)
    pack = fitted(machine, Random(5))
    brute = Brute(pack)
    for seed in range(many(4, 200)):
        check_tokens(pack, brute, Random(seed), 16)


@pytest.mark.parametrize("name", sorted(set(ODD) - {"no room for an opener"}))
def test_odd_shapes_within_the_least_budget(name: str) -> None:
    machine = built(ODD[name])
    assert machine is not None
    for seed in range(many(3, 200)):
        pack = fitted(machine, Random(seed))
        end_by(pack, Host(pack), Random(seed))


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples(path: Path) -> None:
    machine = machine_of(path)
    assert sure(machine)
    pack = fitted(machine, Random(3))
    brute, host = Brute(pack), Host(pack)
    for seed in range(many(2, 500)):
        check_tokens(pack, brute, Random(seed), 20)
        end_by(pack, host, Random(seed))


def test_costs_are_kept_in_a_pack() -> None:
    machine = built(ODD["words"])
    assert machine is not None
    pack = fitted(machine, Random(1))
    again = from_bytes(pack.to_bytes())
    assert np.array_equal(again.costs.states, pack.costs.states)
    assert np.array_equal(again.costs.each, pack.costs.each)
    assert np.array_equal(again.costs.words, pack.costs.words)


def test_budgets_of_a_machine_and_of_a_pack() -> None:
    machine = built('shape A { "Total: $" v: int in 0 .. 99 "\\n" } trace A')
    assert machine is not None
    singles = tuple(bytes((byte,)) for byte in range(256))
    plain = fit(machine, Vocabulary((*singles, None), (256,), 257))
    better = fit(machine, Vocabulary((*singles, None, b"Total", b": $", b"otal:"), (256,), 260))
    assert shortest(machine) == shortest(plain) == 8 + 1 + 1 + 1
    assert shortest(better) == 2 + 1 + 1 + 1


@seeded(10, 3_000)
@given(SEEDS)
def test_sessions_end_with_the_last_token_of_the_least_budget(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r))
    if machine is None or not sure(machine):
        return
    if all(rule.tier != "commit" for rule in machine.rules):
        pack = fitted(machine, r)
        end_by(pack, Host(pack), r)


# --- real tokenizers ---


def tokenizers() -> list[Path]:
    """Those of `RULEC_TOKENIZERS`, that of the demo, and one that comes with a package."""
    named = [Path(part) for part in os.environ.get("RULEC_TOKENIZERS", "").split(":") if part]
    named.append(Path(__file__).parent.parent / ".demo" / "smollm2")
    spec = find_spec("mistral_common")
    folders = (spec and spec.submodule_search_locations) or ()
    file = "mistral_instruct_tokenizer_240323.model.v3"
    named += [Path(folder) / "data" / file for folder in folders]
    return [path for path in named if path.exists()]


@pytest.mark.parametrize("path", tokenizers(), ids=lambda path: path.name)
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_examples_on_real_tokenizers(path: Path, example: Path) -> None:
    words = load_vocabulary(path)
    if not words.ends:
        words = words.with_size(words.size + 1).with_ends([words.size])
    machine = machine_of(example)
    pack = fit(machine, words)
    assert shortest(pack) <= shortest(machine)
    host = Host(pack)
    for seed in range(many(2, 40)):
        end_by(pack, host, Random(seed))
