"""Shapes, JSON shapes and watches: their bodies, fields and rules."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl.diagnostics import Label
from rulec.dsl.json_shapes import Member, object_of
from rulec.dsl.model import Field, Model
from rulec.dsl.shapes import Elements, Fields
from rulec.dsl.terms import Terms

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.source import Span
    from rulec.dsl.syntax import Number

DEEPEST = 64
_ShapeItem = i.Shape | i.Json | i.Watch


@dataclass
class Bodies:
    """First every body and its fields, then the rules, which may speak of any shape."""

    model: Model
    shapes: dict[str, c.Shape] = field(default_factory=dict)
    watches: list[c.Watch] = field(default_factory=list)

    @property
    def findings(self) -> Findings:
        """Where findings go."""
        return self.model.findings

    def run(self) -> None:
        """Every body."""
        for name, item in self.model.scope.named.items():
            match item:
                case i.Shape():
                    self.shapes[name] = self._shape(item)
                case i.Json():
                    self.shapes[name] = self._json(item)
                case i.Watch():
                    shape = self._shape(item)
                    self.watches.append(c.Watch(shape, None, item.span))
                case _:
                    pass
        for position, watch in enumerate(self.watches):
            item = self.model.scope.named[watch.shape.name]
            if isinstance(item, i.Watch) and item.within is not None:
                self.watches[position] = replace(watch, within=self._place(item))
        self._attributes()

    def _shape(self, item: i.Shape | i.Watch) -> c.Shape:
        name = item.name.text
        elements = Elements(self.model, in_watch=isinstance(item, i.Watch))
        body, fields = elements.sequence(item.body, item.span)
        self.model.fields[name] = fields
        depth = self._depth(item.depth) if isinstance(item, i.Shape) else 0
        return c.Shape(name, body, _infos(fields), (), depth, item.name.span)

    def _depth(self, depth: Number | None) -> int:
        if depth is None:
            return 0
        if not 1 <= depth.value <= DEEPEST:
            message = f"a shape may stand inside itself 1 to {DEEPEST} times"
            self.findings.error("R0603", depth.span, message)
            return 1
        return int(depth.value)

    def _json(self, item: i.Json) -> c.Shape:
        name = item.name.text
        members: list[Member] = []
        fields: Fields = {}
        for member in item.members:
            made, found = self._member(member)
            if found.name in fields:
                message = f"the member `{found.name}` stands twice"
                related = (Label(fields[found.name].span, "it stands here as well"),)
                self.findings.error("R0401", member.span, message, related=related)
            fields.setdefault(found.name, found)
            if made is not None:
                members.append(made)
        self.model.fields[name] = fields
        body = object_of(members, item.name.span, compact=item.compact)
        depth = self._depth(item.depth)
        return c.Shape(name, body, _infos(fields), (), depth, item.name.span)

    def _member(self, member: i.JsonMember) -> tuple[Member | None, Field]:
        Elements(self.model).named(member.name)
        type_ = self.model.types.slot(member.type)
        if isinstance(type_, c.ShapeType):
            shape = self.model.scope.named.get(type_.shape)
            if isinstance(shape, i.Shape):
                message = f"`{type_.shape}` is no JSON shape, and cannot stand in one"
                related = (Label(shape.name.span, "it is declared here"),)
                hint = f"declare it with `json {type_.shape} {{ … }}`"
                place = member.type.span
                self.findings.error("R0204", place, message, hint=hint, related=related)
        low: int | None = None
        high: int | None = None
        if member.listing:
            low, high = (0, None) if member.count is None else self._count(member)
        cardinality: c.Cardinality = "optional" if member.optional else "one"
        cardinality = "list" if member.listing else cardinality
        name = member.name.text
        found = Field(name, type_, cardinality, member.span)
        if type_ is None:
            return None, found
        return Member(name, type_, member.optional, low, high, member.span), found

    def _count(self, member: i.JsonMember) -> tuple[int, int | None]:
        return (0, None) if member.count is None else self.model.types.count(member.count)

    def _place(self, item: i.Watch) -> tuple[str, str] | None:
        """The field into which a watch looks."""
        if item.within is None:
            return None
        shape, name = item.within
        if self.model.scope.find(shape, i.Shape, i.Json) is None:
            return None
        found = self.model.fields[shape.text].get(name.text)
        if found is None:
            if shape.text not in self.model.scope.broken:
                what = f"field of `{shape.text}` called"
                self.model.scope.unknown(name.span, what, name.text, self._names(shape.text))
            return None
        if found.type is not None and not isinstance(found.type, c.ProseType):
            message = f"a watch looks into prose, and `{name.text}` is none"
            related = (Label(found.span, "it is declared here"),)
            self.findings.error("R0411", name.span, message, related=related)
        return shape.text, name.text

    def _names(self, shape: str) -> list[str]:
        return list(self.model.fields[shape])

    def _attributes(self) -> None:
        """The attributes of new names come from fields of the same shape."""
        for fields in self.model.fields.values():
            for found in fields.values():
                if isinstance(found.type, c.DefType):
                    self._attribute(found.type, fields, found.span)

    def _attribute(self, type_: c.DefType, fields: Fields, span: Span) -> None:
        columns = self.model.columns.get(type_.names, {})
        for attribute, source in type_.attributes:
            found = fields.get(source)
            if found is None:
                self.model.scope.unknown(span, "field", source, fields)
            elif found.type is not None and columns.get(attribute) not in {None, found.type}:
                message = f"`{source}` has not the type of the attribute `{attribute}`"
                related = (Label(found.span, f"`{source}` is declared here"),)
                self.findings.error("R0316", span, message, related=related)

    def rules(self) -> None:
        """The rules of every shape and watch."""
        for name, item in self.model.scope.named.items():
            if isinstance(item, i.Shape | i.Json) and name in self.shapes:
                self.shapes[name] = replace(self.shapes[name], rules=self._rules(item))
        for position, watch in enumerate(self.watches):
            found = self.model.scope.named[watch.shape.name]
            if isinstance(found, i.Watch):
                shape = replace(watch.shape, rules=self._rules(found))
                self.watches[position] = replace(watch, shape=shape)

    def _rules(self, item: _ShapeItem) -> tuple[c.Rule, ...]:
        seen: dict[str, i.Rule] = {}
        return tuple(self._rule(item, rule, seen) for rule in item.rules)

    def _rule(self, item: _ShapeItem, rule: i.Rule, seen: dict[str, i.Rule]) -> c.Rule:
        name = rule.name.text
        if name in seen:
            message = f"`{item.name.text}` has a rule `{name}` already"
            related = (Label(seen[name].name.span, "it stands here"),)
            self.findings.error("R0202", rule.name.span, message, related=related)
        seen.setdefault(name, rule)
        condition = Terms(self.model, item.name.text).condition(rule.condition)
        because = "" if rule.because is None else rule.because.text
        tiers: dict[str, c.Tier] = {"mask": "mask", "audit": "audit"}
        return c.Rule(name, tiers.get(rule.tier, ""), condition, because, rule.span)


def _infos(fields: Fields) -> dict[str, c.FieldInfo]:
    return {
        name: c.FieldInfo(found.type, found.cardinality, found.span)
        for name, found in fields.items()
        if found.type is not None
    }
