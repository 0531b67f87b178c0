"""Frozen dataclasses to JSON and back: packs are data, and only known data is read.

The JSON is one list. Every entry stands for a tuple, a dataclass or an exact number, and refers
to earlier entries as `"@n"`; equal parts are written once. The last entry is the whole. A
string is written behind a `'`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, is_dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulec.compiler import conditions, machine, ops, polynomial, regions, terms

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.compiler.machine import Machine

LONGEST = 400
"""Digits of the largest number that a machine holds."""

_TYPES: dict[str, Callable[..., Any]] = {
    made.__name__: made
    for module in (machine, ops, regions, terms, conditions, polynomial)
    for made in vars(module).values()
    if isinstance(made, type) and is_dataclass(made)
}


class Malformed(Exception):
    """The data is none that this version writes."""


def to_json(value: object) -> bytes:
    """The canonical JSON of a machine."""
    writer = _Writer()
    writer.put(value)
    return json.dumps(writer.entries, separators=(",", ":"), ensure_ascii=True).encode()


def digest(data: bytes) -> str:
    """SHA-256 over the canonical JSON of a machine."""
    return hashlib.sha256(data).hexdigest()


def with_digest(value: Machine, name: str) -> Machine:
    """The machine with its digest."""
    return replace(value, digest=name)


class _Writer:
    """Writes every distinct part once."""

    def __init__(self) -> None:
        self.entries: list[list[Any]] = []
        self._known: dict[tuple[Any, ...], str] = {}

    def put(self, value: object) -> Any:
        """The entry's reference, or the value itself where it needs none."""
        match value:
            case None | bool():
                return value
            case str():
                return "'" + value
            case int():
                return value if abs(value) < 2**53 else self._entry("int", hex(value))
            case Fraction():
                return self._entry("q", str(value.numerator), str(value.denominator))
            case terms.Gap():
                return self._entry("gap", value.value)
            case tuple():
                return self._entry("", *map(self.put, value))
        if is_dataclass(value) and not isinstance(value, type):
            kept = (part for part in fields(value) if part.compare or part.metadata)
            parts = (getattr(value, part.name) for part in kept)
            return self._entry(type(value).__name__, *map(self.put, parts))
        raise TypeError(type(value).__name__)

    def _entry(self, *parts: Any) -> str:
        key = tuple((type(part), part) for part in parts)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = f"@{len(self.entries)}"
            self.entries.append(list(parts))
        return known


def from_json(data: bytes) -> Any:
    """What `to_json` was given. Raises `Malformed`."""
    try:
        return _read(json.loads(data))
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, ArithmeticError) as e:
        raise Malformed(str(e)) from e


def _read(entries: Any) -> Any:
    if not isinstance(entries, list) or not entries:
        raise Malformed("no entries")
    made: dict[str, Any] = {}
    value: Any = None
    for number, (kind, *parts) in enumerate(entries):
        if kind in _EXACT:
            value = _EXACT[kind](*parts)
        else:
            held = [
                part if part.__class__ is not str else _string(part, made) for part in parts
            ]
            value = tuple(held) if kind == "" else _TYPES[kind](*held)
        made[f"@{number}"] = value
    return value


def _string(part: str, made: dict[str, Any]) -> Any:
    return part[1:] if part[:1] == "'" else made[part]


def _whole(shown: str) -> int:
    if len(shown) > LONGEST:
        raise Malformed("a number of too many digits")
    return int(shown, 16)


def _fraction(top: str, bottom: str) -> Fraction:
    if len(top) + len(bottom) > LONGEST:
        raise Malformed("a number of too many digits")
    return Fraction(int(top), int(bottom))


_EXACT: dict[str, Callable[..., Any]] = {"int": _whole, "q": _fraction, "gap": terms.Gap}
