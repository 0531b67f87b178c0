"""Measuring: walks over traces with every bit asserted, batches, loading, memory."""

from __future__ import annotations

import gc
from collections import defaultdict
from dataclasses import dataclass, field
from time import perf_counter_ns
from typing import TYPE_CHECKING, Any

import numpy as np
from engines import words
from memory import preemptions

from rulec.runtime.host import posture_of
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Sequence

    from engines import Engine, Reader
    from vocabularies import Tokenizer

    from rulec.runtime.host import Host
    from rulec.runtime.reference import Config

FEW = 64
CLASSES = ("static", "prose", "few", "many")
"""Where a token is chosen, by what its row says:

static: no token depends on a value;
prose:  in prose, where some tokens would begin a value (` <<`);
few:    elsewhere, up to 64 tokens depend on a value, one under way or one that begins next;
many:   the same with more than 64.
"""


class WrongMask(Exception):
    """An engine's mask is wrong: there is nothing to report."""


@dataclass(frozen=True)
class Trace:
    """A text as tokens, and the class of each step."""

    tokens: tuple[int, ...]
    classes: tuple[str, ...]


@dataclass
class Walk:
    """What walking the traces took, in nanoseconds by class; and what was refused.

    Steps in which the system gave the core to another process are counted as `preempted`, and
    left out.
    """

    fill: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    preempted: int = 0
    accept: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    rollback: list[int] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


def classify(host: Host, tokens: Sequence[int]) -> Trace:
    """The class of each step of a trace, from the rows of the pack."""
    table = host.pack.table
    config, at = host.engine.start(start_values(host)), 0
    found: list[str] = []
    for token in tokens:
        found.append(_class(host, config))
        config = host.advance(config, token, at)
        at += int(table.offsets[token + 1] - table.offsets[token])
    return Trace(tuple(tokens), tuple(found))


def _class(host: Host, config: Config) -> str:
    opened = sum(len(host.row(posture_of(thread)).open) for thread in config.threads)
    if not opened:
        return "static"
    nodes = host.pack.machine.nodes
    if all(nodes[thread.node].prose for thread in config.threads):
        return "prose"
    return "few" if opened <= FEW else "many"


def start_values(host: Host) -> dict[int, Any]:
    """The registers of the parameters' defaults."""
    return {
        p.register: p.default for p in host.pack.machine.parameters if p.default is not None
    }


def check_masks(host: Host, traces: Sequence[Trace], count: int, seed: int = 7) -> int:
    """Compare masks with the reference engine, byte by byte, at random steps.

    Every open token and 200 others are tried. Returns how many bits were compared.
    """
    chance = np.random.default_rng(seed)
    reference = Reference(host.pack.machine)
    out = np.zeros(host.pack.table.words, np.uint32)
    compared = 0
    for _ in range(count):
        trace = traces[int(chance.integers(len(traces)))]
        steps = int(chance.integers(len(trace.tokens)))
        config, at = reference.start(start_values(host)), 0
        for token in trace.tokens[:steps]:
            text = _text(host, token)
            config, at = reference.walk(config, text, at), at + len(text)
        host.fill(config, at, out)
        compared += _compared(host, reference, config, at, out, chance)
    return compared


def _text(host: Host, token: int) -> bytes:
    table = host.pack.table
    return table.data[table.offsets[token] : table.offsets[token + 1]].tobytes()


def _compared(
    host: Host, reference: Reference, config: Config, at: int, out: Any, chance: Any
) -> int:
    opened = [host.row(posture_of(thread)).open for thread in config.threads]
    others = chance.integers(host.pack.size, size=200)
    tried = np.unique(np.concatenate([*opened, others])).tolist()
    for token in tried:
        text = _text(host, token)
        if not text:
            continue
        want = bool(reference.walk(config, text, at).threads)
        if want != bool(out[token >> 5] >> (token & 31) & 1):
            raise WrongMask(f"token {text!r}: the reference says {want}")
    return len(tried)


# --- one sequence ---


def walk(engine: Engine, compiled: Any, tokenizer: Tokenizer, traces: Sequence[Trace]) -> Walk:
    """Walk every trace once, and its end; each token's bit is looked at before it is taken."""
    row = np.zeros(words(tokenizer.vocabulary), np.uint32)
    made = Walk()
    gc.collect()
    for trace in traces:
        reader = engine.opened(compiled, row)
        _walk_one(reader, row, trace, made, tokenizer)
    return made


def _walk_one(reader: Reader, row: Any, trace: Trace, made: Walk, tokenizer: Tokenizer) -> None:
    fill, accept = reader.fill, reader.accept
    for number, (token, kind) in enumerate(zip(trace.tokens, trace.classes, strict=True)):
        row[:] = 0
        switches = preemptions()
        before = perf_counter_ns()
        fill()
        filled = perf_counter_ns() - before
        allowed = row[token >> 5] >> (token & 31) & 1
        before = perf_counter_ns()
        taken = accept(token)
        accepted = perf_counter_ns() - before
        if not allowed or not taken:
            made.refused.append(_refusal(tokenizer, trace, number, bool(allowed)))
            return
        if preemptions() != switches:
            made.preempted += 1
            continue
        made.fill[kind].append(filled)
        made.accept[kind].append(accepted)
    row[:] = 0
    fill()
    end = tokenizer.vocabulary.ends[0]
    if not row[end >> 5] >> (end & 31) & 1:
        made.refused.append(_refusal(tokenizer, trace, len(trace.tokens), False))
        return
    _roll(reader, trace, made)


def _refusal(tokenizer: Tokenizer, trace: Trace, number: int, allowed: bool) -> str:
    texts = tokenizer.vocabulary.tokens
    behind = b"".join(texts[token] or b"" for token in trace.tokens[:number])[-30:]
    token = texts[trace.tokens[number]] if number < len(trace.tokens) else b"<end>"
    why = "its bit was set, but it was not accepted" if allowed else "its bit was not set"
    return f"{token!r} behind {behind!r}: {why}"


def _roll(reader: Reader, trace: Trace, made: Walk) -> None:
    """Take back the last eight tokens, and write them again."""
    count = min(8, len(trace.tokens))
    before = perf_counter_ns()
    reader.rollback(count)
    made.rollback.append(perf_counter_ns() - before)
    for token in trace.tokens[-count:]:
        if not reader.accept(token):
            made.refused.append("a token was refused after a rollback")
            return


# --- many sequences ---


def batch(
    engine: Engine, compiled: Any, tokenizer: Tokenizer, traces: Sequence[Trace], size: int
) -> dict[str, Any]:
    """Whole-batch fills in milliseconds, the sequences at different places of different traces.

    Where a sequence has come to its end it begins another trace.
    """
    rows = np.zeros((size, words(tokenizer.vocabulary)), np.uint32)
    places: list[tuple[Trace, int]] = []
    readers: list[Reader] = []
    for index in range(size):
        trace = traces[index % len(traces)]
        reader = engine.opened(compiled, rows[index])
        start = index * 7919 % (len(trace.tokens) // 2)
        for token in trace.tokens[:start]:
            reader.accept(token)
        places.append((trace, start))
        readers.append(reader)
    run = engine.fill_all(readers, rows)
    took: list[int] = []
    dynamic = 0
    steps = min(len(trace.tokens) - start for trace, start in places)
    steps = min(steps, max(8, 512 // size))
    gc.collect()
    for _ in range(steps):
        before = perf_counter_ns()
        run()
        took.append(perf_counter_ns() - before)
        dynamic += _taken(readers, rows, places)
    kept = took[1:] or took
    return {
        "size": size,
        "p50_ms": round(float(np.median(kept)) / 1e6, 4),
        "worst_ms": round(max(kept) / 1e6, 4),
        "first_ms": round(took[0] / 1e6, 4),
        "steps": len(took),
        "dynamic_share": round(dynamic / (len(took) * size), 3),
    }


def _taken(readers: list[Reader], rows: Any, places: list[tuple[Trace, int]]) -> int:
    """Take the next token of every sequence; returns how many stood in a value."""
    dynamic = 0
    for index, (trace, at) in enumerate(places):
        token = trace.tokens[at]
        dynamic += trace.classes[at] in ("few", "many")
        if not rows[index, token >> 5] >> (token & 31) & 1 or not readers[index].accept(token):
            raise WrongMask(f"in a batch: step {at} of sequence {index}")
        places[index] = trace, at + 1
    return dynamic


# --- figures ---


def figures(took: Sequence[int]) -> dict[str, float] | None:
    """Microseconds of some measurements in nanoseconds."""
    if not took:
        return None
    values = np.array(took, np.float64) / 1e3
    return {
        "count": len(took),
        "p50": round(float(np.median(values)), 3),
        "p99": round(float(np.quantile(values, 0.99)), 3),
        "mean": round(float(values.mean()), 3),
        "worst": round(float(values.max()), 3),
    }


def by_class(took: dict[str, list[int]]) -> dict[str, Any]:
    """Figures of each class, and of all steps."""
    every = [value for values in took.values() for value in values]
    return {"all": figures(every), **{kind: figures(took.get(kind, ())) for kind in CLASSES}}
