"""Whether a text matches a regular expression, in time proportional to both."""

from __future__ import annotations

from rulec.dsl.regex import Alternate, Chars, Concat, Node, Regex, Repetition

MOST_STEPS = 1_000_000


def matches(regex: Regex, text: str) -> bool:
    """Whether the whole text matches; a text that takes too long to judge is let through."""
    judge = _Judge(text)
    try:
        return len(text) in judge.ends(regex.node, frozenset((0,)))
    except _TooLongError:
        return True


class _TooLongError(Exception):
    """The judgement takes more steps than it is worth."""


class _Judge:
    def __init__(self, text: str) -> None:
        self.text = text
        self.steps = 0

    def ends(self, node: Node, starts: frozenset[int]) -> frozenset[int]:
        """Where a match of `node` that starts at one of these places may end."""
        self.steps += 1 + len(starts)
        if self.steps > MOST_STEPS:
            raise _TooLongError
        match node:
            case Chars(points):
                return frozenset(at + 1 for at in starts if self._fits(points, at))
            case Concat(parts):
                for part in parts:
                    starts = self.ends(part, starts)
                return starts
            case Alternate(options):
                return frozenset().union(*(self.ends(option, starts) for option in options))
            case Repetition(body, least, most):
                return self._repeated(body, least, most, starts)

    def _fits(self, points: tuple[tuple[int, int], ...], at: int) -> bool:
        if at >= len(self.text):
            return False
        point = ord(self.text[at])
        return any(low <= point <= high for low, high in points)

    def _repeated(
        self, body: Node, least: int, most: int | None, starts: frozenset[int]
    ) -> frozenset[int]:
        found = starts if least == 0 else frozenset()
        count, here = 0, starts
        while here and (most is None or count < most):
            here = self.ends(body, here)
            count += 1
            if count < least:
                continue
            if here <= found:
                break
            found |= here
        return found
