"""Counts of what traces exercise, and the same by the author's names."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from rulec.dsl import checked
from rulec.dsl.findings import one_line

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.marking import Marked
    from rulec.dsl.source import Span

LONGEST = 60
"""Characters of an element that are told."""


@dataclass(slots=True)
class Counts:
    """What has been counted, by rule, label and part."""

    traces: Counter[str] = field(default_factory=Counter)
    rules: Counter[tuple[int, str]] = field(default_factory=Counter)
    owed: Counter[tuple[int, str]] = field(default_factory=Counter)
    outside: Counter[int] = field(default_factory=Counter)
    times: Counter[int] = field(default_factory=Counter)
    size: Counter[int] = field(default_factory=Counter)
    guarded: Counter[int] = field(default_factory=Counter)
    lengths: dict[int, tuple[int, int]] = field(default_factory=dict)
    total: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True, slots=True)
class Place:
    """An element of a shape, as its author wrote it; `shape` is empty for the trace itself."""

    shape: str
    text: str
    file: str
    line: int
    column: int

    @classmethod
    def of(cls, shape: str, span: Span) -> Place:
        """The place of a span."""
        line, column = span.position
        text = one_line(span.text)
        text = text if len(text) <= LONGEST else text[:LONGEST] + "…"
        return cls(shape, text, span.source.name, line, column)

    def to_record(self) -> dict[str, object]:
        """The place as JSON has it."""
        return {
            "shape": self.shape or None,
            "text": self.text,
            "file": self.file,
            "line": self.line,
            "column": self.column,
        }


@dataclass(frozen=True, slots=True)
class RuleUse:
    """How often a rule was passed, violated, too complex and vacuous."""

    name: str
    tier: str
    place: Place
    passed: int
    violated: int
    complex: int
    vacuous: int

    @property
    def tested(self) -> int:
        """How often the rule said something."""
        return self.passed + self.violated + self.complex

    def to_record(self) -> dict[str, object]:
        """The rule as JSON has it."""
        return {
            "rule": self.name,
            "tier": self.tier,
            "tested": self.tested,
            "passed": self.passed,
            "violated": self.violated,
            "too_complex": self.complex,
            "vacuous": self.vacuous,
        } | self.place.to_record()


@dataclass(frozen=True, slots=True)
class FieldUse:
    """How often a field was written, how many bytes it took, and how many a rule guarded.

    `outside` counts the values that are none of its type. `name` is empty for what has none.
    A shape has no bytes of its own.
    """

    name: str
    kind: Literal["value", "prose", "shape"]
    place: Place
    times: int
    size: int
    guarded: int
    outside: int

    def to_record(self) -> dict[str, object]:
        """The field as JSON has it."""
        return {
            "field": self.name or None,
            "kind": self.kind,
            "times": self.times,
            "bytes": self.size,
            "guarded_bytes": self.guarded,
            "out_of_range": self.outside,
        } | self.place.to_record()


@dataclass(frozen=True, slots=True)
class WayUse:
    """How often one way was taken: a `branch`, or what is optional `present` or `absent`."""

    kind: str
    place: Place
    times: int

    def to_record(self) -> dict[str, object]:
        """The way as JSON has it."""
        return {"kind": self.kind, "times": self.times} | self.place.to_record()


@dataclass(frozen=True, slots=True)
class LengthUse:
    """How often a repeat was written, and the fewest and most items that it had.

    `low` and `high` are what it may have; None is no limit, or no repeat written.
    """

    place: Place
    times: int
    least: int | None
    most: int | None
    low: int
    high: int | None

    def to_record(self) -> dict[str, object]:
        """The repeat as JSON has it."""
        return {
            "times": self.times,
            "least": self.least,
            "most": self.most,
            "low": self.low,
            "high": self.high,
        } | self.place.to_record()


@dataclass(frozen=True, slots=True)
class Owed:
    """How often the rest that a watch or an opener asked for did not come."""

    name: str
    violated: int
    vacuous: int

    def to_record(self) -> dict[str, object]:
        """The debt as JSON has it."""
        return {"name": self.name, "violated": self.violated, "vacuous": self.vacuous}


@dataclass(frozen=True, slots=True)
class Share:
    """The bytes of all traces, each counted once.

    `guarded` lie in fields that a tested rule reads, `fields` in other fields, `prose` in
    prose, `text` in literals and patterns, and `unread` behind the place where a trace stops.
    """

    guarded: int = 0
    fields: int = 0
    prose: int = 0
    text: int = 0
    unread: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.guarded + self.fields + self.prose + self.text + self.unread

    def to_record(self) -> dict[str, object]:
        """The bytes as JSON has them; the share of none is 0."""
        return {
            "total": self.total,
            "guarded": self.guarded,
            "fields": self.fields,
            "prose": self.prose,
            "text": self.text,
            "unread": self.unread,
            "guarded_share": round(self.guarded / self.total, 6) if self.total else 0.0,
        }


@dataclass(frozen=True, slots=True)
class Coverage:
    """What some traces exercise. `traces` has how many there are of each verdict."""

    traces: tuple[tuple[str, int], ...]
    rules: tuple[RuleUse, ...]
    fields: tuple[FieldUse, ...]
    ways: tuple[WayUse, ...]
    lengths: tuple[LengthUse, ...]
    owed: tuple[Owed, ...]
    share: Share

    def to_record(self) -> dict[str, object]:
        """The coverage as JSON has it."""
        return {
            "traces": dict(self.traces),
            "rules": [rule.to_record() for rule in self.rules],
            "fields": [use.to_record() for use in self.fields],
            "ways": [way.to_record() for way in self.ways],
            "lengths": [length.to_record() for length in self.lengths],
            "owed": [owed.to_record() for owed in self.owed],
            "bytes": self.share.to_record(),
        }


def tallied(marked: Marked, counts: Counts) -> Coverage:
    """Counts by the author's names; what never came is there too."""
    return Coverage(
        tuple(counts.traces.most_common()),
        tuple(_rules(marked, counts)),
        tuple(_fields(marked, counts)),
        tuple(_ways(marked, counts)),
        tuple(_lengths(marked, counts)),
        tuple(_owed(marked, counts)),
        Share(**counts.total),
    )


def _rules(marked: Marked, counts: Counts) -> Iterator[RuleUse]:
    """The rules of all places of a shape together, but for their tiers."""
    found: dict[tuple[Place, str, str], Counter[str]] = {}
    verdicts = ("pass", "violate", "too complex", "vacuous")
    for number, (rule, source) in enumerate(
        zip(marked.machine.rules, marked.sources, strict=True)
    ):
        key = Place.of(rule.shape, source.span), rule.name, rule.tier
        held = found.setdefault(key, Counter())
        held.update({verdict: counts.rules[number, verdict] for verdict in verdicts})
    for (place, name, tier), held in found.items():
        yield RuleUse(name, tier, place, *(held[verdict] for verdict in verdicts))


def _fields(marked: Marked, counts: Counts) -> Iterator[FieldUse]:
    for number, part in enumerate(marked.parts):
        if part.kind == "field" and isinstance(part.element, checked.Slot):
            yield FieldUse(
                part.element.name or "",
                _kind(part.element.type),
                Place.of(part.shape, part.span),
                counts.times[number],
                counts.size[number],
                counts.guarded[number],
                counts.outside[number],
            )


def _kind(type_: checked.Type) -> Literal["value", "prose", "shape"]:
    match type_:
        case checked.ShapeType():
            return "shape"
        case checked.ProseType():
            return "prose"
        case _:
            return "value"


def _ways(marked: Marked, counts: Counts) -> Iterator[WayUse]:
    for number, part in enumerate(marked.parts):
        place = Place.of(part.shape, part.span)
        if part.kind == "branch":
            yield WayUse("branch", place, counts.times[number])
        elif part.kind == "some":
            taken = counts.times[number]
            yield WayUse("present", place, taken)
            yield WayUse("absent", place, counts.times[part.outer] - taken)


def _lengths(marked: Marked, counts: Counts) -> Iterator[LengthUse]:
    for number, part in enumerate(marked.parts):
        if isinstance(part.element, checked.Repeat) and part.kind == "repeat":
            place = Place.of(part.shape, part.span)
            least, most = counts.lengths.get(number, (None, None))
            low, high = part.element.low, part.element.high
            yield LengthUse(place, counts.times[number], least, most, low, high)


def _owed(marked: Marked, counts: Counts) -> Iterator[Owed]:
    for label, name in enumerate(marked.machine.labels):
        violated, vacuous = (counts.owed[label, kind] for kind in ("violate", "vacuous"))
        if violated or vacuous:
            yield Owed(name, violated, vacuous)
