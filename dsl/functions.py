"""The built-in functions, and those that the embedding program registers."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from rulec.dsl import checked as c
from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.agreement import Agreement, Checked, ordered
from rulec.dsl.folding import FoldError, apply, bounded
from rulec.dsl.kinds import (
    Bool,
    Kind,
    ListOf,
    Num,
    Proposition,
    Record,
    Row,
    Str,
    Table,
    Typed,
    Unknown,
    Word,
    describe,
)
from rulec.dsl.scope import FUNCTIONS

if TYPE_CHECKING:
    from collections.abc import Callable

    from rulec.dsl.findings import Findings
    from rulec.dsl.model import Model
    from rulec.dsl.paths import Paths

MOST_ROUNDED = 15

_ARITY: dict[str, tuple[int, int]] = {
    "round": (1, 2),
    "round_even": (1, 2),
    "min": (1, 64),
    "max": (1, 64),
    "entails": (2, 2),
    "rooted": (2, 2),
    "reaches": (3, 3),
}
_NUMERIC = frozenset(("abs", "floor", "ceil", "round", "round_even"))
_OF_LISTS = frozenset(("sum", "count", "first", "last", "distinct", "sorted"))
_OF_GRAPHS = frozenset(("acyclic", "rooted", "reaches", "depth", "degree"))


@dataclass
class Functions:
    """Checks calls."""

    model: Model
    paths: Paths
    check: Callable[[s.Term], Checked]

    @property
    def findings(self) -> Findings:
        """Where findings go."""
        return self.model.findings

    @property
    def agreement(self) -> Agreement:
        """How kinds are compared."""
        return Agreement(self.model.constants, self.findings)

    def call(self, term: s.Call) -> Checked:
        """A call of any function."""
        name = term.function.text
        if name not in FUNCTIONS:
            return self._external(term)
        if name in {"all", "any"}:
            hint = f"write `{name}(x in list: condition)`"
            message = f"`{name}` needs a variable that runs through a list"
            self.findings.error("R0304", term.span, message, hint=hint)
            return self._made(term, [], Unknown())
        if not self._count_fits(term, *_ARITY.get(name, (1, 1))):
            return self._made(term, [], Unknown())
        if name in _OF_GRAPHS:
            return self._graph(term)
        arguments = [self.check(argument) for argument in term.arguments]
        return self._plain(term, name, arguments)

    def _plain(self, term: s.Call, name: str, arguments: list[Checked]) -> Checked:
        if name in _NUMERIC:
            return self._numeric(term, arguments)
        if name in {"min", "max"}:
            return self._extreme(term, arguments)
        if name in _OF_LISTS:
            return self._of_list(term, arguments)
        method: Callable[[s.Call, list[Checked]], Checked] = getattr(self, f"_{name}")
        return method(term, arguments)

    def _made(self, term: s.Call, arguments: list[Checked], kind: Kind) -> Checked:
        values = tuple(value for value, _ in arguments)
        return c.Call(term.function.text, values, term.span), kind

    def _count_fits(self, term: s.Call, least: int, most: int) -> bool:
        given = len(term.arguments)
        if least <= given <= most:
            return True
        wanted = str(least) if least == most else f"{least} to {most}"
        plural = "" if wanted == "1" else "s"
        message = (
            f"`{term.function.text}` takes {wanted} argument{plural}, and this has {given}"
        )
        self.findings.error("R0304", term.span, message)
        return False

    def _numeric(self, term: s.Call, arguments: list[Checked]) -> Checked:
        name = term.function.text
        kind = self.agreement.number(arguments[0])[1]
        if name in {"round", "round_even"}:
            digits = c.Number(Fraction(0), term.span)
            if len(arguments) == 1:
                arguments = [arguments[0], (digits, Num())]
            elif not self._digits(arguments[1]):
                arguments[1] = (digits, Num())
        return self._folded(term, arguments, kind)

    def _digits(self, argument: Checked) -> bool:
        value = argument[0]
        number = value.value if isinstance(value, c.Number) else Fraction(1, 2)
        if number.denominator == 1 and 0 <= number <= MOST_ROUNDED:
            return True
        message = f"the digits to round to are a constant from 0 to {MOST_ROUNDED}"
        self.findings.error("R0307", value.span, message)
        return False

    def _folded(self, term: s.Call, arguments: list[Checked], kind: Kind) -> Checked:
        values = [value.value for value, _ in arguments if isinstance(value, c.Number)]
        if len(values) == len(arguments):
            try:
                folded = apply(term.function.text, tuple(values))
                if folded is not None:
                    return c.Number(bounded(folded), term.span), kind
            except FoldError as error:
                self.findings.error("R0307", term.span, str(error))
        return self._made(term, arguments, kind)

    def _extreme(self, term: s.Call, arguments: list[Checked]) -> Checked:
        if len(arguments) == 1:
            return self._of_list(term, arguments)
        for position in range(1, len(arguments)):
            first, other = self.agreement.pair(arguments[0], arguments[position], term.span)
            arguments[0], arguments[position] = first, other
        kind = arguments[0][1]
        if not ordered(kind) and not isinstance(kind, ListOf | Table):
            message = (
                f"`{term.function.text}` is of numbers or dates, and this is {describe(kind)}"
            )
            self.findings.error("R0302", term.span, message)
            kind = Unknown()
        return self._folded(term, arguments, kind)

    def _of_list(self, term: s.Call, arguments: list[Checked]) -> Checked:
        name, (source, kind) = term.function.text, arguments[0]
        item = self.paths.item(source, kind)
        if name in {"min", "max", "sorted"} and not ordered(item):
            message = f"`{name}` needs numbers or dates, and this is {describe(kind)}"
            self.findings.error("R0302", source.span, message)
            item = Unknown()
        elif name == "sum":
            sample: Checked = (c.Truth(value=True, span=source.span), item)
            item = self.agreement.number(sample)[1]
        elif name == "distinct" and isinstance(item, Record | Typed):
            message = f"`distinct` compares values, and this is {describe(kind)}"
            hint = "compare a field of the items: `distinct(lines.sku)`"
            self.findings.error("R0302", source.span, message, hint=hint)
        results: dict[str, Kind] = {"count": Num(), "distinct": Bool(), "sorted": Bool()}
        return self._made(term, arguments, results.get(name, item))

    def _present(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        if not isinstance(value, c.Member) and not isinstance(kind, Unknown):
            message = "`present` asks for a field"
            self.findings.error("R0304", value.span, message)
        return self._made(term, arguments, Bool())

    def _defined(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        if not isinstance(kind, Row | Unknown):
            message = f"`defined` asks for a reference, and this is {describe(kind)}"
            hint = "for text, write `x in names`"
            self.findings.error("R0304", value.span, message, hint=hint)
        return self._made(term, arguments, Bool())

    def _typeof(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        if isinstance(kind, Unknown):
            return self._made(term, arguments, kind)
        names = kind.names if isinstance(kind, Typed) else ""
        names = kind.table if isinstance(kind, Row) else names
        words = self.model.name_type(names)
        if words is None:
            message = f"{describe(kind)} has no type to ask for"
            hint = "a name's type is its only `one of` attribute: `names vars { kind: Kind }`"
            self.findings.error("R0315", value.span, message, hint=hint)
            return self._made(term, arguments, Unknown())
        return self._made(term, arguments, Word(words))

    def _unitof(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        found = self.paths.field(value)
        is_quantity = found is not None and isinstance(found.type, c.QuantityType | None)
        if not is_quantity and not isinstance(kind, Unknown):
            message = "`unitof` asks for a field that is a quantity"
            self.findings.error("R0304", value.span, message)
        type_ = None if found is None else found.type
        words = type_.units if isinstance(type_, c.QuantityType) else ()
        kind = Word(tuple(word for word, _ in words)) if words else Unknown()
        return self._made(term, arguments, kind)

    def _numbers(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        if not isinstance(kind, Str | Unknown):
            message = f"`numbers` reads a string, and this is {describe(kind)}"
            self.findings.error("R0304", value.span, message)
        return self._made(term, arguments, ListOf(Num()))

    def _operands(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        found = self.paths.field(value)
        is_expression = found is not None and found.type in (None, c.ExprType())
        if not is_expression and not isinstance(kind, Unknown):
            message = "`operands` asks for a field that is an expression"
            self.findings.error("R0304", value.span, message)
        return self._made(term, arguments, ListOf(Num()))

    def _earlier(self, term: s.Call, arguments: list[Checked]) -> Checked:
        value, kind = arguments[0]
        if isinstance(kind, Unknown):
            return self._made(term, arguments, kind)
        if not isinstance(kind, Record) or not isinstance(value, c.Variable):
            message = "`earlier` asks for a variable that runs through a list of a shape"
            hint = "as in `all(c in calcs: … earlier(c).result)`"
            self.findings.error("R0304", value.span, message, hint=hint)
            return self._made(term, arguments, Unknown())
        return self._made(term, arguments, ListOf(kind))

    def _entails(self, term: s.Call, arguments: list[Checked]) -> Checked:
        for value, kind in arguments:
            inner = kind.item if isinstance(kind, ListOf) else kind
            if not isinstance(inner, Proposition | Unknown):
                message = f"`entails` is of formulas, and this is {describe(kind)}"
                self.findings.error("R0304", value.span, message)
        self.agreement.condition((arguments[1][0], _claim(arguments[1][1])))
        return self._made(term, arguments, Bool())

    def _graph(self, term: s.Call) -> Checked:
        name, first = term.function.text, term.arguments[0]
        arguments: list[Checked] = [self.check(node) for node in term.arguments[1:]]
        if not isinstance(first, s.Name):
            message = f"the first argument of `{name}` is the name of a graph"
            self.findings.error("R0304", first.span, message)
            return self._made(term, [], Unknown())
        graph = self.model.scope.find(s.Ident(first.text, first.span), i.Graph)
        for value, kind in arguments:
            if not isinstance(kind, Row | Str | Unknown):
                message = f"a node is a name, and this is {describe(kind)}"
                self.findings.error("R0304", value.span, message)
        values = (c.Text(first.text, first.span), *(value for value, _ in arguments))
        result: Kind = Num() if name in {"depth", "degree"} else Bool()
        kind = Unknown() if graph is None else result
        return c.Call(name, values, term.span), kind

    def _external(self, term: s.Call) -> Checked:
        arguments = [self.check(argument) for argument in term.arguments]
        item = self.model.scope.named.get(term.function.text)
        if not isinstance(item, i.External):
            self._no_function(term)
            return self._made(term, arguments, Unknown())
        wanted = [self.model.types.scalar(type_) for type_ in item.arguments]
        if self._count_fits(term, len(wanted), len(wanted)):
            for position, (argument, type_) in enumerate(zip(arguments, wanted, strict=True)):
                sample: Checked = (c.Truth(value=True, span=term.span), self.model.kind(type_))
                pair = self.agreement.pair(argument, sample, argument[0].span)
                arguments[position] = pair[0]
        return self._made(
            term, arguments, self.model.kind(self.model.types.scalar(item.result))
        )

    def _no_function(self, term: s.Call) -> None:
        name = term.function.text
        scope = self.model.scope
        externals = [n for n, item in scope.named.items() if isinstance(item, i.External)]
        if name in scope.named:
            scope.find(term.function, i.External, what="function")
        elif not scope.forgiven(name):
            scope.unknown(
                term.function.span, "function", name, [*sorted(FUNCTIONS), *externals]
            )


def _claim(kind: Kind) -> Kind:
    """A claim is a single formula: a list of them is no condition either."""
    return kind if isinstance(kind, ListOf) else Bool()
