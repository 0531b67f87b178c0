"""The byte machine: control over bytes, and programs over registers.

A *node* waits for a byte. An *edge* consumes it and runs its program; then the *exits* of
the node it leads to are followed at once, so that a thread always stands at a node that waits
for a byte. `finals` are the exits that end the trace. Everything here is data.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rulec.compiler.regions import Region
from rulec.compiler.terms import Exact, Fold, Gap, Term

Phase: TypeAlias = Literal[
    "start", "sign", "zero", "int", "g0", "g1", "g2", "g3", "point", "frac"
]
"""How far a number has come: `g0` to `g3` count the digits since a `,`."""

Move: TypeAlias = Literal["digit", "point", "comma", "minus"]


# --- programs ---


@dataclass(frozen=True, slots=True)
class Reset:
    """Set registers to what they are when a shape opens."""

    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """These registers can no longer be written."""

    registers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Count:
    """One more of a repeat; dies at `most`."""

    register: int
    most: int | None


@dataclass(frozen=True, slots=True)
class Enough:
    """Dies below `least`."""

    register: int
    least: int


@dataclass(frozen=True, slots=True)
class ItemOpen:
    """A list's next item begins."""

    list: int


@dataclass(frozen=True, slots=True)
class ItemClose:
    """The item is complete: its folds take it in."""

    list: int


@dataclass(frozen=True, slots=True)
class ListClose:
    """No more items."""

    list: int


@dataclass(frozen=True, slots=True)
class Check:
    """Test the rules whose verdict is known by now."""

    rules: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A field begins: compute what it may hold; dies where that is nothing."""

    field: int


@dataclass(frozen=True, slots=True)
class Step:
    """A byte of a number; dies where no allowed number begins so."""

    move: Move
    phase: Phase


@dataclass(frozen=True, slots=True)
class EndNumber:
    """A number is complete; dies where it is not allowed."""

    field: int


@dataclass(frozen=True, slots=True)
class EndOperand:
    """The numerator of a fraction is complete."""


@dataclass(frozen=True, slots=True)
class StepDate:
    """A byte of a date, `position` from 0; dies where no allowed day begins so."""

    position: int


@dataclass(frozen=True, slots=True)
class EndDate:
    """A date is complete."""

    field: int


@dataclass(frozen=True, slots=True)
class StepWord:
    """A byte of a word; dies where none of the words still possible is allowed."""

    words: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EndWord:
    """A word is complete."""

    field: int
    word: int


@dataclass(frozen=True, slots=True)
class Take:
    """A byte of text."""


@dataclass(frozen=True, slots=True)
class EndText:
    """A text is complete."""

    field: int


Breach: TypeAlias = Literal["", "number", "operand"]
"""How a number that had ended goes on: with a digit, or as an operand."""

Part: TypeAlias = Literal[
    "digit", "point", "comma", "minus", "open", "close", "blank", "+", "-", "*", "/", "//"
]

ExprPhase: TypeAlias = Literal[
    "operand", "zero", "int", "g0", "g1", "g2", "g3", "point", "frac", "closed", "blank"
]
"""How far an expression has come: `operand` waits for one, `blank` for an operator."""


@dataclass(frozen=True, slots=True)
class StepExpr:
    """A byte of an expression; dies where it could not be ended any more."""

    part: Part
    phase: ExprPhase


@dataclass(frozen=True, slots=True)
class EndExpr:
    """An expression is complete; `inner` ends it inside open parentheses."""

    field: int
    inner: bool


@dataclass(frozen=True, slots=True)
class Letter:
    """One character of prose with a limit: dies beyond `most`.

    `pending` characters at its end may belong to an opener and don't count.
    """

    register: int
    most: int
    begins: bool
    pending: int


@dataclass(frozen=True, slots=True)
class Enclosed:
    """Prose ends at an opener of `pending` characters; dies below `least` characters."""

    register: int
    least: int
    pending: int


@dataclass(frozen=True, slots=True)
class Cut:
    """From here on the rest of the watch is owed; dies where it can't be had."""

    watch: int


@dataclass(frozen=True, slots=True)
class Owe:
    """What follows an opener is owed until the next prose; `label` names the debt."""

    label: int


@dataclass(frozen=True, slots=True)
class Broken:
    """A number that had ended was none: it goes on, or is an operand of something else."""

    breach: Breach


Op: TypeAlias = (
    Reset
    | Absent
    | Count
    | Enough
    | ItemOpen
    | ItemClose
    | ListClose
    | Check
    | Begin
    | Step
    | EndNumber
    | EndOperand
    | StepDate
    | EndDate
    | StepWord
    | EndWord
    | Take
    | EndText
    | StepExpr
    | EndExpr
    | Letter
    | Enclosed
    | Cut
    | Owe
    | Broken
)

Program: TypeAlias = tuple[Op, ...]


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

Kind: TypeAlias = Literal["number", "date", "fraction", "word", "text", "expr", "prose"]


@dataclass(frozen=True, slots=True)
class Field:
    """One field: where its value goes, and what it may hold.

    `least` and `most` count fraction digits; `shift` is how many more digits the value has
    than the text shows (2 for percent). `domain` is the type's own set; `rules` are those
    that narrow it.
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


@dataclass(frozen=True, slots=True)
class Folding:
    """How a list is folded: `body` of every item goes into `register`."""

    function: Fold
    list: int
    outer: int
    body: Term
    register: int


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

    `term` is what is tested, `steer` the same rule in the form that narrows fields.
    """

    name: str
    shape: str
    because: str
    term: Term
    steer: Term
    tier: str
    done: int
    text: str
    fields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value of the request, in a register."""

    name: str
    register: int
    kind: Kind
    default: Exact | None
    domain: Region = ()
    words: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Watch:
    """A watch in one prose: where it begins, and the registers of its own shape."""

    name: str
    entry: int
    registers: tuple[int, ...]
    label: int


@dataclass(frozen=True, slots=True)
class Machine:
    """The whole: one deterministic byte machine with registers."""

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
    digest: str = field(default="", compare=False)
