"""The command line from end to end."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from typer.testing import CliRunner

import rulec
from rulec.cli import app
from rulec.cli import traces as trace_files
from rulec.compiler import load_pack, load_vocabulary
from rulec.runtime.budget import shortest

RECEIPT = '''\
# What a receipt says.
ruleset receipt "1.0"

type Money = decimal(2) in 0 .. 10_000

param cap: Money = 500

shape Receipt {
    "Price: $" price: Money "\\n"
    "Tax: $" tax: Money "\\n"
    "Total: $" total: Money

    rule total: total == price + tax
    audit rule cap: total <= cap
}

trace Receipt

accept """
    Price: $10.00
    Tax: $0.80
    Total: $10.80
    """
reject by total """
    Price: $10.00
    Tax: $0.80
    Total: $11.00
    """
'''
GOOD = "Price: $10.00\nTax: $0.80\nTotal: $10.80"
WRONG = "Price: $10.00\nTax: $0.80\nTotal: $11.00"


@pytest.fixture
def receipt(tmp_path):
    path = tmp_path / "receipt.rules"
    path.write_text(RECEIPT, encoding="utf-8")
    return path


@pytest.fixture
def mistaken(tmp_path):
    path = tmp_path / "mistaken.rules"
    path.write_text(RECEIPT.replace("total: total ==", "total: totl =="), encoding="utf-8")
    return path


def run(*arguments, stdin=None):
    return CliRunner().invoke(app, [str(argument) for argument in arguments], input=stdin)


def lines_of(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def traces(tmp_path, *records):
    path = tmp_path / "traces.jsonl"
    lines = [one if isinstance(one, str) else json.dumps(one) for one in records]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- check ---


def test_check_shows_rules_and_tiers(receipt):
    result = run("check", receipt)
    assert result.exit_code == 0
    assert "2 rules" in result.output
    assert "audit" in result.output
    assert "\x1b" not in result.output


def test_check_json(receipt, mistaken):
    result = run("check", receipt, "--format", "json")
    assert result.exit_code == 0
    report = json.loads(result.stdout)
    assert report["diagnostics"] == []
    assert {rule["name"]: rule["shape"] for rule in report["rules"]} == {
        "total": "Receipt",
        "cap": "Receipt",
    }
    assert all({"name", "shape", "tier", "reason"} <= set(rule) for rule in report["rules"])
    result = run("check", receipt, mistaken, "--format", "json")
    assert result.exit_code == 1
    [found] = json.loads(result.stdout)["diagnostics"]
    assert found["code"] == "R0201"
    assert found["severity"] == "error"
    assert (found["file"], found["line"], found["column"]) == (str(mistaken), 13, 17)


def test_check_underlines_the_mistake(mistaken):
    result = run("check", mistaken)
    assert result.exit_code == 1
    assert "error[R0201]" in result.output
    assert "                    ^^^^" in result.output
    assert "did you mean `total`" in result.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["check"],
        ["check", "nowhere.rules"],
        ["check", "."],
        ["nonsense"],
        ["check", "--format", "xml", __file__],
        ["sample", __file__, "-n", "0"],
        ["compile", __file__],
        ["explain"],
    ],
)
def test_wrong_use(arguments):
    assert run(*arguments).exit_code == 2


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"\x00" * 50, b"shape {" * 1000])
@pytest.mark.parametrize("verb", ["check", "test", "sample", "fmt"])
def test_garbage_is_a_diagnostic(tmp_path, content, verb):
    path = tmp_path / "garbage.rules"
    path.write_bytes(content)
    result = run(verb, path)
    assert result.exit_code in {1, 2} or (verb == "fmt" and content == b"")
    assert not isinstance(result.exception, Exception) or isinstance(
        result.exception, SystemExit
    )


# --- fmt ---


def test_fmt_changes_layout_only(receipt):
    untidy = RECEIPT.replace("    rule total:", "  rule   total :")
    receipt.write_text(untidy, encoding="utf-8")
    checked = run("fmt", "--check", receipt)
    assert checked.exit_code == 1
    assert receipt.read_text(encoding="utf-8") == untidy
    assert run("fmt", receipt).exit_code == 0
    tidy = receipt.read_text(encoding="utf-8")
    assert "# What a receipt says." in tidy
    assert run("fmt", "--check", receipt).exit_code == 0
    assert run("fmt", "-", stdin=untidy).stdout == tidy


def test_fmt_leaves_broken_files(tmp_path):
    path = tmp_path / "broken.rules"
    path.write_text("shape {", encoding="utf-8")
    result = run("fmt", path, "--format", "json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["diagnostics"]
    assert path.read_text(encoding="utf-8") == "shape {"


# --- test ---


def test_samples_hold(receipt):
    result = run("test", receipt)
    assert result.exit_code == 0
    assert "2 samples, 0 failed" in result.output


def test_samples_that_fail_are_shown(receipt):
    swapped = RECEIPT.replace("accept", "_").replace("reject by total", "accept")
    receipt.write_text(swapped.replace("_ ", "reject by total "), encoding="utf-8")
    result = run("test", receipt, "--format", "json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert (report["samples"], report["failed"]) == (2, 2)
    assert {found["code"] for found in report["diagnostics"]} == {"R0811", "R0812"}
    assert {found["line"] for found in report["diagnostics"]} == {19, 24}


def test_reject_by_another_rule_fails(receipt):
    receipt.write_text(RECEIPT.replace("by total", "by cap"), encoding="utf-8")
    result = run("test", receipt)
    assert result.exit_code == 1
    assert "R0813" in result.output
    assert "breaks `total`" in result.output


# --- verify ---


def test_verify_gives_a_verdict_a_line(receipt, tmp_path):
    file = traces(tmp_path, {"trace": GOOD}, {"trace": WRONG}, "", {"trace": "Price"})
    result = run("verify", receipt, file, "--format", "json")
    assert result.exit_code == 1
    good, wrong, cut = lines_of(result)
    assert good["verdict"] == "pass"
    assert wrong["verdict"] == "violate"
    [claim] = [one for one in wrong["claims"] if one["verdict"] == "violate"]
    assert claim["rule"] == "total"
    assert WRONG[slice(*claim["bytes"])] == "11.00"
    assert "10.8" in claim["expected"]
    assert "11" in claim["found"]
    assert cut["verdict"] == "unparsed"
    assert [one["line"] for one in (good, wrong, cut)] == [1, 2, 4]


def test_verify_for_people(receipt, tmp_path):
    result = run("verify", receipt, traces(tmp_path, {"trace": GOOD}, {"trace": WRONG}))
    assert result.exit_code == 1
    assert "2 traces: 1 pass, 1 violate" in result.output
    assert run("verify", receipt, traces(tmp_path, {"trace": GOOD})).exit_code == 0


def test_verify_reads_another_field_stdin_and_plain_files(receipt, tmp_path):
    file = traces(tmp_path, {"text": GOOD})
    assert run("verify", receipt, file, "--field", "text").exit_code == 0
    assert run("verify", receipt, "-", stdin=json.dumps({"trace": GOOD})).exit_code == 0
    plain = tmp_path / "trace.txt"
    plain.write_bytes(GOOD.encode())
    assert run("verify", receipt, plain, "--plain").exit_code == 0
    plain.write_bytes(b"Price: \xff")
    assert run("verify", receipt, plain, "--plain").exit_code == 1


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("nothing", "no JSON"),
        ("[1]", "a JSON object is expected"),
        ('{"text": ""}', "no member `trace`"),
        ('{"trace": 3}', "no string"),
        ('{"trace": "", "trace": ""}', "twice"),
        ('{"trace": "", "with": 3}', "no object"),
        ('{"trace": "", "with": {"cap": 1e999999999}}', "too long"),
        ('{"trace": "", "with": {"cap": NaN}}', "no number"),
        ('{"trace": "", "with": {"cap": %s}}' % ("[" * 900 + "]" * 900), "too deep"),
        ("[" * 100_000, "too deep"),
        ('{"trace": "\\ud800"}', None),
    ],
)
def test_verify_names_the_line_that_is_no_trace(receipt, tmp_path, line, reason):
    file = traces(tmp_path, {"trace": GOOD}, line, {"trace": GOOD})
    result = run("verify", receipt, file, "--format", "json")
    assert result.exit_code == 1
    assert [one["verdict"] for one in lines_of(result)] == ["pass", "unparsed", "pass"]
    if reason is not None:
        assert f"{file}:2: " in result.stderr
        assert reason in result.stderr


def test_verify_takes_inputs(receipt, tmp_path):
    file = traces(
        tmp_path, {"trace": GOOD}, {"trace": GOOD, "with": {"cap": 5}}, {"trace": GOOD}
    )
    result = run("verify", receipt, file, "--with", '{"cap": 10.80}', "--format", "json")
    caps = [
        [claim["verdict"] for claim in one["claims"] if claim["rule"] == "cap"]
        for one in lines_of(result)
    ]
    assert caps == [["pass"], ["violate"], ["pass"]]
    for wrong in ("{", "[]", '{"cap": "x"}', '{"cap": -1}', '{"nothing": 1}', "@nowhere"):
        assert run("verify", receipt, file, "--with", wrong).exit_code in {1, 2}


def test_verify_reads_lines_as_they_come(receipt, tmp_path, monkeypatch):
    file = tmp_path / "traces.jsonl"
    good = json.dumps({"id": 10**60, "score": 1e-7, "trace": GOOD}).encode()
    file.write_bytes(b"\xef\xbb\xbf" + good + b"\r\n\r\n" + good)
    assert run("verify", receipt, file).exit_code == 0
    for content, shown in ((b"", "0 traces"), (b"\n\n", "0 traces"), (good, "1 trace")):
        file.write_bytes(content)
        result = run("verify", receipt, file)
        assert result.exit_code == 0
        assert shown in result.output
    monkeypatch.setattr(trace_files, "LONGEST", 200)
    file.write_bytes(good + b"\n" + b"x" * 5_000 + b"\n\xff\xfe\n" + good + b"\n" + b"y" * 201)
    result = run("verify", receipt, file, "--format", "json")
    assert result.exit_code == 1
    assert [(one["line"], one["verdict"]) for one in lines_of(result)] == [
        (1, "pass"),
        (2, "unparsed"),
        (3, "unparsed"),
        (4, "pass"),
        (5, "unparsed"),
    ]
    assert "longer than" in result.stderr
    assert "not UTF-8" in result.stderr
    assert run("verify", receipt, file, "--plain").exit_code == 1


# --- sample ---


def test_rules_that_leave_nothing(tmp_path):
    path = tmp_path / "nothing.rules"
    path.write_text(
        'shape S { xs: int in 0..1{3 sep " "} rule r: distinct(xs) }\ntrace S\n', "utf-8"
    )
    result = run("sample", path)
    assert result.exit_code == 1
    assert "no trace" in result.stderr


def test_inputs_that_do_not_fit(receipt):
    for wrong in ('{"cap": -1}', '{"cap": "x"}', '{"tax": 1}', '{"cap": 1e999}'):
        result = run("sample", receipt, "--with", wrong)
        assert result.exit_code == 2, wrong
        assert "--with" in result.stderr


def test_samples_obey_the_rules(receipt, tmp_path):
    result = run("sample", receipt, "-n", "20", "--seed", "3", "--format", "json")
    assert result.exit_code == 0
    records = lines_of(result)
    assert len({one["trace"] for one in records}) > 1
    again = run("sample", receipt, "-n", "20", "--seed", "3", "--format", "json")
    assert again.stdout == result.stdout
    file = tmp_path / "samples.jsonl"
    file.write_text(result.stdout, encoding="utf-8")
    assert run("verify", receipt, file).exit_code == 0


# --- compile ---


@pytest.mark.parametrize("stage", ["syntax", "rules", "plan", "machine"])
def test_stages_can_be_printed(receipt, stage):
    result = run("compile", receipt, "--emit", stage)
    assert result.exit_code == 0
    assert "total" in result.stdout


@pytest.fixture
def ranks(tmp_path):
    """A tokenizer of single bytes, as a file that names no end."""
    path = tmp_path / "bytes.tiktoken"
    encoded = [b64encode(bytes([n])).decode() for n in range(256)]
    path.write_text("".join(f"{text} {n}\n" for n, text in enumerate(encoded)), "utf-8")
    return path


def test_compile_writes_a_pack(receipt, ranks, tmp_path):
    pack = tmp_path / "receipt.rulepack"
    options = ("--tokenizer", ranks, "--size", "260", "--end", "257", "--end", "259")
    result = run("compile", receipt, *options, "-o", pack, "--format", "json")
    assert result.exit_code == 0, result.output
    record = json.loads(result.stdout)
    assert record["pack"] == str(pack)
    assert (record["size"], record["ends"]) == (260, [257, 259])
    loaded = load_pack(pack)
    assert (loaded.size, loaded.ends) == (260, (257, 259))
    assert loaded.digest == record["rules"]
    assert [path.name for path in tmp_path.glob("receipt.rulepack*")] == [pack.name]
    shown = run("compile", receipt, *options, "--emit", "pack")
    assert shown.exit_code == 0
    assert "ends 257 259" in shown.stdout
    assert f"rules {loaded.digest}" in shown.stdout
    told = run("compile", receipt, *options, "-o", pack)
    assert f"a trace is sure to fit {shortest(loaded)}" in " ".join(told.stderr.split())
    assert record["shortest"] == shortest(loaded)


def test_compile_says_what_is_missing(receipt, mistaken, ranks, tmp_path):
    pack = tmp_path / "receipt.rulepack"
    nameless = run("compile", receipt, "--tokenizer", ranks, "-o", pack)
    assert nameless.exit_code == 2
    assert "which token ends a sequence; name it with --end" in nameless.stderr
    for options in (
        [],
        ["--tokenizer", receipt],
        ["--tokenizer", tmp_path],
        ["--tokenizer", ranks, "--end", "</s>"],
        ["--tokenizer", ranks, "--end", "256"],
        ["--tokenizer", ranks, "--end", "-1"],
        ["--tokenizer", ranks, "--end", "9" * 30],
        ["--tokenizer", ranks, "--end", "256", "--size", "3"],
        ["--tokenizer", ranks, "--end", "256", "--size", "99999999999"],
    ):
        result = run("compile", receipt, *options, "-o", pack)
        assert result.exit_code == 2, options
        assert "error" in result.stderr.lower()
        assert not pack.exists()
    whole = ("--tokenizer", ranks, "--size", "257", "--end", "256")
    assert run("compile", mistaken, *whole, "-o", pack).exit_code == 1
    assert run("compile", receipt, *whole, "-o", tmp_path / "no" / "where").exit_code == 2


def test_a_vocabulary_that_cannot_write_the_rules(receipt, tmp_path):
    ranks = tmp_path / "letters.tiktoken"
    letters = [b64encode(bytes([n])).decode() for n in range(65, 91)]
    ranks.write_text("".join(f"{text} {n}\n" for n, text in enumerate(letters)), "utf-8")
    options = ("--tokenizer", ranks, "--size", "40", "--end", "39")
    result = run("compile", receipt, *options, "-o", tmp_path / "pack")
    assert result.exit_code == 2
    assert "no token for the single byte" in result.stderr


# --- the package ---


def test_import_is_light():
    heavy = "[m for m in ('torch', 'z3', 'numpy', 'lark', 'transformers') if m in sys.modules]"
    code = f"import sys, rulec; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_command_line_needs_no_tensors():
    code = "import sys, rulec.cli; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_facade():
    assert len(rulec.__all__) <= 7
    for name in rulec.__all__:
        assert getattr(rulec, name) is not None
        assert name in dir(rulec)
    with pytest.raises(AttributeError):
        _ = rulec.nothing


def test_module_runs():
    result = subprocess.run(
        [sys.executable, "-m", "rulec", "--help"], check=False, capture_output=True, text=True
    )
    assert result.returncode == 0
    assert "verify" in result.stdout


README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


@pytest.fixture
def readme_folder(tmp_path, monkeypatch):
    """A folder with the first ruleset of the README, and the traces that it speaks of."""
    ruleset = README.split("```\n# receipt.rules\n")[1].split("```")[0]
    (tmp_path / "receipt.rules").write_text("# receipt.rules\n" + ruleset, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    sampled = run("sample", "receipt.rules", "-n", 3, "--format", "json").stdout
    wrong = json.dumps({"trace": WRONG}) + "\n"
    (tmp_path / "traces.jsonl").write_text(sampled + wrong, encoding="utf-8")
    (tmp_path / "draft.txt").write_text(GOOD[: GOOD.rindex("0.80")], encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize("verb", ["check", "test", "sample", "verify", "explain", "coverage"])
def test_output_in_the_readme(readme_folder, verb):
    shown = re.search(rf"\$ rulec ({verb} .*)\n((?:.+\n)+?)(?=\n|```)", README)
    assert shown is not None
    output = run(*shown[1].split()).output
    assert [line.rstrip() for line in output.splitlines()] == shown[2].splitlines()


def test_mistake_in_the_readme(readme_folder):
    path = readme_folder / "receipt.rules"
    text = path.read_text(encoding="utf-8").replace("rule total: total", "rule total: totl")
    path.write_text(text, encoding="utf-8")
    message = README.split("`rulec check` says:\n\n```\n")[1].split("```")[0]
    assert run("check", "receipt.rules").output.startswith(message)


def test_python_in_the_readme(readme_folder, ranks):
    code = README.split("```python\n")[1].split("```")[0]
    code = code.replace('load_vocabulary(Path("tokenizer.json"))', "bytewise()")
    names = {"bytewise": lambda: load_vocabulary(ranks).with_size(257).with_ends([256])}
    exec(code, names)
    assert names["verdict"].verdict == "violate"
    assert names["session"].forced() == b"0.80"
    assert names["words"].any()
