"""The names of a ruleset and what each of them stands for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from rulec.dsl import items as i
from rulec.dsl.diagnostics import Label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rulec.dsl.findings import Findings
    from rulec.dsl.source import Span
    from rulec.dsl.syntax import Ident

Named: TypeAlias = (
    i.TypeDef
    | i.Const
    | i.Param
    | i.Input
    | i.Names
    | i.Graph
    | i.Unit
    | i.External
    | i.Shape
    | i.Json
    | i.Watch
)

WORDS: dict[type, str] = {
    i.TypeDef: "type",
    i.Const: "constant",
    i.Param: "parameter",
    i.Input: "input",
    i.Names: "set of names",
    i.Graph: "graph",
    i.Unit: "unit",
    i.External: "external function",
    i.Shape: "shape",
    i.Json: "shape",
    i.Watch: "watch",
}
BUILT_IN_TYPES = frozenset((
    "int", "decimal", "number", "percent", "fraction", "date", "bool", "text", "prose",
    "expr", "quantity", "def", "ref", "formula", "one", "table",
))  # fmt: skip
FUNCTIONS = frozenset((
    "abs", "floor", "ceil", "round", "round_even", "min", "max", "sum", "count",
    "first", "last", "distinct", "sorted", "present", "defined", "typeof", "unitof",
    "numbers", "operands", "earlier", "entails", "acyclic", "rooted", "reaches",
    "depth", "degree", "all", "any",
))  # fmt: skip
RESERVED = frozenset(("true", "false", "not", "if", "prev"))


@dataclass
class Scope:
    """Every named item, by name, in the order of the file."""

    findings: Findings
    named: dict[str, Named] = field(default_factory=dict)
    broken: frozenset[str] = frozenset()

    def declare(self, items: Iterable[i.Item]) -> None:
        """Enter the items that have a name; a name is one kind of thing."""
        for item in items:
            if not isinstance(item, Named):
                continue
            name = item.name.text
            if _built_in(item, name):
                message = f"`{name}` is built in and cannot be declared"
                self.findings.error("R0208", item.name.span, message)
            elif name in self.named:
                self._clash(item, self.named[name])
            else:
                self.named[name] = item

    def _clash(self, item: Named, first: Named) -> None:
        what = WORDS[type(first)]
        article = "an" if what[0] in "aei" else "a"
        message = f"`{item.name.text}` is already the name of {article} {what}"
        related = (Label(first.name.span, "it is declared here"),)
        self.findings.error("R0202", item.name.span, message, related=related)

    def find(self, ident: Ident, *wanted: type, what: str = "") -> Named | None:
        """The item of that name, which must be one of the wanted classes.

        None, with a finding unless its own declaration is in error, if it is not.
        """
        item = self.named.get(ident.text)
        what = what or WORDS[wanted[0]]
        if isinstance(item, wanted):
            return item
        if item is not None:
            self._wrong(ident, item, what)
        elif not self.forgiven(ident.text):
            names = [name for name, found in self.named.items() if isinstance(found, wanted)]
            self.unknown(ident.span, what, ident.text, names)
        return None

    def forgiven(self, name: str) -> bool:
        """Whether a name may be missing because of an error that has been told."""
        return name in self.broken or "<use>" in self.broken

    def unknown(self, span: Span, what: str, name: str, names: Iterable[str]) -> None:
        """Say that there is no such thing, and which one may have been meant."""
        hint = self.findings.near(name, names)
        self.findings.error("R0201", span, f"there is no {what} `{name}`", hint=hint)

    def _wrong(self, ident: Ident, item: Named, what: str) -> None:
        is_ = WORDS[type(item)]
        message = f"`{ident.text}` is a {is_}, and a {what} is needed here"
        message = message.replace(" a input", " an input").replace(
            " a external", " an external"
        )
        related = (Label(item.name.span, "it is declared here"),)
        self.findings.error("R0204", ident.span, message, related=related)


def _built_in(item: Named, name: str) -> bool:
    if name in RESERVED:
        return True
    if isinstance(item, i.TypeDef | i.Shape | i.Json | i.Watch):
        return name in BUILT_IN_TYPES
    return isinstance(item, i.External) and name in FUNCTIONS
