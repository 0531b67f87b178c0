"""Which rules narrow the field under way, and what each of them leaves open by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rulec.compiler import regions
from rulec.compiler.sifting import Sifted, instances, sift
from rulec.runtime import dates
from rulec.runtime.allowed import Rules
from rulec.runtime.dates import Day
from rulec.runtime.numerals import Numeral, Run, endings, meet
from rulec.runtime.programs import Word, Written
from rulec.runtime.stack import Stack
from rulec.runtime.typed import Typed, possible, wanted
from rulec.runtime.values import Values, region_values, shown_values, text_values, word_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rulec.compiler.machine import Field
    from rulec.compiler.marking import Marked
    from rulec.compiler.regions import Region
    from rulec.dsl import checked
    from rulec.runtime.numerals import Allowed, Runs
    from rulec.runtime.reference import Thread

    Open: TypeAlias = Allowed | tuple[int, ...] | tuple[bytes, ...] | Region


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


class Sieve:
    """What sets of rules leave open, each set by a machine in which it steers alone."""

    def __init__(self, marked: Marked) -> None:
        self.marked = marked
        self._instances = instances(marked.plan)
        self._every = frozenset(
            number for number, rule in enumerate(marked.machine.rules) if rule.tier != "audit"
        )
        self._known: dict[frozenset[int], tuple[Sifted, Rules]] = {}

    def demand(
        self, thread: Thread, slot: checked.Slot, phase: str, written: bytes
    ) -> Demand | None:
        """What is asked of the field that a reading is writing; None where that is nothing.

        `slot` is where the field stands, `phase` tells how far a number has come, `written`
        are the field's bytes so far.
        """
        found = _under_way(self.marked.machine.fields, thread, phase, written)
        if found is None:
            return None
        field, open_, left = found
        place = _Place(field, self._instances[field.register], slot, thread.regs)
        whole = self._open(place, frozenset())
        rules = tuple(self._narrowings(place, whole))
        narrowing = {one.rule for one in rules}
        waived = (
            number
            for number in field.rules
            if number not in narrowing and self._lost(place, number, open_)
        )
        return Demand(
            _values(field, open_),
            _values(field, left),
            _values(field, whole),
            rules,
            tuple(waived),
        )

    def _narrowings(self, place: _Place, whole: Open) -> Iterator[Narrowing]:
        """The rules without which more would be open, or that leave less by themselves."""
        left = self._open(place, self._every)
        for rule in sorted(self._beside(place.field)):
            alone = self._open(place, frozenset({rule}))
            without = self._open(place, self._every - {rule})
            if alone != whole or without != left:
                field = place.field
                yield Narrowing(rule, _values(field, alone), _values(field, without))

    def _beside(self, field: Field) -> tuple[int, ...]:
        return self._sifted(self._every)[1].beside(field)

    def _lost(self, place: _Place, rule: int, open_: Open) -> bool:
        """Whether a rule that is tested later leaves nothing of what is open."""
        if self.marked.machine.rules[rule].tier != "commit":
            return False
        rules = self._sifted(frozenset({rule}))[1]
        match place.field.kind:
            case "number" | "date":
                allowed = rules.by_rules(place.field, place.regs, (rule,))
                return not any(meet(*pair) for pair in zip(open_, allowed, strict=False))  # type: ignore[arg-type]
            case _:
                return False

    def _sifted(self, chosen: frozenset[int]) -> tuple[Sifted, Rules]:
        known = self._known.get(chosen)
        if known is None:
            sifted = sift(self.marked, chosen)
            known = self._known[chosen] = sifted, Rules(sifted.machine)
        return known

    def _open(self, place: _Place, chosen: frozenset[int]) -> Open:
        """What some rules, and the field's type, leave open."""
        sifted, rules = self._sifted(chosen)
        field, regs = place.field, place.regs
        guard = sifted.guard(place.instance, place.slot)
        match field.kind:
            case "word" | "typed":
                return rules.words(field, regs, guard)
            case "text":
                return rules.guards.texts(guard, field, regs)
            case "expr":
                return rules.regions(field, regs, guard)[0] or regions.EVERYTHING
            case _:
                return rules.numbers(field, regs, guard)


class _Place(NamedTuple):
    """A field under way: where it stands, and the registers when it began."""

    field: Field
    instance: int
    slot: checked.Slot
    regs: Sequence[Any]


def _values(field: Field, open_: Any) -> Values:
    """What is open, as data."""
    match field.kind:
        case "word" | "typed":
            return word_values(field, open_)
        case "text":
            return text_values(open_)
        case "expr":
            return region_values(open_)
        case _:
            return shown_values(field, open_)


def _under_way(
    fields: Sequence[Field], thread: Thread, phase: str, written: bytes
) -> tuple[Field, Open, Open] | None:
    """The field, what was open when it began, and what is open still."""
    match thread.lex:
        case Numeral(number, allowed=tuple(numbers)):
            return fields[number], numbers, _begun(fields[number], phase, thread.lex, numbers)
        case Day(number, allowed=tuple(days)):
            return fields[number], (days,), (_days(thread.lex.digits, days),)
        case Word(number, _, chosen):
            words = tuple(map(fields[number].spelled, fields[number].words))
            open_ = tuple(range(len(words))) if chosen is None else chosen
            left = tuple(n for n in open_ if words[n].encode().startswith(written))
            return fields[number], open_, left
        case Stack(number, _, region) if region is not None:
            return fields[number], region, region
        case Typed(number) as lex if fields[number].kind == "typed":
            return fields[number], wanted(lex), possible(lex)
        case Written(number, _, _, others) if others:
            alike = tuple(other for other in others if other.startswith(written))
            return fields[number], others, alike
        case _:
            return None


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
