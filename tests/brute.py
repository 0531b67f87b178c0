"""Masks and budgets by brute force over the reference engine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from rulec.compiler.costs import measure
from rulec.runtime.budget import Budget
from rulec.runtime.reference import Config, Reference

if TYPE_CHECKING:
    from rulec.compiler import Machine, Pack
    from rulec.compiler.fit import Words


class Brute:
    """Every token tried on the reference engine, byte by byte."""

    def __init__(self, pack: Pack) -> None:
        self.pack = pack
        self.engine = Reference(pack.machine)
        self.budget = Budget.of(pack)
        self._tree: dict[int, object] = {}
        for token in range(pack.size):
            text = pack.table.text(token)
            if text and token not in pack.ends:
                self._put(text, token)

    def _put(self, text: bytes, token: int) -> None:
        here: dict[object, object] = self._tree  # type: ignore[assignment]
        for byte in text:
            here = here.setdefault(byte, {})  # type: ignore[assignment]
        here.setdefault("tokens", []).append(token)  # type: ignore[attr-defined]

    def allowed(self, config: Config, at: int, room: int | None = None) -> dict[int, Config]:
        """The tokens that may come next, with the readings behind them."""
        found: dict[int, Config] = {}
        self._walk(self._tree, config, at, found)
        if room is not None:
            found = {t: c for t, c in found.items() if self.budget.cost(c) <= room}
        return found

    def _walk(
        self, tree: dict[object, object], config: Config, at: int, found: dict[int, Config]
    ) -> None:
        for key, below in tree.items():
            if key == "tokens":
                found.update((token, config) for token in below)  # type: ignore[attr-defined]
                continue
            after = self.engine.step(config, key, at)  # type: ignore[arg-type]
            if after.threads:
                self._walk(below, after, at + 1, found)  # type: ignore[arg-type]

    def mask(self, tokens: set[int]) -> Words:
        """A mask with the bits of some tokens, set one by one."""
        out = np.zeros((self.pack.size + 31) // 32, np.uint32)
        for token in tokens:
            out[token // 32] |= np.uint32(1 << token % 32)
        return out


def sure(machine: Machine) -> bool:
    """Whether budgets are kept: no cost of a machine is a guess."""
    strict = measure(machine, strict=True)
    return bool(np.array_equal(strict.states, measure(machine).states))
