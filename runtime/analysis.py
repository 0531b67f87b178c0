"""What a ruleset implies, said to its author: findings of the compiler, each with a trace.

Every trace is judged by the reference machine before it is shown.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.findings import Finding, Kind, findings, wide
from rulec.compiler.witness import Trace, Witnesses
from rulec.dsl import checked
from rulec.dsl.diagnostics import Diagnostic, Label, Severity
from rulec.runtime.externals import UNASKED
from rulec.runtime.stuck import stuck_at
from rulec.runtime.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from fractions import Fraction

    from rulec.compiler.machine import Machine
    from rulec.compiler.plan import Plan
    from rulec.compiler.stages import Built
    from rulec.compiler.tiers import Assignment
    from rulec.dsl.source import Span

MOST_EXAMPLES = 24
"""Findings that get a trace of their own."""


class _Said(NamedTuple):
    """How a kind of finding is said."""

    code: str
    message: str
    label: str
    hint: str
    severity: Severity


_SAID: dict[Kind, _Said] = {
    "implied": _Said(
        "R0512",
        "`{what}` says nothing that other rules don't say already",
        "implied",
        "remove it, or make the other rule the weaker one",
        "warning",
    ),
    "always": _Said(
        "R0513",
        "`{what}` always holds",
        "no values of its fields break it",
        "remove it, or narrow what it compares",
        "warning",
    ),
    "never": _Said(
        "R0513",
        "`{what}` can never fire",
        "its condition never holds",
        "remove it, or widen what its condition compares",
        "warning",
    ),
    "unwritten": _Said(
        "R0514",
        "{what} can never be written",
        "no values leave it open",
        "remove it, or weaken a rule",
        "warning",
    ),
    "single": _Said(
        "R0515",
        "`{name}` is always {value}",
        "one value is left open",
        "write the value into the text, or weaken a rule",
        "note",
    ),
}


class Analysis:
    """Says what the rules of a built ruleset imply."""

    def __init__(self, plan: Plan, machine: Machine) -> None:
        self.plan = plan
        self._examples = 0
        self._witnesses = Witnesses(plan)
        self._verify = Verifier(machine, UNASKED)

    def said(self, finding: Finding) -> Diagnostic:
        """A finding as its author reads it."""
        made = self._message(finding)
        example = self._example(finding)
        return made if example is None else replace(made, example=example)

    # --- words ---

    def _message(self, finding: Finding) -> Diagnostic:
        """The words for a finding; those about a rule stand at the rule."""
        place = finding.place
        what, span = _way(finding) if finding.kind == "unwritten" else ("", None)
        if finding.kind == "single" and place is not None and place.element is not None:
            span = place.element.span
        if finding.rules:
            what, span = self._name(finding.rules[0]), self._span(finding.rules[0])
        said = _SAID[finding.kind]
        name = place.name if place is not None else ""
        return Diagnostic(
            said.code,
            said.message.format(what=what, name=name, value=finding.value),
            Label(span or self.plan.ruleset.span, said.label),
            self._because(finding.because),
            hint=said.hint,
            severity=said.severity,
        )

    def _because(self, rules: Iterable[int]) -> tuple[Label, ...]:
        spans = dict.fromkeys(self._span(rule) for rule in rules)
        ordered = sorted(spans, key=lambda span: span.start)
        return tuple(Label(span, "because of this rule") for span in ordered)

    def _name(self, rule: int) -> str:
        return self.plan.sources[rule].name

    def _span(self, rule: int) -> Span:
        return self.plan.sources[rule].span

    # --- traces ---

    def _example(self, finding: Finding) -> str | None:
        """A trace that shows what is meant."""
        if self._examples >= MOST_EXAMPLES:
            return None
        self._examples += 1
        if finding.kind == "implied":
            return self._breaking(finding.rules[0], finding.because)
        return self._passing

    @cached_property
    def _passing(self) -> str | None:
        """A trace that keeps all rules."""
        found = self._witnesses.find(self._steering(), confirm=self._passes)
        if not isinstance(found, Trace):
            return None
        return f"a trace that keeps all rules:\n{self._shown(found)}"

    def _steering(self) -> list[int]:
        return [n for n, rule in enumerate(self.plan.rules) if rule.tier != "audit"]

    def _breaking(self, rule: int, others: Sequence[int]) -> str | None:
        """A trace that breaks a rule, and so one of those that imply it."""

        def shows(trace: Trace) -> bool:
            return self._breaks(trace, rule, others)

        found = self._witnesses.find((), (rule,), confirm=shows)
        if not isinstance(found, Trace):
            return None
        names = " and ".join(f"`{name}`" for name in sorted(self._broken(found)))
        shown = self._shown(found)
        return f"what breaks it breaks another rule too; this breaks {names}:\n{shown}"

    def without(self, rules: Sequence[int]) -> str | None:
        """A trace that keeps all rules but one of some that exclude each other."""
        for rule in reversed(rules):
            left = {n for n in self._steering() if self._name(n) != self._name(rule)}

            def kept(trace: Trace, gone: int = rule) -> bool:
                return self._broken(trace) == {self._name(gone)}

            found = self._witnesses.find(left, (rule,), confirm=kept)
            if isinstance(found, Trace):
                return f"without `{self._name(rule)}` this would do:\n{self._shown(found)}"
        return None

    def _passes(self, trace: Trace) -> bool:
        return self._verify(trace.text, trace.inputs).verdict == "pass"

    def _breaks(self, trace: Trace, rule: int, others: Sequence[int]) -> bool:
        broken = self._broken(trace)
        return self._name(rule) in broken and any(self._name(n) in broken for n in others)

    def _broken(self, trace: Trace) -> set[str]:
        claims = self._verify(trace.text, trace.inputs).claims
        return {c.rule for c in claims if c.verdict in ("violate", "too complex")}

    def _shown(self, trace: Trace) -> str:
        given = ", ".join(f"{name}: {value}" for name, value in trace.inputs.items())
        text = trace.text.decode("utf-8", "replace")
        return f"with {{ {given} }}\n{text}" if given else text


def _way(finding: Finding) -> tuple[str, Span | None]:
    """The branch or item that is meant, and where it stands."""
    place = finding.place
    element = None if place is None else place.element
    match element:
        case checked.Choice(options):
            return "this branch", options[finding.way].span
        case checked.Optional(body):
            text = "this part" if finding.way == 0 else "a trace without this part"
            return text, body.span
        case checked.Repeat(body):
            return (
                "an item of this list" if finding.way else "the end of this list"
            ), body.span
        case _:
            return "this part", None


def analyse(built: Built) -> Iterator[Diagnostic]:
    """What the rules of a ruleset without errors imply."""
    if built.machine is None or built.plan is None or built.assigned is None:
        return
    analysis = Analysis(built.plan, built.machine)
    found = map(analysis.said, findings(built.assigned.projections, built.assigned.project))
    noted = [
        *_wide(built.plan, wide(built.assigned.projections)),
        *_refuted(built.machine, built.plan, built.assigned),
    ]
    yield from sorted((*found, *noted), key=lambda made: made.primary.span.start)


def illustrated(built: Built, error: Diagnostic) -> Diagnostic:
    """An error that the rules make, with a trace that shows it."""
    plan, machine, assigned = built.plan, built.machine, built.assigned
    if machine is None or plan is None or assigned is None:
        return error
    example: str | None = None
    if error.code == "R0511":
        example = Analysis(plan, machine).without(assigned.conflict)
    elif error.code == "R0501":
        rules = [n for n, s in enumerate(plan.sources) if s.span == error.primary.span]
        wrong = next((w for rule in rules if (w := assigned.tiered[rule].wrong)), None)
        example = _stuck(machine, rules, wrong)
    return error if example is None else replace(error, example=example)


def _stuck(
    machine: Machine, rules: Sequence[int], wrong: Mapping[int, Fraction] | None
) -> str | None:
    """A text that the machine gets stuck behind if masks were to keep some rules."""
    text = stuck_at(machine, rules, wrong)
    if text is None:
        return None
    return f"{text.decode('utf-8', 'replace')}\nand nothing can follow that keeps the rule"


def _refuted(machine: Machine, plan: Plan, assigned: Assignment) -> Iterator[Diagnostic]:
    """The rules whose certificates were refuted, each with the trace that does it."""
    found: dict[Span, list[int]] = {}
    for number, tier in enumerate(assigned.tiered):
        if tier.wrong is not None:
            found.setdefault(plan.sources[number].span, []).append(number)
    for span, rules in found.items():
        tier = assigned.tiered[rules[0]]
        example = _stuck(machine, rules, tier.wrong)
        if example is None:
            continue
        yield Diagnostic(
            "R0518",
            f"`{plan.sources[rules[0]].name}` is tested, since masks would get stuck",
            Label(span, tier.reason),
            hint="let each field follow from what stands before it, or shorten the list",
            severity="note",
            example=example,
        )


def _wide(plan: Plan, rules: dict[int, str]) -> Iterator[Diagnostic]:
    seen: set[Span] = set()
    for rule, place in rules.items():
        source = plan.sources[rule]
        if source.span in seen:
            continue
        seen.add(source.span)
        yield Diagnostic(
            "R0516",
            f"`{source.name}` needs numbers beyond 64 bits",
            Label(source.span, f"what it leaves open for `{place}` can't be bounded"),
            hint="give its fields ranges; until then only the host engine keeps it",
            severity="note",
        )
