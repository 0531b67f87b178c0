"""When a rule holds and when it is broken, as conditions of their own.

A condition has no value where it divides by zero before anything else settles it; that breaks a
rule. Both are said here by terms that always have a value where they are looked at.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import terms
from rulec.compiler.symbolic import FALSE, ZERO, Held, chosen, every, negated, some
from rulec.compiler.terms import LIMIT, Term

if TYPE_CHECKING:
    from collections.abc import Callable


def holds(held: Held) -> Term:
    """A rule is kept: it holds, or is vacuous."""
    return some([held.absent, held.term])


def fails(held: Held) -> Term:
    """A rule is broken: it is false or divides by zero."""
    broken = some([undefined(held.term), negated(held.term)])
    return some([undefined(held.absent), every([negated(held.absent), broken])])


def undefined(term: Term) -> Term:
    """Whether the value of a term comes to a division by zero."""
    match term:
        case terms.Every(inner):
            return some([every([*inner[:n], undefined(inner[n])]) for n in range(len(inner))])
        case terms.Some(inner):
            turned = [negated(part) for part in inner]
            return some([every([*turned[:n], undefined(inner[n])]) for n in range(len(inner))])
        case terms.Either(test, yes, no):
            behind = chosen(test, undefined(yes), undefined(no))
            if undefined(yes) == undefined(no) == FALSE:
                behind = FALSE
            return some([undefined(test), behind])
        case terms.Binary("/" | "//" | "%", _, right):
            zero = terms.Relate("==", right, ZERO)
            if isinstance(right, terms.Const):
                return some([*map(undefined, terms.parts(term)), terms.Const(right.value == 0)])
            return some([*map(undefined, terms.parts(term)), zero])
        case _:
            return some([undefined(part) for part in terms.parts(term)])


class Size(NamedTuple):
    """How large a number can be, and what its denominator divides; None is no limit."""

    most: Fraction | None
    bottom: int | None


HUGE = Size(None, None)


def may_exceed(term: Term, size: Callable[[int], Size]) -> bool:
    """Whether an intermediate may leave the limit of exact numbers.

    `size` tells how large a variable can be. Where the answer is no, none does.
    """
    if any(may_exceed(part, size) for part in terms.parts(term)):
        return True
    if not isinstance(term, terms.Binary | terms.Rounded):
        return False
    if isinstance(term, terms.Binary) and term.op == "/":
        return _quotient_exceeds(_size(term.left, size), _size(term.right, size))
    found = _size(term, size)
    if found.most is None or found.bottom is None:
        return True
    return found.bottom > LIMIT or found.most * found.bottom > LIMIT


def _quotient_exceeds(left: Size, right: Size) -> bool:
    if left.most is None or left.bottom is None or right.most is None or right.bottom is None:
        return True
    common = left.bottom * right.bottom
    return left.most * common > LIMIT or right.most * common > LIMIT


def _size(term: Term, size: Callable[[int], Size]) -> Size:
    match term:
        case terms.Const(Fraction() as value):
            return Size(abs(value), value.denominator)
        case terms.Read(register):
            return size(register)
        case terms.Minus(inner) | terms.Absolute(inner):
            return _size(inner, size)
        case terms.Rounded(_, inner, digits):
            held = _size(inner, size)
            return Size(None if held.most is None else held.most + 1, 10**digits)
        case terms.Binary(op, left, right):
            return _computed(op, _size(left, size), _size(right, size), right)
        case terms.Extreme(_, inner):
            return _widest([_size(part, size) for part in inner])
        case terms.Either(_, yes, no):
            return _widest([_size(yes, size), _size(no, size)])
        case _:
            return HUGE


def _widest(sizes: list[Size]) -> Size:
    most = [size.most for size in sizes if size.most is not None]
    bottoms = [size.bottom for size in sizes if size.bottom is not None]
    return Size(
        max(most) if len(most) == len(sizes) else None,
        lcm(*bottoms) if len(bottoms) == len(sizes) else None,
    )


def _computed(op: str, left: Size, right: Size, divisor: Term) -> Size:
    if left.most is None or left.bottom is None or right.most is None or right.bottom is None:
        return HUGE
    match op:
        case "+" | "-":
            return Size(left.most + right.most, lcm(left.bottom, right.bottom))
        case "*":
            return Size(left.most * right.most, left.bottom * right.bottom)
        case "//":
            return Size(left.most * right.bottom + 1, 1)
        case "%":
            return Size(right.most, lcm(left.bottom, right.bottom))
    if not isinstance(divisor, terms.Const):
        return HUGE
    if right.most == 0:
        return Size(Fraction(0), 1)
    return Size(left.most / right.most, left.bottom * right.most.numerator)
