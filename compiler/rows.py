"""Rows of a table by their keys: values of registers, and so never changed."""

from __future__ import annotations

from bisect import bisect_left
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

import numpy as np

from rulec.compiler.terms import Gap

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from rulec.compiler.terms import Value

MOST_ROWS = 1_000_000
"""Rows of a table."""


class Keys:
    """Some keys in the order of their bytes; of the `whole`, `open` tells which are meant.

    `before` are the keys without the one that was `added` last, where they are still known.
    """

    __slots__ = ("__weakref__", "_hash", "added", "before", "open", "order", "whole")

    def __init__(self, order: Sequence[bytes]) -> None:
        self.order = order
        self.whole = self
        self.open: NDArray[np.bool_] | None = None
        self.added = b""
        self.before: ref[Keys] | None = None
        self._hash: int | None = None

    def __len__(self) -> int:
        return len(self.order) if self.open is None else int(np.count_nonzero(self.open))

    def __iter__(self) -> Iterator[bytes]:
        if self.open is None:
            return iter(self.order)
        return (self.order[place] for place in np.flatnonzero(self.open).tolist())

    def __contains__(self, key: bytes) -> bool:
        place = bisect_left(self.order, key)
        if place == len(self.order) or self.order[place] != key:
            return False
        return self.open is None or bool(self.open[place])

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Keys):
            return self is other
        if self.whole is other.whole and self.open is not None and other.open is not None:
            return bool((self.open == other.open).all())
        return list(self) == list(other)

    def __hash__(self) -> int:
        """Cheap: keys of one number that begin and end alike are told apart when compared."""
        if self._hash is None:
            ends = (self.order[0], self.order[-1]) if self.order else ()
            self._hash = hash((len(self), *(ends if self.open is None else ())))
        return self._hash

    def span(self, prefix: bytes) -> tuple[int, int]:
        """The places in `order` of what begins with some bytes."""
        low = bisect_left(self.order, prefix)
        after = _behind(prefix)
        high = len(self.order) if after is None else bisect_left(self.order, after, low)
        return low, high

    def beginning_with(self, prefix: bytes) -> list[bytes]:
        """The keys that begin with some bytes."""
        low, high = self.span(prefix)
        if self.open is None:
            return list(self.order[low:high])
        return [self.order[low + n] for n in np.flatnonzero(self.open[low:high]).tolist()]

    def begins(self, prefix: bytes) -> bool:
        """Whether a key begins with some bytes."""
        if self.open is not None:
            low, high = self.span(prefix)
            return bool(self.open[low:high].any())
        place = bisect_left(self.order, prefix)
        return place < len(self.order) and self.order[place].startswith(prefix)

    def shortest(self, prefix: bytes) -> int | None:
        """Bytes that the shortest key with a beginning has behind it."""
        found = self.beginning_with(prefix)
        return min(map(len, found)) - len(prefix) if found else None

    def without(self, taken: Iterable[bytes]) -> Keys:
        """The keys but for some."""
        open_ = np.ones(len(self.order), bool) if self.open is None else self.open.copy()
        places = [bisect_left(self.order, key) for key in taken if key in self]
        if not places:
            return self
        open_[places] = False
        return self.chosen(open_)

    def chosen(self, open_: NDArray[np.bool_]) -> Keys:
        """Those of the whole that are open."""
        made = Keys(self.order)
        made.whole, made.open = self.whole, open_
        return made

    def with_key(self, key: bytes) -> Keys:
        """All the keys, and a new one."""
        place = bisect_left(self.order, key)
        made = Keys([*self.order[:place], key, *self.order[place:]])
        made.added, made.before = key, ref(self)
        return made


def _behind(prefix: bytes) -> bytes | None:
    """The least bytes behind all that begin with a prefix; None where there are none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else None


class Rows:
    """The rows of a table: the values of each row, in the order of the table's columns."""

    __slots__ = ("_arrays", "_hash", "_keys", "_rows")

    def __init__(self, rows: Mapping[str, tuple[Value, ...]]) -> None:
        self._rows = rows
        self._keys: Keys | None = None
        self._hash: int | None = None
        self._arrays: dict[tuple[int, str], NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __iter__(self) -> Iterator[str]:
        """The keys, as their rows came."""
        return iter(self._rows)

    def __eq__(self, other: object) -> bool:
        if self is other or not isinstance(other, Rows):
            return self is other
        return self._rows == other._rows and list(self._rows) == list(other._rows)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = 0
            for item in self._rows.items():
                self._hash ^= hash(item)
        return self._hash

    @property
    def keys(self) -> Keys:
        """The keys, sorted when they are first asked for."""
        if self._keys is None:
            self._keys = Keys(sorted(key.encode() for key in self._rows))
        return self._keys

    def row(self, key: str) -> tuple[Value, ...] | None:
        """The values of a row."""
        return self._rows.get(key)

    def value(self, key: str, column: int) -> Value:
        """A value of a row; absent where there is no such row."""
        row = self._rows.get(key)
        return Gap.ABSENT if row is None else row[column]

    def column(self, number: int) -> list[Value]:
        """The values of a column, in the order of the keys."""
        return [self._rows[key.decode()][number] for key in self.keys.order]

    def array(self, column: int, name: str, read: Callable[[Value], int]) -> NDArray[Any]:
        """What is read of a column, in the order of the keys; made once, by a name."""
        found = self._arrays.get((column, name))
        if found is None:
            held = [read(value) for value in self.column(column)]
            small = all(-(2**62) < value < 2**62 for value in held)
            found = np.array(held, np.int64 if small else object)
            self._arrays[column, name] = found
        return found

    def with_row(self, key: str, row: tuple[Value, ...]) -> Rows:
        """The rows and one more, or another one with the same key."""
        made = Rows({**self._rows, key: row})
        if key not in self._rows:
            made._hash = hash(self) ^ hash((key, row))
            made._keys = self.keys.with_key(key.encode())
        return made


Held: TypeAlias = "Value | Rows"
"""What a request puts into a register."""

NOTHING = Rows({})
"""A table without rows."""
