"""Whether rules taken together can be solved by propagation, field by field."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import monotone, regions, terms
from rulec.compiler.bounds import Bound, count_members
from rulec.compiler.places import DIGITS
from rulec.compiler.plan import Plan, deep_registers
from rulec.compiler.propagate import Narrower
from rulec.compiler.steering import conjuncts, defined_field, replaced
from rulec.compiler.terms import Gap, Term

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rulec.compiler.machine import Folding
    from rulec.compiler.regions import Region

_NUMERIC = ("number", "date", "expr")


class Unfit(Exception):
    """Why a rule can't be kept by masks."""


@dataclass(slots=True)
class System:
    """The rules admitted so far, taken together."""

    plan: Plan
    domains: dict[int, Region] = field(init=False)
    wants: dict[int, int] = field(default_factory=dict)
    defined: dict[int, Term] = field(default_factory=dict)
    bounds: list[Bound] = field(default_factory=list)
    alone: set[int] = field(default_factory=set)
    groups: dict[int, int] = field(default_factory=dict)
    loose: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        numeric = (f for f in self.plan.fields if f.kind in _NUMERIC)
        self.domains = {f.register: f.domain for f in numeric}
        self.domains |= {
            p.register: p.domain
            for p in self.plan.layout.parameters.values()
            if p.kind in _NUMERIC
        }

    def check(self, steers: list[Term]) -> None:
        """Raises `Unfit` with the reason."""
        parts = [part for steer in steers for part in self._parts(steer)]
        for part in sorted(parts, key=lambda part: not self._single(part)):
            self._take(part)
        bounds = [replace(b, term=self._expanded(b.term)) for b in self.bounds]
        for bound in sorted(bounds, key=lambda b: not isinstance(b.term, terms.Read)):
            self._bound(bound)

    def _parts(self, steer: Term) -> Iterator[Term]:
        """The conditions that must hold, those on every item of a list too."""
        for part in conjuncts(steer):
            fold = self.plan.folds[part.fold] if isinstance(part, terms.Folded) else None
            if fold is not None and fold.function == "all" and not fold.late:
                self._owed(fold)
                yield from self._parts(fold.body)
            elif not self._given(part):
                yield part

    def _owed(self, fold: Folding) -> None:
        """A condition on items and what stands outside of them needs an item to be owed."""
        spec = self.plan.lists[fold.list]
        outside = deep_registers(fold.body, self.plan.folds) - set(spec.registers)
        sure = spec.low > 0 and fold.list == fold.outer
        if outside and not sure and not self._watched(spec.count):
            raise Unfit("one more item of its list can't always be written")

    def _given(self, term: Term) -> bool:
        """Whether a condition reads values of the request only: it is tested at the start."""
        given = {p.register for p in self.plan.layout.parameters.values()}
        return not terms.folds(term) and terms.registers(term) <= given

    def _take(self, term: Term) -> None:
        match term:
            case terms.Folded(fold):
                self._take_fold(self.plan.folds[fold].function, fold)
            case terms.Relate() | terms.Near() if not self._single(term):
                self._join(term)
                self._relation(term)
            case _:
                self._narrow_alone(term)

    def _take_fold(self, function: str, fold: int) -> None:
        body = self.plan.folds[fold].body
        if self.plan.folds[fold].late:
            raise Unfit("it reads a field that is written behind its list")
        match function:
            case "distinct" if isinstance(body, terms.Read):
                self._distinct(body.register, self.plan.folds[fold].list)
            case _:
                raise Unfit(f"`{function}` over a list is tested when the list closes")

    def _distinct(self, register: int, list_: int) -> None:
        high = self.plan.lists[list_].high
        size = count_members(self.domains.get(register, ()))
        if high is None or size is None or size < high:
            raise Unfit("there may be fewer values than items that must be distinct")
        if register in self.groups or register in self.defined:
            raise Unfit("a list that must be distinct is bound by other rules too")
        self.groups[register] = register
        self.alone.add(register)

    # --- one field alone ---

    def _single(self, term: Term) -> bool:
        return len(deep_registers(term, self.plan.folds)) <= 1 and not terms.folds(term)

    def _narrow_alone(self, term: Term) -> None:
        read = deep_registers(term, self.plan.folds)
        plain = all(isinstance(p, terms.Relate) and _bare(p) for p in _leaves(term))
        if len(read) != 1 or not plain or terms.folds(term):
            raise Unfit("its condition is none that propagation solves exactly")
        (register,) = read
        if self._dense(register) and not _closed(term):
            raise Unfit("it leaves single values out of an expression's range")
        if register not in self.domains:
            raise Unfit("it speaks of a field that is no number")
        left = self._narrower().after(term, register)
        if not left or len(left) > regions.WIDEST // 2:
            raise Unfit("it leaves nothing open, or too many pieces")
        self.domains[register] = left
        if len(left) > 1:
            if register in self.groups:
                raise Unfit("it leaves gaps in a field that other rules bind")
            self.loose.add(register)

    def _dense(self, register: int) -> bool:
        """Whether a field can hold any rational number."""
        return any(f.register == register and f.kind == "expr" for f in self.plan.fields)

    def _narrower(self, regs: Sequence[object] | None = None) -> Narrower:
        plan = self.plan
        held = list(plan.layout.initial if regs is None else regs)
        for fold in plan.folds:
            if fold.function not in ("sum", "count"):
                held[fold.register] = Gap.UNKNOWN
        return Narrower(held, self.domains, plan.folds, plan.lists)

    # --- relations between fields ---

    def _join(self, term: Term) -> None:
        """The rules and their fields must stay a forest."""
        roots = [self._root(r) for r in sorted(deep_registers(term, self.plan.folds))]
        if len(set(roots)) < len(roots):
            raise Unfit("other rules already tie its fields to each other")
        for root in roots[1:]:
            self.groups[root] = roots[0]
        if self.alone & set(deep_registers(term, self.plan.folds)):
            raise Unfit("a list that must be distinct is bound by other rules too")
        if self.loose & set(deep_registers(term, self.plan.folds)):
            raise Unfit("a field that it binds has gaps by other rules")

    def _root(self, register: int) -> int:
        while self.groups.setdefault(register, register) != register:
            register = self.groups[register]
        return register

    def _relation(self, term: terms.Relate | terms.Near) -> None:
        self._read_once(term)
        defined = defined_field(self.plan, term)
        if defined is not None:
            self._define(term, *defined)
            return
        zero = Fraction(0)
        match term:
            case terms.Relate(("<=" | "<") as relation, left, right):
                self.bounds.append(
                    Bound(terms.Binary("-", left, right), None, zero, relation == "<")
                )
            case terms.Relate((">=" | ">") as relation, left, right):
                self.bounds.append(
                    Bound(terms.Binary("-", left, right), zero, None, relation == ">")
                )
            case _:
                raise Unfit("it ties fields together in a way that needs a choice made before")

    def _read_once(self, term: terms.Relate | terms.Near) -> None:
        """A field may stand twice only where the rule grows or falls with it."""
        register = monotone.read_twice(term.left, term.right)
        if register is not None:
            left, right = (monotone.sense(t, register) for t in (term.left, term.right))
            if left is None or right is None or left == right:
                raise Unfit("a field stands in it twice")
        folded = [
            deep_registers(self.plan.folds[f].body, self.plan.folds) for f in _all_folds(term)
        ]
        own = [terms.registers(term), *folded]
        if sum(map(len, own)) > len(frozenset().union(*own)):
            raise Unfit("a list stands in it twice")

    def _define(self, term: Term, register: int, meaning: Term) -> None:
        if register in self.defined:
            raise Unfit("another rule already fixes its last field")
        domain = self.domains.get(register)
        if domain is None or len(domain) != 1:
            raise Unfit("its last field is no number with one range")
        if self._dense(register) and not self._watched(register):
            self._writable(meaning)
        if isinstance(term, terms.Near):
            slack = Fraction(1, 2 * 10 ** self._digits(register))
        else:
            slack = Fraction(0)
            self._fits(meaning, domain)
            self.defined[register] = meaning
        low, high = regions.lowest(domain), regions.highest(domain)
        self.bounds.append(
            Bound(
                meaning,
                None if low is None else low - slack,
                None if high is None else high + slack,
            )
        )

    def _watched(self, register: int) -> bool:
        """Whether a field stands in a watch: there it begins only if it can be ended."""
        watching = self.plan.layout.watching.values()
        return any(i.first <= register < i.end for held in watching for _, i in held)

    def _writable(self, meaning: Term) -> None:
        """An expression can be brought to any value that a quotient of literals shows."""
        for piece in self._narrower().value(self._expanded(meaning)):
            ends = (piece.low, piece.high)
            if None in ends or not (piece.step or piece.point):
                raise Unfit("its value may be none that an expression can be brought to")
            bottom = max(piece.step.denominator, piece.offset.denominator)
            if max(abs(end) * bottom for end in ends if end is not None) > DIGITS:
                raise Unfit("its value may be none that an expression can be brought to")

    def _digits(self, register: int) -> int:
        return next(f.least + f.shift for f in self.plan.fields if f.register == register)

    def _fits(self, meaning: Term, domain: Region) -> None:
        step = domain[0].step
        for piece in self._narrower().value(self._expanded(meaning)):
            shown = piece.offset if piece.step or piece.point else None
            if step and (shown is None or piece.step % step or shown % step):
                raise Unfit("its value can have more digits than its last field shows")

    def _expanded(self, term: Term) -> Term:
        for register, meaning in reversed(self.defined.items()):
            term = replaced(term, register, meaning)
        return term

    # --- bounds ---

    def _bound(self, bound: Bound) -> None:
        term = bound.term
        region = self._narrower().value(term)
        if not region:
            raise Unfit("it has no value")
        if bound.strict and not all(piece.step or piece.point for piece in region):
            raise Unfit("it compares strictly what has any number of digits")
        above, below = bound.broken_above(region), bound.broken_below(region)
        if isinstance(term, terms.Read) and term.register not in self.defined:
            self._narrow_bare(term.register, bound.low, bound.high)
            return
        if above and below:
            raise Unfit("its value is bound from both sides")
        if not above and not below:
            return
        self._pull(term, -1 if above else 1)
        worst = self._narrower(self._worst(term, above=above)).value(term)
        end = regions.lowest(worst) if above else regions.highest(worst)
        best = regions.NOTHING if end is None else regions.point(end)
        if end is not None and (bound.broken_above(best) or bound.broken_below(best)):
            raise Unfit("not every request leaves a way to keep it")

    def _narrow_bare(self, register: int, low: Fraction | None, high: Fraction | None) -> None:
        if register not in self.domains:
            raise Unfit("it speaks of a field that is no number")
        left = regions.intersect(self.domains[register], regions.interval(low, high))
        if not left:
            raise Unfit("it leaves nothing open")
        self.domains[register] = left

    def _pull(self, term: Term, sign: int) -> None:
        """Note which way the fields of a bounded term should go."""
        for register, direction in self._directions(term, sign):
            if self.wants.setdefault(register, direction) != direction:
                raise Unfit("rules pull one of its fields in opposite directions")

    def _directions(self, term: Term, sign: int) -> Iterator[tuple[int, int]]:
        match term:
            case terms.Const():
                return
            case terms.Read(register):
                if register not in self.domains:
                    raise Unfit("it speaks of a field that is no number")
                yield register, sign
            case terms.Minus(inner):
                yield from self._directions(inner, -sign)
            case terms.Rounded("half" | "floor" | "ceil", inner):
                if not all(p.step or p.point for p in self._narrower().value(inner)):
                    raise Unfit("it rounds a value with any number of digits")
                yield from self._directions(inner, sign)
            case terms.Binary("+", left, right):
                yield from self._directions(left, sign)
                yield from self._directions(right, sign)
            case terms.Binary("-", left, right):
                yield from self._directions(left, sign)
                yield from self._directions(right, -sign)
            case terms.Binary("*", left, right):
                yield from self._directions(left, sign * self._sign(right))
                yield from self._directions(right, sign * self._sign(left))
            case terms.Folded(fold) if self.plan.folds[fold].function == "sum":
                yield from self._summed(fold, sign)
            case _:
                raise Unfit("its value is none that propagation bounds exactly")

    def _sign(self, term: Term) -> int:
        region = self._narrower().value(term)
        low, high = regions.lowest(region), regions.highest(region)
        if low is not None and low >= 0:
            return 1
        if high is not None and high <= 0:
            return -1
        raise Unfit("a factor may be negative or positive")

    def _summed(self, fold: int, sign: int) -> Iterator[tuple[int, int]]:
        """One item more or less must never be what decides a bound."""
        spec = self.plan.folds[fold]
        items = self.plan.lists[spec.list]
        body = self._expanded(spec.body)
        region = self._narrower().value(body)
        end = regions.lowest(region) if sign < 0 else regions.highest(region)
        free = items.low != items.high or spec.list != spec.outer
        if free and end != 0:
            raise Unfit("how many items its list has can decide it")
        yield from self._directions(body, sign)

    def _worst(self, term: Term, *, above: bool) -> list[object]:
        """The register file with every parameter where it leaves the least room."""
        regs: list[object] = list(self.plan.layout.initial)
        given = {p.register for p in self.plan.layout.parameters.values()}
        for register, direction in self._directions(term, -1 if above else 1):
            if register in given:
                domain = self.domains[register]
                end = regions.highest(domain) if direction < 0 else regions.lowest(domain)
                regs[register] = Gap.UNKNOWN if end is None else end
        return regs


def _leaves(term: Term) -> Iterator[Term]:
    """The comparisons of a condition."""
    if isinstance(term, terms.Every | terms.Some | terms.Negated):
        for part in terms.parts(term):
            yield from _leaves(part)
    else:
        yield term


def _closed(term: Term) -> bool:
    """Whether a condition leaves out no value that lies beside those it leaves open."""
    if isinstance(term, terms.Negated):
        return False
    if isinstance(term, terms.Relate) and term.relation in ("!=", "<", ">"):
        return False
    return all(map(_closed, terms.parts(term)))


def _bare(term: terms.Relate) -> bool:
    """Whether a field stands by itself on one side, and a constant on the other."""
    sides = (term.left, term.right)
    return any(isinstance(a, terms.Read) for a in sides) and any(
        isinstance(b, terms.Const) for b in sides
    )


def _all_folds(term: Term) -> list[int]:
    """The folds that a term reads, as often as it does."""
    own = [term.fold] if isinstance(term, terms.Folded) else []
    return own + [fold for part in terms.parts(term) for fold in _all_folds(part)]
