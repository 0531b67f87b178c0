"""A laid-out trace as text: every gap spelled as its type spells values."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from rulec.compiler.automata import regex_dfa, search_dfa
from rulec.compiler.derivations import Derivations
from rulec.compiler.domains import BOOLEAN
from rulec.compiler.kinds import DIGITS
from rulec.compiler.matches import texts
from rulec.compiler.unroll import Gap, Match, Piece, Plain, Prose
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from rulec.compiler.machine import Field, Grammar
    from rulec.compiler.plan import Plan
    from rulec.compiler.terms import Exact
    from rulec.dsl.regex import Regex

NO_VALUE = "1 / 0"
"""An expression without a value."""

FILLERS = "xabcdefghijklmnopqrstuvwyz_.~"


class Unwritable(Exception):
    """The values can't be written in the trace."""


class Writer:
    """Writes the traces of a plan.

    `prose` is what stands in fields of prose, by number, `matches` what stands for unnamed
    patterns, by the text of their regular expression. Numbers in the fields `grouped` have a
    `,` between thousands.
    """

    def __init__(
        self,
        plan: Plan,
        prose: Mapping[int, str] | None = None,
        matches: Mapping[str, str] | None = None,
        grouped: frozenset[int] = frozenset(),
    ) -> None:
        self._grouped = grouped
        self._plan = plan
        self._told = prose or {}
        self._matches = matches or {}
        self._openings = frozenset(
            text[:1] for shape in plan.ruleset.shapes.values() for text in _literals(shape.body)
        ) | frozenset(text[:1] for text in _literals(plan.ruleset.trace))

    def write(self, pieces: Iterable[Piece], values: Mapping[int, Exact]) -> bytes:
        """The text of a trace. Raises `Unwritable`."""
        return "".join(self._piece(piece, values) for piece in pieces).encode()

    def _piece(self, piece: Piece, values: Mapping[int, Exact]) -> str:
        match piece:
            case Plain(text):
                return text
            case Match(regex):
                told = self._matches.get(str(regex))
                return _match(regex) if told is None else told
            case Prose(number):
                return self._prose(number)
            case Gap():
                return self._gap(piece, values)
            case _:
                assert_never(piece)

    def _gap(self, gap: Gap, values: Mapping[int, Exact]) -> str:
        spec, type_ = self._plan.fields[gap.field], self._plan.layout.types[gap.field]
        if gap.broken:
            return NO_VALUE
        value = values.get(gap.value)
        match spec.kind:
            case "word":
                return spec.spelled(_word(spec, value))
            case "text":
                return spec.spelled(_text(type_, value))
            case "ref":
                return spec.spelled(str(value))
            case "typed":
                return _typed(self._plan.layout.grammars[spec.grammar], value)
        if not isinstance(value, Fraction):
            raise Unwritable
        match spec.kind:
            case "number":
                digits = values.get(gap.digits)
                shown = _number(spec, value, None if digits is None else int(digits))
                return _in_groups(shown) if gap.field in self._grouped else shown
            case "date":
                return date.fromordinal(int(value)).isoformat()
            case "fraction":
                return f"{_whole(value.numerator)}/{_whole(value.denominator)}"
            case _:
                return _operated(value) if gap.inner else _expression(value)

    def _prose(self, number: int) -> str:
        """A short text that holds nothing of what follows."""
        if number in self._told:
            return self._plan.fields[number].spelled(self._told[number])
        type_ = self._plan.layout.types[number]
        if not isinstance(type_, checked.ProseType):
            raise Unwritable
        if not type_.least:
            return ""
        shunned = () if type_.without is None else (search_dfa(type_.without),)
        for filler in FILLERS:
            text = filler * type_.least
            if filler not in self._openings and not any(
                dfa.accepts(text[:end].encode())
                for dfa in shunned
                for end in range(len(text) + 1)
            ):
                return text
        raise Unwritable


def _literals(element: checked.Element) -> Iterator[str]:
    match element:
        case checked.Literal(text):
            yield text
        case checked.Sequence(inner) | checked.Choice(inner):
            for part in inner:
                yield from _literals(part)
        case checked.Optional(body):
            yield from _literals(body)
        case checked.Repeat(body, separator=separator):
            yield separator
            yield from _literals(body)


def _match(regex: Regex) -> str:
    """A match of an unnamed pattern; where there is room, with a space on either side."""
    found = texts((regex_dfa(regex),), 12)
    spaced = (text for text in found if len(text) > 2 and text == f" {text.strip()} ")
    text = next(spaced, None) or next(iter(found), None)
    if text is None:
        raise Unwritable
    return text


def _word(spec: Field, value: Exact | None) -> str:
    if value is None:
        return spec.words[0]
    if spec.words == BOOLEAN:
        return "true" if value is True else "false"
    return str(value)


def _typed(grammar: Grammar, value: Exact | None) -> str:
    """The shortest expression of a type, or of any, without names."""
    made = Derivations(grammar, (None,) * len(grammar.types)).shortest(0)
    there = [text for text in made if text is not None]
    if value in grammar.types:
        there = [text for text in (made[grammar.types.index(str(value))],) if text is not None]
    if not there:
        raise Unwritable
    return min(there, key=len).decode()


def _text(type_: checked.ScalarType, value: Exact | None) -> str:
    if isinstance(value, str):
        return value
    found = texts((regex_dfa(type_.regex),), 1) if isinstance(type_, checked.TextType) else ()
    if not found:
        raise Unwritable
    return found[0]


def _whole(value: int) -> str:
    if abs(value) > DIGITS:
        raise Unwritable
    return str(value)


def _number(spec: Field, value: Fraction, digits: int | None) -> str:
    """A number with the digits it should show, or as few as there can be."""
    shown = value * 10**spec.shift
    for count in range(spec.least, spec.most + 1):
        if digits is not None and count + spec.shift != digits:
            continue
        units = shown * 10**count
        if units.denominator == 1:
            return _decimal(int(units), count) + ("%" if spec.shift else "")
    raise Unwritable


def _in_groups(shown: str) -> str:
    whole, point, rest = shown.partition(".")
    return f"{int(whole):,}{point}{rest}" if whole.isdigit() else shown


def _decimal(units: int, digits: int) -> str:
    whole, rest = divmod(abs(units), 10**digits)
    _whole(abs(units))
    return ("-" if units < 0 else "") + str(whole) + (f".{rest:0{digits}}" if digits else "")


def plain(value: Fraction) -> str | None:
    """A number as an expression holds one; None where it has no end."""
    for digits in range(16):
        units = value * 10**digits
        if units.denominator == 1:
            return _decimal(int(units), digits)
    return None


def _expression(value: Fraction) -> str:
    """An expression of this value, a number where it is one."""
    shown = plain(value)
    if shown is not None and digits_of(shown) <= 6:
        return shown
    return f"{_whole(value.numerator)}/{_whole(value.denominator)}"


def digits_of(shown: str) -> int:
    """Fraction digits of a number."""
    return len(shown.partition(".")[2])


def _operated(value: Fraction) -> str:
    """An expression of this value with an operator."""
    shown = plain(abs(value))
    if shown is None:
        return f"{_whole(value.numerator)} / {_whole(value.denominator)}"
    if value < 0:
        return f"0 - {shown}"
    if value >= 2 and value.denominator == 1:
        return f"{value - 1} + 1"
    return f"{shown} + 0"


def proses(one: checked.ScalarType, other: checked.ScalarType) -> Iterator[str]:
    """Proses of the one type that may be none of the other."""
    if not isinstance(one, checked.ProseType) or not isinstance(other, checked.ProseType):
        return
    if other.most is not None:
        yield FILLERS[0] * (other.most + 1)
    if other.least > one.least:
        yield FILLERS[0] * (other.least - 1)
    if other.without is not None:
        yield from texts((regex_dfa(other.without),), 4)
