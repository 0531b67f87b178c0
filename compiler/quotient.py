"""The smallest control graph: nodes that behave alike become one."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from rulec.compiler.machine import END, Edge, Exit, Node, Watch
from rulec.compiler.ops import Program, Step, StepExpr

if TYPE_CHECKING:
    from collections.abc import Hashable


def merge_nodes(
    nodes: tuple[Node, ...], start: int, watches: tuple[Watch, ...]
) -> tuple[tuple[Node, ...], int, tuple[Watch, ...]]:
    """Merge the nodes that no text tells apart, and drop those that nothing leads to.

    Expects a graph without two readings. Guarantees the same programs for every text; the end
    stays node 0.
    """
    kept = _reached(nodes, [start, END, *(watch.entry for watch in watches)])
    classes = _classes(nodes, kept)
    numbers: dict[int, int] = {classes[END]: END}
    chosen = [END]
    for node in kept:
        if classes[node] not in numbers:
            numbers[classes[node]] = len(chosen)
            chosen.append(node)
    place = {node: numbers[classes[node]] for node in kept}
    merged = tuple(_moved(nodes[node], place) for node in chosen)
    moved = tuple(replace(watch, entry=place[watch.entry]) for watch in watches)
    return merged, place[start], moved


def _reached(nodes: tuple[Node, ...], roots: list[int]) -> list[int]:
    seen = set(roots)
    queue = list(roots)
    while queue:
        node = nodes[queue.pop()]
        targets = [edge.target for edge in node.edges]
        targets += [way.target for way in (*node.exits, *node.finals)]
        targets += [] if node.escape is None else [node.escape]
        new = set(targets) - seen
        seen |= new
        queue.extend(new)
    return sorted(seen)


def _classes(nodes: tuple[Node, ...], kept: list[int]) -> dict[int, int]:
    """Split classes until the members of each agree on where they lead (Moore)."""
    phases = _phases(nodes, kept)
    classes = _numbered({node: (node == END, phases.get(node)) for node in kept})
    count = 0
    while count != len(set(classes.values())):
        count = len(set(classes.values()))
        classes = _numbered({n: (classes[n], _behaviour(nodes[n], classes)) for n in kept})
    return classes


def _numbered(keys: dict[int, Hashable]) -> dict[int, int]:
    numbers: dict[Hashable, int] = {}
    return {node: numbers.setdefault(key, len(numbers)) for node, key in keys.items()}


def _phases(nodes: tuple[Node, ...], kept: list[int]) -> dict[int, str]:
    """How far a number has come is told by what leads to a node."""
    found: dict[int, str] = {}
    for node in kept:
        for edge in nodes[node].edges:
            for op in edge.ops:
                if isinstance(op, Step | StepExpr):
                    found[edge.target] = op.phase
    return found


def _behaviour(node: Node, classes: dict[int, int]) -> Hashable:
    edges: dict[tuple[Program, int, bool, tuple[int, ...]], int] = {}
    for edge in node.edges:
        key = edge.ops, classes[edge.target], edge.watched, edge.starts
        edges[key] = edges.get(key, 0) | edge.bytes
    return (
        frozenset(edges.items()),
        tuple((way.ops, classes[way.target]) for way in node.exits),
        tuple((way.ops, classes[way.target]) for way in node.finals),
        node.cost,
        node.pending,
        node.prose,
        node.lexical,
        None if node.escape is None else classes[node.escape],
    )


def _moved(node: Node, place: dict[int, int]) -> Node:
    edges: dict[tuple[Program, int, bool, tuple[int, ...]], int] = {}
    for edge in node.edges:
        key = edge.ops, place[edge.target], edge.watched, edge.starts
        edges[key] = edges.get(key, 0) | edge.bytes
    return replace(
        node,
        edges=tuple(Edge(values, *key) for key, values in edges.items()),
        exits=tuple(Exit(way.ops, place[way.target]) for way in node.exits),
        finals=tuple(Exit(way.ops, place[way.target]) for way in node.finals),
        escape=None if node.escape is None else place[node.escape],
    )
