"""Frozen dataclasses to JSON and back: packs are data, and only known data is read."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulec.compiler import machine, ops, regions, terms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Machine

_TYPES: dict[str, type] = {
    made.__name__: made
    for module in (machine, ops, regions, terms)
    for made in vars(module).values()
    if isinstance(made, type) and is_dataclass(made)
}
DEEPEST = 200


class Malformed(Exception):
    """The data is none that this version writes."""


def to_json(value: object) -> bytes:
    """The canonical JSON of a machine."""
    return json.dumps(_encode(value), separators=(",", ":"), ensure_ascii=True).encode()


def digest(data: bytes) -> str:
    """SHA-256 over the canonical JSON of a machine."""
    return hashlib.sha256(data).hexdigest()


def with_digest(value: Machine, name: str) -> Machine:
    """The machine with its digest."""
    return replace(value, digest=name)


def _encode(value: object) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return value if abs(value) < 2**53 else {"#": "int", "v": str(value)}
    if isinstance(value, Fraction):
        return {"#": "q", "v": [str(value.numerator), str(value.denominator)]}
    if isinstance(value, terms.Gap):
        return {"#": "gap", "v": value.value}
    if isinstance(value, tuple):
        return [_encode(part) for part in value]
    if is_dataclass(value) and not isinstance(value, type):
        return [f"#{type(value).__name__}", *(_encode(part) for part in _values(value))]
    raise TypeError(type(value).__name__)


def _values(value: Any) -> Iterator[Any]:
    return (getattr(value, field.name) for field in fields(value) if field.compare)


def from_json(data: bytes) -> Any:
    """What `to_json` was given. Raises `Malformed`."""
    try:
        return _decode(json.loads(data), 0)
    except (ValueError, TypeError, KeyError, ZeroDivisionError, RecursionError) as error:
        raise Malformed(str(error)) from error


def _decode(value: Any, depth: int) -> Any:
    if depth > DEEPEST:
        raise Malformed("nested too deeply")
    if isinstance(value, list):
        if value and isinstance(value[0], str) and value[0].startswith("#"):
            return _made(value, depth)
        return tuple(_decode(part, depth + 1) for part in value)
    if isinstance(value, dict):
        return _exact(value)
    if isinstance(value, float):
        raise Malformed("a float")
    return value


def _made(value: list[Any], depth: int) -> Any:
    made = _TYPES.get(value[0][1:])
    if made is None:
        raise Malformed(f"unknown `{value[0]}`")
    return made(*(_decode(part, depth + 1) for part in value[1:]))


def _exact(value: dict[str, Any]) -> Any:
    match value:
        case {"#": "int", "v": str(digits)} if len(digits) < 100:
            return int(digits)
        case {"#": "q", "v": [str(top), str(bottom)]} if len(top) + len(bottom) < 100:
            return Fraction(int(top), int(bottom))
        case {"#": "gap", "v": str(name)}:
            return terms.Gap(name)
        case _:
            raise Malformed("an unknown value")
