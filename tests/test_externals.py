"""Functions of the embedding program: what they are given, when asked, and what they say."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from random import Random
from threading import Event
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from brute import Brute
from rulesets import built, letters_of, vocabulary
from test_engines import compare_walk
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import PackError, build, fit
from rulec.compiler.codec import digest, to_json
from rulec.compiler.machine import External, Sort
from rulec.compiler.marking import mark
from rulec.compiler.pack import from_bytes
from rulec.compiler.terms import Bound
from rulec.dsl import load_text
from rulec.runtime import BadExternal, Externals, Sampler, Session, Verifier, verify
from rulec.runtime.coverage import Survey
from rulec.runtime.externals import MOST_RUNNING
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from rulec.compiler import Machine, Pack

EVEN = """
external even(int) -> bool
shape S { n: int in 0 .. 99 ";" rule even: even(n) }
trace S
"""


def machine_of(text: str) -> Machine:
    machine = built(text)
    assert machine is not None, [d.message for d in load_text(text).diagnostics]
    return machine


def is_even(number: Fraction) -> bool:
    return number % 2 == 0


def judged(function: Callable[..., object], text: str = EVEN, trace: str = "4;") -> Any:
    return verify(machine_of(text), trace, externals=Externals({"even": function}))


# --- what a function is given, and gives ---


def test_values_are_exact() -> None:
    seen: list[tuple[object, ...]] = []

    def note(*values: object) -> bool:
        seen.append(values)
        return True

    machine = machine_of(
        'param p: text = "x"\n'
        "external note(decimal(2), text, bool, date, number, text) -> bool\n"
        'shape S { a: decimal(2) " " t: text /[a-z]+/ " " b: bool " " d: date " " e: expr\n'
        "rule r: note(a / 3, t, b, d + 1, e, p) }\ntrace S"
    )
    externals = Externals({"note": note})
    assert verify(machine, "1.50 ab true 2024-02-28 1/3", externals=externals).verdict == "pass"
    assert seen == [(Fraction(1, 2), "ab", True, date(2024, 2, 29), Fraction(1, 3), "x")]
    assert [type(value) for value in seen[0]] == [Fraction, str, bool, date, Fraction, str]


RESULTS = """
external even(int) -> TYPE
shape S { n: int in 0 .. 99 ";" rule r: even(n) == VALUE }
trace S
"""


@pytest.mark.parametrize(
    ("type_", "value", "given"),
    [
        ("bool", "true", True),
        ("int", "3", 3),
        ("number", "1/3", Fraction(1, 3)),
        ("decimal(2)", "0.25", Decimal("0.25")),
        ("fraction", "1/3", Fraction(1, 3)),
        ("text", '"ab"', "ab"),
        ("text /[a-z]+/", '"ab"', "ab"),
        ('one of ("a" "b")', '"b"', "b"),
        ("date", '"2024-02-29"', date(2024, 2, 29)),
    ],
)
def test_results(type_: str, value: str, given: object) -> None:
    text = RESULTS.replace("TYPE", type_).replace("VALUE", value)
    if type_ == "number":
        assert judged(lambda _: given, text).verdict == "too complex"  # no number shows 1/3
    else:
        assert judged(lambda _: given, text).verdict == "pass"
    (claim,) = judged(lambda _: None, text).claims
    assert claim.verdict == "too complex"
    assert claim.reason.startswith("`even` gave a value of type NoneType, not ")


@pytest.mark.parametrize(
    ("type_", "value", "given", "reason"),
    [
        ("bool", "true", 1, "gave a value of type int, not `true` or `false`"),
        ("int", "3", 3.0, "gave a value of type float, not a number"),
        ("int", "1", True, "gave a value of type bool, not a number"),
        ("number", "1", Decimal("nan"), "gave a value of type Decimal, not a number"),
        ("int in 0..3", "3", 4, "gave a value that is none of its type"),
        ("int", "3", Fraction(7, 2), "gave a value that is none of its type"),
        ("fraction", "3", 10**19, "gave a number beyond the limit"),
        ("text /[a-z]+/", '"ab"', "A", "gave a value that is none of its type"),
        ('one of ("a" "b")', '"b"', "c", "gave a value that is none of its type"),
    ],
)
def test_a_wrong_result_is_no_answer(
    type_: str, value: str, given: object, reason: str
) -> None:
    text = RESULTS.replace("TYPE", type_).replace("VALUE", value)
    verdict = judged(lambda _: given, text)
    assert verdict.verdict == "too complex"
    assert verdict.claims[0].reason == f"`even` {reason}"


def test_an_exception_is_no_answer() -> None:
    def raising(_: object) -> bool:
        raise ValueError("no\nluck " + "x" * 100)

    verdict = judged(raising)
    assert verdict.verdict == "too complex"
    assert verdict.claims[0].reason.startswith("`even` raised ValueError: no\\nluck x")
    assert verdict.claims[0].reason.endswith("…")
    assert judged(sys.exit, trace="4;").claims[0].reason == "`even` raised SystemExit: 4"


def test_a_false_answer_is_a_violation() -> None:
    (claim,) = judged(is_even, trace="5;").claims
    assert (claim.verdict, claim.tier, claim.found, claim.reason) == (
        "violate",
        "commit",
        "5",
        "",
    )
    text = RESULTS.replace("TYPE", "int").replace("even(n) == VALUE", "n == even(1)")
    (claim,) = judged(lambda _: 7, text, trace="5;").claims
    assert (claim.expected, claim.found) == ("7", "5")


def test_a_function_that_hangs_is_left_behind() -> None:
    release = Event()
    externals = Externals({"even": lambda _: release.wait(30)}, seconds=0.05)
    machine = machine_of(EVEN)
    began = perf_counter()
    for _ in range(MOST_RUNNING):
        (claim,) = verify(machine, "4;", externals=externals).claims
        assert claim.reason == "`even` gave no answer within 0.05 s"
    (claim,) = verify(machine, "4;", externals=externals).claims
    assert (claim.verdict, claim.reason) == (
        "too complex",
        "too many calls of `even` are under way",
    )
    assert perf_counter() - began < 20
    release.set()


def test_what_is_not_looked_at_is_not_asked() -> None:
    text = EVEN.replace("even(n) }", "n < 50 or even(n) }")

    def never(_: object) -> bool:
        raise AssertionError

    assert judged(never, text).verdict == "pass"
    assert judged(never, text, "51;").verdict == "too complex"


LISTED = """
external even(int) -> bool
shape Line { "(" n: int in 0 .. 9 ")" a: int in 0 .. 9 ";" }
shape S { lines: Line{1..3} "." rule even: RULE }
trace S
"""


@pytest.mark.parametrize(
    ("rule", "right", "wrong"),
    [
        ("all(l in lines: even(l.n))", "(2)1;(4)1;.", "(2)1;(3)1;."),
        ("any(l in lines: even(l.n) and l.a == 1)", "(1)1;(4)1;.", "(2)0;(3)1;."),
        ("count(l in lines: even(l.n)) == 2", "(2)1;(4)1;.", "(2)1;(3)1;."),
        ("even(count(lines))", "(2)1;(3)1;.", "(2)1;."),
        ("all(l in lines: even((l.prev.n else 0) + l.a))", "(2)0;(3)4;(3)1;.", "(2)0;(3)1;."),
        ("all(l in lines: even(sum(earlier(l).n) + l.a))", "(3)0;(2)1;(3)1;.", "(2)1;."),
        ("all(m in lines.n: even(m) or m in lines.a)", "(2)3;(3)1;.", "(2)1;(3)1;."),
    ],
)
def test_lists(rule: str, right: str, wrong: str) -> None:
    text = LISTED.replace("RULE", rule)
    assert judged(is_even, text, right).verdict == "pass"
    assert judged(is_even, text, wrong).verdict == "violate"


# --- what is registered ---


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({}, "the rules call `even`, which is not registered"),
        ({"odd": is_even}, "the rules call `even`, which is not registered"),
        ({"even": 3}, "`even` is registered as what can't be called"),
        ({"even": lambda: True}, "`even` is called with 1 argument"),
        ({"even": lambda a, b: True}, "`even` is called with 1 argument"),
    ],
)
def test_a_function_that_is_missing_is_said_at_once(
    functions: dict[str, Any], message: str
) -> None:
    ruleset = load_text(EVEN).ruleset
    assert ruleset is not None
    made = build(ruleset)
    assert made.machine is not None
    pack = fit(made.machine, vocabulary(Random(0), b"0;", 0))
    externals = Externals(functions)
    for begin in (
        lambda: Verifier(pack.machine, externals),
        lambda: Session(pack, externals=externals),
        lambda: Sampler(pack.machine, externals=externals),
        lambda: Survey(mark(made), externals),
    ):
        with pytest.raises(BadExternal, match=message):
            begin()
    with pytest.raises(BadExternal):
        Verifier(pack.machine)


def test_functions_that_no_rule_calls_need_not_be_there() -> None:
    machine = machine_of(EVEN.replace("rule even: even(n)", "rule even: n > 1"))
    assert machine.externals == ()
    assert Verifier(machine)(b"4;").verdict == "pass"


def test_a_registry_never_changes() -> None:
    given = {"even": is_even}
    externals = Externals(given)
    given["even"] = lambda _: False
    assert verify(machine_of(EVEN), "4;", externals=externals).verdict == "pass"
    with pytest.raises(TypeError):
        externals.functions["even"] = is_even  # type: ignore[index]
    with pytest.raises(AttributeError):
        externals.seconds = 2  # type: ignore[misc]
    with pytest.raises(ValueError, match="seconds"):
        Externals({}, seconds=0)


def test_types_that_have_no_value_here_are_said() -> None:
    loaded = load_text(
        "unit m\nexternal f(quantity(m)) -> bool\nshape S { a: int rule r: f(a * 1) }\ntrace S"
    )
    if loaded.ruleset is not None:
        assert {d.code for d in build(loaded.ruleset).diagnostics} == {"R0901"}


def test_masks_never_keep_them() -> None:
    loaded = load_text(EVEN.replace("rule even", "mask rule even"))
    assert loaded.ruleset is not None
    (found,) = build(loaded.ruleset).diagnostics
    assert found.code == "R0501"
    assert found.primary.text == "it calls a function of the embedding program"


# --- sessions ---


def fitted(text: str) -> Pack:
    machine = machine_of(text)
    return fit(machine, vocabulary(Random(1), letters_of(machine), 0))


def write(session: Session, text: bytes) -> None:
    table = session.pack.table
    for byte in text:
        token = next(t for t in range(session.pack.size) if table.text(t) == bytes((byte,)))
        session.accept(token)


def test_masks_ask_nobody_and_claims_ask_once() -> None:
    asked: list[object] = []

    def even(number: Fraction) -> bool:
        asked.append(number)
        return number % 2 == 0

    pack = fitted(EVEN)
    session = Session(pack, externals=Externals({"even": even}))
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for byte in b"45;":
        session.mask(out)
        assert not session.violations
        assert asked == []
        write(session, bytes((byte,)))
    assert [claim.found for claim in session.violations] == ["45"]
    assert session.violations
    assert asked == [45]
    assert session.retreat() == 3
    write(session, b"46;")
    assert not session.violations
    assert [claim.verdict for claim in session.verdicts()] == ["pass"]
    assert asked == [45, 46]


def test_without_an_answer_a_session_goes_back_and_ends_exhausted() -> None:
    def broken(_: object) -> bool:
        raise OSError("no line")

    pack = fitted(EVEN)
    session = Session(pack, externals=Externals({"even": broken}))
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for _ in range(400):
        session.mask(out)
        if session.finished:
            break
        if session.stuck:
            session.retreat()
            continue
        tokens = [t for t in range(pack.size) if out[t // 32] >> (t % 32) & 1]
        session.accept(tokens[0])
        while session.violations and session.retreat():
            pass
    assert session.exhausted
    assert session.verdict().verdict == "exhausted"


def test_engines_agree() -> None:
    externals = Externals({"even": is_even})
    for seed in range(2):
        r = Random(seed)
        machine = machine_of(LISTED.replace("RULE", "all(l in lines: even(l.n) or l.n < l.a)"))
        pack = fit(machine, vocabulary(r, letters_of(machine)))
        compare_walk(pack, Host(pack), Brute(pack), r, 12, externals=externals)


def test_packs_hold_names_and_types_only() -> None:
    pack = fitted(EVEN)
    again = from_bytes(pack.to_bytes())
    assert again.machine == pack.machine
    (external,) = again.machine.externals
    assert isinstance(external, External)
    assert isinstance(external.result, Sort)


def test_packs_that_call_what_they_lack_are_refused() -> None:
    pack = fitted(EVEN)
    (rule,) = pack.machine.rules
    loose = replace(rule, term=Bound(0))
    for machine, what in (
        (replace(pack.machine, externals=()), "function"),
        (replace(pack.machine, rules=(loose,)), "item"),
    ):
        other = replace(pack, machine=machine, digest=digest(to_json(machine)))
        with pytest.raises(PackError, match=f"no {what}"):
            from_bytes(other.to_bytes())


# --- the command line ---


def test_the_command_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "even.rules").write_text(EVEN + 'accept "4;"\nreject by even "5;"\n', "utf-8")
    (tmp_path / "rulec_even.py").write_text("def even(n):\n    return n % 2 == 0\n", "utf-8")
    (tmp_path / "traces.jsonl").write_text('{"trace": "4;"}\n{"trace": "5;"}\n', "utf-8")
    call = CliRunner().invoke
    given = ["--external", "rulec_even:even"]
    assert call(app, ["check", "even.rules"]).exit_code == 0
    for verb in (["verify", "even.rules", "traces.jsonl"], ["test", "even.rules"]):
        without = call(app, verb)
        assert without.exit_code == 2
        assert "which is not registered" in without.stderr
        assert "--external [NAME=]MODULE:FUNCTION" in without.stderr
    assert call(app, ["test", "even.rules", *given]).exit_code == 0
    out = call(app, ["verify", "even.rules", "traces.jsonl", *given, "--format", "json"])
    assert [json.loads(line)["verdict"] for line in out.stdout.splitlines()] == [
        "pass",
        "violate",
    ]
    drawn = call(app, ["sample", "even.rules", "--external", "even=rulec_even:even"])
    assert int(drawn.stdout.split(";")[0]) % 2 == 0
    for wrong in ("rulec_even", "nowhere:even", "rulec_even:odd", ":even"):
        assert call(app, ["test", "even.rules", "--external", wrong]).exit_code == 2
    shown = call(app, ["coverage", "even.rules", "traces.jsonl", *given])
    assert "1 pass, 1 violate" in shown.stdout
    assert call(app, ["diff", "even.rules", "even.rules"]).exit_code == 0
