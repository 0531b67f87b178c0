"""The values of terms over lists and over functions of the embedding program."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from typing_extensions import assert_never

from rulec.compiler import lookups, propositions, terms
from rulec.compiler.gathering import finished, gathered, worst
from rulec.compiler.propositions import NoFormula
from rulec.compiler.provenance import number_set, numbers_in
from rulec.compiler.terms import START, Gap

if TYPE_CHECKING:
    from rulec.compiler.evaluate import Evaluator
    from rulec.compiler.terms import Opaque, Value

ENTAILS = "entails"
"""What is asked about formulas with many names: the premises, and what should follow."""

_DECISIVE: dict[str, bool] = {"all": False, "any": True}


def value(evaluator: Evaluator, term: Opaque) -> Value:
    """The value of a term over lists or functions."""
    match term:
        case terms.Listing(inner):
            held = [evaluator.value(part) for part in inner]
            found = tuple(item for item in held if item is not Gap.ABSENT)
            return worst(found) or cast("Value", found)
        case terms.Numbers(text):
            read = evaluator.value(text)
            return numbers_in(read) if isinstance(read, str) else read
        case terms.Operands(read, register):
            written = evaluator.value(read)
            missing = written in (Gap.UNKNOWN, Gap.ABSENT)
            return written if missing else evaluator.register(register)
        case terms.Bound(number):
            return cast("Value", evaluator.bound[number])
        case terms.Each():
            return _each(evaluator, term)
        case terms.Among():
            return _among(evaluator, term)
        case terms.Called(function, arguments):
            given = tuple(evaluator.value(part) for part in arguments)
            return worst(given) or evaluator.ask(function, given)
        case terms.Lookup() | terms.Listed() | terms.Entries() | terms.Linked():
            return lookups.value(evaluator, term)
        case terms.Entails(premises, claim):
            said, wanted = evaluator.value(premises), evaluator.value(claim)
            return worst((said, wanted)) or _entailed(evaluator, said, wanted)
        case _:
            assert_never(term)


def _entailed(evaluator: Evaluator, premises: Any, claim: Any) -> Value:
    """Short formulas are settled at once; for others the solver is asked later."""
    try:
        if propositions.small(premises, claim):
            return propositions.entails(premises, claim)
    except NoFormula:
        return Gap.COMPLEX
    return evaluator.ask(ENTAILS, (*premises, claim))


def _each(evaluator: Evaluator, term: terms.Each) -> Value:
    """Items whose body has no value have no part; what settles the list ends it."""
    source = evaluator.value(term.source)
    if isinstance(source, Gap) or not isinstance(source, tuple):
        return source
    held: Any = START[term.function]
    several: list[Value] | None = [] if term.function in ("items", "distinct") else None
    open_: Gap | None = None
    for item in source:
        evaluator.bound[term.number] = item
        found = evaluator.value(term.body)
        if found in (Gap.UNKNOWN, Gap.PENDING):
            open_ = Gap.UNKNOWN if Gap.UNKNOWN in (found, open_) else Gap.PENDING
        elif several is None or isinstance(found, Gap):
            held = gathered(term.function, held, found)
        else:
            several.append(found)
        if held is _DECISIVE.get(term.function):
            break
    if several is not None and not isinstance(held, Gap):
        return open_ or _several(term.function, several)
    return open_ or finished(term.function, held)


def _several(function: str, found: list[Value]) -> Value:
    """All values that a list has, or whether no two are the same."""
    if function == "distinct":
        return len(set(found)) == len(found)
    return cast("Value", tuple(found))


def _among(evaluator: Evaluator, term: terms.Among) -> Value:
    wanted, source = evaluator.value(term.term), evaluator.value(term.source)
    gap = worst((wanted, source))
    if gap is not None:
        return gap
    match term.source:
        case terms.Numbers(text):
            return wanted in number_set(cast("str", evaluator.value(text)))
        case _:
            return wanted in cast("tuple[Any, ...]", source)
