"""What a slot of the device holds for a state of the reference engine."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from rulec.compiler.terms import Gap
from rulec.kernels import encoding as e
from rulec.runtime.dates import Day
from rulec.runtime.lowered_programs import PARTS
from rulec.runtime.numerals import Numeral
from rulec.runtime.programs import Word, Written
from rulec.runtime.stack import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from rulec.compiler.machine import Field, Machine
    from rulec.runtime.lowering import Lowered
    from rulec.runtime.numerals import Allowed
    from rulec.runtime.reference import Config, Thread
    from rulec.runtime.stack import Level, Result


class Records:
    """Readings of one machine as words.

    `fields` says where the field of each number stands in the tables.
    """

    def __init__(self, machine: Machine, lowered: Lowered, base: int) -> None:
        self.machine = machine
        self.lowered = lowered
        self._base = base
        self._runs = lowered.layout & e.LOW_HALF

    def pool(self, config: Config) -> NDArray[np.int64]:
        """The readings of a state, `[readings, width]`."""
        made = [
            words
            for thread in config.threads
            for words in (
                self._reading(thread, 0),
                *(self._reading(sub, watch + 1) for watch, subs in thread.subs for sub in subs),
            )
        ]
        return np.array(made, np.int64).reshape(-1, self.lowered.width)

    def _reading(self, thread: Thread, watch: int) -> list[int]:
        words = [0] * self.lowered.width
        words[e.NODE], words[e.WATCH] = thread.node, watch
        for place, word in self._lex(thread.lex):
            words[place] = word
        for register, value in enumerate(thread.regs):
            for place, word in self.lowered.registers.held(register, value):
                words[place] = word
        return words

    def _lex(self, lex: Any) -> Iterator[tuple[int, int]]:
        match lex:
            case Numeral(field, _, allowed, negative, mantissa, fraction):
                yield e.FIELD, self._field(field)
                yield e.MANTISSA, mantissa
                yield e.FRACTION, fraction
                yield e.NEGATIVE, int(negative)
                yield from self._allowed(allowed)
            case Day(field, _, allowed, digits):
                yield e.FIELD, self._field(field)
                yield e.MANTISSA, int(digits or "0")
                yield e.FRACTION, len(digits)
                yield from self._allowed(None if allowed is None else (allowed,))
            case Word(field, _, allowed):
                count = len(self.machine.fields[field].words)
                chosen = range(count) if allowed is None else allowed
                yield e.WORDS, sum(1 << place for place in chosen)
            case Written(field):
                yield from self._text(self.machine.fields[field], lex)
            case Stack():
                yield from ((e.LEX + place, word) for place, word in _stack(lex))

    def _field(self, number: int) -> int:
        return self._base + self.lowered.fields[number]

    def _allowed(self, allowed: Allowed | None) -> Iterator[tuple[int, int]]:
        yield e.ENFORCED, int(allowed is not None)
        for shown, runs in enumerate(allowed or ()):
            at = e.RUNS + shown * self._runs
            yield at, len(runs)
            yield from enumerate((end for run in runs for end in run), at + 1)

    def _text(self, field: Field, lex: Written) -> Iterator[tuple[int, int]]:
        registers = self.lowered.registers
        if not registers.word("text", field.register):
            return
        yield e.LENGTH, len(lex.text)
        yield e.KEPT, 1
        if lex.taken:
            folds = (fold for fold in registers.folds.values() if fold.kind == e.FOLD_TEXTS)
            (held,) = (f.register for f in folds if f.body.variables == {field.register})
            yield e.TAKEN, registers.word("list", held)
        for place in range(registers.text_size - 1):
            part = lex.text[place * e.BYTES_PER_WORD : (place + 1) * e.BYTES_PER_WORD]
            yield e.BYTES + place, int.from_bytes(part, "little")


def _stack(stack: Stack) -> Iterator[tuple[int, int]]:
    """The words of an expression under way."""
    yield e.X_MANTISSA, -1 if stack.mantissa is None else stack.mantissa
    yield e.X_FRACTION, stack.fraction
    yield from _fraction(e.X_HELD, stack.held)
    yield e.X_DEPTH, len(stack.levels) - 1
    yield e.X_REGION, int(stack.region is not None)
    for place in (e.X_LEAST, e.X_MOST):
        yield place + 2, 1
    if stack.region:
        piece = stack.region[0]
        for place, end in ((e.X_LEAST, piece.low), (e.X_MOST, piece.high)):
            if end is not None:
                yield from enumerate((1, end.numerator, end.denominator), place)
    for depth, level in enumerate(stack.levels):
        at = e.X_LEVELS + depth * e.LEVEL_SIZE
        yield from ((at + place, word) for place, word in _level(level))


def _level(level: Level) -> Iterator[tuple[int, int]]:
    yield from _fraction(e.LEVEL_TOTAL, level.total)
    yield e.LEVEL_ADD, PARTS[level.add]
    yield from _fraction(e.LEVEL_TERM, level.term)
    yield e.LEVEL_TIMES, PARTS.get(level.times, 0)
    yield e.LEVEL_NEGATIVE, int(level.negative)
    yield e.LEVEL_BINARY, int(level.binary)


def _fraction(place: int, value: Result | None) -> Iterator[tuple[int, int]]:
    if isinstance(value, Fraction):
        yield from enumerate((e.VALUE, value.numerator, value.denominator), place)
        return
    gap = e.COMPLEX if value is Gap.COMPLEX else e.UNDEFINED
    yield from enumerate((e.NONE if value is None else gap, 0, 1), place)
