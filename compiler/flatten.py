"""Rule terms as conditions over integers.

A condition has a truth in each of some *cases*, told apart by cells; comparisons of fractions
are multiplied out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.conditions import Atom, Cell, Formula, conjoined, equal
from rulec.compiler.evaluate import OPPOSITE
from rulec.compiler.polynomial import Poly, number, variable
from rulec.compiler.terms import Gap, Term
from rulec.compiler.values import ONE, Outcome, Values, worse

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Folding


class Flattener(Values):
    """Flattens the conditions of one rule."""

    # --- conditions ---

    def kept(self, term: Term, truth: bool = True) -> Formula:
        """Where a condition has a truth, or is vacuous. Raises `Unfit`."""
        match term:
            case terms.Negated(inner):
                return self.kept(inner, not truth)
            case terms.Every(inner) if truth:
                return conjoined(*(self.kept(part) for part in inner))
            case terms.Some(inner) if not truth:
                return conjoined(*(self.kept(part, False) for part in inner))
        outcomes = self._any(term, truth) or self.outcomes(term)
        fitting = tuple(c for c, held in outcomes if held is truth or held is Gap.ABSENT)
        return self._space.simple((fitting,))

    def _any(self, term: Term, truth: bool) -> list[Outcome]:
        """The outcomes of a disjunction, where the order of its parts makes no difference."""
        if not isinstance(term, terms.Every | terms.Some):
            return []
        found = [outcome for part in term.terms for outcome in self.outcomes(part)]
        if any(held in (Gap.UNDEFINED, Gap.COMPLEX) for _, held in found):
            return []
        return [o for o in found if o.truth is truth or o.truth is Gap.ABSENT] or [
            Outcome(_never(self._rules), truth)
        ]

    def outcomes(self, term: Term) -> list[Outcome]:
        """The truth of a condition, case by case."""
        match term:
            case terms.Const(bool() as held):
                return [Outcome((), held)]
            case terms.Negated(inner):
                return [_negated(outcome) for outcome in self.outcomes(inner)]
            case terms.Every(inner):
                return self._first(inner, False)
            case terms.Some(inner):
                return self._first(inner, True)
            case terms.Either(test, yes, no):
                return list(self._chosen(test, yes, no))
            case terms.Present(register):
                return self._present(register)
            case terms.Relate(relation, left, right):
                return list(self._related(relation, left, right))
            case terms.Near():
                return list(self._near(term))
            case terms.Read(register) if self._is_flag(register):
                return list(self._flag(register))
            case terms.Folded(fold):
                return self._truth(self._names.plan.folds[fold])
            case terms.Else(inner, otherwise):
                return [
                    Outcome((*cell, *more), held)
                    for cell, truth in self.outcomes(inner)
                    for more, held in (
                        self.outcomes(otherwise)
                        if truth is Gap.ABSENT
                        else [Outcome((), truth)]
                    )
                ]
            case _:
                raise self._formless(term)

    def _truth(self, fold: Folding) -> list[Outcome]:
        """`all` or `any` over a list: whether it held of the items so far is a variable."""
        if fold.late:
            raise self._unfit("it reads a field that is written behind its list")
        if fold.function not in ("all", "any"):
            raise self._unfit(f"`{fold.function}` over a list is tested when the list closes")
        return [
            Outcome((equal(variable(fold.register), int(held)).of(self._rules),), held)
            for held in (True, False)
        ]

    def _first(self, inner: tuple[Term, ...], decisive: bool) -> list[Outcome]:
        """The conjunction (`decisive` False) or disjunction, looked at in order."""
        open_: list[tuple[Cell, bool]] = [((), False)]
        found: list[Outcome] = []
        for part in inner:
            after: list[tuple[Cell, bool]] = []
            for cell, absent in open_:
                for more, held in self.outcomes(part):
                    both = (*cell, *more)
                    if held is decisive or held in (Gap.UNDEFINED, Gap.COMPLEX):
                        found.append(Outcome(both, held))
                    else:
                        after.append((both, absent or held is Gap.ABSENT))
            open_ = [(c, a) for c, a in after if self._space.cell(c) is not None]
            self._few(open_)
        found += [Outcome(c, Gap.ABSENT if absent else not decisive) for c, absent in open_]
        return found

    def _chosen(self, test: Term, yes: Term, no: Term) -> Iterator[Outcome]:
        for cell, truth in self.outcomes(test):
            if isinstance(truth, Gap):
                yield Outcome(cell, truth)
                continue
            for more, held in self.outcomes(yes if truth else no):
                yield Outcome((*cell, *more), held)

    def _present(self, register: int) -> list[Outcome]:
        if not self._names.may_lack(register, self._home):
            return [Outcome((), True)]
        return [Outcome(self._there(register, there), there) for there in (True, False)]

    def _is_flag(self, register: int) -> bool:
        return self._names.words.get(register) == ("true", "false")

    def _is_truth(self, term: Term) -> bool:
        if isinstance(term, terms.Read):
            return self._is_flag(term.register)
        return _conditional(term)

    def _flag(self, register: int) -> Iterator[Outcome]:
        """A field of `true` and `false`, its words in this order."""
        for cell in self._absence(register):
            yield Outcome(cell, Gap.ABSENT)
        there = self._presence(register)
        yield Outcome((*there, self._is(register, 0)), True)
        yield Outcome((*there, self._is(register, 1)), False)

    def _is(self, register: int, place: int) -> Atom:
        return equal(variable(register), place).of(self._rules)

    # --- comparisons ---

    def _related(self, relation: str, left: Term, right: Term) -> Iterator[Outcome]:
        if self._wordy(left) or self._wordy(right):
            yield from self._words(relation, left, right)
            return
        if self._is_truth(left) or self._is_truth(right):
            yield from self._same_truth(relation, left, right)
            return
        for a in self.value(left):
            for b in self.value(right):
                cell = (*a.cell, *b.cell)
                gap = worse(a.gap, b.gap)
                if gap is not None:
                    yield Outcome(cell, gap)
                    continue
                distance = a.top * b.bottom - b.top * a.bottom
                yield Outcome((*cell, self._atom(relation, distance)), True)
                yield Outcome((*cell, self._atom(OPPOSITE[relation], distance)), False)

    def _atom(self, relation: str, distance: Poly) -> Atom:
        """`distance relation 0`."""
        match relation:
            case "==":
                return Atom("eq", distance, 0, self._rules)
            case "!=":
                return Atom("ne", distance, 0, self._rules)
            case "<" | "<=":
                distance = distance.times(-1)
        if relation in ("<", ">"):
            if not self._space.whole(distance):
                return Atom("gt", distance, 0, self._rules)
            distance = distance - ONE
        return Atom("ge", distance, 0, self._rules)

    def _wordy(self, term: Term) -> bool:
        match term:
            case terms.Const(value):
                return isinstance(value, str)
            case terms.Read(register):
                words = self._names.words
                return register in self._names.texts or (
                    register in words and not self._is_flag(register)
                )
            case _:
                return False

    def _words(self, relation: str, left: Term, right: Term) -> Iterator[Outcome]:
        spelled = [self._spelled(term) for term in (left, right)]
        registers = [term.register for term in (left, right) if isinstance(term, terms.Read)]
        for register in registers:
            for cell in self._absence(register):
                yield Outcome(cell, Gap.ABSENT)
        there = tuple(atom for register in registers for atom in self._presence(register))
        for a, one in spelled[0].items():
            for b, other in spelled[1].items():
                cell = (*there, *one, *other)
                yield Outcome(cell, (a == b) is (relation == "=="))

    def _spelled(self, term: Term) -> dict[str, Cell]:
        """The words that a side may be, and where it is each of them."""
        match term:
            case terms.Const(str() as word):
                return {word: ()}
            case terms.Read(register) if register in self._names.words:
                words = self._names.words[register]
                return {word: (self._is(register, n),) for n, word in enumerate(words)}
            case _:
                raise self._unfit("it compares texts")

    def _same_truth(self, relation: str, left: Term, right: Term) -> Iterator[Outcome]:
        for one, a in self.outcomes(left):
            for other, b in self.outcomes(right):
                gap = worse(*(held if isinstance(held, Gap) else None for held in (a, b)))
                held = gap if gap is not None else (a is b) is (relation == "==")
                yield Outcome((*one, *other), held)

    def _near(self, term: terms.Near) -> Iterator[Outcome]:
        """`|left - right| ≤ unit / 2`, multiplied out."""
        if term.digits not in self._names.units:
            raise self._unfit("it speaks of a field that shows no digits")
        unit = self._names.unit(term.digits)
        for a in self.value(term.left):
            for b in self.value(term.right):
                cell = (*a.cell, *b.cell)
                gap = worse(a.gap, b.gap)
                if gap is not None:
                    yield Outcome(cell, gap)
                    continue
                twice = (a.top * b.bottom - b.top * a.bottom).times(2)
                slack = unit * b.bottom
                above = Atom("ge", slack + twice, 0, self._rules)
                below = Atom("ge", slack - twice, 0, self._rules)
                yield Outcome((*cell, above, below), True)
                for bound in (above, below):
                    far = self._atom("<", bound.poly)
                    yield Outcome((*cell, far), False)


def _negated(outcome: Outcome) -> Outcome:
    held = outcome.truth
    return outcome if isinstance(held, Gap) else Outcome(outcome.cell, not held)


def _conditional(term: Term) -> bool:
    """Whether a term is a truth and no number."""
    match term:
        case terms.Const(value):
            return isinstance(value, bool)
        case terms.Relate() | terms.Near() | terms.Negated() | terms.Every() | terms.Some():
            return True
        case terms.Present():
            return True
        case terms.Either(_, yes, _):
            return _conditional(yes)
        case _:
            return False


def _never(rules: tuple[int, ...]) -> Cell:
    return (Atom("ge", number(-1), 0, rules),)
