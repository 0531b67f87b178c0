"""Certificates refuse what a faulty projection would let through."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from rulec.compiler import build, eliminate, scalars
from rulec.compiler.accumulate import Accumulator
from rulec.compiler.flatten import Flattener
from rulec.compiler.polynomial import number
from rulec.dsl import load_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.conditions import Atom

PAIR = 'shape S {{ "a" a: int in 0 .. 9 "c" c: int in 0 .. 9\nrule r: {} }}\ntrace S'
LIST = """
shape S { xs: int in 1 .. 9{1..3 sep ","} "=" c: int in 0 .. 20 rule r: c == sum(xs) }
trace S
"""


def tier(text: str) -> str:
    ruleset = load_text(text).ruleset
    assert ruleset is not None
    (rule,) = build(ruleset).rules
    return rule.tier


def _strict_is_not(whole: Callable[..., Atom]) -> Callable[..., Atom]:
    """`<` and `<=` taken for each other."""
    other = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
    return lambda self, relation, distance: whole(self, other.get(relation, relation), distance)


def _narrower(whole: Callable[..., Any]) -> Callable[..., Any]:
    """One value too few between two bounds."""

    def between(*given: Any) -> Any:
        made = whole(*given)
        return made and tuple(replace(atom, poly=atom.poly - number(1)) for atom in made)

    return between


def _wider(whole: Callable[..., Any]) -> Callable[..., Any]:
    """One value too many between two bounds."""

    def between(*given: Any) -> Any:
        made = whole(*given)
        return made and tuple(replace(atom, poly=atom.poly + number(1)) for atom in made)

    return between


def _forgetful(whole: Callable[..., Any]) -> Callable[..., Any]:
    """What a quotient says of a field is lost."""

    def settled(names: Any, formula: Any, register: int) -> Any:
        made = whole(names, formula, register)
        return made if made == formula else ()

    return settled


def _idle(_: Callable[..., Any]) -> Callable[..., Any]:
    """An item is not taken into a sum."""
    return lambda self, formula, number_: formula


FAULTS: dict[str, tuple[object, str, Callable[..., Any], str]] = {
    "comparisons": (Flattener, "_atom", _strict_is_not, PAIR.format("c <= a")),
    "one value too few": (eliminate, "_between", _narrower, PAIR.format("c >= a + 2")),
    "one value too many": (eliminate, "_between", _wider, PAIR.format("c >= a + 2")),
    "quotients": (scalars, "settled", _forgetful, PAIR.format("c // 2 == a // 3")),
    "sums": (Accumulator, "updated", _idle, LIST),
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_are_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    owner, function, fault, text = FAULTS[name]
    assert tier(text) == "mask"
    monkeypatch.setattr(owner, function, fault(getattr(owner, function)))
    assert tier(text) == "commit"
