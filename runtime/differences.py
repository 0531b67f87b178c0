"""What one ruleset accepts and another rejects, with a trace to show for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from rulec.compiler.alignment import Aligned, Apart, align
from rulec.compiler.comparing import OneWay
from rulec.compiler.domains import of_parameter
from rulec.compiler.plan import plan_ruleset
from rulec.compiler.supply import columns_of
from rulec.compiler.witness import Trace, Witnesses
from rulec.compiler.writing import proses
from rulec.runtime.externals import UNASKED
from rulec.runtime.inputs import BadInput
from rulec.runtime.sample import NoSample, Sampler
from rulec.runtime.trials import Replay

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Machine
    from rulec.compiler.plan import Plan
    from rulec.dsl import checked
    from rulec.runtime.trials import Replayed

Relation: TypeAlias = Literal["equivalent", "stricter", "looser", "different", "unknown"]

MOST_SAMPLES = 16
"""Random traces that are tried on the other ruleset."""

ATTEMPTS = 4
LONGEST = 400
"""Walks for one of them, and bytes after which a walk takes the shortest way to the end."""


@dataclass(frozen=True, slots=True)
class Ruled:
    """A ruleset and its machine."""

    ruleset: checked.Ruleset
    machine: Machine


@dataclass(frozen=True, slots=True)
class Difference:
    """A trace that one ruleset accepts, and what the other says of it."""

    trace: Trace
    rejected: Replayed


@dataclass(frozen=True, slots=True)
class OnlyOne:
    """What one ruleset accepts and the other rejects: a trace, or how far none was found.

    Without a trace there is none at all where that is `proven`; else `tried` says what was
    looked at, and `open` why there might be one.
    """

    difference: Difference | None
    proven: bool = False
    tried: str = ""
    open: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two rulesets compared. `apart` is where their shapes first differ in form.

    `requests` tells in which parameters the two differ: then they differ in what can be asked
    of them, whatever their traces.
    """

    only_old: OnlyOne
    only_new: OnlyOne
    apart: Apart | None = None
    requests: tuple[str, ...] = ()

    @property
    def relation(self) -> Relation:
        """What the new ruleset is, compared with the old one."""
        old, new = self.only_old.difference is not None, self.only_new.difference is not None
        if self.requests or (old and new):
            return "different"
        if old or new:
            return "stricter" if old else "looser"
        return "equivalent" if self.only_old.proven and self.only_new.proven else "unknown"

    @property
    def proven(self) -> bool:
        """Whether the relation is certain, and not only what was found."""
        sides = (self.only_old, self.only_new)
        sure = all(side.difference is not None or side.proven for side in sides)
        return sure or bool(self.requests)


def compare(old: Ruled, new: Ruled) -> Comparison:
    """Compare two rulesets; every trace that is given has been replayed on both machines."""
    plans = plan_ruleset(old.ruleset), plan_ruleset(new.ruleset)
    aligned = align(*plans)
    sides = _Side(old, plans[0]), _Side(new, plans[1])
    only = _only(sides[0], sides[1], aligned), _only(sides[1], sides[0], aligned.turned())
    requests = tuple(_requests(*plans))
    if requests:
        only = _shared(only[0]), _shared(only[1])
    apart = aligned if isinstance(aligned, Apart) else None
    return Comparison(*only, apart, requests)


def _shared(only: OnlyOne) -> OnlyOne:
    """What is known where requests differ: nothing of those that only one side takes."""
    if only.difference is not None:
        return only
    tried = only.tried or "among the requests that both take"
    return OnlyOne(None, tried=tried, open=(*only.open, "the requests differ"))


class _Side:
    """A ruleset, its plan, and its machine at work."""

    def __init__(self, ruled: Ruled, plan: Plan) -> None:
        self.ruled = ruled
        self.plan = plan
        self.replay = Replay(ruled.machine)


class _Told:
    """Which trace tells two rulesets apart, if one that was asked about does."""

    def __init__(self, kept: _Side, other: _Side) -> None:
        self._kept = kept
        self._other = other
        self.asked = 0
        self.found: Difference | None = None

    def __call__(self, trace: Trace) -> bool:
        """Whether the one accepts a trace that the other rejects."""
        self.asked += 1
        if not self._kept.replay(trace).accepted:
            return False
        replayed = self._other.replay(trace)
        if replayed.rejected:
            self.found = Difference(trace, replayed)
        return replayed.rejected


def _only(kept: _Side, other: _Side, aligned: Aligned | Apart) -> OnlyOne:
    """What `kept` accepts and `other` rejects."""
    told = _Told(kept, other)
    forms = 0
    left: tuple[str, ...] = ("the shapes differ",)
    if isinstance(aligned, Aligned):
        way = OneWay(kept.plan, other.plan, aligned)
        if not any(map(told, way.traces())) and not way.open:
            return OnlyOne(None, proven=True)
        forms, left = way.forms, way.open
    for look in (_sampled, _formed, _drawn):
        if told.found is None:
            look(kept, other, aligned, told)
    if told.found is not None:
        return OnlyOne(told.found)
    return OnlyOne(None, tried=_tried(forms, told.asked), open=left)


def _tried(forms: int, traces: int) -> str:
    """What was looked at, in words."""
    looked = f"{traces} traces" if traces != 1 else "a trace"
    if not forms:
        return f"among {looked}" if traces else "none could be tried"
    smallest = "the smallest form" if forms == 1 else f"the {forms} smallest forms"
    return f"among {smallest} of a trace" + (f" and {looked}" if traces else "")


def _sampled(kept: _Side, other: _Side, _aligned: Aligned | Apart, told: _Told) -> None:
    """The samples of both rulesets."""
    samples = (sample for side in (kept, other) for sample in side.ruled.ruleset.samples)
    any(told(Trace(sample.trace.encode(), sample.inputs)) for sample in samples)


def _formed(kept: _Side, other: _Side, aligned: Aligned | Apart, told: _Told) -> None:
    """Traces of many forms, where those differ; and with prose that only one side takes."""
    plan = kept.plan
    enforced = [n for n, rule in enumerate(plan.rules) if rule.tier != "audit"]
    if isinstance(aligned, Apart):
        Witnesses(plan).find(enforced, confirm=told)
        _broken(other.plan, told)
        return
    for number in aligned.loose:
        for text in proses(plan.layout.types[number], other.plan.layout.types[number]):
            if told.found is None:
                Witnesses(plan, prose={number: text}).find(enforced, confirm=told)


def _broken(plan: Plan, told: _Told) -> None:
    """Traces that break just one rule of a ruleset."""
    enforced = [n for n, rule in enumerate(plan.rules) if rule.tier != "audit"]
    sources = {id(plan.sources[rule]): rule for rule in enforced}
    for own in sources.values():
        others = [n for n in enforced if plan.sources[n] is not plan.sources[own]]
        if told.found is None:
            Witnesses(plan).find(others, (own,), confirm=told)


def _drawn(kept: _Side, _other: _Side, aligned: Aligned | Apart, told: _Told) -> None:
    """Random traces, where the forms differ."""
    if isinstance(aligned, Aligned) and not aligned.loose:
        return
    draw = Sampler(kept.ruled.machine, ATTEMPTS, LONGEST, UNASKED)
    with suppress(NoSample, BadInput):
        any(told(Trace(draw(seed))) for seed in range(MOST_SAMPLES))


def _requests(old: Plan, new: Plan) -> Iterator[str]:
    """In what the requests of two rulesets differ, apart from the defaults of parameters."""
    yield from _tables(old, new)
    here, there = old.layout.parameters, new.layout.parameters
    for name in sorted({*here, *there}):
        if name not in there:
            yield f"only the old rules have the parameter `{name}`"
        elif name not in here:
            yield f"only the new rules have the parameter `{name}`"
        elif of_parameter(here[name]) != of_parameter(there[name]):
            yield f"the parameter `{name}` has another type"
        elif (here[name].default is None) != (there[name].default is None):
            whose = "old" if here[name].default is None else "new"
            yield f"the {whose} rules need the parameter `{name}`"


def _tables(old: Plan, new: Plan) -> Iterator[str]:
    """In what the tables of two rulesets' requests differ."""
    here, there = _rows_of(old), _rows_of(new)
    for name in sorted({*here, *there}):
        if name not in there or name not in here:
            yield f"only the {'old' if name in here else 'new'} rules have the table `{name}`"
        elif here[name] != there[name]:
            yield f"the table `{name}` has other rows"


def _rows_of(plan: Plan) -> dict[str, object]:
    """What the rows of every table of a request may be."""
    tables = (keyed.table for keyed in plan.layout.tables.values())
    return {
        table.name: (table.key, table.pattern, [(c.name, d) for c, d in columns_of(table)])
        for table in tables
        if table.given
    }
