"""The device engine on a GPU, beside the floors of the memory and beside xgrammar.

    python benchmarks/device.py make FOLDER         # where the compiler is: packs and traces
    python benchmarks/device.py run FOLDER --json OUT.json      # where the GPU is

Every mask that is timed is compared with the host engine's first; with one wrong bit there is
no report. Sequences stand at different places of different traces. xgrammar gets the structure
alone, on the same tokens: its batch fill on all cores, its copy, and its kernel on the logits.
"""

from __future__ import annotations

import argparse
import json
import platform
import re
import sys
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import partial
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from workloads import workloads

from rulec.compiler.pack import fit, load_pack
from rulec.kernels import encoding as e
from rulec.kernels.mask import mask_logits
from rulec.runtime import inputs as given
from rulec.runtime.device import Device, HostOnly, Limits
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rulec.compiler import Vocabulary
    from rulec.compiler.pack import Pack
    from rulec.runtime.device import Resident

ROOT = Path(__file__).resolve().parent.parent
PACKS = ("gsm8k", "arithmetic", "invoice", "proof")
BATCHES = (1, 8, 64, 256, 512)
MOMENTS = 3
"""Places in the traces at which a batch is timed."""

REPEATS = 20
MADE = 200_192
"""The width of the larger vocabulary: the real one's tokens, and pairs of them."""


def main() -> int:
    """Make what is measured, or measure it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("verb", choices=("make", "run"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("--gsm8k", type=Path, help="lines for gsm8k and arithmetic")
    parser.add_argument("--batches", nargs="+", type=int, default=list(BATCHES))
    parser.add_argument("--vocabularies", nargs="+", default=["131k", "200k"])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    if options.verb == "make":
        make(options.folder, options.gsm8k)
        return 0
    report = run(options)
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report, indent=1))
    return 0


# --- what is measured ---


def make(folder: Path, gsm8k: Path | None) -> None:
    """Write packs for two vocabularies, and the tokens of traces."""
    from vocabularies import chosen, load_tokenizer  # noqa: PLC0415

    from rulec.compiler import build  # noqa: PLC0415
    from rulec.dsl import load  # noqa: PLC0415

    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = load_tokenizer("131k", chosen([])["131k"])
    sizes = {"131k": tokenizer.vocabulary, "200k": widened(tokenizer.vocabulary)}
    texts = dict(_texts(gsm8k))
    for name in PACKS:
        ruleset = load(ROOT / "examples" / f"{name}.rules").ruleset
        if ruleset is None:
            raise SystemExit(f"{name}: the rules have errors")
        machine = build(ruleset).machine
        if machine is None:
            raise SystemExit(f"{name}: the rules have errors")
        packs = {size: fit(machine, vocabulary) for size, vocabulary in sizes.items()}
        for size, pack in packs.items():
            pack.save(folder / f"{name}-{size}.pack")
        spelled = (tokenizer.encode(text) for text in texts.get(name, ()))
        tokens = list(_kept(packs["131k"], spelled)) if name in texts else []
        (folder / f"{name}.json").write_text(json.dumps(tokens), "utf-8")
    grammars = {work.name: work.ebnf for work in workloads(gsm8k, 1)}
    (folder / "grammars.json").write_text(json.dumps(grammars), "utf-8")


def widened(vocabulary: Vocabulary) -> Vocabulary:
    """A vocabulary with pairs of its own tokens up to a width."""
    chance = np.random.default_rng(1)
    tokens = list(vocabulary.tokens)
    tokens += [None] * (vocabulary.size - len(tokens))
    known = {token for token in tokens if token}
    short = [token for token in tokens if token and len(token) <= 4]
    while len(tokens) < MADE:
        left, right = chance.integers(0, len(short), 2)
        made = short[left] + short[right]
        if made not in known:
            known.add(made)
            tokens.append(made)
    return type(vocabulary)(tuple(tokens), vocabulary.ends, MADE)


def _texts(gsm8k: Path | None) -> Iterator[tuple[str, Sequence[str]]]:
    """Traces that keep the rules of each pack."""
    found = {work.name: work.traces for work in workloads(gsm8k, 40)}
    yield "gsm8k", found["gsm8k"]
    yield "invoice", found["invoice"]
    yield "arithmetic", [re.sub("<<[^>]*>>", "", line) for line in found["gsm8k"]]


def _kept(pack: Pack, lines: Iterator[list[int]]) -> Iterator[list[int]]:
    """The traces that keep the rules."""
    host = Host(pack)
    start = host.engine.start(given.registers(pack.machine, None))
    for line in lines:
        config, at = start, 0
        for token in line:
            config = host.advance(config, token, at)
            at += len(pack.table.text(token))
        if config.threads:
            yield line


# --- measuring ---


@dataclass
class Figures:
    """Microseconds, the median and the most over the moments."""

    vocabulary: str
    packs: str
    batch: int
    open: float = 0.0
    times: dict[str, tuple[float, float]] = field(default_factory=dict)


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain data."""
    folder: Path = options.folder
    results: list[dict[str, Any]] = []
    loads: list[dict[str, Any]] = []
    skipped: list[str] = []
    for size in options.vocabularies:
        packs = {name: load_pack(folder / f"{name}-{size}.pack") for name in PACKS}
        device = _device(next(iter(packs.values())), max(options.batches))
        residents: dict[str, Resident] = {}
        for name, pack in packs.items():
            began = perf_counter()
            try:
                residents[name] = device.load(pack)
            except HostOnly as reason:
                skipped.append(f"{name}: {reason}")
                continue
            loads.append(
                {"pack": name, "vocabulary": size, "ms": (perf_counter() - began) * 1e3}
            )
        traces = {
            name: json.loads((folder / f"{name}.json").read_text("utf-8")) for name in residents
        }
        for batch in options.batches:
            for chosen in (*((name,) for name in residents), tuple(residents)):
                figures = Bench(device, residents, traces, chosen, batch).figures(size)
                results.append(asdict(figures))
                print(_line(figures), file=sys.stderr, flush=True)
        if find_spec("xgrammar") is not None:
            results += _peer(folder, size, packs, traces, options.batches)
    return {"machine": _machine(), "skipped": skipped, "loads": loads, "results": results}


def _line(figures: Figures) -> str:
    times = " ".join(f"{name} {time:.1f}" for name, (time, _) in figures.times.items())
    return (
        f"{figures.vocabulary} {figures.packs} {figures.batch} open {figures.open:.0f}: {times}"
    )


def _device(pack: Pack, batch: int) -> Device:
    limits = Limits(slots=batch, lines=batch, reading=128, readings=16, walkers=4_224)
    return Device(pack.table, limits, "cuda")


def _machine() -> dict[str, str]:
    return {
        "gpu": torch.cuda.get_device_name(),
        "driver": torch.version.cuda or "",
        "date": date.today().isoformat(),
        "python": platform.python_version(),
        **{name: version(name) for name in ("torch", "triton", "numpy")},
    }


class Bench:
    """One batch of one pack, or of several."""

    def __init__(
        self,
        device: Device,
        residents: dict[str, Resident],
        traces: dict[str, list[list[int]]],
        chosen: Sequence[str],
        batch: int,
    ) -> None:
        self.device, self.batch, self.chosen = device, batch, chosen
        self.names = [chosen[slot % len(chosen)] for slot in range(batch)]
        self.residents = residents
        self.traces = traces
        self.hosts = {name: Host(residents[name].pack) for name in chosen}
        self.tokens = torch.zeros((device.limits.slots, 2_048), dtype=torch.int32)
        self.rows = torch.arange(batch, dtype=torch.int32, device="cuda")

    def figures(self, size: str) -> Figures:
        """Place the batch at some moments, and time every kernel there."""
        made = Figures(size, "+".join(self.chosen), self.batch)
        found: dict[str, list[float]] = {}
        opened = []
        for moment in range(MOMENTS):
            until = self._place(moment)
            for name, time in self._timed(until):
                found.setdefault(name, []).append(time)
            opened.append(self._open())
        made.open = sum(opened) / len(opened)
        made.times = {name: (median(times), max(times)) for name, times in found.items()}
        return made

    def _place(self, moment: int) -> torch.Tensor:
        """Every slot behind a prefix of its trace; the masks compared with the host's."""
        device = self.device
        until = torch.zeros(device.limits.slots, dtype=torch.int32)
        configs = []
        device.memory.lines.fill_(-1)
        device.memory.slots.zero_()
        for slot, name in enumerate(self.names):
            lines = self.traces[name]
            line = lines[(slot // len(self.chosen)) % len(lines)]
            count = 1 + (7 * slot + 13 * moment) % max(1, len(line) - 1)
            self.tokens[slot, :count] = torch.tensor(line[:count], dtype=torch.int32)
            until[slot] = count
            resident = self.residents[name]
            device.reset(slot, device.record(resident))
            device.memory.lines[slot] = slot
            configs.append(self._followed(resident, self.hosts[name], line[:count]))
        tokens = self.tokens.to("cuda")
        device.advance(tokens, until.to("cuda"))
        bits = device.prepare(self.batch)[: self.batch].cpu().numpy().view(np.uint32)
        for slot, (config, at) in enumerate(configs[:64]):
            want = np.zeros(bits.shape[1], np.uint32)
            self.hosts[self.names[slot]].fill(config, at, want)
            if not np.array_equal(bits[slot], want):
                raise SystemExit(f"no report, a mask is wrong: {self.names[slot]}, slot {slot}")
        return until

    def _followed(self, resident: Resident, host: Host, line: Sequence[int]) -> Any:
        config, at = resident.start(None), 0
        for token in line:
            config = host.advance(config, token, at)
            at += len(resident.pack.table.text(token))
        return config, at

    def _timed(self, until: torch.Tensor) -> Iterator[tuple[str, float]]:
        """What each part of a step takes."""
        device, batch = self.device, self.batch
        tokens, end = self.tokens.to("cuda"), until.to("cuda")
        kept = device.memory.slots.clone()
        before = (end - 1).to(torch.int64)

        def back() -> None:
            device.memory.slots.copy_(kept)
            device.memory.slots[:, 3].copy_(before)

        def advance() -> None:
            back()
            device.advance(tokens, end)

        yield "advance", graphed(advance) - graphed(back)
        device.memory.slots.copy_(kept)
        yield "prepare", graphed(lambda: device.prepare(batch))
        logits = torch.randn(batch, device.memory.bits.shape[1] * 32, device="cuda")
        logits = logits[:, : device.packs[0].pack.size]
        yield "mask", graphed(lambda: device.mask(logits, self.rows))
        yield "launches", _launched(lambda: self._step(tokens, end, logits))
        other = torch.empty_like(logits)
        yield "store", graphed(lambda: other.fill_(0.0))
        yield "copy", graphed(lambda: other.copy_(logits))
        for banned in (99, 50, 1):
            bits = _made_bits(device.memory.bits, banned)[:batch]
            yield f"mask {banned}%", graphed(partial(mask_logits, logits, bits, self.rows))

    def _step(self, tokens: torch.Tensor, end: torch.Tensor, logits: torch.Tensor) -> None:
        self.device.advance(tokens, end)
        self.device.prepare(self.batch)
        self.device.mask(logits, self.rows)

    def _open(self) -> float:
        """Tokens that were tested, on average a row."""
        found = self.device.memory.found[: self.batch].cpu().numpy()
        return float(found[:, e.FOUND_TOTAL].mean())


def _made_bits(like: torch.Tensor, banned: int) -> torch.Tensor:
    """Masks that ban a share of all tokens, at random."""
    chance = torch.Generator(device="cuda").manual_seed(banned)
    shape = (*like.shape, 32)
    allowed = torch.rand(shape, generator=chance, device="cuda") * 100 >= banned
    weights = 1 << torch.arange(32, device="cuda", dtype=torch.int64)
    return (allowed * weights).sum(-1).to(torch.int32)


def graphed(call: Callable[[], object]) -> float:
    """Microseconds of a call inside a CUDA graph of many."""
    for _ in range(2):
        call()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            call()
    times = []
    for _ in range(3):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize()
        times.append(start.elapsed_time(end) * 1e3 / REPEATS)
    return min(times)


def _launched(call: Callable[[], object]) -> float:
    """Microseconds of the host for the launches of a step."""
    times = []
    for _ in range(20):
        torch.cuda.synchronize()
        began = perf_counter()
        call()
        times.append((perf_counter() - began) * 1e6)
    torch.cuda.synchronize()
    return median(times)


# --- the peer ---


def _peer(
    folder: Path,
    size: str,
    packs: dict[str, Pack],
    traces: dict[str, list[list[int]]],
    batches: Sequence[int],
) -> list[dict[str, Any]]:
    """Xgrammar on the structure alone: fill, copy, apply."""
    import xgrammar  # noqa: PLC0415

    grammars = json.loads((folder / "grammars.json").read_text("utf-8"))
    some = next(iter(packs.values()))
    info = xgrammar.TokenizerInfo(
        [some.table.text(token) for token in range(some.size)],
        vocab_size=some.size,
        stop_token_ids=list(some.ends),
    )
    compiler = xgrammar.GrammarCompiler(info, max_threads=16)
    found = []
    for name in ("gsm8k", "invoice"):
        compiled = compiler.compile_grammar(grammars[name])
        for batch in batches:
            times = _peer_times(xgrammar, compiled, traces[name], batch, some.size)
            made = Figures(size, f"xgrammar {name}", batch, 0.0, times)
            found.append(asdict(made))
    return found


def _peer_times(
    xgrammar: Any, compiled: Any, traces: list[list[int]], batch: int, width: int
) -> dict[str, tuple[float, float]]:
    parts: dict[str, list[float]] = {"fill": [], "copy": [], "apply": []}
    pool = xgrammar.BatchGrammarMatcher(max_threads=16)
    for moment in range(MOMENTS):
        matchers = []
        for slot in range(batch):
            line = traces[slot % len(traces)]
            count = 1 + (7 * slot + 13 * moment) % max(1, len(line) - 1)
            matcher = xgrammar.GrammarMatcher(compiled)
            for token in line[:count]:
                matcher.accept_token(token)
            matchers.append(matcher)
        bits = xgrammar.allocate_token_bitmask(batch, width).pin_memory()
        there = torch.empty_like(bits, device="cuda")
        logits = torch.randn(batch, width, device="cuda")

        def fill(matchers: Any = matchers, bits: Any = bits) -> None:
            pool.batch_fill_next_token_bitmask(matchers, bits)

        fill()
        began = perf_counter()
        for _ in range(5):
            fill()
        parts["fill"].append((perf_counter() - began) / 5 * 1e6)
        parts["copy"].append(graphed(lambda: there.copy_(bits, non_blocking=True)))  # noqa: B023
        parts["apply"].append(
            graphed(lambda: xgrammar.apply_token_bitmask_inplace(logits, there))  # noqa: B023
        )
    return {name: (median(times), max(times)) for name, times in parts.items()}


if __name__ == "__main__":
    sys.exit(main())
