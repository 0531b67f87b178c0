"""A trace that begins behind a marker: whatever a reasoning model thinks before is free."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.runtime.budget import HOPELESS
from rulec.runtime.inputs import BadInput
from rulec.runtime.marker import BLANK
from rulec.runtime.reasons import Refusal
from rulec.runtime.session import Refused

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.fit import Words
    from rulec.compiler.pack import Pack
    from rulec.runtime.bars import Bars
    from rulec.runtime.marker import Marker, Writing
    from rulec.runtime.session import Session
    from rulec.runtime.verdicts import Claim, Verdict


class _Free(NamedTuple):
    """Before the trace: how much of the marker stands, or that it is written already."""

    state: int
    written: bool


class After:
    """A session whose trace begins behind the first occurrence of a marker.

    Special tokens count as they are spelled. Blanks behind the marker are skipped. The end of
    sequence is barred before it, and the marker is forced when the budget falls to what it and
    the shortest trace take.

    Args:
        session: of the trace, with the whole budget.
        marker: what the trace stands behind.
        writing: the vocabulary of the session's pack.
        budget: tokens for everything.

    Raises:
        BadInput: if marker and trace may not fit the budget.
    """

    def __init__(
        self, session: Session, marker: Marker, writing: Writing, budget: int | None
    ) -> None:
        self._first, self._marker, self._writing = session, marker, writing
        self._budget, self._shortest = budget, session.needed
        if budget is not None and marker.dearest + self._shortest > budget:
            needed = marker.dearest + self._shortest
            raise BadInput(f"no trace is sure to fit {budget} tokens: {needed} may be needed")
        self._free = [_Free(0, False)]
        self._tokens: list[int] = []
        self._needed: dict[bytes, int | None] = {}
        self._lost = False
        self.session: Session | None = None
        """The session of the trace, once that has begun."""

    @property
    def pack(self) -> Pack:
        """The rules."""
        return self._first.pack

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens accepted so far."""
        return (*self._tokens, *(self.session.tokens if self.session else ()))

    @property
    def finished(self) -> bool:
        """See `Session`."""
        return self._lost if self.session is None else self.session.finished

    @property
    def exhausted(self) -> bool:
        """See `Session`."""
        return self._lost if self.session is None else self.session.exhausted

    @property
    def stuck(self) -> bool:
        """See `Session`."""
        return self.session is not None and self.session.stuck

    @property
    def since(self) -> tuple[int, int] | None:
        """See `Session`; the token is counted from where the thinking began."""
        if self.session is None or self.session.since is None:
            return None
        byte, token = self.session.since
        return byte, token + len(self._tokens)

    @property
    def violations(self) -> Sequence[Claim]:
        """See `Session`."""
        return () if self.session is None else self.session.violations

    def verdicts(self) -> Sequence[Claim]:
        """See `Session`."""
        return () if self.session is None else self.session.verdicts()

    def verdict(self) -> Verdict:
        """See `Session`; tokens are counted from where the thinking began."""
        if self.session is None:
            return self._first.verdict()
        found, before = self.session.verdict(), len(self._tokens)
        head = self.session.moments[0].at
        ends = (*(0,) * (before - 1), *((head,) if before else ()), *(found.ends or ()))
        token = None if found.token is None else found.token + before
        return replace(found.placed(ends, found.vocabulary), token=token)

    def why(self, token: int) -> Refusal | None:
        """See `Session`."""
        if self.session is not None:
            return self.session.why(token)
        return None if self.allows(token) else Refusal("it may not stand before the trace")

    def retreat(self, floor: int = 0) -> int:
        """See `Session`; never goes back into what was thought."""
        return 0 if self.session is None else self.session.retreat(floor)

    @property
    def demoted(self) -> frozenset[str]:
        """See `Session`."""
        return self._first.demoted

    @property
    def bars(self) -> Bars:
        """See `Session`."""
        return (self.session or self._first).bars

    def forced(self) -> bytes:
        """See `Session`."""
        return b"" if self.session is None else self.session.forced()

    # --- tokens ---

    def accept(self, token: int) -> None:
        """Take a token. Raises `Refused` where it may not stand."""
        if self.session is not None:
            self.session.accept(token)
            return
        if not self.allows(token):
            raise Refused(Refusal("it may not stand before the trace"))
        free, head = self._after(token)
        if token in self._first.pack.ends:
            self.session = self._start()
            self.session.accept(token)
            return
        budget = self._left()
        self._tokens.append(token)
        self._free.append(free)
        if head is not None:
            self.session = self._first.opened(head, None if budget is None else budget - 1)

    def _start(self) -> Session:
        """The trace, begun between two tokens."""
        found = self._first.opened(b"", self._left())
        if self._lost:
            found.mask(np.zeros(found.pack.table.words, np.uint32))
        return found

    def rollback(self, count: int) -> None:
        """Take back the last `count` tokens."""
        held = 0 if self.session is None else len(self.session.tokens)
        inside = min(count, held)
        if self.session is not None:
            self.session.rollback(inside)
        count -= inside
        if not count:
            return
        if count > len(self._tokens):
            raise ValueError(f"{count} tokens can't be taken back")
        del self._tokens[-count:]
        del self._free[len(self._tokens) + 1 :]
        self.session, self._lost = None, False

    def _after(self, token: int) -> tuple[_Free, bytes | None]:
        """The place behind a token, and the beginning of the trace, if that begins in it."""
        free = self._free[-1]
        if free.written:
            head = self._writing.text(token).lstrip(BLANK)
            return free, head or None
        state, rest = self._marker.after(free.state, token)
        if rest is None:
            return _Free(state, False), None
        return _Free(state, True), rest.lstrip(BLANK) or None

    # --- masks ---

    def allows(self, token: int) -> bool:
        """Whether the token may come next."""
        if self.session is not None:
            return self.session.allows(token)
        pack = self._first.pack
        words = np.zeros(pack.table.words, np.uint32)
        self.mask(words)
        return 0 <= token < pack.size and bool(words[token >> 5] >> np.uint32(token & 31) & 1)

    def mask(self, out: Words) -> None:
        """See `Session`."""
        free, room = self._free[-1], self._room()
        if self.session is not None:
            self.session.mask(out)
        elif free.written:
            self._skip(room, out)
        elif room >= self._marker.dearest + self._shortest:
            self._think(free.state, room, out)
        else:
            out[:] = 0
            _set(out, [self._marker.forced(free.state)])

    def _think(self, state: int, room: int, out: Words) -> None:
        """Anything but the end, and but a marker with a beginning that the rules refuse."""
        pack = self._first.pack
        out[:] = 0xFFFFFFFF
        out[-1] >>= np.uint32(-pack.size % 32)
        _clear(out, pack.ends)
        for token, rest in self._marker.completing(state):
            head = rest.lstrip(BLANK)
            if head and not self._fits(head, room):
                _clear(out, [token])

    def _skip(self, room: int, out: Words) -> None:
        """What the trace begins with, behind blanks or without."""
        blank = self._writing.blank
        start = self._first.opened(b"", self._left())
        start.mask(out)
        self._lost = start.exhausted or start.stuck
        if self._lost:
            return
        whole = np.unpackbits(out.view(np.uint8), bitorder="little")
        _clear(out, blank.tokens)
        if room >= self._shortest:
            _set(out, blank.only)
        same, writes = blank.known.T
        _set(out, same[whole[writes] != 0])
        _set(out, [token for token, head in blank.others if self._fits(head, room)])

    def _fits(self, head: bytes, room: int) -> bool:
        """Whether the trace may begin so, with so many tokens left behind it."""
        if head not in self._needed:
            self._needed[head] = self._first.begins(head)
        needed = self._needed[head]
        return needed is not None and needed <= room

    def _left(self) -> int | None:
        return None if self._budget is None else self._budget - len(self._tokens)

    def _room(self) -> int:
        """Tokens that are left behind the next one."""
        left = self._left()
        return HOPELESS if left is None else left - 1


def _set(out: Words, tokens: Iterable[int] | NDArray[np.int64]) -> None:
    ids = np.array(tokens, np.int64)
    np.bitwise_or.at(out, ids >> 5, np.uint32(1) << (ids & 31).astype(np.uint32))


def _clear(out: Words, tokens: Iterable[int] | NDArray[np.int64]) -> None:
    ids = np.array(tokens, np.int64)
    np.bitwise_and.at(out, ids >> 5, ~(np.uint32(1) << (ids & 31).astype(np.uint32)))
