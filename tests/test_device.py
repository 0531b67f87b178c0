"""The device engine against the reference, bit for bit, its programs run in plain Python."""

from __future__ import annotations

from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rulesets import SEEDS, author, built, letters_of, machine_of, many, seeded, vocabulary
from systems import system

from rulec.compiler import fit
from rulec.dsl import load
from rulec.kernels import encoding as e
from rulec.kernels.dialect import Buffer, plain
from rulec.kernels.walk import ends, step
from rulec.runtime import BadInput
from rulec.runtime.device import Device, Limits
from rulec.runtime.host import Host
from rulec.runtime.lowered_registers import HostOnly
from rulec.runtime.quick import Quick

if TYPE_CHECKING:
    from rulec.compiler.machine import Machine
    from rulec.compiler.pack import Pack
    from rulec.runtime.device import Resident
    from rulec.runtime.reference import Config

EXAMPLES = Path(__file__).parent.parent / "examples"
SMALL = Limits(
    slots=3,
    lines=3,
    words=1 << 19,
    rows=2_100,
    open=1 << 20,
    reading=400,
    readings=40,
    walkers=1,
)


class Stepped:
    """One slot, byte by byte."""

    def __init__(self, pack: Pack) -> None:
        self.device = Device(pack.table, SMALL)
        self.resident = self.device.load(pack)
        self.width = self.resident.lowered.width
        self.first = int(self.device.memory.tables[self.resident.base + e.PACK_REGISTERS])
        self._tables = Buffer(memoryview(self.device.memory.tables.numpy().data))
        room = self.device.memory.room
        self._new, self._scratch = room, 2 * room
        self._spare = 2 * room + e.SCRATCH
        self._step, self._ends = plain(step), plain(ends)

    def memory(self, config: Config) -> np.ndarray:
        """A slot's pools, the first of them in a state."""
        pool = self.resident.records.pool(config)
        memory = np.zeros(self._spare + SMALL.reading, np.int64)
        memory[: pool.size] = pool.reshape(-1)
        return memory

    def after(self, memory: np.ndarray, live: int, byte: int) -> np.ndarray:
        """The readings behind a byte."""
        layout = self.resident.lowered.layout
        count = self._step(
            Buffer(memory.data), self._tables, self.resident.base, 0, live, self._new, byte,
            layout, self._scratch, self._spare,
        )  # fmt: skip
        return memory[self._new : self._new + count * self.width].reshape(count, self.width)

    def may_end(self, memory: np.ndarray, live: int) -> bool:
        layout = self.resident.lowered.layout
        return bool(
            self._ends(
                Buffer(memory.data), self._tables, self.resident.base, 0, live, layout,
                self._scratch, self._spare,
            )
        )  # fmt: skip

    def told(self, pool: np.ndarray) -> list[list[int]]:
        """Where readings stand and what their registers hold, in any order."""
        end = self.width - self.resident.lowered.registers.quotients
        return sorted([*words[:2], *words[self.first : end]] for words in pool.tolist())


def compare_steps(stepped: Stepped, r: Random, text: bytes | None, steps: int) -> None:
    """Every byte from every state of a walk, with the registers that it leads to."""
    engine = stepped.resident.engine
    config, at, written = stepped.resident.start(None), 0, b""
    pool = stepped.resident.records.pool(config)
    memory = stepped.memory(config)
    for position in range(steps):
        live = len(pool)
        ways: list[tuple[int, Config]] = []
        for byte in range(256):
            want = engine.step(config, byte, at)
            got = stepped.told(stepped.after(memory, live, byte))
            assert got == stepped.told(stepped.resident.records.pool(want)), (written, byte)
            if want.threads:
                ways.append((byte, want))
        ending = engine.ending(config, at) is not None
        assert stepped.may_end(memory, live) == ending, written
        if text is not None:
            ways = [way for way in ways if position < len(text) and way[0] == text[position]]
        if not ways:
            return
        plain_ways = [way for way in ways if way[0] < 128] or ways
        byte, config = r.choice(plain_ways if r.random() < 0.95 else ways)
        pool = stepped.after(memory, live, byte).copy()
        memory[: pool.size] = pool.reshape(-1)
        at, written = at + 1, written + bytes((byte,))


def stepped_of(machine: Machine | None, r: Random) -> Stepped | None:
    """None where the rules have an error, no form on the device, or leave no trace."""
    if machine is None:
        return None
    try:
        stepped = Stepped(fit(machine, vocabulary(r, letters_of(machine), 40)))
        stepped.resident.start(None)
    except (HostOnly, BadInput):
        return None
    return stepped


@seeded(3, 4_000)
@given(SEEDS, st.booleans())
def test_bytes_lead_where_the_reference_goes(seed: int, watches: bool) -> None:
    r = Random(seed)
    stepped = stepped_of(built(author(r, watches=watches)), r)
    if stepped is not None:
        compare_steps(stepped, r, None, 20)


@seeded(6, 4_000)
@given(SEEDS)
def test_bytes_of_systems_lead_where_the_reference_goes(seed: int) -> None:
    r = Random(seed)
    stepped = stepped_of(built(system(r).text), r)
    if stepped is not None:
        compare_steps(stepped, r, None, 20)


ON_THE_DEVICE = ("arithmetic", "chains", "gsm8k", "invoice", "order", "packs/ledger")


@pytest.mark.parametrize("name", ON_THE_DEVICE)
def test_examples_lead_where_the_reference_goes(name: str) -> None:

    path = EXAMPLES / f"{name}.rules"
    ruleset = load(path).ruleset
    assert ruleset is not None
    r = Random(1)
    stepped = stepped_of(machine_of(path), r)
    assert stepped is not None
    accepted = next(s for s in ruleset.samples if s.accept and not s.inputs)
    compare_steps(stepped, r, accepted.trace.encode(), many(60, 400))
    compare_steps(stepped, r, None, many(15, 200))


# --- masks ---


def compare_masks(device: Device, residents: list[Resident], r: Random, steps: int) -> None:
    """Slots of several packs, staggered; the masks of all against the host's."""
    slots = len(residents)
    hosts = [Host(resident.pack) for resident in residents]
    tokens = torch.zeros((SMALL.slots, 64), dtype=torch.int32)
    until = torch.zeros(SMALL.slots, dtype=torch.int32)
    configs: list[Config | None] = []
    places = [0] * slots
    for slot, resident in enumerate(residents):
        origin = int(until[slot].fill_(slot))
        device.reset(slot, device.record(resident, origin=origin))
        device.memory.lines[slot] = slot
        configs.append(resident.start(None))
    for _ in range(steps):
        bits = device.prepare().numpy().view(np.uint32)
        for slot, (resident, host) in enumerate(zip(residents, hosts, strict=True)):
            config, pack = configs[slot], resident.pack
            if config is None:
                continue
            want = np.zeros(pack.table.words, np.uint32)
            host.fill(config, places[slot], want)
            assert np.array_equal(bits[slot], want)
            allowed = np.flatnonzero(np.unpackbits(want.view(np.uint8), bitorder="little"))
            ways = [t for t in allowed.tolist() if t not in pack.ends]
            if not ways:
                configs[slot] = None
                continue
            token = r.choice(ways)
            tokens[slot, int(until[slot])] = token
            until[slot] += 1
            configs[slot] = host.advance(config, token, places[slot])
            places[slot] += len(pack.table.text(token))
        device.advance(tokens, until)


@seeded(3, 2_000)
@given(SEEDS, st.booleans())
def test_masks_are_those_of_the_host(seed: int, watches: bool) -> None:
    r = Random(seed)
    machines = [built(author(r, watches=watches)) for _ in range(3)]
    words = vocabulary(r, b"0123456789 .=+", 120)
    device: Device | None = None
    residents: list[Resident] = []
    for machine in machines:
        if machine is None:
            continue
        pack = fit(machine, words)
        device = Device(pack.table, SMALL) if device is None else device
        try:
            resident = device.load(pack)
            resident.start(None)
        except (HostOnly, BadInput):
            continue
        residents.append(resident)
    if device is not None:
        compare_masks(device, residents, r, 10)


def test_slots_without_rules_are_left_alone() -> None:
    machine = machine_of(EXAMPLES / "invoice.rules")
    pack = fit(machine, vocabulary(Random(1), letters_of(machine)))
    device = Device(pack.table, SMALL)
    resident = device.load(pack)
    device.reset(0, device.record(resident))
    device.memory.lines[:] = torch.tensor([0, 1, -1], dtype=torch.int32)
    bits = device.prepare()
    logits = torch.zeros(3, pack.size)
    device.mask(logits, torch.tensor([0, -1, -1], dtype=torch.int32))
    assert torch.isneginf(logits[0]).any()
    assert not torch.isneginf(logits[1:]).any()
    assert (bits[1:] == -1).all()


def test_the_end_of_a_sequence_leaves_only_ends() -> None:
    machine = machine_of(EXAMPLES / "invoice.rules")
    pack = fit(machine, vocabulary(Random(1), letters_of(machine)))
    device = Device(pack.table, SMALL)
    device.reset(0, device.record(device.load(pack)))
    device.memory.lines[0] = 0
    tokens = torch.full((SMALL.slots, 4), pack.ends[0], dtype=torch.int32)
    device.advance(tokens, torch.tensor([1, 0, 0], dtype=torch.int32))
    bits = device.prepare()[0].numpy().view(np.uint8)
    allowed = np.flatnonzero(np.unpackbits(bits, bitorder="little"))
    assert allowed.tolist() == sorted(pack.ends)


def test_a_state_is_a_function_of_its_tokens() -> None:
    """A slot that is rebuilt from its tokens holds what one holds that was fed them."""
    machine = machine_of(EXAMPLES / "order.rules")
    pack = fit(machine, vocabulary(Random(2), letters_of(machine)))
    device = Device(pack.table, SMALL)
    record = device.record(device.load(pack))
    engine, r = Quick(machine), Random(3)
    config, at, chosen = engine.start({}), 0, []
    for _ in range(40):
        ways = [
            (token, after)
            for token in r.sample(range(pack.size), pack.size)
            if pack.table.text(token)
            and (after := engine.walk(config, pack.table.text(token), at)).threads
        ]
        if not ways:
            break
        token, config = ways[0]
        chosen.append(token)
        at += len(pack.table.text(token))
    tokens = torch.tensor([chosen] * SMALL.slots, dtype=torch.int32)
    device.reset(0, record)
    device.reset(1, record)
    for count in range(1, len(chosen) + 1):
        device.advance(tokens, torch.tensor([count, 0, 0], dtype=torch.int32))
    device.advance(tokens, torch.tensor([len(chosen), len(chosen), 0], dtype=torch.int32))
    live = slice(0, e.SLOT_HEAD)
    assert torch.equal(device.memory.slots[0][live], device.memory.slots[1][live])
    device.memory.lines[:2] = torch.tensor([0, 1], dtype=torch.int32)
    bits = device.prepare()
    assert torch.equal(bits[0], bits[1])


def test_what_only_the_host_has_is_said() -> None:
    machine = machine_of(EXAMPLES / "proof.rules")
    pack = fit(machine, vocabulary(Random(1), letters_of(machine)))
    with pytest.raises(HostOnly, match="names are kept by the host"):
        Device(pack.table, SMALL).load(pack)
