"""Terms that only grow or only fall with a register."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import regions, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.terms import Term


def read_twice(left: Term, right: Term) -> int | None:
    """A register that a comparison reads more than once."""
    seen: set[int] = set()
    queue = [left, right]
    while queue:
        term = queue.pop()
        if isinstance(term, terms.Read):
            if term.register in seen:
                return term.register
            seen.add(term.register)
        queue.extend(terms.parts(term))
    return None


def sense(term: Term, register: int) -> int | None:
    """1 where the term grows with the register, -1 where it falls, 0 without it, else None."""
    match term:
        case terms.Read(read):
            return int(read == register)
        case terms.Const():
            return 0
        case terms.Minus(inner):
            inside = sense(inner, register)
            return None if inside is None else -inside
        case terms.Rounded(_, inner, _):
            return sense(inner, register)
        case terms.Binary("+" | "-" as op, left, right):
            a, b = sense(left, register), sense(right, register)
            if a is None or b is None:
                return None
            b = b if op == "+" else -b
            return a or b if a * b >= 0 else None
        case terms.Binary("*", terms.Const(Fraction() as factor), inner) | terms.Binary(
            "*", inner, terms.Const(Fraction() as factor)
        ):
            inside = sense(inner, register)
            return inside if inside is None or factor >= 0 else -inside
        case _:
            return None if register in terms.registers(term) else 0


def edge(piece: regions.Piece, can: Callable[[Fraction], bool]) -> Fraction | None:
    """The least member that a test lets through, which lets through all members above it.

    None where it lets none through.
    """
    low, high = piece.low or Fraction(0), piece.high or Fraction(0)
    if can(low):
        return low
    if not can(high):
        return None
    wrong, right = 0, int((high - low) / piece.step)
    while right - wrong > 1:
        middle = (wrong + right) // 2
        if can(low + middle * piece.step):
            right = middle
        else:
            wrong = middle
    return low + right * piece.step
