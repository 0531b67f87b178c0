"""One sequence as its verifier sees it: what is kept, what goes back, what may be shown."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from rulec.runtime.after import After
from rulec.runtime.unsettled import Unsettled

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from rulec.runtime.bars import Bars
    from rulec.runtime.session import Session
    from rulec.runtime.verdicts import Verdict


@dataclass(slots=True)
class Course:
    """Follows a sequence token by token, and takes back what breaks a `commit` rule.

    Args:
        guide: of the sequence, fresh, with everything that its rules ask.
        retries: how often it may go back.
        streamed: whether tokens are shown before the sequence is over; what is shown is never
            taken back.
        lock: held while masks are made, since an engine that sequences share makes one at a
            time; functions that rules call are asked without it.
    """

    guide: Session | After
    retries: int = 64
    streamed: bool = False
    lock: AbstractContextManager[Any] = field(default_factory=nullcontext)
    kept: list[int] = field(default_factory=list)
    rollbacks: int = 0
    dropped: int = 0
    over: bool = False
    shown: int = 0
    """How many of the kept tokens may be shown."""
    _unsettled: Unsettled = field(init=False)

    def __post_init__(self) -> None:
        self._unsettled = Unsettled(self.guide.pack.machine, self.guide.demoted)

    @property
    def bars(self) -> Bars:
        """Bytes that broke a rule before."""
        return self.guide.bars

    def take(self, token: int) -> int:
        """Take a token.

        Returns:
            How many tokens were dropped; with any, the sequence must go on from what is kept.

        Raises:
            Refused: if masks should have barred the token.
        """
        guide = self.guide
        with self.lock:
            self._accept(token)
        dropped = 0
        while not self.over and (guide.violations or guide.stuck):
            count = guide.retreat(self._floor()) if self.rollbacks < self.retries else 0
            self.over = count == 0
            self.rollbacks += bool(count)
            del self.kept[len(self.kept) - count :]
            dropped += count
        self.over = self.over or guide.finished
        self.dropped += dropped
        self.shown = len(self.kept) if self.over else self._settled()
        return dropped

    def _accept(self, token: int) -> None:
        guide = self.guide
        if token in guide.pack.ends and not guide.allows(token):
            # No way was left where the masks were made: find out the same here.
            guide.mask(np.zeros(guide.pack.table.words, np.uint32))
        if not guide.stuck:
            guide.accept(token)
            self.kept.append(token)

    def verdict(self) -> Verdict:
        """The verdict on what is kept."""
        with self.lock:
            return self.guide.verdict()

    def _floor(self) -> int:
        """The byte of the trace behind which everything may be taken back."""
        session = self._session()
        if not self.streamed or session is None:
            return 0
        before = len(self.kept) - len(session.tokens)
        return session.moments[max(self.shown - before, 0)].at

    def _session(self) -> Session | None:
        return self.guide.session if isinstance(self.guide, After) else self.guide

    def _settled(self) -> int:
        """How many tokens stand before every claim that is not settled yet."""
        session = self._session()
        if not self.streamed or session is None:
            return len(self.kept) if self.streamed else 0
        start = self._unsettled.start(session.moments)
        if start is None:
            return len(self.kept)
        before = len(self.kept) - len(session.tokens)
        whole = sum(moment.at <= start for moment in session.moments) - 1
        return max(self.shown, before + max(whole, 0))
