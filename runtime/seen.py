"""Registers that note what is read of them, so that a result can be kept by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


class Seen(tuple[Any, ...]):
    """Registers that note which of them a program has read before writing them."""

    log: set[int]
    own: frozenset[int]

    @classmethod
    def of(cls, regs: Iterable[Any], log: set[int], own: frozenset[int]) -> Seen:
        """The registers; `log` is shared, `own` holds those written since."""
        made = cls(regs)
        made.log = log
        made.own = own
        return made

    def opened(self) -> SeenList:
        """The same registers, to be written."""
        made = SeenList(self)
        made.log = self.log
        made.own = set(self.own)
        return made


class SeenList(list[Any]):
    """Registers under way that note what is read of them."""

    log: set[int]
    own: set[int]

    def __getitem__(self, register: Any) -> Any:
        """Read a register."""
        if register not in self.own:
            self.log.add(register)
        return super().__getitem__(register)

    def __setitem__(self, register: Any, value: Any) -> None:
        """Write a register."""
        self.own.add(register)
        super().__setitem__(register, value)

    def closed(self) -> Seen:
        """The registers as they are now."""
        return Seen.of(self, self.log, frozenset(self.own))


def bump(regs: list[Any], register: int) -> None:
    """Count one more; nothing depends on a count that nobody reads."""
    list.__setitem__(regs, register, list.__getitem__(regs, register) + 1)
