"""References and names: what masks leave open, in all engines."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import TYPE_CHECKING

import pytest
from brute import Brute
from hypothesis import given
from named import named
from rulesets import SEEDS, letters_of, seeded, vocabulary, ways
from test_engines import compare_walk

from rulec.compiler import PackError, build, fit
from rulec.compiler.codec import Malformed
from rulec.compiler.wellformed import examine
from rulec.dsl import load_text
from rulec.runtime import BadInput, Verifier
from rulec.runtime import inputs as given_inputs
from rulec.runtime.host import Host
from rulec.runtime.reference import Config, Reference

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler import Machine

MOST_STATES = 30_000


def made_of(text: str) -> Machine:
    """The machine of a ruleset without errors."""
    loaded = load_text(text)
    assert loaded.ruleset is not None, (text, loaded.diagnostics)
    machine = build(loaded.ruleset).machine
    assert machine is not None, text
    return machine


def reached(
    engine: Reference, inputs: Mapping[str, object]
) -> tuple[set[bytes], set[bytes]] | None:
    """Every text that an engine lets through, and those at which the trace may end."""
    start = engine.start(given_inputs.registers(engine.machine, inputs))
    seen: set[bytes] = set()
    ends: set[bytes] = set()
    queue: list[tuple[bytes, Config]] = [(b"", start)] if start.threads else []
    while queue:
        text, config = queue.pop()
        seen.add(text)
        if len(seen) > MOST_STATES:
            return None
        if engine.ending(config, len(text)) is not None:
            ends.add(text)
        queue += [(text + bytes((b,)), after) for b, after in ways(engine, config, len(text))]
    return seen, ends


def check_named(seed: int) -> bool:
    """Masks leave open exactly the beginnings of what passes; else all rules are kept."""
    made = named(Random(seed))
    machine = made_of(made.text)
    every = reached(Reference(machine, guarded=False), made.inputs)
    open_ = reached(Reference(machine), made.inputs)
    if every is None or open_ is None:
        return False
    verify = Verifier(machine)
    kept = {text for text in every[1] if verify(text, made.inputs).verdict == "pass"}
    seen, ends = open_
    mask = all(rule.tier == "mask" for rule in machine.rules)
    assert ends >= kept, (seed, made, sorted(kept - ends)[:4])
    stuck = {text for text in seen if not any(end.startswith(text) for end in ends)}
    assert not stuck, (seed, made, sorted(stuck)[:4])
    if mask:
        assert ends == kept, (seed, made, sorted(ends - kept)[:4])
    return mask


@seeded(36, 10_000)
@given(SEEDS)
def test_masks_leave_open_what_can_be_completed(seed: int) -> None:
    check_named(seed)


def check_engines(seed: int) -> None:
    r = Random(seed)
    made = named(r)
    machine = made_of(made.text)
    try:
        pack = fit(machine, vocabulary(r, letters_of(machine)))
    except (PackError, BadInput):
        return
    compare_walk(pack, Host(pack), Brute(pack), r, 14, inputs=made.inputs)


@seeded(20, 2_000)
@given(SEEDS)
def test_engines_agree(seed: int) -> None:
    check_engines(seed)


TABLE = "input ta: table { key key: text /[ab]?/, n: int in 0 .. 5 }\n"


@pytest.mark.parametrize("column", ["n", "w"])
def test_columns_that_must_differ_are_tested(column: str) -> None:
    text = (
        'input ta: table { key key: text /[ab]/, n: int in 0 .. 5, w: one of ("x" "y") }\n'
        'shape I { "-" k: ref(ta) ";" }\n'
        f"shape S {{ its: I{{2..2}} rule o: distinct(its.k.{column}) }}\ntrace S"
    )
    assert [rule.tier for rule in made_of(text).rules] == ["commit"]


def test_an_empty_key_is_refused() -> None:
    machine = made_of(TABLE + 'shape S { k: ref(ta) "." }\ntrace S')
    with pytest.raises(BadInput, match="its key is empty"):
        given_inputs.registers(machine, {"ta": [{"key": "", "n": 1}]})


def test_a_sum_without_a_value_is_a_violation() -> None:
    text = (
        'shape I { "[" x: int in 0 .. 5 "," y: int in 0 .. 2 "]" }\n'
        'shape S { its: I{1..2} "." rule r: sum(i in its: i.x % i.y) > 2 }\ntrace S'
    )
    assert Verifier(made_of(text))(b"[1,0].").verdict == "violate"


def test_a_field_may_end_like_a_keyword() -> None:
    made_of('shape S { "a" gain: int in 0 .. 3 ";" rule r: max(gain, 2) <= 9 } trace S')


def test_a_pack_whose_names_point_outside_is_refused() -> None:
    machine = made_of(TABLE + 'shape S { k: ref(ta) "." }\ntrace S')
    (table,) = machine.tables
    outside = len(machine.initial)
    for changed in (
        replace(machine, tables=()),
        replace(machine, tables=(replace(table, register=outside),)),
        replace(machine, tables=(replace(table, count=outside),)),
        replace(machine, fields=tuple(replace(f, columns=()) for f in machine.fields)),
        replace(machine, fields=tuple(replace(f, columns=(99,)) for f in machine.fields)),
    ):
        with pytest.raises(Malformed):
            examine(changed)
    examine(machine)
