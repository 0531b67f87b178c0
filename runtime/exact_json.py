"""JSON with exact numbers: what requests bring."""

from __future__ import annotations

import json
from fractions import Fraction
from typing import TypeAlias

Inputs: TypeAlias = "dict[str, object]"

_LONGEST = 40


class RequestError(ValueError):
    """The text is not a request; the message says why."""


def parse_inputs(text: str) -> Inputs:
    """Read a JSON object with numbers as exact decimals.

    Raises:
        RequestError: if it is no JSON object, names a member twice or holds an absurd number.
    """
    return exact_inputs(parse_json(text))


def exact_inputs(value: object) -> Inputs:
    """The inputs that a value of `parse_json` holds. Raises `RequestError`."""
    if not isinstance(value, dict):
        raise RequestError("a JSON object is expected")
    try:
        return {name: _exact(member) for name, member in value.items()}
    except RecursionError:
        raise RequestError("nested too deep") from None


class Digits(str):
    """A number as JSON spells it."""

    __slots__ = ()


def parse_json(text: str) -> object:
    """Read JSON; its numbers stay as they are spelled.

    Raises:
        RequestError: if it is no JSON or names a member twice.
    """
    try:
        value: object = json.loads(
            text,
            parse_int=Digits,
            parse_float=Digits,
            parse_constant=Digits,
            object_pairs_hook=_members,
        )
    except json.JSONDecodeError as error:
        raise RequestError(f"no JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise RequestError("no JSON: nested too deep") from None
    return value


def _exact(value: object) -> object:
    match value:
        case Digits():
            return _number(value)
        case list():
            return [_exact(item) for item in value]
        case dict():
            return {name: _exact(member) for name, member in value.items()}
        case _:
            return value


def _number(digits: str) -> Fraction:
    exponent = digits.lower().partition("e")[2]
    if len(digits) > _LONGEST or len(exponent) > 3:
        shown = digits if len(digits) <= _LONGEST else f"{digits[:_LONGEST]}…"
        raise RequestError(f"the number {shown} is too long")
    try:
        return Fraction(digits)
    except ValueError:
        raise RequestError(f"{digits} is no number") from None


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise RequestError(f"`{twice}` stands there twice")
    return members
