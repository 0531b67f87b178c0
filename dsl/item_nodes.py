"""Nodes of items, made from what the parser has put together."""

from __future__ import annotations

from typing import Any

from lark import Token, Tree

from rulec.dsl import items as i
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.source import Span
from rulec.dsl.syntax import Ident
from rulec.dsl.term_nodes import Children, TermNodes

DEEPEST = 100


class ItemNodes(TermNodes):
    """One method a production of `item` and what only items hold."""

    def build(self, tree: Tree[Token]) -> i.Item | None:
        """The node of a whole item; None, with a finding, if it is nested too deep."""
        stack: list[tuple[Tree[Token], int, Children]] = [(tree, 0, [])]
        while True:
            node, at, done = stack.pop()
            if at < len(node.children):
                child: Any = node.children[at]
                stack.append((node, at + 1, done))
                if isinstance(child, Tree):
                    stack.append((child, 0, []))
                else:
                    done.append(child)
                if len(stack) > DEEPEST:
                    self._too_deep(tree, self._place_of(node))
                    return None
                continue
            built = getattr(self, f"_{node.data}")(self._place_of(node), done)
            if not stack:
                return built  # type: ignore[no-any-return]
            stack[-1][2].append(built)

    def _place_of(self, tree: Tree[Token]) -> Span:
        meta = tree.meta
        if meta.empty:
            return Span(self.source, 0, 0)
        return Span(self.source, meta.start_pos, meta.end_pos)

    def _too_deep(self, tree: Tree[Token], place: Span) -> None:
        whole = self._place_of(tree)
        end = whole.end if place.start == place.end else place.end
        message = f"this is nested more than {DEEPEST} deep"
        where = Label(Span(self.source, place.start, end), "")
        hint = "split it into rules or shapes of their own"
        self.diagnostics.append(Diagnostic("R0602", message, where, hint=hint))

    def _header(self, span: Span, children: Children) -> i.Header:
        return i.Header(self.ident(children[0]), self.quoted(children[1]), span)

    def _use(self, span: Span, children: Children) -> i.Use:
        return i.Use(self.quoted(children[0]), span)

    def _typedef(self, span: Span, children: Children) -> i.TypeDef:
        return i.TypeDef(self.ident(children[0]), children[1], span)

    def _const(self, span: Span, children: Children) -> i.Const:
        return i.Const(self.ident(children[0]), children[1], children[2], span)

    def _param(self, span: Span, children: Children) -> i.Param:
        return i.Param(self.ident(children[0]), children[1], children[2], span)

    def _column(self, span: Span, children: Children) -> i.Column:
        name, key = self.ident(children[1]), children[0] is not None
        return i.Column(name, children[2], key, span)

    def _table(self, _span: Span, children: Children) -> tuple[i.Column, ...]:
        return tuple(children)

    def _attributes(self, _span: Span, children: Children) -> tuple[i.Column, ...]:
        return tuple(children)

    def _input(self, span: Span, children: Children) -> i.Input:
        return i.Input(self.ident(children[0]), children[1], span)

    def _names(self, span: Span, children: Children) -> i.Names:
        scope = None if children[1] is None else self.ident(children[1])
        return i.Names(self.ident(children[0]), children[2] or (), span, scope=scope)

    def _open_names(self, span: Span, children: Children) -> i.Names:
        return i.Names(self.ident(children[0]), (), span, open=True)

    def _graph(self, span: Span, children: Children) -> i.Graph:
        name, shape, node, other, edges = (self.ident(token) for token in children)
        return i.Graph(name, (shape, node), (other, edges), span)

    def _operators(self, span: Span, children: Children) -> i.Operators:
        return i.Operators(tuple(children), span)

    def _infix(self, span: Span, children: Children) -> i.Signature:
        left, op, right, result = children
        idents = self.ident(left), self.ident(right), self.ident(result)
        return i.Signature(idents[0], str(op), idents[1], idents[2], span)

    def _prefix(self, span: Span, children: Children) -> i.Signature:
        op, right, result = children
        return i.Signature(None, str(op), self.ident(right), self.ident(result), span)

    def _literal_word(self, span: Span, children: Children) -> i.Signature:
        word, result = children
        return i.Signature(None, "", self.ident(word), self.ident(result), span)

    def _measure(self, _span: Span, children: Children) -> Children:
        return children

    def _unit(self, span: Span, children: Children) -> i.Unit:
        factor, powers = children[1] or (None, ())
        return i.Unit(self.ident(children[0]), factor, powers, span)

    def _arguments(self, _span: Span, children: Children) -> tuple[Any, ...]:
        return tuple(children)

    def _external(self, span: Span, children: Children) -> i.External:
        return i.External(self.ident(children[0]), children[1], children[2], span)

    def _rule(self, span: Span, children: Children) -> i.Rule:
        tier, name, condition, because = children
        reason = None if because is None else self.quoted(because)
        return i.Rule(str(tier or ""), self.ident(name), condition, reason, span)

    def _rules(self, _span: Span, children: Children) -> tuple[i.Rule, ...]:
        return tuple(children)

    def _shape(self, span: Span, children: Children) -> i.Shape:
        name, depth, body, rules = children
        bound = None if depth is None else self.number(depth)
        return i.Shape(self.ident(name), bound, body, rules, span)

    def _everywhere(self, _span: Span, _children: Children) -> tuple[()]:
        return ()

    def _within(self, _span: Span, children: Children) -> tuple[Ident, Ident]:
        return self.ident(children[0]), self.ident(children[1])

    def _watch(self, span: Span, children: Children) -> i.Watch:
        name, place, body, rules = children
        return i.Watch(self.ident(name), place or None, body, rules, span)

    def _listing(self, _span: Span, children: Children) -> Children:
        return children

    def _member(self, span: Span, children: Children) -> i.JsonMember:
        name, optional, type_ = children
        listing = isinstance(type_, list)
        item, count = type_ if listing else (type_, None)
        present = optional is not None
        return i.JsonMember(self.ident(name), present, item, listing, count, span)

    def _members(self, _span: Span, children: Children) -> tuple[i.JsonMember, ...]:
        return tuple(children)

    def _json(self, span: Span, children: Children) -> i.Json:
        compact, name, depth, members, rules = children
        bound = None if depth is None else self.number(depth)
        return i.Json(self.ident(name), compact is not None, bound, members, rules, span)

    def _trace(self, span: Span, children: Children) -> i.Trace:
        return i.Trace(children[0], span)

    def _array(self, span: Span, children: Children) -> i.Array:
        return i.Array(tuple(children), span)

    def _entry(self, _span: Span, children: Children) -> tuple[Ident, i.Value]:
        key = children[0]
        if key.type == "STRING":
            return Ident(self.quoted(key).text, self.place(key)), children[1]
        return self.ident(key), children[1]

    def _object(self, span: Span, children: Children) -> i.Object:
        return i.Object(tuple(children), span)

    def _given(self, _span: Span, children: Children) -> i.Object:
        return children[0]  # type: ignore[no-any-return]

    def _accept(self, span: Span, children: Children) -> i.Sample:
        return self._sample(None, children, span)

    def _reject(self, span: Span, children: Children) -> i.Sample:
        by = None if children[0] is None else self.ident(children[0])
        return self._sample(by, children[1:], span, accept=False)

    def _sample(
        self, by: Ident | None, children: Children, span: Span, *, accept: bool = True
    ) -> i.Sample:
        inputs, token = children
        text = token if isinstance(token, Token) else token.children[0]
        return i.Sample(accept, by, inputs, self.quoted(text), span)
