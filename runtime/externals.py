"""Functions of the embedding program, and what they answer."""

from __future__ import annotations

import inspect
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from threading import BoundedSemaphore, Thread
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

from rulec.compiler import regions
from rulec.compiler.candidates import matches
from rulec.compiler.evaluate import limited
from rulec.compiler.lists import ENTAILS
from rulec.compiler.propositions import NoFormula
from rulec.compiler.solver import follows
from rulec.compiler.terms import Gap
from rulec.dsl.findings import one_line
from rulec.runtime.programs import ASKED, VERDICTS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from rulec.compiler.machine import External, Machine, Sort
    from rulec.compiler.terms import Value
    from rulec.runtime.allowed import Rules
    from rulec.runtime.programs import Mark

SECONDS = 1.0
"""How long a function may take to answer."""

MOST_RUNNING = 16
"""Calls of one registry that may be under way, those that were given up among them."""

LONGEST = 80


class BadExternal(Exception):
    """A function that rules call is not registered, or can't be called as they do."""


@dataclass(frozen=True, slots=True, eq=False)
class Externals:
    """Functions by the names that rulesets call them; a registry never changes.

    A function is given exact values: `Fraction` for numbers, `str`, `bool` and `date`, and
    gives one of these, or an `int` or `Decimal`. It must depend on nothing but its arguments
    and have no effects: a session asks each question once, and may ask about a text that is
    taken back. It runs in a thread of its own. After `seconds` its answer is not waited for any
    longer, and the thread is left to end by itself; code that never releases the interpreter's
    lock can't be left behind like that.

    Args:
        functions: the functions; a ruleset may call some of them.
        seconds: how long each call may take.
    """

    functions: Mapping[str, Callable[..., object]]
    seconds: float = field(default=SECONDS, kw_only=True)
    _free: BoundedSemaphore = field(
        default_factory=lambda: BoundedSemaphore(MOST_RUNNING), init=False, repr=False
    )

    def __post_init__(self) -> None:
        if not self.seconds > 0:
            raise ValueError("seconds must be more than 0")
        object.__setattr__(self, "functions", MappingProxyType(dict(self.functions)))

    def fit(self, machine: Machine) -> None:
        """Raises `BadExternal` where a machine calls what is not here, or otherwise."""
        for external in machine.externals:
            function = self.functions.get(external.name)
            if function is None:
                raise BadExternal(f"the rules call `{external.name}`, which is not registered")
            if not callable(function):
                raise BadExternal(f"`{external.name}` is registered as what can't be called")
            count = len(external.arguments)
            with suppress(ValueError):  # some built-in functions have no signature to look at
                signature = inspect.signature(function)
                try:
                    signature.bind(*(None,) * count)
                except TypeError as error:
                    plural = "" if count == 1 else "s"
                    raise BadExternal(
                        f"`{external.name}` is called with {count} argument{plural}: {error}"
                    ) from None

    def ask(self, external: External, given: tuple[Any, ...]) -> Answer:
        """What a function says of exact values."""
        name = external.name
        try:
            arguments = [
                _handed(sort, value)
                for sort, value in zip(external.arguments, given, strict=True)
            ]
        except (OverflowError, ValueError):
            return Answer(Gap.COMPLEX, f"`{name}` can't be given a date beyond the calendar")
        try:
            return _answer(external, self._called(name, arguments))
        except NoResult as error:
            return Answer(Gap.COMPLEX, str(error))

    def _called(self, name: str, arguments: list[object]) -> object:
        """What a function gives. Raises `NoResult` where it gives nothing."""
        if not self._free.acquire(timeout=self.seconds):
            raise NoResult(f"too many calls of `{name}` are under way")
        call = _Call(self.functions[name], arguments, self._free)
        call.start()
        call.join(self.seconds)
        if call.is_alive():
            raise NoResult(f"`{name}` gave no answer within {self.seconds:g} s")
        if call.error:
            raise NoResult(f"`{name}` raised {call.error}")
        return call.result


class NoResult(Exception):
    """A function that gave nothing, and why."""


class Answer(NamedTuple):
    """The value of a function, or `Gap.COMPLEX` and the reason."""

    value: Value
    reason: str = ""


class _Call(Thread):
    """One call; it is given up by not waiting for it."""

    def __init__(
        self, function: Callable[..., object], arguments: list[object], free: BoundedSemaphore
    ) -> None:
        super().__init__(daemon=True)
        self._function = function
        self._arguments = arguments
        self._free = free
        self.result: object = None
        self.error = ""

    def run(self) -> None:
        """Call the function, whatever it does."""
        try:
            self.result = self._function(*self._arguments)
        except BaseException as error:  # noqa: BLE001 - whatever it raises is a verdict
            self.error = told(error)
        finally:
            self._free.release()


def told(error: BaseException) -> str:
    """What a function raised, in a few words."""
    shown = one_line(f"{type(error).__name__}: {error}")
    return shown if len(shown) <= LONGEST else shown[:LONGEST] + "…"


def _handed(sort: Sort, value: object) -> object:
    """A value as a function is given it."""
    if sort.kind == "date" and isinstance(value, Fraction):
        return date.fromordinal(int(value))
    return value


def _answer(external: External, given: object) -> Answer:
    """The value of what a function gave, where that is of its type."""
    sort, name = external.result, external.name
    value = _value(sort, given)
    if value is None:
        kind = _KINDS.get(sort.kind, "a number")
        if sort.kind == "word":
            kind = " or ".join(f"`{word}`" for word in sort.words)
        shown = type(given).__name__
        return Answer(Gap.COMPLEX, f"`{name}` gave a value of type {shown}, not {kind}")
    if isinstance(value, str):
        fits = sort.pattern is None or matches(sort.pattern, value)
        fits = fits and (sort.kind != "word" or value in sort.words)
    elif isinstance(value, Fraction):
        if limited(value) is Gap.COMPLEX:
            return Answer(Gap.COMPLEX, f"`{name}` gave a number beyond the limit")
        fits = regions.contains(sort.domain, value)
    else:
        fits = True
    if not fits:
        return Answer(Gap.COMPLEX, f"`{name}` gave a value that is none of its type")
    return Answer(value)


_KINDS = {"text": "a string", "prose": "a string", "date": "a date"}


def _value(sort: Sort, given: object) -> Fraction | str | bool | None:
    """An exact value of a kind; None for what is none. Floats are not exact."""
    match sort.kind:
        case "word" if sort.words == ("true", "false"):
            return given if isinstance(given, bool) else None
        case "word" | "text" | "prose":
            return str(given) if isinstance(given, str) else None
        case "date":
            is_day = isinstance(given, date) and not isinstance(given, datetime)
            return Fraction(given.toordinal()) if is_day else None  # type: ignore[attr-defined]
    match given:
        case bool():
            return None
        case int() | Fraction():
            return Fraction(given)
        case Decimal() if given.is_finite() and abs(given.adjusted()) < LONGEST:
            return Fraction(given)
        case _:
            return None


def _followed(premises: tuple[str, ...], claim: str) -> bool | None:
    try:
        return follows(premises, claim)
    except NoFormula:
        return None


UNASKED = Externals({})
"""A registry for those who judge without asking: every question stays without an answer."""


def fitting(machine: Machine, externals: Externals | None) -> Externals:
    """The registry for a machine. Raises `BadExternal` where it lacks what rules call."""
    found = Externals({}) if externals is None else externals
    if found is not UNASKED:
        found.fit(machine)
    return found


class Calls:
    """The answers that one trace needs: each question is asked once."""

    def __init__(self, machine: Machine, externals: Externals) -> None:
        self._externals = externals
        self._declared = {external.name: external for external in machine.externals}
        self._answers: dict[Any, Answer] = {}
        self._settled: dict[int, tuple[Mark, Answer]] = {}
        self._reasons: list[str] = []

    def __call__(self, name: str, given: tuple[Any, ...]) -> Value:
        """The answer of a function."""
        key = name, *((type(value), value) for value in given)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self._answer(name, given)
        if answer.reason:
            self._reasons.append(answer.reason)
        return answer.value

    def _answer(self, name: str, given: tuple[Any, ...]) -> Answer:
        if name == ENTAILS:
            found = _followed(given[:-1], given[-1])
            reason = "whether the formula follows is not found out in so many steps"
            return Answer(Gap.COMPLEX, reason) if found is None else Answer(found)
        if self._externals is UNASKED:
            return Answer(Gap.COMPLEX, f"`{name}` was not asked")
        return self._externals.ask(self._declared[name], given)

    def settled(self, rules: Rules, mark: Mark) -> tuple[Mark, str]:
        """A mark with its verdict, and why it has none."""
        if mark.verdict != ASKED:
            return mark, ""
        known = self._settled.get(id(mark))
        if known is None:
            term = rules.machine.rules[mark.rule].term
            self._reasons.clear()
            held = rules.value(mark.regs, term, self)
            reason = self._reasons[-1] if held is Gap.COMPLEX and self._reasons else ""
            known = self._settled[id(mark)] = mark, Answer(held, reason)
        held, reason = known[1]
        verdict = VERDICTS[held if isinstance(held, bool | Gap) else True]
        return mark._replace(verdict=verdict), reason
