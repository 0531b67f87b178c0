"""Which registers the device keeps, in which words, and how large what they hold can be."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulec.compiler import ops as m
from rulec.compiler import regions, terms
from rulec.compiler.conditions import PRESENT, QUOTIENT, atoms_of
from rulec.compiler.names import scale_of
from rulec.compiler.polynomial import Poly, number, variable
from rulec.kernels import encoding as e
from rulec.runtime.valued import present

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.machine import Field, Folding, Machine
    from rulec.compiler.regions import Region
    from rulec.compiler.terms import Term
    from rulec.runtime.guards import Guards

LARGEST = 1 << 61
"""What a sum may come to, whatever the registers hold."""

MOST_COUNT = 1 << 31
"""Items of a list, or characters of a text, that a sequence can have."""

MOST_ITEMS = 64
"""Items of a list whose texts must differ."""


class HostOnly(Exception):
    """Why a machine has no form on the device."""


@dataclass(frozen=True, slots=True)
class Fold:
    """A fold that guards read: what it is, what it gathers, and how."""

    number: int
    kind: int
    register: int
    body: Poly
    there: tuple[int, ...]


@dataclass
class Registers:
    """The words of a reading's registers.

    `values` are registers that hold whole numbers, `dense` fractions, `texts` texts and `lists`
    lists of texts; `present` are those of which it is asked whether they are there.
    """

    machine: Machine
    guards: Guards
    values: dict[int, int] = field(default_factory=dict)
    dense: set[int] = field(default_factory=set)
    texts: set[int] = field(default_factory=set)
    lists: dict[int, int] = field(default_factory=dict)
    present: set[int] = field(default_factory=set)
    folds: dict[int, Fold] = field(default_factory=dict)
    quotients: int = 0
    words: dict[tuple[str, int], int] = field(default_factory=dict)
    text_size: int = 1
    end: int = 0

    def __post_init__(self) -> None:
        self._fields = {spec.register: spec for spec in self.machine.fields}
        self._units = {
            spec.digits: spec for spec in self.machine.fields if spec.kind == "number"
        }
        self._counts = {spec.count: spec for spec in self.machine.lists}
        self._folded = {spec.register: n for n, spec in enumerate(self.machine.folds)}
        self._given = {spec.register: spec for spec in self.machine.parameters}

    # --- what is needed ---

    def gather(self) -> None:
        """Find what guards and counts read. Raises `HostOnly`."""
        for guard in self.machine.guards:
            polys = [atom.poly for atom in atoms_of(guard.formula)]
            polys += [poly for q in guard.quotients for poly in (q.top, q.bottom)]
            self.quotients = max(self.quotients, len(guard.quotients))
            for name in sorted(frozenset().union(*(poly.variables for poly in polys))):
                self._need(name)
            if guard.distinct >= 0:
                self._need_texts(self.machine.folds[guard.distinct])
        for op in operations(self.machine):
            match op:
                case m.Count(register) | m.Enough(register):
                    self.values[register] = MOST_COUNT
                case m.Letter(register) | m.Enclosed(register):
                    self.values[register] = MOST_COUNT

    def _need(self, name: int) -> None:
        """A variable of a guard."""
        if name >= QUOTIENT:
            return
        if name >= PRESENT:
            self.present.add(name - PRESENT)
            self._need(name - PRESENT)
            return
        if name in self.values or name in self.dense:
            return
        held = self._fields.get(name)
        if held is not None and held.kind == "expr":
            self.dense.add(name)
        elif held is not None and held.kind in ("text", "prose"):
            return  # it is only asked whether it is there
        else:
            bound = self._bound(name)
            if bound >= LARGEST:
                return  # told where a sum reads it
            self.values[name] = bound

    def _bound(self, name: int) -> int:
        """The largest size of what a register holds, in its units."""
        spec = self._fields.get(name)
        if spec is not None:
            return _size_of(spec)
        if name in self._units:
            unit = self._units[name]
            return int(10 ** (unit.most - unit.least))
        if name in self._counts:
            return self._counts[name].high or MOST_COUNT
        if name in self._given:
            given = self._given[name]
            if given.kind == "word":
                return len(given.words)
            return _extent(given.domain, regions.denominator(given.domain))
        if name in self._folded:
            return self._fold(self._folded[name])
        raise HostOnly("a guard reads what only the host keeps")

    # --- folds ---

    def _fold(self, number_: int) -> int:
        """Note a fold; how large what it holds can be."""
        spec = self.machine.folds[number_]
        kind = _KINDS.get(spec.function)
        scaled = None if kind is None or spec.late else self.polynomial(spec.body)
        if kind is None or scaled is None:
            raise HostOnly(f"`{spec.function}` of a list is kept by the host")
        poly, scale = scaled
        ratio = Fraction(spec.scale or 1, scale)
        body = _times(poly, ratio)
        for name in sorted(body.variables):
            self._need(name)
        there = tuple(sorted(self._optional(body)))
        self.present.update(there)
        fold = Fold(number_, kind, spec.register, body, there)
        self.folds[number_] = fold
        if spec.function in ("min", "max", "first", "last", "prev"):
            self.present.add(spec.register)
        return self.extent(body) * (self._items(spec) if spec.function == "sum" else 1)

    def _optional(self, poly: Poly) -> Iterator[int]:
        """The registers of a sum that may be absent."""
        absent = {
            register
            for op in operations(self.machine)
            if isinstance(op, m.Absent)
            for register in op.registers
        }
        return (name for name in poly.variables if name in absent)

    def _items(self, fold: Folding) -> int:
        """The most items that a fold takes in."""
        lists = self.machine.lists
        chosen = [lists[fold.list]] if fold.list == fold.outer else list(lists)
        most = 1
        for spec in chosen:
            most *= spec.high or MOST_COUNT
        return most

    def polynomial(self, term: Term) -> tuple[Poly, int] | None:
        """A term as a polynomial over a scale; None where it is none."""
        match term:
            case terms.Const(Fraction() as value):
                return number(value.numerator), value.denominator
            case terms.Read(register):
                spec = self._fields.get(register)
                if spec is None or spec.kind not in ("number", "date"):
                    return None
                return variable(register), scale_of(spec)
            case terms.Minus(inner):
                held = self.polynomial(inner)
                return None if held is None else (held[0].times(-1), held[1])
            case terms.Binary(op, left, right) if op in ("+", "-", "*"):
                one, other = self.polynomial(left), self.polynomial(right)
                if one is None or other is None:
                    return None
                return _combined(op, one, other)
            case _:
                return None

    def _need_texts(self, fold: Folding) -> None:
        """A list of texts that must differ."""
        body = fold.body
        if not isinstance(body, terms.Read) or body.register not in self._fields:
            raise HostOnly("`distinct` over what is computed is kept by the host")
        spec = self._fields[body.register]
        high = self.machine.lists[fold.list].high
        if spec.kind != "text" or fold.list != fold.outer:
            raise HostOnly("`distinct` over anything but texts is kept by the host")
        if high is None or high > MOST_ITEMS:
            raise HostOnly(f"`distinct` over more than {MOST_ITEMS} items is kept by the host")
        if spec.quoted and _may_be_escaped(self.machine):
            raise HostOnly("`distinct` over texts with escapes is kept by the host")
        longest = longest_text(self.machine, self.machine.fields.index(spec))
        size = -(-longest // e.BYTES_PER_WORD) + 2
        self.text_size = max(self.text_size, size)
        self.texts.add(spec.register)
        self.lists[fold.register] = high
        there = tuple(sorted(self._optional(variable(spec.register))))
        self.present.update(there)
        number_ = self.machine.folds.index(fold)
        self.folds[number_] = Fold(
            number_, e.FOLD_TEXTS, fold.register, variable(spec.register), there
        )

    # --- words ---

    def lay_out(self, first: int) -> None:
        """Give every register its words, from `first` on."""
        at = first
        for kind, registers in (
            ("value", self.values),
            ("present", self.present),
            ("dense", self.dense),
            ("text", self.texts),
            ("list", self.lists),
            ("quotient", range(self.quotients)),
        ):
            for register in sorted(registers):
                self.words[kind, register] = at
                at += self.size(kind, register)
        self.end = at

    def size(self, kind: str, register: int) -> int:
        """Words that a register takes."""
        match kind:
            case "dense":
                return 3
            case "text":
                return self.text_size
            case "list":
                return 1 + self.lists[register] * self.text_size
            case _:
                return 1

    def word(self, kind: str, register: int) -> int:
        """The word of a register; 0 where none is kept."""
        return self.words.get((kind, register), 0)

    def factor(self, name: int) -> int:
        """The word that holds a variable of a sum."""
        if name >= QUOTIENT:
            return self.words["quotient", name - QUOTIENT]
        if name >= PRESENT:
            return self.words["present", name - PRESENT]
        if name not in self.values:
            raise HostOnly("a sum reads a number that 64 bits don't hold")
        return self.words["value", name]

    def extent(self, poly: Poly) -> int:
        """The largest size that a polynomial can come to."""
        total = 0
        for coefficient, monomial in poly.parts:
            part = abs(coefficient)
            for name in monomial:
                part *= self._known(name)
            total += part
        return total

    def _known(self, name: int) -> int:
        if name >= QUOTIENT:
            return self.bounds.get(name, LARGEST)
        if name >= PRESENT:
            return 1
        return self.values.get(name, LARGEST)

    bounds: dict[int, int] = field(default_factory=dict)
    """How large the quotients of the guard that is being laid out can be."""

    # --- values ---

    def initial(self, register: int) -> Iterator[tuple[int, int]]:
        """The words of a register, and what they hold before it is written."""
        yield from self.held(register, self.machine.initial[register])

    def held(self, register: int, value: Any) -> Iterator[tuple[int, int]]:
        """The words of a register that holds a value of the reference engine."""
        if word := self.word("present", register):
            yield word, int(present(value))
        if word := self.word("value", register):
            yield word, int(self.guards.read(register, value))
        if word := self.word("dense", register):
            exact = value if isinstance(value, Fraction) else None
            yield word, e.UNDEFINED if exact is None else e.VALUE
            yield word + 1, 0 if exact is None else exact.numerator
            yield word + 2, 1 if exact is None else exact.denominator
        if word := self.word("text", register):
            yield from self._text(word, value if isinstance(value, str) else "")
        if word := self.word("list", register):
            texts = value or ()
            yield word, len(texts)
            for place, text in enumerate(texts):
                yield from self._text(word + 1 + place * self.text_size, text)

    def _text(self, word: int, text: str) -> Iterator[tuple[int, int]]:
        data = text.encode()
        yield word, len(data)
        for place in range(self.text_size - 1):
            part = data[place * e.BYTES_PER_WORD : (place + 1) * e.BYTES_PER_WORD]
            yield word + 1 + place, int.from_bytes(part, "little")


_KINDS = {
    "sum": e.FOLD_SUM,
    "min": e.FOLD_MIN,
    "max": e.FOLD_MAX,
    "first": e.FOLD_FIRST,
    "last": e.FOLD_LAST,
    "prev": e.FOLD_LAST,
}


def operations(machine: Machine) -> Iterator[m.Op]:
    """All operations of a machine."""
    for node in machine.nodes:
        for edge in node.edges:
            yield from edge.ops
        for way in (*node.exits, *node.finals):
            yield from way.ops


def _size_of(spec: Field) -> int:
    match spec.kind:
        case "word":
            return len(spec.words)
        case "number" | "date":
            return _extent(spec.domain, scale_of(spec))
        case _:
            raise HostOnly(f"a guard reads the {spec.kind} `{spec.name}`")


def _extent(domain: Region, scale: int) -> int:
    if not domain:
        return 0
    low, high = regions.lowest(domain), regions.highest(domain)
    if low is None or high is None:
        return LARGEST
    return int(max(abs(low), abs(high)) * scale) + 1


def _times(poly: Poly, ratio: Fraction) -> Poly:
    if ratio.denominator != 1:
        raise HostOnly("a list is folded in parts of its unit")
    return poly.times(ratio.numerator)


def _combined(op: str, one: tuple[Poly, int], other: tuple[Poly, int]) -> tuple[Poly, int]:
    if op == "*":
        return one[0] * other[0], one[1] * other[1]
    left, right = one[0].times(other[1]), other[0].times(one[1])
    return (left + right if op == "+" else left - right), one[1] * other[1]


def _may_be_escaped(machine: Machine) -> bool:
    return any(
        edge.bytes >> 0x5C & 1 and any(isinstance(op, m.Take) for op in edge.ops)
        for node in machine.nodes
        for edge in node.edges
    )


def longest_text(machine: Machine, number_: int) -> int:
    """The most bytes of a text. Raises `HostOnly` where it has no most."""
    exits = [(way.ops, way.target) for node in machine.nodes for way in node.exits]
    edges = [(edge.ops, edge.target) for node in machine.nodes for edge in node.edges]
    starts = {
        target
        for ops, target in (*exits, *edges)
        if any(isinstance(op, m.Begin) and op.field == number_ for op in ops)
    }
    known: dict[int, int] = {}
    under_way: set[int] = set()

    def longest(node: int) -> int:
        if node in under_way:
            raise HostOnly("`distinct` over texts of any length is kept by the host")
        if node not in known:
            under_way.add(node)
            ways = [
                longest(edge.target)
                for edge in machine.nodes[node].edges
                if any(isinstance(op, m.Take) for op in edge.ops)
            ]
            known[node] = 1 + max(ways) if ways else 0
            under_way.discard(node)
        return known[node]

    return max(map(longest, starts), default=0)
