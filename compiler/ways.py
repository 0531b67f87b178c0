"""The ways on which completing a trace may count, one token each.

A way is *open* where its program can't die while the trace can be completed: none that breaks a
number, none to one more item than there must be, none by a byte that may let a watch take prose
over. Where guards may bar some ways of a choice, one of them is open, whichever. A token of
several bytes passes only over programs that touch nothing that counts.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import ops as m
from rulec.compiler.owed import Owed, effect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.lexicon import Lexicon
    from rulec.compiler.machine import Edge, Exit, Field, Machine
    from rulec.compiler.ops import Op, Program

_HARMLESS = (
    m.Define,
    m.Kept,
    m.OpenScope,
    m.CloseScope,
    m.Link,
    m.Reset,
    m.Count,
    m.Absent,
    m.ItemOpen,
    m.ItemClose,
    m.ListClose,
    m.Check,
    m.Owe,
    m.Cut,
    m.Letter,
    m.Enclosed,
)
"""Ops that never die and narrow nothing, where what they count isn't owed."""

_UNLIKELY = 1 << 16
"""More tokens than any word takes: that of one which can't be written."""


class Way(NamedTuple):
    """From a node to one behind it, in so many tokens, by a program.

    A `doubtful` way may be barred: by a guard, or by the most characters of a prose. One that
    `defines` begins a name that may have been promised, one that `promises` may promise one;
    one that is `further` is to an item that nothing but a promise makes necessary.
    """

    source: int
    target: int
    tokens: int
    ops: Program = ()
    doubtful: bool = False
    defines: bool = False
    promises: bool = False
    further: bool = False


class Spelling(NamedTuple):
    """A word of a field: the nodes along it, the tokens left from each, and what is behind."""

    word: int
    nodes: tuple[int, ...]
    left: tuple[int, ...]
    target: int


class Ways:
    """The open ways of a machine over a vocabulary."""

    def __init__(self, machine: Machine, lexicon: Lexicon, owed: Owed) -> None:
        self.machine = machine
        self._lexicon = lexicon
        self._owed = owed
        self._steps: dict[int, tuple[tuple[int, int], ...]] = {}
        self._passed: dict[int, frozenset[int]] = {}

    def __iter__(self) -> Iterator[Way]:
        for number, node in enumerate(self.machine.nodes):
            for edge in node.edges:
                if self.values(edge) and self._open(edge.ops):
                    doubtful = self._counts(number, edge) or self._guarded(number, edge.ops)
                    tokens = 0 if node.lexical else 1
                    yield Way(number, edge.target, tokens, edge.ops, doubtful)
            for way in (*node.exits, *node.finals):
                yield from self._exit(number, way)
            if len(self._lexicon.pairs):
                yield from (Way(number, target, 1) for target in self._spelled(number))

    def values(self, edge: Edge) -> int:
        """The bytes of an edge that have tokens of their own and take it for sure."""
        values = edge.bytes & self._lexicon.single
        return values & ~self._cutting if edge.watched else values

    def _open(self, ops: Program) -> bool:
        broken = any(isinstance(op, m.Broken) for op in ops)
        return not broken and effect(ops).counted <= self._owed.least.keys()

    def _counts(self, node: int, edge: Edge) -> bool:
        """Whether an edge adds to a prose that may have too many characters."""
        held = self._owed.held[node]
        return any(
            isinstance(op, m.Letter) and op.most is not None and op.pending - held < op.begins
            for op in edge.ops
        )

    def _guarded(self, node: int, ops: Program) -> bool:
        """Whether a guard may bar a way out; not where all items that may come are owed."""
        if not any(isinstance(op, m.Guarded) and not op.owed for op in ops):
            return False
        spec, least = self.machine.nodes[node], self._owed.least
        programs = [*(edge.ops for edge in spec.edges), *(way.ops for way in spec.exits)]
        counts = {
            op
            for program in programs
            for op in program
            if isinstance(op, m.Count) and op.register in effect(program).counted
        }
        return not any(op.most == least.get(op.register) and op not in ops for op in counts)

    def _exit(self, node: int, way: Exit) -> Iterator[Way]:
        if not self._open(way.ops):
            if self._promising and not any(isinstance(op, m.Broken) for op in way.ops):
                yield Way(node, way.target, self._weight(node, way), way.ops, further=True)
            return
        guarded = self._guarded(node, way.ops)
        fields = [op.field for op in way.ops if isinstance(op, m.Begin)]
        if not fields or not self._ruled(fields[0]):
            weight = self._weight(node, way)
            names = self._names(way.ops)
            yield Way(node, way.target, weight, way.ops, guarded, *names)
            return
        words = list(self.words(fields[0], way.target))
        lengths = [word.left[0] for word in words]
        tokens = max(lengths) if self._steered(fields[0]) else min(lengths)
        if tokens < _UNLIKELY:
            for target in {word.target for word in words}:
                yield Way(node, target, tokens, (), guarded)

    def _names(self, ops: Program) -> tuple[bool, bool]:
        """Whether a program ends a new name, and whether a reference that may promise one."""
        ended = [self.machine.fields[op.field] for op in ops if isinstance(op, m.EndName)]
        defines = any(field.kind == "def" and self._may_owe(field) for field in ended)
        return defines, any(field.forward for field in ended)

    @cached_property
    def _promising(self) -> bool:
        """Whether names can be promised."""
        return any(table.owed >= 0 for table in self.machine.tables)

    def _may_owe(self, field: Field) -> bool:
        return self.machine.tables[field.table].owed >= 0

    def _weight(self, node: int, way: Exit) -> int:
        """What a field costs at most: more than the ways behind the node that it begins at."""
        if effect(way.ops).begun & self._owed.least.keys():
            return 0
        spec = self.machine.nodes[node]
        behind = [(0 if spec.lexical else 1, edge.target) for edge in spec.edges]
        behind += [(0, other.target) for other in (*spec.exits, *spec.finals)]
        costs = [(step, self.machine.nodes[target].cost) for step, target in behind]
        least = min((step + cost for step, cost in costs if cost is not None), default=0)
        return 0 if spec.cost is None else spec.cost - least

    # --- words ---

    def _ruled(self, field: int) -> bool:
        """Whether rules bear on a field of words, so that not each of them may come."""
        spec = self.machine.fields[field]
        return spec.kind == "word" and bool(spec.rules)

    def _steered(self, field: int) -> bool:
        rules = self.machine.fields[field].rules
        return any(self.machine.rules[rule].tier != "audit" for rule in rules)

    def ruled_words(self) -> Iterator[Spelling]:
        """The words of all fields of words that rules bear on."""
        for node in self.machine.nodes:
            for way in node.exits:
                for op in way.ops:
                    if isinstance(op, m.Begin) and self._ruled(op.field):
                        yield from self.words(op.field, way.target)

    def words(self, field: int, start: int) -> Iterator[Spelling]:
        """The words of a field that begins at a node."""
        spec = self.machine.fields[field]
        for word, text in enumerate(map(spec.spelled, spec.words)):
            nodes = [start]
            for byte in text.encode():
                node = self.machine.nodes[nodes[-1]]
                nodes.append(next(e.target for e in node.edges if e.bytes >> byte & 1))
            last = self.machine.nodes[nodes[-1]]
            end = next(
                way.target
                for way in (*last.exits, *last.finals)
                if m.EndWord(field, word) in way.ops
            )
            yield Spelling(word, tuple(nodes), self._lengths(text.encode()), end)

    def _lengths(self, text: bytes) -> tuple[int, ...]:
        """The fewest tokens that write what is left of a text, from each of its bytes on."""
        left = [_UNLIKELY] * len(text) + [0]
        for start in reversed(range(len(text))):
            for stop in range(start + 1, len(text) + 1):
                exact, more = self._lexicon.look(text[start:stop])
                if exact:
                    left[start] = min(left[start], 1 + left[stop])
                if not more:
                    break
        return tuple(left)

    # --- tokens of several bytes ---

    def _spelled(self, start: int) -> list[int]:
        """Where tokens of several bytes lead from a node."""
        found: set[int] = set()
        queue = [(target, bytes((byte,))) for byte, target in self._onward(start)]
        while queue:
            node, text = queue.pop()
            exact, more = self._lexicon.look(text)
            if exact and len(text) > 1:
                found.add(node)
            if more:
                for near in self._passing(node):
                    queue += [(on, text + bytes((byte,))) for byte, on in self._onward(near)]
        return sorted(found)

    def _onward(self, node: int) -> tuple[tuple[int, int], ...]:
        """The edges that a token may pass on the way to the end, each with a likely byte."""
        steps = self._steps.get(node)
        if steps is None:
            found = []
            here = self.machine.nodes[node].cost or 0
            for edge in self.machine.nodes[node].edges:
                cost = self.machine.nodes[edge.target].cost
                values = self.values(edge)
                nearer = cost is not None and cost < here
                fine = values and self._through(edge.ops) and self._open(edge.ops)
                if nearer and fine and not self._counts(node, edge):
                    found.append((_likely(values), edge.target))
            steps = self._steps[node] = tuple(found)
        return steps

    def _passing(self, node: int) -> frozenset[int]:
        """The nodes that a token has come to behind a byte, exits passed."""
        passed = self._passed.get(node)
        if passed is None:
            seen = {node}
            queue = [node]
            while queue:
                here = queue.pop()
                for way in self.machine.nodes[here].exits:
                    fine = self._through(way.ops) and self._open(way.ops)
                    if fine and way.target not in seen:
                        seen.add(way.target)
                        queue.append(way.target)
            passed = self._passed[node] = frozenset(seen)
        return passed

    def _through(self, ops: Program) -> bool:
        """Whether a program leaves costs as they are, so that a token may pass it."""
        does = effect(ops)
        counts = (does.begun | does.counted) & self._owed.least.keys()
        return not counts and all(map(self._mild, ops))

    def _mild(self, op: Op) -> bool:
        """Whether an op never dies and narrows nothing behind it."""
        match op:
            case m.Take(room):
                return room == 0
            case m.EndText(_, differs):
                return not differs
            case m.Begin(field) | m.EndWord(field):
                kind = self.machine.fields[field].kind
                return kind == "text" or (kind == "word" and not self._ruled(field))
            case _:
                return isinstance(op, _HARMLESS)

    # --- watches ---

    @cached_property
    def _cutting(self) -> int:
        """The bytes with which a watch may come to its cut."""
        found = 0
        seen: set[int] = set()
        queue = [watch.entry for watch in self.machine.watches]
        cuts = self._before_cuts()
        while queue:
            node = queue.pop()
            if node in seen:
                continue
            seen.add(node)
            queue += [way.target for way in self.machine.nodes[node].exits]
            for edge in self.machine.nodes[node].edges:
                if edge.target in cuts:
                    found |= edge.bytes
                else:
                    queue.append(edge.target)
        return found

    def _before_cuts(self) -> set[int]:
        """The nodes from which exits lead past a cut."""
        into: dict[int, list[int]] = {}
        queue: list[int] = []
        for number, node in enumerate(self.machine.nodes):
            for way in node.exits:
                into.setdefault(way.target, []).append(number)
                if any(isinstance(op, m.Cut) for op in way.ops):
                    queue.append(number)
        found: set[int] = set()
        while queue:
            here = queue.pop()
            if here not in found:
                found.add(here)
                queue += into.get(here, [])
        return found


def _likely(values: int) -> int:
    """One of some bytes: a letter rather than a digit, a digit rather than anything else."""
    for group in (b"abcdefghijklmnopqrstuvwxyz", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"0123456789"):
        for byte in group:
            if values >> byte & 1:
                return byte
    return (values & -values).bit_length() - 1
