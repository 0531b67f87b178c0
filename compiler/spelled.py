"""The control of fields that are spelled out: words and texts."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rulec.compiler.automata import Dfa, literals_dfa, regex_dfa, rooms
from rulec.compiler.entries import Entry, once, reachable_words
from rulec.compiler.ops import EndName, EndText, EndWord, StepWord, Take, TakeName
from rulec.compiler.places import MOST_REGISTERS
from rulec.compiler.trailing import NOTHING

if TYPE_CHECKING:
    from rulec.compiler.graph import Graph
    from rulec.compiler.machine import Field
    from rulec.compiler.ops import Begin, Program
    from rulec.dsl.regex import Regex


def words(graph: Graph, spec: Field, begin: Begin, end: Program, then: Entry) -> Entry:
    """One of a field's words."""
    spelled = [spec.spelled(word).encode() for word in spec.words]
    dfa, ends = literals_dfa(spelled)

    def laid() -> int:
        reachable = reachable_words(dfa, ends)
        nodes = [graph.node() for _ in dfa.transitions]
        for node, row in zip(nodes, dfa.transitions, strict=True):
            for byte, state in enumerate(row):
                if state >= 0:
                    ops = (StepWord(reachable[state]),) if spec.rules else ()
                    graph.edge(node, 1 << byte, ops, nodes[state])
        for state, word in ends.items():
            graph.exit(nodes[state], (EndWord(begin.field, word), *end), then(NOTHING))
        before = graph.node(weight=max(map(len, spelled)))
        graph.exit(before, (begin,), nodes[0])
        return before

    return Entry(graph, once(laid))


class Taken(NamedTuple):
    """What is done with a text: it is kept for rules, and it differs from those before it."""

    keep: bool
    differs: bool


def text(
    graph: Graph, regex: Regex | None, taken: Taken, begin: Begin, end: Program, then: Entry
) -> Entry:
    """A text that a regular expression matches as a whole."""
    dfa = regex_dfa(regex) if regex is not None else Dfa(((-1,) * 256,), frozenset())
    room = rooms(dfa, MOST_REGISTERS) if taken.differs else (0,) * len(dfa.transitions)
    take: dict[int, Program] = {state: (Take(count),) for state, count in enumerate(room)}
    closing: Program = (EndText(begin.field, taken.differs), *end)

    def laid() -> int:
        takes = take.__getitem__ if taken.keep else nothing
        first = graph.automaton(dfa, takes, closing, then(NOTHING))
        before = graph.node()
        graph.exit(before, (begin,), first)
        return before

    return Entry(graph, once(laid))


class Spelling(NamedTuple):
    """How a name is spelled, and whether names of its table can be promised."""

    dfa: Dfa
    promised: bool


def name(
    graph: Graph, spelling: Spelling, spec: Field, begin: Begin, end: Program, then: Entry
) -> Entry:
    """A name, new or of a table: which ones there are is known while the trace is written."""
    dfa, promised = spelling
    new = spec.kind == "def" or spec.forward
    room = rooms(dfa, MOST_REGISTERS) if new else (-1,) * len(dfa.transitions)
    room = tuple(0 if count >= MOST_REGISTERS else count for count in room)
    take: dict[int, Program] = {
        state: (TakeName(count, promised),) for state, count in enumerate(room)
    }
    closing: Program = (EndName(begin.field), *end)

    def laid() -> int:
        first = graph.automaton(dfa, take.__getitem__, closing, then(NOTHING), free=True)
        before = graph.node(weight=spec.longest)
        graph.exit(before, (begin,), first)
        return before

    return Entry(graph, once(laid))


def nothing(_: int) -> Program:
    """No program, whatever state is reached."""
    return ()
