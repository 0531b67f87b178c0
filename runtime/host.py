"""The host engine: rows that are kept, and the few tokens that depend on registers.

Its masks are those of the reference engine, bit for bit.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from rulec.compiler.fit import Fitter, Ids, Row, Words, in_byte_order
from rulec.compiler.kinds import DIGITS
from rulec.compiler.skeleton import Posture
from rulec.runtime import stack
from rulec.runtime.budget import HOPELESS, Budget
from rulec.runtime.candidates import Candidates, Text, candidates, in_turn, set_bits
from rulec.runtime.dates import Day
from rulec.runtime.descent import Descent
from rulec.runtime.differing import Differing
from rulec.runtime.naming import Naming
from rulec.runtime.numerals import Numeral
from rulec.runtime.prefixes import prefixes
from rulec.runtime.programs import Closed, Name, Word, Written
from rulec.runtime.quick import Quick
from rulec.runtime.reference import Config, Thread
from rulec.runtime.seen import Seen
from rulec.runtime.stack import FRACTION, TAMEST, Stack
from rulec.runtime.surely import Surely
from rulec.runtime.typed import Typed

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.pack import Pack

DIES, PROGRAM = -1, -2
"""What a token can do to a node other than lead to one without a program."""

SEVERAL = 2_048
"""So many open tokens are not tried one by one where no more others are sure."""

KEPT = 1_024
"""Masks that are kept."""


class Host:
    """One pack at work for any number of sessions."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.engine = Quick(pack.machine)
        self._differing = Differing(pack, self.engine.rules.guards)
        self._descent = Descent(pack, self.engine)
        self._surely = Surely(pack.machine, self.engine.rules)
        self._naming = Naming(pack, self.engine.walk, self._surely)
        self.budget = Budget.of(pack)
        self.ready: dict[int | tuple[int, ...], Words] = {}
        """Masks of nodes, one or several, where nothing depends on registers."""
        self._fitter: Fitter | None = None
        self._rows = dict(pack.rows)
        self._candidates: dict[Posture, Candidates] = {}
        self._landings: dict[Posture, _Landings] = {}
        self._kept: OrderedDict[Any, Words] = OrderedDict()
        self._reads: dict[int, list[tuple[int, ...]]] = {}
        self._plain: dict[int, int] = {}
        self._filled: dict[int, bool] = {}
        self.several = SEVERAL
        self._ends = np.array(pack.ends, np.int32)
        self.lengths: list[int] = np.diff(pack.table.offsets).tolist()
        """Bytes that each token writes."""

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

    def fill(self, config: Config, at: int, out: Words) -> bool:
        """Set `out` to the tokens that may come next; ends of sequence included.

        Returns whether it is sure that there are some.
        """
        threads = config.threads
        where = threads[0].node if len(threads) == 1 else tuple([t.node for t in threads])
        ready = self.ready.get(where)
        if ready is not None and not any(t.subs for t in threads):
            out[:] = ready
            return True
        first, *others = threads
        out[:] = self._bits(first, at)
        for thread in others:
            np.bitwise_or(out, self._bits(thread, at), out=out)
        nodes = self.pack.machine.nodes
        if any(nodes[thread.node].finals for thread in threads):
            if self.ends(config, at):
                set_bits(out, self._ends)
        elif len(threads) > 1 and all(map(self._static, threads)) and out.any():
            self.ready[where] = out.copy()
        return any(map(self._some, threads))

    def _some(self, thread: Thread) -> bool:
        """Whether some token is allowed whatever the registers hold."""
        if thread.subs:
            return False
        some = self._filled.get(thread.node)
        if some is None:
            row = self.row(Posture(thread.node))
            some = self._filled[thread.node] = bool(row.bits.any())
        return some

    def _static(self, thread: Thread) -> bool:
        """Whether nothing in a thread's mask depends on registers."""
        return not thread.subs and not len(self.row(posture_of(thread)).open)

    def ends(self, config: Config, at: int) -> bool:
        """Whether the trace may end here."""
        return self.engine.ending(config, at) is not None

    def _bits(self, thread: Thread, at: int) -> Words:
        kept = None if thread.subs else self._recalled(thread)
        if kept is not None:
            return kept
        posture = posture_of(thread)
        row = self.row(posture)
        if thread.subs:
            return self._tested(thread, posture, row, at) if len(row.open) else row.bits
        if not len(row.open):
            if not self.pack.machine.nodes[thread.node].finals and row.bits.any():
                self.ready[thread.node] = row.bits
            return row.bits
        return self._noted(thread, posture, row, at)

    def _recalled(self, thread: Thread) -> Words | None:
        """A mask that was made before for the same registers."""
        known = self._reads.get(thread.node)
        lex = None if known is None else _lex_key(thread)
        if known is None or lex is None:
            return None
        for reads in known:
            key = (thread.node, lex, reads, *[thread.regs[register] for register in reads])
            kept = self._kept.get(key)
            if kept is not None:
                return kept
        return None

    def _noted(self, thread: Thread, posture: Posture, row: Row, at: int) -> Words:
        """The mask of a thread, kept by the registers that were read to make it."""
        lex = _lex_key(thread)
        if lex is None or self._passes(thread):
            return self._tested(thread, posture, row, at)
        log: set[int] = set()
        seen = thread._replace(regs=Seen.of(thread.regs, log, frozenset()))
        bits = self._tested(seen, posture, row, at)
        reads = tuple(sorted(log))
        known = self._reads.setdefault(thread.node, [])
        if reads not in known:
            known.append(reads)
        key = (thread.node, lex, reads, *[thread.regs[register] for register in reads])
        self._kept[key] = bits
        if len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return bits

    def _passes(self, thread: Thread) -> bool:
        """Whether a state hardly ever comes again: the middle of a number that rules bind."""
        if not isinstance(thread.lex, Numeral) or not thread.lex.mantissa:
            return False
        return bool(self.engine.machine.fields[thread.lex.field].rules)

    def _tested(self, thread: Thread, posture: Posture, row: Row, at: int) -> Words:
        bits = row.bits.copy()
        for ids in self._passing(thread, posture, row, at):
            if len(ids):
                set_bits(bits, ids)
        return bits

    def _passing(self, thread: Thread, posture: Posture, row: Row, at: int) -> Iterator[Ids]:
        parted = self._differing.parted(thread, posture, row.open)
        if parted is not None:
            yield parted.sure
            yield from self._alive(thread, parted.doubtful, at)
            return
        around = self._naming.around(thread, posture, row.open, at)
        if around is not None:
            yield around.within
            yield from self._alive(thread, around.doubtful, at)
            return
        if self._descends(thread, row):
            yield self._descent.alive(thread, at)
            return
        found = self._candidates.get(posture)
        if found is None:
            skeleton = self.fitter.skeleton
            found = candidates(row, self.pack.table, skeleton, posture)
            self._candidates[posture] = found
        phase = self.budget.phases.get(thread.node, "")
        if isinstance(thread.lex, Numeral):
            quick = self._number(thread.lex, phase, found)
        elif isinstance(thread.lex, Stack):
            quick = self._expression(thread.lex, phase, found)
        else:
            quick = None
        ids, texts = ([], found.every) if quick is None else quick
        yield from ids
        yield from self._living(thread, texts, at)

    def _living(self, thread: Thread, texts: Sequence[Text], at: int) -> Iterator[Ids]:
        """Those of some tokens that live; what isn't surely so is walked."""
        sure = {token for token, text, _ in texts if self._surely.lives(thread, token, text)}
        if sure:
            yield np.array(sorted(sure), np.int32)
            rest = ((token, text) for token, text, _ in texts if token not in sure)
            texts = tuple(in_turn(rest))
        yield np.array([token for token, _ in self._walked(thread, texts, at)], np.int32)

    def _descends(self, thread: Thread, row: Row) -> bool:
        """Whether it is quicker to follow what lives than to try every open token."""
        if len(row.open) < self.several or thread.subs or not isinstance(thread.lex, Typed):
            return False
        return int(np.unpackbits(row.bits.view(np.uint8)).sum()) <= len(row.open)

    def _alive(self, thread: Thread, tokens: Ids, at: int) -> Iterator[Ids]:
        """Those of some tokens that live."""
        table = self.pack.table
        spelled = (
            (token, table.text(token)) for token in in_byte_order(tokens, table).tolist()
        )
        return self._living(thread, tuple(in_turn(spelled)), at)

    def _walked(
        self, thread: Thread, texts: Iterable[Text], at: int
    ) -> Iterator[tuple[int, Config]]:
        """The tokens that live, each text from where it leaves the one before it."""
        path: list[Config] = [Config((thread,))]
        step = self.engine.step
        reached = 0
        for token, text, shared in texts:
            reached = min(reached, shared)
            if reached < shared and len(path) - 1 < shared:
                continue  # what it shares with the one before it has died
            del path[shared + 1 :]
            for byte in text[shared:]:
                after = step(path[-1], byte, at + len(path) - 1)
                if not after.threads:
                    break
                path.append(after)
            reached = len(path) - 1
            if reached == len(text):
                yield token, path[-1]

    def _number(
        self, lex: Numeral, phase: str, found: Candidates
    ) -> tuple[list[Ids], Sequence[Text]] | None:
        """The digit tokens that live, told by intervals; and the texts to walk."""
        if lex.allowed is None or phase not in ("start", "sign", "int", "point", "frac"):
            return None
        begins = phase in ("start", "sign")
        field = self.engine.machine.fields[lex.field]
        made: list[Ids] = []
        for group in found.fresh if begins else found.digits:
            decimals = phase in ("point", "frac")
            fraction = lex.fraction + group.length if decimals else 0
            mantissa = lex.mantissa * 10**group.length
            if fraction > field.most or mantissa > DIGITS:
                continue
            after: Any = "frac" if decimals else "int"
            open_ = prefixes(
                field.least, field.most, after, fraction, lex.negative, lex.allowed
            )
            if open_ is None:
                return None
            made.append(group.ids[open_.among(mantissa + group.values)])
        return made, (*found.texts, *found.zero) if begins else found.texts

    def _expression(
        self, lex: Stack, phase: str, found: Candidates
    ) -> tuple[list[Ids], Sequence[Text]] | None:
        """The tokens that stay in an expression which they can't harm; and those to walk."""
        tame = stack.tame(lex)
        if phase not in ("int", "frac", "operand", "point"):
            return ([found.inside], found.across) if tame and not found.digits else None
        anything = stack.indifferent(lex)
        if not tame and not anything:
            return None
        begins = phase == "operand"
        made: list[Ids] = []
        for group in found.fresh if begins else found.digits:
            if phase in ("frac", "point") and lex.fraction + group.length > FRACTION:
                continue
            mantissa = (lex.mantissa or 0) * 10**group.length
            if not anything and mantissa + 10**group.length > TAMEST:
                return None
            if mantissa <= DIGITS:
                made.append(group.ids[mantissa + group.values <= DIGITS])
        zero = found.zero if begins else ()
        if tame:
            return [*made, found.inside], (*found.across, *zero)
        return made, (*found.texts, *zero)

    # --- tokens ---

    def advance(self, config: Config, token: int, at: int) -> Config:
        """The readings behind a token; none where it is refused."""
        made: list[Thread] = []
        for thread in config.threads:
            key = thread.node * self.pack.size + token
            node = self._plain.get(key)
            if node is None:
                node = self._plain[key] = self._plainly(thread.node, token)
            if node == PROGRAM or thread.subs or thread.debt >= 0:
                return self.engine.walk(config, self.pack.table.text(token), at)
            if node >= 0:
                _, regs, lex, marks, subs, debt = thread
                made.append(Thread(node, regs, lex, marks, subs, debt))
        return Config(tuple(made))

    def _plainly(self, node: int, token: int) -> int:
        """The node behind a token that runs no program; `DIES`, or `PROGRAM`."""
        nodes = self.pack.machine.nodes
        for byte in self.pack.table.text(token):
            edges = self.engine.edges(node)[byte]
            if not edges:
                return DIES
            if len(edges) != 1 or edges[0].ops or edges[0].watched:
                return PROGRAM
            node = edges[0].target
            if nodes[node].exits or not (nodes[node].edges or nodes[node].finals):
                return PROGRAM
        return node

    def beginning_with(self, text: bytes) -> list[int]:
        """The tokens whose bytes begin with `text`."""
        return self.pack.table.beginning_with(text)

    # --- budgets ---

    def fill_within(self, config: Config, at: int, limit: int, out: Words) -> bool:
        """Like `fill`, without tokens behind which the rest takes more than `limit` tokens."""
        sure = self.fill(config, at, out)
        if limit >= self.budget.ceiling:
            return sure
        kept = np.zeros_like(out)
        allowed = np.unpackbits(out.view(np.uint8), bitorder="little")
        for thread in config.threads:
            for ids in self._cheap(thread, at, limit, allowed):
                set_bits(kept, ids)
        set_bits(kept, self._ends)
        np.bitwise_and(out, kept, out=out)
        return False

    def _cheap(
        self, thread: Thread, at: int, limit: int, allowed: NDArray[np.uint8]
    ) -> Iterator[Ids]:
        """The tokens of a thread that fit a limit; only `allowed` ones are walked."""
        posture = posture_of(thread)
        found = self._landings.get(posture)
        if found is None:
            found = self._landings[posture] = self._landed(posture)
        costs = [
            min([self.budget.landed(node, thread) for node in nodes], default=HOPELESS)
            for nodes in found.sure
        ]
        near = (np.array(costs, np.int64) <= limit)[found.places]
        yield found.ids[near]
        unsure = found.ids[found.settled :][~near[found.settled :]]
        unsure = unsure[allowed[unsure] > 0]
        texts = in_turn((token, self.pack.table.text(token)) for token in unsure.tolist())
        walked = self._walked(thread, texts, at)
        kept = [token for token, after in walked if self.budget.cost(after) <= limit]
        yield np.array(kept, np.int32)

    def _landed(self, posture: Posture) -> _Landings:
        """Where tokens lead, as far as budgets can tell without walking them."""
        ids, places, stances = self.fitter.landings(posture)
        plain = self.budget.plain
        sure = [
            tuple(p.node for p, certain in stance if certain and plain(p.node, posture.node))
            for stance in stances
        ]
        settled = np.array(
            [len(nodes) == len(stances[n]) for n, nodes in enumerate(sure)], bool
        )
        place = np.zeros(self.pack.size, np.min_scalar_type(len(stances)))
        place[ids] = places
        first = ids[settled[places]]
        ids = np.concatenate([first, in_byte_order(ids[~settled[places]], self.pack.table)])
        return _Landings(ids, place[ids], sure, len(first))


class _Landings(NamedTuple):
    """Where tokens lead: token `ids[n]` surely to the nodes `sure[places[n]]`.

    The first `settled` ones lead nowhere else; the others are in the order of their bytes.
    """

    ids: Ids
    places: NDArray[Any]
    sure: list[tuple[int, ...]]
    settled: int


def posture_of(thread: Thread) -> Posture:
    """Where a thread stands."""
    if not thread.subs:
        return Posture(thread.node)
    subs = tuple(
        (watch, frozenset(sub.node for sub in threads)) for watch, threads in thread.subs
    )
    return Posture(thread.node, subs)


def _lex_key(thread: Thread) -> Any:
    """What a thread's mask depends on besides registers; None where that is too much."""
    if thread.lex is None or thread.lex.__class__ is Closed:
        return ()
    match thread.lex:
        case Numeral() | Day():
            return thread.lex._replace(start=0)
        case Word(field, _, allowed):
            return field, allowed
        case Written(field, _, text, taken):
            return field, text, taken
        case Typed():
            return thread.lex._replace(start=0)
        case Name(field, _, text, known, new, taken):
            return field, text, known, new, taken
        case _:
            return None
