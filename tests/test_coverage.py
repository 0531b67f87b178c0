"""What traces exercise: against an independent reading, and from end to end."""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from oracle import Judge, Reader, Record
from rulesets import SEEDS, author, random_walk, seeded
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import Machine, build
from rulec.compiler.marking import mark
from rulec.dsl import checked as c
from rulec.dsl import load, load_text
from rulec.runtime import BadInput, NoSample, Sampler, Verifier, coverage
from rulec.runtime import inputs as given_inputs
from rulec.runtime.budget import Budget
from rulec.runtime.coverage import Survey
from rulec.runtime.reference import Reference

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLES = sorted((Path(__file__).parent.parent / "examples").glob("*.rules"))


def survey_of(text: str) -> tuple[c.Ruleset, Machine, Survey] | None:
    ruleset = load_text(text).ruleset
    built = None if ruleset is None else build(ruleset)
    if ruleset is None or built is None or built.machine is None:
        return None
    return ruleset, built.machine, Survey(mark(built))


def traces_of(machine: Machine, r: Random) -> list[bytes]:
    """Traces that keep the shapes, some that keep the rules, and some that are cut or torn."""
    free = Reference(machine, guarded=False)
    start = free.start(given_inputs.registers(machine, None))
    budget = Budget(machine)
    found = [random_walk(free, budget, start, Random(r.random()), 40).text for _ in range(3)]
    with suppress(BadInput, NoSample):
        found.append(Sampler(machine)(r.randrange(100)))
    torn = []
    for text in found:
        at = r.randrange(len(text) + 1)
        torn += [text[:at], text[:at] + b"~" + text[at:]]
    return found + torn


# --- an independent reading ---


@dataclass
class Seen(Record):
    """A record that knows where its fields stand and through which elements it came."""

    spans: dict[str, list[Any]] = field(default_factory=dict)
    through: tuple[tuple[int, int], ...] = ()
    """Elements by identity; of repeats the number of items, else 1."""


class Watcher(Reader):
    """Reads a trace in every way, with the bytes of fields."""

    def readings(self) -> Iterator[Seen]:
        for end, found in self.element(self.ruleset.trace, 0, Seen(None)):
            if end == len(self.text):
                assert isinstance(found, Seen)
                yield found

    def element(self, e: c.Element, at: int, into: Any) -> Iterator[tuple[int, Any]]:
        for end, found in super().element(e, at, into):
            if isinstance(e, c.Repeat):
                yield end, found
            else:
                yield end, replace(found, through=(*found.through, (id(e), 1)))

    def _repeat(self, e: c.Repeat, count: int, at: int, into: Any) -> Iterator[tuple[int, Any]]:
        if count >= e.low:
            yield at, replace(into, through=(*into.through, (id(e), count)))
        if e.high is not None and count == e.high:
            return
        separator = e.separator if count else ""
        if self.text.startswith(separator, at):
            for end, found in self.element(e.body, at + len(separator), into):
                if end > at:
                    yield from self._repeat(e, count + 1, end, found)

    def _slot(self, e: c.Slot, at: int, into: Any) -> Iterator[tuple[int, Any]]:
        name = e.name or f"*{id(e)}"
        if not isinstance(e.type, c.ShapeType):
            for end, held in super()._slot(e, at, into):
                yield end, _with_span(held, name, (at, end))
            return
        shape = self.ruleset.shapes[e.type.shape]
        held = into.spans.get(name, [])
        before = held[-1] if held else None
        for end, inner in self.element(shape.body, at, Seen(shape, {}, before)):
            values = dict(into.values)
            if e.name is not None:
                listed = into.shape is not None and _listed(into.shape, e.name)
                values[e.name] = [*values.get(e.name, []), inner] if listed else inner
            made = replace(
                into,
                values=values,
                inner=(*into.inner, inner),
                through=(*into.through, *inner.through),
            )
            yield end, _with_span(made, name, inner)


def _listed(shape: c.Shape, name: str) -> bool:
    return shape.fields[name].cardinality == "list"


def _with_span(record: Any, name: str, span: Any) -> Any:
    return replace(record, spans={**record.spans, name: [*record.spans.get(name, []), span]})


def spans_read(term: c.Term, env: dict[str, list[Any]]) -> Iterator[tuple[int, int]]:
    """The places of the fields that a condition speaks of."""
    match term:
        case c.Call("count", (_,)):
            return
        case c.Call(("first" | "last") as which, (source,)):
            found = [one for one in items(source, env) if isinstance(one, tuple)]
            yield from found[:1] if which == "first" else found[-1:]
        case c.Comprehension(_, variable, source, body):
            yield from spans_read(body, {**env, variable: list(items(source, env))})
        case c.Member() | c.Variable():
            yield from (one for one in items(term, env) if isinstance(one, tuple))
        case _:
            for name in ("term", "otherwise", "left", "right", "low", "high", "source"):
                inner = getattr(term, name, None)
                if inner is not None and not isinstance(inner, str):
                    yield from spans_read(inner, env)
            for name in ("test", "yes", "no"):
                if isinstance(term, c.If):
                    yield from spans_read(getattr(term, name), env)
            for name in ("terms", "arguments", "options"):
                for inner in getattr(term, name, ()):
                    yield from spans_read(inner, env)


def items(term: c.Term, env: dict[str, list[Any]]) -> Iterator[Any]:
    match term:
        case c.This():
            yield from env[""]
        case c.Variable(name):
            yield from env[name]
        case c.Previous(of):
            yield from (one.before for one in items(of, env) if one.before is not None)
        case c.Member(c.Call(("first" | "last") as which, (source,)), name):
            found = [span for one in items(source, env) for span in one.spans.get(name, [])]
            yield from found[:1] if which == "first" else found[-1:]
        case c.Member(of, name):
            for one in items(of, env):
                yield from one.spans.get(name, [])


def guarded(judge: Judge, record: Any, text: str) -> set[int]:
    """The bytes of fields that rules read which are not vacuous."""
    found: set[int] = set()
    for inner in record.inner:
        found |= guarded(judge, inner, text)
    for rule in record.shape.rules if record.shape is not None else ():
        held = judge.value(rule.condition, {"": record})
        if getattr(held, "value", "") == "vacuous":
            continue
        for start, end in spans_read(rule.condition, {"": [record]}):
            first = len(text[:start].encode())
            found |= set(range(first, first + len(text[start:end].encode())))
    return found


def check_counts(text: str, traces: list[bytes], survey: Survey, ruleset: c.Ruleset) -> int:
    """Compare a survey with the independent reading; returns how many bytes are guarded."""
    judge = Judge(ruleset, {})
    want: Counter[int] = Counter()
    lengths: dict[int, list[int]] = {}
    claims: Counter[tuple[str, str, str]] = Counter()
    covered = total = 0
    for trace in traces:
        shown = trace.decode("utf-8", "replace")
        readings = list(Watcher(ruleset, shown).readings())
        if len(readings) != 1 or shown.encode() != trace:
            continue
        survey.take(trace)
        total += len(trace)
        covered += len(guarded(judge, readings[0], shown))
        for number, count in readings[0].through:
            want[number] += 1
            lengths.setdefault(number, []).append(count)
        claims.update(judged(judge, readings[0]))
    found = survey.coverage()
    assert found.share.total == total, text
    assert found.share.guarded == covered, text
    for number, count in uses(survey):
        assert count == want[number], text
    for length, e in zip(found.lengths, repeats(survey), strict=True):
        seen = lengths.get(id(e), [])
        least, most = min(seen, default=None), max(seen, default=None)
        assert (length.times, length.least, length.most) == (len(seen), least, most), text
    told: Counter[tuple[str, str, str]] = Counter()
    for rule in found.rules:
        counts = (rule.passed, rule.violated, rule.complex, rule.vacuous)
        verdicts = ("pass", "violate", "too complex", "vacuous")
        for verdict, count in zip(verdicts, counts, strict=True):
            told[rule.place.shape, rule.name, verdict] += count
    assert +told == claims, text
    return covered


@seeded(15, 5_000)
@given(SEEDS)
def test_counts_are_those_of_an_independent_reading(seed: int) -> None:
    r = Random(seed)
    text = author(r, prose=False)
    made = survey_of(text)
    if made is not None:
        ruleset, machine, survey = made
        check_counts(text, traces_of(machine, r), survey, ruleset)


ITEMS = """
shape Item { "i" a: int in 0..9 ( "b" b: int in 0..9 )? ";"
    audit rule more: b > a }
shape Block { "[" items: Item{0..3} "]" }
trace Block{1..3}
"""
STAIRS = """
shape Step { "s" a: int in 0..9 ( "," p: percent )? "-" q: int in 0..9 ";"
    audit rule up: a > prev.a
    audit rule over: (prev.a else 0) < 9
    audit rule high: (p else 1) + (prev.p else 0) < 5 }
shape Block { "[" steps: Step{0..3} ( "=" top: int in 0..9 )? "]"
    audit rule top: top == last(steps).q }
trace Block{1..3}
"""
NESTED = """
shape Leaf { "l" x: int in 0..9 y: one of ("q" "r") "."
    audit rule r: y == "q" implies x > prev.x }
shape Twig { "t" leaves: Leaf{0..2} z: int in 0..9 "w" w: int in 0..1 ";"
    audit rule sum: z == sum(leaves.x) }
shape Tree { twigs: Twig{1..3} ( "!" top: int in 0..9 )? "|"
    audit rule some: any(t in twigs: t.w == 1)
    audit rule all: all(t in twigs: t.z <= top) }
trace Tree{1..2}
"""


@pytest.mark.parametrize("text", [ITEMS, STAIRS, NESTED], ids=["items", "stairs", "nested"])
def test_a_rule_guards_what_it_reads_in_its_own_place(text: str) -> None:
    made = survey_of(text)
    assert made is not None
    ruleset, machine, survey = made
    engine, budget = Reference(machine), Budget(machine)
    traces = [
        random_walk(engine, budget, engine.start({}), Random(n), 60).text for n in range(80)
    ]
    assert check_counts(text, traces, survey, ruleset) > 0
    share = survey.coverage().share
    assert share.fields > 0


def judged(judge: Judge, record: Any) -> Iterator[tuple[str, str, str]]:
    for inner in record.inner:
        yield from judged(judge, inner)
    for rule in record.shape.rules if record.shape is not None else ():
        held = judge.value(rule.condition, {"": record})
        verdict = held.value if hasattr(held, "value") else "pass" if held else "violate"
        yield record.shape.name, rule.name, verdict


def uses(survey: Survey) -> Iterator[tuple[int, int]]:
    """Elements by identity, and how often the survey has seen each."""
    counts = survey._counts.times  # noqa: SLF001
    for number, part in enumerate(survey.marked.parts):
        if part.kind not in ("item", "branch", "some"):
            yield id(part.element), counts[number]
        else:
            own = [n for n, p in enumerate(survey.marked.parts) if p.element is part.element]
            yield id(part.element), counts[own[-1]]


def repeats(survey: Survey) -> Iterator[c.Element]:
    return (part.element for part in survey.marked.parts if part.kind == "repeat")


# --- prose and watches ---


@seeded(15, 5_000)
@given(SEEDS)
def test_every_byte_is_counted_once_and_verdicts_are_those_of_verify(seed: int) -> None:
    r = Random(seed)
    text = author(r, watches=r.random() < 0.6)
    made = survey_of(text)
    if made is None:
        return
    _, machine, survey = made
    verify = Verifier(machine)
    traces = traces_of(machine, r)
    want: Counter[str] = Counter()
    rules: Counter[tuple[str, str, str]] = Counter()
    for trace in traces:
        survey.take(trace)
        verdict = verify(trace)
        want[verdict.verdict] += 1
        rules.update((one.shape, one.rule, one.tier) for one in verdict.claims if one.tier)
    found = survey.coverage()
    assert dict(found.traces) == want, text
    share = found.share
    assert share.total == sum(map(len, traces)), text
    parts = (share.guarded, share.fields, share.prose, share.text, share.unread)
    assert min(parts) >= 0
    assert share.guarded == sum(use.guarded for use in found.fields), text
    assert 0 <= share.to_record()["guarded_share"] <= 1  # type: ignore[operator]
    told = {
        (rule.place.shape, rule.name, rule.tier): rule.tested + rule.vacuous
        for rule in found.rules
    }
    assert {key: count for key, count in told.items() if count} == dict(rules), text


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_counting_in_between_changes_nothing(path: Path, monkeypatch: Any) -> None:
    ruleset = load(path).ruleset
    assert ruleset is not None
    built = build(ruleset)
    assert built.machine is not None
    marked = mark(built)
    whole, bits = Survey(marked), Survey(marked)
    sampler = Sampler(built.machine)
    traces = [sampler(seed) for seed in range(10)]
    traces += [sample.trace.encode() for sample in ruleset.samples]
    for trace in traces:
        whole.take(trace)
    monkeypatch.setattr(coverage, "ABSORBED", 1)
    for trace in traces:
        bits.take(trace)
    assert whole.coverage() == bits.coverage()


SOLUTION = "Two <<1+1=2>><<2*3=6>> and <<6/4=1.5>>.\n#### 1.5"


def test_bytes_of_annotations_in_prose() -> None:
    ruleset = load(EXAMPLES[2].with_name("gsm8k.rules")).ruleset
    assert ruleset is not None
    survey = Survey(mark(build(ruleset)))
    survey.take(SOLUTION.encode())
    found = survey.coverage()
    inside = "".join(left + right for left, right in re.findall("<<(.*?)=(.*?)>>", SOLUTION))
    fixed = len("<<=>>") * 3 + len("\n#### ")
    assert found.share.guarded == len(inside) + len("1.5")
    assert found.share.text == fixed
    assert found.share.prose == len("Two ") + len(" and ") + len(".")
    ways = {way.place.text: way.times for way in found.ways}
    assert ways == {"prose": 3, "calcs: Calc": 3}
    (length,) = found.lengths
    assert (length.least, length.most) == (6, 6)


# --- the command line ---

RECEIPT = """\
shape Line { "- " name: text /[a-z]+/ " " price: int in 0 .. 99 ( " x" count: int in 2 .. 9 )?
    "\\n"
    rule cheap: (count else 1) * price < 500 }
shape Receipt { lines: Line{1..9} ( "paid" | "open " due: int in 0 .. 999 )
    rule due: due == sum(lines.price)
    audit rule many: count(lines) < 3 }
trace Receipt
"""


@pytest.fixture
def receipt(tmp_path: Path) -> Path:
    path = tmp_path / "receipt.rules"
    path.write_text(RECEIPT, encoding="utf-8")
    return path


def run(*arguments: object, stdin: str | None = None) -> Any:
    return CliRunner().invoke(app, [str(one) for one in arguments], input=stdin)


def written(folder: Path, *traces: str) -> Path:
    path = folder / "traces.jsonl"
    lines = (one if one[:1] in "{[" else json.dumps({"trace": one}) for one in traces)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_what_never_came_is_named(receipt: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "- tea 3\npaid", "- tea 4\n- nut 5\npaid")
    result = run("coverage", receipt, file)
    assert result.exit_code == 0, result.output
    assert "2 traces: 2 pass" in result.output
    assert re.search(r"due +Receipt +mask +never +0 +0 +2", result.output)
    assert re.search(r"due +Receipt +4:\d+ +never", result.output)
    assert re.search(r'no \( " x" count: .* Line +1:\d+ +3', result.output)
    assert re.search(r'\n +\( " x" count: .* Line +1:\d+ +never', result.output)
    assert re.search(r"lines: Line\{1..9\} +Receipt +4:\d+ +2 +1 to 2 +1 to 9", result.output)
    assert "\x1b" not in result.output


def test_json_for_programs(receipt: Path, tmp_path: Path) -> None:
    wrong = "- tea 3\nopen 4"
    file = written(tmp_path, "- tea 3 x2\nopen 3", wrong, "- tea")
    result = run("coverage", receipt, file, "--format", "json")
    assert result.exit_code == 0
    record = json.loads(result.stdout)
    assert set(record) == {
        *("traces", "rules", "fields", "ways", "lengths", "owed", "bytes", "unreadable"),
    }
    assert record["traces"] == {"pass": 1, "violate": 1, "unparsed": 1}
    rules = {rule["rule"]: rule for rule in record["rules"]}
    assert (rules["due"]["tested"], rules["due"]["violated"]) == (2, 1)
    assert rules["cheap"]["line"] == 3
    fields = {field["field"]: field for field in record["fields"] if field["field"]}
    assert (fields["price"]["bytes"], fields["price"]["guarded_bytes"]) == (2, 2)
    assert (fields["name"]["bytes"], fields["name"]["guarded_bytes"]) == (9, 0)
    assert fields["lines"]["kind"] == "shape"
    size = record["bytes"]
    parts = ("guarded", "fields", "prose", "text", "unread")
    assert size["total"] == sum(size[part] for part in parts)
    assert size["guarded_share"] == round(size["guarded"] / size["total"], 6)
    assert record["unreadable"] == 0


def test_unreadable_lines_are_reported(receipt: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "- tea 3\npaid", "[1]", '{"trace": "", "with": {"cap": 3}}')
    result = run("coverage", receipt, file, "--format", "json")
    assert result.exit_code == 1
    assert f"{file}:2: a JSON object is expected" in result.stderr
    assert f"{file}:3: the rules have no `cap`" in result.stderr
    record = json.loads(result.stdout)
    assert (record["unreadable"], record["traces"]) == (2, {"pass": 1})


def test_other_members_stdin_and_plain_files(receipt: Path, tmp_path: Path) -> None:
    line = json.dumps({"text": "- tea 3\npaid"})
    result = run("coverage", receipt, "-", "--field", "text", stdin=line)
    assert result.exit_code == 0
    assert "1 trace: 1 pass" in result.output
    plain = tmp_path / "trace.txt"
    plain.write_bytes(b"- tea 3\npaid")
    assert run("coverage", receipt, plain, "--plain").exit_code == 0
    plain.write_bytes(b"")
    assert "nothing to count" in run("coverage", receipt, plain).output


def test_wrong_use(receipt: Path, tmp_path: Path) -> None:
    file = written(tmp_path, "- tea 3\npaid")
    assert run("coverage", receipt).exit_code == 2
    assert run("coverage", receipt, tmp_path / "nowhere").exit_code == 2
    assert run("coverage", receipt, file, "--with", '{"cap": 3}').exit_code == 2
    receipt.write_text("shape {", encoding="utf-8")
    assert run("coverage", receipt, file).exit_code == 1
