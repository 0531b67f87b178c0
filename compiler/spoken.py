"""Names that have been spoken of: values of registers, and so never changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.rows import Keys

if TYPE_CHECKING:
    from collections.abc import Mapping


class Place(NamedTuple):
    """Where a reference promised a name: its field, and its bytes from `start` to `end`."""

    field: int
    start: int
    end: int


class Spoken:
    """The names of a table that the trace has begun to define, and those it only promises.

    Most are asked for no more than how many they are: the names themselves are laid out when
    they are first read. Where a promise was made makes no difference to what may come next,
    nor to equality.
    """

    __slots__ = ("_before", "_held", "_name", "_place", "begun", "owed")

    def __init__(self, begun: int, owed: int, held: _Held | None = None) -> None:
        self.begun = begun
        """How many names the trace has begun to define."""
        self.owed = owed
        """How many names are promised, and not begun."""
        self._held = held
        self._before: Spoken | None = None
        self._name = b""
        self._place: Place | None = None

    @property
    def names(self) -> Keys:
        """All names, those that are only promised too."""
        return self.held().names

    @property
    def promised(self) -> Keys:
        """The names that are owed."""
        return self.held().promised

    @property
    def promises(self) -> Mapping[bytes, Place]:
        """The names that are owed, each with the first reference to it."""
        return self.held().promises

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return (
            isinstance(other, Spoken)
            and (self.begun, self.owed) == (other.begun, other.owed)
            and self.promised == other.promised
            and self.names == other.names
        )

    def __hash__(self) -> int:
        return hash((self.names, self.promised))

    def has_begun(self, name: bytes) -> bool:
        """Whether the trace has begun to define a name."""
        return name in self.names and name not in self.promises

    def with_begun(self, name: bytes) -> Spoken:
        """The names, of which the trace now begins to define one that it hadn't."""
        kept = name in self.promises
        return self._with(Spoken(self.begun + 1, self.owed - kept), name, None)

    def with_reference(self, name: bytes, place: Place) -> Spoken:
        """The names, of which one is referred to: a new one is promised."""
        if name in self.names:
            return self
        return self._with(Spoken(self.begun, self.owed + 1), name, place)

    def inside(self) -> Spoken:
        """The same names where none of the promises can be kept."""
        held = _Held(self.names, NO_NAMES, {})
        return Spoken(self.begun + self.owed, 0, held)

    def without_promises(self) -> Spoken:
        """The names but for those that are only promised."""
        begun = [name for name in self.names if name not in self.promises]
        return Spoken(self.begun, 0, _Held(Keys(begun), NO_NAMES, {}))

    def _with(self, made: Spoken, name: bytes, place: Place | None) -> Spoken:
        made._before, made._name, made._place = self, name, place
        return made

    def held(self) -> _Held:
        """The names, laid out."""
        if self._held is None:
            before = NOTHING if self._before is None else self._before.held()
            self._held = before.with_name(self._name, self._place)
            self._before = None
        return self._held


class _Held(NamedTuple):
    """Names, those among them that are promised, and where."""

    names: Keys
    promised: Keys
    promises: Mapping[bytes, Place]

    def with_name(self, name: bytes, place: Place | None) -> _Held:
        """The names with one that is promised at a place, or that begins (None)."""
        names = self.names if name in self.names else self.names.with_key(name)
        if place is not None:
            promises = {**self.promises, name: place}
            return _Held(names, self.promised.with_key(name), promises)
        if name not in self.promises:
            return _Held(names, self.promised, self.promises)
        left = {held: there for held, there in self.promises.items() if held != name}
        return _Held(names, Keys(sorted(left)), left)


NO_NAMES = Keys(())
"""No name at all."""

NOTHING = _Held(NO_NAMES, NO_NAMES, {})

SILENCE = Spoken(0, 0, NOTHING)
"""Before the first name."""
