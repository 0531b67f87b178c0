"""What rules can speak of: the fields of shapes and the columns of tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl.kinds import Kind, ListOf, kind_of

if TYPE_CHECKING:
    from rulec.dsl.constants import Constants
    from rulec.dsl.findings import Findings
    from rulec.dsl.scope import Scope
    from rulec.dsl.source import Span
    from rulec.dsl.types import Types


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a shape; `type` None is one that an error has left without a type."""

    name: str
    type: c.Type | None
    cardinality: c.Cardinality
    span: Span


@dataclass
class Model:
    """Filled by the passes over declarations and shapes, read by the pass over rules."""

    scope: Scope
    constants: Constants
    types: Types
    findings: Findings
    fields: dict[str, dict[str, Field]] = field(default_factory=dict)
    columns: dict[str, dict[str, c.ScalarType | None]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    values: dict[str, c.ScalarType | None] = field(default_factory=dict)
    kind_words: frozenset[str] = frozenset()

    def kind(self, type_: c.Type | None) -> Kind:
        """The kind of a value of this type."""
        return kind_of(type_, self.types.dimension(type_))

    def field_kind(self, found: Field) -> Kind:
        """The kind of a field: that of its type, or a list of it."""
        kind = self.kind(found.type)
        return ListOf(kind) if found.cardinality == "list" else kind

    def name_type(self, names: str) -> tuple[str, ...] | None:
        """The words of the only `one of` attribute of a set of names."""
        found = self.columns.get(names, {}).values()
        words = [type_.words for type_ in found if isinstance(type_, c.EnumType)]
        return words[0] if len(words) == 1 else None
