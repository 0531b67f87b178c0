"""Packs: what is written is read again, and what is damaged is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from rulesets import SEEDS, author, built, letters_of, seeded, vocabulary
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from rulec.compiler import Pack, PackError, Vocabulary, build, fit, load_pack
from rulec.compiler.pack import from_bytes
from rulec.dsl import load
from rulec.runtime import BadInput, Session

EXAMPLES = Path(__file__).parent.parent / "examples"


def invoice_pack() -> Pack:
    ruleset = load(EXAMPLES / "invoice.rules").ruleset
    assert ruleset is not None
    machine = build(ruleset).machine
    assert machine is not None
    return fit(machine, vocabulary(Random(0), b"0123456789-$. xA\n", 60))


PACK = invoice_pack()
DATA = PACK.to_bytes()
HEADER = struct.unpack_from("<Q", DATA)[0]


def try_pack(data: bytes) -> Pack | None:
    """The pack, or None where it was refused; anything else is an error."""
    try:
        return from_bytes(data)
    except PackError:
        return None


def use(pack: Pack, steps: int = 4) -> None:
    """A pack that was let through must also work."""
    session = Session(pack)
    out = np.zeros((pack.size + 31) // 32, np.uint32)
    for step in range(steps):
        session.mask(out)
        words = np.unpackbits(out.view(np.uint8), bitorder="little")[: pack.size]
        allowed = np.flatnonzero(words)
        if session.finished or not len(allowed):
            return
        session.accept(int(allowed[step % len(allowed)]))


def content(data: bytes) -> tuple[dict[str, str], dict[str, bytes]]:
    """Metadata and tensors, whatever their order."""
    (length,) = struct.unpack_from("<Q", data)
    metadata = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["rulec"])
    return metadata, {name: t.tobytes() for name, t in load_tensors(data).items()}


def test_a_pack_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "invoice.rulepack"
    PACK.save(path)
    again = load_pack(path)
    assert again.machine == PACK.machine
    assert content(again.to_bytes()) == content(DATA)
    assert (again.digest, again.vocabulary, again.ends) == (
        PACK.digest,
        PACK.vocabulary,
        PACK.ends,
    )
    use(again)


@seeded(12, 1_000)
@given(SEEDS)
def test_packs_of_random_rulesets(seed: int) -> None:
    r = Random(seed)
    machine = built(author(r, watches=r.random() < 0.2))
    if machine is None:
        return
    pack = fit(machine, vocabulary(r, letters_of(machine), 60))
    again = from_bytes(pack.to_bytes())
    assert again.machine == machine
    assert again.rows.keys() == pack.rows.keys()
    for posture, row in pack.rows.items():
        assert np.array_equal(again.rows[posture].bits, row.bits)
        assert np.array_equal(again.rows[posture].open, row.open)


def test_a_pack_of_another_vocabulary_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "invoice.rulepack"
    PACK.save(path)
    other = vocabulary(Random(7), b"abc", 60)
    with pytest.raises(PackError, match="another vocabulary"):
        load_pack(path, other)
    with pytest.raises(PackError, match="another vocabulary"):
        PACK.require(other)


def test_a_vocabulary_without_ends_is_refused() -> None:
    tokens = tuple(bytes((byte,)) for byte in range(256))
    with pytest.raises(PackError, match="end of sequence"):
        fit(PACK.machine, Vocabulary(tokens, (), 256))


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 100, HEADER, HEADER + 8, len(DATA) - 1])
def test_truncated_packs_are_refused(length: int) -> None:
    with pytest.raises(PackError):
        from_bytes(DATA[:length])


@seeded(60, 5_000)
@given(SEEDS)
def test_cut_and_lengthened_packs(seed: int) -> None:
    r = Random(seed)
    assert try_pack(DATA[: r.randrange(len(DATA))]) is None
    assert try_pack(DATA + bytes(r.randrange(256) for _ in range(r.randint(1, 9)))) is None


@seeded(120, 10_000)
@given(SEEDS)
def test_flipped_bytes_are_refused_or_harmless(seed: int) -> None:
    r = Random(seed)
    data = bytearray(DATA)
    for _ in range(r.choice([1, 1, 2, 8])):
        at = r.randrange(8 + HEADER if r.random() < 0.4 else len(data))
        data[at] = r.choice([data[at] ^ 1 << r.randrange(8), r.randrange(256), 0, 255])
    pack = try_pack(bytes(data))
    if pack is not None:
        use(pack)


def rewritten(change: Any) -> bytes:
    """The pack with its tensors or metadata changed."""
    tensors = dict(load_tensors(DATA))
    metadata = json.loads(json.loads(DATA[8 : 8 + HEADER])["__metadata__"]["rulec"])
    change(tensors, metadata)
    return save_tensors(tensors, {"rulec": json.dumps(metadata)})


def _json(tensors: dict[str, Any], name: str, change: Any) -> None:
    value = json.loads(tensors[name].tobytes())
    value = change(value) or value
    tensors[name] = np.frombuffer(json.dumps(value).encode(), np.uint8)


def _set(name: str, value: Any) -> Any:
    return lambda tensors, _: tensors.__setitem__(name, value)


def _row(index: list[Any], place: int, value: Any) -> None:
    index[0][place] = value


TAMPERED: dict[str, Any] = {
    "another format": lambda _, meta: meta.__setitem__("format", "1"),
    "no format": lambda _, meta: meta.pop("format"),
    "another digest": lambda _, meta: meta.__setitem__("rules", "0" * 64),
    "no digest": lambda _, meta: meta.pop("rules"),
    "no vocabulary": lambda _, meta: meta.pop("vocabulary"),
    "size below": lambda _, meta: meta.__setitem__("size", "10"),
    "size above": lambda _, meta: meta.__setitem__("size", str(10**12)),
    "size below zero": lambda _, meta: meta.__setitem__("size", "-1"),
    "size no number": lambda _, meta: meta.__setitem__("size", "many"),
    "no machine": lambda tensors, _: tensors.pop("machine"),
    "empty machine": _set("machine", np.zeros(0, np.uint8)),
    "machine of bytes": _set("machine", np.full(64, 0xFF, np.uint8)),
    "machine null": _set("machine", np.frombuffer(b"null", np.uint8)),
    "machine deep": _set("machine", np.frombuffer(b"[" * 100_000, np.uint8)),
    "rows of another width": _set("rows", np.zeros((4, 1), np.uint32)),
    "rows of another type": _set("rows", np.zeros((4, PACK.table.words), np.int64)),
    "no rows at all": _set("rows", np.zeros((0, PACK.table.words), np.uint32)),
    "one dimension": _set("rows", np.zeros(PACK.table.words, np.uint32)),
    "open below": _set("open", np.full(3, -1, np.int32)),
    "open above": lambda tensors, _: tensors.__setitem__(
        "open", np.full_like(tensors["open"], 10**6)
    ),
    "open in two dimensions": lambda tensors, _: tensors.__setitem__(
        "open", tensors["open"].reshape(-1, 1)
    ),
    "counts short": lambda tensors, _: tensors.__setitem__("counts", tensors["counts"][:-1]),
    "counts fall": lambda tensors, _: tensors.__setitem__(
        "counts", tensors["counts"][::-1].copy()
    ),
    "counts of floats": lambda tensors, _: tensors.__setitem__(
        "counts", tensors["counts"].astype(np.float64) + 0.5
    ),
    "offsets fall": lambda tensors, _: tensors.__setitem__(
        "offsets", tensors["offsets"][::-1].copy()
    ),
    "offsets beyond": lambda tensors, _: tensors.__setitem__(
        "offsets", tensors["offsets"] + 1000
    ),
    "offsets of floats": lambda tensors, _: tensors.__setitem__(
        "offsets", tensors["offsets"].astype(np.float32)
    ),
    "bytes short": lambda tensors, _: tensors.__setitem__("bytes", tensors["bytes"][:-1]),
    "ends none": _set("ends", np.zeros(0, np.int64)),
    "ends beyond": _set("ends", np.array([10**9])),
    "ends below": _set("ends", np.array([-1])),
    "ends of floats": _set("ends", np.array([0.5])),
    "ends in two dimensions": _set("ends", np.array([[1, 2]])),
    "index no list": lambda tensors, _: _json(tensors, "index", lambda _: {"a": 1}),
    "index deep": _set("index", np.frombuffer(b"[" * 100_000, np.uint8)),
    "index node beyond": lambda t, _: _json(t, "index", lambda i: _row(i, 0, 10**9)),
    "index node below": lambda t, _: _json(t, "index", lambda i: _row(i, 0, -1)),
    "index node text": lambda t, _: _json(t, "index", lambda i: _row(i, 0, "1")),
    "index row beyond": lambda t, _: _json(t, "index", lambda i: _row(i, 2, 10**9)),
    "index row below": lambda t, _: _json(t, "index", lambda i: _row(i, 2, -(10**9))),
    "index row from the end": lambda t, _: _json(t, "index", lambda i: _row(i, 2, -1)),
    "index row text": lambda t, _: _json(t, "index", lambda i: _row(i, 2, "x")),
    "index row list": lambda t, _: _json(t, "index", lambda i: _row(i, 2, [0, 1])),
    "index row null": lambda t, _: _json(t, "index", lambda i: _row(i, 2, None)),
    "index subs": lambda t, _: _json(t, "index", lambda i: _row(i, 1, [[0, [10**9]]])),
    "index subs of no watch": lambda t, _: _json(t, "index", lambda i: _row(i, 1, [[7, [0]]])),
    "index subs text": lambda t, _: _json(t, "index", lambda i: _row(i, 1, "ab")),
    "costs short": lambda t, _: t.__setitem__("costs", t["costs"][:-1]),
    "costs of floats": lambda t, _: t.__setitem__("costs", t["costs"].astype(np.float64)),
    "costs below": lambda t, _: t.__setitem__("costs", t["costs"] - 200),
    "costs above": lambda t, _: t.__setitem__("costs", t["costs"] + 2**50),
    "costs of items below": lambda t, _: t.__setitem__("each", t["each"] - 1),
    "costs of more items": lambda t, _: t.__setitem__("each", np.append(t["each"], 1)),
    "costs of words in one row": _set("words", np.zeros(3, np.int64)),
    "costs of a word of no node": _set("words", np.array([[10**6, 0, 0]])),
    "no costs": lambda tensors, _: tensors.pop("costs"),
    "index short": lambda t, _: _json(t, "index", lambda i: i.pop()),
}


@pytest.mark.parametrize("name", TAMPERED)
def test_tampered_packs_are_refused(name: str) -> None:
    with pytest.raises(PackError):
        from_bytes(rewritten(TAMPERED[name]))


def machine_changed(change: Any) -> bytes:
    """The pack with its machine's JSON changed, and its digest made to fit."""
    from rulec.compiler import codec  # noqa: PLC0415

    def edit(tensors: dict[str, Any], metadata: dict[str, str]) -> None:
        _json(tensors, "machine", change)
        try:
            machine = codec.from_json(tensors["machine"].tobytes())
            metadata["rules"] = codec.digest(machine)
        except (codec.Malformed, ValueError, KeyError, TypeError, AttributeError, IndexError):
            return

    return rewritten(edit)


def _scramble(r: Random, value: Any) -> bool:
    """Change one leaf somewhere in a JSON value."""
    here = value
    while True:
        keys = list(here) if isinstance(here, dict) else list(range(len(here)))
        if not keys:
            return False
        key = r.choice(keys)
        below = here[key]
        if isinstance(below, dict | list) and below and r.random() < 0.95:
            here = below
            continue
        here[key] = r.choice(
            [-1, 0, 1, 10**6, 10**30, None, "", "x", [], {}, True, 0.5, [0], below, "1/0"]
        )
        return True


@seeded(250, 20_000)
@given(SEEDS)
def test_a_changed_machine_is_refused_or_works(seed: int) -> None:
    """Also where the digest fits: whatever `from_bytes` lets through must not fail later."""
    r = Random(seed)
    data = machine_changed(lambda value: _scramble(r, value) and None)
    pack = try_pack(data)
    if pack is not None:
        try:
            use(pack, 30)
        except BadInput:
            return


def test_missing_and_foreign_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PackError):
        load_pack(tmp_path / "missing.rulepack")
    with pytest.raises(PackError):
        load_pack(tmp_path)
    foreign = tmp_path / "foreign"
    for content in (
        b"",
        b"{}",
        b"\x00" * 64,
        b"PK\x03\x04" + b"a" * 99,
        struct.pack("<Q", 2**63),
    ):
        foreign.write_bytes(content)
        with pytest.raises(PackError):
            load_pack(foreign)


def test_the_same_rules_make_the_same_bytes() -> None:
    assert invoice_pack().to_bytes() == DATA


@pytest.mark.parametrize("value", ["", "x", "[]", "1", "null", "{}", "[" * 100_000, '"a"'])
def test_other_metadata_is_refused(value: str) -> None:
    with pytest.raises(PackError):
        from_bytes(save_tensors(dict(load_tensors(DATA)), {"rulec": value}))
