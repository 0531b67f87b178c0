"""Values for the gaps of a trace, as small and readable as they can be."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler import domains, solver, terms
from rulec.compiler.candidates import candidates, constants
from rulec.compiler.opaque import opaque

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.domains import Domain
    from rulec.compiler.terms import Exact, Term

EFFORT = 1_000_000
"""What the solver may spend on one question."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A value for every variable that was asked for."""

    values: Mapping[int, Exact]


@dataclass(frozen=True, slots=True)
class Impossible:
    """No values do; `sure` tells that none was left aside."""

    sure: bool


@dataclass(frozen=True, slots=True)
class Unknown:
    """The solver gave no answer."""

    reason: str


Filling: TypeAlias = Filled | Impossible | Unknown


@dataclass(frozen=True, slots=True)
class Variable:
    """A gap of the trace, or a parameter with its default.

    It is of `domain`; its scale also has to suit the domains in `beside`.
    """

    number: int
    domain: Domain
    digits: int | None = None
    default: Exact | None = None
    parameter: bool = False
    beside: tuple[Domain, ...] = ()

    @property
    def text(self) -> bool:
        """Whether it is a text that is chosen from candidates."""
        return self.domain.kind in ("text", "prose")

    @property
    def scale(self) -> int | None:
        """What the solver's variable is."""
        scales = [domain.scale for domain in (self.domain, *self.beside)]
        whole = [scale for scale in scales if scale is not None and scale > 0]
        if len(whole) != len(scales):
            return scales[0]
        return lcm(*whole)


@dataclass(frozen=True, slots=True)
class Wish:
    """What makes values readable: whole numbers or not, and how large they are."""

    low: int | None = None
    high: int | None = None
    scale: int | None = None
    defaults: bool = False


_SIZES = (
    Wish(1, 20, 1),
    Wish(1, 100, 1),
    Wish(1, 100, 100),
    Wish(1, 1000, 1),
    Wish(1, 1000, 100),
    Wish(0, 100, 1),
    Wish(0, 100, 100),
    Wish(-1000, 1000, 100),
    Wish(-1_000_000, 1_000_000),
    Wish(),
)
WISHES = tuple(
    Wish(size.low, size.high, size.scale, defaults)
    for defaults in (True, False)
    for size in _SIZES
)
"""What is tried, the most readable first."""

_RECENT = (date(2000, 1, 1).toordinal(), date(2099, 12, 31).toordinal())


@dataclass(frozen=True, slots=True)
class _Question:
    """Conditions with the domains of what they read; `enough` are the candidates for texts."""

    base: list[Term]
    scales: dict[int, int | None]
    known: list[Variable]
    read: frozenset[int]
    enough: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """The variables of a trace, and questions about them."""

    variables: Sequence[Variable]

    def possible(self, asked: Sequence[Term]) -> bool:
        """Whether all that is asked may hold; not, only where that is sure."""
        question = self._question(asked)
        answer = solver.satisfy(question.base, question.scales, rlimit=EFFORT)
        return not (question.enough and isinstance(answer, solver.Contradiction))

    def fill(self, asked: Sequence[Term]) -> Filling:
        """Values with which all that is asked holds."""
        question = self._question(asked)
        first = solver.satisfy(question.base, question.scales, rlimit=EFFORT)
        if isinstance(first, solver.Contradiction):
            return Impossible(question.enough)
        for wish in WISHES:
            wished = [part for v in question.known for part in _wished(v, wish, question.read)]
            scales = _narrowed(question.scales, question.known, wish)
            answer = solver.satisfy([*question.base, *wished], scales, rlimit=EFFORT)
            if isinstance(answer, solver.Satisfiable):
                return Filled({**self._unread(question), **answer.values})
        if isinstance(first, solver.Satisfiable):
            return Filled({**self._unread(question), **first.values})
        return Unknown(first.reason)

    def _unread(self, question: _Question) -> dict[int, Exact]:
        """Values of the variables that nothing was asked about."""
        asked = {variable.number for variable in question.known}
        others = (v for v in self.variables if v.number not in asked)
        return {
            v.number: value for v in others if (value := domains.least(v.domain)) is not None
        }

    def _question(self, asked: Sequence[Term]) -> _Question:
        """What the solver is asked: all but the conditions that only values can tell."""
        asked = [condition for condition in asked if not opaque(condition)]
        read = frozenset().union(*map(variables, asked))
        read |= {variable.number for variable in self.variables if variable.parameter}
        words, enough = self._texts(read, asked)
        known = [
            variable
            for variable in self.variables
            if variable.number in words or (variable.number in read and not variable.text)
        ]
        base = [*asked]
        for variable in known:
            base += self._domain(variable, read, words)
        return _Question(base, dict(self._scales(known, read)), known, read, enough)

    def _texts(
        self, read: frozenset[int], asked: Sequence[Term]
    ) -> tuple[dict[int, tuple[str, ...]], bool]:
        """What texts can be, those that matter."""
        free = {
            variable.number: variable.domain.pattern
            for variable in self.variables
            if variable.text and variable.number in read
        }
        words = [v.default for v in self.variables if isinstance(v.default, str)]
        for variable in self.variables:
            words += variable.domain.words if variable.number in read else ()
        fixed = tuple(dict.fromkeys((*words, *constants(asked))))
        return candidates(free, fixed) if free else ({}, True)

    def _domain(
        self, variable: Variable, read: frozenset[int], words: Mapping[int, tuple[str, ...]]
    ) -> Iterator[Term]:
        value = terms.Read(variable.number)
        if variable.number in words:
            yield domains.among(value, words[variable.number])
            return
        shown = None
        if variable.digits is not None and variable.digits in read:
            shown = terms.Read(variable.digits)
        yield from domains.conditions(variable.domain, value, shown, variable.scale)

    def _scales(
        self, known: Sequence[Variable], read: frozenset[int]
    ) -> Iterator[tuple[int, int | None]]:
        for variable in known:
            yield variable.number, variable.scale
            if variable.digits is not None and variable.digits in read:
                yield variable.digits, 1


def variables(term: Term) -> frozenset[int]:
    """The variables that a term reads, that of the digits shown too."""
    found: set[int] = set()
    queue = [term]
    while queue:
        part = queue.pop()
        if isinstance(part, terms.Read):
            found.add(part.register)
        elif isinstance(part, terms.Near):
            found.add(part.digits)
        queue.extend(terms.parts(part))
    return frozenset(found)


def _wished(variable: Variable, wish: Wish, read: frozenset[int]) -> Iterator[Term]:
    """What a wish asks of a variable."""
    value, domain = terms.Read(variable.number), variable.domain
    if variable.digits is not None and variable.digits in read and wish.scale is not None:
        most = max(domain.least, domain.shift + (0 if wish.scale == 1 else 2))
        shown = terms.Const(Fraction(most))
        yield terms.Relate("<=", terms.Read(variable.digits), shown)
    if variable.parameter and wish.defaults and variable.default is not None:
        yield terms.Relate("==", value, terms.Const(variable.default))
        return
    if wish.low is None or wish.high is None:
        return
    if domain.kind == "date":
        yield from _between(value, *map(Fraction, _RECENT))
    elif domain.kind in ("number", "expr", "fraction"):
        ends = Fraction(wish.low, 10**domain.shift), Fraction(wish.high, 10**domain.shift)
        yield from _between(value, *ends)


def _between(value: Term, low: Fraction, high: Fraction) -> Iterator[Term]:
    yield terms.Relate("<=", terms.Const(low), value)
    yield terms.Relate("<=", value, terms.Const(high))


def _narrowed(
    scales: Mapping[int, int | None], known: Sequence[Variable], wish: Wish
) -> dict[int, int | None]:
    """The scales under a wish: fewer fraction digits."""
    found = dict(scales)
    for variable in known:
        scale = found[variable.number]
        fixed = variable.parameter and wish.defaults and variable.default is not None
        if wish.scale is None or fixed or scale in (solver.TEXT, solver.TRUTH):
            continue
        wished = wish.scale * 10**variable.domain.shift
        if scale is None or scale % wished == 0:
            found[variable.number] = wished
    return found
