"""The solver: values with which terms hold. The only module that knows z3.

Conditions are terms over `Read` alone: no folds, nothing absent. Numbers are encoded as whole
multiples of what their register declares, so that nearly everything is integer arithmetic. An
intermediate beyond `LIMIT` has no value in the language; here it has, so that a `Contradiction`
excludes those too, and every model is tested by the evaluator before it is given.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from typing_extensions import assert_never

from rulec.compiler import propositions, terms
from rulec.compiler.encoding import TEXT, TRUTH, Encoder
from rulec.compiler.evaluate import Evaluator
from rulec.compiler.terms import Exact, Gap, Term

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rulec.compiler.propositions import Proposition

EFFORT = 4_000_000
"""What the solver may spend on a question, in its own deterministic units."""

SEED = 1

__all__ = [
    "EFFORT",
    "TEXT",
    "TRUTH",
    "Answer",
    "Contradiction",
    "Satisfiable",
    "Undecided",
    "follows",
    "satisfy",
]


@dataclass(frozen=True, slots=True)
class Satisfiable:
    """All conditions hold with these values, by register."""

    values: Mapping[int, Exact]


@dataclass(frozen=True, slots=True)
class Contradiction:
    """No values satisfy all conditions; those in `core` exclude each other already."""

    core: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Undecided:
    """The solver gave no answer."""

    reason: str


Answer: TypeAlias = Satisfiable | Contradiction | Undecided


def satisfy(
    conditions: Sequence[Term],
    scales: Mapping[int, int | None],
    *,
    rlimit: int = EFFORT,
    core: bool = False,
) -> Answer:
    """Values with which every condition is true, or that there are none.

    Args:
        conditions: terms over `Read`; `Present`, `Else` and `Folded` raise `TypeError`.
        scales: what each register holds: whole multiples of `1/scale`; any rational where it
            is None; a text (`TEXT`) or a truth value (`TRUTH`). A register of shown digits is
            declared with 1 and lies in 0..17.
        rlimit: what the solver may spend, so that the same question has the same answer.
        core: whether a contradiction names the conditions that it needs.
    """
    known = {} if core else _known(conditions, scales)
    for bounded in (False, True):
        answer = _ask(conditions, scales, known, bounded, rlimit, core)
        if not isinstance(answer, Satisfiable):
            break
        if _holds(conditions, answer.values):
            return answer
        answer = Undecided("the values lie beyond the limit of exact numbers")
    if bounded and isinstance(answer, Contradiction):
        return Undecided("the values lie beyond the limit of exact numbers")
    return answer


def _known(
    conditions: Sequence[Term], scales: Mapping[int, int | None]
) -> dict[int, terms.Const]:
    """The registers that a condition gives their value outright."""
    found: dict[int, terms.Const] = {}
    for condition in conditions:
        match condition:
            case terms.Relate("==", terms.Read(register), terms.Const(value) as held):
                if _fits(value, scales[register]):
                    found.setdefault(register, held)
    return found


def _fits(value: Exact, scale: int | None) -> bool:
    match value:
        case bool():
            return scale == TRUTH
        case str():
            return scale == TEXT
        case _:
            return scale is None or (scale > 0 and (value * scale).denominator == 1)


def _holds(conditions: Sequence[Term], values: Mapping[int, Exact]) -> bool:
    """Whether the evaluator agrees with a model."""
    regs: list[Any] = [Gap.UNKNOWN] * (max(values, default=-1) + 1)
    for register, value in values.items():
        regs[register] = value
    evaluator = Evaluator(regs, lambda _: Gap.UNKNOWN)
    return all(evaluator.value(condition) is True for condition in conditions)


def _ask(
    conditions: Sequence[Term],
    scales: Mapping[int, int | None],
    known: Mapping[int, terms.Const],
    bounded: bool,
    rlimit: int,
    core: bool,
) -> Answer:
    """One question to z3; with `bounded` no intermediate lies beyond the limit."""
    import z3  # noqa: PLC0415 - takes long to load

    context = z3.Context()
    encoder = Encoder(z3, context, scales, known)
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", rlimit)
    solver.set("random_seed", SEED)
    if core:
        solver.set("unsat_core", True)
        solver.set("core.minimize", True)
    for number, condition in enumerate(conditions):
        held = encoder.truth(condition).true
        if core:
            solver.assert_and_track(held, z3.Bool(f"c{number}", context))
        else:
            solver.add(held)
    solver.add(*encoder.demands, *(encoder.bounds if bounded else ()))
    answer = solver.check()
    if answer == z3.unsat:
        named = (int(str(label)[1:]) for label in solver.unsat_core()) if core else ()
        return Contradiction(tuple(sorted(named)))
    if answer != z3.sat:
        return Undecided(solver.reason_unknown())
    model = solver.model()
    found = {register: encoder.value(register, model) for register in scales}
    values = {register: value for register, value in found.items() if value is not None}
    return Satisfiable(values) if values == found else Undecided("the values are irrational")


def follows(premises: Sequence[str], claim: str, rlimit: int = EFFORT) -> bool | None:
    """Whether a formula holds wherever others do; None where the solver gives no answer."""
    import z3  # noqa: PLC0415 - takes long to load

    said, wanted = [*map(propositions.parse, premises)], propositions.parse(claim)
    context = z3.Context()
    names = {text: z3.Bool(text, context) for text in propositions.atoms((*said, wanted))}
    solver = z3.Solver(ctx=context)
    solver.set("rlimit", rlimit)
    solver.set("random_seed", SEED)
    solver.add(*(_formula(z3, term, names) for term in (*said, propositions.Denied(wanted))))
    answer = solver.check()
    if answer == z3.unsat:
        return True
    if answer != z3.sat:
        return None
    model = solver.model()
    truths = {text: z3.is_true(model.eval(name)) for text, name in names.items()}
    apart = all(propositions.holds(term, truths) for term in said)
    return False if apart and not propositions.holds(wanted, truths) else None


def _formula(z3: Any, term: Proposition, names: Mapping[str, Any]) -> Any:
    match term:
        case propositions.Name(text):
            return names[text]
        case propositions.Denied(inner):
            return z3.Not(_formula(z3, inner, names))
        case propositions.Both(inner):
            return z3.And(*(_formula(z3, part, names) for part in inner))
        case propositions.Either(inner):
            return z3.Or(*(_formula(z3, part, names) for part in inner))
        case propositions.Implied(inner):
            *given, last = (_formula(z3, part, names) for part in inner)
            return z3.Or(*(z3.Not(part) for part in given), last)
        case _:
            assert_never(term)
