"""Rules over lists of values, and over functions of the embedding program, to terms.

A list of values is one that is read out of a text (`numbers`, `operands`), the items before one
(`earlier`), or a list of the trace of which a condition asks again and again.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass, replace
from typing import TYPE_CHECKING

from rulec.compiler import terms
from rulec.compiler.lower import FOLDS, Held, Item, Lowerer, Many, Scope, lists_of, refuse
from rulec.compiler.opaque import called, calls
from rulec.compiler.places import Instance, Scalar
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.terms import Fold, Term
    from rulec.dsl.source import Span


_OF_VALUES: dict[str, Fold] = {**FOLDS, "sorted": "sorted"}


class SourceLowerer(Lowerer):
    """Lowers all rules of a ruleset, those over lists of values and functions too."""

    def _applied(
        self, term: checked.Call | checked.Comprehension, this: Instance, scope: Scope
    ) -> Term:
        if isinstance(term, checked.Comprehension):
            return self._gone_through(term, this, scope)
        if term.function in self._layout.ruleset.externals:
            given = tuple(self._term(part, this, scope) for part in term.arguments)
            return terms.Called(term.function, given)
        if term.function == "entails":
            premises, claim = term.arguments
            return terms.Entails(
                self._premises(premises, this, scope), self._term(claim, this, scope)
            )
        if term.function in _OF_VALUES and len(term.arguments) == 1:
            source = self._source(term.arguments[0], this, scope)
            if source is not None:
                number = _depth(scope)
                counted = term.function == "count"
                body = terms.Const(True) if counted else terms.Bound(number)
                each = terms.Each(_OF_VALUES[term.function], number, source, body)
                return self._settled(each, term.span, term.arguments[0].span)
        return super()._applied(term, this, scope)

    def _gone_through(self, term: checked.Comprehension, this: Instance, scope: Scope) -> Term:
        source = self._source(term.source, this, scope)
        if source is None and self._again(term.source, term.body, this, scope):
            source = self._listed(term.source, this, scope)
        if source is None:
            many = self._many(term.source, this, scope)
            return self._sooner(self._comprehension(term, this, scope), many)
        if _records(term.source):
            raise refuse(f"`{term.source.span.text}` without a field", term.source.span)
        number = _depth(scope)
        item = Item(terms.Bound(number), _table_of(term.source))
        body = self._term(term.body, this, {**scope, term.variable: item})
        each = terms.Each(_OF_VALUES[term.function], number, source, body)
        return self._settled(each, term.span, term.source.span)

    def _settled(self, each: terms.Each, whole: Span, source: Span) -> Term:
        """What is gathered, or else its list, where the request tells it."""
        found = self._given.known(each, whole.text)
        if found is not each:
            return found
        return replace(each, source=self._given.known(each.source, source.text))

    def _sooner(self, term: Term, many: Many) -> Term:
        """What follows from few formulas settles `all` and `any` before their list closes.

        Formulas with many names wait until then, and have no part in the fold that does not.
        """
        fold = self.folds[term.fold] if isinstance(term, terms.Folded) else None
        if fold is None or not fold.late or called(fold.body):
            return term
        if not calls(fold.body) or fold.function not in ("all", "any"):
            return term
        both = self._folded(fold.function, many, fold.body), term
        return terms.Every(both) if fold.function == "all" else terms.Some(both)

    def _lookup(
        self, term: checked.Index | checked.InList, this: Instance, scope: Scope
    ) -> Term:
        if isinstance(term, checked.InList) and not isinstance(term.source, checked.Parameter):
            source = self._source(term.source, this, scope)
            if source is None and self._again(term.source, term.term, this, scope):
                source = self._listed(term.source, this, scope)
            if source is not None:
                held = self._given.known(source, term.source.span.text)
                return terms.Among(self._term(term.term, this, scope), held)
        return super()._lookup(term, this, scope)

    def _again(
        self, source: checked.Term, body: checked.Term, this: Instance, scope: Scope
    ) -> bool:
        """Whether a list is gone through anew for each item of a list that isn't around it.

        A fold can't tell: it takes in its own items, one after the other.
        """
        read = [scope[name] for name in _variables(body) if name in scope]
        if not read or isinstance(source, checked.Parameter):
            return False
        inner = self._layout.lists[self._many(source, this, scope).lists[0]].count
        return not all(
            isinstance(held, Instance) and held.first <= inner < held.end for held in read
        )

    def _held(self, term: checked.Term, this: Instance, scope: Scope) -> Held:
        if isinstance(term, checked.Call) and term.function in ("first", "last"):
            source = self._source(term.arguments[0], this, scope)
            if source is not None:
                return Item(self._term(term, this, scope), _table_of(term.arguments[0]))
        return super()._held(term, this, scope)

    # --- lists of values ---

    def _source(self, term: checked.Term, this: Instance, scope: Scope) -> Term | None:
        """The list of values that a term is, if it is one."""
        match term:
            case checked.Parameter(name):
                return self._rows(name, this, term.span)
            case checked.Member(checked.Parameter(table), column):
                source = self._rows(table, this, term.span)
                number = _depth(scope)
                body = self._looked_up(table, terms.Bound(number), column, term.span)
                return terms.Each("items", number, source, body)
            case checked.Call("numbers", (text,)):
                return terms.Numbers(self._term(text, this, scope))
            case checked.Call("operands", (field,)):
                held = self._held(field, this, scope)
                if not isinstance(held, Scalar):
                    raise refuse(f"`{term.span.text}`", term.span)
                written = self._layout.fields[held.field]
                return terms.Operands(terms.Read(held.register), written.digits)
            case _ if _is_earlier(term):
                many = self._before(term, scope)
                if isinstance(many.item, Instance):
                    return self._folded("earlier", many, terms.Const(True))
                return self._values("earlier", many, term.span)
            case _:
                return None

    def _rows(self, table: str, this: Instance, span: Span) -> Term:
        """The rows of a table, by their keys; names are there when their lists are closed."""
        found = [
            self._layout.lists[number].phase
            for shape, names in self._layout.definitions()
            for number in (lists_of(this, shape) if names == table else ())
        ]
        return terms.Entries(self._table(table, span).register, tuple(dict.fromkeys(found)))

    def _listed(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        """A list of the trace, held until it closes."""
        many = self._many(term, this, scope)
        if isinstance(many.item, Instance):
            raise refuse(
                f"`{term.span.text}` for each item of another list or of itself", term.span
            )
        return self._values("items", many, term.span)

    def _premises(self, term: checked.Term, this: Instance, scope: Scope) -> Term:
        """A list of formulas, or the list of one."""
        source = self._source(term, this, scope)
        if source is not None:
            return source
        if isinstance(term, checked.Member):
            held = self._held(term, this, scope)
            if isinstance(held, Many):
                return self._values("items", held, term.span)
        return terms.Listing((self._term(term, this, scope),))

    def _before(self, term: checked.Term, scope: Scope) -> Many:
        """The items before one, or a field of theirs."""
        match term:
            case checked.Member(of, name):
                inner = self._before(of, scope)
                held = self._member(inner, name, term.span)
                if isinstance(held, Many) and held.lists == inner.lists:
                    return held
            case checked.Call("earlier", (checked.Variable(name),)):
                item = scope[name]
                if isinstance(item, Instance) and item.list is not None:
                    return Many((item.list,), item)
        raise refuse(f"`{term.span.text}`", term.span)

    def _values(self, function: Fold, many: Many, span: Span) -> Term:
        item = many.item
        found = None if isinstance(item, Instance) else self._value_at(item, "value")
        if found is not None:
            return self._folded(function, many, found)
        raise refuse(f"`{span.text}` as a list of values", span)


def _depth(scope: Scope) -> int:
    """How many lists of values are being gone through."""
    return sum(isinstance(held, Item) for held in scope.values())


def _table_of(source: checked.Term) -> str:
    """The table whose rows a list of values goes through; empty where it is no table."""
    return source.name if isinstance(source, checked.Parameter) else ""


def _is_earlier(term: checked.Term) -> bool:
    """Whether a term is `earlier(item)`, or a path that begins so."""
    match term:
        case checked.Member(of):
            return _is_earlier(of)
        case checked.Call("earlier"):
            return True
        case _:
            return False


def _records(term: checked.Term) -> bool:
    return isinstance(term, checked.Call) and term.function == "earlier"


def _variables(term: object) -> Iterator[str]:
    """The names of the variables in a term."""
    if isinstance(term, checked.Variable):
        yield term.name
    elif isinstance(term, tuple):
        for part in term:
            yield from _variables(part)
    elif is_dataclass(term) and not isinstance(term, type):
        for part in fields(term):
            if part.name != "span":
                yield from _variables(getattr(term, part.name))
