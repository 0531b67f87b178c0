"""Definitions in the order in which they can be worked out."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from rulec.dsl import items as i
from rulec.dsl import syntax as s
from rulec.dsl.descent import nodes
from rulec.dsl.scope import WORDS, Scope

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.dsl.findings import Findings

Definition: TypeAlias = i.TypeDef | i.Const | i.Unit

_SHOWN = 6


def definitions(scope: Scope, findings: Findings) -> tuple[list[Definition], set[str]]:
    """Types, constants and units, each after those it is made of.

    The names in the set are defined by themselves, which is reported; they have no meaning.
    """
    found = {n: item for n, item in scope.named.items() if isinstance(item, Definition)}
    edges = {name: _parts(item, found) for name, item in found.items()}
    number = components(edges)
    order = postorder(edges)
    rings: dict[int, list[str]] = {}
    for name in order:
        rings.setdefault(number[name], []).append(name)
    endless: set[str] = set()
    for ring in rings.values():
        if len(ring) > 1 or ring[0] in edges[ring[0]]:
            endless.update(ring)
            _report(found[ring[-1]], ring, findings)
    return [found[name] for name in order], endless


def _parts(item: Definition, found: Mapping[str, Definition]) -> list[str]:
    parts: dict[str, None] = {}
    for node in nodes(item):
        if isinstance(node, s.Ident | s.Name) and node is not item.name and node.text in found:
            parts[node.text] = None
    return list(parts)


def _report(item: Definition, ring: list[str], findings: Findings) -> None:
    name = item.name.text
    message = f"{WORDS[type(item)]} `{name}` is defined by itself"
    shown = [name, *ring[:-1][::-1][:_SHOWN], *(["…"] if len(ring) > _SHOWN else []), name]
    findings.error("R0205", item.name.span, message, label=" -> ".join(shown))


def postorder(edges: Mapping[str, list[str]]) -> list[str]:
    """Every node after the nodes to which it leads, as far as there are no cycles."""
    order: list[str] = []
    seen: set[str] = set()
    for root in edges:
        stack = [(root, iter(edges[root]))] if root not in seen else []
        seen.add(root)
        while stack:
            node, rest = stack[-1]
            following = next((n for n in rest if n in edges and n not in seen), None)
            if following is None:
                order.append(node)
                stack.pop()
            else:
                seen.add(following)
                stack.append((following, iter(edges[following])))
    return order


def components(edges: Mapping[str, list[str]]) -> dict[str, int]:
    """A number for each node, the same for nodes that reach each other."""
    back: dict[str, list[str]] = {name: [] for name in edges}
    for name, targets in edges.items():
        for target in targets:
            if target in back:
                back[target].append(name)
    number: dict[str, int] = {}
    for count, root in enumerate(reversed(postorder(edges))):
        stack = [root] if root not in number else []
        while stack:
            node = stack.pop()
            if node not in number:
                number[node] = count
                stack.extend(back[node])
    return number
