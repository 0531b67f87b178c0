"""Bad input is answered with a diagnostic in bounded time, never with a traceback."""

from __future__ import annotations

import time
from decimal import Decimal
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from rulesets import SEEDS, author, seeded

from rulec.compiler import Built, Machine, build
from rulec.dsl import load_text
from rulec.runtime import BadInput, Sampler, Verifier, verify

if TYPE_CHECKING:
    from collections.abc import Callable

OUTCOMES = {"pass", "violate", "vacuous", "unparsed", "too complex", "exhausted"}
SECONDS = 20.0
"""Far more than any of these takes, on a slow machine too."""


def read(text: str) -> Built | None:
    """Check and build; None where the checker found errors."""
    loaded = load_text(text)
    if loaded.ruleset is None:
        assert loaded.diagnostics
        return None
    built = build(loaded.ruleset)
    assert built.machine is not None or built.diagnostics
    return built


def machine(text: str) -> Machine:
    built = read(text)
    assert built is not None
    assert built.machine is not None
    return built.machine


def shape(body: str) -> str:
    return f"shape A {{ {body} }}\ntrace A\n"


def nested(depth: int) -> str:
    shapes = [f'shape A{n} {{ "{n % 10}" x: A{n + 1}{{2}} ";" }}' for n in range(depth)]
    return "\n".join([*shapes, f"shape A{depth} {{ y: int }}", "trace A0"])


ABSURD: dict[str, Callable[[], str]] = {
    "a repeat of a million": lambda: shape('"a" x: int{1..1000000 sep ","} ";"'),
    "a million at least": lambda: shape('"a" x: int{1000000 sep ","} ";"'),
    "a repeat of a billion": lambda: shape('"a" x: int{1..1000000000} ";"'),
    "a repeat of repeats": lambda: shape('(("a"{1000000} "b"){1000000} "c"){1000000}'),
    "letters of a regex": lambda: shape("x: text /(a{1000}){1000}/"),
    "a regex that explodes": lambda: shape("x: text /(a|b)*a(a|b){30}/"),
    "a regex of classes": lambda: shape("x: text /([a-z]{0,200}[0-9]{0,200}){0,200}/"),
    "a regex of nested stars": lambda: shape("x: text /((((a*)*)*)*)*b/"),
    "a prose without what explodes": lambda: shape('p: prose without /a(a|b){40}b/ ";"'),
    "prose of a million characters": lambda: shape('p: prose{1..1000000} ";"'),
    "a long opener": lambda: shape(f'p: prose "{"ab" * 3000}"'),
    "many openers": lambda: shape(
        "p: prose (" + " | ".join(f'"<{n}>" f{n}: int' for n in range(300)) + ")"
    ),
    "five hundred rules": lambda: shape(
        "\n".join(f'"{n}:" x{n}: int in 0 .. 99 ";"' for n in range(40))
        + "\n"
        + "\n".join(f"rule r{n}: x{n % 39} <= x{n % 39 + 1} + {n}" for n in range(500))
    ),
    "a sum of hundreds": lambda: shape(
        "\n".join(f'"{n}:" x{n}: int ";"' for n in range(90))
        + "\nrule r: "
        + " + ".join(f"x{n}" for n in range(90))
        + " == 7"
    ),
    "words by the thousand": lambda: shape(
        "x: one of (" + " ".join(f'"w{n}"' for n in range(5000)) + ")"
    ),
    "deep parentheses": lambda: shape(
        "x: int\nrule r: " + "(" * 5000 + "x" + ")" * 5000 + " > 0"
    ),
    "deep groups": lambda: shape("(" * 3000 + '"a"' + ")" * 3000),
    "deep negations": lambda: shape("x: int\nrule r: " + "not " * 5000 + "x > 0"),
    "twenty levels of pairs": lambda: nested(20),
    "two hundred levels of pairs": lambda: nested(200),
    "recursion to the limit": lambda: 'shape A up to 64 { "(" ( x: A | "." ) ")" }\ntrace A',
    "recursion twice": lambda: 'shape A up to 64 { "(" ( x: A y: A | "." ) ")" }\ntrace A',
    "shapes that fan out": lambda: "\n".join(
        [f"shape A{n} {{ a: A{n + 1} b: A{n + 1} }}" for n in range(30)]
        + ["shape A30 { x: int ';' }".replace("'", '"'), "trace A0"]
    ),
    "choices that fan out": lambda: shape(
        "(" * 20 + '"a"' + "".join(f' | "{n}") ("a"' for n in range(20)) + ")"
    ),
    "a division by zero": lambda: shape('"a" x: int ";"\nrule r: x == 1 / 0'),
    "no way at all": lambda: shape('"a" x: int in 5 .. 7 ";"\nrule r: x > 9'),
    "an empty range": lambda: shape('"a" x: int in 9 .. 7 ";"'),
    "large powers": lambda: shape(
        '"a" x: int ";"\nrule r: ' + " * ".join(["999999999999999"] * 60) + " == x"
    ),
    "modulo of the very large": lambda: shape('"a" x: int ";"\nrule r: x % 999983 == 17'),
    "many holes": lambda: shape(
        '"a" x: int ";"\nrule r: x not in {' + ", ".join(map(str, range(0, 4000, 2))) + "}"
    ),
    "many values": lambda: shape(
        '"a" x: int ";"\nrule r: x in {' + ", ".join(str(n * n) for n in range(3000)) + "}"
    ),
    "many watches": lambda: "\n".join(
        [f'watch W{n} in prose {{ "<{n}" ! a: int ">" }}' for n in range(60)] + ["trace prose"]
    ),
    "lists in lists in lists": lambda: (
        'shape C { "c" n: int in 0 .. 9 }\nshape B { "b" c: C{..9} }\n'
        'shape A { "a" b: B{..9}\nrule r: sum(b.c.n) <= 100\n'
        "rule d: distinct(b.c.n) }\ntrace A{..9}"
    ),
}


@pytest.mark.parametrize("name", ABSURD)
def test_absurd_rulesets(name: str) -> None:
    text = ABSURD[name]()
    start = time.monotonic()
    built = read(text)
    if built is not None and built.machine is not None:
        check = Verifier(built.machine)
        for trace in (
            b"",
            b"a",
            b"a" * 3000,
            b"(" * 3000,
            b"\xff" * 50,
            b"0:1;1:1;2:1;",
            b"a1,2,3",
        ):
            assert check(trace).verdict in OUTCOMES
    assert time.monotonic() - start < SECONDS


@seeded(40, 5_000)
@given(SEEDS)
def test_changed_rulesets(seed: int) -> None:
    """A ruleset with characters, words or lines changed: errors, or a machine that works."""
    r = Random(seed)
    text = author(r, watches=r.random() < 0.2)
    words = text.split(" ")
    for _ in range(r.randint(1, 4)):
        kind = r.random()
        at = r.randrange(len(words))
        if kind < 0.4:
            words[at] = r.choice(words)
        elif kind < 0.6:
            del words[at]
        elif kind < 0.8:
            words.insert(at, r.choice(words))
        else:
            whole = r.choice(
                ["{", "}", "(", "|", "1", "-", "1000000", '"', "/", "text", "prev", "é"]
            )
            words[at] = words[at][:2] + whole + words[at][2:]
        if not words:
            break
    built = read(" ".join(words))
    if built is not None and built.machine is not None:
        assert Verifier(built.machine)(b"k01;").verdict in OUTCOMES


# --- traces ---


@seeded(40, 10_000)
@given(SEEDS)
def test_any_bytes_get_a_verdict(seed: int) -> None:
    r = Random(seed)
    built = read(author(r, watches=r.random() < 0.3))
    if built is None or built.machine is None:
        return
    check = Verifier(built.machine)
    starts = [b"", "é=0".encode(), b"k0", b"[0", b"<0"]
    for _ in range(6):
        noise = bytes(r.randrange(256) for _ in range(r.randint(0, 30)))
        texts = [noise, r.choice(starts) + noise]
        texts.append(bytes(r.choice(b"0123456789+-*/=(). <[k\n#\xc3\xa9") for _ in range(60)))
        for text in texts:
            verdict = check(text)
            assert verdict.verdict in OUTCOMES
            record = verdict.to_record()
            assert record["verdict"] == verdict.verdict
            for claim in verdict.claims:
                assert 0 <= claim.start <= claim.end <= len(text)


@pytest.mark.parametrize(
    "trace",
    [b"\xff", b"\xc3", b"a\xc3", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xc0\x80"],
)
def test_prose_is_utf8(trace: bytes) -> None:
    assert verify(machine("trace prose"), trace).verdict == "unparsed"
    assert verify(machine(shape('"<" p: prose ">"')), b"<" + trace + b">").verdict == "unparsed"


def test_long_traces_in_bounded_time() -> None:
    check = Verifier(machine("watch W in prose { l: expr / ?= ?/ ! x: number }\ntrace prose"))
    start = time.monotonic()
    for text in (
        b"1+" * 5000,
        b"((((" * 3000,
        b"1 " * 5000,
        b"9" * 20000,
        b"1*" * 4000 + b"1=1",
    ):
        assert check(text).verdict in OUTCOMES
    assert time.monotonic() - start < SECONDS


# --- inputs ---

PARAMS = """
param a: int in 0 .. 9 = 1
param b: decimal(2) = 1.5
param c: date in "2024-01-01" .. "2024-12-31" = "2024-02-29"
param d: bool = true
param e: one of ("x" "y") = "x"
param f: text /[ab]+/ = "a"
trace "a"
"""
WRONG: list[Any] = [
    None,
    [],
    {},
    [1],
    {"a": 1},
    object(),
    float("nan"),
    float("inf"),
    -float("inf"),
    1e300,
    b"1",
    "1e5",
    "--1",
    "",
    "x" * 10_000,
    1j,
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("1E+999999"),
    10**40,
    -1,
    Fraction(1, 3),
    "\uff12",
    "2024-13-01",
    (1, 2),
    int,
]


@pytest.mark.parametrize("name", list("abcdef"))
@pytest.mark.parametrize("value", WRONG, ids=[f"{n}" for n in range(len(WRONG))])
def test_values_of_wrong_types_are_bad_input(name: str, value: Any) -> None:
    found = machine(PARAMS)
    fits = (name == "b" and value in (-1, Fraction(1, 3))) or (name == "f" and value == "")
    try:
        verdict = verify(found, b"a", {name: value}).verdict
    except BadInput:
        return
    assert verdict == "pass"
    assert fits or (name == "b" and value == -1), (name, value)


@pytest.mark.parametrize(
    "inputs", [{"z": 1}, {"": 1}, {1: 2}, {"a": True}, {"d": 1}, {"e": "z"}, {"e": True}]
)
def test_other_bad_inputs(inputs: dict[Any, Any]) -> None:
    with pytest.raises(BadInput):
        verify(machine(PARAMS), b"a", inputs)


@pytest.mark.parametrize(
    "inputs",
    [{"a": 9}, {"a": "9"}, {"a": Decimal(3)}, {"b": "2.50"}, {"c": "2024-03-01"}, {"d": False}],
)
def test_good_inputs(inputs: dict[str, object]) -> None:
    assert verify(machine(PARAMS), b"a", inputs).verdict == "pass"


def test_a_value_finer_than_its_type_is_bad_input() -> None:
    with pytest.raises(BadInput):
        verify(machine(PARAMS), b"a", {"b": Fraction(1, 3)})
    with pytest.raises(BadInput):
        verify(machine(PARAMS), b"a", {"f": "c"})


def test_missing_values_are_bad_input() -> None:
    found = machine("param a: int\ntrace int")
    with pytest.raises(BadInput):
        verify(found, b"1", {})
    with pytest.raises(BadInput):
        Sampler(found)(0)


def test_shapes_that_nest_deeply_are_built() -> None:
    body = '"(" ( ( "a" ( xs: A{1..3} "q" | "z" )? ) | n: int ) ")"'
    text = f"shape A up to 64 {{ {body} }}\ntrace A"
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert machine is not None
    assert Verifier(machine)(b"(a" * 64 + b"z)" + b"q)" * 63).verdict == "pass"
