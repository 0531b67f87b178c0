"""A session: one sequence under one pack, token by token."""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from rulec.runtime import inputs as given
from rulec.runtime.bars import NO_BARS, Bar, Bars
from rulec.runtime.budget import HOPELESS
from rulec.runtime.externals import Calls, fitting
from rulec.runtime.host import Host
from rulec.runtime.inputs import BadInput
from rulec.runtime.reasons import Refusal, explain_refusal
from rulec.runtime.reference import DEAD, Config, Thread
from rulec.runtime.verdicts import Claim, Place, Verdict, claims, in_order
from rulec.runtime.verify import judge_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rulec.compiler.fit import Words
    from rulec.compiler.pack import Pack
    from rulec.runtime.externals import Externals

TRIES = 3
"""How often a field is tried again before the one in front of it is."""

MOST_TRIES = 64
LONGEST_FORCED = 4_096


class Refused(Exception):
    """A token that the rules don't allow here; `refusal` says why."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Moment(NamedTuple):
    """The state behind a token: the readings, and how many bytes are written."""

    config: Config
    at: int
    ended: bool = False


class Session:
    """A sequence under the rules of a pack.

    Masks are 32-bit words: bit `t % 32` of word `t // 32` is token `t`.

    Args:
        pack: the rules, fitted to the model's vocabulary.
        inputs: the values that come with the request.
        budget: tokens that the trace may take, its end of sequence included; None for no limit.
            It is kept as long as only tokens that masks allow are accepted and no `commit` rule
            bars what would have ended the trace in time.
        host: an engine to share between the sessions of one pack.
        externals: the functions of the embedding program that the rules call.
        bars: what another session of the same sequence has barred.

    Raises:
        BadExternal: if a function is missing.
        BadInput: if a value doesn't fit, or no trace fits the budget.
    """

    def __init__(
        self,
        pack: Pack,
        inputs: Mapping[str, object] | None = None,
        budget: int | None = None,
        host: Host | None = None,
        externals: Externals | None = None,
        bars: Bars = NO_BARS,
    ) -> None:
        self.pack = pack
        self._calls = Calls(pack.machine, fitting(pack.machine, externals))
        self._host = Host(pack) if host is None else host
        self._budget = budget
        self._last = frozenset(pack.ends)
        self._given = given.registers(pack.machine, inputs)
        start = self._host.engine.start(self._given)
        if not start.threads:
            raise BadInput("with these values no trace can keep the rules")
        self._moments = [Moment(start, 0)]
        self._tokens: list[int] = []
        self._head = b""
        self.bars = bars
        """What must not be written again; a trace is masked alike with them from its start."""
        self.demoted: frozenset[str] = frozenset()
        """The `commit` rules that don't steer."""
        self._tries: dict[int, int] = {}
        self.since: Place | None = None
        """Since where no way has been left to go on."""
        self.stuck = False
        needed = self._cost(start) + 1
        if budget is not None and needed > budget:
            enough = f"{needed} may be needed" if needed < HOPELESS else "no number is enough"
            raise BadInput(f"no trace is sure to fit {budget} tokens: {enough}")

    def begins(self, head: bytes) -> int | None:
        """Tokens that complete a trace that begins so, its end included.

        None where the rules refuse such a beginning, or nothing is sure to complete it.
        """
        start = self._moments[0].config
        config = self._host.engine.walk(start, head, 0) if head else start
        needed = self._cost(config) + 1
        return None if needed >= HOPELESS or self.bars.refuse(head) else needed

    def opened(self, head: bytes, budget: int | None) -> Session:
        """A session of the same request whose trace begins in the token before its first.

        Args:
            head: the bytes of the trace in that token; such as `begins` grants.
            budget: the tokens that are left.
        """
        found = copy(self)
        found._open(head, budget)  # noqa: SLF001 - its own twin
        return found

    def _open(self, head: bytes, budget: int | None) -> None:
        config = self._host.engine.walk(self._moments[0].config, head, 0)
        self._moments, self._tokens = [Moment(config, len(head))], []
        self._head, self._budget, self._tries = head, budget, {}
        self.since, self.stuck = None, False

    # --- what may come ---

    @property
    def needed(self) -> int:
        """Tokens within which the trace is sure to be completed from here, its end included."""
        return self._cost(self._moments[-1].config) + 1

    @property
    def finished(self) -> bool:
        """Whether the end of the sequence has been written, or no way is left."""
        return self._moments[-1].ended or self.exhausted

    @property
    def exhausted(self) -> bool:
        """Whether no way is left to go on."""
        return self.since is not None

    @property
    def tokens(self) -> tuple[int, ...]:
        """The tokens accepted so far."""
        return tuple(self._tokens)

    @property
    def text(self) -> bytes:
        """The bytes written so far."""
        table = self.pack.table
        written = (table.text(token) for token in self._tokens if not self._ends(token))
        return self._head + b"".join(written)

    @property
    def moments(self) -> Sequence[Moment]:
        """The readings at the start, and behind each token."""
        return self._moments

    def mask(self, out: Words) -> None:
        """Set `out` to the tokens that may come next.

        `out` is `[ceil(vocabulary / 32)]` uint32 and is written in full. It is never empty:
        where no way is left the ends of sequence stand in it, and `exhausted` is set; where
        only bars leave none, `stuck` is set, and `retreat` finds another way.
        """
        here = self._moments[-1]
        if here.ended or self.exhausted:
            self._only_ends(out)
            return
        if self._budget is None:
            sure = self._host.fill(here.config, here.at, out)
        else:
            sure = self._host.fill_within(here.config, here.at, self._room(), out)
        if self.bars:
            self.bars.clear(out, self.text, self._host, self.pack.ends)
        elif sure:
            return
        if not out.any():
            self.stuck = bool(self.bars)
            self.since = None if self.stuck else self._lost()
            self._only_ends(out)

    def allows(self, token: int) -> bool:
        """Whether the token may come next."""
        here = self._moments[-1]
        if here.ended or self.exhausted or not 0 <= token < self.pack.size:
            return False
        if self._ends(token):
            return self.stuck or self._host.ends(here.config, here.at)
        text = self.pack.table.text(token)
        if not text or self._barred(text):
            return False
        after = self._host.advance(here.config, token, here.at)
        return bool(after.threads) and (
            self._budget is None or self._host.budget.cost(after) <= self._room()
        )

    def accept(self, token: int) -> None:
        """Take a token. Raises `Refused` where the rules don't allow it."""
        here = self._moments[-1]
        if here.ended or not 0 <= token < self.pack.size:
            raise Refused(Refusal("the sequence has ended" if here.ended else "no such token"))
        if self._ends(token):
            self._end(here, token)
            return
        length = self._host.lengths[token]
        after = self._host.advance(here.config, token, here.at) if length else DEAD
        barred = self._barred(self.pack.table.text(token))
        if barred or not after.threads:
            raise Refused(self.why(token) or Refusal("these bytes broke a rule before"))
        self._moments.append(Moment(after, here.at + length))
        self._tokens.append(token)

    def _end(self, here: Moment, token: int) -> None:
        done = self._host.engine.ending(here.config, here.at)
        if done is None and not (self.exhausted or self.stuck):
            raise Refused(self.why(token) or Refusal("the trace can't end here"))
        if done is None and self.since is None:
            self.since = self._lost()
        config = here.config if done is None else Config((done,))
        self._moments.append(Moment(config, here.at, True))
        self._tokens.append(token)

    def rollback(self, count: int) -> None:
        """Take back the last `count` tokens."""
        if not 0 <= count <= len(self._tokens):
            raise ValueError(f"{count} of {len(self._tokens)} tokens can't be taken back")
        if count:
            del self._moments[-count:]
            del self._tokens[-count:]
            self.since, self.stuck = None, False

    def forced(self) -> bytes:
        """The bytes that must come next, whatever the model; empty where there is a choice."""
        here = self._moments[-1]
        if here.ended or self.exhausted:
            return b""
        found = bytearray()
        config, at = here.config, here.at
        while len(found) < LONGEST_FORCED and not self._host.ends(config, at):
            ways = self._ways(config, at)
            if len(ways) != 1:
                break
            ((byte, after),) = ways
            if self._barred(bytes((*found, byte))):
                break
            found.append(byte)
            config, at = after, at + 1
        return bytes(found)

    def _ways(self, config: Config, at: int) -> list[tuple[int, Config]]:
        """Up to two bytes that may come next."""
        engine = self._host.engine
        possible = {b for t in config.threads for b in engine.bytes_of(t.node)}
        found: list[tuple[int, Config]] = []
        for byte in sorted(possible):
            after = engine.step(config, byte, at)
            if after.threads:
                found.append((byte, after))
                if len(found) == 2:
                    break
        return found

    def why(self, token: int) -> Refusal | None:
        """Why a token may not come next; None where it may."""
        if self.allows(token):
            return None
        here = self._moments[-1]
        if here.ended or self.exhausted:
            return Refusal("the sequence has ended")
        if self._ends(token):
            return explain_refusal(self._host.engine, here.config, b"", here.at)
        text = self.pack.table.text(token) if 0 <= token < self.pack.size else b""
        if not text:
            return Refusal("the token writes no text")
        if self._barred(text):
            return Refusal("these bytes broke a rule before")
        refusal = explain_refusal(self._host.engine, here.config, text, here.at)
        return refusal or Refusal("the trace could not be completed within its budget")

    # --- verdicts ---

    def verdicts(self) -> tuple[Claim, ...]:
        """The claims that are settled so far."""
        machine, rules = self.pack.machine, self._host.engine.rules
        readings = [in_order(thread.marks) for thread in self._moments[-1].config.threads]
        marks = max(readings, key=len, default=[])
        return claims(machine, rules, marks, self.text, self._calls)

    def verdict(self) -> Verdict:
        """The verdict on the whole sequence: that on its text, unless no way was left."""
        text = self.text
        judged = judge_of(self._host).judge(text, self._given, self._calls)
        ends = tuple(moment.at for moment in self._moments[1:])
        placed = judged.placed(ends, self.pack.vocabulary)
        if self.since is None:
            return placed.demoted(self.demoted)
        at, token = self.since
        reason = "no way was left to complete the trace"
        found = self.verdicts()
        return replace(
            placed, verdict="exhausted", claims=found, at=at, reason=reason, token=token
        ).demoted(self.demoted)

    @property
    def violations(self) -> tuple[Claim, ...]:
        """The `commit` rules that every reading of the text breaks."""
        first: tuple[Claim, ...] = ()
        # A reading under way comes first, so that no function is asked while there is one.
        for thread in self._moments[-1].config.threads:
            broken = self._broken(thread)
            if not broken:
                return ()
            first = first or broken
        return first

    def _broken(self, thread: Thread) -> tuple[Claim, ...]:
        machine, rules = self.pack.machine, self._host.engine.rules
        found = [
            mark
            for mark in in_order(thread.marks)
            if mark.rule >= 0
            and machine.rules[mark.rule].tier == "commit"
            and machine.rules[mark.rule].name not in self.demoted
            and self._calls.settled(rules, mark)[0].verdict in ("violate", "too complex")
        ]
        return claims(machine, rules, found, self.text, self._calls)

    def retreat(self, floor: int = 0) -> int:
        """Leave a violation behind: go back to where its field began, and bar its bytes.

        After a few tries the field before is tried anew, and so on; likewise where bars have
        left nothing open (`stuck`). Nothing before the byte `floor` is taken back. Returns how
        many tokens were dropped; 0 where there is nothing to leave, or no way is left (then
        `exhausted` is set).
        """
        broken = self.violations
        if not broken and not self.stuck:
            return 0
        at = self._moments[-1].at
        start = first = min((claim.start for claim in broken), default=at)
        while start > 0 and (start >= at or self._tries.get(start, 0) >= TRIES):
            start = self._field_before(start)
        index = self._index(start)
        spent = sum(self._tries.values()) >= MOST_TRIES or self._tries.get(start, 0) > TRIES
        low = self._moments[index].at < floor
        if spent or low or index == len(self._tokens):
            self.stuck, self.since = False, self._place(first)
            return 0
        self._tries[start] = self._tries.get(start, 0) + 1
        boundary = self._moments[index].at
        end = self._broken_at(index) if broken else at
        self.bars = self.bars.put(Bar(boundary, self.text[boundary:end]))
        dropped = len(self._tokens) - index
        self.rollback(dropped)
        return dropped

    def _index(self, byte: int) -> int:
        """The last place between two tokens that is not behind a byte."""
        places = (n for n, moment in enumerate(self._moments) if moment.at <= byte)
        return max(places, default=0)

    def _field_before(self, start: int) -> int:
        starts = {
            thread.lex.start
            for moment in self._moments
            for thread in moment.config.threads
            if thread.lex is not None and thread.lex.start < start
        }
        return max(starts, default=0)

    def _broken_at(self, index: int) -> int:
        """The byte behind which every reading breaks a rule."""
        for later in range(index + 1, len(self._moments)):
            threads = self._moments[later].config.threads
            if all(self._broken(thread) for thread in threads):
                return self._byte_of(later)
        return self._moments[-1].at

    def _byte_of(self, later: int) -> int:
        before = self._moments[later - 1]
        config, at = before.config, before.at
        for byte in self.text[at : self._moments[later].at]:
            config = self._host.engine.step(config, byte, at)
            at += 1
            if all(self._broken(thread) for thread in config.threads):
                break
        return at

    # --- bars and budgets ---

    def bar(self, bar: Bar) -> None:
        """Bar bytes before they are come to. Raises `ValueError` behind their start."""
        if self._moments[-1].at > bar.start:
            raise ValueError(f"byte {bar.start} has been passed")
        self.bars = Bars((*self.bars, bar))

    def _place(self, byte: int) -> Place:
        """The last place between two tokens that is not behind a byte."""
        token = self._index(byte)
        return Place(self._moments[token].at, token)

    def _lost(self) -> Place:
        """Where the budget was left behind; where it wasn't, the present place."""
        written = len(self._tokens)
        for token, moment in enumerate(self._moments[: written + 1]):
            if self._budget is not None and self._cost(moment.config) >= self._budget - token:
                return Place(moment.at, token)
        return Place(self._moments[-1].at, written)

    def _ends(self, token: int) -> bool:
        return token in self._last

    def _only_ends(self, out: Words) -> None:
        out[:] = 0
        for token in self.pack.ends:
            out[token >> 5] |= np.uint32(1 << (token & 31))

    def _barred(self, text: bytes) -> bool:
        return bool(self.bars) and self.bars.refuse(self.text, text)

    def _cost(self, config: Config) -> int:
        return self._host.budget.cost(config)

    def _room(self) -> int:
        """Tokens that may be owed behind the next one, an end of sequence left aside."""
        if self._budget is None:
            return HOPELESS
        return self._budget - len(self._tokens) - 2
