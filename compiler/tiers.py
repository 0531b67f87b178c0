"""Which rules masks can keep by themselves, and why the others are tested later.

Rules that share fields, lists or a choice are projected together. They are admitted in file
order while the projection of all of them stays exact and is certified; the others are tested
when their last field closes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rulec.compiler import certificates
from rulec.compiler.accumulate import measure
from rulec.compiler.conditions import TRUE, TooMany, Unfit
from rulec.compiler.findings import conflict
from rulec.compiler.guards import GuardBook
from rulec.compiler.lower import deep_folds
from rulec.compiler.names import Names
from rulec.compiler.plan import deep_registers
from rulec.compiler.projection import Projection, Where
from rulec.compiler.steering import definitions, steered
from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    from rulec.compiler.machine import Folding, Guard
    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Term

PROVEN = "certified"

NAMED = ("ref", "def", "typed", "formula")
"""Kinds of fields that depend on the names that there are."""

MOST_WORK = 15_000
"""Comparisons that are looked at in one projection, or in certifying it."""


@dataclass(frozen=True, slots=True)
class Tiered:
    """A rule's tier and the reason for it; `steer` is the form that is propagated.

    `acts` names the places where the rule narrows what may be chosen. `wrong` are values, by
    register, that refute the certificate of a rule that masks can't keep.
    """

    tier: str
    reason: str
    steer: Term
    acts: tuple[str, ...] = ()
    wrong: Mapping[int, Fraction] | None = None


@dataclass(frozen=True, slots=True)
class Assignment:
    """The tiers of all rules, and the guards that keep the rules of the tier `mask`.

    `places` tells which guard stands where, `begins` which one a request must meet; the folds
    have the scales that guards count them in. `project` projects any rules taken together.
    """

    tiered: tuple[Tiered, ...]
    projections: tuple[Projection, ...]
    project: Callable[[Iterable[int]], Projection | Unfit]
    conflict: tuple[int, ...]
    folds: tuple[Folding, ...]
    guards: tuple[Guard, ...]
    places: Mapping[Where, int]
    begins: int
    unnamed: Unfit | None = None
    """Why masks can't tell which names may come."""


@dataclass(slots=True)
class _Admission:
    """Rules on their way to a tier."""

    plan: Plan
    names: Names
    reasons: dict[int, Unfit] = field(default_factory=dict)
    _known: dict[frozenset[int], Projection | Unfit] = field(default_factory=dict)
    _certified: dict[frozenset[int], Projection | Unfit] = field(default_factory=dict)

    def projected(self, rules: Iterable[int]) -> Projection | Unfit:
        """The projection of rules taken together, not certified yet, or why there is none."""
        wanted = frozenset(rules)
        if wanted not in self._known:
            self._known[wanted] = self._project(wanted)
        return self._known[wanted]

    def _project(self, rules: frozenset[int], stepwise: bool = False) -> Projection | Unfit:
        projection = Projection(self.names.copied(), rules, stepwise)
        made = _exact(projection, projection.run)
        if made is None:
            return projection
        again = self._project(rules, True) if projection.summed else made
        return made if isinstance(again, Unfit) else again

    def certified(self, rules: Iterable[int]) -> Projection | Unfit:
        """The certified projection of rules taken together, or why there is none."""
        wanted = frozenset(rules)
        if wanted not in self._certified:
            self._certified[wanted] = self._certify(wanted)
        return self._certified[wanted]

    def _certify(self, rules: frozenset[int]) -> Projection | Unfit:
        projection = self.projected(rules)
        made = _certified(projection)
        if isinstance(made, Unfit) and isinstance(projection, Projection) and projection.summed:
            again = _certified(self._project(rules, True))
            return made if isinstance(again, Unfit) else again
        return made

    def admitted(self, rules: Sequence[int]) -> Projection | None:
        """The projection of those rules, given in file order, that masks can keep together.

        Those that can't be kept alone are left out; then, as long as some can't be kept
        together, the last of these.
        """
        if not rules:
            made = self.certified(())
            return made if isinstance(made, Projection) else None
        kept: list[int] = []
        for rule in rules:
            alone = self.projected((rule,))
            if isinstance(alone, Unfit):
                self.reasons[rule] = alone
            else:
                kept.append(rule)
        while kept:
            made = self.certified(kept)
            if isinstance(made, Projection):
                return made
            blamed = [rule for rule in kept if rule in made.rules] or kept
            self.reasons[blamed[-1]] = made
            kept.remove(blamed[-1])
        return self.admitted(()) if self.named else None

    @property
    def named(self) -> bool:
        """Whether there are names, which bar choices whatever rules say."""
        return any(field.kind in NAMED for field in self.plan.fields)


def _certified(made: Projection | Unfit) -> Projection | Unfit:
    if isinstance(made, Unfit):
        return made
    return _exact(made, lambda: certificates.certify(made)) or made


def _exact(projection: Projection, step: Callable[[], None]) -> Unfit | None:
    """Why a step of a projection has no exact form, or takes too long, if that is so."""
    space = projection.names.space
    space.left = MOST_WORK
    try:
        step()
    except Unfit as reason:
        return reason
    except TooMany:
        return Unfit("it falls into too many cases")
    finally:
        space.left = None
    return None


def assign(plan: Plan) -> Assignment:
    """The tier of every rule."""
    names = Names(plan)
    measure(names)
    admission = _Admission(plan, names)
    projections = _admitted(admission)
    kept: dict[int, tuple[str, ...]] = {}
    for projection in projections:
        acts = projection.acts()
        kept |= {rule: acts.get(rule, ()) for rule in projection.rules}
    meanings = definitions(plan)
    tiered: list[Tiered] = []
    for number, rule in enumerate(plan.rules):
        steer = steered(rule.term, meanings, plan)
        if rule.tier == "audit":
            tiered.append(Tiered("audit", "the author asked for it", rule.term))
        elif number in kept:
            tiered.append(Tiered("mask", PROVEN, steer, kept[number]))
        else:
            reason = admission.reasons[number]
            tiered.append(Tiered("commit", str(reason), steer, wrong=reason.wrong))
    return _assignment(admission, projections, tuple(tiered))


def _assignment(
    admission: _Admission, projections: tuple[Projection, ...], tiered: tuple[Tiered, ...]
) -> Assignment:
    book = GuardBook()
    for projection in projections:
        book.add(projection)
    apart = conflict(projections, admission.projected)
    scales = admission.names.scales
    folds = tuple(replace(f, scale=scales.get(f.register, 0)) for f in admission.plan.folds)
    bare = admission.certified(()) if admission.named else None
    unnamed = bare if isinstance(bare, Unfit) else None
    return Assignment(
        tiered, projections, admission.projected, apart, folds, *book.finish(), unnamed
    )


def _admitted(admission: _Admission) -> tuple[Projection, ...]:
    """What is admitted of each group of rules; groups that guard one choice become one."""
    groups = _connected(admission.plan)
    if admission.named:
        groups.append([])
    while True:
        made = map(admission.admitted, groups)
        kept = tuple(projection for projection in made if projection is not None)
        joined = _joined(admission.plan, kept)
        if len(joined) == len(kept):
            return kept
        groups = joined


def _joined(plan: Plan, projections: Sequence[Projection]) -> list[list[int]]:
    """The rules of projections; those that guard the same choice are together."""
    guarded = [
        [where[:2] for where, way in projection.ways.items() if way != TRUE]
        for projection in projections
    ]
    return [
        _in_order(plan, (rule for number in group for rule in projections[number].rules))
        for group in _together(guarded)
    ]


def _connected(plan: Plan) -> list[list[int]]:
    """The rules that steer, in groups that share fields or lists; each in file order."""
    steering = [number for number, rule in enumerate(plan.rules) if rule.tier != "audit"]
    touched = [_touched(plan, plan.kept.get(n, plan.rules[n].term)) for n in steering]
    return [
        _in_order(plan, (steering[place] for place in group)) for group in _together(touched)
    ]


def _together(keys: Iterable[Iterable[Hashable]]) -> list[list[int]]:
    """The places of some sets of keys, in groups that share some."""
    owner: dict[Hashable, int] = {}
    group_of: list[int] = []
    for number, own in enumerate(keys):
        group_of.append(number)
        for key in own:
            old, new = group_of[number], group_of[owner.setdefault(key, number)]
            if old != new:
                group_of = [new if held == old else held for held in group_of]
    made: dict[int, list[int]] = {}
    for number, group in enumerate(group_of):
        made.setdefault(group, []).append(number)
    return list(made.values())


def _touched(plan: Plan, term: Term) -> frozenset[int]:
    found = set(deep_registers(term, plan.folds))
    found -= {p.register for p in plan.layout.given}
    for number in deep_folds(term, plan.folds):
        found.add(plan.folds[number].register)
    return frozenset(found)


def _in_order(plan: Plan, group: Iterable[int]) -> list[int]:
    return sorted(group, key=lambda number: (plan.sources[number].span.start, number))


def complaints(plan: Plan, assigned: Assignment) -> tuple[Diagnostic, ...]:
    """Rules that exclude each other, `mask rule`s whose tier is another, and endless names."""
    excluding = _excluding(plan, assigned.conflict)
    return (*excluding, *_demanded(plan, assigned.tiered), *_unnamed(plan, assigned.unnamed))


def _unnamed(plan: Plan, reason: Unfit | None) -> Iterator[Diagnostic]:
    """Names of which masks can't tell whether they can all be defined."""
    if reason is not None:
        message = f"masks can't tell which names may come: {reason}"
        yield Diagnostic("R0502", message, Label(plan.ruleset.trace.span, "in this trace"))


def _excluding(plan: Plan, rules: Sequence[int]) -> tuple[Diagnostic, ...]:
    if not rules:
        return ()
    sources = list(dict.fromkeys(plan.sources[rule] for rule in rules))
    first, *others = sorted(sources, key=lambda source: source.span.start)
    message, label = "these rules cannot hold together", "this rule"
    if not others:
        message, label = f"no trace can keep `{first.name}`", "no values make it hold"
    return (
        Diagnostic(
            "R0511",
            message,
            Label(first.span, label),
            tuple(Label(other.span, "conflicts with it") for other in others),
            hint="remove one, or widen a type",
        ),
    )


def _demanded(plan: Plan, tiered: Sequence[Tiered]) -> tuple[Diagnostic, ...]:
    return tuple(
        dict.fromkeys(
            Diagnostic(
                "R0501",
                f"`{source.name}` can't be kept by masks alone",
                Label(source.span, tier.reason),
                hint="write `rule` without `mask`: it is tested when its last field closes",
            )
            for source, tier in zip(plan.sources, tiered, strict=True)
            if source.tier == "mask" and tier.tier != "mask"
        )
    )
