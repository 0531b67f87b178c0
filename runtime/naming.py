"""References to names: which tokens can be part of one at all.

The names that there are come with a request or are defined by the trace, so a row can't hold
them. Here the tokens around a reference are found by its names, not by trying every token.
"""

from __future__ import annotations

from collections import OrderedDict
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.compiler import ops as m
from rulec.compiler.fit import Fitter
from rulec.compiler.skeleton import FreeNames, TightNames
from rulec.compiler.spoken import NO_NAMES
from rulec.runtime.allowed import Names
from rulec.runtime.programs import Name
from rulec.runtime.reference import Config, Thread
from rulec.runtime.spelled import Spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.fit import Ids
    from rulec.compiler.pack import Pack
    from rulec.compiler.rows import Keys
    from rulec.compiler.skeleton import Posture, Skeleton
    from rulec.runtime.surely import Surely

LONGEST = 16
"""Fixed bytes before a reference that are looked through."""

KEPT = 2_048
"""Spreads that are kept."""

MOST_ADDED = 24
"""Keys that may have come since a spread that is still good for the others."""

SINGLY = 48
"""Keys that are gone through one by one; of more, all beginnings are looked up at once."""

EMPTY = np.zeros(0, np.int64)


class Around(NamedTuple):
    """The tokens around a reference: those within one that can come, and those to be walked."""

    within: Ids
    doubtful: Ids


class _Ahead(NamedTuple):
    """Fixed bytes before a reference, what of it is written, and the names that it may be.

    `node` is where its next byte is waited for; `beside` are the bytes that may stand in its
    place. It may be a `new` name, too, none of those that are `taken`.
    """

    fixed: bytes
    done: bytes
    keys: Keys
    node: int
    beside: frozenset[int] = frozenset()
    new: bool = False
    taken: Keys = NO_NAMES

    @property
    def all(self) -> Sequence[bytes]:
        """The names that go on from what is written, barred ones too."""
        low, high = self.keys.span(self.done)
        return self.keys.order[low:high]


class _Before(NamedTuple):
    """The fixed bytes before a reference, where it begins, and what may stand in its place."""

    fixed: bytes
    begin: m.Begin
    first: int
    beside: frozenset[int]


UNSEEN: _Before | None = _Before(b"", m.Begin(-1), -1, frozenset())


class _Spread(NamedTuple):
    """The tokens of a posture that go as some keys do.

    Those `within` a key, or at an end behind which one could go on, stand for the keys from
    `low` to `high`; the others end one.
    """

    within: Ids
    low: NDArray[np.int64]
    high: NDArray[np.int64]
    ends: Ids


class _Open(NamedTuple):
    """The open tokens of a posture by their texts, and those that may go beside a reference."""

    spelled: Spelled
    others: Ids


class Naming:
    """Finds the tokens around references."""

    def __init__(
        self, pack: Pack, walk: Callable[[Config, bytes, int], Config], surely: Surely
    ) -> None:
        self._pack = pack
        self._surely = surely
        self._places: dict[int, _Before | None] = {}
        self._walk = walk
        self._open: dict[Posture, _Open] = {}
        self._spreads: OrderedDict[tuple[object, ...], _Spread] = OrderedDict()
        self._free: dict[Posture, tuple[NDArray[np.bool_], ...]] = {}
        self._fitters: dict[type[Skeleton], Fitter] = {}
        self._any = any(field.kind in ("ref", "def") for field in pack.machine.fields)
        self._uniform = all(table.forms == 1 for table in pack.machine.tables)

    def around(self, thread: Thread, posture: Posture, open_: Ids, at: int) -> Around | None:
        """The open tokens of a thread; None where it stands before no reference."""
        ahead = self._ahead(thread, at) if self._any else None
        if ahead is None:
            return None
        known = self._open.get(posture)
        if known is None:
            known = self._open[posture] = self._parted(ahead, open_)
        if ahead.new:
            free = self._freely(posture, open_, ahead, known)
            return Around(open_[free], open_[~free])
        spelled, others = known
        spread = self._spread(posture, spelled, ahead)
        if ahead.keys.open is not None and len(spread.within):
            spread = self._opened(spread, spelled, ahead, ahead.keys.open)
        doubtful = np.union1d(spread.ends, others) if len(spread.ends) else others
        return Around(spread.within, doubtful)

    def _opened(
        self, spread: _Spread, spelled: Spelled, ahead: _Ahead, open_: NDArray[np.bool_]
    ) -> _Spread:
        """The tokens along those keys that are not barred."""
        first, last = ahead.keys.span(ahead.done)
        here, order = open_[first:last], ahead.keys.order
        there = np.flatnonzero(here)
        if len(there) <= SINGLY:
            return self._along(spelled, ahead, [order[first + n] for n in there.tolist()])
        barred = np.flatnonzero(~here)
        if len(barred) <= SINGLY:
            along = self._along(spelled, ahead, [order[first + n] for n in barred.tolist()])
            spans = zip(along.within, along.low, along.high, strict=True)
            gone = [token for token, low, high in spans if not open_[low:high].any()]
            return spread._replace(within=np.setdiff1d(spread.within, gone))
        if not len(spread.low):
            spread = self._along(spelled, ahead, ahead.all)
        sums = np.zeros(last - first + 1, np.int64)
        np.cumsum(here, out=sums[1:])
        within = spread.within[sums[spread.high - first] > sums[spread.low - first]]
        return spread._replace(within=within)

    def _freely(
        self, posture: Posture, open_: Ids, ahead: _Ahead, known: _Open
    ) -> NDArray[np.bool_]:
        """The open tokens that are surely part of a name where that may be a new one.

        A token that no taken name begins with can't be barred by them: where none is left
        behind some beginning, it doesn't come there.
        """
        found = self._free.get(posture)
        if found is None:
            own = ~np.isin(open_, known.others)
            rows = (TightNames, FreeNames if self._uniform else TightNames)
            found = tuple(own & self._sure(row, posture, open_) for row in rows)
            self._free[posture] = found
        roomy, free = found
        return roomy | (free & ~np.isin(open_, list(self._alike(ahead, known.spelled))))

    def _alike(self, ahead: _Ahead, spelled: Spelled) -> Iterator[int]:
        """The tokens that taken names begin with."""
        least, place = len(ahead.fixed) + 1, len(ahead.done)
        for name in ahead.taken.beginning_with(ahead.done):
            text = ahead.fixed + name[place:]
            for length in range(least, min(len(text), spelled.longest) + 1):
                yield from spelled.tokens.get(text[:length], ())

    def _sure(
        self, skeleton: type[Skeleton], posture: Posture, open_: Ids
    ) -> NDArray[np.bool_]:
        """The open tokens that a skeleton of the control is certain of."""
        fitter = self._fitters.get(skeleton)
        if fitter is None:
            fitter = Fitter(self._pack.machine, self._pack.table, skeleton)
            self._fitters[skeleton] = fitter
        unpacked = np.unpackbits(fitter.row(posture).bits.view(np.uint8), bitorder="little")
        return unpacked[open_] > 0

    def _parted(self, ahead: _Ahead, open_: Ids) -> _Open:
        spelled, place = Spelled(self._pack, open_), len(ahead.fixed)
        others = [
            token
            for text, tokens in spelled.tokens.items()
            if len(text) <= place or text[place] in ahead.beside
            for token in tokens
        ]
        return _Open(spelled, np.array(others, np.int32))

    def _spread(self, posture: Posture, spelled: Spelled, ahead: _Ahead) -> _Spread:
        """The tokens along some keys; where there is one key more, from those before."""
        place, whole = (posture, ahead.fixed, ahead.done), ahead.keys.whole
        found = self._spreads.get((*place, whole))
        if found is None:
            known, added = self._nearest(place, whole)
            added = [key for key in added if key.startswith(ahead.done)]
            if known is None:
                found = self._along(spelled, ahead, ahead.all)
            elif not added:
                found = known
            else:
                found = _more(known, self._along(spelled, ahead, added))
            self._spreads[(*place, whole)] = found
            if len(self._spreads) > KEPT:
                self._spreads.popitem(last=False)
        return found

    def _nearest(
        self, place: tuple[object, ...], whole: Keys
    ) -> tuple[_Spread | None, list[bytes]]:
        """The spread of the same keys but for few that came last, and those."""
        added: list[bytes] = []
        for _ in range(MOST_ADDED):
            base = None if whole.before is None else whole.before()
            if base is None:
                break
            added.append(whole.added)
            known = self._spreads.get((*place, base))
            if known is not None:
                return known, added
            whole = base
        return None, added

    def _along(self, spelled: Spelled, ahead: _Ahead, keys: Sequence[bytes]) -> _Spread:
        """The tokens with which a key begins, and those that reach its end."""
        if len(keys) > SINGLY:
            return self._along_many(spelled, ahead, keys)
        ends: set[int] = set()
        begun: set[bytes] = set()
        fixed, done = ahead.fixed, len(ahead.done)
        for key in keys:
            if len(key) == done:
                continue  # what comes behind it is another reading's
            text = fixed + key[done:]
            for length in range(len(fixed) + 1, min(len(text), spelled.longest + 1)):
                begun.add(text[:length])
            if len(text) > spelled.longest:
                continue
            longer = spelled.starting(text)
            if text in spelled.tokens and self._goes_on(ahead.node, key[done:]):
                begun.add(text)
                longer = [token for token in longer if token not in spelled.tokens[text]]
            ends.update(longer)
        within: dict[int, tuple[int, int]] = {}
        for text in begun & spelled.tokens.keys():
            span = ahead.keys.span(ahead.done + text[len(fixed) :])
            within.update(dict.fromkeys(spelled.tokens[text], span))
        ids = sorted(within)
        spans = np.array([within[token] for token in ids], np.int64).reshape(-1, 2)
        reaching = np.array(sorted(ends), np.int32)
        return _Spread(np.array(ids, np.int32), spans[:, 0], spans[:, 1], reaching)

    def _along_many(self, spelled: Spelled, ahead: _Ahead, keys: Sequence[bytes]) -> _Spread:
        """The same of many keys at once."""
        fixed, done = ahead.fixed, len(ahead.done)
        first, _ = ahead.keys.span(ahead.done)
        if len(keys[0]) == done:
            first, keys = first + 1, keys[1:]  # what comes behind it is another reading's
        met, ended = spelled.met([fixed + key[done:] for key in keys])
        met = met[len(fixed) :]
        parts = [(*spelled.ids(texts), low, high) for texts, low, high in met]
        ends: set[int] = set()
        sure: dict[int, int] = {}
        for low, high in ended:
            text = spelled.order[low]
            whole = ahead.done + text[len(fixed) :]
            longer = spelled.order[low:high]
            if whole in ahead.keys.whole and self._goes_on(ahead.node, text[len(fixed) :]):
                place, _ = ahead.keys.span(whole)
                sure.update(dict.fromkeys(spelled.tokens[text], place))
                longer = longer[1:]
            ends.update(token for each in longer for token in spelled.tokens[each])
        ids = np.concatenate([EMPTY, *(ids for ids, *_ in parts)])
        lows = np.concatenate([EMPTY, *(np.repeat(low, n) for _, n, low, _ in parts)]) + first
        highs = (
            np.concatenate([EMPTY, *(np.repeat(high, n) for _, n, _, high in parts)]) + first
        )
        alone = sorted(set(sure) - set(ids.tolist()))
        places = np.array([sure[token] for token in alone], np.int64)
        ids = np.concatenate([ids, np.array(alone, np.int64)]).astype(np.int32)
        lows, highs = np.concatenate([lows, places]), np.concatenate([highs, places + 1])
        order = np.argsort(ids)
        return _Spread(ids[order], lows[order], highs[order], np.array(sorted(ends), np.int32))

    def _goes_on(self, node: int, text: bytes) -> bool:
        """Whether a name could have more bytes behind some: it is still under way there."""
        nodes = self._pack.machine.nodes
        for byte in text:
            node = next(edge.target for edge in nodes[node].edges if edge.bytes >> byte & 1)
        return bool(nodes[node].edges)

    # --- where references are ---

    def _ahead(self, thread: Thread, at: int) -> _Ahead | None:
        lex = thread.lex
        if isinstance(lex, Name):
            if lex.known is None:
                return None
            here = _Ahead(b"", lex.text, lex.known, thread.node)
            return here._replace(new=lex.new, taken=lex.taken)
        place = self._places.get(thread.node, UNSEEN)
        if place is UNSEEN:
            place = self._places[thread.node] = self._before(thread.node)
        if place is None:
            return None
        may = self._begin(thread, place.begin, place.fixed, at)
        return _Ahead(
            place.fixed, b"", may.known, place.first, place.beside, may.new, may.taken
        )

    def _before(self, node: int) -> _Before | None:
        """The reference that begins behind a node and some fixed bytes, if one does."""
        fixed = bytearray()
        nodes = self._pack.machine.nodes
        while len(fixed) < LONGEST:
            edges = nodes[node].edges
            plain = len(edges) == 1 and not edges[0].ops and not edges[0].watched
            if not plain or edges[0].bytes.bit_count() != 1:
                return None
            fixed.append(edges[0].bytes.bit_length() - 1)
            node = edges[0].target
            begun, beside = self._arrivals(node)
            if len(begun) == 1:
                op, first = begun[0]
                return _Before(bytes(fixed), op, first, beside)
            if begun or nodes[node].exits:
                return None
        return None

    def _begin(self, thread: Thread, op: m.Begin, fixed: bytes, at: int) -> Names:
        """The names that may stand behind some bytes."""
        known = self._surely.keys(thread, op.field, fixed)
        if known is not None:
            return Names(known)
        for after in self._walk(Config((thread,)), fixed, at).threads:
            lex = after.lex
            if isinstance(lex, Name) and lex.field == op.field and lex.known is not None:
                return Names(lex.known, lex.new, lex.taken)
        return Names(NO_NAMES)

    def _arrivals(self, node: int) -> tuple[list[tuple[m.Begin, int]], frozenset[int]]:
        """The names that begin at a node, with their first nodes.

        And the bytes that may stand there besides.
        """
        machine = self._pack.machine
        begun: list[tuple[m.Begin, int]] = []
        beside = 0
        queue = [node]
        for here in queue:  # grows while it is gone through
            beside = reduce(or_, (edge.bytes for edge in machine.nodes[here].edges), beside)
            for way in machine.nodes[here].exits:
                refers = [
                    (op, way.target)
                    for op in way.ops
                    if isinstance(op, m.Begin)
                    and machine.fields[op.field].kind in ("ref", "def")
                ]
                begun += refers
                if not refers and way.target not in queue:
                    queue.append(way.target)
        return begun, frozenset(byte for byte in range(256) if beside >> byte & 1)


def _more(known: _Spread, added: _Spread) -> _Spread:
    """The tokens along keys and one more, whose places don't count: no rows are barred."""
    if _holds(known.within, added.within) and _holds(known.ends, added.ends):
        return known if not len(known.low) else known._replace(low=EMPTY, high=EMPTY)
    return _Spread(
        np.union1d(known.within, added.within), EMPTY, EMPTY, np.union1d(known.ends, added.ends)
    )


def _holds(known: Ids, others: Ids) -> bool:
    """Whether sorted ids hold some others."""
    if not len(others):
        return True
    if not len(known):
        return False
    places = np.minimum(np.searchsorted(known, others), len(known) - 1)
    return bool((known[places] == others).all())
