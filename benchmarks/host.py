"""The host engine beside xgrammar and llguidance, in one run.

    python benchmarks/host.py --gsm8k train.jsonl --vocabulary 200k=o200k_base.tiktoken

Vocabularies come from `--vocabulary NAME=PATH` (repeated), or from the environment variable
RULEC_BENCH_VOCABULARIES (the same, joined like a search path), or else from an installed
mistral-common (32k and 131k). The GSM8K lines come from `--gsm8k` or RULEC_BENCH_GSM8K.

Every token that is walked has its bit asserted before it is taken, in every engine. Where a
mask of rulec is wrong nothing is reported; what a peer refuses is listed.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from engines import ENGINES, Rulec, Unsupported, cores, words
from memory import forget_peak, peak, resident
from tables import render
from timing import (
    Trace,
    Walk,
    WrongMask,
    batch,
    by_class,
    check_masks,
    classify,
    figures,
    walk,
)
from vocabularies import WANTED, Tokenizer, chosen, load_tokenizer
from workloads import Workload, workloads

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from engines import Engine

GSM8K = "RULEC_BENCH_GSM8K"
REPEATS = 9
LONG = 2.0
"""Seconds after which nothing is repeated."""


def main() -> int:
    """Measure what the command line asks for."""
    options = _options()
    if options.memory:
        print(json.dumps(_memory_here(options)), flush=True)
        return 0
    try:
        report = measure(options)
    except WrongMask as wrong:
        print(f"no report, a mask is wrong: {wrong}", file=sys.stderr)
        return 1
    if options.json is not None:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    render(report)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocabulary", action="append", default=[], metavar="NAME=PATH")
    parser.add_argument("--gsm8k", type=Path, default=os.environ.get(GSM8K), metavar="JSONL")
    parser.add_argument("--traces", type=int, default=30, help="traces of each workload")
    parser.add_argument("--engines", nargs="+", choices=ENGINES, default=list(ENGINES))
    parser.add_argument("--workloads", nargs="+", default=["gsm8k", "report", "invoice"])
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 8, 64, 256])
    parser.add_argument("--checks", type=int, default=25, help="masks compared in full")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--memory", metavar="ENGINE", help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Everything, as plain data."""
    paths = chosen(options.vocabulary)
    skipped = [f"no vocabulary `{name}` was given" for name in WANTED if name not in paths]
    absent = [name for name, path in paths.items() if not path.exists()]
    skipped += [f"`{name}`: {paths[name].name} isn't there" for name in absent]
    engines = [name for name in options.engines if _installed(name)]
    skipped += [f"{name} isn't installed" for name in options.engines if name not in engines]
    found = []
    for name, path in paths.items():
        if path.exists():
            tokenizer = load_tokenizer(name, path)
            found += [_measured(options, tokenizer, work, engines) for work in _works(options)]
    return {"machine": machine(), "skipped": skipped, "results": found}


def _installed(engine: str) -> bool:
    """Import what an engine needs, so that no later figure holds it."""
    if engine == "rulec":
        return True
    if find_spec(engine) is None or (engine == "xgrammar" and find_spec("torch") is None):
        return False
    import_module(engine)
    return True


def machine() -> dict[str, Any]:
    """Where and with what this was measured."""
    load = os.getloadavg() if hasattr(os, "getloadavg") else ()
    return {
        "date": date.today().isoformat(),
        "cpu": _cpu(),
        "cores": cores(),
        "python": platform.python_version(),
        "load": [round(value, 2) for value in load],
        "versions": {
            name: _version(name)
            for name in ("rulec", "numpy", "torch", "xgrammar", "llguidance")
        },
    }


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _works(options: argparse.Namespace) -> Iterator[Workload]:
    for work in workloads(options.gsm8k, options.traces):
        if work.name in options.workloads:
            yield work


# --- one workload on one vocabulary ---


def _measured(
    options: argparse.Namespace, tokenizer: Tokenizer, work: Workload, engines: list[str]
) -> dict[str, Any]:
    print(f"{tokenizer.name} {work.name} …", file=sys.stderr, flush=True)
    host = Rulec(tokenizer).compiled(work)
    traces = [classify(host, tokenizer.encode(text)) for text in work.traces]
    compared = check_masks(host, traces, options.checks)
    return {
        "vocabulary": tokenizer.name,
        "size": tokenizer.vocabulary.size,
        "tokenizer": tokenizer.own,
        "workload": work.name,
        "source": work.source,
        "steps": sum(len(trace.tokens) for trace in traces),
        "bits_compared": compared,
        "engines": [
            _engine(options, name, tokenizer, work, traces)
            | _memory(options, name, tokenizer, work)
            for name in engines
        ],
    }


def _engine(
    options: argparse.Namespace,
    name: str,
    tokenizer: Tokenizer,
    work: Workload,
    traces: list[Trace],
) -> dict[str, Any]:
    before = perf_counter()
    engine = ENGINES[name](tokenizer)
    made: dict[str, Any] = {
        "engine": name,
        "version": engine.version,
        "vocabulary_ms": _ms(perf_counter() - before),
        "batch_note": engine.batch_note,
    }
    try:
        made |= _started(engine, tokenizer, work)
    except Unsupported as unsupported:
        return made | {"unsupported": str(unsupported)}
    compiled = engine.compiled(work)
    first, second = traces[::2], traces[1::2]
    cold = _walk(engine, compiled, tokenizer, first)
    warm = _walk(engine, compiled, tokenizer, second)
    again = _walk(engine, compiled, tokenizer, second)
    refusals = cold.refused + warm.refused
    made |= {"refused": len(refusals), "refusals": refusals[:3]}
    made |= {"cold_fill_us": by_class(cold.fill), "repeated_fill_us": by_class(again.fill)}
    made |= {"fill_us": by_class(warm.fill), "accept_us": by_class(warm.accept)}
    made["preempted"] = warm.preempted
    made["rollback_us"] = figures(warm.rollback)
    if not refusals:
        made["batches"] = [
            _batch(name, engine, compiled, tokenizer, traces, size) for size in options.batches
        ]
    return made


def _walk(engine: Engine, compiled: Any, tokenizer: Tokenizer, traces: list[Trace]) -> Walk:
    made = walk(engine, compiled, tokenizer, traces)
    if engine.name == "rulec" and made.refused:
        raise WrongMask(made.refused[0])
    return made


def _batch(
    name: str,
    engine: Engine,
    compiled: Any,
    tokenizer: Tokenizer,
    traces: list[Trace],
    size: int,
) -> dict[str, Any]:
    try:
        return batch(engine, compiled, tokenizer, traces, size)
    except WrongMask as wrong:
        if name == "rulec":
            raise
        return {"size": size, "refused": str(wrong)}


def _started(engine: Engine, tokenizer: Tokenizer, work: Workload) -> dict[str, Any]:
    """Compile and load, each up to the first mask."""
    row = np.zeros(words(tokenizer.vocabulary), np.uint32)

    def compile_() -> Any:
        made = engine.compiled(work)
        engine.opened(made, row).fill()
        return made

    compiled, took = _repeated(compile_)
    made: dict[str, Any] = {"compile_first_mask_ms": took}
    data = engine.saved(compiled)
    if data is not None:

        def load() -> None:
            engine.opened(engine.loaded(data), row).fill()

        made["load_first_mask_ms"] = _repeated(load)[1]
        made["saved_bytes"] = len(data)
    return made


def _repeated(run: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """The first time and the median, of less where each takes long."""
    took: list[float] = []
    made = None
    while len(took) < REPEATS and sum(took) < LONG:
        before = perf_counter()
        made = run()
        took.append(perf_counter() - before)
    return made, {"first": _ms(took[0]), "median": _ms(float(np.median(took)))}


def _ms(seconds: float) -> float:
    return round(seconds * 1e3, 3)


# --- memory, each engine in a process of its own ---


def _memory(
    options: argparse.Namespace, name: str, tokenizer: Tokenizer, work: Workload
) -> dict[str, Any]:
    command = [sys.executable, __file__, "--memory", name, "--workloads", work.name]
    command += ["--vocabulary", f"{tokenizer.name}={tokenizer.path}", "--traces", "10"]
    if options.gsm8k is not None:
        command += ["--gsm8k", str(options.gsm8k)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return json.loads(done.stdout) if done.returncode == 0 else {"memory": done.stderr[-200:]}


def _memory_here(options: argparse.Namespace) -> dict[str, Any]:
    """Resident bytes that the vocabulary, the compilation and ten traces add."""
    ((name, path),) = chosen(options.vocabulary).items()
    tokenizer = load_tokenizer(name, path)
    work = next(_works(options))
    cut = [tokenizer.encode(text) for text in work.traces]
    traces = [Trace(tuple(tokens), ("static",) * len(tokens)) for tokens in cut]
    _installed(options.memory)
    before = resident()
    engine = ENGINES[options.memory](tokenizer)
    ready = resident()
    forget_peak()
    compiled = engine.compiled(work)
    done, most = resident(), peak()
    walk(engine, compiled, tokenizer, traces)
    return {
        "memory_mib": {
            "vocabulary": _mib(ready - before),
            "compiled": _mib(done - ready),
            "compiling_peak": _mib(most - ready),
            "ten_traces": _mib(resident() - done),
        }
    }


def _mib(size: int) -> float:
    return round(size / 2**20, 1)


if __name__ == "__main__":
    raise SystemExit(main())
