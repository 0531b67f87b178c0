"""From the syntax tree to checked rules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl.bodies import Bodies
from rulec.dsl.constants import Constants
from rulec.dsl.declarations import Declarations
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.findings import Findings
from rulec.dsl.followers import Followers
from rulec.dsl.model import Model
from rulec.dsl.samples import Samples
from rulec.dsl.scope import Scope
from rulec.dsl.shapes import Elements
from rulec.dsl.source import Span
from rulec.dsl.structure import Structure, walk
from rulec.dsl.terms import Terms
from rulec.dsl.types import Types
from rulec.dsl.units import Units

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class Checked:
    """A checked ruleset, or none if there was an error, and every finding."""

    ruleset: c.Ruleset | None
    diagnostics: tuple[Diagnostic, ...]


def check(file: i.File, lent: Iterable[i.Item] = ()) -> Checked:
    """Check a file together with the items that other files lend it.

    Guarantees that a ruleset is returned only if there are no errors, and that every name,
    type and constant in it is resolved.
    """
    return _Check(file, tuple(lent)).run()


class _Check:
    def __init__(self, file: i.File, lent: tuple[i.Item, ...]) -> None:
        self.file = file
        self.lent = lent
        self.findings = Findings()
        self.scope = Scope(self.findings, broken=file.broken)
        self.scope.declare((*lent, *file.items))
        constants = Constants(self.scope, self.findings)
        units = Units(self.scope, self.findings)
        constants.units = units
        types = Types(self.scope, constants, units, self.findings)
        self.model = Model(self.scope, constants, types, self.findings)
        constants.terms = Terms(self.model).check
        self.declarations = Declarations(self.model)
        constants.annotated = self.declarations.annotated

    def run(self) -> Checked:
        """Every pass, in order."""
        self.declarations.run()
        items = (*self.lent, *self.file.items)
        operators = tuple(item for item in items if isinstance(item, i.Operators))
        self.declarations.signatures(operators)
        bodies = Bodies(self.model)
        bodies.run()
        self.declarations.late()
        trace = self._trace()
        self._structure(bodies, trace)
        bodies.rules()
        samples = self._samples(bodies)
        header = self._header()
        found = tuple(self.findings.found)
        failed = any(finding.severity == "error" for finding in found)
        if failed or trace is None or self.file.broken:
            return Checked(None, found)
        return Checked(self._ruleset(header, bodies, trace, samples), found)

    def _header(self) -> tuple[str, str]:
        headers = [item for item in self.file.items if isinstance(item, i.Header)]
        if not headers:
            name = self.file.source.name.replace("\\", "/").rsplit("/", 1)[-1]
            return name.removesuffix(".rules"), ""
        first = headers[0]
        if self.file.items[0] is not first:
            message = "`ruleset` stands at the top of its file"
            self.findings.error("R0410", first.span, message)
        for other in headers[1:]:
            message = "a file has one `ruleset` line"
            related = (Label(first.span, "the first one"),)
            self.findings.error("R0410", other.span, message, related=related)
        return first.name.text, first.version.text

    def _trace(self) -> c.Element | None:
        traces = [item for item in self.file.items if isinstance(item, i.Trace)]
        if not traces:
            if "<trace>" not in self.file.broken:
                self._no_trace()
            return None
        for other in traces[1:]:
            message = "a ruleset has one `trace`"
            related = (Label(traces[0].span, "the first one"),)
            self.findings.error("R0405", other.span, message, related=related)
        element, fields = Elements(self.model).element(traces[0].element, "one")
        for found in fields.values():
            message = "the trace has no fields of its own"
            hint = "put it into a shape, whose rules can speak of its fields"
            self.findings.error("R0410", found.span, message, hint=hint)
        return element

    def _no_trace(self) -> None:
        shapes = [n for n, x in self.scope.named.items() if isinstance(x, i.Shape | i.Json)]
        hint = f"write `trace {shapes[-1]}`" if shapes else "write `trace prose`"
        end = len(self.file.source.text)
        place = Span(self.file.source, end, end)
        if self.file.items:
            first = self.file.items[0].span
            place = Span(first.source, first.start, min(first.end, first.start + 7))
        message = "this ruleset has no `trace`"
        self.findings.error("R0405", place, message, hint=hint)

    def _typed(self, element: c.Element) -> None:
        """Expressions are over names that have a type."""
        for part in walk(element):
            if not isinstance(part, c.Slot) or not isinstance(part.type, c.ExprType):
                continue
            names = part.type.names
            known = names is None or self.model.name_type(names) is not None
            if known or None in self.model.columns.get(names or "", {}).values():
                continue
            message = f"the names of `{names}` have no type, and expressions need one"
            hint = f"a type is the only `one of` attribute: `names {names} {{ kind: Kind }}`"
            self.findings.error("R0315", part.span, message, hint=hint)

    def _structure(self, bodies: Bodies, trace: c.Element | None) -> None:
        structure = Structure(bodies.shapes, self.findings)
        for shape in bodies.shapes.values():
            structure.check(shape.body)
            self._typed(shape.body)
        for watch in bodies.watches:
            structure.check(watch.shape.body)
            self._typed(watch.shape.body)
            if structure.nullable(watch.shape.body):
                message = f"the watch `{watch.shape.name}` matches the empty text"
                hint = "it must begin with something that can be recognised"
                self.findings.error("R0403", watch.span, message, hint=hint)
        if trace is not None:
            structure.check(trace)
            self._typed(trace)
        structure.recursion()
        Followers(bodies.shapes, structure, self.findings).check(trace)

    def _samples(self, bodies: Bodies) -> tuple[c.Sample, ...]:
        rules = frozenset(
            rule.name
            for shape in (*bodies.shapes.values(), *(w.shape for w in bodies.watches))
            for rule in shape.rules
        )
        d = self.declarations
        samples = Samples(d.params, d.inputs, rules, self.scope, self.findings)
        found = (item for item in self.file.items if isinstance(item, i.Sample))
        return tuple(samples.sample(item) for item in found)

    def _ruleset(
        self,
        header: tuple[str, str],
        bodies: Bodies,
        trace: c.Element,
        samples: tuple[c.Sample, ...],
    ) -> c.Ruleset:
        d = self.declarations
        return c.Ruleset(
            name=header[0],
            version=header[1],
            params=d.params,
            inputs=d.inputs,
            names=d.names,
            graphs=d.graphs,
            operators=tuple(d.operators),
            units=self.model.types.units.all(),
            externals=d.externals,
            shapes=bodies.shapes,
            watches=tuple(bodies.watches),
            trace=trace,
            samples=samples,
            span=Span(self.file.source, 0, len(self.file.source.text)),
        )
