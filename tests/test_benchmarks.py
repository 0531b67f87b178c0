"""The benchmark of the host engine: that it runs, and that it refuses to report wrong masks."""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from rulec.compiler import build
from rulec.dsl import load_text
from rulec.runtime import verify

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
WORDS = b" the| <<|<<|>>|=|10|12|48|\n- [|\n####| x|: $|INVOICE|Total".split(b"|")


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The modules of the benchmark."""
    monkeypatch.syspath_prepend(str(FOLDER))
    names = ("host", "engines", "timing", "vocabularies", "workloads")
    return {name: importlib.import_module(name) for name in names}


@pytest.fixture
def ranks(tmp_path: Path) -> Path:
    """A vocabulary of all bytes and a few words."""
    path = tmp_path / "small.tiktoken"
    texts = [bytes([byte]) for byte in range(256)] + [w for w in WORDS if len(w) > 1]
    lines = (f"{base64.b64encode(text).decode()} {n}\n" for n, text in enumerate(texts))
    path.write_text("".join(lines), "ascii")
    return path


def test_traces_keep_the_rules(parts: dict[str, Any]) -> None:
    for work in parts["workloads"].workloads(None, 12):
        ruleset = load_text(work.rules, work.name).ruleset
        assert ruleset is not None
        machine = build(ruleset).machine
        assert machine is not None
        for trace in work.traces:
            assert verify(machine, trace.encode()).verdict == "pass", trace


def test_report(ranks: Path, tmp_path: Path) -> None:
    found = tmp_path / "report.json"
    command = [sys.executable, str(FOLDER / "host.py"), "--engines", "rulec", "--traces", "4"]
    command += ["--vocabulary", f"small={ranks}", "--vocabulary", "none=nowhere.json"]
    command += ["--workloads", "gsm8k", "invoice", "--batches", "1", "3", "--checks", "3"]
    command += ["--json", str(found)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(found.read_text("utf-8"))
    assert any("nowhere.json" in note for note in report["skipped"])
    assert [result["workload"] for result in report["results"]] == ["gsm8k", "invoice"]
    for result in report["results"]:
        (own,) = result["engines"]
        assert own["refused"] == 0
        assert own["fill_us"]["all"]["count"] == own["accept_us"]["all"]["count"]
        assert [batch["size"] for batch in own["batches"]] == [1, 3]
        assert result["bits_compared"] > 0
    assert "beside its aims" in done.stdout


def test_no_report_with_a_wrong_mask(
    parts: dict[str, Any],
    ranks: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    fill = parts["engines"].Host.fill

    def one_bit_too_many(self: Any, config: Any, at: int, out: Any) -> Any:
        done = fill(self, config, at, out)
        out[0] |= 1
        return done

    monkeypatch.setattr(parts["engines"].Host, "fill", one_bit_too_many)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            *("host.py", "--engines", "rulec", "--traces", "4", "--checks", "40"),
            *("--vocabulary", f"small={ranks}", "--workloads", "invoice"),
        ],
    )
    assert parts["host"].main() == 1
    shown = capsys.readouterr()
    assert "a mask is wrong" in shown.err
    assert "aims" not in shown.out


@pytest.mark.parametrize("name", ["rulec", "xgrammar", "llguidance"])
def test_engines_take_the_traces(parts: dict[str, Any], ranks: Path, name: str) -> None:
    if name != "rulec" and find_spec(name) is None:
        pytest.skip(f"{name} isn't installed")
    tokenizer = parts["vocabularies"].load_tokenizer("small", ranks)
    timing, engines = parts["timing"], parts["engines"]
    for work in parts["workloads"].workloads(None, 3):
        engine = engines.ENGINES[name](tokenizer)
        traces = [
            timing.Trace(tuple(tokens), ("static",) * len(tokens))
            for tokens in map(tokenizer.encode, work.traces)
        ]
        compiled = engine.compiled(work)
        assert timing.walk(engine, compiled, tokenizer, traces).refused == []
        assert timing.batch(engine, compiled, tokenizer, traces, 3)["size"] == 3
