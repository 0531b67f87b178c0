"""Guards at work: what a choice must keep so that all that follows can be completed."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from rulec.compiler import regions
from rulec.compiler.conditions import PRESENT, QUOTIENT
from rulec.compiler.kinds import DIGITS
from rulec.compiler.links import Links
from rulec.compiler.names import scale_of
from rulec.compiler.rows import NOTHING, Keys, Rows
from rulec.runtime.numerals import Allowed, Run, Runs
from rulec.runtime.valued import Columns, Number, Span, Valued, read

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rulec.compiler.conditions import Formula
    from rulec.compiler.machine import Column, Field, Guard, Machine, Parameter, Table
    from rulec.compiler.regions import Region


class Guards:
    """The guards of one machine."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self._readers: dict[int, Callable[[Any], Number]] = {}
        for field in machine.fields:
            self._readers[field.register] = _reader(field)
            self._readers[field.digits] = _unit(field.most + field.shift)
        for parameter in machine.parameters:
            self._readers[parameter.register] = _reader_of(parameter)
        for column in (column for table in machine.tables for column in table.columns):
            reader = _reader_of(column)
            self._readers |= {column.low: reader, column.high: reader}
        for fold in machine.folds:
            self._readers[fold.register] = _scaled(fold.scale or 1)

    def read(self, register: int, held: Any) -> Number:
        """What guards read where a register holds a value."""
        return read(self._readers, register, held)

    def reads(self, number: int) -> frozenset[int]:
        """The registers on which a guard depends."""
        guard = self.machine.guards[number]
        polys = [q.top for q in guard.quotients] + [q.bottom for q in guard.quotients]
        polys += [a.poly for block in guard.formula for cell in block for a in cell]
        names = frozenset().union(*(poly.variables for poly in polys))
        own = {name % PRESENT for name in names if name < QUOTIENT}
        if guard.distinct >= 0:
            own.add(self.machine.folds[guard.distinct].register)
        return frozenset(own)

    def holds(self, number: int, regs: Sequence[Any]) -> bool:
        """Whether a guard lets a choice through."""
        guard = self.machine.guards[number]
        return Valued(self._readers, regs, guard).holds(guard.formula)

    def failing(self, number: int, regs: Sequence[Any]) -> Formula:
        """What of a guard doesn't let a choice through."""
        guard = self.machine.guards[number]
        values = Valued(self._readers, regs, guard)
        return tuple(block for block in guard.formula if not values.holds((block,)))

    def numbers(self, number: int, field: Field, regs: Sequence[Any]) -> Allowed:
        """The numbers that a guard leaves open for a field, for each count of digits shown."""
        guard = self.machine.guards[number]
        found: list[Runs] = []
        for shown in range(field.least, field.most + 1):
            unit = 10 ** (field.most - shown)
            values = Valued(self._readers, regs, guard, {field.digits: unit})
            runs = [
                run
                for span in values.spans(guard.formula, field.register, unit)
                for run in within(span, field, unit)
            ]
            found.append(self._differing(guard, field, regs, unit, _merged(runs)))
        return tuple(found)

    def _differing(
        self, guard: Guard, field: Field, regs: Sequence[Any], unit: int, runs: Runs
    ) -> Runs:
        """Without the values that the items before have."""
        if guard.distinct < 0:
            return runs
        held = regs[self.machine.folds[guard.distinct].register]
        scale = scale_of(field)
        seen = {v * scale / unit for v in held if isinstance(v, Fraction)} if held else set()
        whole = sorted(int(v) for v in seen if v.denominator == 1)
        return tuple(part for run in runs for part in _without(run, whole))

    def region(self, number: int, field: Field, regs: Sequence[Any]) -> Region:
        """Where a guard lets the value of an expression lie."""
        guard = self.machine.guards[number]
        values = Valued(self._readers, regs, guard)
        spans = values.spans(guard.formula, field.register, 1, whole=False)
        return regions.simplify(
            piece
            for span in spans
            for piece in regions.interval(_exact(span.low), _exact(span.high))
        )

    def texts(self, number: int, field: Field, regs: Sequence[Any]) -> tuple[bytes, ...]:
        """The texts that a field must differ from, as it is written with them."""
        fold = -1 if number < 0 else self.machine.guards[number].distinct
        held = () if fold < 0 else regs[self.machine.folds[fold].register]
        spelled = (field.spelled(text) for text in held or () if isinstance(text, str))
        return tuple(text.encode() for text in spelled)

    def keys(self, number: int, field: Field, regs: Sequence[Any]) -> Keys:
        """The rows that a guard lets a reference be (number -1: all), by their keys."""
        rows: Rows = regs[self.machine.tables[field.table].register] or NOTHING
        if number < 0:
            return rows.keys
        guard = self.machine.guards[number]
        keys = rows.keys
        if guard.formula and field.loose:
            keys = self._loosely(guard, field, regs, keys)
        elif guard.formula:
            fields = self.machine.fields
            columns = [(fields[n].register, place) for place, n in enumerate(field.columns)]
            values = Columns(self._readers, regs, guard, rows, columns)
            keys = keys.chosen(values.holding(guard.formula))
        return keys.without(self.texts(number, field, regs))

    def loose(self, field: Field, regs: Sequence[Any]) -> frozenset[str]:
        """The names to which nothing refers yet, nor what stands beside a reference."""
        _, graph, cited = field.loose
        links: Any = regs[graph]
        beside: Any = regs[cited] if cited >= 0 else ()
        loose: frozenset[str] = links.loose if isinstance(links, Links) else frozenset()
        return loose.difference(beside) if isinstance(beside, tuple) else loose

    def _loosely(self, guard: Guard, field: Field, regs: Sequence[Any], keys: Keys) -> Keys:
        """Those keys that a guard lets be, by whether they are loose."""
        register = self.machine.fields[field.loose[0]].register
        fits = [
            Valued(self._readers, regs, guard, {register: value}).holds(guard.formula)
            for value in (0, 1)
        ]
        if all(fits):
            return keys
        loose = [name.encode() for name in self.loose(field, regs)]
        if not fits[1]:
            return keys.without(loose) if fits[0] else keys.without(keys)
        open_ = np.zeros(len(keys.order), bool)
        open_[[keys.span(name)[0] for name in loose if name in keys]] = True
        return keys.chosen(open_)

    def spoken(self, number: int, field: Field, regs: Sequence[Any]) -> tuple[bool, bool]:
        """Whether a name may be one that was spoken of, and whether it may be a new one."""
        table = self.machine.tables[field.table]
        begun = regs[table.begun]
        owed = regs[table.owed] if table.owed >= 0 else 0
        if field.kind == "def":
            kept = owed > 0 and self._behind(number, table, regs, begun + 1, owed - 1)
            return kept, self._behind(number, table, regs, begun + 1, owed)
        known = begun + owed > 0 and self._behind(number, table, regs, begun, owed)
        return known, self._behind(number, table, regs, begun, owed + 1)

    def _behind(
        self, number: int, table: Table, regs: Sequence[Any], begun: int, owed: int
    ) -> bool:
        """Whether a guard holds once so many names are begun and owed."""
        if number < 0:
            return True
        guard = self.machine.guards[number]
        counts: dict[int, Number] = {table.begun: begun, table.owed: owed}
        return Valued(self._readers, regs, guard, counts).holds(guard.formula)

    def words(self, number: int, field: Field, regs: Sequence[Any]) -> tuple[int, ...]:
        """The words that a guard lets a field be."""
        guard = self.machine.guards[number]
        found: list[int] = []
        taken = () if guard.distinct < 0 else regs[self.machine.folds[guard.distinct].register]
        for place, word in enumerate(field.words):
            values = Valued(self._readers, regs, guard, {field.register: place})
            if values.holds(guard.formula) and value_of(field, word) not in (taken or ()):
                found.append(place)
        return tuple(found)


def value_of(field: Field, word: str) -> str | bool:
    """What a word means: itself, or a truth value."""
    return word == "true" if field.words == ("true", "false") else word


def within(span: Span, field: Field, unit: int) -> Iterable[Run]:
    """A span within the field's own domain, as whole numbers of the last digit shown."""
    scale = scale_of(field)
    for piece in field.domain:
        low = -DIGITS if piece.low is None else -(-int(piece.low * scale) // unit)
        high = DIGITS if piece.high is None else int(piece.high * scale) // unit
        low, high = max(low, -DIGITS), min(high, DIGITS)
        low = low if span.low is None else max(low, int(span.low))
        high = high if span.high is None else min(high, int(span.high))
        low += (span.offset - low) % span.step
        high -= (high - span.offset) % span.step
        if low > high:
            continue
        whole = sorted({int(v) for v in span.excluded if v.denominator == 1})
        yield from _without(Run(low, high, span.step), whole)


def _without(run: Run, excluded: Sequence[int]) -> Iterator[Run]:
    low = run.low
    for value in excluded:
        if low <= value <= run.high and (value - low) % run.step == 0:
            if value - run.step >= low:
                yield Run(low, value - run.step, run.step)
            low = value + run.step
    if low <= run.high:
        yield Run(low, run.high, run.step)


def _merged(runs: Iterable[Run]) -> Runs:
    """Runs of one stride that touch become one."""
    made: list[Run] = []
    for run in sorted(runs, key=lambda run: (run.step, run.low % run.step, run.low)):
        last = made[-1] if made else None
        if (
            last is not None
            and last.step == run.step
            and (run.low - last.low) % run.step == 0
            and run.low <= last.high + run.step
        ):
            made[-1] = Run(last.low, max(last.high, run.high), run.step)
        else:
            made.append(run)
    return tuple(sorted(made))


def _exact(value: Number | None) -> Fraction | None:
    return None if value is None else Fraction(value)


def _reader(field: Field) -> Callable[[Any], Number]:
    match field.kind:
        case "word" | "typed":
            return _place_of(field.words)
        case "number" | "date":
            return _scaled(scale_of(field))
        case _:
            return _plain


def _reader_of(parameter: Parameter | Column) -> Callable[[Any], Number]:
    if parameter.kind == "word":
        return _place_of(parameter.words)
    return _scaled(regions.denominator(parameter.domain))


def _plain(held: Any) -> Number:
    return held if isinstance(held, int | Fraction) else 0


def _scaled(scale: int) -> Callable[[Any], Number]:
    def read(held: Any) -> Number:
        if not isinstance(held, int | Fraction):
            return 0
        value = held * scale
        return int(value) if value.denominator == 1 else value

    return read


def _unit(most: int) -> Callable[[Any], Number]:
    return lambda shown: 10 ** (most - int(shown))


def _place_of(words: tuple[str, ...]) -> Callable[[Any], Number]:
    def read(held: Any) -> Number:
        word = ("true" if held else "false") if isinstance(held, bool) else held
        return words.index(word) if word in words else -1

    return read
