"""Checked rules to a machine: the stages in their order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.compiler import tiers
from rulec.compiler.build import Builder
from rulec.compiler.codec import digest, to_json, with_digest
from rulec.compiler.derivatives import TooLarge as TooLargeRegex
from rulec.compiler.graph import TooManyStates
from rulec.compiler.machine import Machine, Rule
from rulec.compiler.nesting import deep_calls
from rulec.compiler.places import TooLarge
from rulec.compiler.plan import Plan, plan_ruleset
from rulec.compiler.prose import BadFollower
from rulec.compiler.quotient import merge_nodes
from rulec.compiler.readings import ambiguity, prefer_prose
from rulec.dsl.diagnostics import Diagnostic, Label

if TYPE_CHECKING:
    from rulec.compiler.tiers import Assignment
    from rulec.dsl import checked
    from rulec.dsl.source import Span


@dataclass(frozen=True, slots=True)
class RuleSummary:
    """What became of a rule: its tier, why, and where it acts."""

    name: str
    shape: str
    tier: str
    reason: str
    acts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Built:
    """The machine of a ruleset, where there are no errors.

    `plan` and `assigned` are what the machine was made from, for those who ask what the
    rules imply.
    """

    machine: Machine | None
    rules: tuple[RuleSummary, ...]
    diagnostics: tuple[Diagnostic, ...]
    plan: Plan | None = None
    assigned: Assignment | None = None


def build(ruleset: checked.Ruleset) -> Built:
    """Plan a ruleset and lay its machine; what can't be enforced is an error."""
    try:
        with deep_calls():
            plan = plan_ruleset(ruleset)
            return Built(None, (), plan.problems) if plan.problems else _laid(plan)
    except TooLarge:
        return _refused(
            "R0601",
            "the ruleset has too many places of shapes, or nests them too deeply",
            ruleset.span,
        )
    except TooManyStates:
        return _refused("R0602", "the ruleset needs more than 20,000 states", ruleset.span)
    except TooLargeRegex:
        return _refused("R0603", "a regular expression is too large", ruleset.span)
    except BadFollower:
        return _refused(
            "R0412", "what follows prose must begin with a text or be the end", ruleset.span
        )


def _acts(plan: Plan, rule: Rule, tier: tiers.Tiered) -> tuple[str, ...]:
    """Where a rule acts: what it narrows, or the field behind which it is tested."""
    if tier.tier == "mask" or not rule.fields:
        return tier.acts
    last = plan.fields[rule.fields[-1]]
    return (f"behind {last.shape}.{last.name}" if last.name else f"behind {last.shape}",)


def _never(assigned: tiers.Assignment) -> bool:
    """Whether no trace can be completed, whatever rules say."""
    begins = assigned.guards[assigned.begins].formula if assigned.begins >= 0 else ()
    return bool(begins) and () in begins and not assigned.conflict


def _refused(code: str, message: str, span: Span) -> Built:
    return Built(None, (), (Diagnostic(code, message, Label(span, "in this ruleset")),))


def _laid(plan: Plan) -> Built:
    assigned = tiers.assign(plan)
    tiered = assigned.tiered
    builder = Builder(plan, assigned)
    start = builder.trace(plan.root)
    prefer_prose(builder.graph, builder.proses)
    builder.count_loops()
    nodes = builder.graph.finish()
    span = plan.ruleset.span
    if nodes[start].cost is None:
        return _refused("R0413", "no trace can ever be completed", span)
    if _never(assigned):
        return _refused("R0413", "no trace can have enough names", span)
    twice = ambiguity(nodes, start)
    if twice is not None:
        shown = repr(twice.text.decode("utf-8", "replace"))
        return _refused("R0416", f"the text {shown} can be read in two ways", span)
    nodes, start, watches = merge_nodes(nodes, start, tuple(builder.watches))
    machine = Machine(
        name=plan.ruleset.name,
        version=plan.ruleset.version,
        nodes=nodes,
        start=start,
        initial=tuple(plan.layout.initial),
        fields=plan.fields,
        lists=plan.lists,
        folds=assigned.folds,
        rules=tuple(
            replace(rule, tier=tier.tier, steer=tier.steer)
            for rule, tier in zip(plan.rules, tiered, strict=True)
        ),
        parameters=plan.layout.given,
        labels=tuple(builder.labels),
        watches=watches,
        guards=assigned.guards,
        begins=assigned.begins,
        tables=tuple(keyed.table for keyed in plan.layout.tables.values()),
        externals=plan.externals,
        grammars=tuple(plan.layout.grammars),
    )
    summaries = tuple(
        dict.fromkeys(
            RuleSummary(rule.name, rule.shape, tier.tier, tier.reason, _acts(plan, rule, tier))
            for rule, tier in zip(plan.rules, tiered, strict=True)
        )
    )
    return Built(
        with_digest(machine, digest(to_json(machine))),
        summaries,
        tiers.complaints(plan, assigned),
        plan,
        assigned,
    )
