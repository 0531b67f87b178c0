"""The states of a machine's nodes, and the ways between them.

A node has a state for every set of debts that may be open there (`rulec.compiler.owed`). What
items of a repeat cost isn't known yet: an arc says how many it leaves owed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler import ops as m
from rulec.compiler.owed import Effect, Owed, effect, whole

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rulec.compiler.ways import Way, Ways


class Arc(NamedTuple):
    """A way between two states; behind it `owing` has registers, and the items owed by each.

    It may begin to define a name, or promise one; one that `fills` may find its list full.
    """

    source: int
    target: int
    tokens: int
    owing: tuple[tuple[int, int], ...] = ()
    defines: bool = False
    promises: bool = False
    fills: bool = False


class Group(NamedTuple):
    """States that cost as much as the dearest of some arcs, and the tokens given with each."""

    arcs: tuple[Arc, ...]
    states: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Arcs:
    """All arcs of a machine.

    `sure` are those that are always open, `doubtful` those that may be barred; where a choice
    has only such ways, one of them is open; `further` ones are
    taken for promises only. `onward` lead to one more item of a repeat whose
    items have one price, with its register. `landed` are the nodes at which other items begin.
    """

    owed: Owed
    sure: list[Arc] = field(default_factory=list)
    doubtful: list[Arc] = field(default_factory=list)
    further: list[Arc] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    onward: list[tuple[int, Arc]] = field(default_factory=list)
    landed: set[int] = field(default_factory=set)


def lay_arcs(owed: Owed, ways: Ways) -> Arcs:
    """The arcs of a machine's open ways."""
    made = Arcs(owed)
    for way in ways:
        _lay(made, way, effect(way.ops))
    made.groups += _choices(made)
    made.groups += _short(owed, ways)
    return made


def _choices(made: Arcs) -> Iterator[Group]:
    """The choices that have only doubtful ways."""
    first, nodes = made.owed.first, made.owed.machine.nodes
    fixed = {arc.source for arc in made.sure}
    for number, node in enumerate(nodes):
        if node.edges:
            fixed.update(range(first[number], first[number + 1]))
    chosen: dict[int, list[Arc]] = {}
    for arc in made.doubtful:
        if arc.source not in fixed:
            chosen.setdefault(arc.source, []).append(arc)
    for state, arcs in chosen.items():
        yield Group(tuple(arcs), ((state, 0),))


def _lay(made: Arcs, way: Way, does: Effect) -> None:
    behind = {debt.register for debt in made.owed.debts[way.target] if debt.bit}
    if behind & (does.begun | does.counted):
        made.landed.add(way.target)
    plain = [d.register for d in made.owed.debts[way.source] if not d.bit]
    counted = [register for register in plain if register in does.counted]
    arcs = list(_over(made.owed, way, does))
    if way.further:
        made.further += arcs
    elif counted:
        made.onward += [(counted[0], arc) for arc in arcs]
    elif way.doubtful:
        made.doubtful += arcs
    else:
        made.sure += arcs


def _over(owed: Owed, way: Way, does: Effect) -> Iterator[Arc]:
    """A way, for every set of debts that may be open behind it."""
    tokens, owing = way.tokens, []
    counts = (op for op in way.ops if isinstance(op, m.Count))
    fills = any(op.most is not None and op.register in does.counted for op in counts)
    for debt in owed.debts[way.target]:
        if debt.register in does.begun:
            if debt.prose:
                tokens += debt.least
            else:
                owing.append((debt.register, debt.least - (2 if debt.bit else 1)))
    source, target = owed.first[way.source], owed.first[way.target]
    for behind in range(owed.first[way.target + 1] - target):
        before = _before(owed, way, does, behind)
        if before is not None:
            arc = Arc(source + before, target + behind, tokens, tuple(owing))
            yield arc._replace(defines=way.defines, promises=way.promises, fills=fills)


def _before(owed: Owed, way: Way, does: Effect, behind: int) -> int | None:
    """The debts that are open before a way where those `behind` it are; None for none."""
    here = {debt.register for debt in owed.debts[way.source]} - does.begun
    there = {debt.register: debt for debt in owed.debts[way.target]}
    if any(d.bit and d.register not in here and not behind & d.bit for d in there.values()):
        return None  # what begins owes something
    opened = 0
    for debt in owed.debts[way.source]:
        later = there.get(debt.register)
        if not debt.bit or later is None or debt.register not in here:
            continue  # what is left owes nothing
        still = bool(behind & later.bit)
        if still == (debt.register in does.counted):
            if still:
                return None  # the last item that was owed
            continue
        if debt.prose:
            return None  # a prose that is too short goes on until it isn't
        opened |= debt.bit
    return opened


# --- limited prose ---


def _short(owed: Owed, ways: Ways) -> Iterator[Group]:
    """Prose that is too short: it goes on to where it could end, wherever that will be."""
    inside: dict[int, list[int]] = {}
    for number, debts in enumerate(owed.debts):
        if debts and debts[-1].prose:
            inside.setdefault(debts[-1].register, []).append(number)
    for nodes in inside.values():
        endless, tokens = _endless(owed, ways, nodes)
        bit = owed.debts[nodes[0]][-1].bit
        for others in range(bit):
            yield Group(
                tuple(Arc(-1, owed.first[node] + others, 0) for node in sorted(endless)),
                tuple((owed.first[n] + others + bit, far) for n, far in tokens.items()),
            )


def _endless(owed: Owed, ways: Ways, nodes: list[int]) -> tuple[set[int], dict[int, int]]:
    """The nodes among which characters can come for ever, and how near to them others are."""
    machine, inside = owed.machine, set(nodes)
    moves = [
        (node, edge.target, any(isinstance(op, m.Letter) and op.begins for op in edge.ops))
        for node in nodes
        for edge in machine.nodes[node].edges
        if edge.target in inside
        and ways.values(edge)
        and not any(isinstance(op, m.Broken) for op in edge.ops)
    ]
    endless = {node for node in nodes if not owed.held[node] and whole(machine.nodes[node])}
    count = 0
    while count != len(endless):
        count = len(endless)
        kept = [(a, b) for a, b, begins in moves if begins and a in endless and b in endless]
        endless = {a for a, _ in kept} & {b for _, b in kept}
    tokens = dict.fromkeys(sorted(endless), 0)
    reached, far = endless, 0
    while reached:
        far += 1
        reached = {a for a, b, _ in moves if b in reached and a not in tokens}
        tokens |= dict.fromkeys(sorted(reached), far)
    return endless, tokens
