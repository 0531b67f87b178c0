"""`rulec verify` over whole files: in order, on all cores, in parts, and told to people."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner

from rulec.cli import app, chunks, traces
from rulec.cli.chunks import Source, behind, spans
from rulec.cli.summary import Summary
from rulec.cli.traces import lines_of
from rulec.runtime.verdict_records import schema

RULES = """
param most: int in 0..99 = 99
shape Calc {
    "<<" lhs: expr "=" result: number ">>"
    rule holds: result ~= lhs because "sums add up"
    audit rule small: result <= most
}
shape Solution { ( prose | calcs: Calc )* "\\n#### " answer: number }
trace Solution
"""


@pytest.fixture
def rules(tmp_path):
    path = tmp_path / "calc.rules"
    path.write_text(RULES, "utf-8")
    return path


def lines(count=60):
    """Lines of all kinds, and what each is judged to be (None for a blank one)."""
    chance = random.Random(4)
    for number in range(count):
        a, b = chance.randrange(40), chance.randrange(40)
        trace = f"é{number}: <<{a}+{b}={a + b}>>\n#### 1"
        match number % 7:
            case 1:
                yield json.dumps({"trace": trace.replace("=", "=9", 1)}), "violate"
            case 2:
                yield "nonsense", "unparsed"
            case 3:
                yield "", None
            case 4:
                yield json.dumps({"trace": trace[:-3]}), "unparsed"
            case 5:
                yield json.dumps({"trace": trace, "with": {"most": 100}}), "unparsed"
            case _:
                yield json.dumps({"trace": trace}), "pass"


def written(path, count=60):
    path.write_text("".join(f"{line}\n" for line, _ in lines(count)), "utf-8")
    wanted = [(n, verdict) for n, (_, verdict) in enumerate(lines(count), 1) if verdict]
    return path, wanted


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def records(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def test_every_line_has_its_record_in_its_order(rules, tmp_path, monkeypatch):
    file, wanted = written(tmp_path / "t.jsonl")
    alone, many = tmp_path / "alone.jsonl", tmp_path / "many.jsonl"
    result = run("verify", rules, file, "-o", alone, "-j", 1)
    assert result.exit_code == 1, result.output
    found = records(alone)
    assert [(one["line"], one["verdict"]) for one in found] == wanted
    for one in found:
        jsonschema.validate(one, schema())
        assert (one["error"] is not None) == (one["line"] % 7 in (3, 6))
    monkeypatch.setattr(chunks, "BLOCK", 300)
    assert run("verify", rules, file, "-o", many, "-j", 2).exit_code == 1
    assert many.read_bytes() == alone.read_bytes()
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob("*.run"))
    printed = run("verify", rules, file, "--format", "json")
    assert printed.stdout.encode() == alone.read_bytes()


def test_the_summary_counts_what_the_records_say(rules, tmp_path):
    file, wanted = written(tmp_path / "t.jsonl")
    out = tmp_path / "out.jsonl"
    told = json.loads(run("verify", rules, file, "-o", out, "--format", "json").stdout)
    assert told["traces"] == len(wanted)
    assert told["verdicts"]["violate"] == sum(verdict == "violate" for _, verdict in wanted)
    holds = next(one for one in told["rules"] if one["rule"] == "holds")
    assert holds["claims"]["violate"] == holds["traces_broken"] == told["verdicts"]["violate"]
    halves = Summary(), Summary()
    for one in records(out):
        halves[one["line"] > 30].add(one)
    halves[0].merge(halves[1])
    assert halves[0].to_record() == told
    shown = run("verify", rules, file, "-o", out)
    assert "Calc.holds" in shown.stdout
    assert "guarded" in shown.stdout


def test_a_run_that_was_broken_off_goes_on(rules, tmp_path, monkeypatch):
    file, _ = written(tmp_path / "t.jsonl")
    whole, out = tmp_path / "whole.jsonl", tmp_path / "out.jsonl"
    monkeypatch.setattr(chunks, "BLOCK", 300)
    run("verify", rules, file, "-o", whole)
    content = whole.read_bytes()
    for cut in (0, len(content) // 3, len(content)):
        monkeypatch.setattr("rulec.cli.runs.Run.finish", lambda _: None)
        run("verify", rules, file, "-o", out, "--fresh")
        part = tmp_path / "out.jsonl.part"
        part.write_bytes(content[:cut])
        monkeypatch.undo()
        monkeypatch.setattr(chunks, "BLOCK", 300)
        again = run("verify", rules, file, "-o", out, "--format", "json")
        assert out.read_bytes() == content, cut
        assert ("goes on behind" in again.stderr) == (b"\n" in content[:cut])
        assert json.loads(again.stdout)["traces"] == content.count(b"\n")


def test_a_run_of_something_else_is_not_gone_on_with(rules, tmp_path, monkeypatch):
    file, _ = written(tmp_path / "t.jsonl")
    out = tmp_path / "out.jsonl"
    monkeypatch.setattr("rulec.cli.runs.Run.finish", lambda _: None)
    run("verify", rules, file, "-o", out)
    monkeypatch.undo()
    rules.write_text(RULES.replace("0..99", "0..98").replace("= 99", "= 98"), "utf-8")
    result = run("verify", rules, file, "-o", out)
    assert result.exit_code == 2
    assert "other rules" in result.stderr
    assert run("verify", rules, file, "-o", out, "--fresh").exit_code == 1
    assert out.exists()


def test_interrupt_leaves_what_is_done(rules, tmp_path):
    file = tmp_path / "t.jsonl"
    line = json.dumps({"trace": "So <<1+1=2>>\n#### 2" + " a" * 200}) + "\n"
    file.write_text(line * 30_000, "utf-8")
    out, part = tmp_path / "out.jsonl", tmp_path / "out.jsonl.part"
    call = [sys.executable, "-m", "rulec", "verify", rules, file, "-o", out, "-j", "2"]
    with subprocess.Popen(
        call, stderr=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    ) as first:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size) and time.monotonic() < deadline:
            time.sleep(0.02)
        first.send_signal(signal.SIGINT)
        _, told = first.communicate(timeout=60)
    assert first.returncode == 130, told
    assert b"interrupted behind" in told
    assert not out.exists()
    done = part.read_bytes()
    assert done.endswith(b"\n")
    assert 0 < done.count(b"\n") < 30_000
    found = [json.loads(one)["line"] for one in done.splitlines()]
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize("seed", range(30))
def test_chunks_hold_every_line_once(tmp_path, monkeypatch, seed):
    chance = random.Random(seed)
    monkeypatch.setattr(chunks, "BLOCK", chance.choice([1, 2, 7, 40, 1_000]))
    monkeypatch.setattr(traces, "LONGEST", 30)
    file = tmp_path / "t.jsonl"
    kinds = [b"\n", b"{}\n", b"x" * 29 + b"\n", b"y" * 30 + b"\n", b"z" * 31 + b"\n", b"w" * 90]
    file.write_bytes(b"".join(chance.choices(kinds, k=chance.randrange(12))))
    with file.open("rb") as stream:
        wanted = [(line.number, line.error) for line in lines_of(stream, "trace")]
    after = chance.randrange(8)
    found = [
        (line.number, line.error)
        for chunk in behind(spans(file), after)
        for line in chunk.traces(file, "trace")
        if line.number > after
    ]
    assert found == [one for one in wanted if one[0] > after]


def test_no_line_is_lost_behind_one_of_the_greatest_length(monkeypatch, tmp_path):
    monkeypatch.setattr(traces, "LONGEST", 20)
    file = tmp_path / "t.jsonl"
    file.write_bytes(b"x" * 20 + b"\n" + b"y\n")
    with file.open("rb") as stream:
        assert [line.number for line in lines_of(stream, "trace")] == [1, 2]


# --- extras ---


def test_parquet(rules, tmp_path):
    pa = pytest.importorskip("pyarrow")
    from pyarrow import parquet  # noqa: PLC0415

    good = "So <<1+1=2>>\n#### 2"
    rows = {
        "text": [good, None, good.replace("=2", "=3"), good, good],
        "with": [None, None, None, '{"most": 1}', "[]"],
    }
    file, out = tmp_path / "t.parquet", tmp_path / "out.jsonl"
    parquet.write_table(pa.table(rows), file, row_group_size=2)
    result = run("verify", rules, file, "--field", "text", "-o", out)
    assert result.exit_code == 1, result.output
    found = records(out)
    assert [one["verdict"] for one in found] == [
        "pass",
        "unparsed",
        "violate",
        "pass",
        "unparsed",
    ]
    assert [one["line"] for one in found] == [1, 2, 3, 4, 5]
    assert "no text" in found[1]["error"]
    assert [c["verdict"] for c in found[3]["claims"] if c["rule"] == "small"] == ["violate"]
    assert run("verify", rules, file, "-o", out).exit_code == 2
    file.write_bytes(b"no parquet")
    assert run("verify", rules, file, "-o", out).exit_code == 2


def test_report(rules, tmp_path):
    pytest.importorskip("matplotlib")
    file, _ = written(tmp_path / "t.jsonl")
    page = tmp_path / "report.html"
    run("verify", rules, file, "-o", tmp_path / "out.jsonl", "--report", page)
    text = page.read_text("utf-8")
    assert text.count("<svg") == 5
    assert "Calc.holds" in text
    assert re.search(r"<mark [^>]*violate at[^>]*>9\d+</mark>", text)
    assert "no JSON" in text
    assert not re.search(r"(src|href)\s*=\s*['\"](?!#)", text)
    assert "<script" not in text


def test_report_escapes_what_traces_hold(rules, tmp_path):
    pytest.importorskip("matplotlib")
    file, page = tmp_path / "<b>.jsonl", tmp_path / "report.html"
    file.write_text(json.dumps({"trace": "<script>alert(1)</script>\n#### 2"}), "utf-8")
    run("verify", rules, file, "--report", page)
    assert "<script" not in page.read_text("utf-8")
    assert "&lt;script&gt;" in page.read_text("utf-8")


def test_ray_judges_alike(rules, tmp_path):
    ray = pytest.importorskip("ray")
    file, _ = written(tmp_path / "t.jsonl")
    alone, out = tmp_path / "alone.jsonl", tmp_path / "out.jsonl"
    run("verify", rules, file, "-o", alone)
    call = [sys.executable, "-m", "rulec", "verify", rules, file, "-o", out, "--engine", "ray"]
    done = subprocess.run(
        call,
        check=False,
        capture_output=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert ray is not None
    assert done.returncode == 1, done.stderr
    assert out.read_bytes() == alone.read_bytes()


def test_what_needs_a_file_says_so(rules, tmp_path):
    for option in (("-o", tmp_path / "x"), ("--report", tmp_path / "x"), ("--engine", "ray")):
        assert run("verify", rules, "-", *option).exit_code == 2
    assert Source(Path("-"), "trace").size() is None
