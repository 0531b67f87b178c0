"""Traces that one of two rulesets of the same form accepts and the other rejects."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from functools import partial
from itertools import chain, combinations
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.alignment import Naming, groups, included
from rulec.compiler.automata import regex_dfa
from rulec.compiler.filling import Filled, Impossible, Unknown
from rulec.compiler.implication import implied
from rulec.compiler.matches import any_text, texts
from rulec.compiler.pairs import Pair, Request, local, narrower
from rulec.compiler.supply import supplies
from rulec.compiler.symbolic import FALSE, TRUE, some
from rulec.compiler.trees import Forest
from rulec.compiler.unroll import Match, TooLong
from rulec.compiler.witness import (
    MOST_TREES,
    MOST_UNKNOWN,
    MOST_WORK,
    Trace,
    shaky,
    watched,
)
from rulec.compiler.writing import Unwritable, Writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from rulec.compiler.alignment import Aligned
    from rulec.compiler.pairs import Laid
    from rulec.compiler.plan import Plan
    from rulec.compiler.supply import Keys
    from rulec.compiler.terms import Exact, Term
    from rulec.compiler.trees import Tree
    from rulec.dsl import checked
    from rulec.dsl.source import Span

MOST_OMITTED = 3
"""Parameters with two defaults that are left out in every combination."""

MOST_KEPT = 4
"""Traces that are tried of those that only one ruleset takes for their form alone."""

MOST_MATCHES = 2
"""Matches of an unnamed pattern that are tried."""

MOST_WITHIN = 24
"""Trees of a place that are looked at to show that a rule of its own is never broken there."""


def requests(kept: Plan, other: Plan) -> tuple[Request, ...] | None:
    """The requests to look at: with a parameter, and without it where defaults differ.

    What only one side knows is left out. None where that can't be, or where there are too many.
    """
    here, there = kept.layout.parameters, other.layout.parameters
    only = set(here) - set(there), set(there) - set(here)
    alone = _defaults(kept, only[0]), _defaults(other, only[1])
    if (len(alone[0]), len(alone[1])) != (len(only[0]), len(only[1])):
        return None
    differing = [
        name
        for name in sorted(set(here) & set(there))
        if here[name].default != there[name].default
        and None not in (here[name].default, there[name].default)
    ]
    if len(differing) > MOST_OMITTED:
        return None
    counts = range(len(differing), -1, -1)
    chosen = chain.from_iterable(combinations(differing, count) for count in counts)
    return tuple(
        Request(
            {**alone[0], **_defaults(kept, set(names))},
            {**alone[1], **_defaults(other, set(names))},
        )
        for names in chosen
    )


def _defaults(plan: Plan, names: set[str]) -> dict[str, terms.Const]:
    parameters = plan.layout.parameters
    return {
        name: terms.Const(default)
        for name in sorted(names)
        if (default := parameters[name].default) is not None
    }


class OneWay:
    """Looks for traces that `kept` accepts and `other` rejects; both have the same form.

    When all traces have been gone through, `open` tells why there might be others; none are
    left where it is empty. `forms` is how many forms of a trace were looked at.
    """

    def __init__(self, kept: Plan, other: Plan, aligned: Aligned) -> None:
        self._kept = kept
        self._other = other
        self._changed = tuple(n for n in aligned.changed if narrower(kept, other, n))
        self._writer = Writer(kept)
        self._counts = [_beyond(one, other) for one, other in aligned.repeats]
        self._patterns = aligned.patterns
        self._loose = aligned.loose
        self._reasons: dict[str, None] = {}
        self._unknown = 0
        here, there = kept.layout.types, other.layout.types
        if not all(included(here[n], there[n]) for n in aligned.loose):
            self._leave("some values are written in other ways")
        self.forms = 0

    @property
    def open(self) -> tuple[str, ...]:
        """Why there might be traces that were not found."""
        return tuple(self._reasons)

    def _leave(self, reason: str) -> None:
        self._reasons[reason] = None

    def traces(self) -> Iterator[Trace]:
        """Traces that should tell the two apart: one for a form at most."""
        asked = requests(self._kept, self._other)
        if asked is None:
            self._leave("requests differ")
        for request in asked or ():
            for keys in supplies((self._kept, self._other)):
                yield from self._under(request, keys)

    def _under(self, request: Request, keys: Keys) -> Iterator[Trace]:
        shared = Naming(self._kept, request.kept).rules()
        rules = Naming(self._other, request.other).rules()
        held = frozenset(shared.values())
        pair = Pair(self._kept, self._other, held, self._changed, request, keys)
        yield from self._counted(pair)
        yield from self._matched(pair)
        yield from self._grouped(pair)
        wanted = frozenset(
            rule
            for (place, says), rule in rules.items()
            if (place, says) not in shared and not implied(pair, place, rule)
        )
        if not wanted and not self._changed:
            return
        if self._kept.layout.tables:
            self._leave("tables may hold other rows")
        trees, complete = self._forest(wanted).trees(MOST_TREES)
        if not complete:
            wanted = frozenset(rule for rule in wanted if not self._kept_within(pair, rule))
            if not wanted and not self._changed:
                return
            self._leave("there are larger forms")
        yield from self._through(pair, trees, wanted)

    def _through(
        self, pair: Pair, trees: Sequence[Tree], wanted: frozenset[int]
    ) -> Iterator[Trace]:
        work = 0
        for number, tree in enumerate(trees):
            if self._unknown >= MOST_UNKNOWN or work > MOST_WORK:
                self._leave("there are larger forms")
                return
            laid = self._laid(pair, tree, wanted)
            if laid is not None:
                work += laid.weight
                yield from self._filled(laid, wanted)
            self.forms = max(self.forms, number + 1)

    def _counted(self, pair: Pair) -> Iterator[Trace]:
        """Traces with more or fewer items than the other takes."""
        for repeat, count in chain.from_iterable(self._counts):
            self._leave("lists of other lengths")
            having = [t for t in self._everything({repeat.span: count}) if _has(t, count)]
            yield from self._kept_by(pair, having, self._writer, lambda _: TRUE)

    def _matched(self, pair: Pair) -> Iterator[Trace]:
        """Traces with a match of a pattern that the other's pattern hasn't."""
        for own, beside in self._patterns:
            wanted, shunned = (regex_dfa(own.regex),), (regex_dfa(beside.regex),)
            if not any_text(wanted, shunned):
                continue
            self._leave("other matches of unnamed patterns")
            piece = Match(own.regex)
            having = partial(_having, piece)
            for text in texts(wanted, MOST_MATCHES, shunned):
                writer = Writer(self._kept, matches={str(own.regex): text})
                yield from self._kept_by(pair, self._everything({}), writer, having)

    def _grouped(self, pair: Pair) -> Iterator[Trace]:
        """Traces with a number in groups of digits, where the other takes none."""
        for number in self._loose:
            types = self._kept.layout.types[number], self._other.layout.types[number]
            if groups(types[0]) and not groups(types[1]):
                writer = Writer(self._kept, grouped=frozenset((number,)))
                large = partial(_large, number)
                yield from self._kept_by(pair, self._everything({}), writer, large)

    def _everything(self, counts: Mapping[Span, int]) -> tuple[Tree, ...]:
        watches = watched(self._kept, _all(self._kept))
        return Forest(self._kept, watched=watches, counts=counts).trees(MOST_TREES)[0]

    def _kept_by(
        self,
        pair: Pair,
        trees: Iterable[Tree],
        writer: Writer,
        wanted: Callable[[Laid], Term],
    ) -> Iterator[Trace]:
        """A few traces that keep the one's rules and hold something that is wanted."""
        found = 0
        for tree in trees:
            if found == MOST_KEPT:
                return
            with suppress(TooLong, Unwritable):
                laid = pair.lay(tree)
                asked = wanted(laid)
                if asked == FALSE:
                    continue
                found += 1
                filled = laid.frame.fill([*laid.asked, asked])
                if isinstance(filled, Filled):
                    text = writer.write(laid.kept.pieces, filled.values)
                    yield Trace(text, laid.inputs(filled.values))

    def _forest(self, wanted: frozenset[int]) -> Forest:
        shaken = shaky(self._kept, _all(self._kept)) | shaky(self._other, wanted)
        return Forest(self._kept, shaken, watched(self._other, wanted, self._changed))

    def _laid(self, pair: Pair, tree: Tree, wanted: frozenset[int]) -> Laid | None:
        """A tree as both lay it out, where something in it may be broken."""
        try:
            laid = pair.lay(tree)
        except TooLong:
            self._leave("there are larger forms")
            return None
        # Equations know nothing of each other: one is enough.
        return None if laid.broken(wanted) == FALSE or laid.kept.equations > 1 else laid

    def _filled(self, laid: Laid, wanted: frozenset[int]) -> Iterator[Trace]:
        for reason in laid.doubts(wanted):
            self._leave(reason)
        match laid.frame.fill([*laid.asked, laid.broken(wanted)]):
            case Unknown():
                self._unknown += 1
                self._leave("not every question had an answer")
            case Impossible(sure):
                if not sure:
                    self._leave("not all texts were tried")
            case Filled(values):
                self._leave("a trace that was thought out told nothing apart")
                yield from self._written(laid, values)

    def _written(self, laid: Laid, values: Mapping[int, Exact]) -> Iterator[Trace]:
        with suppress(Unwritable):
            text = self._writer.write(laid.kept.pieces, values)
            yield Trace(text, laid.inputs(values))

    def _kept_within(self, pair: Pair, rule: int) -> bool:
        """Whether the one's rules of a place, by themselves, keep the other's rule there."""
        layout = self._other.layout
        place = next(n for n, i in enumerate(layout.instances) if rule in i.rules)
        own = self._kept.layout.instances[place]
        if not local(self._other, layout.instances[place], rule):
            return False
        pair = pair.within(place)
        trees, complete = self._forest(frozenset((rule,))).within(own, MOST_WITHIN)
        return complete and all(self._impossible(pair, tree, place, rule) for tree in trees)

    def _impossible(self, pair: Pair, tree: Tree, place: int, rule: int) -> bool:
        wanted = frozenset((rule,))
        try:
            laid = pair.lay(tree, place)
        except TooLong:
            return False
        broken = laid.broken(wanted)
        if broken == FALSE:
            return True
        certain = not any(laid.doubts(wanted))
        return certain and not laid.frame.possible([*laid.asked, broken])


def _beyond(
    own: checked.Repeat, beside: checked.Repeat
) -> tuple[tuple[checked.Repeat, int], ...]:
    """Counts that a repeat can have and the one beside it can't."""
    counts: list[int] = []
    if beside.high is not None and (own.high is None or own.high > beside.high):
        counts.append(max(own.low, beside.high + 1))
    if own.low < beside.low:
        counts.append(beside.low - 1 if own.high is None else min(own.high, beside.low - 1))
    return tuple((own, count) for count in counts)


def _having(piece: Match, laid: Laid) -> Term:
    """That a pattern is in the trace."""
    return terms.Const(piece in laid.kept.pieces)


def _large(field: int, laid: Laid) -> Term:
    """That a field holds a number with a group of digits."""
    thousand = terms.Const(Fraction(1000))
    gaps = (gap for gap in laid.kept.gaps if gap.field == field)
    return some([terms.Relate(">=", terms.Read(gap.value), thousand) for gap in gaps])


def _has(tree: Tree, count: int) -> bool:
    """Whether a list in the tree has so many items."""
    return len(tree.parts) == count or any(_has(part, count) for part in tree.parts)


def _all(plan: Plan) -> frozenset[int]:
    return frozenset(range(len(plan.rules)))
