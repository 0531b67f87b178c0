"""Which value a broken rule over lists is broken by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler import terms
from rulec.compiler.evaluate import Evaluator

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.terms import Exact, Term
    from rulec.runtime.allowed import Rules


class Blame(NamedTuple):
    """A value that is in none of some lists, and the values that would be right."""

    found: Exact
    known: tuple[Exact, ...]


def blamed(rules: Rules, regs: Sequence[Any], term: Term) -> Blame | None:
    """The first value that a condition looks up in vain, where that is what breaks it."""
    return _Search(rules, regs).blamed(term)


class _Search:
    """Follows a condition that is false to what makes it so."""

    def __init__(self, rules: Rules, regs: Sequence[Any]) -> None:
        self._rules = rules
        self._regs = regs
        self._evaluator = Evaluator(regs, lambda number: rules.fetch(regs, number))

    def blamed(self, term: Term) -> Blame | None:
        """Why a condition is false."""
        if self._evaluator.value(term) is not False:
            return None
        match term:
            case terms.Folded(fold):
                return self._of_item(fold)
            case terms.Each("all", number, source, body):
                return self._of_list(number, source, body)
            case terms.Every(inner):
                return next(filter(None, map(self.blamed, inner)), None)
            case terms.Some(inner):
                return self._none_of(inner)
            case terms.Either(test, yes, no):
                return self.blamed(yes if self._evaluator.value(test) is True else no)
            case terms.Among(inner, source):
                return Blame(*map(self._known, (inner, source)))
            case _:
                return None

    def _known(self, term: Term) -> Any:
        return self._evaluator.value(term)

    def _of_item(self, number: int) -> Blame | None:
        """The item that has just been written, or, of late ones, the first that is wrong."""
        machine = self._rules.machine
        fold = machine.folds[number]
        if fold.function != "all":
            return None
        if not fold.late:
            return self.blamed(fold.body)
        registers = machine.lists[fold.list].registers
        for item in self._regs[fold.register]:
            trial = list(self._regs)
            for register, value in zip(registers, item, strict=True):
                trial[register] = value
            found = blamed(self._rules, trial, fold.body)
            if found is not None:
                return found
        return None

    def _of_list(self, number: int, source: Term, body: Term) -> Blame | None:
        for item in self._known(source):
            self._evaluator.bound[number] = item
            found = self.blamed(body)
            if found is not None:
                return found
        return None

    def _none_of(self, inner: tuple[Term, ...]) -> Blame | None:
        """One value that is looked up in list after list."""
        found = list(filter(None, map(self.blamed, inner)))
        if len(found) < len(inner) or len({blame.found for blame in found}) != 1:
            return None
        known = dict.fromkeys(value for blame in found for value in blame.known)
        return Blame(found[0].found, tuple(known))
