"""Runs of vLLM, each in a process of its own, once a session."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from asks import HERE, MODEL, gather_rules
from run import environment

from rulec.compiler import load_vocabulary
from rulec.runtime.catalog import Catalog

pytest.importorskip("vllm.v1")


@pytest.fixture(scope="session")
def rules(tmp_path_factory) -> Path:
    return gather_rules(tmp_path_factory.mktemp("rules"))


@pytest.fixture(scope="session")
def vocabulary():
    return load_vocabulary(MODEL)


@pytest.fixture(scope="session")
def catalog(rules, vocabulary) -> Catalog:
    return Catalog.open(rules, vocabulary)


@pytest.fixture(scope="session")
def ran(rules):
    """What `run.py` prints for a way of scheduling."""
    known: dict[tuple[str, ...], dict] = {}

    def run(*mode: str) -> dict:
        if mode not in known:
            known[mode] = _run(mode, rules)
        return known[mode]

    return run


def _run(mode: tuple[str, ...], rules: Path) -> dict:
    import os

    done = subprocess.run(
        [sys.executable, str(HERE / "run.py"), mode[0], str(rules), *mode[1:]],
        env={**os.environ, **environment(mode[0])},
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    assert lines, done.stdout[-4000:] + done.stderr[-4000:]
    return json.loads(lines[-1].removeprefix("RESULT "))
