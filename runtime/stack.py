"""Expressions while they are written: one evaluation stack."""

from __future__ import annotations

from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, cast

from rulec.compiler import regions
from rulec.compiler.evaluate import compute
from rulec.compiler.kinds import DIGITS
from rulec.compiler.terms import LIMIT, Gap

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rulec.compiler.ops import ExprPhase, Part
    from rulec.compiler.regions import Region

FRACTION = 6
"""Fraction digits that a number in an expression may show."""

Result: TypeAlias = Fraction | Gap
Operands: TypeAlias = "tuple[()] | tuple[Fraction, Operands, int]"
"""A linked list of numbers, the latest first, each with how many they are with it."""

MOST_OPERANDS = 1_000
"""Numbers of an expression that rules may ask for."""


class Level(NamedTuple):
    """One depth of parentheses: `total add (term times operand)`.

    `negative` belongs to the operand; `binary` tells that an operator stands in it. `since`
    are the numbers before it.
    """

    total: Result | None = None
    add: str = "+"
    term: Result | None = None
    times: str = ""
    negative: bool = False
    binary: bool = False
    since: Operands | None = ()


class Stack(NamedTuple):
    """An expression under way, the innermost level last.

    `mantissa` is None where no number is being written; `held` is the value of parentheses
    that have just been closed. `region` is where the value must lie, None where nothing is
    enforced. `operands` are the numbers that have ended, None where no rule asks for them.
    """

    field: int
    start: int
    region: Region | None = None
    levels: tuple[Level, ...] = (Level(),)
    mantissa: int | None = None
    fraction: int = 0
    held: Result | None = None
    operands: Operands | None = None


def operate(op: str, left: Result, right: Result) -> Result:
    """`left op right`; a gap stays what it is."""
    if isinstance(left, Gap):
        return left
    if isinstance(right, Gap):
        return right
    made = compute(op, left, right)
    return made if isinstance(made, Fraction | Gap) else Gap.UNDEFINED


def _operand(stack: Stack) -> Result:
    if stack.mantissa is None:
        held = stack.held
        whole: Result = Gap.UNDEFINED if held is None else held
    else:
        whole = Fraction(stack.mantissa, 10**stack.fraction)
    if stack.levels[-1].negative and isinstance(whole, Fraction):
        return -whole
    return whole


def _term(stack: Stack) -> Result:
    level = stack.levels[-1]
    operand = _operand(stack)
    return operand if level.term is None else operate(level.times, level.term, operand)


def _total(stack: Stack) -> Result:
    level = stack.levels[-1]
    term = _term(stack)
    return term if level.total is None else operate(level.add, level.total, term)


def taken(stack: Stack, part: Part, phase: ExprPhase, byte: int) -> Stack | None:
    """The stack behind one more byte; None where the spelling forbids it."""
    match part:
        case "digit":
            return _digit(stack, phase, byte)
        case "point" if stack.mantissa is None:
            return stack._replace(mantissa=0, fraction=0)
        case "minus":
            level = stack.levels[-1]._replace(negative=True)
            return stack._replace(levels=(*stack.levels[:-1], level))
        case "open":
            level = Level(since=stack.operands)
            return stack._replace(levels=(*stack.levels, level), mantissa=None, held=None)
        case "close":
            return _closed(stack)
        case "point" | "comma" | "blank":
            return stack
        case _:
            return _operator(stack, part)


def _digit(stack: Stack, phase: ExprPhase, byte: int) -> Stack | None:
    mantissa = (stack.mantissa or 0) * 10 + byte - 0x30
    fraction = stack.fraction + 1 if phase == "frac" else 0
    if mantissa > DIGITS or fraction > FRACTION:
        return None
    return stack._replace(mantissa=mantissa, fraction=fraction, held=None)


def _closed(stack: Stack) -> Stack:
    inner = stack.levels[-1]
    outer = stack.levels[-2]
    levels = (*stack.levels[:-2], outer._replace(binary=outer.binary or inner.binary))
    return stack._replace(
        levels=levels, held=_total(stack), mantissa=None, fraction=0, operands=_noted(stack)
    )


def _operator(stack: Stack, op: str) -> Stack:
    level = stack.levels[-1]
    if op == "//":  # the second stroke: the first was taken as `/`
        changed = level._replace(times="//")
    elif op in "*/":
        term = _term(stack)
        changed = Level(level.total, level.add, term, op, binary=True, since=level.since)
    else:
        changed = Level(_total(stack), op, binary=True, since=level.since)
    levels = (*stack.levels[:-1], changed)
    return stack._replace(
        levels=levels, mantissa=None, fraction=0, held=None, operands=_noted(stack)
    )


def _noted(stack: Stack) -> Operands | None:
    """The numbers so far, and the one that has just ended."""
    if stack.operands is None or stack.mantissa is None:
        return stack.operands
    return (cast("Fraction", _operand(stack)), stack.operands, _count(stack.operands) + 1)


def _count(found: Operands | None) -> int:
    return found[2] if found else 0


def operands(stack: Stack, *, inner: bool) -> tuple[Fraction, ...] | Gap:
    """The numbers of the expression that ends here, each with the sign that touches it.

    With `inner` those of the innermost parentheses. Too many of them are `COMPLEX`.
    """
    found: list[Fraction] = []
    here, since = _noted(stack), stack.levels[-1].since if inner else ()
    if _count(here) - _count(since) > MOST_OPERANDS:
        return Gap.COMPLEX
    while here and here is not since:
        value, here, _ = here
        found.append(value)
    return tuple(found[::-1])


def ended(stack: Stack, *, inner: bool) -> Result | None:
    """The value where the expression ends here; None where it can't.

    With `inner` the innermost parentheses count, and an operator must stand in them.
    """
    if inner and not stack.levels[-1].binary:
        return None
    return _total(stack)


# --- completion ---

_OPERANDS: dict[str, tuple[str, ...]] = {
    "operand": ("0", "1"),
    "point": ("0", "1"),
    "zero": ("", ".1"),
    "frac": ("", "1"),
    "g0": ("000", "001"),
    "g1": ("00", "01"),
    "g2": ("0", "1"),
}
_TAILS = ("", "*0", "+1", "*0+1")
_AFTER_BLANK = ("*1", "*0", "+1", "*0+1")
_AFTER_HALF = ("*1", "*0", "*0+1")


class Step(NamedTuple):
    """A byte of a text: which part it is, and how far the expression has come with it."""

    part: Part
    phase: ExprPhase
    byte: int


@cache
def policy(phase: str) -> tuple[tuple[Step, ...], ...]:
    """The texts that the policy tries in a phase, byte by byte."""
    tails = {"blank": _AFTER_BLANK, "half": _AFTER_HALF}.get(phase, _TAILS)
    return tuple(
        tuple(_steps(operand + tail, phase))
        for operand in _OPERANDS.get(phase, ("",))
        for tail in tails
    )


def _steps(text: str, phase: str) -> Iterator[Step]:
    """What each byte of a text is, and how far the expression has come with it."""
    for char in text:
        part: Part
        match char:
            case "+" | "*":
                part, phase = ("+" if char == "+" else "*"), "operand"
            case ".":
                part, phase = "point", "point"
            case _:
                part = "digit"
                phase = "frac" if phase in ("point", "frac") else "int"
        yield Step(part, cast("ExprPhase", phase), ord(char))


def completions(stack: Stack, phase: ExprPhase) -> Iterator[str]:
    """Texts that end the expression with a value it may have, by one fixed policy.

    The operand under way is ended, the innermost level brought to zero or one where it must
    be, every parenthesis closed, and what is missing to the wanted value added.
    """
    closing = (Step("close", "closed", ord(")")),) * (len(stack.levels) - 1)
    for text in policy(phase):
        steps = (*text, *closing)
        done = _written(stack, steps)
        rest = None if done is None else _rest(done, stack.region)
        if rest is not None:
            yield "".join(chr(step.byte) for step in steps) + rest
    yield from _solved(stack, phase)


def indifferent(stack: Stack) -> bool:
    """Whether the operand under way may be any number: times zero, it can be completed."""
    if stack.region is None:
        return True
    term = stack.levels[-1].term
    if stack.levels[-1].times not in ("", "*") or isinstance(term, Gap):
        return False
    if term is not None:
        most = max(abs(term.numerator) * DIGITS, term.denominator * 10**FRACTION)
        if most > LIMIT:
            return False
    done: Stack | None = stack._replace(mantissa=0, fraction=0, held=None)
    for _ in stack.levels[1:]:
        done = None if done is None else taken(done, "close", "closed", ord(")"))
    return done is not None and _rest(done, stack.region) is not None


TAME = 6
"""Bytes that may follow a tame expression without a doubt."""


def tame(stack: Stack) -> bool:
    """Whether no few bytes can lead to where the expression can't be ended.

    Numbers are small, nothing waits for a divisor that is zero so far, and wherever the
    innermost level ends up, the policy brings it to zero or one and stays in the region.
    """
    if stack.region is not None and not any(map(_wide, stack.region)):
        return False
    if len(stack.levels) > 2 or stack.fraction > FRACTION - TAME + 2:
        return False
    level = stack.levels[-1]
    if stack.mantissa == 0 and level.times in ("/", "//"):
        return False
    values = [stack.held, *(v for inner in stack.levels for v in (inner.total, inner.term))]
    return (stack.mantissa or 0) <= _SMALL and all(map(_small, values))


_SMALL = 10**5
TAMEST = 10**11
"""Beyond it a number is not small, however short the token that brings it there."""


def _small(value: Result | None) -> bool:
    if value is None:
        return True
    if isinstance(value, Gap):
        return False
    return abs(value.numerator) <= _SMALL and value.denominator <= 100


def _wide(piece: regions.Piece) -> bool:
    low = piece.low is None or piece.low <= -(10**12)
    high = piece.high is None or piece.high >= 10**12
    return low and high and not piece.step


def completable(stack: Stack, phase: ExprPhase) -> bool:
    """Whether the policy can still end the expression."""
    return next(completions(stack, phase), None) is not None


def _written(stack: Stack, steps: Sequence[Step]) -> Stack | None:
    """The stack behind a text of the policy."""
    here: Stack | None = stack
    for part, phase, byte in steps:
        if here is None:
            return None
        here = taken(here, part, phase, byte)
    return here


def _solved(stack: Stack, phase: ExprPhase) -> Iterator[str]:
    """The operand under way as the one that is missing to the wanted value."""
    level = stack.levels[-1]
    total = level.total
    started = phase == "int" and not stack.fraction
    if not (started or phase == "operand") or len(stack.levels) > 1 or not stack.region:
        return
    if level.negative or isinstance(total, Gap) or isinstance(level.term, Gap):
        return
    before = total or Fraction(0)
    missing = min((_towards(piece, before) - before for piece in stack.region), key=_size)
    needed = missing if level.add == "+" else -missing
    text = _missing_operand(level, needed)
    typed = str(stack.mantissa) if started else ""
    if text is not None and text.startswith(typed) and text != typed:
        yield text[len(typed) :]


def _missing_operand(level: Level, needed: Fraction) -> str | None:
    """How the operand is written that makes the term under way `needed`."""
    if needed <= 0 or (level.times and not isinstance(level.term, Fraction)):
        return None
    match level.times, level.term:
        case "", _:
            operand = needed
        case "/", Fraction() as term if term / needed == int(term / needed):
            operand = term / needed
        case _:
            return None
    if operand <= 0 or max(operand.numerator, operand.denominator) > DIGITS:
        return None
    shown = str(operand.numerator)
    return shown if operand.denominator == 1 else f"{shown}/{operand.denominator}"


def _rest(stack: Stack, region: Region | None) -> str | None:
    """What must be added to reach the region; None where that can't be written."""
    if region is None:
        return ""
    total = _total(stack)
    if isinstance(total, Gap) or not region:
        return None
    if regions.contains(region, total):
        return ""
    missing = min((_towards(piece, total) - total for piece in region), key=_size)
    size = abs(missing)
    if size.numerator > DIGITS or size.denominator > DIGITS:
        return None
    shown = str(size.numerator) + ("" if size.denominator == 1 else f"/{size.denominator}")
    return ("+" if missing > 0 else "-") + shown


def _size(value: Fraction) -> tuple[int, Fraction]:
    return value.denominator, abs(value)


def _towards(piece: regions.Piece, total: Fraction) -> Fraction:
    """The member of a piece that is nearest to `total`, or one beside it."""
    if piece.low is not None and total < piece.low:
        return piece.low
    if piece.high is not None and total > piece.high:
        return piece.high
    return total - (total - piece.offset) % piece.step if piece.step else total


def shortest(stack: Stack, phase: ExprPhase) -> int:
    """Bytes of the shortest completion."""
    return min(map(len, completions(stack, phase)))
