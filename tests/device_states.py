"""Random states of random rulesets on a GPU, every mask against the host's, bit for bit.

python tests/device_states.py make FOLDER 200      # where the compiler is
python tests/device_states.py check FOLDER 100000  # where the GPU is
"""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random

import numpy as np
import torch

from rulec.compiler.pack import fit, load_pack
from rulec.kernels import reference
from rulec.kernels.mask import mask_logits
from rulec.runtime import BadInput
from rulec.runtime.device import Device, HostOnly, Limits
from rulec.runtime.host import Host
from rulec.runtime.lowering import lower

SLOTS = 256


def make(folder: Path, count: int) -> None:
    """Write packs of random rulesets that have a form on the device, over one vocabulary."""
    from rulesets import author, built, vocabulary  # noqa: PLC0415
    from systems import system  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    words = vocabulary(Random(0), b"0123456789 .,=+-*/()abxyz:\n", 400)
    made, seed = 0, 0
    while made < count:
        seed += 1
        r = Random(seed)
        text = system(r).text if seed % 2 else author(r, watches=seed % 4 == 0)
        machine = built(text)
        if machine is None:
            continue
        try:
            lower(machine)
        except HostOnly:
            continue
        fit(machine, words).save(folder / f"{seed}.pack")
        made += 1


def masks(device: str) -> None:
    """Masks on logits of every type, inside wider rows, against their twin."""
    for width, stride in ((131_072, 131_072), (131_065, 131_080), (33, 40), (1, 7)):
        for dtype in (torch.float32, torch.bfloat16, torch.float16):
            chance = torch.Generator().manual_seed(width)
            wide = torch.randn(8, stride, generator=chance).to(dtype)
            words = -(-width // 32)
            allowed = torch.randint(-(2**31), 2**31, (8, words), generator=chance)
            allowed = (allowed & torch.randint(-(2**31), 2**31, (8, words))).to(torch.int32)
            rows = torch.tensor([0, 1, -1, 3, 4, 5, 5, 0], dtype=torch.int32)
            got = wide.clone().to(device)
            mask_logits(got[:, :width], allowed.to(device), rows.to(device))
            reference.mask_logits(wide[:, :width], allowed, rows)
            if not torch.equal(got.cpu(), wide):
                raise SystemExit(f"a mask of {width} {dtype} is wrong")
    print("masks of every type, all equal")


def check(folder: Path, count: int) -> int:
    """Walk slots of all packs at once until so many masks have been compared."""
    device_name = "cuda" if torch.cuda.is_available() else "cpu"
    masks(device_name)
    packs = [load_pack(path) for path in sorted(folder.glob("*.pack"))]
    limits = Limits(
        slots=SLOTS, lines=SLOTS, words=1 << 23, rows=1 << 17, open=1 << 22, reading=512,
        readings=32, walkers=2_112,
    )  # fmt: skip
    device = Device(packs[0].table, limits, device_name)
    residents = []
    for pack in packs:
        try:
            resident = device.load(pack)
            resident.start(None)
        except (HostOnly, BadInput) as reason:
            print("left out:", reason)
            continue
        residents.append(resident)
    print(len(residents), "packs", flush=True)
    hosts = [Host(resident.pack) for resident in residents]
    r = Random(1)
    tokens = torch.zeros((SLOTS, 1 << 15), dtype=torch.int32)
    until = [0] * SLOTS
    which = [0] * SLOTS
    configs: list = [None] * SLOTS
    places = [0] * SLOTS
    compared = 0
    for slot in range(SLOTS):
        device.memory.lines[slot] = slot
    while compared < count:
        for slot in range(SLOTS):
            if configs[slot] is None:
                which[slot] = r.randrange(len(residents))
                resident = residents[which[slot]]
                configs[slot], places[slot] = resident.start(None), 0
                record = device.record(resident, origin=until[slot])
                device.reset(slot, record.to(device_name))
        bits = device.prepare().cpu().numpy().view(np.uint32)
        for slot in range(SLOTS):
            host, config = hosts[which[slot]], configs[slot]
            want = np.zeros(bits.shape[1], np.uint32)
            host.fill(config, places[slot], want)
            compared += 1
            if not np.array_equal(bits[slot], want):
                differ = np.flatnonzero(
                    np.unpackbits((bits[slot] ^ want).view(np.uint8), bitorder="little")
                )
                print("a mask is wrong:", residents[which[slot]].pack.digest, differ[:8])
                return 1
            allowed = np.flatnonzero(np.unpackbits(want.view(np.uint8), bitorder="little"))
            ways = [token for token in allowed.tolist() if token not in host.pack.ends]
            if not ways or places[slot] > 120:
                configs[slot] = None
                continue
            token = r.choice(ways)
            tokens[slot, until[slot]] = token
            until[slot] += 1
            configs[slot] = host.advance(config, token, places[slot])
            places[slot] += len(host.pack.table.text(token))
        device.advance(
            tokens.to(device_name), torch.tensor(until, dtype=torch.int32, device=device_name)
        )
    print(compared, "masks, all equal")
    return 0


if __name__ == "__main__":
    folder_, count_ = Path(sys.argv[2]), int(sys.argv[3])
    if sys.argv[1] == "make":
        make(folder_, count_)
    else:
        sys.exit(check(folder_, count_))
