"""Rows of a table by their keys: values of registers, and so never changed."""

from __future__ import annotations

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, TypeAlias

from rulec.compiler.terms import Gap

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from rulec.compiler.terms import Exact, Value


MOST_ROWS = 1_000_000
"""Rows of a table."""


class Keys:
    """Some keys in the order of their bytes."""

    __slots__ = ("_members", "order")

    def __init__(self, keys: Iterable[bytes]) -> None:
        self.order: Sequence[bytes] = sorted(keys)
        self._members = frozenset(self.order)

    def __len__(self) -> int:
        return len(self.order)

    def __contains__(self, key: bytes) -> bool:
        return key in self._members

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Keys) and self._members == other._members)

    def __hash__(self) -> int:
        return hash(self._members)

    def beginning_with(self, prefix: bytes) -> Sequence[bytes]:
        """The keys that begin with some bytes."""
        low = bisect_left(self.order, prefix)
        after = _behind(prefix)
        high = len(self.order) if after is None else bisect_left(self.order, after, low)
        return self.order[low:high]

    def begins(self, prefix: bytes) -> bool:
        """Whether a key begins with some bytes."""
        place = bisect_left(self.order, prefix)
        return place < len(self.order) and self.order[place].startswith(prefix)

    def shortest(self, prefix: bytes) -> int | None:
        """Bytes that the shortest key with a beginning has behind it."""
        found = self.beginning_with(prefix)
        return min(map(len, found)) - len(prefix) if found else None


def _behind(prefix: bytes) -> bytes | None:
    """The least bytes behind all that begin with a prefix; None where there are none."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes((kept[-1] + 1,)) if kept else None


class Rows:
    """The rows of a table: the values of each row, in the order of the table's columns."""

    __slots__ = ("_hash", "_keys", "_rows")

    def __init__(self, rows: Mapping[str, tuple[Value, ...]]) -> None:
        self._rows = rows
        self._keys: Keys | None = None
        self._hash: int | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Rows) and self._rows == other._rows)

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
            self._keys = Keys(key.encode() for key in self._rows)
        return self._keys

    def without(self, taken: Iterable[str]) -> Keys:
        """The keys but for some."""
        left = set(self.keys.order) - {key.encode() for key in taken}
        return self.keys if len(left) == len(self) else Keys(left)

    def row(self, key: str) -> tuple[Value, ...] | None:
        """The values of a row."""
        return self._rows.get(key)

    def value(self, key: str, column: int) -> Value:
        """A value of a row; absent where there is no such row."""
        row = self._rows.get(key)
        return Gap.ABSENT if row is None else row[column]

    def items(self) -> Iterable[tuple[str, tuple[Value, ...]]]:
        """All keys and their rows, in the order in which they came."""
        return self._rows.items()

    def column(self, number: int) -> list[Exact]:
        """The values of a column that are there."""
        held = (row[number] for row in self._rows.values())
        return [value for value in held if not isinstance(value, Gap)]

    def with_row(self, key: str, row: tuple[Value, ...]) -> Rows:
        """The rows and one more, or another one with the same key."""
        made = Rows({**self._rows, key: row})
        if key not in self._rows:
            made._hash = hash(self) ^ hash((key, row))
        if self._keys is not None and key not in self._rows:
            order = list(self._keys.order)
            insort(order, key.encode())
            made._keys = Keys(order)
        return made


Held: TypeAlias = "Value | Rows"
"""What a request puts into a register."""

NOTHING = Rows({})
"""A table without rows."""
