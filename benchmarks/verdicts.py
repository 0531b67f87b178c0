"""How many traces `rulec verify` judges a second, and what memory that takes.

python benchmarks/verdicts.py --rules examples/gsm8k.rules --traces train.jsonl --field answer

Reading, judging and records are measured together, as the verb does them; the records are
thrown away. `--times` goes through the file several times over, to see the memory stay flat.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from multiprocessing import active_children
from pathlib import Path
from time import perf_counter

from rulec.cli.bulk import Job, cores, judged
from rulec.cli.chunks import Source
from rulec.compiler import build
from rulec.dsl import load

PAGE = resource.getpagesize()


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--traces", type=Path, required=True, help="JSON lines")
    parser.add_argument("--field", default="trace")
    parser.add_argument("--workers", type=int, default=cores())
    parser.add_argument("--times", type=int, default=1)
    options = parser.parse_args()
    ruleset = load(options.rules).ruleset
    machine = None if ruleset is None else build(ruleset).machine
    if machine is None:
        raise SystemExit(f"{options.rules}: the rules have errors; `rulec check` tells them")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "traces.jsonl"
        content = options.traces.read_bytes()
        with path.open("wb") as stream:
            for _ in range(options.times):
                stream.write(content)
        job = Job.of(machine, path, options.field, {}, None)
        print(json.dumps(measured(job, options.workers)))


def measured(job: Job, workers: int) -> dict[str, object]:
    """Traces a second, by the clock and by the processors' time, and the memory on the way.

    The first chunk only warms up: workers start, and tables are made.
    """
    found = judged(job, Source(job.path, job.field).chunks(), workers)
    next(found)
    began, spent, count = perf_counter(), _spent(), 0
    resident: list[float] = []
    for place, chunk in enumerate(found):
        count += chunk.summary.traces
        if place % 20 == 0:
            resident.append(_resident())
    seconds, used = perf_counter() - began, _spent() - spent
    return {
        "traces": count,
        "workers": workers,
        "per_second": round(count / seconds, 1),
        "per_second_of_each_core": round(count / used, 1) if used else None,
        "load": os.getloadavg()[0],
        "mebibytes_first": round(resident[0], 1) if resident else None,
        "mebibytes_most": round(max(resident, default=0.0), 1),
        "mebibytes_last": round(resident[-1], 1) if resident else None,
    }


def _processes() -> list[int]:
    return [os.getpid(), *(one.pid for one in active_children() if one.pid is not None)]


def _spent() -> float:
    """Seconds of processors that this process and its workers have used, ended ones too."""
    ticks = os.sysconf("SC_CLK_TCK")
    total = 0
    for pid in _processes():
        fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    return total / ticks + ended.ru_utime + ended.ru_stime


def _resident() -> float:
    """Memory of all processes together, in MiB."""
    pages = (Path(f"/proc/{pid}/statm").read_text("ascii").split()[1] for pid in _processes())
    return sum(map(int, pages)) * PAGE / 2**20


if __name__ == "__main__":
    main()
