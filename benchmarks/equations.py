"""Equations that a text claims, and whether they hold: without rules and without their engine.

What steered a model must not judge it. So this reads equations by itself, with regular
expressions and Python's own parser, and only where they are plain enough to be beyond doubt.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from fractions import Fraction

_TERM = r"[$(\s-]*(?:\d[\d,]*(?:\.\d+)?|\.\d+)[)\s%]*"
ANNOTATION = re.compile(r"<<([^<>=]*)=\s*\$?(-?(?:\d[\d,]*(?:\.\d+)?|\.\d+))\s*>>", re.ASCII)
PLAIN = re.compile(
    rf"(?<![\w.,)%+*/×÷=-])({_TERM}(?:[-+*/×÷]{_TERM})+)=\s*\$?(-?(?:\d[\d,]*(?:\.\d+)?|\.\d+))"
    r"(?![\d]|[.,]\d|\s*[-+*/×÷%]\s*[\d(])",
    re.ASCII,
)
LONGEST = 200
"""Characters of a left side that is looked at."""


@dataclass(frozen=True)
class Equation:
    """`left = right` as it stands in a text."""

    left: str
    right: str
    holds: bool


def equations(text: str) -> list[Equation]:
    """The equations of a text that can be evaluated: annotations, then plain ones in prose."""
    found = [_equation(*match.groups()) for match in ANNOTATION.finditer(text)]
    rest = re.sub(r"<<[^<>]*>>", " ", text)
    found += [_equation(*match.groups()) for match in PLAIN.finditer(rest)]
    return [one for one in found if one is not None]


def _equation(left: str, right: str) -> Equation | None:
    value = evaluate(left)
    if value is None:
        return None
    shown = right.replace(",", "")
    digits = len(shown.partition(".")[2])
    near = abs(Fraction(shown) - value) <= Fraction(1, 2 * 10**digits)
    return Equation(left.strip(), right, near)


def evaluate(text: str) -> Fraction | None:
    """The exact value of an arithmetic expression; None for what is none."""
    plain = text.replace("×", "*").replace("÷", "/").replace("$", "").replace(",", "")
    plain = re.sub(r"(?<![\d.])0+(?=\d)", "", plain.strip())
    if not plain or len(plain) > LONGEST or "%" in plain or "**" in plain:
        return None
    try:
        return _value(ast.parse(plain, mode="eval").body, plain)
    except (SyntaxError, ValueError, ZeroDivisionError, RecursionError, MemoryError):
        return None


def _value(node: ast.expr, source: str) -> Fraction:
    match node:
        case ast.Constant(value=int() | float()):
            return Fraction(str(ast.get_source_segment(source, node)))
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return -_value(inner, source)
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _value(inner, source)
        case ast.BinOp(left=left, op=op, right=right):
            one, other = _value(left, source), _value(right, source)
            match op:
                case ast.Add():
                    return one + other
                case ast.Sub():
                    return one - other
                case ast.Mult():
                    return one * other
                case ast.Div():
                    return one / other
                case ast.FloorDiv():
                    return Fraction(one // other)
    raise ValueError(source)
