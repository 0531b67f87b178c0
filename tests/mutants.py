"""Rulesets with one operator, one constant or one word of a rule changed."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rulec.dsl import items, syntax
from rulec.dsl.parse import parse
from rulec.dsl.source import Source, Span
from rulec.runtime.verdicts import exact

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

RELATIONS = {
    "==": ("!=", "<=", ">=", "~="),
    "!=": ("==",),
    "<": ("<=", ">", "=="),
    "<=": ("<", "==", ">="),
    ">": (">=", "<", "=="),
    ">=": (">", "==", "<="),
    "~=": ("==", "!="),
}
OPERATORS = {
    "+": ("-", "*"),
    "-": ("+",),
    "*": ("+", "/"),
    "/": ("*", "//"),
    "//": ("/", "%"),
    "%": ("//",),
}
WORDS = {
    "round": ("round_even", "floor", "ceil"),
    "round_even": ("round",),
    "floor": ("ceil", "round"),
    "ceil": ("floor", "round"),
    "sum": ("max", "min", "count"),
    "count": ("sum",),
    "min": ("max",),
    "max": ("min", "sum"),
    "first": ("last",),
    "last": ("first",),
    "all": ("any",),
    "any": ("all",),
    "distinct": ("sorted",),
    "sorted": ("distinct",),
    "and": ("or",),
    "or": ("and",),
    "implies": ("and",),
}


@dataclass(frozen=True)
class Mutant:
    """A changed ruleset: what was put in place of what in which rule."""

    rule: str
    change: str
    text: str


def mutants(text: str) -> list[Mutant]:
    """Every ruleset that differs from the text in one place of one rule."""
    source = Source("mutant", text)
    found = []
    for item in parse(source).file.items:
        for rule in getattr(item, "rules", ()):
            if not isinstance(rule, items.Rule):
                continue
            places = [*_places(rule.condition), *_negations(rule.condition)]
            for span, new in places:
                changed = text[: span.start] + new + text[span.end :]
                change = f"{span.text.strip()} -> {new.strip()} at {span.start}"
                found.append(Mutant(rule.name.text, change, changed))
    return found


def _negations(condition: syntax.Term) -> Iterator[tuple[Span, str]]:
    yield condition.span, f"not ({condition.span.text})"


def _places(node: object) -> Iterator[tuple[Span, str]]:
    match node:
        case syntax.Binary(op, left, right):
            yield from _between(left.span, right.span, op, OPERATORS.get(op, ()))
        case syntax.Chain(first, links):
            before = first
            for op, term in links:
                yield from _between(before.span, term.span, op, RELATIONS.get(op, ()))
                before = term
        case syntax.Both(inner) | syntax.Either(inner):
            word = "and" if isinstance(node, syntax.Both) else "or"
            for before, behind in pairwise(inner):
                yield from _between(before.span, behind.span, word, WORDS[word])
        case syntax.Implies(left, right):
            yield from _between(left.span, right.span, "implies", WORDS["implies"])
        case syntax.Number(value, span):
            yield span, exact(value + 1)
            if value:
                yield span, exact(value - 1)
        case syntax.Call() | syntax.Quantified():
            span = node.function.span
            for word in WORDS.get(span.text, ()):
                yield span, word
        case syntax.Negated(inner, span):
            yield span, inner.span.text
    yield from _inside(node)


def _inside(node: object) -> Iterator[tuple[Span, str]]:
    if isinstance(node, tuple):
        for part in node:
            yield from _inside(part) if isinstance(part, tuple) else _places(part)
    elif is_dataclass(node) and not isinstance(node, Span):
        for part in fields(node):
            held = getattr(node, part.name)
            if isinstance(held, tuple):
                yield from _inside(held)
            elif is_dataclass(held) and not isinstance(held, Span):
                yield from _places(held)


def _between(
    before: Span, behind: Span, old: str, new: tuple[str, ...]
) -> Iterator[tuple[Span, str]]:
    """An operator that stands between two terms."""
    start = before.source.text.index(old, before.end, behind.start)
    span = Span(before.source, start, start + len(old))
    for other in new:
        yield span, other


_BOUND = re.compile(r"(?<![\w\"\-.])\d+(?![\w\"])")
_TYPES = [
    (" grouped", ""),
    ("1_000_000", "1_000_000 grouped"),
    (": int", ": decimal(1)"),
    (": number", ": decimal(0..3)"),
    ("[xy]", "[xyz]"),
    ('"no"', '"on"'),
]


def reshaped(text: str, r: Random) -> str:
    """The text with one bound, or one type, of one line of a shape changed."""
    lines = text.split("\n")
    shaped = [n for n, line in enumerate(lines) if line.strip() and "rule" not in line]
    number = r.choice(shaped)
    line = lines[number]
    bounds = list(_BOUND.finditer(line))
    if bounds and r.random() < 0.7:
        bound = r.choice(bounds)
        changed = str(max(0, int(bound[0]) + r.choice([-1, 1, 3])))
        lines[number] = line[: bound.start()] + changed + line[bound.end() :]
    else:
        lines[number] = line.replace(*r.choice(_TYPES), 1)
    return "\n".join(lines)
