"""One tree laid out by two rulesets of the same form, over the same variables."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rulec.compiler import domains, terms
from rulec.compiler.candidates import constants, matches
from rulec.compiler.filling import Frame, Variable, variables
from rulec.compiler.lower import deep_folds
from rulec.compiler.matches import any_text, dfa_of, texts
from rulec.compiler.opaque import opaque
from rulec.compiler.outcomes import HUGE, Size, fails, holds, may_exceed
from rulec.compiler.symbolic import every, negated, some
from rulec.compiler.unroll import Gap, unroll
from rulec.compiler.witness import as_given, frame_of, tables_given, weight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from rulec.compiler.places import Instance
    from rulec.compiler.plan import Plan
    from rulec.compiler.supply import Keys
    from rulec.compiler.terms import Exact, Term
    from rulec.compiler.trees import Tree
    from rulec.compiler.unroll import Claim, Unrolled

MOST_TEXTS = 8
"""Texts that only one of two types has, of which one is tried."""


@dataclass(frozen=True, slots=True)
class Request:
    """Parameters that a request leaves out, and what each side then takes for them."""

    kept: Mapping[str, terms.Const] = field(default_factory=dict)
    other: Mapping[str, terms.Const] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pair:
    """The ruleset that keeps a trace, by these rules, and the other, which should reject it.

    The fields in `changed` have types of their own on each side.
    """

    kept: Plan
    other: Plan
    rules: frozenset[int]
    changed: tuple[int, ...]
    request: Request
    keys: Keys = field(default_factory=dict)

    def textual(self, field: int) -> bool:
        """Whether a field holds a text."""
        return self.kept.fields[field].kind == "text"

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters of both."""
        both = {**self.kept.layout.parameters, **self.other.layout.parameters}
        return tuple(sorted(both))

    def within(self, place: int) -> Pair:
        """The pair with those rules alone that read nothing outside of a place of the one."""
        instance = self.kept.layout.instances[place]
        kept = (rule for rule in self.rules if local(self.kept, instance, rule))
        return replace(self, rules=frozenset(kept), changed=())

    def lay(self, tree: Tree, place: int = 0) -> Laid:
        """A tree of a place, by its number, as both lay it out. Raises `TooLong`."""
        here, there = self.kept.layout.instances[place], self.other.layout.instances[place]
        return Laid(
            self,
            unroll(self.kept, tree, here, self.names, self.request.kept, self.keys),
            unroll(self.other, tree, there, self.names, self.request.other, self.keys),
        )


@dataclass(frozen=True, slots=True)
class Laid:
    """A tree, laid out twice."""

    pair: Pair
    kept: Unrolled
    other: Unrolled

    @property
    def asked(self) -> list[Term]:
        """That the rules of the one hold, and that the request suits both."""
        return [*(holds(claim.held) for claim in self._held()), *self._suited()]

    def broken(self, rules: frozenset[int]) -> Term:
        """That one of these rules of the other is broken, or a value none of its type."""
        same = {claim.held for claim in self._held()}
        wanted = [claim.held for claim in self.other.claims if claim.rule in rules]
        return some([*(fails(held) for held in wanted if held not in same), *self._outside()])

    def _held(self) -> list[Claim]:
        return [claim for claim in self.kept.claims if claim.rule in self.pair.rules]

    def doubts(self, rules: frozenset[int]) -> Iterator[str]:
        """Why more than the terms of these rules could tell the sides apart."""
        if self.kept.doubtful or self.other.doubtful:
            yield "where a list divides by zero was not followed"
        sizes = {variable.number: variable.domain.size for variable in self.frame.variables}

        def size(number: int) -> Size:
            return sizes.get(number, HUGE)

        if any(
            may_exceed(claim.held.term, size) or may_exceed(claim.held.absent, size)
            for claim in self.other.claims
            if claim.rule in rules
        ):
            yield "numbers may become too complex"
        same = {claim.held for claim in self._held()}
        if any(
            opaque(claim.held.term) and claim.held not in same
            for claim in self.other.claims
            if claim.rule in rules
        ):
            yield "what a rule says of lists or functions only values tell"
        read = frozenset().union(*map(variables, self._terms()))
        changed = (gap for gap in self.kept.gaps if gap.field in self.pair.changed)
        if any(self.pair.textual(gap.field) and gap.value in read for gap in changed):
            yield "not all texts were tried"

    def _terms(self) -> list[Term]:
        """What rules say on either side."""
        return [claim.held.term for side in (self.kept, self.other) for claim in side.claims]

    def inputs(self, values: Mapping[int, Exact]) -> dict[str, object]:
        """What a request must give so that both sides take the same. Raises `Unwritable`."""
        found: dict[str, object] = {}
        for name, number in self.kept.parameters.items():
            here = self.pair.kept.layout.parameters[name]
            there = self.pair.other.layout.parameters[name]
            value = values.get(number)
            if value is not None and not value == here.default == there.default:
                found[name] = as_given(here, value)
        return found | dict(tables_given(self.pair.kept, self.kept, values))

    @property
    def weight(self) -> int:
        """How large the questions about the tree are."""
        return weight(self._terms())

    @property
    def frame(self) -> Frame:
        """The variables, those of changed fields fit for both types."""
        fields = {gap.value: gap.field for gap in self.kept.gaps}
        made = frame_of(self.pair.kept, self.kept)
        return Frame([self._fitted(variable, fields) for variable in made.variables])

    def _fitted(self, variable: Variable, fields: Mapping[int, int]) -> Variable:
        number = fields.get(variable.number)
        if number is None or number not in self.pair.changed:
            return variable
        return replace(variable, beside=(domains.of_field(self.pair.other, number),))

    def _suited(self) -> Iterator[Term]:
        """The parameters are of the types of both sides."""
        for name, number in self.kept.parameters.items():
            beside = self.pair.other.layout.parameters.get(name)
            if beside is not None:
                domain = domains.of_parameter(beside)
                own = domains.of_parameter(self.pair.kept.layout.parameters[name])
                if domain != own:
                    yield from domains.conditions(
                        domain, terms.Read(number), scale=own.scale or None
                    )

    def _outside(self) -> Iterator[Term]:
        """A value is of the one type and not of the other."""
        for gap in self.kept.gaps:
            if gap.field in self.pair.changed and not gap.broken:
                yield outside(self.pair.kept, self.pair.other, gap, self._terms())


def outside(kept: Plan, other: Plan, gap: Gap, rules: Sequence[Term] = ()) -> Term:
    """That a value is none of the other's type; a text may be one of those that rules name."""
    own, beside = domains.of_field(kept, gap.field), domains.of_field(other, gap.field)
    value = terms.Read(gap.value)
    if own.kind == "text" and own.pattern is not None and beside.pattern is not None:
        found = texts((dfa_of(own.pattern),), MOST_TEXTS, (dfa_of(beside.pattern),))
        named = (text for text in constants(rules) if matches(own.pattern, text))
        told = (text for text in named if not matches(beside.pattern, text))
        return domains.among(value, (*found, *told))
    scale = Variable(gap.value, own, beside=(beside,)).scale
    inside = domains.conditions(beside, value, terms.Read(gap.digits), scale)
    return negated(every(inside))


def narrower(kept: Plan, other: Plan, number: int) -> bool:
    """Whether the other's type may lack a value that the one's has."""
    own, beside = domains.of_field(kept, number), domains.of_field(other, number)
    if own.kind == "text" and own.pattern is not None and beside.pattern is not None:
        return any_text((dfa_of(own.pattern),), (dfa_of(beside.pattern),))
    gap = Gap(number, 0, 1)
    variable = Variable(0, own, 1, beside=(beside,))
    return Frame((variable,)).possible((outside(kept, other, gap),))


def local(plan: Plan, place: Instance, rule: int) -> bool:
    """Whether a rule of a place reads nothing that stands outside of it."""
    own = range(place.first, place.end)
    folds = deep_folds(plan.rules[rule].term, plan.folds)
    return all(plan.layout.lists[plan.folds[fold].outer].count in own for fold in folds)
