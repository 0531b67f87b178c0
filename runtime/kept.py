"""What a mask did to a distribution: how much it kept, and which rules took the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor

    from rulec.runtime.generate import Output
    from rulec.runtime.reasons import Refusal

SHAPE = ""
"""Stands for the rule where it is the shape of the text that forbids a token."""


class Explaining(Protocol):
    """Whatever knows why a token may not come next; a `Session` does."""

    def why(self, token: int) -> Refusal | None:
        """Why a token may not come next; None where it may."""


@dataclass(frozen=True, slots=True)
class Step:
    """One token as it was chosen.

    Logarithms are natural, of the distribution `softmax(z / T)`, with `z` the scores before the
    mask and `T` the temperature (1 where it is 0): `log_kept` of all that the mask allowed,
    `log_probability` of the token. It is `forced` where nothing else was allowed. `removed` has
    the mass of banned tokens by the rule that bans them, for the likeliest of them only.
    """

    token: int
    log_kept: float
    log_probability: float
    forced: bool
    removed: tuple[tuple[str, float], ...] = ()

    @property
    def log_masked(self) -> float:
        """The logarithm of the probability with which the token was drawn."""
        return self.log_probability - self.log_kept


def measured(
    free: Tensor,
    masked: Tensor,
    chosen: Sequence[int | None],
    temperature: float,
    guides: Sequence[Explaining | None],
    removers: int = 0,
) -> list[Step | None]:
    """What the mask did at one step, for each row; None where no token was left.

    Args:
        free: `[batch, vocab]`, the scores before the mask.
        masked: the same with -inf where a token is banned.
        chosen: the token of each row.
        temperature: as it was sampled with.
        guides: what masked each row, before it takes the token.
        removers: of how many banned tokens a row, the likeliest first, to tell the rule.
    """
    scale = temperature or 1.0
    log_free = torch.log_softmax(free.double() / scale, dim=1)
    allowed = masked > -torch.inf
    kept = torch.logsumexp(log_free.masked_fill(~allowed, -torch.inf), dim=1).tolist()
    counts = allowed.sum(dim=1).tolist()
    found: list[Step | None] = []
    for row, token in enumerate(chosen):
        if token is None:
            found.append(None)
            continue
        guide = guides[row]
        removed: tuple[tuple[str, float], ...] = ()
        if guide is not None and removers:
            banned = log_free[row].masked_fill(allowed[row], -torch.inf)
            removed = _removed(banned, guide, removers)
        own = float(log_free[row, token])
        log_kept = 0.0 if guide is None else min(kept[row], 0.0)
        found.append(Step(token, log_kept, own, counts[row] == 1, removed))
    return found


def _removed(banned: Tensor, guide: Explaining, most: int) -> tuple[tuple[str, float], ...]:
    """The mass that each rule has taken from the likeliest banned tokens."""
    best = torch.topk(banned, min(most, len(banned)))
    masses: dict[str, float] = {}
    for log_mass, token in zip(best.values.tolist(), best.indices.tolist(), strict=True):
        refusal = guide.why(token) if log_mass > -torch.inf else None
        if refusal is not None:
            mass = float(torch.tensor(log_mass).double().exp())
            masses[refusal.rule] = masses.get(refusal.rule, 0.0) + mass
    return tuple(sorted(masses.items(), key=lambda one: -one[1]))


def log_mass(output: Output) -> float:
    """`Σ log_kept` over a trace that was traced."""
    return sum(step.log_kept for step in output.steps)


def on_policy(outputs: Iterable[Output], *, rolled_back: bool = False) -> list[Output]:
    """The traces for which the steps tell the whole story.

    What was rolled back was drawn again with bytes barred, knowing that others had failed; it
    is left out unless `rolled_back` is set.
    """
    return [output for output in outputs if rolled_back or not output.rollbacks]


def log_policy(
    scores: Tensor,
    temperature: float = 1.0,
    allowed: Tensor | None = None,
    *,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
) -> Tensor:
    """The distribution that is sampled from: masked, then truncated, then renormalised.

    Args:
        scores: `[…, vocab]`, after penalties.
        temperature: more than 0.
        allowed: the same shape, what a mask leaves; None for all.
        top_k: how many of the likeliest stay; 0 for all.
        top_p: the fewest of the likeliest that reach this mass stay.
        min_p: those stay that have this share of the likeliest one's probability.

    Returns:
        Natural logarithms; -inf for what can't be drawn.
    """
    held = scores / temperature
    if allowed is not None:
        held = held.masked_fill(~allowed, -torch.inf)
    logs = torch.log_softmax(held, dim=-1)
    keep = logs > -torch.inf
    if min_p > 0:
        keep &= logs >= logs.amax(-1, keepdim=True) + torch.log(torch.tensor(min_p))
    logs = torch.log_softmax(logs.masked_fill(~keep, -torch.inf), dim=-1)
    ranked, order = logs.sort(dim=-1, descending=True, stable=True)
    stays = ranked > -torch.inf
    if top_k > 0:
        stays[..., top_k:] = False
    if top_p < 1:
        within = torch.log_softmax(ranked.masked_fill(~stays, -torch.inf), dim=-1).exp()
        stays &= within.cumsum(-1) - within < top_p
    keep = torch.zeros_like(stays).scatter(-1, order, stays)
    return torch.log_softmax(logs.masked_fill(~keep, -torch.inf), dim=-1)
