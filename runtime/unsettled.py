"""Claims of `commit` rules that have begun and are not settled yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rulec.compiler.machine import Machine
    from rulec.runtime.programs import Marks
    from rulec.runtime.session import Moment


class Unsettled:
    """Follows the readings of one session, in which some rules may not steer."""

    def __init__(self, machine: Machine, demoted: frozenset[str] = frozenset()) -> None:
        self._rules = {
            number: frozenset(rule.fields)
            for number, rule in enumerate(machine.rules)
            if rule.tier == "commit" and rule.name not in demoted
        }
        self._begun: list[Mapping[int, int]] = []

    def start(self, moments: Sequence[Moment]) -> int | None:
        """The first byte of the earliest claim under way; None where there is none.

        Args:
            moments: those of the call before, and more; or some fewer after a rollback.
        """
        del self._begun[len(moments) :]
        for place in range(len(self._begun), len(moments)):
            self._begun.append(self._next(moments, place))
        return min(self._begun[-1].values(), default=None)

    def _next(self, moments: Sequence[Moment], place: int) -> Mapping[int, int]:
        """What is under way at a place; it is settled once every reading has settled it."""
        begun = dict(self._begun[-1]) if self._begun else {}
        threads = moments[place].config.threads
        for rule, fields in self._rules.items():
            settled = [_settled(thread.marks, rule) for thread in threads]
            if rule in begun and all(end > begun[rule] for end in settled):
                del begun[rule]
            for thread, end in zip(threads, settled, strict=True):
                lex = thread.lex
                written = lex is not None and end <= lex.start < moments[place].at
                if lex is not None and written and lex.field in fields:
                    begun[rule] = min(begun.get(rule, lex.start), lex.start)
        return begun


def _settled(marks: Marks, rule: int) -> int:
    """The byte at which a reading last settled a rule; negative where it hasn't."""
    while marks is not None:
        mark, marks = marks
        if mark.rule == rule:
            return mark.end
    return -1
