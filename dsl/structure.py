"""Whether shapes can be read in one way, and can come to an end."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import regex as r
from rulec.dsl.cycles import components
from rulec.dsl.diagnostics import Label

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.source import Span

Shapes = Mapping[str, c.Shape]


def children(element: c.Element) -> tuple[c.Element, ...]:
    """The elements straight inside of one."""
    match element:
        case c.Sequence(parts):
            return parts
        case c.Choice(options):
            return options
        case c.Optional(body) | c.Repeat(body):
            return (body,)
        case _:
            return ()


def walk(element: c.Element) -> Iterator[c.Element]:
    """An element and everything in it."""
    stack = [element]
    while stack:
        here = stack.pop()
        yield here
        stack.extend(reversed(children(here)))


def used(shape: c.Shape) -> dict[str, Span]:
    """The shapes that a shape names, and where."""
    slots = (e for e in walk(shape.body) if isinstance(e, c.Slot))
    types = [(slot.type, slot.span) for slot in slots]
    return {type_.shape: span for type_, span in types if isinstance(type_, c.ShapeType)}


def empty_regex(node: r.Node) -> bool:
    """Whether a regular expression matches the empty text."""
    match node:
        case r.Chars():
            return False
        case r.Concat(parts):
            return all(empty_regex(part) for part in parts)
        case r.Alternate(options):
            return any(empty_regex(option) for option in options)
        case r.Repetition(body, least, _):
            return least == 0 or empty_regex(body)


@dataclass
class Structure:
    """Facts about all shapes, by fixpoint, and the errors that follow from them."""

    shapes: Shapes
    findings: Findings
    empty: set[str] = field(default_factory=set)
    hollow: set[str] = field(default_factory=set)
    ending: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._grow(self.empty, self._empty_shape)
        self._grow(self.hollow, self._hollow_shape)
        self._grow(self.ending, self._ending_shape)

    def _grow(self, found: set[str], test: Callable[[c.Shape], bool]) -> None:
        """Add every shape that passes the test, until none is left that does."""
        users: dict[str, list[str]] = {}
        for name, shape in self.shapes.items():
            for inner in used(shape):
                users.setdefault(inner, []).append(name)
        queue = list(self.shapes)
        while queue:
            name = queue.pop()
            if name in self.shapes and name not in found and test(self.shapes[name]):
                found.add(name)
                queue.extend(users.get(name, ()))

    def _empty_shape(self, shape: c.Shape) -> bool:
        return self.nullable(shape.body)

    def _hollow_shape(self, shape: c.Shape) -> bool:
        return self.nullable(shape.body, hollow=True)

    def _ending_shape(self, shape: c.Shape) -> bool:
        return self._ends(shape.body)

    def nullable(self, element: c.Element, *, hollow: bool = False) -> bool:
        """Whether an element can be the empty text.

        With `hollow`, a prose counts as text: adjacent prose is one prose, so a repeat of it
        is no riddle.
        """
        match element:
            case c.Sequence(parts):
                return all(self.nullable(part, hollow=hollow) for part in parts)
            case c.Choice(options):
                return any(self.nullable(option, hollow=hollow) for option in options)
            case c.Repeat(body, low):
                return low == 0 or self.nullable(body, hollow=hollow)
            case c.Slot(_, type_):
                return self._empty_type(type_, hollow=hollow)
            case c.Pattern(regex):
                return empty_regex(regex.node)
            case c.Literal() | c.Cut() | c.Optional():
                return not isinstance(element, c.Literal) or not element.text

    def _empty_type(self, type_: c.Type, *, hollow: bool) -> bool:
        match type_:
            case c.TextType(regex):
                return empty_regex(regex.node)
            case c.ProseType(least):
                return least == 0 and not hollow
            case c.ShapeType(shape):
                return shape in (self.hollow if hollow else self.empty)
            case _:
                return False

    def _ends(self, element: c.Element) -> bool:
        match element:
            case c.Slot(_, c.ShapeType(shape)):
                return shape in self.ending or shape not in self.shapes
            case c.Sequence(parts):
                return all(self._ends(part) for part in parts)
            case c.Choice(options):
                return any(self._ends(option) for option in options)
            case c.Repeat(body, low):
                return low == 0 or self._ends(body)
            case _:
                return True

    def check(self, element: c.Element) -> None:
        """Report repeats and options of what can be empty."""
        for part in walk(element):
            if isinstance(part, c.Optional) and self.nullable(part.body):
                message = "this can be empty already, so `?` makes it ambiguous"
                self.findings.error("R0403", part.span, message, hint="drop the `?`")
            elif isinstance(part, c.Repeat) and self._uncountable(part):
                message = "what is repeated here can be empty, so nobody could count it"
                hint = "let the repeated part begin or end with some text"
                self.findings.error("R0403", part.span, message, hint=hint)

    def _uncountable(self, repeat: c.Repeat) -> bool:
        clear = bool(repeat.separator) and repeat.low > 0
        return not clear and self.nullable(repeat.body, hollow=True)

    def recursion(self) -> None:
        """Report shapes that contain themselves without a depth, or never end."""
        edges = {name: used(shape) for name, shape in self.shapes.items()}
        component = components({name: list(found) for name, found in edges.items()})
        for name, shape in self.shapes.items():
            inner = [n for n in edges[name] if component.get(n) == component[name]]
            if inner and not self._bounded(name, component):
                self._endless(name, inner[0], edges[name][inner[0]])
            elif name not in self.ending:
                message = f"`{name}` can never end: each one needs another inside"
                hint = "make the inner one optional"
                self.findings.error("R0407", shape.span, message, hint=hint)
            elif shape.depth > 0 and not inner:
                message = f"`{name}` does not contain itself, so `up to` has no effect"
                self.findings.warning("R0414", shape.span, message, "drop it")

    def _bounded(self, name: str, component: Mapping[str, int]) -> bool:
        ring = [n for n in self.shapes if component[n] == component[name]]
        return any(self.shapes[n].depth > 0 for n in ring)

    def _endless(self, name: str, inner: str, span: Span) -> None:
        what = "itself" if inner == name else f"itself through `{inner}`"
        message = f"`{name}` contains {what} to no stated depth"
        hint = f"write `{name} up to 6 {{ … }}`"
        related = (Label(self.shapes[name].span, f"`{name}`"),) if inner != name else ()
        self.findings.error("R0406", span, message, hint=hint, related=related)
