"""Traces judged by a Ray cluster whose nodes all see the file."""

from __future__ import annotations

import pickle
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rulec.cli.bulk import Job, Judge, Judged
from rulec.cli.chunks import Chunk, Source, behind, opened_parquet, parquet_lines, spans
from rulec.cli.console import misuse

Batch = dict[str, list[Any]]


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group of a Parquet file, whose first row is counted as `first`."""

    first: int
    number: int


class _RayJudge:
    """A worker of the cluster: it reads what it judges by itself."""

    def __init__(self, job: Job, after: int) -> None:
        self._job = job
        self._after = after
        self._judge = Judge(job)

    def __call__(self, batch: Batch) -> Iterator[Batch]:
        for part in batch["part"]:
            for chunk in self._chunks(pickle.loads(part)):
                judged = self._judge(chunk, self._after)
                yield {"judged": [pickle.dumps(judged)]}

    def _chunks(self, part: Chunk | _Group) -> Iterator[Chunk]:
        if isinstance(part, Chunk):
            yield part
            return
        rows = parquet_lines(self._job.path, self._job.field, [part.number], part.first)
        for lines in rows:
            yield Chunk(lines[0].number, lines[-1].number, lines=lines)


def judged_on_ray(job: Job, source: Source, after: int = 0) -> Generator[Judged, None, None]:
    """Chunks as Ray Data has them judged, in their order.

    Ray is reached as its environment says (`RAY_ADDRESS`), or begins on this machine. Only
    places in the file are sent out, and records come back.
    """
    try:
        import ray  # noqa: PLC0415 - an extra
    except ImportError as error:
        misuse(f"{error}; the extra `rulec[ray]` brings it")
    places = _groups if source.parquet else _spans
    parts = list(places(source.path, after))
    if not parts:
        return
    ray.init(ignore_reinit_error=True, log_to_driver=False, include_dashboard=False)
    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    cpus = max(int(ray.cluster_resources().get("CPU", 1)), 1)
    dataset = ray.data.from_items(
        [{"part": pickle.dumps(part)} for part in parts], override_num_blocks=len(parts)
    ).map_batches(
        _RayJudge,
        batch_size=1,
        fn_constructor_args=(job, after),
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=cpus),
    )
    for row in dataset.iter_rows():
        yield pickle.loads(row["judged"])


def _spans(path: Path, after: int) -> Iterator[Chunk]:
    return behind(spans(path), after)


def _groups(path: Path, after: int) -> Iterator[_Group]:
    """The row groups that hold rows behind one that is done."""
    with opened_parquet(path) as file:
        first = 1
        for number in range(file.metadata.num_row_groups):
            rows = file.metadata.row_group(number).num_rows
            if first + rows > after + 1:
                yield _Group(first, number)
            first += rows
