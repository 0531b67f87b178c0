"""Verdicts on their way to a file: a run that is broken off goes on where it was."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rulec.cli.bulk import Job, Judged
from rulec.cli.console import misuse
from rulec.cli.summary import Summary
from rulec.runtime.digests import engine_digest
from rulec.runtime.exact_json import Inputs


@dataclass(slots=True)
class Run:
    """One file of verdicts while it is written.

    They go to `OUT.part`, which takes the place of `OUT` when all are written; `OUT.run` says
    what they are the verdicts of. `done` is the last line that has one.
    """

    out: Path
    summary: Summary
    done: int = 0

    @classmethod
    def begin(cls, job: Job, out: Path, *, fresh: bool) -> Run:
        """Begin a run, or go on with one of the same job that was broken off.

        Another job's ends the verb, unless it is to begin `fresh`.
        """
        run, about = cls(out, Summary()), _about(job)
        known = None if fresh else _read(run.about)
        if known is not None and known != about:
            changed = ", ".join(sorted(k for k in about if known.get(k) != about[k]))
            misuse(
                f"{run.part} was begun with other {changed}; --fresh begins anew, without it"
            )
        try:
            if known is None or not run.part.exists():
                run.part.write_bytes(b"")
                run.about.write_text(json.dumps(about), "utf-8")
            else:
                run._recount()
        except OSError as error:
            misuse(f"{error.filename}: {error.strerror}")
        return run

    @property
    def part(self) -> Path:
        """The file that is written to."""
        return self.out.with_name(self.out.name + ".part")

    @property
    def about(self) -> Path:
        """The file that says what is judged by what."""
        return self.out.with_name(self.out.name + ".run")

    def write(self, judged: Judged) -> None:
        """Take the records that come next."""
        with self.part.open("ab") as stream:
            stream.write(judged.records)
        self.summary.merge(judged.summary)

    def finish(self) -> None:
        """All is written."""
        self.part.replace(self.out)
        self.about.unlink()

    def _recount(self) -> None:
        """Count what is there; a line that was not written to its end is taken back."""
        whole = 0
        with self.part.open("r+b") as stream:
            for line in stream:
                try:
                    record = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    record = None
                if record is None:
                    break
                self.summary.add(record)
                self.done = record["line"]
                whole += len(line)
            stream.truncate(whole)


def _about(job: Job) -> dict[str, Any]:
    stat = job.path.stat()
    return {
        "rules": job.digest,
        "engine": engine_digest(),
        "traces": {"path": str(job.path), "size": stat.st_size, "changed": stat.st_mtime_ns},
        "field": job.field,
        "inputs": _shown(job.inputs),
        "functions": list(job.external),
        "suspects": job.suspects,
    }


def _shown(inputs: Inputs) -> str:
    return json.dumps(inputs, default=str, sort_keys=True)


def _read(path: Path) -> dict[str, Any] | None:
    """What a file says of a run; None where there is none."""
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
