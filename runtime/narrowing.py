"""Which rules narrow the field under way, and what each of them leaves open by itself."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.compiler import regions
from rulec.compiler.terms import Gap
from rulec.runtime import dates
from rulec.runtime.allowed import Rules, value_of
from rulec.runtime.dates import Day
from rulec.runtime.numerals import Numeral, Run, endings
from rulec.runtime.programs import Word
from rulec.runtime.stack import Stack
from rulec.runtime.values import Values, region_values, shown_values, word_values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.machine import Field
    from rulec.compiler.regions import Region
    from rulec.runtime.numerals import Allowed, Runs
    from rulec.runtime.reference import Reference, Thread

    Open: TypeAlias = Allowed | tuple[int, ...] | Region


@dataclass(frozen=True, slots=True)
class Narrowing:
    """A rule, by its index, that leaves a field less than its type does.

    `alone` is what it leaves open by itself, `without` what the other rules leave open.
    """

    rule: int
    alone: Values
    without: Values


@dataclass(frozen=True, slots=True)
class Demand:
    """What is asked of the value of a field under way.

    `allowed` is what may be written from the field's beginning on, `left` what of it goes on
    from here, `type_` what the type by itself leaves open. The rules `waived` steer, but can't
    be kept here: they are tested when the field closes.
    """

    allowed: Values
    left: Values
    type_: Values
    rules: tuple[Narrowing, ...] = ()
    waived: tuple[int, ...] = ()


def demand(engine: Reference, thread: Thread, phase: str, written: bytes) -> Demand | None:
    """What is asked of the field that a reading is writing; None where that is nothing.

    `phase` tells how far a number has come, `written` are the field's bytes so far.
    """
    found = _under_way(engine, thread, phase, written)
    if found is None:
        return None
    field, open_, left = found
    sieve = _Sieve(engine, field, thread.regs)
    whole = sieve.open(())
    force = sieve.in_force(open_)
    return Demand(
        sieve.values(open_),
        sieve.values(left),
        sieve.values(whole),
        tuple(sieve.narrowings(force, open_, whole)),
        tuple(n for n in engine.rules.beside(field) if n not in force and n in field.rules),
    )


def _under_way(
    engine: Reference, thread: Thread, phase: str, written: bytes
) -> tuple[Field, Open, Open] | None:
    """The field, what was open when it began, and what is open still."""
    fields = engine.machine.fields
    match thread.lex:
        case Numeral(number, allowed=tuple(numbers)):
            return fields[number], numbers, _begun(fields[number], phase, thread.lex, numbers)
        case Day(number, allowed=tuple(days)):
            return fields[number], (days,), (_days(thread.lex.digits, days),)
        case Word(number, _, chosen):
            words = fields[number].words
            open_ = tuple(range(len(words))) if chosen is None else chosen
            left = tuple(n for n in open_ if words[n].encode().startswith(written))
            return fields[number], open_, left
        case Stack(number, _, region) if region is not None:
            return fields[number], region, region
        case _:
            return None


class _Sieve:
    """What sets of rules leave open to one field."""

    def __init__(self, engine: Reference, field: Field, regs: Sequence[Any]) -> None:
        self._engine = engine
        self._field = field
        self._regs = regs

    def open(self, rules: tuple[int, ...]) -> Open:
        """What some rules, and the field's type, leave open."""
        match self._field.kind:
            case "word":
                return self._words(rules)
            case "expr":
                return self._region(rules)
            case _:
                return self._engine.rules.by_rules(self._field, self._regs, rules)

    def in_force(self, open_: Open) -> tuple[int, ...]:
        """The rules that were kept when the field began: all that steer, or masks' own."""
        beside = self._engine.rules.beside(self._field)
        kept = tuple(n for n in beside if self._engine.machine.rules[n].tier == "mask")
        return kept if self.open(beside) != open_ and self.open(kept) == open_ else beside

    def narrowings(
        self, force: tuple[int, ...], left: Open, whole: Open
    ) -> tuple[Narrowing, ...]:
        """The rules without which more would be open, or that leave less by themselves."""
        found: list[Narrowing] = []
        for rule in sorted(force):
            alone = self.open((rule,))
            without = self.open(tuple(other for other in force if other != rule))
            if alone != whole or without != left:
                found.append(Narrowing(rule, self.values(alone), self.values(without)))
        return tuple(found)

    def values(self, open_: Any) -> Values:
        """The same as data."""
        match self._field.kind:
            case "word":
                return word_values(self._field, open_)
            case "expr":
                return region_values(open_)
            case _:
                return shown_values(self._field, open_)

    def _words(self, rules: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(
            number
            for number, word in enumerate(self._field.words)
            if all(self._holds(word, rule) for rule in rules if rule in self._field.rules)
        )

    def _holds(self, word: str, rule: int) -> bool:
        trial = list(self._regs)
        trial[self._field.register] = value_of(self._field, word)
        held = self._engine.rules.value(trial, self._engine.machine.rules[rule].term)
        return held not in (False, Gap.UNDEFINED, Gap.COMPLEX)

    def _region(self, rules: tuple[int, ...]) -> Region:
        """The strictest demand of a machine in which only these rules steer."""
        machine = self._engine.machine
        chosen = (
            rule if number in rules else replace(rule, tier="audit")
            for number, rule in enumerate(machine.rules)
        )
        sifted = Rules(replace(machine, rules=tuple(chosen)))
        return sifted.regions(self._field, self._regs)[0] or regions.EVERYTHING


# --- what goes on from here ---


def _begun(field: Field, phase: str, numeral: Numeral, allowed: Allowed) -> Allowed:
    """The allowed numbers that begin with what has been written."""
    if phase == "start":
        return allowed
    found: list[list[Run]] = [[] for _ in allowed]
    if phase == "sign":
        return tuple(_clipped(members, None, -1) for members in allowed)
    for to_come, shown in endings(field, phase, numeral):  # type: ignore[arg-type]
        low = numeral.mantissa * 10**to_come
        high = low + 10**to_come - 1
        if numeral.negative:
            low, high = -high, -max(low, 1)
        found[shown - field.least].extend(_clipped(allowed[shown - field.least], low, high))
    return tuple(tuple(sorted(part)) for part in found)


def _days(digits: str, allowed: Runs) -> Runs:
    span = dates.days(digits)
    return () if span is None else _clipped(allowed, *span)


def _clipped(members: Runs, low: int | None, high: int) -> Runs:
    """The members between `low` and `high`."""
    made: list[Run] = []
    for run in members:
        first = run.low if low is None else max(run.low, low + (run.low - low) % run.step)
        last = min(run.high, high - (high - run.low) % run.step)
        if first <= last:
            made.append(Run(first, last, run.step))
    return tuple(made)
