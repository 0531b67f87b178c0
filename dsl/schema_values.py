"""Single values of a JSON Schema as types of the language, with what only rules can say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from rulec.dsl.regex import LARGEST_COUNT, RegexError, parse_regex

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rulec.dsl.schema_places import Place

LARGEST = 10**15 - 1
MOST_DIGITS = 15
SHOWN = 6
"""Fraction digits of a `number`."""


@dataclass(frozen=True, slots=True)
class Value:
    """A type, and conditions on its value `{x}`; rules can't compare what is `opaque`."""

    type: str
    conditions: tuple[str, ...] = ()
    opaque: bool = False


def value_of(place: Place, kind: str) -> Value | None:
    """The type of a string, a number or a truth value; None where it can't be carried over."""
    place.take("type")
    for keyword in ("const", "enum"):
        if keyword in place:
            return _chosen(place, keyword)
    match kind:
        case "string":
            return _string(place)
        case "integer" | "number":
            return _number(place, whole=kind == "integer")
        case "boolean":
            return Value("bool")
        case "null":
            place.refuse("`null` has no type")
        case _:
            place.refuse("its type is not stated")
    return None


# --- chosen values ---


def _chosen(place: Place, keyword: str) -> Value | None:
    held = place.take(keyword)
    values = held if keyword == "enum" and isinstance(held, list) else [held]
    kinds = [_kind(value) for value in values]
    kind = next(filter(None, kinds), "")
    chosen = [value for value, own in zip(values, kinds, strict=True) if own == kind]
    if not kind:
        place.refuse(f"none of its values in `{keyword}` has a type")
        return None
    if len(chosen) < len(values):
        place.drop(keyword, f"only its values of the kind of `{_told(chosen[0])}` are written")
    match kind:
        case "word":
            words = " ".join(map(quoted, dict.fromkeys(chosen)))
            return Value(f"one of ({words})")
        case "truth":
            both = len(set(chosen)) == 2
            return Value("bool", () if both else ("{x}" if chosen[0] else "not {x}",))
        case _:
            return _numbers(sorted({Fraction(value) for value in chosen}))


def _kind(value: Any) -> str:
    """What a value can be carried over as; empty for not at all."""
    match value:
        case bool():
            return "truth"
        case str():
            return "word" if value else ""
        case int() | Fraction():
            number = Fraction(value)
            return "number" if abs(number) <= LARGEST and _digits(number) >= 0 else ""
        case _:
            return ""


def _told(value: object) -> str:
    return str(value)[:40]


def _numbers(values: Sequence[Fraction]) -> Value:
    digits = max(map(_digits, values))
    low, high = values[0], values[-1]
    type_ = _ranged(digits, low, high)
    if len(values) == 1 or (digits == 0 and high - low == len(values) - 1):
        return Value(type_)
    return Value(type_, ("{x} in {{" + ", ".join(map(decimal, values)) + "}}",))


# --- numbers ---


def _number(place: Place, *, whole: bool) -> Value | None:
    digits, free = (0 if whole else SHOWN), not whole
    conditions: tuple[str, ...] = ()
    step = place.take("multipleOf")
    if step is not None:
        shown = _digits(Fraction(step)) if _kind(step) == "number" and step > 0 else -1
        if shown < 0:
            place.drop("multipleOf", f"it is no number that {MOST_DIGITS} digits show")
        else:
            digits, free = (0 if whole else shown), False
            power = Fraction(1, 10**digits) / Fraction(step)
            if power.denominator != 1:
                conditions = ("{x} % " + decimal(Fraction(step)) + " == 0",)
    bounds = _bounds(place, Fraction(1, 10**digits))
    if bounds is None:
        return None
    low, high = bounds
    if low is None and high is None:
        return Value("number" if free else _type(digits), conditions)
    ends = (
        Fraction(-LARGEST) if low is None else low,
        Fraction(LARGEST) if high is None else high,
    )
    return Value(_ranged(digits, *ends), conditions)


def _bounds(place: Place, step: Fraction) -> tuple[Fraction | None, Fraction | None] | None:
    """The least and the greatest multiple of `step` between the bounds of a place."""
    lows = [ceil(end / step) * step for end in _ends(place, "minimum", strict=False)]
    lows += [
        (floor(e / step) + 1) * step for e in _ends(place, "exclusiveMinimum", strict=True)
    ]
    highs = [floor(end / step) * step for end in _ends(place, "maximum", strict=False)]
    highs += [
        (ceil(e / step) - 1) * step for e in _ends(place, "exclusiveMaximum", strict=True)
    ]
    low, high = max(lows, default=None), min(highs, default=None)
    low = None if low is not None and low < -LARGEST else low
    high = None if high is not None and high > LARGEST else high
    ends = (-LARGEST if low is None else low, LARGEST if high is None else high)
    if ends[0] > ends[1]:
        place.refuse("its bounds leave no number")
        return None
    return low, high


def _ends(place: Place, keyword: str, *, strict: bool) -> list[Fraction]:
    """The bound of a keyword; that of the plain one is strict where the other is `true`."""
    other = "exclusive" + keyword.capitalize()
    if strict and place.schema.get(keyword) is True:
        keyword = keyword.removeprefix("exclusive").lower()
    elif not strict and place.schema.get(other) is True:
        place.take(other)
        return []
    found = place.take(keyword)
    if found is None or found is False:
        return []
    if isinstance(found, bool) or not isinstance(found, int | Fraction):
        place.drop(keyword, "it is no number")
        return []
    return [Fraction(found)]


def _type(digits: int) -> str:
    return f"decimal(0..{digits})" if digits else "int"


def _ranged(digits: int, low: Fraction, high: Fraction) -> str:
    return f"{_type(digits)} in {decimal(low)} .. {decimal(high)}"


def _digits(value: Fraction) -> int:
    """How many fraction digits show a number; -1 where too many would."""
    for digits in range(MOST_DIGITS + 1):
        if (value * 10**digits).denominator == 1:
            return digits
    return -1


def decimal(value: Fraction) -> str:
    """A number that few digits show, as the language writes it."""
    digits = max(_digits(value), 0)
    whole, rest = divmod(abs(int(value * 10**digits)), 10**digits)
    return ("-" if value < 0 else "") + f"{whole:_}" + (f".{rest:0{digits}}" if digits else "")


# --- strings ---


def _string(place: Place) -> Value | None:
    form = place.take("format")
    if form == "date":
        for keyword in ("pattern", "minLength", "maxLength"):
            if keyword in place:
                place.drop(keyword, "it stands beside the format `date`")
        return Value("date")
    if form is not None:
        place.drop("format", f"there is no type for the format `{_told(form)}`")
    if "pattern" in place:
        pattern = _pattern(place)
        if pattern is not None:
            for keyword in ("minLength", "maxLength"):
                if keyword in place:
                    place.drop(keyword, "it stands beside a pattern")
            return Value(f"text /{pattern}/")
    low = place.count("minLength", LARGEST_COUNT) or 0
    high = place.count("maxLength", LARGEST_COUNT)
    if high is not None and low > high:
        place.refuse("its lengths leave no text")
        return None
    ends = f"{low or ''}..{'' if high is None else high}"
    return Value("prose" if ends == ".." else f"prose{{{ends}}}", opaque=True)


def _pattern(place: Place) -> str | None:
    """A pattern that is looked for anywhere, as one over the whole text."""
    pattern = place.take("pattern")
    if not isinstance(pattern, str):
        place.drop("pattern", "it is no text")
        return None
    start, end = pattern.startswith("^"), _anchored(pattern)
    inner = pattern[start : len(pattern) - end]
    try:
        parse_regex(inner)
    except RegexError as error:
        place.drop("pattern", error.message)
        return None
    if _split(inner) and (start or end):
        place.drop("pattern", "an anchor holds for one of its branches only")
        return None
    inner = inner if start and end and not _split(inner) else f"({inner})"
    whole = f"{'' if start else _ANYTHING}{inner}{'' if end else _ANYTHING}"
    return _slashed(whole)


_ANYTHING = r"(.|\n)*"


def _anchored(pattern: str) -> bool:
    """Whether a pattern ends with `$` that is no character."""
    before = pattern[:-1]
    slashes = len(before) - len(before.rstrip("\\"))
    return pattern.endswith("$") and slashes % 2 == 0


def _split(pattern: str) -> bool:
    """Whether a pattern has branches outside of all groups."""
    depth, at, inside = 0, 0, False
    while at < len(pattern):
        char = pattern[at]
        if char == "\\":
            at += 1
        elif inside:
            inside = char != "]"
        elif char == "[":
            inside = True
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            return True
        at += 1
    return False


def _slashed(pattern: str) -> str:
    """A pattern as it stands between slashes, on one line."""
    made: list[str] = []
    at = 0
    while at < len(pattern):
        taken = pattern[at : at + 2] if pattern[at] == "\\" else pattern[at]
        at += len(taken)
        if taken == "/":
            made.append("\\/")
        elif taken.isprintable():
            made.append(taken)
        else:
            made.append(f"\\u{{{ord(taken[-1]):x}}}")
    return "".join(made)


def quoted(text: str) -> str:
    """A string of the language."""
    short = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t"}
    shown = (short.get(char) or (char if char.isprintable() else _point(char)) for char in text)
    return '"' + "".join(shown) + '"'


def _point(char: str) -> str:
    return f"\\u{{{ord(char):x}}}"
