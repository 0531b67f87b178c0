"""Decoding under sessions: masks before the choice, rollback after it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import torch

from rulec.runtime.context import CausalModel, Context
from rulec.runtime.kept import measured
from rulec.runtime.logits import Masking, constrain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from rulec.runtime.kept import Step
    from rulec.runtime.reasons import Refusal

Stop: TypeAlias = Literal["end", "length", "exhausted"]
OnToken: TypeAlias = "Callable[[int, int, int], None]"

MOST_PROPOSED = 32
"""Tokens that are read ahead at most."""


class Guide(Masking, Protocol):
    """What decoding asks of a session."""

    @property
    def finished(self) -> bool:
        """Whether the trace is over."""

    @property
    def exhausted(self) -> bool:
        """Whether no way is left to go on."""

    @property
    def since(self) -> tuple[int, int] | None:
        """The byte and the token since which no way is left."""

    @property
    def stuck(self) -> bool:
        """Whether what was barred before leaves nothing open; found by `mask`."""

    @property
    def violations(self) -> Sequence[Any]:
        """The `commit` rules that the tokens accepted so far break."""

    def accept(self, token: int) -> None:
        """Take the token."""

    def retreat(self) -> int:
        """Leave a violation, or where it is stuck, behind; how many tokens that dropped."""

    def verdicts(self) -> Sequence[Any]:
        """The claims made so far."""

    def forced(self) -> bytes:
        """The bytes that must come next; empty where there is a choice."""

    def why(self, token: int) -> Refusal | None:
        """Why a token may not come next; asked only where removers are to be told."""


class Tokens(Protocol):
    """What decoding asks of a vocabulary."""

    @property
    def tokens(self) -> Sequence[bytes | None]:
        """The bytes of each token; None for special ones."""

    @property
    def ends(self) -> Sequence[int]:
        """The tokens that end a sequence."""

    @property
    def size(self) -> int:
        """How many tokens a mask has bits for."""

    def encode_greedy(self, text: bytes) -> list[int]:
        """Tokens that write a text."""


@dataclass(frozen=True, slots=True)
class Output:
    """One finished sequence.

    `stop` says why it ended: its own end, the limit on tokens, or `exhausted` when no
    continuation was found that keeps the rules; `since` then has the byte and the token from
    which on there was none. `tokens` holds the token that ended it, `text`
    does not. `forwards` counts the passes of the model while the row was live, `rollbacks` how
    often a `commit` rule sent it back, `dropped` the tokens that this threw away. `steps` tell
    what the mask did at each token, if that was asked for.
    """

    text: bytes
    tokens: tuple[int, ...]
    stop: Stop
    claims: tuple[Any, ...]
    seconds: float
    forwards: int
    rollbacks: int
    dropped: int
    since: tuple[int, int] | None = None
    steps: tuple[Step, ...] = ()

    @property
    def tokens_per_second(self) -> float:
        """Tokens kept, over the wall time of this row."""
        return len(self.tokens) / self.seconds if self.seconds else 0.0


@dataclass(slots=True)
class _Row:
    """A sequence being written; `number` is its place in the caller's lists."""

    number: int
    guide: Guide | None
    chance: torch.Generator
    tokens: list[int] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    rollbacks: int = 0
    dropped: int = 0
    stop: Stop | None = None
    proposed: list[int] = field(default_factory=list)
    """Tokens that are read before they are chosen, since they write what must come."""


def generate(  # noqa: PLR0913
    model: CausalModel,
    prompts: Sequence[Sequence[int]],
    sessions: Sequence[Guide | None],
    *,
    vocabulary: Tokens,
    max_new_tokens: int,
    temperature: float = 0.0,
    seed: int = 0,
    max_rollbacks: int = 64,
    propose: bool = True,
    on_token: OnToken | None = None,
    traced: bool = False,
    removers: int = 0,
) -> list[Output]:
    """Write one sequence a prompt, each under its own session.

    Args:
        model: a causal model of transformers, in evaluation mode.
        prompts: token ids, one prompt or more, none of them empty.
        sessions: one a prompt, fresh, made with `budget=max_new_tokens`; None decodes freely.
        vocabulary: the vocabulary that the sessions' packs were made for.
        max_new_tokens: the limit for each row, its end-of-sequence token included.
        temperature: 0 takes the likeliest token.
        seed: row `i` draws from its own stream, so its text does not depend on the other rows.
        max_rollbacks: how often a row may be sent back before it is given up as `exhausted`.
        propose: read tokens that write forced bytes ahead, several in one pass. They are kept
            while they are what is chosen, so that nothing but the number of passes changes.
        on_token: called with row, token and the number of tokens that the row now holds, which
            is smaller than before after a rollback.
        traced: tell in `Output.steps` how much of the distribution each mask kept.
        removers: of how many banned tokens a step, the likeliest first, to tell the rule that
            bans them; needs `traced` and sessions.

    Raises:
        ValueError: if the arguments do not fit together.
    """
    _check(prompts, sessions, max_new_tokens, temperature)
    began = perf_counter()
    context = Context(model, prompts)
    live = [
        _Row(number, guide, torch.Generator().manual_seed(seed + number))
        for number, guide in enumerate(sessions)
    ]
    tracing = _Tracing(traced, removers)
    choosing = _Choosing(
        vocabulary, max_rollbacks, max_new_tokens, temperature, on_token, tracing
    )
    done: dict[int, Output] = {}
    while live:
        choosing.take(live, [found.float() for found in context.scores()])
        for line, row in enumerate(live):
            context.become(line, [*prompts[row.number], *row.tokens])
            if propose and row.stop is None and context.wide:
                _propose(context, line, row, vocabulary, max_new_tokens)
        for row in live:
            if row.stop is not None:
                seconds = perf_counter() - began
                done[row.number] = _output(row, row.stop, vocabulary, seconds, context.forwards)
        left = [line for line, row in enumerate(live) if row.stop is None]
        if len(left) < len(live):
            live = [live[line] for line in left]
            context.keep(left)
    return [done[number] for number in range(len(prompts))]


@dataclass(frozen=True, slots=True)
class _Tracing:
    """What is to be told of masks."""

    traced: bool
    removers: int


@dataclass(frozen=True, slots=True)
class _Choosing:
    """What is done behind each pass of the model."""

    vocabulary: Tokens
    max_rollbacks: int
    limit: int
    temperature: float
    on_token: OnToken | None
    tracing: _Tracing

    def take(self, rows: Sequence[_Row], scores: Sequence[Tensor]) -> None:
        """Choose behind each place that was read, up to the first choice not proposed."""
        width = scores[0].shape[1]
        last = [
            found[-1 - len(row.proposed) :] for found, row in zip(scores, rows, strict=True)
        ]
        if width < self.vocabulary.size:
            raise ValueError(f"the model scores {width} tokens of {self.vocabulary.size}")
        going, place = list(range(len(rows))), 0
        while going:
            here = torch.stack([last[line][place] for line in going])
            asked = [rows[line] for line in going]
            chosen, steps = self._chosen(here, asked)
            taken = zip(going, chosen, steps, strict=True)
            going = [
                line
                for line, token, step in taken
                if self._took(rows[line], token, step, place)
            ]
            place += 1
        for row in rows:
            row.proposed = []

    def _chosen(
        self, scores: Tensor, rows: Sequence[_Row]
    ) -> tuple[list[int | None], Sequence[Step | None]]:
        """A token a row, and what its mask did."""
        guides = [row.guide for row in rows]
        free = scores.clone() if self.tracing.traced else scores
        constrain(scores, guides, self.vocabulary.size)
        chosen = _choose(scores, rows, self.temperature)
        if not self.tracing.traced:
            return chosen, [None] * len(rows)
        removers = self.tracing.removers
        return chosen, measured(free, scores, chosen, self.temperature, guides, removers)

    def _took(self, row: _Row, token: int | None, step: Step | None, place: int) -> bool:
        """Take a choice; whether the place behind it was read already."""
        rollbacks = row.rollbacks
        _take(row, token, step, self.vocabulary, self.max_rollbacks, self.limit)
        if self.on_token is not None and token is not None:
            self.on_token(row.number, token, len(row.tokens))
        same = place < len(row.proposed) and row.proposed[place] == token
        return same and row.stop is None and row.rollbacks == rollbacks


def _propose(context: Context, line: int, row: _Row, vocabulary: Tokens, limit: int) -> None:
    """Let a row read ahead what must come."""
    guide = row.guide
    if guide is None or guide.stuck or guide.exhausted:
        return
    forced = guide.forced()
    left = limit - len(row.tokens) - 1
    if forced and left > 0:
        row.proposed = vocabulary.encode_greedy(forced)[: min(left, MOST_PROPOSED)]
        context.append(line, *row.proposed)


def _check(
    prompts: Sequence[Sequence[int]],
    sessions: Sequence[Guide | None],
    max_new_tokens: int,
    temperature: float,
) -> None:
    if len(prompts) != len(sessions):
        raise ValueError(f"{len(prompts)} prompts, but {len(sessions)} sessions")
    if not all(prompts):
        raise ValueError("a prompt needs one token at least")
    if max_new_tokens < 1:
        raise ValueError("max_new_tokens must be 1 or more")
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError("temperature must be 0 or more")


def _choose(scores: Tensor, rows: Sequence[_Row], temperature: float) -> list[int | None]:
    """A token a row; None where no token is left."""
    best, likeliest = scores.max(dim=1)
    open_rows = (best > -torch.inf).tolist()
    if temperature == 0:
        return [
            token if free else None
            for token, free in zip(likeliest.tolist(), open_rows, strict=True)
        ]
    chances = torch.softmax((scores - best.unsqueeze(1)) / temperature, dim=1).cpu()
    return [
        int(torch.multinomial(chances[line], 1, generator=row.chance)) if free else None
        for line, (row, free) in enumerate(zip(rows, open_rows, strict=True))
    ]


def _take(
    row: _Row,
    token: int | None,
    step: Step | None,
    vocabulary: Tokens,
    max_rollbacks: int,
    limit: int,
) -> None:
    """Accept a token, and leave behind what is broken by it or leads nowhere."""
    guide = row.guide
    if token is None or (guide is not None and guide.exhausted):
        row.stop = "exhausted"
        return
    ended = False
    if guide is None or not guide.stuck:
        row.tokens.append(token)
        row.steps.extend([step] if step is not None else [])
        ended = token in vocabulary.ends
    if guide is not None:
        if not guide.stuck:
            guide.accept(token)
        while guide.violations or guide.stuck:
            ended = False
            if row.rollbacks == max_rollbacks or not _retreat(row, guide):
                row.stop = "exhausted"
                return
        ended = ended or guide.finished
    if ended:
        row.stop = "end"
    elif len(row.tokens) >= limit:
        row.stop = "length"


def _retreat(row: _Row, guide: Guide) -> bool:
    """Go back to where something else may be written; False where there is no way back."""
    count = guide.retreat()
    if count == 0:
        return False
    del row.tokens[-count:]
    del row.steps[len(row.tokens) :]
    row.rollbacks += 1
    row.dropped += count
    return True


def _output(row: _Row, stop: Stop, vocabulary: Tokens, seconds: float, forwards: int) -> Output:
    pieces = (
        vocabulary.tokens[token] if token < len(vocabulary.tokens) else None
        for token in row.tokens
        if token not in vocabulary.ends
    )
    text = b"".join(piece or b"" for piece in pieces)
    since = None
    if stop == "exhausted":
        since = None if row.guide is None else row.guide.since
        since = since or (len(text), len(row.tokens))
    return Output(
        text=text,
        tokens=tuple(row.tokens),
        stop=stop,
        claims=tuple(row.guide.verdicts()) if row.guide is not None else (),
        seconds=seconds,
        forwards=forwards,
        rollbacks=row.rollbacks,
        dropped=row.dropped,
        since=since,
        steps=tuple(row.steps),
    )
