"""Values taken together, and a fold behind one more item."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING, Any, cast

from rulec.compiler.terms import Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.compiler.terms import Value

_ORDER = (Gap.UNKNOWN, Gap.ABSENT, Gap.PENDING, Gap.COMPLEX, Gap.UNDEFINED)


def worst(held: Sequence[Value]) -> Gap | None:
    """The gap that decides what values taken together are, if there is one."""
    gaps = [value for value in held if isinstance(value, Gap)]
    return next((gap for gap in _ORDER if gap in gaps), None) if gaps else None


def gathered(function: str, held: Any, value: Value) -> Any:
    """What a fold holds behind one more item; one without a value changes nothing."""
    if isinstance(held, Gap) and held in (Gap.UNDEFINED, Gap.COMPLEX):
        return held
    if isinstance(value, Gap):
        return held if value in (Gap.ABSENT, Gap.UNKNOWN, Gap.PENDING) else value
    match function:
        case "sum":
            return held + value
        case "count":
            return held + (value is True)
        case "last" | "prev":
            return value
        case "first":
            return value if held is Gap.ABSENT else held
        case "min" | "max":
            pick = min if function == "min" else max
            return value if held is Gap.ABSENT else pick(held, value)
        case "all":
            return held and value
        case "any":
            return held or value
        case "items" | "earlier":
            return (*held, value)
        case "sorted":
            return held is not False and not (held and value < held[0]) and (value,)
        case _:
            return held if held is False else value not in held and (*held, value)


def finished(function: str, held: Any) -> Value:
    """The value of a fold when its last item has been gathered."""
    if isinstance(held, Gap):
        return held
    match function:
        case "count":
            return Fraction(held)
        case "distinct" | "sorted":
            return held is not False
        case _:
            return cast("Value", held)
