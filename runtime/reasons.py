"""Why something may not come next: the rule, the field, and what would be right."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rulec.dsl.findings import one_line
from rulec.runtime.dates import Day
from rulec.runtime.numerals import Numeral
from rulec.runtime.programs import Name, Word, Written
from rulec.runtime.reference import DEAD, Config, Reference, Thread
from rulec.runtime.stack import Stack
from rulec.runtime.typed import Typed, wanted
from rulec.runtime.values import shown_values, text_values, word_values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rulec.compiler.machine import Field, Machine

SHOWN = 6


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token is masked.

    `rule` and `field` are empty where it is the text's shape that forbids it; `allowed` says
    what would be right instead.
    """

    message: str
    rule: str = ""
    field: str = ""
    allowed: str = ""
    because: str = ""


def explain_refusal(engine: Reference, config: Config, text: bytes, at: int) -> Refusal | None:
    """Why `text` can't follow (the empty text: why the trace can't end); None where it can."""
    here = config
    for offset, byte in enumerate(text):
        after = engine.step(here, byte, at)
        if after == DEAD or not after.threads:
            return _refusal(engine, here, text[offset:])
        here, at = after, at + 1
    if text:
        return None
    return _refusal(engine, here, b"") if engine.ending(here, at) is None else None


def told(rest: bytes) -> str:
    """The first character of a text, or its end, in a message."""
    return f"`{one_line(rest.decode('utf-8', 'replace')[:1])}`" if rest else "the end"


def _refusal(engine: Reference, config: Config, rest: bytes) -> Refusal:
    shown = told(rest)
    for thread in config.threads:
        found = _by_rule(engine, thread, shown, rest) or _promised(engine, thread, shown, rest)
        if found is not None:
            return found
    if len(config.threads) == 1 and isinstance(config.threads[0].lex, Name):
        return _of_names(engine, config.threads[0].lex, shown)
    expected = " or ".join(dict.fromkeys(_expected(engine, config)))
    return Refusal(f"{shown} can't stand here", allowed=expected)


def _by_rule(engine: Reference, thread: Thread, shown: str, rest: bytes) -> Refusal | None:
    """The rules that narrow the field under way."""
    match thread.lex:
        case Written(number, _, text, others) if _repeats(text + rest[:1], others):
            field = engine.machine.fields[number]
        case Numeral(number) | Day(number) | Word(number) | Stack(number) | Typed(number):
            field = engine.machine.fields[number]
        case _:
            return None
    allowed = _allowed(field, thread)
    if not allowed:
        return None
    names = [engine.machine.rules[rule] for rule in _responsible(engine, field, thread)]
    rule = ", ".join(dict.fromkeys(f"{r.shape}.{r.name}" for r in names))
    because = "; ".join(dict.fromkeys(r.because for r in names if r.because))
    label = f"{field.shape}.{field.name}" if field.name else field.shape
    by = f" by {rule}" if rule else ""
    message = f"{shown} can't stand here: `{label}` must be {allowed}{by}"
    return Refusal(message, rule, label, allowed, because)


def _promised(engine: Reference, thread: Thread, shown: str, rest: bytes) -> Refusal | None:
    """The promises without which a text could go on, or the trace could end."""
    regs, refusal = list(thread.regs), owing(engine.machine, thread.regs, shown)
    if refusal is None:
        return None
    for table in engine.machine.tables:
        spoken = thread.regs[table.spoken] if table.owed >= 0 else None
        if spoken:
            regs[table.spoken], regs[table.owed] = spoken.without_promises(), 0
    other = Config((thread._replace(regs=tuple(regs)),))
    return refusal if _goes_on(engine, other, rest) else None


def owing(machine: Machine, regs: Sequence[Any], shown: str) -> Refusal | None:
    """That something can't come while names are promised; None where none is."""
    owed = [
        f"`{name.decode()}` of `{table.name}`"
        for table in machine.tables
        if table.owed >= 0 and regs[table.spoken]
        for name in regs[table.spoken].promises
    ]
    if not owed:
        return None
    names = " and ".join(owed[:SHOWN]) + (", …" if len(owed) > SHOWN else "")
    message = f"{shown} can't stand here: {names} must still be defined"
    return Refusal(message, allowed=f"what defines {names}")


def _goes_on(engine: Reference, config: Config, rest: bytes) -> bool:
    """Whether the first byte of a text can come, or, without one, the trace can end."""
    if not rest:
        return engine.ending(config, 0) is not None
    return bool(engine.step(config, rest[0], 0).threads)


def _of_names(engine: Reference, lex: Name, shown: str) -> Refusal:
    """The names that may stand where another one was begun."""
    field = engine.machine.fields[lex.field]
    table = engine.machine.tables[field.table].name
    known = [] if lex.known is None else [f"`{name.decode()}`" for name in lex.known]
    few = [*known[:SHOWN], *(["…"] if len(known) > SHOWN else [])]
    few += [f"new in `{table}`"] if lex.new else []
    allowed = " or ".join(few) if len(few) < 3 else ", ".join(few[:-1]) + f" or {few[-1]}"
    label = f"{field.shape}.{field.name}" if field.name else field.shape
    message = f"{shown} can't stand here: `{label}` must be {allowed or 'a name'}"
    return Refusal(message, field=label, allowed=allowed)


def _repeats(text: bytes, others: tuple[bytes, ...]) -> bool:
    """Whether a text becomes one that it must differ from."""
    return any(other.startswith(text) for other in others)


def _allowed(field: Field, thread: Thread) -> str:
    match thread.lex:
        case Numeral() as lex if lex.allowed is not None:
            return shown_values(field, lex.allowed).brief
        case Day() as lex if lex.allowed is not None:
            return shown_values(field, (lex.allowed,)).brief
        case Word() as lex if lex.allowed is not None:
            return word_values(field, lex.allowed).brief
        case Written() as lex:
            return text_values(lex.taken).brief
        case Stack() as lex if lex.region is not None:
            return "an expression whose value the rules allow"
        case Typed() as lex if field.kind == "typed":
            return f"an expression of type {word_values(field, wanted(lex)).brief}"
        case Typed():
            return "a formula over names that there are"
        case _:
            return ""


def _responsible(engine: Reference, field: Field, thread: Thread) -> tuple[int, ...]:
    """The rules without which more would be open; where none is, those that narrow it."""
    beside = engine.rules.beside(field)
    if field.kind == "text":
        return tuple(n for n in beside if engine.machine.rules[n].tier == "mask")
    if field.kind not in ("number", "date"):
        return beside
    regs = thread.regs
    left = engine.rules.by_rules(field, regs, beside)
    decisive = tuple(
        rule
        for rule in beside
        if engine.rules.by_rules(field, regs, tuple(n for n in beside if n != rule)) != left
    )
    whole = engine.rules.by_rules(field, regs, ())
    return decisive or tuple(
        rule for rule in beside if engine.rules.by_rules(field, regs, (rule,)) != whole
    )


def _expected(engine: Reference, config: Config) -> Iterator[str]:
    """What may come, in a few words."""
    for thread in config.threads:
        possible = engine.bytes_of(thread.node)
        if len(possible) <= SHOWN:
            yield from (f"`{one_line(chr(byte))}`" for byte in possible)
        elif thread.lex is not None and possible and len(possible) < 32:
            yield "a digit" if possible[0] >= 0x30 else "a number"
