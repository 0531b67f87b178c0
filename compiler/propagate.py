"""Interval propagation with strides: what a rule leaves open for a field.

Known registers are points; unknown ones range over their field's domain. A rule is taken as
true and pushed down to the registers, until nothing changes or the rounds are used up. What
comes out contains every value with which the rules can still hold.
"""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulec.compiler import images, regions, terms
from rulec.compiler.evaluate import OPPOSITE
from rulec.compiler.regions import EVERYTHING, NOTHING, Region
from rulec.compiler.terms import Gap, Term, Value

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence, Set

    from rulec.compiler.machine import Folding, List

ROUNDS = 8
HALF = Fraction(1, 2)
_MIRROR = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "==", "!=": "!="}


class Impossible(Exception):
    """A rule can no longer hold."""


class Narrower:
    """Narrows unknown registers by rules.

    `regs` is the register file, `domains` the region of every numeric register, `folds` and
    `lists` the machine's tables; `known` evaluates a condition, as far as that can be done.
    """

    def __init__(
        self,
        regs: Sequence[Any],
        domains: Mapping[int, Region],
        folds: Sequence[Folding],
        lists: Sequence[List],
        known: Callable[[Term], Value] = lambda _: Gap.UNKNOWN,
    ) -> None:
        self._regs = regs
        self._domains = domains
        self._folds = folds
        self._lists = lists
        self._fresh: frozenset[int] = frozenset()
        self._known = known
        self.open: dict[int, Region] = {}

    def narrow(self, rules: Iterable[tuple[Term, Set[int]]]) -> None:
        """Take every rule as true. Raises `Impossible` where one can't be.

        Beside each rule stand the registers that it reads: it is looked at again where one of
        them has changed.
        """
        conditions = tuple(rules)
        queue = deque(range(len(conditions)))
        for _ in range(ROUNDS * len(conditions)):
            if not queue:
                return
            number = queue.popleft()
            before = dict(self.open)
            self._hold(conditions[number][0], True)
            changed = {r for r, held in self.open.items() if before.get(r) != held}
            for other, (_, reads) in enumerate(conditions):
                if other not in queue and not changed.isdisjoint(reads):
                    queue.append(other)

    def region(self, register: int) -> Region:
        """What is left open for an unknown register."""
        return self.open.get(register, self._domains.get(register, EVERYTHING))

    def sweep(self, rules: Iterable[Term]) -> None:
        """Take every rule as true, once and in this order. Raises `Impossible`.

        Where rules and fields form a forest, going from the farthest rule to the nearest tells
        all about the field in the middle.
        """
        for condition in rules:
            self._hold(condition, True)

    def after(self, condition: Term, register: int) -> Region:
        """What a single condition leaves open for a register."""
        try:
            self._hold(condition, True)
        except Impossible:
            return NOTHING
        return self.region(register)

    # --- forward ---

    def value(self, term: Term) -> Region:
        """A region that holds every value the term can have."""
        match term:
            case terms.Const(Fraction() as value):
                return regions.point(value)
            case terms.Read(register):
                return self._read(register)
            case terms.Minus(inner):
                return regions.negate(self.value(inner))
            case terms.Binary(op, left, right):
                return self._binary(op, self.value(left), self.value(right))
            case terms.Rounded(mode, inner, digits):
                return images.round_members(mode, self.value(inner), digits)
            case terms.Absolute(inner):
                held = self.value(inner)
                return regions.intersect(
                    regions.union(held, regions.negate(held)), regions.at_least(Fraction(0))
                )
            case terms.Extreme(largest, inner):
                return images.extreme(largest, [self.value(part) for part in inner])
            case terms.Either(test, yes, no):
                return regions.union(*map(self.value, self._branches(test, yes, no)))
            case terms.Else(inner, otherwise):
                return self._otherwise(inner, otherwise)
            case terms.Folded(fold):
                return self._folded(self._folds[fold])
            case _:
                return EVERYTHING

    def _branches(self, test: Term, yes: Term, no: Term) -> tuple[Term, ...]:
        """The branches that may be taken."""
        truth = self._known(test)
        return (yes, no) if not isinstance(truth, bool) else (yes,) if truth else (no,)

    def _read(self, register: int) -> Region:
        held = self._regs[register]
        if register in self._fresh:
            return self._domains.get(register, EVERYTHING)
        if isinstance(held, Fraction):
            return regions.point(held)
        if held is Gap.UNKNOWN:
            return self.region(register)
        return EVERYTHING if held is Gap.ABSENT or not isinstance(held, Gap) else NOTHING

    def _binary(self, op: str, left: Region, right: Region) -> Region:
        match op:
            case "+":
                return regions.add(left, right)
            case "-":
                return regions.add(left, regions.negate(right))
            case "*":
                return regions.multiply(left, right)
            case "/":
                return regions.divide(left, right)
            case "//":
                return images.round_members("floor", regions.divide(left, right), 0)
            case _:
                return images.modulo(left, right)

    def _otherwise(self, inner: Term, otherwise: Term) -> Region:
        if isinstance(inner, terms.Read):
            held = self._regs[inner.register]
        elif isinstance(inner, terms.Folded):
            held = self._regs[self._folds[inner.fold].register]
        else:
            held = Gap.UNKNOWN
        if held is Gap.ABSENT:
            return self.value(otherwise)
        if held is Gap.UNKNOWN:
            return regions.union(self.value(inner), self.value(otherwise))
        return self.value(inner)

    def _folded(self, fold: Folding) -> Region:
        held = self._regs[fold.register]
        if fold.list in self._fresh or fold.late:
            return EVERYTHING
        phase = self._regs[self._lists[fold.outer].phase]
        if held in (Gap.UNDEFINED, Gap.COMPLEX):
            return EVERYTHING
        match fold.function:
            case "sum" | "count" if phase == 3:
                return regions.point(Fraction(held))
            case "sum" | "count":
                return self._total(fold, Fraction(held))
            case "first" | "last" | "prev" | "min" | "max":
                return self._picked(fold, held, phase)
            case _:
                return EVERYTHING

    def _picked(self, fold: Folding, held: object, phase: int) -> Region:
        if isinstance(held, Fraction) and (phase == 3 or fold.function in ("first", "prev")):
            return regions.point(held)
        more = self._body_anew(fold)
        if not isinstance(held, Fraction):
            return more
        match fold.function:
            case "min":
                return regions.intersect(
                    regions.union(regions.point(held), more), regions.at_most(held)
                )
            case "max":
                return regions.intersect(
                    regions.union(regions.point(held), more), regions.at_least(held)
                )
            case _:
                return regions.union(regions.point(held), more)

    def _total(self, fold: Folding, held: Fraction) -> Region:
        own = self._own(fold)
        more = regions.add(regions.point(held), self._future(fold))
        return more if own is None else regions.add(own, more)

    def _own(self, fold: Folding) -> Region | None:
        """What the item under way adds; None between items."""
        if self._regs[self._lists[fold.list].phase] != 1:
            return None
        return self._counted(fold, self.value(fold.body))

    def _counted(self, fold: Folding, body: Region) -> Region:
        if fold.function == "sum":
            return body
        least = Fraction(fold.body == terms.Const(True))  # else an item need not count
        return regions.grid(Fraction(1), least, Fraction(1))

    def _future(self, fold: Folding) -> Region:
        """What the items after this one can add."""
        spec = self._lists[fold.list]
        if fold.list != fold.outer:
            return images.repeated(self._body_anew(fold), 0, None)
        written = self._regs[spec.count]
        if self._regs[spec.phase] == 3:
            return regions.point(Fraction(0))
        least = max(0, spec.low - written)
        most = None if spec.high is None else max(0, spec.high - written)
        return images.repeated(self._counted(fold, self._body_anew(fold)), least, most)

    def _body_anew(self, fold: Folding) -> Region:
        """The body over an item of which nothing is written yet."""
        outer = self._fresh
        inner = self._lists[fold.list]
        self._fresh = outer | frozenset(inner.registers) | frozenset({fold.list})
        body = self.value(fold.body)
        self._fresh = outer
        return body

    # --- backward ---

    def _hold(self, condition: Term, truth: bool) -> None:
        match condition:
            case terms.Negated(inner):
                self._hold(inner, not truth)
            case terms.Every(inner) if truth:
                for part in inner:
                    self._hold(part, True)
            case terms.Some(inner) if not truth:
                for part in inner:
                    self._hold(part, False)
            case terms.Every(inner) | terms.Some(inner):
                self._any(inner, truth)
            case terms.Either(test, yes, no):
                taken = terms.Every((test, yes)), terms.Every((terms.Negated(test), no))
                self._any(taken, True) if truth else None
            case terms.Relate(relation, left, right):
                self._relate(relation if truth else OPPOSITE[relation], left, right)
            case terms.Near(left, right, digits, least) if truth:
                shown = self._regs[digits]
                self._near(left, right, shown if isinstance(shown, int) else least)
            case terms.Const(value) if value is not truth:
                raise Impossible
            case terms.Folded(fold) if truth:
                self._each(self._folds[fold])

    def _any(self, inner: tuple[Term, ...], truth: bool) -> None:
        """One of the terms has this truth: what all the ways together leave open."""
        before = self.open
        ways: list[dict[int, Region]] = []
        for part in inner:
            self.open = dict(before)
            try:
                self._hold(part, truth)
            except Impossible:
                continue
            ways.append(self.open)
        self.open = before
        if not ways:
            raise Impossible
        touched = set(ways[0]).intersection(*ways[1:])
        for register in touched:
            self.open[register] = regions.union(*(way[register] for way in ways))

    def _relate(self, relation: str, left: Term, right: Term) -> None:
        if _wordy(self._regs, left) or _wordy(self._regs, right):
            return
        a, b = self.value(left), self.value(right)
        self._push(left, images.related(relation, a, b))
        self._push(right, images.related(_MIRROR[relation], b, a))

    def _near(self, left: Term, right: Term, digits: int) -> None:
        slack = HALF / 10**digits
        around = regions.interval(-slack, slack)
        self._push(left, regions.add(self.value(right), around))
        self._push(right, regions.add(self.value(left), around))

    def _each(self, fold: Folding) -> None:
        if fold.late:
            return
        spec = self._lists[fold.list]
        if self._regs[spec.phase] != 1:
            if fold.function == "all" and fold.list == fold.outer:
                self._still_to_come(fold, spec)
            return
        held = self._regs[fold.register]
        match fold.function:
            case "all":
                self._hold(fold.body, True)
            case "distinct" if isinstance(held, tuple):
                self._differ(fold.body, held)

    def _still_to_come(self, fold: Folding, spec: List) -> None:
        """An item that is owed must be able to meet the condition, whatever it is."""
        if self._regs[spec.phase] == 3 or self._regs[spec.count] >= spec.low:
            return
        outer = self._fresh
        self._fresh = outer | frozenset(spec.registers) | frozenset({fold.list})
        self._hold(fold.body, True)
        self._fresh = outer

    def _differ(self, body: Term, seen: tuple[Any, ...]) -> None:
        region = self.value(body)
        for value in seen:
            if isinstance(value, Fraction):
                region = regions.without(region, value)
        self._push(body, region)

    def _push(self, term: Term, wanted: Region) -> None:  # noqa: C901
        """The term's value lies in `wanted`."""
        if wanted == NOTHING:
            raise Impossible
        match term:
            case terms.Read(register):
                self._keep(register, wanted)
            case terms.Minus(inner):
                self._push(inner, regions.negate(wanted))
            case terms.Binary(op, left, right):
                self._push_binary(op, left, right, wanted)
            case terms.Rounded(mode, inner, digits):
                origin = images.unround(mode, wanted, digits, self.value(inner))
                self._push(inner, origin)
            case terms.Absolute(inner):
                self._push(inner, regions.union(wanted, regions.negate(wanted)))
            case terms.Extreme(largest, inner):
                bound = regions.highest(wanted) if largest else regions.lowest(wanted)
                half = regions.at_most(bound) if largest else regions.at_least(bound)
                for part in inner:
                    self._push(part, half)
            case terms.Folded(fold):
                self._push_fold(self._folds[fold], wanted)
            case terms.Either(test, yes, no):
                self._push_branch(self._branches(test, yes, no), wanted)
            case terms.Const(Fraction() as value):
                if not regions.contains(wanted, value):
                    raise Impossible

    def _push_branch(self, branches: tuple[Term, ...], wanted: Region) -> None:
        if len(branches) == 1:
            self._push(branches[0], wanted)

    def _keep(self, register: int, wanted: Region) -> None:
        held = self._regs[register]
        if isinstance(held, Fraction):
            if not regions.contains(wanted, held):
                raise Impossible
            return
        if held is not Gap.UNKNOWN or register in self._fresh:
            return
        left = regions.intersect(self.region(register), wanted)
        if left == NOTHING:
            raise Impossible
        self.open[register] = left

    def _push_binary(self, op: str, left: Term, right: Term, wanted: Region) -> None:
        a, b = self.value(left), self.value(right)
        match op:
            case "+":
                self._push(left, regions.add(wanted, regions.negate(b)))
                self._push(right, regions.add(wanted, regions.negate(a)))
            case "-":
                self._push(left, regions.add(wanted, b))
                self._push(right, regions.add(a, regions.negate(wanted)))
            case "*":
                self._push(left, images.factor(wanted, b))
                self._push(right, images.factor(wanted, a))
            case "/":
                self._push(left, regions.multiply(wanted, b))
                self._push(right, images.factor(a, wanted))
            case "%":
                modulus, rest = regions.only(b), regions.only(wanted)
                if modulus and rest is not None:
                    self._push(left, (regions.Piece(None, None, abs(modulus), rest),))

    def _push_fold(self, fold: Folding, wanted: Region) -> None:
        phase = self._regs[self._lists[fold.outer].phase]
        held = self._regs[fold.register]
        if (
            fold.late
            or fold.list in self._fresh
            or phase == 3
            or held in (Gap.UNDEFINED, Gap.COMPLEX)
            or fold.function not in ("sum", "min", "max")
        ):
            return
        if fold.function == "sum":
            own = self._own(fold)
            rest = regions.add(regions.point(Fraction(held)), self._future(fold))
            if own is not None:
                self._push(fold.body, regions.add(wanted, regions.negate(rest)))
            elif regions.intersect(rest, wanted) == NOTHING:
                raise Impossible
            return
        if self._regs[self._lists[fold.list].phase] == 1:
            low = fold.function == "min"
            bound = regions.lowest(wanted) if low else regions.highest(wanted)
            self._push(fold.body, regions.at_least(bound) if low else regions.at_most(bound))


def _wordy(regs: Sequence[Any], term: Term) -> bool:
    """Whether a side of a comparison is no number."""
    match term:
        case terms.Const(value):
            return not isinstance(value, Fraction)
        case terms.Read(register):
            return isinstance(regs[register], str | bool)
        case _:
            return isinstance(term, terms.Relate | terms.Every | terms.Some | terms.Negated)
