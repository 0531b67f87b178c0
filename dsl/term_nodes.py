"""Nodes of types, elements and terms, made from what the parser has put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from rulec.dsl import syntax as s
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.source import Source, Span
from rulec.dsl.strings import read_long, read_string

if TYPE_CHECKING:
    from lark.lexer import Token

LONGEST_NUMBER = 40

Children = list[Any]
Pair = tuple[Any, Any]


@dataclass
class Leaves:
    """Nodes of single tokens."""

    source: Source
    diagnostics: list[Diagnostic] = field(default_factory=list)

    def place(self, token: Token) -> Span:
        """Where a token stands."""
        return Span(self.source, token.start_pos or 0, token.end_pos or 0)

    def ident(self, token: Token) -> s.Ident:
        """A name."""
        return s.Ident(str(token), self.place(token))

    def quoted(self, token: Token) -> s.Quoted:
        """A string, short or long."""
        span = self.place(token)
        read = read_long if token.type == "LONG_STRING" else read_string
        text, findings = read(self.source, span.start, span.end)
        self.diagnostics.extend(findings)
        return s.Quoted(text, span)

    def regex_text(self, token: Token) -> s.RegexText:
        """A regular expression, not looked into."""
        body = str(token)[1:]
        return s.RegexText(body.removesuffix("/"), self.place(token))

    def number(self, token: Token) -> s.Number:
        """A number; what the scanner has found wrong counts as far as it reads."""
        text = str(token).replace("_", "")
        kept = "".join(char for char in text if char.isascii() and char in "0123456789.")
        if len(kept) > LONGEST_NUMBER:
            message = f"a number has at most {LONGEST_NUMBER} digits"
            finding = Diagnostic("R0603", message, Label(self.place(token), ""))
            self.diagnostics.append(finding)
            kept = "0"
        return s.Number(Fraction(kept if kept.strip(".") else "0"), self.place(token))

    def amount(self, token: Token) -> s.Number | s.Ident:
        """A count: a whole number or the name of one."""
        return self.number(token) if token.type == "WHOLE" else self.ident(token)


@dataclass
class TermNodes(Leaves):
    """One method a production of `types`, `elements` and `rules` in the grammar."""

    # types

    def _range(self, _span: Span, children: Children) -> Pair:
        return children[0], children[1]

    def _int_type(self, span: Span, children: Children) -> s.IntType:
        low, high = children[0] or (None, None)
        return s.IntType(low, high, children[1] is not None, span)

    def _decimal_type(self, span: Span, children: Children) -> s.DecimalType:
        low, high = children[1] or (None, None)
        return s.DecimalType(children[0], low, high, children[2] is not None, span)

    def _date_type(self, span: Span, children: Children) -> s.DateType:
        low, high = children[0] or (None, None)
        return s.DateType(low, high, span)

    def _number_type(self, span: Span, _children: Children) -> s.PlainType:
        return s.PlainType("number", span)

    def _percent_type(self, span: Span, _children: Children) -> s.PlainType:
        return s.PlainType("percent", span)

    def _fraction_type(self, span: Span, _children: Children) -> s.PlainType:
        return s.PlainType("fraction", span)

    def _bool_type(self, span: Span, _children: Children) -> s.PlainType:
        return s.PlainType("bool", span)

    def _plain_text(self, span: Span, _children: Children) -> s.PlainType:
        return s.PlainType("text", span)

    def _words_type(self, span: Span, children: Children) -> s.WordsType:
        return s.WordsType(tuple(self.quoted(token) for token in children), span)

    def _text_type(self, span: Span, children: Children) -> s.TextType:
        return s.TextType(self.regex_text(children[0]), span)

    def _expr_type(self, span: Span, children: Children) -> s.ExprType:
        return s.ExprType(self.ident(children[0]) if children else None, span)

    def _powers(self, _span: Span, children: Children) -> tuple[s.Power, ...]:
        signs = [1, *(1 if token == "*" else -1 for token in children[1::2])]
        units = [self.ident(token) for token in children[::2]]
        return tuple(s.Power(unit, sign) for unit, sign in zip(units, signs, strict=True))

    def _quantity_type(self, span: Span, children: Children) -> s.QuantityType:
        return s.QuantityType(children[0], children[1], span)

    def _attribute(self, _span: Span, children: Children) -> Pair:
        return self.ident(children[0]), self.ident(children[1])

    def _def_type(self, span: Span, children: Children) -> s.DefType:
        regex = self.regex_text(children[1]) if children[1] is not None else None
        return s.DefType(self.ident(children[0]), regex, tuple(children[2:]), span)

    def _ref_type(self, span: Span, children: Children) -> s.RefType:
        return s.RefType(self.ident(children[0]), children[1] is not None, span)

    def _formula_type(self, span: Span, children: Children) -> s.FormulaType:
        return s.FormulaType(self.ident(children[0]), span)

    def _prose(self, span: Span, children: Children) -> s.ProseType:
        without = self.regex_text(children[1]) if children[1] is not None else None
        return s.ProseType(children[0], without, span)

    def _named(self, span: Span, children: Children) -> s.NamedType:
        return s.NamedType(self.ident(children[0]), span)

    # elements

    def _exactly(self, span: Span, children: Children) -> s.Count:
        amount = self.amount(children[0])
        return s.Count(amount, amount, span)

    def _between(self, span: Span, children: Children) -> s.Count:
        return s.Count(self.amount(children[0]), self.amount(children[1]), span)

    def _at_most(self, span: Span, children: Children) -> s.Count:
        return s.Count(None, self.amount(children[0]), span)

    def _at_least(self, span: Span, children: Children) -> s.Count:
        return s.Count(self.amount(children[0]), None, span)

    def _literal(self, span: Span, children: Children) -> s.Literal:
        return s.Literal(self.quoted(children[0]).text, span)

    def _pattern(self, span: Span, children: Children) -> s.Pattern:
        return s.Pattern(self.regex_text(children[0]), span)

    def _cut(self, span: Span, _children: Children) -> s.Cut:
        return s.Cut(span)

    def _field(self, span: Span, children: Children) -> s.Slot:
        return s.Slot(self.ident(children[0]), children[1], span)

    def _unnamed(self, span: Span, children: Children) -> s.Slot:
        return s.Slot(None, children[0], span)

    def _unnamed_name(self, span: Span, children: Children) -> s.Slot:
        return s.Slot(None, self._named(span, children), span)

    def _body(self, _span: Span, children: Children) -> tuple[s.Element, ...]:
        return tuple(children)

    def _group(self, span: Span, children: Children) -> s.Group:
        return s.Group(tuple(children), span)

    def _maybe(self, _span: Span, _children: Children) -> tuple[str, None, None]:
        return "?", None, None

    def _any_number(self, _span: Span, children: Children) -> tuple[str, None, Any]:
        return "*", None, self._separator(children[1])

    def _at_least_one(self, _span: Span, children: Children) -> tuple[str, None, Any]:
        return "+", None, self._separator(children[1])

    def _times(self, _span: Span, children: Children) -> tuple[str, s.Count, Any]:
        return "{", children[0], self._separator(children[1])

    def _separator(self, token: Token | None) -> s.Quoted | None:
        return None if token is None else self.quoted(token)

    def _repeat(self, span: Span, children: Children) -> s.Repeat:
        sign, count, separator = children[1]
        return s.Repeat(children[0], sign, count, separator, span)

    # rules

    def _number(self, _span: Span, children: Children) -> s.Number:
        return self.number(children[0])

    def _truth(self, span: Span, children: Children) -> s.Truth:
        return s.Truth(str(children[0]) == "true", span)

    def _text(self, span: Span, children: Children) -> s.Text:
        return s.Text(self.quoted(children[0]).text, span)

    def _name(self, span: Span, children: Children) -> s.Name:
        return s.Name(str(children[0]), span)

    def _call(self, span: Span, children: Children) -> s.Call:
        return s.Call(self.ident(children[0]), tuple(children[1:]), span)

    def _quantified(self, span: Span, children: Children) -> s.Quantified:
        function, variable, source, body = children
        return s.Quantified(self.ident(function), self.ident(variable), source, body, span)

    def _member_of(self, span: Span, children: Children) -> s.Member:
        return s.Member(children[0], self.ident(children[1]), span)

    def _index(self, span: Span, children: Children) -> s.Index:
        return s.Index(children[0], children[1], span)

    def _negative(self, span: Span, children: Children) -> s.Negative:
        return s.Negative(children[1], span)

    def _binary(self, span: Span, children: Children) -> s.Binary:
        left, op, right = children
        return s.Binary(str(op), left, right, span)

    def _chain(self, span: Span, children: Children) -> s.Chain:
        links = zip(children[1::2], children[2::2], strict=True)
        return s.Chain(children[0], tuple((str(op), term) for op, term in links), span)

    def _interval(self, span: Span, children: Children) -> s.Interval:
        return s.Interval(children[0], children[1], span)

    def _choices(self, span: Span, children: Children) -> s.Choices:
        return s.Choices(tuple(children), span)

    def _inside(self, span: Span, children: Children) -> s.Inside:
        return s.Inside(children[0], children[1], negated=False, span=span)

    def _outside(self, span: Span, children: Children) -> s.Inside:
        return s.Inside(children[0], children[2], negated=True, span=span)

    def _negated(self, span: Span, children: Children) -> s.Negated:
        return s.Negated(children[1], span)

    def _both(self, span: Span, children: Children) -> s.Both:
        return s.Both(tuple(children[::2]), span)

    def _either(self, span: Span, children: Children) -> s.Either:
        return s.Either(tuple(children[::2]), span)

    def _implies(self, span: Span, children: Children) -> s.Implies:
        return s.Implies(children[0], children[1], span)

    def _choose(self, span: Span, children: Children) -> s.Choose:
        return s.Choose(children[0], children[1], children[2], span)

    def _fallback(self, span: Span, children: Children) -> s.Fallback:
        return s.Fallback(children[0], children[1], span)
