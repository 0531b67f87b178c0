"""What a ruleset means, told once more: a backtracking parser and a direct evaluator.

Nothing of the compiler or the runtime is used, and nothing is quick. Prose and watches are left
out.
"""

from __future__ import annotations

import itertools
import json
import re
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

from rulec.dsl import checked as c

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LIMIT = 10**18
MOST = 10**15 - 1


class Gap(Enum):
    """Why there is no value."""

    ABSENT = "vacuous"
    COMPLEX = "too complex"
    UNDEFINED = "violate"


@dataclass
class Record:
    """One place of a shape: what its fields hold, and the item before it in its list."""

    shape: c.Shape | None
    values: dict[str, Any] = field(default_factory=dict)
    before: Record | None = None
    inner: tuple[Record, ...] = ()


@dataclass(frozen=True)
class Number:
    """A number as it is shown."""

    value: Fraction
    digits: int


# --- the text ---

_INT = r"-?(?:0|[1-9][0-9]*)"
_GROUPED = r"-?(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)"


class Reader:
    """Reads a trace in every way that the shapes allow."""

    def __init__(self, ruleset: c.Ruleset, text: str) -> None:
        self.ruleset = ruleset
        self.text = text

    def readings(self) -> Iterator[Record]:
        root = Record(None)
        for end, found in self.element(self.ruleset.trace, 0, root):
            if end == len(self.text):
                yield found

    def element(self, e: c.Element, at: int, into: Record) -> Iterator[tuple[int, Record]]:
        match e:
            case c.Literal(text):
                if self.text.startswith(text, at):
                    yield at + len(text), into
            case c.Pattern(regex):
                for end in self._matches(str(regex), at):
                    yield end, into
            case c.Sequence() if e.separator:
                yield from self._separated(e, e.parts, False, at, into)
            case c.Sequence(parts):
                yield from self._parts(parts, at, into)
            case c.Choice(options):
                for option in options:
                    yield from self.element(option, at, into)
            case c.Optional(body):
                yield from self.element(body, at, into)
                yield at, into
            case c.Repeat():
                yield from self._repeat(e, 0, at, into)
            case c.Slot():
                yield from self._slot(e, at, into)
            case _:
                raise NotImplementedError(e)

    def _matches(self, pattern: str, at: int) -> Iterator[int]:
        compiled = re.compile(pattern)
        for end in range(len(self.text), at - 1, -1):
            if compiled.fullmatch(self.text, at, end):
                yield end

    def _parts(
        self, parts: tuple[c.Element, ...], at: int, into: Record
    ) -> Iterator[tuple[int, Record]]:
        if not parts:
            yield at, into
            return
        for end, found in self.element(parts[0], at, into):
            yield from self._parts(parts[1:], end, found)

    def _repeat(
        self, e: c.Repeat, count: int, at: int, into: Record
    ) -> Iterator[tuple[int, Record]]:
        if count >= e.low:
            yield at, into
        if e.high is not None and count == e.high:
            return
        for start in self._separator(e, at) if count else (at,):
            for end, found in self.element(e.body, start, into):
                if end > at:
                    yield from self._repeat(e, count + 1, end, found)

    def _separated(
        self, e: c.Sequence, parts: tuple[c.Element, ...], written: bool, at: int, into: Record
    ) -> Iterator[tuple[int, Record]]:
        if not parts:
            yield at, into
            return
        body = parts[0].body if isinstance(parts[0], c.Optional) else parts[0]
        for start in self._separator(e, at) if written else (at,):
            for end, found in self.element(body, start, into):
                yield from self._separated(e, parts[1:], True, end, found)
        if isinstance(parts[0], c.Optional):
            yield from self._separated(e, parts[1:], written, at, into)

    def _separator(self, e: c.Sequence | c.Repeat, at: int) -> Iterator[int]:
        if self.text.startswith(e.separator, at):
            behind = at + len(e.separator)
            spaced = "" if e.spacing is None else str(e.spacing.regex)
            yield from self._matches(spaced, behind)

    def _slot(self, e: c.Slot, at: int, into: Record) -> Iterator[tuple[int, Record]]:
        listed = (
            e.name is not None
            and into.shape is not None
            and into.shape.fields[e.name].cardinality == "list"
        )
        if isinstance(e.type, c.ShapeType):
            shape = self.ruleset.shapes[e.type.shape]
            before = None
            if listed and into.values.get(e.name or ""):
                before = into.values[e.name or ""][-1]
            for end, found in self.element(shape.body, at, Record(shape, {}, before)):
                yield end, _with(into, e.name, found, listed, found)
            return
        for end, value in (self._quoted if e.quoted else self.scalar)(e.type, at):
            yield end, _with(into, e.name, value, listed, None)

    # --- fields ---

    def _quoted(self, type_: c.ScalarType, at: int) -> Iterator[tuple[int, Any]]:
        """A value in a JSON string, of which prose alone may be escaped as one likes."""
        found = re.compile(r'(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9A-Fa-f]{4}))*').match(
            self.text, at
        )
        assert found is not None
        text = json.loads(f'"{found[0]}"')
        prose = isinstance(type_, c.ProseType)
        if any(0xD800 <= ord(char) <= 0xDFFF for char in text):
            return
        if not prose and json.dumps(text, ensure_ascii=False)[1:-1] != found[0]:
            return
        for end, value in Reader(self.ruleset, text).scalar(type_, 0):
            if end == len(text):
                yield found.end(), value

    def scalar(  # noqa: C901, PLR0912 - a case for every type
        self, type_: c.ScalarType, at: int
    ) -> Iterator[tuple[int, Any]]:
        match type_:
            case c.IntType(low, high, grouped):
                yield from self._number(_GROUPED if grouped else _INT, at, low, high, 0)
            case c.DecimalType(least, most, low, high, grouped):
                tail = rf"\.[0-9]{{{max(least, 1)},{most}}}" if most else ""
                tail = f"(?:{tail})?" if least == 0 else tail
                body = (_GROUPED if grouped else _INT) + tail
                yield from self._number(body, at, low, high, 0)
            case c.NumberType():
                body = rf"(?:{_GROUPED}(?:\.[0-9]{{1,6}})?|-?\.[0-9]{{1,6}})"
                yield from self._number(body, at, None, None, 0)
            case c.PercentType():
                body = rf"(?:{_GROUPED}(?:\.[0-9]{{1,6}})?|-?\.[0-9]{{1,6}}) ?%"
                yield from self._number(body, at, None, None, 2)
            case c.FractionType():
                yield from self._fraction(at)
            case c.DateType(low, high):
                yield from self._date(at, low, high)
            case c.BoolType():
                for word in ("true", "false"):
                    if self.text.startswith(word, at):
                        yield at + len(word), word == "true"
            case c.EnumType(words):
                for word in words:
                    if self.text.startswith(word, at):
                        yield at + len(word), word
            case c.TextType(regex):
                for end in self._matches(str(regex), at):
                    yield end, self.text[at:end]
            case c.ProseType(least, most, without):
                length = len(self.text) - at
                barred = without is not None and re.search(str(without), self.text[at:])
                if not barred and least <= length and (most is None or length <= most):
                    yield len(self.text), self.text[at:]
            case c.ExprType(None):
                yield from self._expression(at)
            case _:
                raise NotImplementedError(type_)

    def _number(
        self, body: str, at: int, low: Any, high: Any, shift: int
    ) -> Iterator[tuple[int, Number]]:
        found = re.compile(body).match(self.text, at)
        if found is None:
            return
        shown = found[0].rstrip(" %").replace(",", "")
        digits = len(shown.partition(".")[2])
        value = Fraction(shown if shown[-1:] != "." else shown[:-1])
        mantissa = abs(value) * 10**digits
        negative = shown.startswith("-") and (value == 0 or (low is not None and low >= 0))
        inside = (low is None or value >= low) and (high is None or value <= high)
        if not negative and inside and mantissa <= MOST:
            yield found.end(), Number(value / 10**shift, digits + shift)

    def _fraction(self, at: int) -> Iterator[tuple[int, Number]]:
        found = re.compile(rf"({_INT})/([1-9][0-9]*)").match(self.text, at)
        if found is None or found[1] == "-0":
            return
        top, bottom = int(found[1]), int(found[2])
        if abs(top) <= MOST and bottom <= MOST:
            yield found.end(), Number(Fraction(top, bottom), 0)

    def _date(self, at: int, low: int | None, high: int | None) -> Iterator[tuple[int, Number]]:
        shown = self.text[at : at + 10]
        if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", shown):
            return
        try:
            day = date.fromisoformat(shown).toordinal()
        except ValueError:
            return
        if (low is None or day >= low) and (high is None or day <= high):
            yield at + 10, Number(Fraction(day), 0)

    def _expression(self, at: int) -> Iterator[tuple[int, Any]]:
        found = re.compile(r"[0-9.,+\-*/()$ ×÷]*").match(self.text, at)
        end = at if found is None else found.end()
        for stop in range(end, at, -1):
            value = expression(self.text[at:stop])
            if value is not None:
                yield stop, value if isinstance(value, Gap) else Number(value, 0)


def _with(
    into: Record, name: str | None, value: Any, listed: bool, inner: Record | None
) -> Record:
    values = dict(into.values)
    if name is not None:
        values[name] = [*values.get(name, []), value] if listed else value
    held = into.inner if inner is None else (*into.inner, inner)
    return replace(into, values=values, inner=held)


# --- expressions ---

_WHOLE = r"(?:0|[1-9][0-9]{0,2}(?:,[0-9]{3})+|[1-9][0-9]*)"
_TOKEN = re.compile(
    rf"(?P<number>\$?(?:{_WHOLE}(?:\.[0-9]{{1,6}})?|\.[0-9]{{1,6}}))"
    r"|(?P<op>//|[-+*/×÷])|(?P<open>\()|(?P<close>\))"
)


def expression(text: str) -> Fraction | Gap | None:
    """The value of an expression; None where it is none."""
    tokens: list[tuple[str, str]] = []
    at = 0
    if not text or text[-1] == " ":
        return None
    while at < len(text):
        if text[at] == " ":
            if at == 0 or text[at - 1] == " ":
                return None
            at += 1
            continue
        found = _TOKEN.match(text, at)
        if found is None:
            return None
        signed = bool(tokens) and tokens[-1][0] == "sign"
        if signed and text[at - 1] == " ":
            return None
        operand = not tokens or tokens[-1][0] in ("op", "open")
        sign = operand and found[0] in ("+", "-")
        tokens.append(("sign" if sign else str(found.lastgroup), found[0]))
        at = found.end()
    parser = _Expression(tokens)
    value = parser.total(0)
    return None if parser.wrong or parser.at != len(tokens) else value


class _Expression:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.at = 0
        self.wrong = False

    def peek(self) -> tuple[str, str]:
        return self.tokens[self.at] if self.at < len(self.tokens) else ("end", "")

    def total(self, depth: int) -> Any:
        value = self.term(depth)
        while self.peek()[1] in ("+", "-"):
            op = self.peek()[1]
            self.at += 1
            value = compute(op, value, self.term(depth))
        return value

    def term(self, depth: int) -> Any:
        value = self.factor(depth)
        while self.peek()[1] in ("*", "/", "//", "×", "÷"):
            op = {"×": "*", "÷": "/"}.get(self.peek()[1], self.peek()[1])
            self.at += 1
            value = compute(op, value, self.factor(depth))
        return value

    def factor(self, depth: int) -> Any:
        sign = 1
        if self.peek()[0] == "sign":
            sign = -1 if self.peek()[1] == "-" else 1
            self.at += 1
        kind, text = self.peek()
        self.at += 1
        if kind == "number":
            value = Fraction(text.lstrip("$").replace(",", ""))
            digits = len(text.partition(".")[2])
            self.wrong = self.wrong or value * 10**digits > MOST
            return value * sign
        if kind == "open" and depth < 4:
            inner = self.total(depth + 1)
            if self.peek()[0] == "close":
                self.at += 1
                return inner if isinstance(inner, Gap) else inner * sign
        self.wrong = True
        return Fraction(0)


def limited(value: Fraction) -> Fraction | Gap:
    if abs(value.numerator) > LIMIT or value.denominator > LIMIT:
        return Gap.COMPLEX
    return value


def compute(op: str, left: Any, right: Any) -> Any:
    for gap in (Gap.ABSENT, Gap.COMPLEX, Gap.UNDEFINED):
        if gap in (left, right):
            return left if isinstance(left, Gap) and op in "+-*///" and left is gap else gap
    if op in ("/", "//", "%") and right == 0:
        return Gap.UNDEFINED
    made: dict[str, Callable[[], Fraction]] = {
        "+": lambda: left + right,
        "-": lambda: left - right,
        "*": lambda: left * right,
        "/": lambda: left / right,
        "//": lambda: Fraction(floor(left / right)),
        "%": lambda: left - abs(right) * floor(left / abs(right)),
    }
    return limited(made[op]())


def round_half(value: Fraction, digits: int) -> Fraction:
    scaled = abs(value) * 10**digits
    whole = floor(scaled)
    if scaled - whole >= Fraction(1, 2):
        whole += 1
    return Fraction(whole if value >= 0 else -whole, 10**digits)


def round_even(value: Fraction, digits: int) -> Fraction:
    scaled = value * 10**digits
    whole, rest = floor(scaled), scaled - floor(scaled)
    if rest > Fraction(1, 2) or (rest == Fraction(1, 2) and whole % 2):
        whole += 1
    return Fraction(whole, 10**digits)


# --- rules ---


class Judge:
    """Evaluates rules over records."""

    def __init__(self, ruleset: c.Ruleset, given: dict[str, Any]) -> None:
        self.given = {
            name: given.get(name, param.default) for name, param in ruleset.params.items()
        }

    def claims(self, record: Record) -> Iterator[tuple[c.Rule, str]]:
        for inner in record.inner:
            yield from self.claims(inner)
        if record.shape is not None:
            for rule in record.shape.rules:
                held = self.value(rule.condition, {"": record})
                verdict = held.value if isinstance(held, Gap) else "pass" if held else "violate"
                yield rule, verdict

    def verdict(self, record: Record) -> str:
        found = {verdict for rule, verdict in self.claims(record) if rule.tier != "audit"}
        return next((v for v in ("violate", "too complex") if v in found), "pass")

    def value(self, term: c.Term, env: dict[str, Any]) -> Any:
        held = self._raw(term, env)
        return held.value if isinstance(held, Number) else held

    def _raw(  # noqa: C901, PLR0912 - a case for every term
        self, term: c.Term, env: dict[str, Any]
    ) -> Any:
        match term:
            case c.Number(value) | c.Text(value) | c.Truth(value):
                return value
            case c.Parameter(name):
                return self.given[name]
            case c.Variable(name):
                return env[name]
            case c.This():
                return env[""]
            case c.Previous(of):
                return self._raw(of, env).before or Gap.ABSENT
            case c.Member(of, name):
                return self._member(self._raw(of, env), name)
            case c.Default(inner, otherwise):
                held = self.value(inner, env)
                return self.value(otherwise, env) if held is Gap.ABSENT else held
            case c.And(inner):
                return self._first(inner, env, False)
            case c.Or(inner):
                return self._first(inner, env, True)
            case c.If(test, yes, no):
                held = self.value(test, env)
                return held if isinstance(held, Gap) else self.value(yes if held else no, env)
            case c.Call("present", (inner,)):
                return self.value(inner, env) is not Gap.ABSENT
            case c.Comprehension():
                return self._comprehension(term, env)
            case c.Call(name, (inner,)) if name in _LISTS and isinstance(
                items := self._raw(inner, env), list
            ):
                return fold(name, [_plain(item) for item in items])
            case c.InList(inner, source):
                held = self.value(inner, env)
                items = [_plain(item) for item in self._raw(source, env)]
                return held if isinstance(held, Gap) else _any([held == item for item in items])
            case c.Compare("~=", left, right):
                return self._near(left, right, env)
            case c.OneOf(inner, options):
                return self._strict(
                    lambda x, *all_: x in all_, [self.value(t, env) for t in (inner, *options)]
                )
            case _:
                return self._plain(term, env)

    def _member(self, held: Any, name: str) -> Any:
        if held is Gap.ABSENT:
            return held
        if isinstance(held, list):
            found: list[Any] = []
            for item in held:
                value = self._member(item, name)
                if isinstance(value, list):
                    found.extend(value)
                elif value is not Gap.ABSENT:
                    found.append(value)
            return found
        info = held.shape.fields[name]
        return held.values.get(name, [] if info.cardinality == "list" else Gap.ABSENT)

    def _first(self, inner: tuple[c.Term, ...], env: dict[str, Any], decisive: bool) -> Any:
        absent = False
        for term in inner:
            held = self.value(term, env)
            if held is decisive or held in (Gap.COMPLEX, Gap.UNDEFINED):
                return held
            absent = absent or held is Gap.ABSENT
        return Gap.ABSENT if absent else not decisive

    def _comprehension(self, term: c.Comprehension, env: dict[str, Any]) -> Any:
        items = self._raw(term.source, env)
        found = [self.value(term.body, {**env, term.variable: item}) for item in items]
        if term.function == "count":
            found = [held for held in found if isinstance(held, Gap) or held]
        return fold(term.function, found)

    def _near(self, left: c.Term, right: c.Term, env: dict[str, Any]) -> Any:
        shown = self._raw(left, env)
        digits = shown.digits if isinstance(shown, Number) else 0
        return self._strict(
            lambda a, b: abs(a - b) * 2 * 10**digits <= 1,
            [self.value(left, env), self.value(right, env)],
        )

    def _strict(self, function: Callable[..., Any], held: list[Any]) -> Any:
        for gap in (Gap.ABSENT, Gap.COMPLEX, Gap.UNDEFINED):
            if gap in held:
                return gap
        made = function(*held)
        return limited(made) if isinstance(made, Fraction) else made

    def _plain(self, term: c.Term, env: dict[str, Any]) -> Any:
        match term:
            case c.Negate(inner):
                return self._strict(lambda x: -x, [self.value(inner, env)])
            case c.Not(inner):
                return self._strict(lambda x: not x, [self.value(inner, env)])
            case c.Compute(op, left, right):
                return compute(op, self.value(left, env), self.value(right, env))
            case c.Compare(relation, left, right):
                held = [self.value(left, env), self.value(right, env)]
                return self._strict(_RELATIONS[relation], held)
            case c.Within(inner, low, high):
                held = [self.value(t, env) for t in (inner, low, high)]
                return self._strict(lambda x, a, b: a <= x <= b, held)
            case c.Call(name, arguments):
                held = [self.value(argument, env) for argument in arguments]
                return self._strict(_FUNCTIONS[name], held)
        raise NotImplementedError(term)


_RELATIONS: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "floor": lambda x: Fraction(floor(x)),
    "ceil": lambda x: Fraction(ceil(x)),
    "round": lambda x, n=Fraction(0): round_half(x, int(n)),
    "round_even": lambda x, n=Fraction(0): round_even(x, int(n)),
    "min": min,
    "max": max,
}
_LISTS = frozenset(
    ["sum", "count", "min", "max", "first", "last", "distinct", "sorted", "all", "any"]
)


def _plain(item: Any) -> Any:
    return item.value if isinstance(item, Number) else item


def _any(found: list[bool]) -> bool:
    return any(found)


def fold(name: str, items: list[Any]) -> Any:
    """A list folded; absent items count for nothing."""
    if name == "count":
        return Fraction(sum(item is not Gap.ABSENT for item in items))
    for item in items:
        if name in ("all", "any"):
            break
        if item in (Gap.COMPLEX, Gap.UNDEFINED):
            return item
    held = [item for item in items if item is not Gap.ABSENT]
    match name:
        case "sum":
            return sum(held, Fraction(0))
        case "distinct":
            return len(set(held)) == len(held)
        case "sorted":
            return all(a <= b for a, b in itertools.pairwise(held))
        case "all" | "any":
            return next(
                (x for x in held if isinstance(x, Gap) or x is (name == "any")), name == "all"
            )
    if not held:
        return Gap.ABSENT
    if name in ("min", "max"):
        return min(held) if name == "min" else max(held)
    return held[0] if name == "first" else held[-1]
