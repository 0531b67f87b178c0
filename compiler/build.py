"""Checked rules to the byte machine's control."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from typing_extensions import assert_never

from rulec.compiler import expressions, numbers, spelled, typed
from rulec.compiler.automata import Dfa, regex_dfa, search_dfa
from rulec.compiler.entries import (
    PERCENT_SIGN,
    Entry,
    has_cut,
    has_looped_cut,
    longest_number,
    once,
    run_of,
    shortest_number,
    spelling_of,
)
from rulec.compiler.graph import Graph
from rulec.compiler.json_strings import Strings, lay_string, strings_without
from rulec.compiler.machine import Pending, Watch
from rulec.compiler.ops import (
    Absent,
    Begin,
    Check,
    CloseScope,
    Count,
    Cut,
    Define,
    Enough,
    Guarded,
    ItemClose,
    ItemOpen,
    Kept,
    ListClose,
    OpenScope,
    Program,
    Reset,
)
from rulec.compiler.owing import Owing
from rulec.compiler.places import Instance, Layout, Listed, Nowhere, Place, Scalar, place_of
from rulec.compiler.prose import Prose, Watching, alphabet
from rulec.compiler.support import unwritten_lists
from rulec.compiler.tables import spelling
from rulec.compiler.trailing import CHAIN, NOTHING, NUMBER, OWED, Trailing
from rulec.dsl import checked
from rulec.dsl.json_text import CHARACTER, escaped_regex
from rulec.dsl.regex import Concat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rulec.compiler.machine import Field
    from rulec.compiler.plan import Plan
    from rulec.compiler.tiers import Assignment


@dataclass(frozen=True, slots=True)
class _Loop:
    """A repeat whose items are counted: their cost is known when the graph is laid."""

    head: list[int]
    bodies: list[int]
    tails: list[int]
    register: int
    least: int
    between: int


@dataclass
class Builder:
    """Lays the control graph of a plan."""

    plan: Plan
    assigned: Assignment
    graph: Graph = field(default_factory=Graph)
    proses: list[Prose] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    watches: list[Watch] = field(default_factory=list)
    loops: list[_Loop] = field(default_factory=list)
    counters: list[int] = field(default_factory=list)
    later: list[Callable[[], None]] = field(default_factory=list)
    _watch: int | None = None
    _behind: Trailing = OWED
    _inner: bool = False
    _repeating: bool = False
    _run: int = -1

    @cached_property
    def owing(self) -> Owing:
        """Which guards ask for names only."""
        return Owing(self.plan, self.assigned)

    @property
    def layout(self) -> Layout:
        """The registers."""
        return self.plan.layout

    def trace(self, root: Instance) -> int:
        """The whole trace; returns its first node."""
        tables = (keyed.table for keyed in self.layout.tables.values())
        kept = tuple(Kept(n) for n, table in enumerate(tables) if table.owed >= 0)
        end = self._through(kept, Entry(self.graph, lambda _: 0))
        start = self._body(root, end)(NOTHING)
        self._lay_rest()
        return start

    def _lay_rest(self) -> None:
        """What was put off, so that long texts don't nest calls; then the proses."""
        while True:
            while self.later:
                self.later.pop()()
            nodes = {node: prose for prose in self.proses for node in prose.nodes.values()}
            before = len(nodes), len(self.proses)
            for prose in self.proses:
                entries = [(n, self.watches[n].entry) for n in prose.looking]
                prose.watches = tuple(Watching(n, *alphabet(self.graph, e)) for n, e in entries)
                prose.lay(nodes)
            if not self.later and before == (
                sum(len(p.nodes) for p in self.proses),
                len(self.proses),
            ):
                return

    def _entry(self, lay: Callable[[Trailing], int]) -> Entry:
        return Entry(self.graph, lay)

    def _through(self, ops: Program, then: Entry, *, weight: int = 0) -> Entry:
        """A program, and then on."""
        if not ops:
            return then

        def lay(after: Trailing) -> int:
            node = self.graph.node(weight=weight)
            self.graph.exit(node, ops, then(after))
            return node

        return self._entry(lay)

    # --- shapes ---

    def _body(self, instance: Instance, then: Entry) -> Entry:
        """The text of one instance, its rules tested behind it."""
        rules = self.plan.rules_of(instance)
        tested: Program = (Check(rules),) if rules else ()
        scopes = [(s.number, s.registers, s.saved) for s in self.layout.scopes(instance)]
        closed: Program = tuple(CloseScope(*scope) for scope in scopes)
        closing = (*tested, *closed, *self._defining(instance))
        outer, self._repeating = self._repeating, False
        entry = self._element(instance.shape.body, instance, self._through(closing, then))
        self._repeating = outer
        return self._through(tuple(OpenScope(*scope) for scope in scopes), entry)

    def _defining(self, instance: Instance) -> Program:
        """The names that a shape defines enter their tables when it closes."""
        found: list[Define] = []
        for number in self.plan.definitions(instance):
            type_ = self.layout.types[number]
            given = dict(type_.attributes) if isinstance(type_, checked.DefType) else {}
            table = self.layout.table_of(self.plan.fields[number]).table
            sources = [instance.members[given[column.name]] for column in table.columns]
            registers = tuple(s.register for s in sources if isinstance(s, Scalar))
            found.append(Define(number, registers, self.layout.gathered.get(number, -1)))
        links = self.layout.links.get(instance.first, ())
        closed = [link.closed for link in links if link.closed >= 0]
        rules = self.plan.rules_reading(closed)
        return (*found, *links, *((Check(rules),) if rules else ()))

    def _opened(self, instance: Instance, then: Entry) -> Entry:
        resets = self.plan.resets(instance)
        opening: Program = (Reset(resets),) if resets else ()
        return self._through(opening, self._body(instance, then))

    def _element(self, element: checked.Element, into: Instance, then: Entry) -> Entry:
        return self._entered(element, self._inside(element, into, self._left(element, then)))

    def _entered(self, _element: checked.Element, entry: Entry) -> Entry:
        """The way into an element, for those who mark where it begins."""
        return entry

    def _left(self, _element: checked.Element, then: Entry) -> Entry:
        """The way on behind an element, for those who mark where it ends."""
        return then

    def _inside(self, element: checked.Element, into: Instance, then: Entry) -> Entry:
        match element:
            case checked.Literal(text):
                return self._literal(text, then)
            case checked.Pattern():
                return self._unnamed(element, then)
            case checked.Cut():
                guard = self._guarded(into, element, 0)
                return self._through((Cut(self._watch or 0), *guard), then)
            case checked.Slot():
                return self._slot(element, into, then)
            case checked.Sequence(parts):
                if element.separator:
                    return self._separated(element, into, then)
                return self._sequence(parts, into, then)
            case checked.Choice(options):
                return self._choice(element, options, into, then)
            case checked.Optional(body):
                return self._choice(element, (body, None), into, then)
            case checked.Repeat():
                return self._repeat(element, into, then)
            case _:
                assert_never(element)

    def _sequence(
        self, parts: tuple[checked.Element, ...], into: Instance, then: Entry
    ) -> Entry:
        inner = self._inner
        cuts = [has_cut(part) for part in parts]
        for position in reversed(range(len(parts))):
            self._inner = inner and not any(cuts[:position])
            then = self._element(parts[position], into, then)
        self._inner = inner
        return then

    def _separated(self, sequence: checked.Sequence, into: Instance, then: Entry) -> Entry:
        """Parts with a separator: `first` is where none has been written yet."""
        first = later = then
        for part in reversed(sequence.parts):
            if isinstance(part, checked.Optional):
                options = (part.body, None)
                body = self._element(part.body, into, self._left(part, later))
                ways = [body, self._left(part, first)]
                first = self._entered(part, self._ways(part, options, ways, into))
                ways = [self._parted(sequence, into, body), self._left(part, later)]
                later = self._entered(part, self._ways(part, options, ways, into))
            else:
                first = self._element(part, into, later)
                later = self._parted(sequence, into, first)
        return first

    def _parted(
        self, element: checked.Sequence | checked.Repeat, into: Instance, then: Entry
    ) -> Entry:
        """A separator, and then on."""
        if element.spacing is not None:
            then = self._element(element.spacing, into, then)
        return self._literal(element.separator, then)

    def _literal(self, text: str, then: Entry) -> Entry:
        if not text:
            return then

        def laid() -> int:
            behind = self.graph.node()
            self.later.append(lambda: self.graph.exit(behind, (), then(NOTHING)))
            return self.graph.literal(text.encode(), behind)

        return self._entry(once(laid))

    def _unnamed(self, pattern: checked.Pattern, then: Entry) -> Entry:
        if pattern.regex.node == Concat(()):
            return then
        run = run_of(pattern.regex)
        if run is None or self._watch is not None:
            return self._pattern(regex_dfa(pattern.regex), then)
        if self._run < 0:  # runs don't nest: one register counts them all
            self._run = self.layout.register(0)
        return self._entry(lambda after: self.graph.run(*run, self._run, then(after)))

    def _pattern(self, dfa: Dfa, then: Entry) -> Entry:
        def laid() -> int:
            return self.graph.automaton(dfa, spelled.nothing, (), then(NOTHING))

        if 0 not in dfa.accepting:
            return self._entry(once(laid))

        def lay(after: Trailing) -> int:
            node = self.graph.node()
            self.graph.exit(node, (), then(after))
            first = self.graph.automaton(dfa, spelled.nothing, (), then(NOTHING))
            self.graph.drafts[node].edges.extend(self.graph.drafts[first].edges)
            return node

        return self._entry(lay)

    def _guarded(self, into: Instance, element: checked.Element, way: int) -> Program:
        """The test of one way on from a choice."""
        number = self.assigned.places.get((id(into), id(element), way))
        return () if number is None else (Guarded(number, self.owing.free(number)),)

    def _choice(
        self,
        element: checked.Element,
        options: tuple[checked.Element | None, ...],
        into: Instance,
        then: Entry,
    ) -> Entry:
        """One of the options; None is nothing at all."""
        ways = [then if o is None else self._element(o, into, then) for o in options]
        return self._ways(element, options, ways, into)

    def _ways(
        self,
        element: checked.Element,
        options: tuple[checked.Element | None, ...],
        ways: list[Entry],
        into: Instance,
    ) -> Entry:
        """A choice, with the way on of each option."""
        written = [self.plan.written(option, into) for option in options]
        everything = frozenset().union(*written)
        entries = []
        for way, (option, own) in enumerate(zip(options, written, strict=True)):
            guard = self._guarded(into, element, way)
            lists = () if self._repeating else unwritten_lists(option, options, into)
            entries.append(((*guard, *self._absent(everything - own, lists, into)), ways[way]))

        def lay(after: Trailing) -> int:
            node = self.graph.node()
            for ops, entry in entries:
                self.graph.exit(node, ops, entry(after))
            return node

        return self._entry(lay)

    def _absent(self, fields: frozenset[int], lists: Sequence[int], into: Instance) -> Program:
        """What a way leaves out: fields are absent, lists stay empty, and rules know it."""
        registers = [self.layout.fields[number].register for number in sorted(fields)]
        registers += self.plan.unwritten(fields)
        gone: Program = (Absent(tuple(registers)),) if registers else ()
        closed: Program = tuple(ListClose(number) for number in lists)
        rules = {*self.plan.rules_reading(registers), *self._folding(lists, into)}
        return (*gone, *closed, Check(tuple(sorted(rules)))) if rules else (*gone, *closed)

    def _folding(self, lists: Sequence[int], into: Instance) -> set[int]:
        """The rules over lists that stay empty, but those of shapes that are left out too."""
        inner = {
            done
            for place in self.layout.instances
            if into.first < place.first and place.end <= into.end
            for done in place.done
        }
        folding = self.plan.rules_folding(lists)
        return {rule for rule in folding if self.plan.rules[rule].done not in inner}

    # --- repeats ---

    def _repeat(self, element: checked.Repeat, into: Instance, then: Entry) -> Entry:
        closing = self.plan.closed_by(element, into)
        ops: list[ListClose | Check] = [ListClose(number) for number in closing]
        rules = self.plan.rules_folding(closing)
        leave = self._through((*ops, Check(rules)) if rules else tuple(ops), then)
        if element.high == 0:
            return leave
        return self._loop(element, into, leave)

    def _loop(self, element: checked.Repeat, into: Instance, leave: Entry) -> Entry:
        counted = element.low > 1 or element.high is not None
        known = self.layout.counters.get((id(into), id(element)))
        register = -1 if not counted else self._counter() if known is None else known
        once: Program = (Count(register, element.high),) if counted else ()
        enough: Program = (Enough(register, element.low),) if element.low > 1 else ()
        ending, going = (self._guarded(into, element, way) for way in range(2))
        after = self._behind_an_item(ending, element, into)
        once, enough = (*going, *once), (*enough, *after)
        # A list that may have to go on costs as much as its last item can make it.
        unsure = any(isinstance(op, Guarded) and not op.owed for op in after)
        least = element.high if unsure and element.high is not None else element.low
        loop = _Loop([], [], [], register, least, len(element.separator.encode()))
        outer = self.graph.pending
        if least > 1:
            self.graph.pending = (*outer, Pending(register, least, 0))
            self.loops.append(loop)

        def again(after: Trailing) -> int:
            node = tail.promise(after)
            loop.tails.append(node)
            self.graph.exit(node, enough, leave(after))
            separated = self._parted(element, into, body) if element.separator else body
            self.graph.exit(node, once, separated(after))
            return node

        tail = self._entry(again)
        within, self._repeating = self._repeating, True
        body = self._element(element.body, into, tail)
        self._repeating = within
        self.graph.pending = outer

        def lay(after: Trailing) -> int:
            node = self.graph.node()
            loop.head.append(node)
            start: Program = (Reset((register,)),) if counted else ()
            loop.bodies.append(body(after))
            self.graph.exit(node, (*start, *once), body(after))
            if element.low == 0:
                self.graph.exit(node, (*start, *ending), leave(after))
            return node

        return self._entry(lay)

    def _behind_an_item(
        self, ending: Program, element: checked.Repeat, into: Instance
    ) -> Program:
        """The test of a list's end where it has an item."""
        return tuple(
            replace(op, owed=op.owed or self.owing.after(op.guard, element, into))
            for op in ending
            if isinstance(op, Guarded)
        )

    def _counter(self) -> int:
        register = self.layout.register(0)
        self.counters.append(register)
        return register

    def count_loops(self) -> None:
        """Give every counted repeat the cost of its items, the innermost first."""
        for number in reversed(range(len(self.loops))):
            loop = self.loops[number]
            each = self.graph.distance(loop.bodies, loop.tails) + loop.between
            for head in loop.head:
                self.graph.drafts[head].weight = (loop.least - 1) * each
            for draft in self.graph.drafts:
                draft.pending = tuple(
                    replace(owed, each=each) if owed.register == loop.register else owed
                    for owed in draft.pending
                )

    # --- fields ---

    def _slot(self, slot: checked.Slot, into: Instance, then: Entry) -> Entry:
        place = place_of(slot, into)
        if place is None or isinstance(place, Nowhere):  # a way that leads to no end
            return self._entry(lambda _: self.graph.node())
        begin = self.assigned.places.get((id(into), id(slot), 0), -1)
        if not isinstance(place, Listed):
            return self._place(place, begin, then)
        rules = self.plan.rules_folding((place.list,))
        closing: Program = (ItemClose(place.list), *((Check(rules),) if rules else ()))
        item = self._place(place.item, begin, self._through(closing, then))
        return self._through((ItemOpen(place.list),), item)

    def _place(self, place: Place, guard: int, then: Entry) -> Entry:
        match place:
            case Instance():
                return self._opened(place, then)
            case Scalar(number):
                return self._field(Begin(number, guard), then)
            case Nowhere():
                return self._entry(lambda _: self.graph.node())
            case _:
                return then

    def _field(self, begin: Begin, then: Entry) -> Entry:
        number = begin.field
        spec = self.plan.fields[number]
        end: Program = (Check(spec.rules),) if spec.rules else ()
        type_ = self.layout.types[number]
        match spec.kind:
            case "number" | "fraction" | "date" | "expr":
                behind = NUMBER if self._watch is None else self._behind
                inner = self._inner
                return self._entry(
                    once(lambda: self._numeric(begin, type_, end, then(behind), inner))
                )
            case "word":
                return spelled.words(self.graph, spec, begin, end, then)
            case "text":
                return self._text(begin, type_, end, then)
            case "prose" if spec.quoted:
                return self._string(type_, end, then)
            case "prose":
                return self._prose(number, type_, end, then)
            case "typed" | "formula":
                return self._entry(once(lambda: self._typed(begin, end, then)))
            case "ref" | "def":
                names = self._names_of(spec, type_)
                return spelled.name(self.graph, names, spec, begin, end, then)
            case _:
                assert_never(spec.kind)

    def _numeric(
        self, begin: Begin, type_: checked.ScalarType, end: Program, target: int, inner: bool
    ) -> int:
        spec = self.plan.fields[begin.field]
        steered = self.plan.steered(spec)
        match type_:
            case checked.ExprType():
                bound = expressions.LONGEST if steered else 1
                return expressions.expression(
                    self.graph, begin, end, target, bound, inner=inner
                )
            case checked.FractionType():
                return numbers.fraction(self.graph, begin.field, end, target)
            case checked.DateType():
                return numbers.date(self.graph, begin, end, target)
            case checked.PercentType():
                target = self._pattern(PERCENT_SIGN, self._entry(lambda _: target))(NOTHING)
        spelling = spelling_of(type_, spec)
        bound = longest_number(spec) if steered else shortest_number(spec)
        return numbers.number(self.graph, spelling, begin, end, target, bound)

    def _typed(self, begin: Begin, end: Program, then: Entry) -> int:
        """What is written over names; a number at its end is followed by no more of one."""
        spec = self.plan.fields[begin.field]
        grammar, steered = self.plan.layout.grammars[spec.grammar], self.plan.steered(spec)
        ends = typed.Ends(then(NUMBER), then(NOTHING))
        return typed.typed(self.graph, grammar, begin, end, ends, steered=steered)

    def _text(
        self, begin: Begin, type_: checked.ScalarType, end: Program, then: Entry
    ) -> Entry:
        regex = type_.regex if isinstance(type_, checked.TextType) else None
        spec = self.plan.fields[begin.field]
        if regex is not None and spec.quoted:
            regex = escaped_regex(regex)
        guards = self.assigned.guards
        differs = begin.guard >= 0 and guards[begin.guard].distinct >= 0
        taken = spelled.Taken(spec.keep, differs)
        return spelled.text(self.graph, regex, taken, begin, end, then)

    def _names_of(self, spec: Field, type_: checked.ScalarType) -> spelled.Spelling:
        """How a name may be spelled: by its own expression, or as any of its table."""
        keyed = self.layout.table_of(spec)
        dfa = spelling(type_, keyed) if isinstance(type_, checked.DefType) else keyed.dfa
        return spelled.Spelling(dfa, keyed.table.owed >= 0)

    # --- prose and watches ---

    def _string(self, type_: checked.ScalarType, end: Program, then: Entry) -> Entry:
        """Prose in a JSON string: its characters are counted however they are escaped."""
        shown = type_ if isinstance(type_, checked.ProseType) else checked.ProseType()
        then = self._through(end, then)
        if shown.without is not None:
            strings = strings_without(shown.without)
            return self._entry(once(lambda: self._barred(strings, shown, then)))
        span = self.plan.ruleset.span
        each = checked.Pattern(CHARACTER, span)
        text = checked.Repeat(each, shown.least, shown.most, "", span)
        return self._repeat(text, self.plan.root, then)

    def _barred(self, strings: Strings, type_: checked.ProseType, then: Entry) -> int:
        """A string whose text must not hold a pattern."""
        register = self._counter()
        laid = lay_string(self.graph, strings, type_, register, then(NOTHING))
        if type_.least > 1:
            first, tails = [laid.first], list(laid.tails)
            self.loops.append(_Loop([laid.head], first, tails, register, type_.least, 0))
        return laid.head

    def _prose(
        self, number: int, type_: checked.ScalarType, end: Program, then: Entry
    ) -> Entry:
        shown = type_ if isinstance(type_, checked.ProseType) else checked.ProseType()
        limited = shown.most is not None or shown.least > 0
        register = self._counter() if limited else -1
        without = None if shown.without is None else search_dfa(shown.without)
        spec = self.plan.fields[number]
        self.labels.append(f"{spec.shape}.{spec.name}" if spec.name else spec.shape)
        prose = Prose(
            graph=self.graph,
            label=len(self.labels) - 1,
            end=end,
            follower=then,
            least=shown.least,
            most=shown.most,
            register=register,
            without=without,
            pending=self.graph.pending,
        )
        self.proses.append(prose)
        inside = self._entry(prose.entry)
        prose.looking = [self._watching(w, i, inside) for w, i in self.layout.watching[number]]
        if not limited:
            return inside
        return self._through((Reset((register,)),), inside, weight=shown.least)

    def _watching(self, watch: checked.Watch, instance: Instance, inside: Entry) -> int:
        """Lay a watch; returns its number."""
        number = len(self.watches)
        self.labels.append(watch.shape.name)
        made = Watch(watch.shape.name, 0, (), len(self.labels) - 1)
        self.watches.append(made)
        outer = self._watch, self._behind, self._inner
        self._watch, self._inner = number, True
        self._behind = CHAIN if has_looped_cut(watch.shape.body) else OWED
        before = len(self.counters)
        entry = self._opened(instance, inside)(NOTHING)
        self._watch, self._behind, self._inner = outer
        registers = (*self.plan.resets(instance), *self.counters[before:])
        registers += self.plan.naming(instance)
        self.watches[number] = replace(made, entry=entry, registers=registers)
        return number
