"""What is written over names while it is written: its operators, and the types they come to."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from rulec.compiler import ops as m
from rulec.compiler.derivations import (
    DEPTH,
    FAR,
    OPERAND,
    PREFIXES,
    Derivations,
    Inside,
    Waiting,
    literals,
    spelled,
)
from rulec.compiler.rows import NOTHING
from rulec.compiler.tables import LONGEST

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rulec.compiler.derivations import Costs
    from rulec.compiler.machine import Grammar, Machine
    from rulec.compiler.ops import Piece
    from rulec.compiler.rows import Rows

MOST_DIGITS = 15
FRACTION = 6
"""Digits of a number, and those behind its point."""

UNTYPED = -1
"""The type of what has none."""

_NOT = b"not"

Demand: TypeAlias = "tuple[int, ...] | None"
"""Types of which one is wanted; None asks for nothing at all."""


class Typed(NamedTuple):
    """What is written over the names in `rows`, the innermost parentheses last.

    `token` is the word or the operator under way, `held` the type of an operand that has ended.
    `shown` counts digits behind a point, -1 where there is none. `free` tells that nothing is
    enforced; then something may be `wrong`, or a name `unknown`. `written` is all that has
    come, where that is kept.
    """

    field: int
    start: int
    made: Derivations
    rows: Rows
    insides: tuple[Inside, ...]
    phase: str = "operand"
    token: bytes = b""
    held: int = UNTYPED
    digits: int = 0
    shown: int = -1
    free: bool = False
    wrong: bool = False
    unknown: bytes = b""
    written: bytes | None = None

    @property
    def inside(self) -> Inside:
        """The innermost parentheses."""
        return self.insides[-1]

    @property
    def left(self) -> int:
        """How many more parentheses may be opened."""
        return DEPTH + 1 - len(self.insides)

    @property
    def behind(self) -> Costs:
        """What completes the text behind the operand that is awaited, by its type."""
        return self.made.wanted(self.inside, self.left)[OPERAND]

    def within(self, inside: Inside) -> Typed:
        """The same with other innermost parentheses, an operand awaited in them."""
        insides = (*self.insides[:-1], inside)
        return self._replace(insides=insides, phase="operand", token=b"", held=UNTYPED)

    def ended(self, type_: int) -> Typed:
        """An operand has ended, and is of some type."""
        wrong = self.wrong or type_ < 0
        return self._replace(phase="ended", token=b"", held=type_, wrong=wrong)


@lru_cache(256)
def derivations(grammar: Grammar, names: tuple[bytes | None, ...]) -> Derivations:
    """What a grammar derives, by the shortest name of each type."""
    return Derivations(grammar, names)


class Typing:
    """The expressions over names of one machine."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._known: dict[tuple[int, Rows], Derivations] = {}

    def derived(self, grammar: int, rows: Rows) -> Derivations:
        """What can be written over the names that there are."""
        made = self._known.get((grammar, rows))
        if made is None:
            spec = self._machine.grammars[grammar]
            told = literals(spec)
            shortest = list(told)
            for key, type_ in zip(rows.keys.order, types_of(spec, rows), strict=True):
                before = shortest[type_] if type_ >= 0 else b""
                if before is None or len(key) < len(before):
                    shortest[type_] = key
            own = zip(shortest, told, strict=True)
            made = derivations(spec, tuple(s if s is not t else None for s, t in own))
            if len(self._known) > 256:
                self._known.clear()
            self._known[grammar, rows] = made
        return made

    def begin(
        self, field: int, start: int, regs: Sequence[Any], demands: Iterable[Demand]
    ) -> Typed | None:
        """Nothing is written yet, and something of the first demand that can be met may be.

        None where none can be.
        """
        spec = self._machine.fields[field]
        table = self._machine.grammars[spec.grammar].table
        rows: Rows = regs[self._machine.tables[table].register] or NOTHING
        made = self.derived(spec.grammar, rows)
        written = b"" if spec.keep and spec.kind == "formula" else None
        for demand in demands:
            types = range(len(made.grammar.types))
            goal = tuple(0 if demand is None or n in demand else FAR for n in types)
            lex = Typed(field, start, made, rows, (Inside(goal),), written=written)
            if demand is None or rest(lex) < FAR:
                return lex._replace(free=demand is None)
        return None


def types_of(grammar: Grammar, rows: Rows) -> list[int]:
    """The types of names in the order of their bytes; -1 where one has none."""
    if grammar.column < 0:
        return [0] * len(rows)
    places = {word: place for place, word in enumerate(grammar.types)}

    def read(held: Any) -> int:
        return places.get(held, UNTYPED) if isinstance(held, str) else UNTYPED

    found: list[int] = rows.array(grammar.column, f"types {grammar.types}", read).tolist()
    return found


# --- one more byte ---


def taken(lex: Typed, piece: Piece, byte: int) -> Typed | None:
    """What is written behind one more byte; None where it can't be of a type that is wanted."""
    if lex.written is not None:
        lex = lex._replace(written=lex.written + bytes((byte,)))
    after = _taken(lex, piece, bytes((byte,)))
    if after is None or after.free or any(cost < FAR for cost in _rests(after)):
        return after
    return None


def _taken(lex: Typed, piece: Piece, byte: bytes) -> Typed | None:
    match piece:
        case "word" if lex.phase == "word":
            return lex._replace(token=lex.token + byte) if len(lex.token) < LONGEST else None
        case "digit" | "point" if lex.phase == "number":
            return _number(lex, piece)
        case "sign" if lex.phase == "sign":
            return lex._replace(token=lex.token + byte)
        case "letter":
            return _letter(lex, byte)
        case "unquote":
            return lex.ended(lex.made.grammar.text)
        case "word" | "digit" | "point" | "quote" | "open" | "prefix":
            return _begun(lex, piece, byte)
        case "blank" if lex.phase == "sign":
            return _operated(lex)
        case _:
            return _behind(resolved(lex), piece, byte)


def _number(lex: Typed, piece: Piece) -> Typed | None:
    if piece == "point":
        return lex._replace(shown=0)
    shown = lex.shown + 1 if lex.shown >= 0 else -1
    if lex.digits == MOST_DIGITS or shown > FRACTION:
        return None
    return lex._replace(digits=lex.digits + 1, shown=shown)


def _letter(lex: Typed, byte: bytes) -> Typed | None:
    """A byte of an operator that is a word; the space behind it ends it."""
    if byte != b" ":
        token = lex.token + byte if lex.phase == "letter" else byte
        return lex._replace(phase="letter", token=token)
    return _operated(lex)


def _operated(lex: Typed) -> Typed | None:
    """The operator under way is complete."""
    inside = lex.made.before(lex.inside, lex.held, lex.token.decode())
    return None if inside is None else lex.within(inside)


def _begun(lex: Typed, piece: Piece, byte: bytes) -> Typed | None:
    """An operand begins."""
    if piece == "prefix" and byte == b" ":
        return _prefixed(lex, "not")
    if lex.phase == "sign":
        operated = _operated(lex)
        if operated is None:
            return None
        lex = operated
    match piece:
        case "word":
            return lex._replace(phase="word", token=byte)
        case "digit":
            return lex._replace(phase="number", digits=1, shown=-1)
        case "point":
            return lex._replace(phase="number", digits=0, shown=0)
        case "quote":
            return lex._replace(phase="string")
        case "prefix":
            return _prefixed(lex, "-")
        case _:
            goal = tuple(cost + 1 for cost in lex.behind)
            return lex._replace(insides=(*lex.insides, Inside(goal)))


def _prefixed(lex: Typed, op: str) -> Typed | None:
    inside = lex.inside
    if inside.level > PREFIXES[op]:
        return None
    return lex.within(inside._replace(waiting=(*inside.waiting, Waiting(op, -1))))


def _behind(lex: Typed, piece: Piece, byte: bytes) -> Typed:
    """What follows an operand that is complete."""
    match piece:
        case "close":
            type_ = lex.made.whole(lex.inside, lex.held)
            return lex._replace(insides=lex.insides[:-1]).ended(type_)
        case "sign":
            return lex._replace(phase="sign", token=byte)
        case _:
            return lex._replace(phase="blank")


def resolved(lex: Typed) -> Typed:
    """The operand under way is complete."""
    match lex.phase:
        case "word":
            type_ = _word(lex)
            unknown = lex.unknown or (lex.token if type_ < 0 else b"")
            return lex._replace(unknown=unknown).ended(type_)
        case "number":
            grammar = lex.made.grammar
            return lex.ended(grammar.whole if lex.shown < 0 else grammar.fraction)
        case _:
            return lex


def _word(lex: Typed) -> int:
    """The type of a whole word; -1 where there is no such name."""
    grammar = lex.made.grammar
    text = lex.token.decode("utf-8", "replace")
    if text in dict(grammar.words):
        return dict(grammar.words)[text]
    row = lex.rows.row(text)
    if row is None or grammar.column < 0:
        return UNTYPED if row is None else 0
    held = row[grammar.column]
    return grammar.types.index(held) if held in grammar.types else UNTYPED


def ended(lex: Typed) -> Typed:
    """All is complete: `held` is the type of the whole, -1 where it has none."""
    done = resolved(lex)
    return done.ended(done.made.whole(done.inside, done.held))


def fits(lex: Typed) -> bool:
    """Whether the type of what is complete is wanted."""
    return lex.free or (lex.held >= 0 and lex.insides[0].goal[lex.held] < FAR)


def wanted(lex: Typed) -> tuple[int, ...]:
    """The types that the whole may have."""
    return tuple(n for n, cost in enumerate(lex.insides[0].goal) if cost < FAR)


def possible(lex: Typed) -> tuple[int, ...]:
    """The wanted types that the whole may still come to have."""
    return tuple(n for n in wanted(lex) if rest(_only(lex, n)) < FAR)


def _only(lex: Typed, type_: int) -> Typed:
    """The same, with one type that is wanted."""
    goal = tuple(0 if n == type_ else FAR for n in range(len(lex.insides[0].goal)))
    insides: list[Inside] = []
    for depth, inside in enumerate(lex.insides):
        insides.append(inside._replace(goal=goal))
        costs = lex.made.wanted(insides[-1], DEPTH - depth)[OPERAND]
        goal = tuple(cost + 1 for cost in costs)
    return lex._replace(insides=tuple(insides))


# --- what is left to write ---


def rest(lex: Typed) -> int:
    """The fewest bytes that complete it, those of a string under way left aside."""
    return min(_rests(lex), default=FAR)


def _rests(lex: Typed) -> Iterator[int]:
    match lex.phase:
        case "operand":
            yield lex.made.rest(lex.inside, lex.left)
        case "word":
            yield from _words(lex)
        case "number":
            yield from _numbers(lex)
        case "string":
            yield _cost(lex.behind, lex.made.grammar.text)
        case "ended":
            yield _cost(lex.behind, lex.held)
        case _:
            yield from _operators(lex)


def _cost(costs: Costs, type_: int) -> int:
    return costs[type_] if type_ >= 0 else FAR


def _words(lex: Typed) -> Iterator[int]:
    costs, grammar, text = lex.behind, lex.made.grammar, lex.token
    for word, type_ in grammar.words:
        if word.encode().startswith(text):
            yield len(word.encode()) - len(text) + _cost(costs, type_)
    keys = lex.rows.keys
    low, high = keys.span(text)
    if low < high:
        types = types_of(grammar, lex.rows)
        for place in range(low, high):
            yield len(keys.order[place]) - len(text) + _cost(costs, types[place])
    if _NOT.startswith(text) and (after := _prefixed(lex, "not")) is not None:
        yield len(_NOT) + 1 - len(text) + rest(after)


def _numbers(lex: Typed) -> Iterator[int]:
    grammar, costs = lex.made.grammar, lex.behind
    if lex.shown < 0:
        yield _cost(costs, grammar.whole)
        if lex.digits < MOST_DIGITS:
            yield 2 + _cost(costs, grammar.fraction)
    elif lex.shown or lex.digits < MOST_DIGITS:
        yield (0 if lex.shown else 1) + _cost(costs, grammar.fraction)


def _operators(lex: Typed) -> Iterator[int]:
    """The operators that go on from what is written of one."""
    infix = dict.fromkeys(s.op for s in lex.made.grammar.signatures if s.left >= 0)
    for op in infix:
        text = spelled(op) if lex.phase == "sign" else spelled(op).removeprefix(b" ")
        inside = lex.made.before(lex.inside, lex.held, op)
        if text.startswith(lex.token) and inside is not None:
            made = lex.within(inside)
            yield len(text) - len(lex.token) + made.made.rest(made.inside, made.left)


def distances(machine: Machine) -> dict[int, int]:
    """Bytes that close a string, by the nodes within it."""
    into: dict[int, list[int]] = {}
    found: dict[int, int] = {}
    for number, node in enumerate(machine.nodes):
        for edge in node.edges:
            if any(isinstance(op, m.StepTyped) and op.piece == "unquote" for op in edge.ops):
                found[number] = 1
            elif not edge.ops:
                into.setdefault(edge.target, []).append(number)
    queue = list(found)
    for node_ in queue:  # grows while it is gone through
        for before in into.get(node_, ()):
            if before not in found:
                found[before] = found[node_] + 1
                queue.append(before)
    return found
