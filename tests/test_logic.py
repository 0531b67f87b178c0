"""Formulas: how they are spelled, what they say, and what follows from them."""

from __future__ import annotations

from itertools import product
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
from brute import Brute
from hypothesis import given
from rulesets import SEEDS, built, letters_of, seeded, vocabulary
from test_engines import compare_walk

from rulec.compiler import build, fit, solver
from rulec.compiler.automata import regex_dfa
from rulec.compiler.propositions import (
    MOST_ATOMS,
    NoFormula,
    counterexample,
    entails,
    holds,
    parse,
    small,
)
from rulec.compiler.spelling import formula_text
from rulec.dsl import load_text
from rulec.dsl.format import format_text
from rulec.runtime import Session, verify
from rulec.runtime import externals as asked
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from rulec.compiler import Machine

WORDS = ("and", "or", "not", "implies")
TIGHTNESS = {"implies": 0, "or": 1, "and": 2, "not": 3, "": 4}


def machine_of(text: str) -> Machine:
    machine = built(text)
    assert machine is not None, [d.message for d in load_text(text).diagnostics]
    return machine


# --- formulas drawn with their meaning ---


class Drawn:
    """A formula with few parentheses, and what it says in Python's own terms."""

    def __init__(self, r: Random, names: list[str], depth: int) -> None:
        self.op = "" if depth == 0 else r.choice(["", "not", "and", "or", "implies"])
        self.name = r.choice(names)
        count = {"": 0, "not": 1}.get(self.op, 2)
        self.parts = [Drawn(r, names, depth - 1) for _ in range(count)]

    def text(self, outer: int = 0) -> str:
        own = TIGHTNESS[self.op]
        match self.op:
            case "":
                return self.name
            case "not":
                shown = "not " + self.parts[0].text(own)
            case "implies":
                shown = f"{self.parts[0].text(own + 1)} implies {self.parts[1].text(own)}"
            case op:
                shown = f"{self.parts[0].text(own)} {op} {self.parts[1].text(own + 1)}"
        return f"({shown})" if own < outer else shown

    def truth(self, truths: dict[str, bool]) -> bool:
        held = [part.truth(truths) for part in self.parts]
        match self.op:
            case "":
                return truths[self.name]
            case "not":
                return not held[0]
            case "and":
                return held[0] and held[1]
            case "or":
                return held[0] or held[1]
            case _:
                return not held[0] or held[1]


NAMES = ["a", "b", "rain", "not_a", "android"]


def everywhere(names: list[str]) -> list[dict[str, bool]]:
    return [
        dict(zip(names, row, strict=True)) for row in product((False, True), repeat=len(names))
    ]


@seeded(200, 20_000)
@given(SEEDS)
def test_formulas_say_what_they_are_drawn_to_say(seed: int) -> None:
    drawn = Drawn(Random(seed), NAMES, 4)
    term = parse(drawn.text())
    for truths in everywhere(NAMES):
        assert holds(term, truths) == drawn.truth(truths), drawn.text()


@seeded(150, 20_000)
@given(SEEDS)
def test_what_follows_is_true_wherever_the_premises_are(seed: int) -> None:
    r = Random(seed)
    premises = [Drawn(r, NAMES, 3) for _ in range(r.randint(0, 3))]
    claim = Drawn(r, NAMES, 2)
    want = all(
        claim.truth(truths)
        for truths in everywhere(NAMES)
        if all(premise.truth(truths) for premise in premises)
    )
    texts = tuple(premise.text() for premise in premises)
    assert entails(texts, claim.text()) == want
    assert solver.follows(texts, claim.text()) == want
    apart = counterexample(texts, claim.text())
    if apart is not None:
        assert all(holds(parse(text), apart) for text in texts)
        assert not holds(parse(claim.text()), apart)


def chain(count: int) -> tuple[str, ...]:
    return tuple(f"p{n} implies p{n + 1}" for n in range(count - 1))


def test_many_names_are_for_the_solver() -> None:
    most = chain(MOST_ATOMS)
    assert small(most, "p0")
    assert entails(most, f"p0 implies p{MOST_ATOMS - 1}")
    assert not entails(most, "p1 implies p0")
    assert not small(chain(MOST_ATOMS + 1), "p0")
    assert solver.follows(chain(60), "p0 implies p59") is True
    assert solver.follows(chain(60), "p59 implies p0") is False
    assert solver.follows(chain(60), "p0 implies p59", rlimit=1) is None


@pytest.mark.parametrize(
    "text",
    ["", "and", "a and", "a b", "(a", "a)", "()", "not", "a implies", "a & b", "1", "(" * 200],
)
def test_texts_that_are_no_formulas(text: str) -> None:
    with pytest.raises(NoFormula):
        parse(text)


def test_long_formulas_are_read() -> None:
    assert parse("not " * 20_001 + "a") == parse("not a")
    assert not small((" and ".join(["a"] * 20_000),), "a")
    assert solver.follows((" and ".join(["a"] * 20_000),), "a or b")
    assert entails((" and ".join(["a"] * 20_000),), " or ".join(["b", *["a"] * 20_000]))
    assert entails((), " implies ".join(["a"] * 20_000))


# --- spelling ---


def deepest(text: str) -> int:
    depth = most = 0
    for char in text:
        depth += (char == "(") - (char == ")")
        most = max(most, depth)
    return most


@seeded(150, 20_000)
@given(SEEDS)
def test_the_spelling_is_that_of_the_reader(seed: int) -> None:
    """With single spaces and parentheses to depth 4, a field takes what can be read."""
    r = Random(seed)
    text = Drawn(r, ["a", "b1", "no", "nota", "implie", "_or", "o"], 5).text()
    if r.random() < 0.6:
        at = r.randrange(len(text))
        text = text[:at] + r.choice(["(", ")", " ", "not ", "and", "x"]) + text[at + 1 :]
    try:
        parse(text)
        read = "  " not in text and text == text.strip() and "( " not in text
        read = read and " )" not in text and deepest(text) <= 4
        read = read and not any(f"{word}(" in f" {text}"[1:] for word in WORDS)
    except NoFormula:
        read = False
    taken = regex_dfa(formula_text().regex).accepts(text.encode())
    if taken != read:
        assert not taken, text
        assert ")" in text or "(" in text, text


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("a", True),
        ("and", False),
        ("not not a", True),
        ("nota and note or an", True),
        ("((((a))))", True),
        ("(((((a)))))", False),
        ("a  and b", False),
        ("a and not (b implies c)", True),
        ("not(a)", False),
        ("1a", False),
    ],
)
def test_spelling(text: str, taken: bool) -> None:
    assert regex_dfa(formula_text().regex).accepts(text.encode()) == taken


# --- rules ---

PROOF = """
names atoms open
shape Proof {
    "From " premises: formula(atoms){1..30 sep "; "} " follows " claim: formula(atoms) ".\\n"
    TIER rule follows: entails(premises, claim)
}
trace Proof
"""


def test_a_claim_tells_where_it_is_false() -> None:
    machine = machine_of(PROOF.replace("TIER", ""))
    assert verify(machine, "From a implies b; a follows b.\n").verdict == "pass"
    verdict = verify(machine, "From a implies b; a follows b and c.\n")
    (claim,) = verdict.claims
    assert (claim.verdict, claim.tier, claim.found) == ("violate", "commit", "b and c")
    assert claim.expected == "what holds where a, b, not c"
    assert verify(machine, "From a and not a follows c.\n").verdict == "pass"
    assert verify(machine, "From a and follows c.\n").verdict == "unparsed"


def test_many_names_are_settled_when_the_claim_closes(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(PROOF.replace("TIER", ""))
    said = "; ".join(chain(25))
    assert verify(machine, f"From {said} follows p0 implies p24.\n").verdict == "pass"
    assert verify(machine, f"From {said} follows p24 implies p0.\n").verdict == "violate"
    monkeypatch.setattr(asked, "follows", lambda *_: None)
    verdict = verify(machine, f"From {said} follows p0 implies p24.\n")
    assert verdict.verdict == "too complex"
    assert verdict.claims[0].reason.startswith("whether the formula follows is not found out")


def test_masks_ask_no_solver(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = machine_of(PROOF.replace("TIER", ""))
    pack = fit(machine, vocabulary(Random(0), b"p0 ;.", 0))
    session = Session(pack)
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    calls: list[object] = []
    monkeypatch.setattr(asked, "follows", lambda *given: calls.append(given) or False)
    for byte in f"From {'; '.join(chain(20))} follows p1 implies p0.".encode():
        session.mask(out)
        assert not session.violations
        assert not calls
        token = next(t for t in range(pack.size) if pack.table.text(t) == bytes((byte,)))
        session.accept(token)
    session.mask(out)
    token = next(t for t in range(pack.size) if pack.table.text(t) == b"\n")
    session.accept(token)
    assert len(session.violations) == len(calls) == 1


STEPS = """
names atoms open
shape Step { claim: formula(atoms) ";" }
shape S {
    given: formula(atoms) ":" steps: Step{1..4} "."
    rule each: all(s in steps: entails(given, s.claim) or entails(earlier(s).claim, s.claim))
}
trace S
"""


def test_steps_follow_from_those_before() -> None:
    machine = machine_of(STEPS)
    assert verify(machine, "a and b:a;a or c;.").verdict == "pass"
    verdict = verify(machine, "a and b:a;c;a;.")
    assert [(claim.found, claim.start) for claim in verdict.claims] == [("c", 10)]
    names = " and ".join(f"p{n}" for n in range(20))
    assert verify(machine, f"{names}:p3;p3 or q;.").verdict == "pass"
    verdict = verify(machine, f"{names}:p3;q;.")
    assert [claim.verdict for claim in verdict.claims] == ["violate"]


def test_engines_agree() -> None:
    for seed, text in enumerate((STEPS, PROOF.replace("TIER", "audit"))):
        r = Random(seed)
        machine = machine_of(text)
        pack = fit(machine, vocabulary(r, letters_of(machine), 120))
        compare_walk(pack, Host(pack), Brute(pack), r, 10)


def test_masks_never_keep_them() -> None:
    loaded = load_text(PROOF.replace("TIER", "mask"))
    assert loaded.ruleset is not None
    (found,) = build(loaded.ruleset).diagnostics
    assert found.code == "R0501"
    assert found.primary.text == "what follows from formulas is no allowed set"


def test_open_names_are_laid_out() -> None:
    text = "names   open  open\nnames atoms\nnames kinds { kind: bool }\ntrace prose\n"
    laid = format_text(text)
    assert isinstance(laid, str)
    assert laid.startswith("names open open\nnames atoms\n")
