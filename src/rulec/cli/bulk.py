"""Many traces judged by all cores, in their order and in bounded memory."""

from __future__ import annotations

import json
import os
import signal
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from rulec.cli.chunks import Chunk
from rulec.cli.console import misuse
from rulec.cli.request import asking
from rulec.cli.summary import Summary
from rulec.cli.traces import Line
from rulec.compiler import Machine, codec
from rulec.runtime.exact_json import Inputs
from rulec.runtime.inputs import BadInput
from rulec.runtime.suspects import suspects
from rulec.runtime.verdict_records import Spans, error_record
from rulec.runtime.verdicts import Verdict, asked
from rulec.runtime.verify import Verifier

AHEAD = 2
"""Chunks that each worker may be ahead of what has been written."""


@dataclass(frozen=True, slots=True)
class Job:
    """What is judged by what: all that a worker needs to know."""

    machine: bytes
    digest: str
    path: Path
    field: str
    inputs: Inputs
    external: tuple[str, ...] = ()
    suspects: bool = False

    @classmethod
    def of(
        cls,
        machine: Machine,
        path: Path,
        trace: str,
        inputs: Inputs,
        external: Iterable[str] | None,
    ) -> Job:
        """A job for a machine, whose digest goes with it."""
        written = codec.to_json(machine)
        return cls(written, machine.digest, path, trace, inputs, tuple(external or ()))


@dataclass(frozen=True, slots=True)
class Judged:
    """The records of a chunk as JSON lines, and what they come to.

    With `refused` the inputs of the whole call don't fit, and nothing else is told.
    """

    read: int
    records: bytes = b""
    summary: Summary = field(default_factory=Summary)
    refused: str = ""


class Judge:
    """One worker: judges chunks."""

    def __init__(self, job: Job) -> None:
        self._job = job
        machine = codec.with_digest(codec.from_json(job.machine), job.digest)
        self._asked = asked(machine)
        self._verify = asking(partial(Verifier, machine), job.external)

    def __call__(self, chunk: Chunk, after: int = 0) -> Judged:
        """The records of a chunk's lines behind the line `after`."""
        records: list[str] = []
        summary = Summary()
        for line in chunk.traces(self._job.path, self._job.field):
            if line.number <= after:
                continue
            try:
                record = {"line": line.number} | self._record(line)
            except BadInput as refused:
                return Judged(chunk.read, refused=str(refused))
            records.append(json.dumps(record))
            summary.add(record)
        text = "".join(f"{record}\n" for record in records)
        return Judged(chunk.read, text.encode(), summary)

    def _record(self, line: Line) -> dict[str, object]:
        """The record of a line. Raises `BadInput` where the line is not to blame for it."""
        error = line.error
        if not error:
            given = self._job.inputs | (line.inputs or {})
            try:
                verdict = self._verify(line.trace, given)
                return verdict.to_record() | self._suspects(verdict)
            except BadInput as refused:
                if line.inputs is None:
                    raise
                error = str(refused)
        return error_record(error, self._job.digest, self._asked)

    def _suspects(self, verdict: Verdict) -> dict[str, object]:
        if not self._job.suspects:
            return {}
        spans = Spans(verdict.trace, verdict.ends)
        return {"suspects": [spans.of(*span) for span in suspects(verdict)]}


_judge: list[Judge] = []
"""The judge of a worker's process."""


def _begin(job: Job) -> None:
    # The first process hears of an interrupt and lets the others end their work.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _judge.append(Judge(job))


def _judged(chunk: Chunk, after: int) -> Judged:
    return _judge[0](chunk, after)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def judged(
    job: Job, chunks: Iterator[Chunk], workers: int, after: int = 0
) -> Generator[Judged, None, None]:
    """Chunks as they are judged, in their order.

    No more than `AHEAD` of them a worker are held. Leaving the iterator ends the workers, which
    may finish a chunk of which nothing is told.
    """
    if workers == 1:
        judge = Judge(job)
        for chunk in chunks:
            yield judge(chunk, after)
        return
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin, (job,))
    waiting: deque[Future[Judged]] = deque()
    try:
        for chunk in chunks:
            waiting.append(pool.submit(_judged, chunk, after))
            if len(waiting) >= AHEAD * workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        misuse("a worker was ended from outside; the same call goes on with what is left")
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
