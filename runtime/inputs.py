"""Values that come with a request."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from fractions import Fraction
from functools import cache
from typing import TYPE_CHECKING, Any

from rulec.compiler import regions
from rulec.compiler.automata import Dfa, regex_dfa
from rulec.compiler.evaluate import Evaluator
from rulec.compiler.machine import Parameter
from rulec.compiler.rows import MOST_ROWS, Rows
from rulec.compiler.terms import Gap
from rulec.dsl.quantities import parted
from rulec.dsl.regex import parse_regex
from rulec.runtime.verdicts import exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rulec.compiler.machine import Machine, Table
    from rulec.compiler.rows import Held
    from rulec.compiler.terms import Value

LONGEST = 60
_HUGE = 10**LONGEST
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?")


class BadInput(Exception):
    """A value of the request that doesn't fit its declaration."""


def registers(machine: Machine, given: Mapping[str, object] | None) -> dict[int, Held]:
    """The registers of the parameters and the tables. Raises `BadInput`."""
    values = dict(given or {})
    found: dict[int, Held] = {}
    for parameter in (given for given in machine.parameters if given.term is None):
        if parameter.name in values:
            found[parameter.register] = _value(parameter, values.pop(parameter.name))
        elif parameter.default is not None:
            found[parameter.register] = parameter.default
        else:
            raise BadInput(f"`{parameter.name}` must come with the request")
    for table in machine.tables:
        if table.given and table.name in values:
            found |= dict(_table(table, values.pop(table.name)))
        elif table.given:
            raise BadInput(f"`{table.name}` must come with the request")
    for name in values:
        raise BadInput(f"the rules have no `{name}`")
    return _computed(machine, found)


def _computed(machine: Machine, found: dict[int, Held]) -> dict[int, Held]:
    """The registers, and those of what is computed of them, in its order."""
    held: list[Any] = list(machine.initial)
    for register, value in found.items():
        held[register] = value
    for parameter in machine.parameters:
        if parameter.term is not None:
            evaluator = Evaluator(held, lambda _: Gap.UNKNOWN)
            found[parameter.register] = held[parameter.register] = evaluator.value(
                parameter.term
            )
    return found


def _table(table: Table, given: object) -> Iterator[tuple[int, Value | Rows]]:
    """The registers of a table: its rows, how many they are, and the ends of its columns."""
    rows = Rows(_rows(table, given))
    yield table.register, rows
    yield table.count, Fraction(len(rows))
    for place, column in enumerate(table.columns):
        if column.low >= 0:
            held = [value for value in rows.column(place) if isinstance(value, Fraction)]
            yield column.low, min(held, default=Gap.ABSENT)
            yield column.high, max(held, default=Gap.ABSENT)


def _rows(table: Table, given: object) -> dict[str, tuple[Value, ...]]:
    """The rows by their keys, or by their numbers where the table has no key."""
    if not isinstance(given, list | tuple):
        raise BadInput(f"`{table.name}` must be a list of rows")
    if len(given) > MOST_ROWS:
        raise BadInput(f"`{table.name}` has more than {MOST_ROWS:,} rows")
    key = Parameter(table.key, -1, "text", None, pattern=table.pattern)
    columns = [
        Parameter(c.name, -1, c.kind, None, c.domain, c.words, c.pattern, units=c.units)
        for c in table.columns
    ]
    found: dict[str, tuple[Value, ...]] = {}
    for number, row in enumerate(given, 1):
        try:
            name, values = _row(row, key if table.key else None, columns)
        except BadInput as error:
            raise BadInput(f"row {number} of `{table.name}`: {error}") from None
        if table.key and not name:
            raise BadInput(f"row {number} of `{table.name}`: its key is empty")
        if len(name.encode()) > table.longest:
            raise BadInput(f"row {number} of `{table.name}`: its key is too long")
        if name in found:
            raise BadInput(f"row {number} of `{table.name}`: there is another `{_shown(name)}`")
        found[name if table.key else str(number)] = values
    return found


def _row(
    row: object, key: Parameter | None, columns: Sequence[Parameter]
) -> tuple[str, tuple[Value, ...]]:
    if not isinstance(row, Mapping):
        raise BadInput("it must be an object")
    wanted = [column.name for column in columns] + ([key.name] if key is not None else [])
    for name in wanted:
        if name not in row:
            raise BadInput(f"`{name}` is missing")
    for name in row:
        if name not in wanted:
            raise BadInput(f"there is no column {_shown(name)}")
    name = "" if key is None else str(_value(key, row[key.name]))
    return name, tuple(_value(column, row[column.name]) for column in columns)


def _value(parameter: Parameter, given: object) -> Value:
    if parameter.kind == "word":
        return _word(parameter, given)
    if parameter.kind in ("text", "prose"):
        if not isinstance(given, str):
            raise BadInput(f"`{parameter.name}` must be a string")
        if parameter.pattern is not None and not _matches(parameter.pattern, given):
            raise BadInput(f"`{parameter.name}` doesn't match /{parameter.pattern}/")
        return given
    if parameter.units:
        return _quantity(parameter, given)
    value = _day(given) if parameter.kind == "date" else _number(given)
    if value is None:
        raise BadInput(f"`{parameter.name}` can't be {_shown(given)}")
    if not regions.contains(parameter.domain, value):
        raise BadInput(f"`{parameter.name}` {_outside(parameter, value)}: {_shown(given)}")
    return value


def _outside(parameter: Parameter, value: Fraction) -> str:
    if regions.contains(regions.hull(parameter.domain), value):
        return "has more digits than its type, or is left out of it"
    return "is outside of its range"


def _shown(given: object) -> str:
    if isinstance(given, Fraction | Decimal | bool | int):
        return _number_shown(given)
    text = repr(given)
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


def _number_shown(given: Fraction | Decimal | int) -> str:
    """A number or a truth value as the request wrote it."""
    if isinstance(given, bool):
        return "true" if given else "false"
    if isinstance(given, Decimal) and not given.is_finite():
        return str(given)
    if abs(given) >= _HUGE:
        return "a number that large"
    text = exact(Fraction(given))
    return text if len(text) <= LONGEST else text[:LONGEST] + "…"


@cache
def _automaton(pattern: str) -> Dfa:
    return regex_dfa(parse_regex(pattern))


def _matches(pattern: str, given: str) -> bool:
    return _automaton(pattern).accepts(given.encode("utf-8", "surrogatepass"))


def _word(parameter: Parameter, given: object) -> Value:
    if parameter.words == ("true", "false") and isinstance(given, bool):
        return given
    if isinstance(given, str) and given in parameter.words:
        return given
    raise BadInput(f"`{parameter.name}` must be one of {', '.join(parameter.words)}")


def _quantity(parameter: Parameter, given: object) -> Fraction:
    """A quantity in base units."""
    found = parted(given) if isinstance(given, str) else None
    unit = next((u for u in parameter.units if found and u.word == found[1]), None)
    if found is None or unit is None:
        words = ", ".join(unit.word for unit in parameter.units[:8])
        raise BadInput(f"`{parameter.name}` must be a number, a space and one of {words}")
    if not regions.contains(unit.written, found[0]):
        raise BadInput(f"`{parameter.name}` is outside of its range: {_shown(given)}")
    return found[0] * unit.factor


def _number(given: object) -> Fraction | None:
    """A number as JSON has it, read as a decimal."""
    match given:
        case bool():
            return None
        case int() | Fraction():
            return Fraction(given)
        case Decimal():
            plain = given.is_finite() and abs(given.adjusted()) < LONGEST
            return Fraction(given) if plain else None
        case float():
            return Fraction(repr(given)) if given == given and abs(given) < 1e15 else None  # noqa: PLR0124
        case str() if _NUMBER.fullmatch(given):
            return Fraction(given)
        case _:
            return None


def _day(given: object) -> Fraction | None:
    if isinstance(given, Fraction | int) and not isinstance(given, bool):
        return Fraction(given)
    if not isinstance(given, str) or not _DATE.fullmatch(given):
        return None
    try:
        return Fraction(date.fromisoformat(given).toordinal())
    except ValueError:
        return None
