"""Packs: a machine fitted to one vocabulary, in one file that holds data only."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from rulec.compiler import codec
from rulec.compiler.codec import Malformed
from rulec.compiler.costs import NEVER, Costs, measure
from rulec.compiler.fit import Fitter, Row, TokenTable, widest
from rulec.compiler.lexicon import Lexicon
from rulec.compiler.machine import Machine
from rulec.compiler.ops import StepDate, StepWord
from rulec.compiler.owed import Owed
from rulec.compiler.skeleton import Posture
from rulec.compiler.wellformed import examine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from rulec.compiler.vocabulary import Vocabulary

FORMAT = "3"
_DAMAGE = (
    SafetensorError,
    Malformed,
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    RecursionError,
)
MOST_ROWS = 2_048
"""Rows that are made ahead; the others are made when they are first needed."""

MOST_BYTES = 1 << 30
MOST_TOKENS = 1 << 48
"""Tokens of the dearest state, a bound for those that read a pack."""


class PackError(Exception):
    """A pack that can't be used, and why."""


@dataclass
class Pack:
    """A machine and a vocabulary, with the rows that are ready.

    `ends` are the tokens that end a sequence. `digest` names the rules, `vocabulary` the
    tokens. `costs` are the tokens that complete a trace from each state.
    """

    machine: Machine
    table: TokenTable
    ends: tuple[int, ...]
    digest: str
    vocabulary: str
    costs: Costs
    rows: dict[Posture, Row] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """How many tokens a mask has bits for."""
        return self.table.size

    def require(self, vocabulary: Vocabulary) -> None:
        """Raises `PackError` where the pack was made for another vocabulary or width."""
        if vocabulary.digest != self.vocabulary:
            raise PackError(
                "the pack was made for another vocabulary: "
                f"it has {self.vocabulary[:12]}, this one is {vocabulary.digest[:12]}"
            )
        if vocabulary.size != self.size:
            raise PackError(
                f"the pack was made for {self.size} logits, not for {vocabulary.size}"
            )

    def save(self, path: Path) -> None:
        """Write the pack as one safetensors file."""
        path.write_bytes(self.to_bytes())

    def to_bytes(self) -> bytes:
        """The pack as safetensors data."""
        distinct: dict[bytes, int] = {}
        rows: list[NDArray[np.uint32]] = []
        opens: list[NDArray[np.int32]] = []
        index: list[Any] = []
        for posture, row in self.rows.items():
            key = row.bits.tobytes()
            if key not in distinct:
                distinct[key] = len(rows)
                rows.append(row.bits)
            subs = [[watch, sorted(nodes)] for watch, nodes in posture.subs]
            index.append([posture.node, subs, distinct[key]])
            opens.append(row.open)
        counts = np.cumsum([0, *(len(part) for part in opens)]).astype(np.int64)
        tensors: dict[str, NDArray[Any]] = {
            "machine": np.frombuffer(codec.to_json(self.machine), np.uint8),
            "index": np.frombuffer(json.dumps(index).encode(), np.uint8),
            "rows": np.stack(rows) if rows else np.zeros((0, self.table.words), np.uint32),
            "open": np.concatenate([np.zeros(0, np.int32), *opens]),
            "counts": counts,
            "bytes": self.table.data,
            "offsets": self.table.offsets,
            "ends": np.array(self.ends, np.int64),
            "costs": self.costs.states,
            "each": self.costs.each,
            "words": self.costs.words,
            "promised": self.costs.promised,
            "promise": self.costs.promise,
        }
        return save(tensors, self._metadata())

    def _metadata(self) -> dict[str, str]:
        about = {
            "format": FORMAT,
            "ruleset": self.machine.name,
            "version": self.machine.version,
            "rules": self.digest,
            "vocabulary": self.vocabulary,
            "size": self.size,
        }
        return {"rulec": json.dumps(about, sort_keys=True)}  # one key: its order never varies


def fit(machine: Machine, vocabulary: Vocabulary) -> Pack:
    """Fit a machine to a vocabulary.

    Raises:
        PackError: if the vocabulary can't write what the rules ask for.
    """
    if not vocabulary.ends:
        raise PackError("the vocabulary names no end of sequence")
    missing = set(vocabulary.missing_bytes()) & needed_bytes(machine)
    if missing:
        shown = ", ".join(f"0x{byte:02x}" for byte in sorted(missing)[:4])
        raise PackError(f"the vocabulary has no token for the single byte {shown}")
    table = TokenTable.of(vocabulary.tokens, vocabulary.size)
    fitter = Fitter(machine, table)
    rows: dict[Posture, Row] = {}
    for posture in fitter.postures():
        if len(rows) == MOST_ROWS:
            break
        rows[posture] = fitter.row(posture)
    for posture in widest(rows).values():
        if posture not in rows:
            rows[posture] = fitter.row(posture)
    costs = measure(machine, Lexicon.of(table, vocabulary.ends))
    return Pack(machine, table, vocabulary.ends, machine.digest, vocabulary.digest, costs, rows)


def needed_bytes(machine: Machine) -> set[int]:
    """Bytes that must be writable one by one: those of values, and of ways without a choice."""
    found: set[int] = set()
    for node in machine.nodes:
        own = 0
        ruled = node.lexical
        for edge in node.edges:
            own |= edge.bytes
            ruled = ruled or any(isinstance(op, StepWord | StepDate) for op in edge.ops)
        if ruled or own.bit_count() == 1:
            found.update(byte for byte in range(256) if own >> byte & 1)
    return found


def load_pack(path: Path, vocabulary: Vocabulary | None = None) -> Pack:
    """Read a pack and check all of it.

    Raises:
        PackError: if the file is damaged, of another version, or for another vocabulary.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise PackError("the file is too large for a pack")
        data = path.read_bytes()
    except OSError as error:
        raise PackError(f"the file can't be read: {error.strerror}") from error
    pack = from_bytes(data)
    if vocabulary is not None:
        pack.require(vocabulary)
    return pack


def from_bytes(data: bytes) -> Pack:
    """What `to_bytes` wrote. Raises `PackError`."""
    metadata = _read_metadata(data)
    if metadata.get("format") != FORMAT:
        raise PackError("the file is no pack of this version")
    try:
        return _decoded(metadata, load(data))
    except _DAMAGE as error:
        raise PackError(f"the pack is damaged: {error}") from error


def _read_metadata(data: bytes) -> Mapping[str, Any]:
    try:
        (length,) = struct.unpack_from("<Q", data)
        if length > len(data) - 8:
            raise PackError("the pack is cut short")
        found = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["rulec"])
    except (struct.error, *_DAMAGE) as error:
        raise PackError("the file is no pack") from error
    return found if isinstance(found, dict) else {}


def _decoded(metadata: Mapping[str, Any], tensors: Mapping[str, NDArray[Any]]) -> Pack:
    written = tensors["machine"].tobytes()
    if codec.digest(written) != metadata["rules"]:
        raise Malformed("its rules are not those that it names")
    machine = codec.from_json(written)
    if not isinstance(machine, Machine):
        raise Malformed("no machine")
    examine(machine)
    machine = codec.with_digest(machine, metadata["rules"])
    offsets, data = tensors["offsets"], tensors["bytes"]
    table = TokenTable(data, offsets, int(metadata["size"]))
    _examine_table(table)
    listed = tensors["ends"]
    if listed.dtype != np.int64 or listed.ndim != 1:
        raise Malformed("ends of another type")
    ends = tuple(listed.tolist())
    if not ends or not all(0 <= end < table.size for end in ends):
        raise Malformed("an end outside of the vocabulary")
    rows = dict(_rows(tensors, table, machine))
    names = ("costs", "each", "words", "promised", "promise")
    costs = Costs(*(tensors[name] for name in names))
    _examine_costs(costs, machine)
    return Pack(machine, table, ends, metadata["rules"], metadata["vocabulary"], costs, rows)


def _examine_costs(costs: Costs, machine: Machine) -> None:
    for found, shape in (
        (costs.states, (Owed(machine).first[-1],)),
        (costs.each, (len(machine.initial),)),
        (costs.words, (len(costs.words), 3)),
        (costs.promised, (len(costs.states), 2)),
        (costs.promise, (1,)),
    ):
        if found.dtype != np.int64 or found.shape != shape:
            raise Malformed("costs of another shape")
    nodes, words, left = costs.words.T
    lowest = min(costs.each.min(initial=0), words.min(initial=0), left.min(initial=0))
    highest = max(costs.states.max(initial=0), costs.each.max(initial=0), left.max(initial=0))
    if costs.states.min() < NEVER or lowest < 0 or highest > MOST_TOKENS:
        raise Malformed("a cost that is none")
    if ((nodes < 0) | (nodes >= len(machine.nodes))).any():
        raise Malformed("a cost of no node")


def _examine_table(table: TokenTable) -> None:
    offsets = table.offsets
    if offsets.dtype != np.int64 or table.data.dtype != np.uint8:
        raise Malformed("a table of another type")
    steps = np.diff(offsets)
    if len(offsets) != table.size + 1 or offsets[0] != 0 or (steps < 0).any():
        raise Malformed("a table that doesn't add up")
    if offsets[-1] != len(table.data):
        raise Malformed("a table that doesn't add up")


def _rows(
    tensors: Mapping[str, NDArray[Any]], table: TokenTable, machine: Machine
) -> list[tuple[Posture, Row]]:
    rows, opens, counts = tensors["rows"], tensors["open"], tensors["counts"]
    index = json.loads(tensors["index"].tobytes())
    if rows.dtype != np.uint32 or rows.ndim != 2 or rows.shape[1] != table.words:
        raise Malformed("rows of another shape")
    if opens.dtype != np.int32 or opens.ndim != 1 or counts.ndim != 1:
        raise Malformed("open tokens of another shape")
    if len(counts) != len(index) + 1 or (np.diff(counts) < 0).any() or counts[0] != 0:
        raise Malformed("rows that don't add up")
    if len(opens) != counts[-1] or ((opens < 0) | (opens >= table.size)).any():
        raise Malformed("a token outside of the vocabulary")
    made = []
    nodes = len(machine.nodes)
    for number, (node, subs, row) in enumerate(index):
        inside = [n for _, held in subs for n in held]
        watches = [watch for watch, _ in subs]
        if not all(_index(n, nodes) for n in (node, *inside)):
            raise Malformed("a row of no node")
        if not all(_index(n, len(machine.watches)) for n in watches):
            raise Malformed("a row of no watch")
        if not _index(row, len(rows)):
            raise Malformed("no such row")
        posture = Posture(node, tuple((watch, frozenset(held)) for watch, held in subs))
        made.append((posture, Row(rows[row], opens[counts[number] : counts[number + 1]])))
    return made


def _index(value: object, size: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < size
