"""Declared values, tables, names, graphs, operators and functions."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.constants import UNKNOWN, Constant
from rulec.dsl.cycles import Definition, definitions
from rulec.dsl.diagnostics import Label
from rulec.dsl.folding import day_number
from rulec.dsl.kinds import Day, Unknown
from rulec.dsl.quantities import of_type
from rulec.dsl.samples import misfit

if TYPE_CHECKING:
    from rulec.dsl.findings import Findings
    from rulec.dsl.model import Model

_Default = c.Number | c.Text | c.Truth


@dataclass
class Declarations:
    """Everything with a name that is no shape."""

    model: Model
    params: dict[str, c.Param] = field(default_factory=dict)
    inputs: dict[str, c.Input] = field(default_factory=dict)
    names: dict[str, c.Names] = field(default_factory=dict)
    graphs: dict[str, c.Graph] = field(default_factory=dict)
    operators: list[c.Operator] = field(default_factory=list)
    externals: dict[str, c.External] = field(default_factory=dict)

    @property
    def findings(self) -> Findings:
        """Where findings go."""
        return self.model.findings

    def run(self) -> None:
        """What does not depend on shapes."""
        order, endless = definitions(self.model.scope, self.findings)
        for name in endless:
            self.model.types.known[name] = None
            self.model.constants.known[name] = UNKNOWN
            self.model.types.units.known[name] = (Fraction(1), ())
        for definition in order:
            self._resolve(definition)
        for name, item in self.model.scope.named.items():
            match item:
                case i.Param():
                    self._param(name, item)
                case i.Input():
                    self._input(name, item)
                case i.Names():
                    columns = self._columns(name, item.attributes, own=True)
                    scope = "" if item.scope is None else item.scope.text
                    self.names[name] = c.Names(name, columns, item.span, item.open, scope)
                case i.External():
                    self._external(name, item)
                case _:
                    pass

    def _resolve(self, item: Definition) -> None:
        match item:
            case i.TypeDef():
                self.model.types.scalar(s.NamedType(item.name, item.name.span))
            case i.Const():
                self.model.constants.named(item)
            case i.Unit():
                self.model.types.units.resolved(item.name.text)

    def annotated(self, item: i.Const, found: Constant) -> Constant:
        """The value of a constant, after a check that it is one of its stated type."""
        value, _ = found
        if item.type is None or value is None:
            return found
        type_ = self.model.types.value(item.type, "a constant")
        if type_ is None:
            return None, Unknown()
        dated = self._value(type_, value, item.value)
        return dated, self.model.kind(type_)

    def _value(self, type_: c.ScalarType, value: _Default, term: s.Term) -> _Default | None:
        plain: object = value.value
        if isinstance(type_, c.DateType) and isinstance(value, c.Number):
            plain = None
        reason = misfit(type_, plain)
        if reason:
            self.findings.error("R0314", term.span, reason)
            return None
        if isinstance(type_, c.DateType) and isinstance(value, c.Text):
            number = day_number(value.value)
            return None if number is None else c.Number(Fraction(number), value.span)
        if isinstance(type_, c.QuantityType) and (found := of_type(type_, plain)) is not None:
            return c.Number(found[1], value.span)
        return value

    def _param(self, name: str, item: i.Param) -> None:
        type_ = self.model.types.value(item.type, "a parameter")
        self.model.values[name] = type_
        default: _Default | None = None
        if item.default is not None:
            value, kind = self.model.constants.value(item.default)
            if value is not None and type_ is not None:
                dated = isinstance(kind, Day) and isinstance(type_, c.DateType)
                default = value if dated else self._value(type_, value, item.default)
        if type_ is not None:
            plain = None if default is None else default.value
            self.params[name] = c.Param(name, type_, plain, item.span)

    def _input(self, name: str, item: i.Input) -> None:
        if isinstance(item.type, tuple):
            columns = self._columns(name, item.type)
            self.inputs[name] = c.Input(name, columns, None, item.span)
            return
        type_ = self.model.types.value(item.type, "an input")
        self.model.values[name] = type_
        self.inputs[name] = c.Input(name, (), type_, item.span)

    def _columns(
        self, name: str, columns: tuple[i.Column, ...], *, own: bool = False
    ) -> tuple[c.Column, ...]:
        """The columns of a table, or, if the trace defines its names, their attributes."""
        known: dict[str, c.ScalarType | None] = {}
        made: list[c.Column] = []
        first: dict[str, i.Column] = {}
        for column in columns:
            label = column.name.text
            if label in first:
                message = f"`{name}` has a column `{label}` already"
                related = (Label(first[label].span, "it stands here"),)
                self.findings.error("R0202", column.name.span, message, related=related)
                continue
            first[label] = column
            known[label] = self._column(column.type, own)
            self._key(name, column)
            if (type_ := known[label]) is not None:
                made.append(c.Column(label, type_, column.key))
        self.model.columns[name] = known
        return tuple(made)

    def _column(self, type_: s.Type, own: bool) -> c.ScalarType | None:
        types = self.model.types
        return types.attribute(type_) if own else types.value(type_, "a column")

    def _key(self, name: str, column: i.Column) -> None:
        if not column.key:
            return
        if isinstance(self.model.scope.named.get(name), i.Names):
            message = "the key of a name is the name itself"
            self.findings.error("R0204", column.span, message, hint="drop `key`")
        elif name in self.model.keys:
            message = f"`{name}` has a key already: `{self.model.keys[name]}`"
            self.findings.error("R0202", column.span, message, hint="a table has one key")
        else:
            self.model.keys[name] = column.name.text

    def _external(self, name: str, item: i.External) -> None:
        arguments = [self.model.types.scalar(type_) for type_ in item.arguments]
        result = self.model.types.scalar(item.result)
        known = tuple(type_ for type_ in arguments if type_ is not None)
        if len(known) == len(arguments) and result is not None:
            self.externals[name] = c.External(name, known, result, item.span)

    def late(self) -> None:
        """What depends on the fields of shapes."""
        for name, item in self.model.scope.named.items():
            match item:
                case i.Graph():
                    self._graph(name, item)
                case i.Names(scope=s.Ident() as scope):
                    self._scope(name, scope)
                case _:
                    pass

    def _scope(self, name: str, scope: s.Ident) -> None:
        """Names live in a shape, and so are defined in shapes inside of it."""
        if self.model.scope.find(scope, i.Shape, i.Json) is None:
            return
        for field_ in self.model.fields.get(scope.text, {}).values():
            if isinstance(field_.type, c.DefType) and field_.type.names == name:
                message = f"`{name}` live in `{scope.text}`, which defines one that outlives it"
                related = (Label(scope.span, "they live here"),)
                hint = f"define it in a shape inside of `{scope.text}`"
                self.findings.error("R0319", field_.span, message, hint=hint, related=related)

    def _graph(self, name: str, item: i.Graph) -> None:
        if item.node[0].text != item.edges[0].text:
            message = "the nodes and the edges of a graph are fields of one shape"
            self.findings.error("R0317", item.edges[0].span, message)
            return
        node = self._end(item.node, c.DefType, "a node is a field that defines a name")
        edges = self._end(item.edges, c.RefType, "an edge is a field that refers to names")
        names = node.names if isinstance(node, c.DefType) else None
        target = edges.table if isinstance(edges, c.RefType) else None
        if names and target and names != target:
            message = f"the nodes are `{names}`, and the edges lead to `{target}`"
            self.findings.error("R0317", item.edges[1].span, message)
        shape = item.node[0].text
        made = c.Graph(name, shape, item.node[1].text, item.edges[1].text, item.span)
        self.graphs[name] = made

    def _end(self, end: tuple[s.Ident, s.Ident], wanted: type, what: str) -> c.Type | None:
        shape, name = end
        if self.model.scope.find(shape, i.Shape, i.Json) is None:
            return None
        fields = self.model.fields.get(shape.text, {})
        found = fields.get(name.text)
        if found is None:
            if shape.text not in self.model.scope.broken:
                message = f"`{shape.text}` has no field `{name.text}`"
                hint = self.findings.near(name.text, fields)
                self.findings.error("R0209", name.span, message, hint=hint)
            return None
        if found.type is not None and not isinstance(found.type, wanted):
            related = (Label(found.span, "it is declared here"),)
            self.findings.error("R0317", name.span, what, related=related)
            return None
        return found.type

    def signatures(self, items: tuple[i.Operators, ...]) -> None:
        """The operators of expressions over names."""
        words = {
            word
            for columns in self.model.columns.values()
            for type_ in columns.values()
            if isinstance(type_, c.EnumType)
            for word in type_.words
        }
        seen: dict[tuple[str | None, str, str], i.Signature] = {}
        for signature in (one for item in items for one in item.signatures):
            left = None if signature.left is None else signature.left.text
            case = left, signature.op, signature.right.text
            if case in seen:
                related = (Label(seen[case].span, "it stands here"),)
                message = "this operator has a result for these types already"
                if not signature.op:
                    message = "this word is a literal already"
                self.findings.error("R0202", signature.span, message, related=related)
                continue
            seen[case] = signature
            operands = (signature.left, signature.right) if signature.op else ()
            for ident in (*operands, signature.result):
                if ident is not None and ident.text not in words:
                    self._no_word(ident, sorted(words))
            result = signature.result.text
            self.operators.append(c.Operator(*case, result, signature.span))

    def _no_word(self, ident: s.Ident, words: list[str]) -> None:
        if self.model.scope.broken:
            return
        message = f"no name has the type `{ident.text}`"
        hint = self.findings.near(ident.text, words)
        hint = hint or "types are the words of a `one of` attribute of names"
        self.findings.error("R0315", ident.span, message, hint=hint)
