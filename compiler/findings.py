"""What rules imply: those that exclude each other, say nothing new, or forbid for good.

Every finding here is proven over all values that the types allow. Nothing is said of what the
solver can't tell, so that silence promises nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from rulec.compiler import small, solver, terms
from rulec.compiler.asking import known_of, over_names, refuted
from rulec.compiler.conditions import (
    FALSE,
    TRUE,
    Formula,
    TooMany,
    Unfit,
    conjoined,
    equal,
    variables,
)
from rulec.compiler.flatten import Flattener
from rulec.compiler.polynomial import number, variable
from rulec.compiler.projection import Decision, Projection, Where

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from rulec.compiler.terms import Term

Kind = Literal["implied", "always", "never", "unwritten", "single"]

EFFORT = 100_000
"""What the solver may spend on one question, in its own steps."""

WIDEST = 1 << 63
"""Beyond it an integer needs more than 64 bits."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that rules imply.

    `rules` are those it speaks of, the one it is about first; `because` those that make it so.
    `place` is the choice or the field that is meant, `way` which of its ways on, `value` what a
    field always is.
    """

    kind: Kind
    rules: tuple[int, ...] = ()
    because: tuple[int, ...] = ()
    place: Decision | None = None
    way: int = 0
    value: str = ""


def conflict(
    projections: Iterable[Projection],
    project: Callable[[Iterable[int]], Projection | Unfit],
) -> tuple[int, ...]:
    """A smallest set of rules that no trace keeps, whatever the request brings; or none.

    Without any one of them the rest can hold. `project` projects rules taken together.
    """
    for projection in projections:
        if projection.start == FALSE:
            return _smallest(sorted(projection.rules), project)
    return ()


def _smallest(
    rules: list[int], project: Callable[[Iterable[int]], Projection | Unfit]
) -> tuple[int, ...]:
    for rule in list(rules):
        rest = [other for other in rules if other != rule]
        made = project(rest)
        if isinstance(made, Projection) and made.start == FALSE:
            rules = rest
    return tuple(rules)


def findings(
    projections: Sequence[Projection],
    project: Callable[[Iterable[int]], Projection | Unfit],
) -> Iterator[Finding]:
    """All findings about rules that don't exclude each other."""
    for projection in projections:
        analyst = _Analyst(projection, project)
        yield from analyst.implied()
        yield from analyst.unwritten()
        yield from analyst.single()


class _Analyst:
    """Looks at one projection."""

    def __init__(
        self,
        projection: Projection,
        project: Callable[[Iterable[int]], Projection | Unfit],
    ) -> None:
        self._projection = projection
        self._project = project
        self._names = projection.names
        self._plan = projection.plan
        self._formulas: dict[int, Formula] = {}
        for (rule, _), formula in projection.flattened.items():
            self._formulas[rule] = conjoined(self._formulas.get(rule, TRUE), formula)

    # --- rules that say nothing new ---

    def implied(self) -> Iterator[Finding]:
        """Rules that others imply, that always hold, and conditions that never do."""
        spare: set[int] = set()
        for rule in sorted(self._formulas, key=self._place, reverse=True):
            if self._twin(rule) or rule in self._projection.whole_lists or self._mixed(rule):
                continue
            others = [other for other in self._beside(rule) if other not in spare]
            core = self._core(others, self._formulas[rule])
            if core is not None:
                spare.add(rule)
                kind: Kind = "implied" if core else "always"
                yield Finding(kind, (rule,), tuple(core))
            else:
                yield from self._idle(rule, others)

    def _place(self, rule: int) -> tuple[int, int]:
        return self._plan.sources[rule].span.start, rule

    def _twin(self, rule: int) -> bool:
        """Whether the same rule of the file stands in another place: it is judged once."""
        source = self._plan.sources[rule]
        return any(other is source for other in self._plan.sources[:rule])

    def _mixed(self, rule: int) -> bool:
        """Whether a rule speaks of items and of what stands around them, apart."""
        parts = [part for number_, part in self._projection.flattened if number_ == rule]
        return rule in self._projection.of_lists and len(parts) > 1

    def _beside(self, rule: int) -> list[int]:
        """The other rules that hold wherever this one is tested."""
        own = self._scopes(rule)
        return [n for n in self._formulas if n != rule and self._scopes(n) <= own]

    def _scopes(self, rule: int) -> frozenset[tuple[str, int]]:
        """The lists and the optional parts within which a rule stands."""
        done = self._plan.rules[rule].done
        lists = {
            ("list", n) for n, spec in enumerate(self._plan.lists) if done in spec.registers
        }
        maybe = self._plan.layout.maybe
        parts = {("part", n) for n, part in enumerate(maybe) if done in part}
        items = {("list", n) for n in self._projection.of_lists.get(rule, ())}
        return frozenset(lists | parts | items)

    def _core(self, others: list[int], shown: Formula) -> list[int] | None:
        """The rules that already make a formula hold; None where they don't."""
        given = [over_names(self._formulas[other]) for other in others]
        wrong = terms.Negated(over_names(shown))
        everything = conjoined(shown, *(self._formulas[other] for other in others))
        known = terms.Every(tuple(known_of(self._names, variables(everything))))
        answer = self._asked((*given, known, wrong))
        if not isinstance(answer, solver.Contradiction):
            return None
        return [others[place] for place in answer.core if place < len(others)]

    def _idle(self, rule: int, others: list[int]) -> Iterator[Finding]:
        """`a implies b` whose `a` never holds."""
        for number_, part in self._projection.flattened:
            if number_ != rule or not isinstance(part, terms.Some):
                continue
            first = part.terms[0]
            if isinstance(first, terms.Negated):
                never = self._denied(rule, first)
                core = None if never is None else self._core(others, never)
                if core is not None:
                    yield Finding("never", (rule,), tuple(core))

    def _denied(self, rule: int, condition: Term) -> Formula | None:
        home = self._plan.rules[rule].done
        try:
            return Flattener(self._names, rule, home).kept(condition)
        except (Unfit, TooMany):
            return None

    def _asked(self, conditions: Sequence[Term]) -> solver.Answer:
        return refuted(self._names, conditions, EFFORT)

    # --- what is never written ---

    def unwritten(self) -> Iterator[Finding]:
        """Branches, items and ends that can never be chosen."""
        for where, decision in self._projection.decisions.items():
            if decision.kind == "field":
                continue
            for way, formula in enumerate(decision.ways):
                if formula in (TRUE, decision.before) or not self._hopeless(formula):
                    continue
                because = self._fewest(partial(self._closed, where=where, way=way))
                yield Finding("unwritten", (), because, decision, way)

    def _closed(self, projection: Projection, where: Where, way: int) -> bool:
        decision = projection.decisions.get(where)
        return decision is not None and self._hopeless(decision.ways[way])

    def _fewest(self, holds: Callable[[Projection], bool]) -> tuple[int, ...]:
        """The fewest rules with which a finding still holds, taken away one by one."""
        rules = sorted(self._projection.rules)
        for rule in reversed(rules.copy()):
            rest = [other for other in rules if other != rule]
            made = self._project(rest)
            if isinstance(made, Projection) and holds(made):
                rules = rest
        return tuple(rules)

    def _hopeless(self, formula: Formula) -> bool:
        if formula == FALSE:
            return True
        space = self._names.space
        if any(small.holds(formula, values) for values in small.assignments(space, formula)):
            return False
        known = tuple(known_of(self._names, variables(formula)))
        answer = self._asked((over_names(formula), *known))
        return isinstance(answer, solver.Contradiction)

    # --- fields of one value ---

    def single(self) -> Iterator[Finding]:
        """Fields that can only ever hold one value."""
        fixed: set[int] = set()
        for where, decision in reversed(self._projection.decisions.items()):
            typed = self._names.fields.get(decision.register)
            if decision.kind != "field" or (typed is not None and typed.kind == "typed"):
                continue
            (behind,) = decision.ways
            if self._follows(decision.register, behind, fixed):
                continue
            value = self._only(decision.register, behind)
            if value is not None:
                fixed.add(decision.register)
                because = self._fewest(partial(self._holds_only, where=where, value=value))
                shown = self._shown(decision, value)
                yield Finding("single", (), because, decision, value=shown)

    def _holds_only(self, projection: Projection, where: Where, value: int) -> bool:
        decision = projection.decisions.get(where)
        if decision is None:
            return False
        return self._only(decision.register, decision.ways[0]) == value

    def _follows(self, register: int, formula: Formula, fixed: set[int]) -> bool:
        """Whether an equation gives the field another value for other values of fields."""
        for block in formula:
            for atom in block[0] if len(block) == 1 else ():
                read = atom.poly.variables
                if atom.sign == "eq" and register in read and read - {register} - fixed:
                    return True
        return register not in variables(formula)

    def _only(self, register: int, formula: Formula) -> int | None:
        space = self._names.space
        if register in space.dense or self._several(register, formula):
            return None
        known = (over_names(formula), *known_of(self._names, {register, *variables(formula)}))
        answer = self._asked(known)
        if not isinstance(answer, solver.Satisfiable):
            return None
        value = int(answer.values[register])
        other = (equal(variable(register), number(value)),)
        differs = terms.Negated(over_names((((other[0],),),)))
        again = self._asked((*known, differs))
        return value if isinstance(again, solver.Contradiction) else None

    def _several(self, register: int, formula: Formula) -> bool:
        """Whether small values already show two of a field."""
        tried = small.assignments(self._names.space, formula)
        held = (values[register] for values in tried if small.holds(formula, values))
        return len(set(held)) > 1

    def _shown(self, decision: Decision, value: int) -> str:
        words = self._names.words.get(decision.register)
        if words is not None:
            return words[value]
        spec = self._names.fields[decision.register]
        if spec.kind == "date":
            from datetime import date  # noqa: PLC0415 - only dates need it

            return date.fromordinal(value).isoformat()
        whole, rest = divmod(abs(value), 10**spec.most)
        point = f".{rest:0{spec.most}}" if spec.most else ""
        return ("-" if value < 0 else "") + f"{whole}{point}" + ("%" if spec.shift else "")


def wide(projections: Iterable[Projection]) -> dict[int, str]:
    """The rules whose guards need more than 64 bits, and where."""
    found: dict[int, str] = {}
    for projection in projections:
        bounds = projection.names.space.bounds
        for where, formula in (*projection.fields.items(), *projection.ways.items()):
            for atom in (a for block in formula for cell in block for a in cell):
                if not projection.names.space.whole(atom.poly):
                    continue
                low, high = atom.poly.range(bounds)
                if low is None or high is None or max(-low, high) >= WIDEST:
                    decision = projection.decisions.get(where)
                    decision = decision or projection.decisions.get((*where[:2], -1))
                    for rule in atom.rules:
                        found.setdefault(rule, decision.name if decision else "")
    return found
