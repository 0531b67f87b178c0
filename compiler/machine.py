"""The byte machine: control over bytes, and programs over registers.

A *node* waits for a byte. An *edge* consumes it and runs its program; then the *exits* of
the node it leads to are followed at once, so that a thread always stands at a node that waits
for a byte. `finals` are the exits that end the trace. Everything here is data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from rulec.dsl.json_text import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from fractions import Fraction

    from rulec.compiler.conditions import Formula, Quotient
    from rulec.compiler.ops import Program
    from rulec.compiler.regions import Region
    from rulec.compiler.terms import Exact, Fold, Gap, Term

# --- control ---


@dataclass(frozen=True, slots=True)
class Edge:
    """Consumes a byte of `bytes` (bit *b* for byte *b*), runs `ops`, goes to `target`.

    `starts` names the entry nodes of the watches that may begin with this byte. `watched`
    edges also advance the watches that are under way.
    """

    bytes: int
    ops: Program
    target: int
    watched: bool = False
    starts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """A way on without a byte: a program, and the node it leads to."""

    ops: Program
    target: int


@dataclass(frozen=True, slots=True)
class Pending:
    """Items that a repeat still owes: each below `least` costs `each` bytes."""

    register: int
    least: int
    each: int


@dataclass(frozen=True, slots=True)
class Node:
    """One control state.

    `exits` lead on to nodes that wait for a byte, `finals` to the end of the trace. `cost` is
    how many bytes the completion policy writes once the current field has ended, the items
    that are `pending` left aside; None where the trace can't be completed. A `lexical` node
    stands in a field that counts its own bytes. In prose,
    `escape` is the node that takes only what makes `=` no equation.
    """

    edges: tuple[Edge, ...]
    exits: tuple[Exit, ...] = ()
    finals: tuple[Exit, ...] = ()
    cost: int | None = None
    pending: tuple[Pending, ...] = ()
    prose: bool = False
    escape: int | None = None
    lexical: bool = False


END = 0
"""The node behind the last byte."""


# --- data ---

Kind: TypeAlias = Literal[
    "number", "date", "fraction", "word", "text", "expr", "prose", "ref", "def",
    "typed", "formula",
]  # fmt: skip
Asked: TypeAlias = Kind | Literal["list"]
"""What a value from outside of the trace can be besides: a list of values."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field: where its value goes, and what it may hold.

    `least` and `most` count fraction digits; `shift` is how many more digits the value has
    than the text shows (2 for percent). `domain` is the type's own set; `rules` are those
    that narrow it. A name is one of `tables[table]`, with at most `longest` bytes; a reference
    has the columns of its row in the fields `columns`, which no text shows. The unit of a
    quantity has its number's field as `counts`. A `forward` reference may be to a name that
    comes later. With `operands` the numbers of an expression go into `digits`. What is written
    over names is one of `grammars[grammar]`, and the words of a `typed` field are its types. A
    `quoted` field is written with the escapes of a JSON string. Of a reference `loose` may name
    a field that no text shows, the register of a graph, and that of the names cited beside it
    (-1: none): whether nothing in the graph refers to its name yet.
    """

    name: str
    shape: str
    kind: Kind
    register: int
    digits: int
    least: int = 0
    most: int = 0
    shift: int = 0
    domain: Region = ()
    words: tuple[str, ...] = ()
    rules: tuple[int, ...] = ()
    keep: bool = True
    table: int = -1
    columns: tuple[int, ...] = ()
    longest: int = 0
    forward: bool = False
    counts: int = -1
    operands: bool = False
    quoted: bool = False
    loose: tuple[int, ...] = ()
    grammar: int = -1

    def spelled(self, text: str) -> str:
        """A text or a word as the field is written with it."""
        return escaped(text) if self.quoted else text


@dataclass(frozen=True, slots=True)
class Folding:
    """How a list is folded: `body` of every item goes into `register`.

    A `late` body also reads fields written behind the list: the register then holds the items
    themselves, and they are folded when all is known. `scale` is the one in which its value is
    whole, 0 where there is none.
    """

    function: Fold
    list: int
    outer: int
    body: Term
    register: int
    late: bool = False
    scale: int = 0


@dataclass(frozen=True, slots=True)
class List:
    """A list: how many items it has (`count`), and how far it has come (`phase`).

    The phase is 0 before, 1 within an item, 2 between items, 3 when closed.
    """

    name: str
    count: int
    phase: int
    low: int
    high: int | None
    registers: tuple[int, ...]
    folds: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of one instance of a shape. `tier` is mask, commit or audit.

    `term` is what is tested, `steer` the same rule in the form that narrows fields. The
    registers `unsure` may be absent where the rule stands. A rule that is there `always` stands
    in a part that every trace has once.
    """

    name: str
    shape: str
    because: str
    term: Term
    steer: Term
    tier: str
    done: int
    fields: tuple[int, ...]
    unsure: tuple[int, ...] = ()
    always: bool = False


@dataclass(frozen=True, slots=True)
class Guard:
    """What must hold so that all that follows can be completed.

    The variables of `formula` are registers, in units of the last digit that they can show
    (see `rulec.compiler.names`), and `quotients`, which are computed in their order. Of the
    list that the fold `distinct` gathers (-1: none), a field holds no value twice.
    """

    formula: Formula = ()
    quotients: tuple[Quotient, ...] = ()
    distinct: int = -1


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of a quantity: its word, what it is in base units, and which numbers it has."""

    word: str
    factor: Fraction
    written: Region


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of the request, in a register.

    One with a `term` is computed of what else comes with the request. A quantity is written in
    one of its `units`, and counted in base units.
    """

    name: str
    register: int
    kind: Asked
    default: Exact | None
    domain: Region = ()
    words: tuple[str, ...] = ()
    pattern: str | None = None
    term: Term | None = None
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Sort:
    """What a value that comes from outside of the trace may be."""

    kind: Asked
    domain: Region = ()
    words: tuple[str, ...] = ()
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; `low` and `high` are registers of its least and greatest value.

    They are -1 where it has no order, or where that isn't known before the trace.
    """

    name: str
    kind: Kind
    domain: Region = ()
    words: tuple[str, ...] = ()
    pattern: str | None = None
    low: int = -1
    high: int = -1
    units: tuple[Unit, ...] = ()


@dataclass(frozen=True, slots=True)
class Table:
    """Rows by their keys, in a register; `count` is the register of how many there are.

    The rows are `given` with the request, or the trace defines them. `key` is the place of the
    key's column among those of a given row, `longest` the most bytes of a key. `kinds` are
    registers of how many names there are of each word of the column `typed` (-1: not counted).
    Where names may be promised, or begin before others are defined, the register `spoken` holds
    those that have been spoken of, `begun` how many of them the trace has begun to define,
    `owed` how many are only promised (-1: no name can be). Its names are spelled in so many
    `forms`.
    """

    name: str
    register: int
    count: int
    columns: tuple[Column, ...]
    given: bool
    pattern: str
    longest: int
    key: str = ""
    typed: int = -1
    kinds: tuple[int, ...] = ()
    spoken: int = -1
    begun: int = -1
    owed: int = -1
    forms: int = 1

    def kind(self, row: Sequence[object]) -> int:
        """The register of how many names are of the type in a row, -1 where none is."""
        words = self.columns[self.typed].words if self.kinds else ()
        known = bool(words) and row[self.typed] in words
        return self.kinds[words.index(str(row[self.typed]))] if known else -1


@dataclass(frozen=True, slots=True)
class Signature:
    """`left op right` has a result, types being numbers; `left` is -1 where there is none."""

    op: str
    left: int
    right: int
    result: int


@dataclass(frozen=True, slots=True)
class Grammar:
    """What is written over the names of a table: of which types, and with what operators.

    The type of a name stands in the `column` of its row; with -1 there is only one type.
    `words` are literals with their types; `whole`, `fraction` and `text` are the types of
    literals, -1 where there are none.
    """

    table: int
    column: int
    types: tuple[str, ...]
    signatures: tuple[Signature, ...]
    words: tuple[tuple[str, int], ...] = ()
    whole: int = -1
    fraction: int = -1
    text: int = -1


@dataclass(frozen=True, slots=True)
class External:
    """A function of the embedding program that rules call."""

    name: str
    arguments: tuple[Sort, ...]
    result: Sort


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch in one prose: where it begins, and the registers of its own shape."""

    name: str
    entry: int
    registers: tuple[int, ...]
    label: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The whole: one deterministic byte machine with registers.

    The guard `begins` must hold of the values of a request (-1: any).
    """

    name: str
    version: str
    nodes: tuple[Node, ...]
    start: int
    initial: tuple[Exact | Gap | int | tuple[Exact, ...], ...]
    fields: tuple[Field, ...]
    lists: tuple[List, ...]
    folds: tuple[Folding, ...]
    rules: tuple[Rule, ...]
    parameters: tuple[Parameter, ...]
    labels: tuple[str, ...]
    watches: tuple[Watch, ...] = ()
    guards: tuple[Guard, ...] = ()
    begins: int = -1
    tables: tuple[Table, ...] = ()
    externals: tuple[External, ...] = ()
    grammars: tuple[Grammar, ...] = ()
    digest: str = field(default="", compare=False)
