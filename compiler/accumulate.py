"""What one more item of a list does to the folds over it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.conditions import (
    PRESENT,
    Atom,
    Cell,
    Formula,
    TooMany,
    Unfit,
    equal,
    within,
)
from rulec.compiler.flatten import Flattener
from rulec.compiler.polynomial import Poly, hull, number, variable
from rulec.compiler.terms import Gap
from rulec.compiler.values import scale_of, scaled

if TYPE_CHECKING:
    from rulec.compiler.machine import Folding
    from rulec.compiler.names import Names
    from rulec.compiler.plan import Plan

PICKED = ("prev", "last", "first", "min", "max")
"""Folds that hold one of the items' values."""


def measure(names: Names) -> None:
    """Give the folds of a plan their scales and bounds, where they have some."""
    for number_, fold in enumerate(names.plan.folds):
        if fold.late or fold.function in ("distinct", "items", "earlier"):
            continue
        try:
            _measure(names, number_, fold)
        except (Unfit, TooMany):
            continue  # rules that read it say why


def _measure(names: Names, number_: int, fold: Folding) -> None:
    high = most_items(names.plan, fold)
    if fold.function in ("count", "all", "any"):
        names.fold(number_, 1, (0, high if fold.function == "count" else 1))
        return
    cases = Flattener(names, -1, names.plan.lists[fold.list].count).value(fold.body)
    cases = [case for case in cases if case.gap is None]
    scale = scale_of(cases)
    if scale is None or any(not names.space.whole(case.top) for case in cases):
        return
    body = hull(*(scaled(case, scale).range(names.space.bounds) for case in cases))
    if fold.function in PICKED:
        names.fold(number_, scale, body)
    else:
        names.fold(number_, scale, (_times(body[0], high, -1), _times(body[1], high, 1)))


def most_items(plan: Plan, fold: Folding) -> int | None:
    """The most items that a fold can go through; None where there is no limit."""
    inner, outer = plan.lists[fold.list].high, plan.lists[fold.outer].high
    if fold.list == fold.outer:
        return inner
    return None if inner is None or outer is None else inner * outer


def _times(end: int | None, count: int | None, side: int) -> int | None:
    """The furthest that a sum of items comes on one side; no item adds nothing."""
    if end is not None and end * side <= 0:
        return 0
    return None if end is None or count is None else end * count


class Accumulator:
    """The folds of a plan, item by item."""

    def __init__(self, names: Names, rule: int = -1) -> None:
        self._names = names
        self._rule = rule

    @staticmethod
    def order(plan: Plan, list_: int) -> list[int]:
        """The folds that an item changes: those that others may read come first."""
        own = [n for n, fold in enumerate(plan.folds) if fold.list == list_ and not fold.late]
        return sorted(own, key=lambda n: plan.folds[n].function not in PICKED)

    def updated(self, formula: Formula, number_: int) -> Formula:
        """The formula before an item is taken into a fold, from the one behind that."""
        fold = self._names.plan.folds[number_]
        register, there = fold.register, PRESENT + fold.register
        if not {register, there} & self._names.space.deep(formula):
            return formula
        if register not in self._names.scales:
            return formula
        if fold.function in ("count", "all", "any"):
            return self._counted(formula, fold)
        scale = self._names.scales[register]
        ways: list[Formula] = []
        flattener = Flattener(self._names, -1, self._names.plan.lists[fold.list].count)
        for case in flattener.value(fold.body):
            if case.gap is Gap.ABSENT:
                ways.append(within(formula, case.cell))
            elif case.gap is None:
                taken = self._taken(formula, fold, scaled(case, scale))
                ways += [within(way, case.cell) for way in taken]
        return self._joined(ways)

    def _counted(self, formula: Formula, fold: Folding) -> Formula:
        """An item counts, or decides a condition on all or any of them."""
        space = self._names.space
        flattener = Flattener(self._names, -1, self._names.plan.lists[fold.list].count)
        more = variable(fold.register) + number(1)
        decided = {"all": number(0), "any": number(1)}.get(fold.function, more)
        ways: list[Formula] = []
        for cell, held in flattener.outcomes(fold.body):
            if held is (fold.function != "all"):
                ways.append(within(space.replaced(formula, fold.register, decided), cell))
            elif not isinstance(held, Gap) or held is Gap.ABSENT:
                ways.append(within(formula, cell))
        return self._joined(ways)

    def _taken(self, formula: Formula, fold: Folding, value: Poly) -> list[Formula]:
        space, register = self._names.space, fold.register
        there = PRESENT + register
        if fold.function == "sum":
            return [space.replaced(formula, register, variable(register) + value)]
        new = space.replaced(space.replaced(formula, register, value), there, number(1))
        match fold.function:
            case "prev" | "last":
                return [new]
            case "first":
                old = within(space.replaced(formula, there, number(1)), _is(there, 1))
                return [within(new, _is(there, 0)), old]
        old = within(space.replaced(formula, there, number(1)), _is(there, 1))
        sign = 1 if fold.function == "max" else -1
        beyond = (value - variable(register)).times(sign)
        return [
            within(new, _is(there, 0)),
            within(new, (*_is(there, 1), Atom("ge", beyond))),
            within(old, (Atom("ge", beyond.times(-1)),)),
        ]

    def _joined(self, ways: list[Formula]) -> Formula:
        try:
            return self._names.space.joined(ways)
        except TooMany as error:
            raise Unfit("it falls into too many cases", {self._rule}) from error


def _is(name: int, value: int) -> Cell:
    return (equal(variable(name), value),)
