"""What may follow a prose, which only a literal or the end can end."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import reduce
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl.diagnostics import Label
from rulec.dsl.structure import Shapes, Structure, walk

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.source import Span


@dataclass(frozen=True, slots=True)
class Start:
    """How a text may begin: with something that is no literal, or with a prose."""

    loose: Span | None = None
    prose: c.Slot | None = None

    def or_(self, other: Start) -> Start:
        """Either of the two."""
        loose = self.loose if self.loose is not None else other.loose
        return Start(loose, self.prose if self.prose is not None else other.prose)


_NOTHING = Start()


@dataclass
class Followers:
    """Walks all shapes with what may follow them, until nothing changes."""

    shapes: Shapes
    structure: Structure
    findings: Findings
    after_shape: dict[str, Start] = field(default_factory=dict)
    starts: dict[str, Start] = field(default_factory=dict)
    queue: list[str] = field(default_factory=list)
    wrong: dict[tuple[str, int], tuple[c.Slot, Start]] = field(default_factory=dict)

    def check(self, trace: c.Element | None) -> None:
        """Report each prose of which nobody could tell where it ends."""
        self._begin()
        if trace is not None:
            self._visit(trace, _NOTHING)
        self.queue.extend(self.shapes)
        while self.queue:
            name = self.queue.pop()
            shape = self.shapes.get(name)
            if shape is not None:
                self._visit(shape.body, self.after_shape.get(name, _NOTHING))
        for slot, after in self.wrong.values():
            self._report(slot, after)

    def _begin(self) -> None:
        """How each shape may begin."""
        self.starts = dict.fromkeys(self.shapes, _NOTHING)
        users: dict[str, list[str]] = {}
        for name, shape in self.shapes.items():
            for inner in self._leading(shape.body):
                users.setdefault(inner, []).append(name)
        queue = list(self.shapes)
        while queue:
            name = queue.pop()
            known = self.shapes.get(name)
            if known is not None:
                start = self.starts[name].or_(self._start(known.body))
                if start != self.starts[name]:
                    self.starts[name] = start
                    queue.extend(users.get(name, ()))

    def _leading(self, body: c.Sequence) -> set[str]:
        slots = (e.type for e in walk(body) if isinstance(e, c.Slot))
        return {type_.shape for type_ in slots if isinstance(type_, c.ShapeType)}

    def _start(self, element: c.Element) -> Start:
        match element:
            case c.Literal() | c.Cut():
                return _NOTHING
            case c.Pattern():
                return Start(loose=element.span)
            case c.Slot():
                return self._start_of_slot(element)
            case c.Sequence(parts):
                return self._start_of_parts(parts, _NOTHING)
            case c.Choice(options):
                return reduce(Start.or_, (self._start(option) for option in options))
            case c.Optional(body) | c.Repeat(body):
                return self._start(body)

    def _start_of_slot(self, slot: c.Slot) -> Start:
        if isinstance(slot.type, c.ShapeType):
            return self.starts.get(slot.type.shape, _NOTHING)
        if isinstance(slot.type, c.ProseType):
            return Start(prose=slot)
        return Start(loose=slot.span)

    def _start_of_parts(self, parts: tuple[c.Element, ...], after: Start) -> Start:
        start = _NOTHING
        for part in parts:
            start = start.or_(self._start(part))
            if not self.structure.nullable(part):
                return start
        return start.or_(after)

    def _visit(self, element: c.Element, after: Start) -> None:
        match element:
            case c.Slot():
                self._visit_slot(element, after)
            case c.Sequence(parts):
                for part in reversed(parts):
                    self._visit(part, after)
                    start = self._start(part)
                    after = start.or_(after) if self.structure.nullable(part) else start
            case c.Choice(options):
                for option in options:
                    self._visit(option, after)
            case c.Optional(body):
                self._visit(body, after)
            case c.Repeat(body):
                self._visit(body, self._after_item(element).or_(after))
            case _:
                pass

    def _after_item(self, repeat: c.Repeat) -> Start:
        if repeat.separator or repeat.high == 1:
            return _NOTHING
        return self._start(repeat.body)

    def _visit_slot(self, slot: c.Slot, after: Start) -> None:
        if isinstance(slot.type, c.ShapeType):
            known = self.after_shape.get(slot.type.shape, _NOTHING)
            if (wider := known.or_(after)) != known:
                self.after_shape[slot.type.shape] = wider
                self.queue.append(slot.type.shape)
        elif isinstance(slot.type, c.ProseType) and self._unclear(slot, after):
            self.wrong.setdefault((slot.span.source.name, slot.span.start), (slot, after))

    def _unclear(self, slot: c.Slot, after: Start) -> bool:
        if after.loose is not None:
            return True
        return after.prose is not None and (bool(slot.name) or bool(after.prose.name))

    def _report(self, slot: c.Slot, after: Start) -> None:
        related: tuple[Label, ...]
        if after.loose is not None:
            message = "nobody could tell where this prose ends"
            related = (Label(after.loose, "this may follow it"),)
            hint = "a follower of prose begins with a literal, or is the end of the trace"
        else:
            message = "nobody could tell where one prose ends and the next begins"
            place = slot.span if after.prose is None else after.prose.span
            related = (Label(place, "this may follow it"),) if place != slot.span else ()
            hint = "put a literal or a separator between them"
        self.findings.error("R0408", slot.span, message, hint=hint, related=related)
