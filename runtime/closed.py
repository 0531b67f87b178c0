"""Ways on that the text's shape has, and that rules close."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.compiler.conditions import rules_of
from rulec.runtime.reference import Config
from rulec.runtime.trail import Doubting, denials, open_parts, path_of
from rulec.runtime.verdicts import in_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from rulec.compiler.marking import Marked, Part
    from rulec.compiler.rows import Held
    from rulec.runtime.programs import Mark
    from rulec.runtime.reference import Thread


@dataclass(frozen=True, slots=True)
class Closed:
    """A way that no reading can take: where it leads, and the rules that close it."""

    path: tuple[str, ...]
    part: Part | None
    rules: tuple[int, ...]


class Doubts:
    """Finds the ways that are closed at a place of a trace."""

    def __init__(self, marked: Marked) -> None:
        self.marked = marked
        self._engine = Doubting(marked.machine)

    def start(self, inputs: Mapping[int, Held]) -> Config:
        """The ways before the first byte, those that are closed among them."""
        return self._engine.start(inputs)

    def behind(self, config: Config, byte: int, at: int) -> Config:
        """The ways behind one more byte, those that are closed among them."""
        return self._engine.step(config, byte, at)

    def closed(self, config: Config) -> Iterator[tuple[Closed, Thread]]:
        """The ways of these that are closed."""
        for thread in config.threads:
            trail = in_order(thread.marks)
            denied = denials(trail)
            if denied:
                opened = open_parts(trail)
                part = self.marked.parts[opened[-1].label] if opened else None
                rules = frozenset().union(*map(self._denying, denied))
                path = path_of(self.marked.parts, trail)
                yield Closed(path, part, tuple(sorted(rules))), thread

    def takes(self, thread: Thread, text: bytes, at: int) -> bool:
        """Whether a closed way goes on with the first byte of a text, or ends without."""
        alone = Config((thread,))
        if not text:
            return self._engine.ending(alone, at) is not None
        return bool(self._engine.step(alone, text[0], at).threads)

    def _denying(self, mark: Mark) -> frozenset[int]:
        """The rules without which a guard would not have denied a way, or that are broken."""
        if not mark.regs:
            return frozenset({mark.label})
        return rules_of(self._engine.rules.guards.failing(mark.label, mark.regs))
