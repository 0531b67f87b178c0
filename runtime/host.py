"""The host engine: rows that are kept, and the few tokens that depend on registers.

Its masks are those of the reference engine, bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from rulec.compiler.fit import Fitter, Ids, Row, TokenTable, Words
from rulec.compiler.places import DIGITS
from rulec.compiler.skeleton import Posture
from rulec.runtime import stack
from rulec.runtime.allowed import Rules
from rulec.runtime.budget import Budget
from rulec.runtime.numerals import Allowed, Numeral
from rulec.runtime.prefixes import Values, prefixes
from rulec.runtime.reference import Config, Reference, Thread
from rulec.runtime.stack import FRACTION, Stack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.machine import Field
    from rulec.compiler.pack import Pack
    from rulec.compiler.regions import Region

KEPT = 1_024
"""Masks of dynamic states that are kept."""


class Remembered(Rules):
    """Allowed sets, kept by the registers that they depend on."""

    def __init__(self, machine: Any) -> None:
        super().__init__(machine)
        self._known: OrderedDict[Any, Any] = OrderedDict()

    def numbers(self, field: Field, regs: Sequence[Any]) -> Allowed:
        """The numbers that a field may hold, computed once for equal registers."""
        key = "n", field.register, *self.seen(field, regs)
        found: Allowed = self._once(key, super().numbers, field, regs)
        return found

    def region(self, field: Field, regs: Sequence[Any]) -> Region:
        """Where an expression's value must lie, computed once for equal registers."""
        key = "r", field.register, *self.seen(field, regs)
        found: Region = self._once(key, super().region, field, regs)
        return found

    def _once(self, key: Any, made: Any, field: Field, regs: Sequence[Any]) -> Any:
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = made(field, regs)
            if len(self._known) > 4 * KEPT:
                self._known.popitem(last=False)
        return found


@dataclass(frozen=True)
class Candidates:
    """The open tokens of a row, ready to be tested.

    `digits` groups those that are digits only: by length, their ids and values. `texts` are all
    others, and `every` all of them, with what each shares with the one before it.
    """

    digits: tuple[tuple[int, Ids, Values], ...]
    texts: tuple[tuple[int, bytes, int], ...]
    every: tuple[tuple[int, bytes, int], ...]


def candidates(row: Row, table: TokenTable) -> Candidates:
    """The open tokens of a row."""
    texts = [(int(token), table.text(int(token))) for token in row.open]
    groups: dict[int, list[tuple[int, int]]] = {}
    rest: list[tuple[int, bytes]] = []
    for token, text in texts:
        plain = text.isdigit() and len(text) <= 18
        if plain and (len(text) == 1 or text[:1] != b"0"):
            groups.setdefault(len(text), []).append((token, int(text)))
        else:
            rest.append((token, text))
    digits = tuple(
        (
            length,
            np.array([token for token, _ in group], np.int32),
            np.array([value for _, value in group], np.int64),
        )
        for length, group in sorted(groups.items())
    )
    return Candidates(digits, tuple(_shared(rest)), tuple(_shared(texts)))


def _shared(texts: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, bytes, int]]:
    before = b""
    for token, text in texts:
        common = 0
        while common < min(len(before), len(text)) and before[common] == text[common]:
            common += 1
        yield token, text, common
        before = text


class Host:
    """One pack at work for any number of sessions."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.engine = _Remembering(pack.machine)
        self.budget = Budget(pack.machine)
        self._fitter: Fitter | None = None
        self._rows = dict(pack.rows)
        self._candidates: dict[Posture, Candidates] = {}
        self._costs: dict[Posture, NDArray[np.int32]] = {}
        self._kept: OrderedDict[Any, Words] = OrderedDict()
        self._plain: dict[tuple[int, int], int] = {}
        self._ends = np.array(pack.ends, np.int32)

    @property
    def fitter(self) -> Fitter:
        """Makes the rows that the pack doesn't hold."""
        if self._fitter is None:
            self._fitter = Fitter(self.pack.machine, self.pack.table)
        return self._fitter

    def row(self, posture: Posture) -> Row:
        """The row of a posture, made once."""
        row = self._rows.get(posture)
        if row is None:
            row = self._rows[posture] = self.fitter.row(posture)
        return row

    # --- masks ---

    def fill(self, config: Config, at: int, out: Words) -> None:
        """Set `out` to the tokens that may come next; ends of sequence included."""
        first, *others = config.threads
        out[:] = self._bits(first, at)
        for thread in others:
            np.bitwise_or(out, self._bits(thread, at), out=out)
        nodes = self.pack.machine.nodes
        if any(nodes[t.node].finals for t in config.threads) and self.ends(config, at):
            set_bits(out, self._ends)

    def ends(self, config: Config, at: int) -> bool:
        """Whether the trace may end here."""
        return self.engine.ending(config, at) is not None

    def _bits(self, thread: Thread, at: int) -> Words:
        posture = posture_of(thread)
        row = self.row(posture)
        if not len(row.open):
            return row.bits
        key = self._key(thread)
        if key is not None:
            kept = self._kept.get(key)
            if kept is not None:
                return kept
        bits = row.bits.copy()
        for ids in self._passing(thread, posture, row, at):
            set_bits(bits, ids)
        if key is not None:
            self._kept[key] = bits
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return bits

    def _key(self, thread: Thread) -> Any:
        """What a thread's mask depends on, where that is little."""
        if isinstance(thread.lex, Numeral) and thread.lex.allowed is not None:
            own = self.engine.machine.fields[thread.lex.field]
            if not self.engine.rules.beside(own):
                return (thread.node, *thread.lex[2:], thread.lex.field)
        return None

    def _passing(self, thread: Thread, posture: Posture, row: Row, at: int) -> Iterator[Ids]:
        found = self._candidates.get(posture)
        if found is None:
            found = self._candidates[posture] = candidates(row, self.pack.table)
        quick = self._digits(thread, found)
        texts = found.every if quick is None else found.texts
        if quick is not None:
            yield from quick
        yield np.array(list(self._walked(thread, texts, at)), np.int32)

    def _walked(
        self, thread: Thread, texts: Iterable[tuple[int, bytes, int]], at: int
    ) -> Iterator[int]:
        """The tokens that live, each text from where it leaves the one before it."""
        path: list[Config] = [Config((thread,))]
        step = self.engine.step
        for token, text, common in texts:
            del path[common + 1 :]
            if len(path) <= common:
                continue  # what it shares with the one before it has died
            for byte in text[len(path) - 1 :]:
                after = step(path[-1], byte, at + len(path) - 1)
                if not after.threads:
                    break
                path.append(after)
            else:
                yield token

    def _digits(self, thread: Thread, found: Candidates) -> list[Ids] | None:
        """The digit tokens that live, where arithmetic tells; else None."""
        if not found.digits:
            return []
        phase = self.budget.phases.get(thread.node, "")
        match thread.lex:
            case Numeral() if phase in ("start", "sign", "int", "point", "frac"):
                return self._number(thread.lex, phase, found)
            case Stack():
                return self._expression(thread.lex, phase, found)
            case _:
                return None

    def _number(self, lex: Numeral, phase: str, found: Candidates) -> list[Ids] | None:
        if lex.allowed is None:
            return None
        field = self.engine.machine.fields[lex.field]
        made: list[Ids] = []
        for length, ids, values in found.digits:
            if phase in ("start", "sign") and values[0] == 0:
                return None
            fraction = lex.fraction + length if phase in ("point", "frac") else 0
            if fraction > field.most or lex.mantissa * 10**length > DIGITS:
                continue
            after = "frac" if phase in ("point", "frac") else "int"
            open_ = prefixes(
                field.least,
                field.most,
                after,
                fraction,
                lex.negative,
                lex.allowed,
            )
            if open_ is None:
                return None
            made.append(ids[open_.among(lex.mantissa * 10**length + values)])
        return made

    def _expression(self, lex: Stack, phase: str, found: Candidates) -> list[Ids] | None:
        """Where any number can be brought to zero again, only its length counts."""
        if phase not in ("int", "frac", "operand") or not stack.indifferent(lex):
            return None
        mantissa = lex.mantissa or 0
        made: list[Ids] = []
        for length, ids, values in found.digits:
            if phase == "operand" and length > 1 and values[0] == 0:
                return None
            if phase == "frac" and lex.fraction + length > FRACTION:
                continue
            if mantissa * 10**length <= DIGITS:
                made.append(ids[mantissa * 10**length + values <= DIGITS])
        return made

    # --- tokens ---

    def advance(self, config: Config, token: int, at: int) -> Config:
        """The readings behind a token; none where it is refused."""
        if len(config.threads) == 1:
            thread = config.threads[0]
            key = thread.node, token
            node = self._plain.get(key)
            if node is None:
                node = self._plain[key] = self._plainly(thread.node, token)
            if node >= 0 and not thread.subs and thread.debt < 0:
                return Config((thread._replace(node=node),))
        return self.engine.walk(config, self.pack.table.text(token), at)

    def _plainly(self, node: int, token: int) -> int:
        """The node behind a token that runs no program, or -1."""
        nodes = self.pack.machine.nodes
        for byte in self.pack.table.text(token):
            edges = self.engine.edges(node)[byte]
            if len(edges) != 1 or edges[0].ops or edges[0].watched:
                return -1
            node = edges[0].target
            if nodes[node].exits or not (nodes[node].edges or nodes[node].finals):
                return -1
        return node

    def beginning_with(self, text: bytes) -> list[int]:
        """The tokens whose bytes begin with `text`."""
        return self.pack.table.beginning_with(text)

    # --- budgets ---

    def fill_within(self, config: Config, at: int, limit: int, out: Words) -> None:
        """Like `fill`, without tokens behind which the rest takes more than `limit` bytes."""
        self.fill(config, at, out)
        if limit >= self.budget.ceiling:
            return
        kept = np.zeros_like(out)
        for thread in config.threads:
            for ids in self._cheap(thread, at, limit):
                set_bits(kept, ids)
        set_bits(kept, self._ends)
        np.bitwise_and(out, kept, out=out)

    def _cheap(self, thread: Thread, at: int, limit: int) -> Iterator[Ids]:
        posture = posture_of(thread)
        costs = self._costs.get(posture)
        if costs is None:
            costs = self._costs[posture] = self.fitter.costs(posture)
        yield np.flatnonzero((costs >= 0) & (costs <= limit)).astype(np.int32)
        allowed = np.unpackbits(self._bits(thread, at).view(np.uint8), bitorder="little")
        unknown = np.flatnonzero(allowed[: len(costs)].astype(bool) & (costs < 0))
        config = Config((thread,))
        for token in unknown.tolist():
            after = self.engine.walk(config, self.pack.table.text(token), at)
            if self.budget.cost(after) <= limit:
                yield np.array([token], np.int32)


class _Remembering(Reference):
    """The reference engine with its allowed sets kept."""

    def _rules(self) -> Rules:
        return Remembered(self.machine)


def posture_of(thread: Thread) -> Posture:
    """Where a thread stands."""
    subs = tuple(
        (watch, frozenset(sub.node for sub in threads)) for watch, threads in thread.subs
    )
    return Posture(thread.node, subs)


def set_bits(out: Words, ids: Ids) -> None:
    """Set the bits of some tokens."""
    if len(ids) > 8:
        np.bitwise_or.at(out, ids >> 5, np.uint32(1) << (ids & 31).astype(np.uint32))
        return
    for token in ids.tolist():
        out[token >> 5] |= np.uint32(1 << (token & 31))
