"""What certificates leave to tests: small cases of each lemma, looked at one by one."""

from __future__ import annotations

from itertools import product
from random import Random

import numpy as np
import pytest
from hypothesis import given
from rulesets import SEEDS, letters_of, seeded, vocabulary, ways

from rulec.compiler import build, fit
from rulec.compiler.machine import Field, Machine
from rulec.dsl import load_text
from rulec.runtime import Verifier
from rulec.runtime.host import Host
from rulec.runtime.numerals import Numeral, Run, ends, feasible, hits
from rulec.runtime.prefixes import prefixes
from rulec.runtime.reference import Reference


def machine_of(text: str) -> Machine:
    ruleset = load_text(text).ruleset
    assert ruleset is not None, load_text(text).diagnostics
    machine = build(ruleset).machine
    assert machine is not None
    return machine


def _runs(r: Random) -> tuple[Run, ...]:
    made = []
    for _ in range(r.randint(0, 3)):
        low, step = r.randint(-150, 150), r.choice([1, 1, 3, 7, 40])
        made.append(Run(low, low + step * r.randint(0, 12), step))
    return tuple(made)


def _shown(value: int, digits: int) -> str:
    whole, rest = divmod(abs(value), 10**digits)
    return ("-" if value < 0 else "") + str(whole) + (f".{rest:0{digits}}" if digits else "")


def _phase(text: str) -> str:
    if text in ("", "-"):
        return "sign" if text else "start"
    if "." in text:
        return "point" if text.endswith(".") else "frac"
    return "zero" if text.lstrip("-") == "0" else "int"


def _numeral(text: str, allowed: tuple[tuple[Run, ...], ...]) -> Numeral:
    digits = "".join(char for char in text if char.isdigit())
    fraction = len(text.partition(".")[2])
    return Numeral(0, 0, allowed, text.startswith("-"), int(digits or 0), fraction)


@seeded(60, 5_000)
@given(SEEDS)
def test_digits(seed: int) -> None:
    """A digit is let through exactly when an allowed number begins so."""
    r = Random(seed)
    least = r.randint(0, 1)
    most = least + r.randint(0, 2)
    field = Field("", "", "number", 0, 0, least, most)
    allowed = tuple(_runs(r) for _ in range(least, most + 1))
    texts = {
        _shown(value, digits)
        for digits, runs in enumerate(allowed, least)
        for run in runs
        for value in range(run.low, run.high + 1, run.step)
    }
    begun = {text[:end] for text in texts for end in range(len(text) + 1)}
    for text in {*begun, *(b + d for b in begun for d in "0123456789.-")}:
        leading = text.lstrip("-").startswith("0") and text.lstrip("-")[1:2].isdigit()
        if text.count("-") > text.startswith("-") or text.count(".") > 1 or leading:
            continue
        if ("." in text and not text.lstrip("-").partition(".")[0]) or text[-1:] == "-" != text:
            continue
        phase, numeral = _phase(text), _numeral(text, allowed)
        if "." in text and most == 0:
            continue
        assert feasible(field, phase, numeral) == (text in begun), (text, allowed)  # type: ignore[arg-type]
        if text in begun and phase in ("zero", "int", "frac"):
            assert ends(field, numeral) == (text in texts), (text, allowed)
        if phase in ("int", "frac"):
            fraction = numeral.fraction if phase == "frac" else 0
            quick = prefixes(least, most, phase, fraction, numeral.negative, allowed)  # type: ignore[arg-type]
            assert (
                quick is None
                or numeral.fraction > most
                or (quick.holds(numeral.mantissa) == (text in begun))
            )


def _reached(machine: Machine) -> set[bytes]:
    engine = Reference(machine)
    start = engine.start({})
    found: set[bytes] = set()
    queue = [(b"", start)] if start.threads else []
    while queue:
        text, config = queue.pop()
        if engine.ending(config, len(text)) is not None:
            found.add(text)
        queue += [(text + bytes((b,)), after) for b, after in ways(engine, config, len(text))]
    return found


@seeded(15, 500)
@given(SEEDS)
def test_digits_shown(seed: int) -> None:
    """`~=` over every number of digits shown is the union over the digits."""
    r = Random(seed)
    low, divisor = r.randint(-2, 3), r.randint(2, 9)
    high = low + r.randint(0, 2)
    extra = r.choice(["", f"rule b: b <= a / {r.randint(1, 4)}", "rule b: b * 4 >= a"])
    machine = machine_of(
        f'shape S {{ a: int in {low} .. {high} "/" b: decimal(0..2) in {low} .. {high}\n'
        f"rule near: b ~= a / {divisor}\n{extra} }}\ntrace S"
    )
    assert {rule.tier for rule in machine.rules} == {"mask"}
    verify = Verifier(machine)
    shown = [
        _shown(value, digits)
        for digits in range(3)
        for value in range(low * 10**digits, high * 10**digits + 1)
    ]
    texts = {f"{a}/{b}".encode() for a in range(low, high + 1) for b in shown}
    assert _reached(machine) == {text for text in texts if verify(text).verdict == "pass"}


def test_texts_that_differ() -> None:
    """A byte is let through exactly when a text that is still free begins so."""
    machine = machine_of(
        'shape S { xs: text /a[01]|b[0-2]/{2..4 sep ","} "." rule once: distinct(xs) }\ntrace S'
    )
    assert machine.rules[0].tier == "mask"
    texts = ("a0", "a1", "b0", "b1", "b2")
    wanted = {
        (",".join(some) + ".").encode()
        for count in (2, 3, 4)
        for some in product(texts, repeat=count)
        if len(set(some)) == count
    }
    assert _reached(machine) == wanted


def test_members_are_told_by_intervals() -> None:
    runs = (Run(-4, 5, 3), Run(10, 10, 1))
    members = {-4, -1, 2, 5, 10}
    for low in range(-8, 14):
        for high in range(low, 14):
            assert hits(runs, low, high) == any(low <= m <= high for m in members)


@pytest.mark.parametrize("seed", range(3))
def test_masks_of_texts_that_differ(seed: int) -> None:
    """The host settles tokens that no text before can bar; each bit is the reference's."""
    r = Random(seed)
    listed = 'xs: text /[ab]{2}[0-2]/{1..6 sep "\\n- "}'
    machine = machine_of(f'shape S {{ "-" {listed} "." rule once: distinct(xs) }}\ntrace S')
    pack = fit(machine, vocabulary(r, letters_of(machine), 300))
    reference, host = Reference(machine), Host(pack)
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for _ in range(4):
        config, text = host.engine.start({}), b""
        while config.threads and len(text) < 60:
            host.fill(config, len(text), out)
            bits = np.unpackbits(out.view(np.uint8), bitorder="little")[: pack.size]
            texts = {t: pack.table.text(t) for t in range(pack.size) if t not in pack.ends}
            lives = {
                token
                for token, spelled in texts.items()
                if spelled and reference.walk(config, spelled, len(text)).threads
            }
            assert {token for token in texts if bits[token]} == lives, text
            if not lives:
                break
            token = r.choice(sorted(lives))
            config = host.advance(config, token, len(text))
            text += texts[token]
