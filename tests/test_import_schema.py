"""JSON Schemas as rulesets: what is written is valid, and what is not carried over is told."""

from __future__ import annotations

import json
import re
from datetime import date
from fractions import Fraction
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from json_rulesets import Digits, loaded
from rulesets import SEEDS, seeded
from typer.testing import CliRunner

from rulec.cli import app
from rulec.compiler import build
from rulec.dsl import format_text, load_text
from rulec.dsl.json_schema import BadSchema, Imported, import_schema
from rulec.runtime import BadInput, NoSample, Sampler

if TYPE_CHECKING:
    from pathlib import Path

RUNNER = CliRunner()


def imported(schema: object, depth: int = 2) -> Imported:
    return import_schema(json.dumps(schema), "some", depth)


def members(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


def member(schema: object) -> str:
    """What the only member of an object becomes, with its rules."""
    text = imported(members(x=schema)).text
    body = text[text.index("{") + 1 : text.index("}\n\ntrace")]
    return " ".join(body.split())


# --- single members ---

MEMBERS = [
    ({"type": "string"}, "x: prose"),
    ({"type": "string", "minLength": 1, "maxLength": 5}, "x: prose{1..5}"),
    ({"type": "string", "pattern": "^[a-z]+$"}, "x: text /[a-z]+/"),
    ({"type": "string", "pattern": "^a|b"}, "x: prose"),
    ({"type": "string", "pattern": "^(a|b)"}, r"x: text /((a|b))(.|\n)*/"),
    ({"type": "string", "pattern": "a|b"}, r"x: text /(.|\n)*(a|b)(.|\n)*/"),
    ({"type": "string", "pattern": "^a/b\n$"}, r"x: text /a\/b\u{a}/"),
    ({"type": "string", "pattern": "^a\\$"}, r"x: text /(a\$)(.|\n)*/"),
    ({"type": "string", "format": "date"}, "x: date"),
    ({"enum": ["a", 'b"\n']}, r'x: one of ("a" "b\"\n")'),
    ({"const": "a"}, 'x: one of ("a")'),
    ({"const": True}, "x: bool rule x_1: x"),
    ({"enum": [3, 1, 2]}, "x: int in 1 .. 3"),
    ({"enum": [1, 2.5]}, "x: decimal(0..1) in 1 .. 2.5 rule x_1: x in {1, 2.5}"),
    ({"type": "boolean"}, "x: bool"),
    ({"type": "integer"}, "x: int"),
    ({"type": "integer", "minimum": -1.5, "exclusiveMaximum": 4}, "x: int in -1 .. 3"),
    ({"type": "integer", "multipleOf": 3}, "x: int rule x_1: x % 3 == 0"),
    ({"type": "integer", "multipleOf": 0.5}, "x: int"),
    ({"type": "number"}, "x: number"),
    ({"type": "number", "multipleOf": 0.01}, "x: decimal(0..2)"),
    ({"type": "number", "multipleOf": 1}, "x: int"),
    ({"type": "number", "multipleOf": 0.25}, "x: decimal(0..2) rule x_1: x % 0.25 == 0"),
    (
        {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
        "x: decimal(0..6) in 0.000001 .. 1",
    ),
    (
        {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 10},
        "x: decimal(0..6) in 0.000001 .. 10",
    ),
    ({"type": "array", "items": {"type": "integer"}}, "x: [int]"),
    (
        {"type": "array", "items": {"enum": [1, 3]}, "minItems": 1, "uniqueItems": True},
        "x: [int in 1 .. 3]{1..} rule x_differ: distinct(x) "
        "rule x_1: all(item in x: item in {1, 3})",
    ),
    ({"type": "array", "items": {"type": "integer"}, "maxItems": 3}, "x: [int]{..3}"),
]


@pytest.mark.parametrize(("schema", "wanted"), MEMBERS, ids=lambda case: str(case)[:50])
def test_members(schema: object, wanted: str) -> None:
    assert member(schema) == wanted
    ruleset = load_text(imported(members(x=schema)).text).ruleset
    assert ruleset is not None
    assert build(ruleset).machine is not None


DROPPED = [
    ({"type": "string", "pattern": "(?=a)"}, "#/properties/x/pattern"),
    ({"type": "string", "pattern": "^a$", "minLength": 1}, "#/properties/x/minLength"),
    ({"type": "string", "format": "email"}, "#/properties/x/format"),
    ({"type": "string", "contentEncoding": "base64"}, "#/properties/x/contentEncoding"),
    ({"type": "string", "minLength": -1}, "#/properties/x/minLength"),
    ({"type": "integer", "multipleOf": 0}, "#/properties/x/multipleOf"),
    ({"type": "integer", "minimum": "1"}, "#/properties/x/minimum"),
    ({"type": ["integer", "null"]}, "#/properties/x/type"),
    ({"type": "integer", "not": {"const": 3}}, "#/properties/x/not"),
    ({"type": "integer", "$ref": "other.json"}, "#/properties/x"),
    ({"$ref": "#/$defs/none"}, "#/properties/x"),
    ({"$ref": "#/properties/x"}, "#/properties/x"),
    ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "#/properties/x/anyOf"),
    ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, "#/properties/x"),
    ({"type": "integer", "minimum": 3, "maximum": 2}, "#/properties/x"),
    ({"type": "object"}, "#/properties/x"),
    ({"type": "null"}, "#/properties/x"),
    ({"enum": ["a", None]}, "#/properties/x/enum"),
    ({}, "#/properties/x"),
    (True, "#/properties/x"),
    ({"type": "array"}, "#/properties/x"),
    ({"type": "array", "items": {"type": "array", "items": {}}}, "#/properties/x/items"),
    (
        {"type": "array", "items": {"enum": [1]}, "contains": {}},
        "#/properties/x/contains",
    ),
    (
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        "#/properties/x/uniqueItems",
    ),
]


@pytest.mark.parametrize(("schema", "pointer"), DROPPED, ids=lambda case: str(case)[:50])
def test_what_is_not_carried_over_is_told(schema: object, pointer: str) -> None:
    found = imported(members(x=schema))
    assert pointer in {note.pointer for note in found.notes}
    assert f"#   {pointer}: " in found.text
    ruleset = load_text(found.text).ruleset
    assert ruleset is not None
    assert build(ruleset).machine is not None


def test_what_is_required_and_left_out() -> None:
    found = imported({**members(**{"a-b": {"type": "integer"}}), "minProperties": 1})
    assert [(note.pointer, note.reason.partition(" ")[0]) for note in found.notes] == [
        ("#/properties/a-b", "its"),
        ("#/properties/a-b", "it"),
        ("#/minProperties", "there"),
    ]


def test_annotations_say_nothing() -> None:
    schema = {**members(x={"type": "integer", "title": "X", "default": 1}), "$id": "y"}
    assert imported(schema).notes == ()


def test_references_and_recursion() -> None:
    node = {
        "type": "object",
        "properties": {
            "v": {"$ref": "#/definitions/value"},
            "of": {"type": "array", "items": {"$ref": "#/definitions/node"}},
        },
        "required": ["v"],
    }
    value = {"type": "integer", "minimum": 0}
    schema = {"$ref": "#/definitions/node", "definitions": {"node": node, "value": value}}
    found = imported(schema)
    assert "json Some up to 2 {" in found.text
    assert "of?: [Some]" in found.text
    assert [note.pointer for note in found.notes] == ["#"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "3",
        "{}",
        '{"type": "array"}',
        '{"type": "object", "properties": {"x": {"type": "integer", "minimum": 1e999999999}}}',
        '{"x": NaN, "properties": {"x": {}}}',
        '{"a":' * 100_000,
        "9" * 10_000,
        '{"$ref": "#"}',
    ],
    ids=lambda text: text[:20],
)
def test_bad_schemas(text: str) -> None:
    with pytest.raises(BadSchema):
        import_schema(text, "bad", 3)


# --- random schemas ---


def random_schema(r: Random, depth: int = 2) -> dict[str, Any]:
    """An object; all that its keywords ask for can be carried over."""
    names = r.sample(["a", "b", "c", "d", "e"], r.randint(1, 4))
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {name: random_value(r, depth) for name in names},
        "additionalProperties": False,
    }
    if r.random() < 0.8:
        schema["required"] = r.sample(names, r.randint(0, len(names)))
    return schema


def random_value(r: Random, depth: int) -> dict[str, Any]:
    low = r.randint(-20, 20)
    simple: list[dict[str, Any]] = [
        {"type": "boolean"},
        {"type": "string", "format": "date"},
        {"type": "string", "maxLength": r.randint(0, 4)},
        {"type": "string", "pattern": r.choice(['^[a-c"]{1,3}$', "b|c", "^x", "y$"])},
        {"enum": r.sample(["a", "b\\", "née", '"'], r.randint(1, 3))},
        {"enum": r.sample([-3, 0, 1, 2, 10.5], r.randint(1, 3))},
        {"type": "integer", "minimum": low, "exclusiveMaximum": low + r.randint(5, 30)},
        {"type": "integer", "maximum": low, "multipleOf": r.choice([1, 2, 5, 10])},
        {
            "type": "number",
            "exclusiveMinimum": low / 4,
            "multipleOf": r.choice([0.1, 0.5]),
        },
        {"type": "number", "minimum": low, "maximum": low + 0.5},
    ]
    kind = r.random()
    if depth and kind < 0.15:
        return random_schema(r, depth - 1)
    if depth and kind < 0.35:
        low = r.randint(0, 2)
        items = random_schema(r, 0) if r.random() < 0.4 else r.choice(simple)
        return {"type": "array", "items": items, "minItems": low, "maxItems": low + 2}
    return r.choice(simple)


def valid(schema: dict[str, Any], value: Any) -> bool:
    """Whether a value keeps a schema that uses the keywords above."""
    match value:
        case dict():
            inner = schema["properties"]
            owed = set(schema.get("required", ())) <= set(value) <= set(inner)
            return owed and all(valid(inner[name], held) for name, held in value.items())
        case list():
            enough = schema["minItems"] <= len(value) <= schema["maxItems"]
            return enough and all(valid(schema["items"], item) for item in value)
        case bool():
            return schema.get("type") == "boolean"
        case Digits():
            return _valid_number(schema, Fraction(value))
        case _:
            return _valid_text(schema, value)


def _valid_number(schema: dict[str, Any], number: Fraction) -> bool:
    def exact(keyword: str) -> Fraction:
        return Fraction(str(schema[keyword]))

    return (
        ("enum" not in schema or number in {Fraction(str(v)) for v in schema["enum"]})
        and ("minimum" not in schema or number >= exact("minimum"))
        and ("maximum" not in schema or number <= exact("maximum"))
        and ("exclusiveMinimum" not in schema or number > exact("exclusiveMinimum"))
        and ("exclusiveMaximum" not in schema or number < exact("exclusiveMaximum"))
        and ("multipleOf" not in schema or number % exact("multipleOf") == 0)
        and (schema.get("type") != "integer" or number.denominator == 1)
    )


def _valid_text(schema: dict[str, Any], text: str) -> bool:
    if "enum" in schema:
        return text in schema["enum"]
    if schema.get("format") == "date":
        return date.fromisoformat(text).isoformat() == text
    found = re.search(schema.get("pattern", ""), text) is not None
    return schema["type"] == "string" and found and len(text) <= schema.get("maxLength", 99)


@seeded(40, 4_000)
@given(SEEDS)
def test_what_is_written_is_valid(seed: int) -> None:
    schema = random_schema(Random(seed))
    found = imported(schema)
    assert found.notes == ()
    assert format_text(found.text) == found.text
    ruleset = load_text(found.text).ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    if machine is None:  # numbers of an `enum` that can't be a multiple, and the like
        return
    sampler = Sampler(machine, attempts=20)
    for number in range(2):
        try:
            text = sampler(number).decode()
        except (BadInput, NoSample):
            continue
        assert valid(schema, loaded(text)), text


# --- the verb ---


def test_the_verb(tmp_path: Path) -> None:
    schema = tmp_path / "order.json"
    schema.write_text(json.dumps(members(x={"type": "integer", "format": "int32"})), "utf-8")
    result = RUNNER.invoke(app, ["import-schema", str(schema)])
    assert result.exit_code == 0, result.output
    assert "json Order {\n    x: int\n}" in result.stdout
    assert "#/properties/x/format" in result.stderr
    out = tmp_path / "order.rules"
    result = RUNNER.invoke(app, ["import-schema", str(schema), "-o", str(out)])
    assert result.exit_code == 0
    assert RUNNER.invoke(app, ["check", str(out)]).exit_code == 0
    result = RUNNER.invoke(app, ["import-schema", str(schema), "--format", "json"])
    record = json.loads(result.stdout)
    assert record["rules"] == out.read_text("utf-8")
    assert record["notes"][0]["pointer"] == "#/properties/x/format"


def test_a_schema_that_can_not_be_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_bytes(b"\xff")
    for path in (bad, tmp_path, tmp_path / "none.json"):
        assert RUNNER.invoke(app, ["import-schema", str(path)]).exit_code == 2
