"""The device engine: the state of every sequence in the memory of a GPU, no host in the loop.

Masks are those of the reference engine, bit for bit. A mask is a pure function of the pack, the
request and the tokens. On the CPU the same programs run in plain Python: slowly, for tests.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from rulec.compiler.fit import widest
from rulec.compiler.skeleton import Posture
from rulec.kernels import encoding as e
from rulec.kernels import launch
from rulec.kernels.dialect import plain
from rulec.kernels.mask import mask_logits, mask_logits_kept
from rulec.kernels.memory import Memory
from rulec.kernels.rows import mixed
from rulec.runtime import inputs as given
from rulec.runtime.inputs import BadInput
from rulec.runtime.lowered_registers import HostOnly
from rulec.runtime.lowering import Lowered, lower
from rulec.runtime.quick import Quick
from rulec.runtime.records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from rulec.compiler.fit import TokenTable
    from rulec.compiler.pack import Pack
    from rulec.runtime.reference import Config

__all__ = ["Device", "HostOnly", "Limits", "Resident"]

START = 8
"""Words in front of the first pack: an address of 0 is nowhere."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much memory is set aside when an engine is made; nothing is allocated later.

    Args:
        slots: sequences at once.
        lines: rows of logits at once.
        words: words of tables.
        rows: distinct rows of all packs.
        open: tokens that are open, of all packs.
        reading: words of a reading.
        readings: readings that a sequence can have at once.
        walkers: programs that test tokens at once.
    """

    slots: int = 256
    lines: int = 256
    words: int = 1 << 20
    rows: int = 1_024
    open: int = 1 << 18
    reading: int = 256
    readings: int = 16
    walkers: int = 4_224


@dataclass(frozen=True)
class Resident:
    """A pack in the memory of a device."""

    pack: Pack
    base: int
    lowered: Lowered
    records: Records
    engine: Quick

    def start(self, inputs: Mapping[str, object] | None) -> Config:
        """The state before the first byte. Raises `BadInput`."""
        config = self.engine.start(given.registers(self.pack.machine, inputs))
        if not config.threads:
            raise BadInput("with these values no trace can keep the rules")
        return config


class Device:
    """Sequences of many packs over one vocabulary.

    Args:
        table: the vocabulary that all packs were made for.
        limits: how much memory is set aside.
        device: where.
    """

    def __init__(
        self, table: TokenTable, limits: Limits | None = None, device: str = "cpu"
    ) -> None:
        self.limits = limits = Limits() if limits is None else limits
        self.device = torch.device(device)
        self.packs: list[Resident] = []
        self._table = table
        self._words, self._rows, self._open = START, 0, 0
        room = (limits.readings + 2) * limits.reading
        spare = e.SCRATCH + limits.reading

        def zeros(*shape: int, dtype: torch.dtype = torch.int64) -> Tensor:
            return torch.zeros(shape, dtype=dtype, device=self.device)

        found = e.FOUND_HEAD + limits.readings * e.FOUND_SIZE
        self.memory = Memory(
            tables=zeros(limits.words),
            slots=zeros(limits.slots, e.SLOT_HEAD + 2 * room + spare),
            data=torch.from_numpy(table.data.copy()).to(self.device),
            offsets=torch.from_numpy(table.offsets.astype(np.int32)).to(self.device),
            rows=zeros(limits.rows, table.words, dtype=torch.int32),
            open=zeros(limits.open, dtype=torch.int32),
            found=zeros(limits.lines, found),
            bits=zeros(limits.lines, table.words, dtype=torch.int32),
            walkers=zeros(limits.walkers, 2 * room + spare),
            starts=zeros(limits.lines + 1, dtype=torch.int32),
            lines=torch.full((limits.lines,), -1, dtype=torch.int32, device=self.device),
            room=room,
            most=limits.readings,
        )

    # --- packs ---

    def load(self, pack: Pack) -> Resident:
        """Put a pack into the memory of the device.

        Raises:
            HostOnly: if the pack needs what only the host has, or too much memory.
            ValueError: if it was made for another vocabulary.
        """
        if pack.size != self._table.size or len(pack.table.data) != len(self._table.data):
            raise ValueError("the pack was made for another vocabulary")
        lowered = lower(pack.machine)
        if lowered.width > self.limits.reading or lowered.readings > self.limits.readings:
            raise HostOnly(
                f"{lowered.readings} readings of {lowered.width} words don't fit a slot"
            )
        base = self._words
        words = lowered.words.copy()
        words[lowered.addresses] += base
        rows, open_, table = self._row_tables(pack)
        parts = [table, np.array([len(pack.ends), *pack.ends], np.int64)]
        words[e.PACK_ROWS] = base + len(words)
        words[e.PACK_ENDS] = base + len(words) + len(table)
        words[e.PACK_BITS], words[e.PACK_OPEN] = self._rows, self._open
        words[e.PACK_LAYOUT], words[e.PACK_SIZE] = lowered.layout, pack.size
        words = np.concatenate([words, *parts])
        self._put(words, rows, open_)
        resident = Resident(
            pack, base, lowered, Records(pack.machine, lowered, base), Quick(pack.machine)
        )
        self.packs.append(resident)
        return resident

    def _row_tables(
        self, pack: Pack
    ) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
        """Distinct rows, the open tokens of all, and where those of each posture stand."""
        distinct: dict[bytes, int] = {}
        rows: list[NDArray[np.uint32]] = []
        opens: list[NDArray[np.int32]] = []
        known: dict[bytes, int] = {}
        count = 0
        entries: list[tuple[int, int, int, int, int]] = []
        every = widest(pack.rows)
        for posture, row in pack.rows.items():
            key = row.bits.tobytes()
            if key not in distinct:
                distinct[key] = len(rows)
                rows.append(row.bits)
            own = row.open.tobytes()
            if own not in known:
                known[own] = count
                opens.append(row.open)
                count += len(row.open)
            node, place = posture.node, (distinct[key], known[own], len(row.open))
            entries.append((key_of(posture), node, *place))
            if every.get(node) == posture:
                entries.append((key_of(Posture(e.ANY_WATCH + node)), node, *place))
        made = np.stack(rows).view(np.int32)
        return made, np.concatenate([np.zeros(0, np.int32), *opens]), _hashed(entries)

    def _put(
        self, words: NDArray[np.int64], rows: NDArray[np.int32], open_: NDArray[np.int32]
    ) -> None:
        memory = self.memory
        for name, held, first, most in (
            ("words of tables", len(words), self._words, self.limits.words - START),
            ("rows", len(rows), self._rows, self.limits.rows),
            ("open tokens", len(open_), self._open, self.limits.open),
        ):
            if first + held > most:
                raise HostOnly(f"{first + held} {name} are more than the {most} set aside")
        for target, source, first in (
            (memory.tables, words, self._words),
            (memory.rows, rows, self._rows),
            (memory.open, open_, self._open),
        ):
            target[first : first + len(source)].copy_(torch.from_numpy(source))
        self._words += len(words)
        self._rows += len(rows)
        self._open += len(open_)

    # --- sequences ---

    def record(
        self, resident: Resident, inputs: Mapping[str, object] | None = None, origin: int = 0
    ) -> Tensor:
        """What a slot holds before the first token, on the host, `[stride]` int64.

        Args:
            resident: the rules.
            inputs: the values that come with the request.
            origin: where among the tokens of the slot the trace begins.

        Raises:
            BadInput: if a value doesn't fit, or no trace is left.
        """
        return self.written(resident, resident.start(inputs), origin)

    def written(self, resident: Resident, config: Config, origin: int = 0) -> Tensor:
        """What a slot holds in a state of the reference engine."""
        pool = resident.records.pool(config)
        words = np.zeros(self.memory.slots.shape[1], np.int64)
        words[e.SLOT_PACK], words[e.SLOT_COUNT] = resident.base, len(pool)
        words[e.SLOT_AT] = origin
        words[e.SLOT_HEAD : e.SLOT_HEAD + pool.size] = pool.reshape(-1)
        return torch.from_numpy(words)

    def reset(self, slot: int, record: Tensor | None) -> None:
        """Begin a sequence, or leave the slot without rules."""
        if record is None:
            self.memory.slots[slot, e.SLOT_PACK] = 0
        else:
            self.memory.slots[slot].copy_(record, non_blocking=True)

    def advance(self, tokens: Tensor, until: Tensor) -> None:
        """Scan what is new of every slot's tokens.

        Args:
            tokens: `[slots, length]` int32.
            until: `[slots]` int32, how many there are of each slot.
        """
        launch.advance(self.memory, tokens, until)

    def prepare(self, lines: int | None = None) -> Tensor:
        """What may come next, `[lines, words]` int32, for the slots in `memory.lines`."""
        launch.prepare(self.memory, lines)
        return self.memory.bits

    def mask(self, logits: Tensor, rows: Tensor) -> None:
        """Set what is banned to -inf; `rows` `[rows]` int32 names the mask of each, or -1."""
        mask_logits(logits, self.memory.bits, rows)

    def mask_kept(self, logits: Tensor, rows: Tensor, temperature: Tensor, out: Tensor) -> None:
        """The same, with the logarithm of the share that is kept."""
        mask_logits_kept(logits, self.memory.bits, rows, temperature, out)


def key_of(posture: Posture) -> int:
    """The key by which the row of a posture is found."""
    spread = plain(mixed)
    key = spread(posture.node)
    for watch, nodes in posture.subs:
        for node in nodes:
            key = (key + spread((watch + 1 << 20) + node)) & e.LOW
    return int(key)


def _hashed(entries: Sequence[tuple[int, int, int, int, int]]) -> NDArray[np.int64]:
    """A table of open addressing: its size less one, and the places."""
    if len({entry[:2] for entry in entries}) != len(entries):
        raise HostOnly("two places of the rules have one key")
    size = 1 << (2 * len(entries)).bit_length()
    table = np.zeros((size, e.ROW_SIZE), np.int64)
    table[:, e.ROW_KEY] = -1
    for entry in entries:
        place = entry[0] & (size - 1)
        while table[place, e.ROW_KEY] >= 0:
            place = (place + 1) & (size - 1)
        table[place] = entry
    return np.concatenate([np.array([size - 1], np.int64), table.reshape(-1)])
