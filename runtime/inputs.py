"""Values that come with a request."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.compiler import regions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.machine import Machine, Parameter
    from rulec.compiler.terms import Value

_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class BadInput(Exception):
    """A value of the request that doesn't fit its declaration."""


def registers(machine: Machine, given: Mapping[str, object] | None) -> dict[int, Value]:
    """The registers of the parameters. Raises `BadInput`."""
    values = dict(given or {})
    found: dict[int, Value] = {}
    for parameter in machine.parameters:
        if parameter.name in values:
            found[parameter.register] = _value(parameter, values.pop(parameter.name))
        elif parameter.default is not None:
            found[parameter.register] = parameter.default
        else:
            raise BadInput(f"`{parameter.name}` must come with the request")
    for name in values:
        raise BadInput(f"the rules have no `{name}`")
    return found


def _value(parameter: Parameter, given: object) -> Value:
    if parameter.kind == "word":
        return _word(parameter, given)
    if parameter.kind in ("text", "prose"):
        if not isinstance(given, str):
            raise BadInput(f"`{parameter.name}` must be a string")
        return given
    value = _day(given) if parameter.kind == "date" else _number(given)
    if value is None:
        raise BadInput(f"`{parameter.name}` can't be {given!r}")
    if not regions.contains(parameter.domain, value):
        raise BadInput(f"`{parameter.name}` is outside of its range: {given}")
    return value


def _word(parameter: Parameter, given: object) -> Value:
    if parameter.words == ("true", "false") and isinstance(given, bool):
        return given
    if isinstance(given, str) and given in parameter.words:
        return given
    raise BadInput(f"`{parameter.name}` must be one of {', '.join(parameter.words)}")


def _number(given: object) -> Fraction | None:
    """A number as JSON has it, read as a decimal."""
    match given:
        case bool():
            return None
        case int() | Fraction() | Decimal():
            return Fraction(given)
        case float():
            return Fraction(repr(given)) if given == given and abs(given) < 1e15 else None  # noqa: PLR0124
        case str() if _NUMBER.fullmatch(given):
            return Fraction(given)
        case _:
            return None


def _day(given: object) -> Fraction | None:
    if isinstance(given, Fraction | int) and not isinstance(given, bool):
        return Fraction(given)
    try:
        return Fraction(date.fromisoformat(str(given)).toordinal())
    except ValueError:
        return None
