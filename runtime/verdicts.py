"""Verdicts: what the rules say of a trace, claim by claim."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from rulec.compiler import terms
from rulec.compiler.evaluate import later
from rulec.compiler.terms import Gap
from rulec.runtime.blame import blamed
from rulec.runtime.externals import UNASKED, Calls
from rulec.runtime.numerals import runs
from rulec.runtime.programs import Closed, Mark, Marks
from rulec.runtime.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rulec.compiler.evaluate import Ask
    from rulec.compiler.machine import Field, Machine
    from rulec.compiler.terms import Exact
    from rulec.runtime.allowed import Rules
    from rulec.runtime.blame import Blame
    from rulec.runtime.numerals import Allowed, Run

Outcome: TypeAlias = Literal[
    "pass", "violate", "vacuous", "unparsed", "too complex", "exhausted"
]


HELD = frozenset(("pass", "vacuous"))
"""The verdicts of a claim, or of a trace, that keeps its rules."""

OWED, OUTSIDE = -1, -2
"""The `rule` of a mark for what a text owes, and for a value that is none of its type."""

MOST_TOLD = 8
"""Values that are told one by one."""


@dataclass(frozen=True, slots=True)
class Claim:
    """One rule tested on one place of a trace.

    `start` and `end` are the bytes of the field that settled it. `expected` says what would
    have been right, `found` what stands there; both are empty where there is nothing to say.
    `reason` says why a function of the embedding program gave no answer.
    """

    rule: str
    shape: str
    verdict: Outcome
    start: int
    end: int
    expected: str = ""
    found: str = ""
    tier: str = ""
    because: str = ""
    reason: str = ""

    def to_record(self) -> dict[str, object]:
        """The claim as JSON has it."""
        return {
            "rule": self.rule,
            "shape": self.shape,
            "tier": self.tier or None,
            "verdict": self.verdict,
            "bytes": [self.start, self.end],
            "expected": self.expected or None,
            "found": self.found or None,
            "because": self.because or None,
            "reason": self.reason or None,
        }


class Place(NamedTuple):
    """A place in a sequence: how many bytes and how many tokens stand before it."""

    byte: int
    token: int


class Asked(NamedTuple):
    """A rule that a trace is judged by, whatever number of places it is tested in."""

    shape: str
    rule: str
    tier: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on a whole trace.

    `at` is the byte at which an unparsed one stops, or since which no way was left to go on;
    of that, `token` counts the tokens. Of the `trace`, rules that were tested have `guarded` so
    many bytes. `ends` has the byte behind each of its tokens, where they are known; they are of
    the `vocabulary` with that digest. `asked` are all the rules that there are.
    """

    verdict: Outcome
    claims: tuple[Claim, ...] = ()
    at: int | None = None
    reason: str = ""
    rules: str = ""
    token: int | None = None
    trace: bytes = field(default=b"", repr=False)
    guarded: int = 0
    ends: tuple[int, ...] | None = field(default=None, repr=False)
    vocabulary: str = ""
    asked: tuple[Asked, ...] = field(default=(), repr=False)

    @property
    def holds(self) -> bool:
        """Whether the trace keeps its rules; what is not known does not."""
        return self.verdict in HELD

    @property
    def claim_count(self) -> int:
        """How many claims were tested; a vacuous one was not."""
        return sum(claim.verdict != "vacuous" for claim in self.claims)

    @property
    def coverage(self) -> float:
        """The share of the text that a rule has guarded; 0 of an empty one."""
        return self.guarded / len(self.trace) if self.trace else 0.0

    @property
    def first_invalid(self) -> Claim | None:
        """The first claim that the trace is rejected for, in the order of its text."""
        wrong = [one for one in self.claims if one.tier != "audit" and one.verdict not in HELD]
        return min(wrong, key=lambda claim: (claim.start, claim.end), default=None)

    def placed(self, ends: tuple[int, ...], vocabulary: str = "") -> Verdict:
        """The same with the places of its tokens: `ends` has the byte behind each."""
        return replace(self, ends=ends, vocabulary=vocabulary)

    def demoted(self, names: frozenset[str]) -> Verdict:
        """The same where some rules only tell, as `audit` rules do."""
        if not names:
            return self
        found = tuple(
            replace(claim, tier="audit") if claim.rule in names and claim.tier else claim
            for claim in self.claims
        )
        outcome = self.verdict
        if outcome in ("violate", "too complex"):
            outcome = next(overall(found), "pass" if self.at is None else "unparsed")
        rules = (one._replace(tier="audit") if one.rule in names else one for one in self.asked)
        return replace(self, verdict=outcome, claims=found, asked=tuple(rules))

    def to_record(self) -> dict[str, object]:
        """The verdict as JSON has it; `docs/verdicts.md` says what stands in it."""
        from rulec.runtime.verdict_records import verdict_record  # noqa: PLC0415 - it reads this module

        return verdict_record(self)


def asked(machine: Machine) -> tuple[Asked, ...]:
    """The rules of a machine, each once, in the order in which they are tested."""
    found = (Asked(rule.shape, rule.name, rule.tier) for rule in machine.rules)
    return tuple(dict.fromkeys(found))


def in_order(marks: Marks) -> list[Mark]:
    """A linked list of marks, the earliest first."""
    found: list[Mark] = []
    while marks is not None:
        mark, marks = marks
        found.append(mark)
    return found[::-1]


def claims(
    machine: Machine,
    rules: Rules,
    marks: Iterable[Mark],
    trace: bytes,
    calls: Calls | None = None,
) -> tuple[Claim, ...]:
    """The claims behind a machine's marks; `calls` answers for functions."""
    answers = calls or Calls(machine, UNASKED)
    return tuple(_claim(rules, answers, mark, trace) for mark in marks)


def _claim(rules: Rules, calls: Calls, given: Mark, trace: bytes) -> Claim:
    machine = rules.machine
    mark, reason = calls.settled(rules, given)
    found = trace[mark.start : mark.end].decode("utf-8", "replace")
    verdict: Any = mark.verdict
    if mark.rule == OUTSIDE:
        return _out_of_range(machine, mark, found)
    if mark.rule < 0:
        expected = "" if verdict != "violate" else "what the text owes"
        name = machine.labels[mark.label]
        return Claim(name, name, verdict, mark.start, mark.end, expected, found)
    rule = machine.rules[mark.rule]
    expected = found
    if verdict not in ("pass", "vacuous"):
        expected = describe_expected(machine, rules, mark, calls)
    blame = None if expected or not mark.regs else blamed(rules, mark.regs, rule.term)
    if blame is not None:
        found, expected = _told(blame.found), _right(blame)
    return Claim(
        rule.name,
        rule.shape,
        verdict,
        mark.start,
        mark.end,
        expected,
        found,
        rule.tier,
        rule.because,
        reason,
    )


def _right(blame: Blame) -> str:
    """What would have been right: one of some values, or what holds where a formula doesn't."""
    if blame.where:
        return f"what holds where {blame.where}"
    values = blame.known
    shown = ", ".join(map(_told, values[:MOST_TOLD]))
    more = ", …" if len(values) > MOST_TOLD else ""
    return f"one of {shown}{more}" if values else "none: nothing is known"


def _told(value: Exact) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case Fraction():
            return exact(value)
        case _:
            return value


def _out_of_range(machine: Machine, mark: Mark, found: str) -> Claim:
    """A value that is none of its field's type."""
    field = machine.fields[mark.label]
    name = field.name or field.shape
    if field.kind in ("ref", "def"):
        table = machine.tables[field.table].name
        expected = f"a name that `{table}` has" if field.kind == "ref" else f"new in `{table}`"
        expected += " in the end" if field.forward else ""
        return Claim(name, field.shape, "violate", mark.start, mark.end, expected, found)
    if isinstance(mark.lex, Typed):
        table = machine.tables[machine.grammars[field.grammar].table].name
        found = mark.lex.unknown.decode("utf-8", "replace") or found
        expected = f"a name that `{table}` has" if mark.lex.unknown else "operands that agree"
        return Claim(name, field.shape, "violate", mark.start, mark.end, expected, found)
    allowed = tuple(
        runs(field.domain, digits + field.shift)
        for digits in range(field.least, field.most + 1)
    )
    expected = describe(field, allowed)
    return Claim(name, field.shape, "violate", mark.start, mark.end, expected, found)


def describe_expected(machine: Machine, rules: Rules, mark: Mark, ask: Ask = later) -> str:
    """What the field that broke a rule should have held, as far as that can be said."""
    if not isinstance(mark.lex, Closed) or not mark.regs:
        return ""
    field, unit = machine.fields[mark.lex.field], ""
    if field.counts >= 0:
        unit = f" {mark.regs[field.register]}"
        field = machine.fields[field.counts]
    if field.kind not in ("number", "date") or field.register not in _near(machine, mark):
        return ""
    regs = list(mark.regs)
    shown = regs[field.digits]
    regs[field.register] = regs[field.digits] = Gap.UNKNOWN
    defined = _defined(rules, field, regs, mark.rule, ask)
    if defined is not None:
        return _shown(field, defined, shown) + unit
    allowed = rules.by_rules(field, regs, (mark.rule,))
    if allowed == rules.by_rules(field, regs, ()):
        return ""
    preferred = shown - field.shift if isinstance(shown, int) else None
    expected = describe(field, allowed, preferred)
    return expected + unit if expected else ""


def _defined(
    rules: Rules, field: Field, regs: Sequence[Any], number: int, ask: Ask
) -> Fraction | None:
    """The value that a rule gives a field, where it is an equation with the field alone."""
    term = rules.machine.rules[number].term
    if not isinstance(term, terms.Relate) or term.relation != "==":
        return None
    own = terms.Read(field.register)
    for one, other in ((term.left, term.right), (term.right, term.left)):
        if one == own and field.register not in terms.registers(other):
            value = rules.value(regs, other, ask)
            return value if isinstance(value, Fraction) else None
    return None


def _shown(field: Field, value: Fraction, digits: object) -> str:
    """A value with the digits that the text shows, where it has no more of them."""
    if field.kind == "number" and isinstance(digits, int):
        units = value * 10**digits
        if units.denominator == 1:
            return show(field, int(units), digits - field.shift)
    if field.kind == "date" and value.denominator == 1:
        return show(field, int(value), 0)
    return exact(value)


def _near(machine: Machine, mark: Mark) -> frozenset[int]:
    """The registers of the fields that a rule speaks of."""
    fields = machine.rules[mark.rule].fields
    return frozenset(machine.fields[number].register for number in fields)


def describe(field: Field, allowed: Allowed, digits: int | None = None) -> str:
    """An allowed set in a few words; `digits` prefers that many fraction digits."""
    order = range(field.least, field.most + 1)
    wanted = sorted(order, key=lambda shown: (shown != digits, shown))
    for shown in wanted if allowed else ():
        members = allowed[shown - field.least]
        if members:
            return " or ".join(_run(field, run, shown) for run in members[:4])
    return ""


def _run(field: Field, run: Run, digits: int) -> str:
    low, high = show(field, run.low, digits), show(field, run.high, digits)
    if run.low == run.high:
        return low
    if run.step == 1:
        return f"{low} to {high}"
    step = f"{run.step} days" if field.kind == "date" else show(field, run.step, digits)
    return f"{low} to {high} in steps of {step}"


def show(field: Field, units: int, digits: int) -> str:
    """A number of units of the last digit, as a trace shows it."""
    if field.kind == "date":
        from datetime import date  # noqa: PLC0415 - only dates need it

        return date.fromordinal(units).isoformat()
    sign = "-" if units < 0 else ""
    whole, rest = divmod(abs(units), 10**digits)
    point = f".{rest:0{digits}}" if digits else ""
    return f"{sign}{whole}{point}" + ("%" if field.shift else "")


def exact(value: Fraction) -> str:
    """An exact number: a decimal where it ends, else a fraction."""
    bottom = value.denominator
    for prime in (2, 5):
        while bottom % prime == 0:
            bottom //= prime
    if bottom != 1:
        return str(value)
    digits = 0
    while (value * 10**digits).denominator != 1:
        digits += 1
    sign = "-" if value < 0 else ""
    whole, rest = divmod(abs(int(value * 10**digits)), 10**digits)
    return f"{sign}{whole}" + (f".{rest:0{digits}}" if digits else "")


def overall(found: Sequence[Claim]) -> Iterator[Outcome]:
    """The verdicts that decide a trace, the gravest first."""
    steering = [claim.verdict for claim in found if claim.tier != "audit"]
    if "violate" in steering:
        yield "violate"
    if "too complex" in steering:
        yield "too complex"
