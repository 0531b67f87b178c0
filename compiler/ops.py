"""What the byte machine's programs are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Phase: TypeAlias = Literal[
    "start", "sign", "zero", "int", "g0", "g1", "g2", "g3", "point", "frac"
]
"""How far a number has come: `g0` to `g3` count the digits since a `,`."""

Move: TypeAlias = Literal["digit", "point", "comma", "minus"]


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
    """A field begins: compute what it may hold; dies where that is nothing.

    `guard` tells what leaves all that follows possible, -1 where nothing depends on it.
    """

    field: int
    guard: int = -1


@dataclass(frozen=True, slots=True)
class Guarded:
    """Dies where what follows could not be completed.

    With `owed` it does so only where names are promised, whose cost is counted by itself.
    """

    guard: int
    owed: bool = False


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
    """A byte of text.

    Where texts must differ, so many can follow here, as far as that matters (0: enough); dies
    where all of them have been written before.
    """

    room: int = 0


@dataclass(frozen=True, slots=True)
class EndText:
    """A text is complete; dies where it must differ (`differs`) from one that it equals."""

    field: int
    differs: bool = False


@dataclass(frozen=True, slots=True)
class TakeName:
    """A byte of a name; dies where none that may stand here begins so.

    Where names may be new, so many can follow here, as far as that matters (0: enough); -1
    where it is one that is there. Of a table in which names may be `promised` it may have to be
    one of those, whatever room there is.
    """

    room: int = 0
    promised: bool = False


@dataclass(frozen=True, slots=True)
class EndName:
    """A name is complete: a reference takes the columns of its row."""

    field: int


@dataclass(frozen=True, slots=True)
class Define:
    """The name in a field enters its table, with the values of some registers.

    Of a list of names, all those that the register `names` holds do.
    """

    field: int
    attributes: tuple[int, ...]
    names: int = -1


@dataclass(frozen=True, slots=True)
class Kept:
    """No more names of a table can be defined: dies where one is still promised."""

    table: int


@dataclass(frozen=True, slots=True)
class OpenScope:
    """Names live from here on: `registers` tell of those around, and are kept in `saved`.

    They are known inside, but promises around are none that names inside could keep.
    """

    table: int
    registers: tuple[int, ...]
    saved: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class CloseScope:
    """The names inside are gone; dies where one is still promised."""

    table: int
    registers: tuple[int, ...]
    saved: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """The name in a register enters a graph, with all those in other registers.

    Where its shape stands alone, 3 in the register `closed` tells that it has, as of a list.
    """

    graph: int
    name: int
    targets: int
    closed: int = -1


Breach: TypeAlias = Literal["", "number", "operand"]
"""How a number that had ended goes on: with a digit, or as an operand."""

Part: TypeAlias = Literal[
    "digit", "point", "comma", "minus", "open", "close", "blank", "+", "-", "*", "/", "//"
]

ExprPhase: TypeAlias = Literal[
    "operand", "zero", "int", "g0", "g1", "g2", "g3", "point", "frac", "closed", "blank", "half"
]
"""How far an expression has come: `operand` waits for one, `blank` for an operator.

`half` stands within the two bytes of `×` or `÷`.
"""


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


Piece: TypeAlias = Literal[
    "word", "digit", "point", "quote", "unquote", "open", "close", "blank", "sign", "letter",
    "prefix",
]  # fmt: skip
"""What a byte is to an expression over names; operators are made of a `sign` or `letter`s."""


@dataclass(frozen=True, slots=True)
class StepTyped:
    """A byte of what is written over names; dies where it can have no type that is wanted."""

    piece: Piece


@dataclass(frozen=True, slots=True)
class EndTyped:
    """What is written over names is complete; dies where its type is not wanted."""

    field: int


@dataclass(frozen=True, slots=True)
class Letter:
    """One character of prose whose length counts: dies beyond `most`, if there is one.

    `pending` characters at its end may belong to an opener and don't count.
    """

    register: int
    most: int | None
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
    | Guarded
    | Step
    | EndNumber
    | EndOperand
    | StepDate
    | EndDate
    | StepWord
    | EndWord
    | Take
    | EndText
    | TakeName
    | EndName
    | Define
    | Kept
    | OpenScope
    | CloseScope
    | Link
    | StepExpr
    | EndExpr
    | StepTyped
    | EndTyped
    | Letter
    | Enclosed
    | Cut
    | Owe
    | Broken
)

Program: TypeAlias = tuple[Op, ...]
