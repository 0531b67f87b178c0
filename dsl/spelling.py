"""Which name an author may have meant."""

from __future__ import annotations

from difflib import get_close_matches
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST = 500


def closest(word: str, names: Iterable[str]) -> str:
    """The name that looks most like `word`, or nothing."""
    candidates = [name for name in islice(names, _MOST) if name != word]
    folded = {name.casefold(): name for name in candidates}
    found = get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return folded[found[0]] if found else ""


def did_you_mean(word: str, names: Iterable[str]) -> str:
    """A hint that names the closest name; empty if nothing is close."""
    near = closest(word, names)
    return f"did you mean `{near}`?" if near else ""
