"""Which value a broken rule over lists is broken by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler import terms
from rulec.compiler.evaluate import Evaluator
from rulec.compiler.propositions import counterexample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.terms import Exact, Term
    from rulec.runtime.allowed import Rules


class Blame(NamedTuple):
    """A value that is in none of some lists, and the values that would be right.

    Of a formula that doesn't follow `where` tells where it is false.
    """

    found: Exact
    known: tuple[Exact, ...]
    where: str = ""


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
            case terms.Entails(premises, claim):
                return _unproven(*map(self._known, (premises, claim)))
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
        for item in self._regs[fold.register]:
            trial = self._rules.replayed(self._regs, fold, item)
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


def _unproven(premises: tuple[str, ...], claim: str) -> Blame:
    """Where the premises hold and the claim doesn't."""
    found = counterexample(premises, claim) or {}
    truths = (name if truth else f"not {name}" for name, truth in found.items())
    return Blame(claim, (), ", ".join(truths))
