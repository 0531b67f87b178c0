"""What a field may hold, given what has been written: its allowed set."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from rulec.compiler import regions, terms
from rulec.compiler.evaluate import Ask, Evaluator, later
from rulec.compiler.gathering import finished, gathered
from rulec.compiler.links import NOTHING as UNLINKED
from rulec.compiler.lower import deep_folds
from rulec.compiler.ops import Link
from rulec.compiler.plan import deep_registers
from rulec.compiler.propagate import HALF, Impossible, Narrower
from rulec.compiler.rows import NOTHING
from rulec.compiler.spoken import NO_NAMES, SILENCE
from rulec.compiler.steering import conjuncts
from rulec.compiler.terms import START, Gap, Term, Value
from rulec.runtime.guards import Guards, value_of
from rulec.runtime.numerals import Allowed, meet, runs

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rulec.compiler.machine import Field, Folding, List, Machine, Rule
    from rulec.compiler.regions import Region
    from rulec.compiler.rows import Keys, Rows
    from rulec.compiler.spoken import Spoken


PICKED = ("min", "max", "first", "last", "prev")
"""Folds that have no value where their list has no item."""

MOST_TRIED = 64
"""Names of which each is tried with the rules that are tested later."""

MOST_STARTS = 256
"""Sets of parameters whose first allowed sets are kept."""


class Names(NamedTuple):
    """What a name may be: one of `known`, or with `new` one that isn't `taken`."""

    known: Keys
    new: bool = False
    taken: Keys = NO_NAMES


class Rules:
    """The rules of a machine over a register file."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        spelled = ("word", "text", "prose", "typed", "formula")
        numeric = [f for f in machine.fields if f.kind not in spelled]
        self._domains = {f.register: f.domain for f in numeric}
        self._domains.update(
            (p.register, p.domain) for p in machine.parameters if p.kind != "word"
        )
        self._beside = {f.register: self._neighbours(f) for f in machine.fields}
        self._picks = tuple(
            tuple(
                sorted(
                    number
                    for number in deep_folds(rule.term, machine.folds)
                    if machine.folds[number].function in PICKED
                )
            )
            for rule in machine.rules
        )
        self._starts: dict[Any, dict[int, Region]] = {}
        self._mentioned = tuple(
            deep_registers(rule.steer, machine.folds) for rule in machine.rules
        )
        self._tried = frozenset(f.register for f in machine.fields if self._later(f))
        self._reads = {register: self._seen(self._beside[register]) for register in self._tried}
        self._free = {
            f.register: tuple(
                runs(f.domain, digits + f.shift) for digits in range(f.least, f.most + 1)
            )
            for f in numeric
            if f.kind != "expr"
        }
        self._kept = [_of_item(machine, spec) for spec in machine.lists]
        self._links = _links(machine)
        self.guards = Guards(machine)
        self._guarded = [self.guards.reads(number) for number in range(len(machine.guards))]

    def _neighbours(self, field: Field) -> tuple[int, ...]:
        """The rules that can bear on a field, those that do so through most others first."""
        rules, fields = self.machine.rules, self.machine.fields
        found = [number for number in field.rules if rules[number].tier != "audit"]
        for number in found:  # grows while it is gone through
            for other in rules[number].fields:
                found += [
                    n
                    for n in fields[other].rules
                    if n not in found and rules[n].tier != "audit"
                ]
        return tuple(reversed(found))

    def _seen(self, rules: tuple[int, ...]) -> tuple[int, ...]:
        """The registers on which what some rules leave open depends."""
        machine = self.machine
        found: set[int] = set()
        for number in rules:
            steer = machine.rules[number].steer
            found |= deep_registers(steer, machine.folds)
            found |= deep_registers(machine.rules[number].term, machine.folds)
            for fold in deep_folds(steer, machine.folds):
                spec = machine.folds[fold]
                found.add(spec.register)
                for list_ in (machine.lists[spec.list], machine.lists[spec.outer]):
                    found |= {list_.count, list_.phase}
            found |= {f.digits for f in machine.fields if number in f.rules}
        return tuple(sorted(found))

    def names(
        self, field: Field, regs: Sequence[Any], guard: int, *, free: bool = False
    ) -> Names:
        """The names that a field may be: with them all rules of masks can still be kept.

        Where nothing is enforced yet (`free`), a name that is there, or for a `def` isn't.
        """
        table = self.machine.tables[field.table]
        rows: Rows = regs[table.register] or NOTHING
        if field.kind == "ref" and not field.forward:
            if free:
                return Names(rows.keys)
            return Names(self._suiting(field, self.guards.keys(guard, field, regs), regs))
        if table.spoken < 0:
            return Names(NO_NAMES, True, rows.keys)
        spoken: Spoken = regs[table.spoken] or SILENCE
        known, new = (True, True) if free else self.guards.spoken(guard, field, regs)
        if field.kind == "def":
            return Names(spoken.promised if known else NO_NAMES, new, spoken.names)
        keys = spoken.names if known else NO_NAMES
        if known and not free:
            keys = self._suiting(field, keys, regs, spare=new)
        return Names(keys, new, spoken.names)

    def _suiting(
        self, field: Field, keys: Keys, regs: Sequence[Any], *, spare: bool = False
    ) -> Keys:
        """Rules that are tested bar names too.

        They don't bar all, unless there are others to `spare`.
        """
        tested = [
            rule
            for rule in (self.machine.rules[number] for number in field.rules)
            if rule.tier == "commit" and not regs[rule.done]
        ]
        if not tested or len(keys) > MOST_TRIED:
            return keys
        rows = regs[self.machine.tables[field.table].register] or NOTHING
        for rule in tested:
            barred = [k for k in keys if not self._may_be(field, rows, regs, k, rule)]
            if spare or len(barred) < len(keys):
                keys = keys.without(barred)
        return keys

    def _may_be(
        self, field: Field, rows: Rows, regs: Sequence[Any], key: bytes, rule: Rule
    ) -> bool:
        """Whether a rule doesn't break with a name."""
        trial = [regs[register] for register in range(len(regs))]
        trial[field.register] = key.decode()
        row = rows.row(key.decode())
        for place, number in enumerate(field.columns):
            register = self.machine.fields[number].register
            trial[register] = Gap.ABSENT if row is None else row[place]
        for link in self._links.get(field.register, ()):
            name, held = trial[link.name], regs[link.targets]
            if isinstance(name, str):
                before = held if isinstance(held, tuple) else ()
                graph = trial[link.graph] or UNLINKED
                trial[link.graph] = graph.with_node(name, (*before, key.decode()))
        return self.value(trial, rule.term) not in (False, Gap.UNDEFINED, Gap.COMPLEX)

    def beside(self, field: Field) -> tuple[int, ...]:
        """The rules that can bear on a field."""
        return self._beside[field.register]

    def seen(self, field: Field, regs: Sequence[Any], guard: int) -> tuple[Any, ...]:
        """The values on which a field's allowed set depends."""
        reads = self._reads.get(field.register, ())
        own = self._guarded[guard] if guard >= 0 else ()
        return tuple(regs[register] for register in (*reads, *own))

    def hopeless(self, regs: Sequence[Any]) -> bool:
        """Whether the values of a request leave no trace that keeps the rules."""
        begins = self.machine.begins
        return (begins >= 0 and not self.guards.holds(begins, regs)) or self._broken(regs)

    def _broken(self, regs: Sequence[Any]) -> bool:
        """Whether the values of a request break a rule before anything is written."""
        given = {parameter.register for parameter in self.machine.parameters}
        given |= {table.register for table in self.machine.tables if table.given}
        return any(
            not terms.folds(part)
            and terms.registers(part) <= given
            and self.value(regs, part) in (False, Gap.UNDEFINED, Gap.COMPLEX)
            for rule in self.machine.rules
            if rule.always and rule.tier != "audit"
            for part in conjuncts(rule.term)
        )

    # --- values ---

    def fetch(self, regs: Sequence[Any], number: int, ask: Ask = later) -> Value:
        """The value of a fold; `UNKNOWN` while items may still change it."""
        fold = self.machine.folds[number]
        held: Any = regs[fold.register]
        closed = regs[self.machine.lists[fold.outer].phase] == 3
        if isinstance(held, Gap):
            settled = closed or fold.function == "prev" or held is not Gap.ABSENT
            return held if settled else Gap.UNKNOWN
        if fold.late:
            return self._late(regs, fold, held, ask) if closed else Gap.UNKNOWN
        if self._settled(regs, fold, held):
            return fold.function == "any"
        match fold.function:
            case "prev" | "first" | "earlier":
                return cast("Value", held)
            case "distinct":
                return (held is not False) if closed or held is False else Gap.UNKNOWN
            case "all":
                return held if closed or held is False else Gap.UNKNOWN
            case "any":
                return held if closed or held is True else Gap.UNKNOWN
        return finished(fold.function, held) if closed else Gap.UNKNOWN

    def _late(
        self, regs: Sequence[Any], fold: Folding, items: Iterable[Any], ask: Ask
    ) -> Value:
        """Fold items whose bodies read what is known only behind their list."""
        held: Any = START[fold.function]
        pending = False
        for item in items:
            trial = self.replayed(regs, fold, item)
            found = self.value(trial, fold.body, ask)
            if found is Gap.UNKNOWN:
                return found
            pending = pending or found is Gap.PENDING
            if not pending:
                held = gathered(fold.function, held, found)
        return Gap.PENDING if pending else finished(fold.function, held)

    def replayed(self, regs: Sequence[Any], fold: Folding, item: Iterable[Any]) -> list[Any]:
        """The registers as they were when an item of a late fold had been written."""
        trial = [regs[register] for register in range(len(regs))]
        for register, value in zip(self._kept[fold.list], item, strict=True):
            trial[register] = value
        return trial

    def _settled(self, regs: Sequence[Any], fold: Folding, held: object) -> bool:
        """Whether the item under way already decides a condition on its list."""
        decides = fold.function in ("all", "any", "distinct")
        if not decides or regs[self.machine.lists[fold.list].phase] != 1:
            return False
        value = self.value(regs, fold.body)
        if isinstance(value, Gap):
            return False
        return gathered(fold.function, held, value) is (fold.function == "any")

    def value(self, regs: Sequence[Any], term: Term, ask: Ask = later) -> Value:
        """The value of a term now; `ask` answers for functions of the embedding program."""
        return Evaluator(regs, lambda number: self.fetch(regs, number, ask), ask).value(term)

    def gather(self, regs: list[Any], list_: int) -> None:
        """Take the item that has just been written into the folds of its list."""
        machine = self.machine
        held = [
            (fold, Gap.UNKNOWN if fold.late else self.value(regs, fold.body))
            for fold in (machine.folds[number] for number in machine.lists[list_].folds)
        ]
        item: tuple[Any, ...] = ()
        if any(fold.late for fold, _ in held):
            item = tuple(regs[register] for register in self._kept[list_])
        for fold, value in held:
            before = regs[fold.register]
            if fold.late:
                regs[fold.register] = (*before, item)
            else:
                regs[fold.register] = gathered(fold.function, before, value)

    # --- sets ---

    def numbers(self, field: Field, regs: Sequence[Any], guard: int) -> Allowed:
        """The numbers that a numeric or date field may hold; all empty where none is left.

        What masks keep is told by the guard. Other rules narrow that, but never to nothing.
        """
        kept = self._free[field.register]
        if guard >= 0:
            kept = self.guards.numbers(guard, field, regs)
        if field.register not in self._tried:
            return kept
        allowed = self._numbers(field, regs, self._beside[field.register])
        both = tuple(meet(*pair) for pair in zip(kept, allowed, strict=False))
        return both if any(both) else kept

    def regions(
        self, field: Field, regs: Sequence[Any], guard: int
    ) -> tuple[Region | None, ...]:
        """Where the value of an expression may have to lie, the strictest demand first.

        None, the last, demands nothing: it stands where masks keep no rule of the field.
        """
        kept = regions.EVERYTHING if guard < 0 else self.guards.region(guard, field, regs)
        found: list[Region | None] = []
        if field.register in self._tried:
            with suppress(Impossible):
                left = self._narrowed(regs, self._beside[field.register])
                found.append(regions.intersect(left.region(field.register), kept))
        found.append(kept)
        needed = any(self.machine.rules[n].tier == "mask" for n in self.beside(field))
        return (*filter(None, found), *(() if needed else (None,)))

    def types(
        self, field: Field, regs: Sequence[Any], guard: int
    ) -> tuple[tuple[int, ...], ...]:
        """The types that what is written over names may have, the strictest demand first."""
        if field.kind == "formula":
            return ((0,),)
        kept = tuple(range(len(field.words)))
        if guard >= 0:
            kept = self.guards.words(guard, field, regs)
        return self.words(field, regs, guard), kept

    def words(self, field: Field, regs: Sequence[Any], guard: int) -> tuple[int, ...]:
        """The words that a field may hold."""
        kept = tuple(range(len(field.words)))
        if guard >= 0:
            kept = self.guards.words(guard, field, regs)
        if field.register not in self._tried:
            return kept
        self.seen(field, regs, guard)  # what is tried is read from copies, which note nothing
        beside = self._beside[field.register]
        fitting = (n for n in kept if self._holds(field, regs, field.words[n], beside))
        return tuple(fitting) or kept

    def narrows(self, field: Field) -> bool:
        """Whether rules that are tested later narrow a field."""
        return field.register in self._tried

    def _later(self, field: Field) -> bool:
        """Whether a rule that is tested later can bear on a field."""
        return any(self.machine.rules[n].tier == "commit" for n in self._beside[field.register])

    def _narrowed(self, regs: Sequence[Any], chosen: Iterable[int]) -> Narrower:
        machine = self.machine
        narrower = Narrower(
            regs,
            self._domains,
            machine.folds,
            machine.lists,
            lambda term: self.value(regs, term),
        )
        narrower.open.update(self._ahead(regs, tuple(chosen)))
        narrower.sweep(machine.rules[n].steer for n in chosen if not self._may_lack(n, regs))
        return narrower

    def _may_lack(self, rule: int, regs: Sequence[Any]) -> bool:
        """Whether a rule may still turn out vacuous: then it forbids nothing yet."""
        unsure = self.machine.rules[rule].unsure
        if any(regs[register] is Gap.UNKNOWN for register in unsure):
            return True
        return any(self._may_be_empty(self.machine.folds[n], regs) for n in self._picks[rule])

    def _may_be_empty(self, fold: Folding, regs: Sequence[Any]) -> bool:
        """Whether a list, of which an item's value is asked, may have none in the end."""
        if regs[fold.register] is not Gap.ABSENT:
            return False
        spec = self.machine.lists[fold.list]
        owed = fold.list == fold.outer and spec.low > 0
        return regs[spec.phase] == 3 or not owed

    def _ahead(self, regs: Sequence[Any], chosen: tuple[int, ...]) -> dict[int, Region]:
        """What rules leave open before anything is written: no state leaves more open."""
        machine = self.machine
        given = {p.register: regs[p.register] for p in machine.parameters if p.kind != "list"}
        key = (chosen, *given.values())
        found = self._starts.get(key)
        if found is None:
            start: list[Any] = list(machine.initial)
            for register, value in given.items():
                start[register] = value
            for fold in machine.folds:
                if fold.function not in ("sum", "count"):
                    start[fold.register] = Gap.UNKNOWN
            narrower = Narrower(start, self._domains, machine.folds, machine.lists)
            try:
                narrower.narrow(
                    (machine.rules[n].steer, self._mentioned[n])
                    for n in chosen
                    if not self._may_lack(n, start)
                )
                found = narrower.open
            except Impossible:
                found = {}
            if len(self._starts) > MOST_STARTS:
                self._starts.clear()
            self._starts[key] = found
        written = (f.register for f in machine.fields if regs[f.register] is Gap.UNKNOWN)
        return {register: found[register] for register in written if register in found}

    def _numbers(self, field: Field, regs: Sequence[Any], chosen: Sequence[int]) -> Allowed:
        try:
            narrower = self._narrowed(regs, chosen)
        except Impossible:
            return ()
        region = narrower.region(field.register)
        near = [
            narrower.value(part.right)
            for number in chosen
            for part in conjuncts(self.machine.rules[number].steer)
            if isinstance(part, terms.Near)
            and part.left == terms.Read(field.register)
            and field.register not in terms.registers(part.right)
        ]
        return tuple(
            runs(_shown(region, near, digits + field.shift), digits + field.shift)
            for digits in range(field.least, field.most + 1)
        )

    def by_rules(self, field: Field, regs: Sequence[Any], rules: tuple[int, ...]) -> Allowed:
        """What some rules by themselves leave open; nothing where they can't hold."""
        return self._numbers(field, regs, rules)

    def _holds(
        self, field: Field, regs: Sequence[Any], word: str, chosen: Iterable[int]
    ) -> bool:
        trial = list(regs)
        trial[field.register] = value_of(field, word)
        return all(
            self.value(trial, self.machine.rules[number].term)
            not in (False, Gap.UNDEFINED, Gap.COMPLEX)
            for number in chosen
            if number in field.rules
        )


def _links(machine: Machine) -> dict[int, tuple[Link, ...]]:
    """What enters graphs with the names in a field, by its register."""
    gathered = {fold.register: fold.body for fold in machine.folds}
    ways = (way for node in machine.nodes for way in (*node.exits, *node.finals))
    found: dict[int, dict[Link, None]] = {}
    for link in (op for way in ways for op in way.ops if isinstance(op, Link)):
        read = gathered.get(link.targets)
        register = read.register if isinstance(read, terms.Read) else link.targets
        found.setdefault(register, {})[link] = None
    return {register: tuple(links) for register, links in found.items()}


def _of_item(machine: Machine, spec: List) -> tuple[int, ...]:
    """The registers of an item, and those that tell of the items before it."""
    folds = (machine.folds[number] for number in spec.folds)
    before = (fold.register for fold in folds if fold.function in ("prev", "earlier"))
    return (*spec.registers, *before)


def _shown(region: Region, near: Sequence[Region], digits: int) -> Region:
    """What of a region is right when `digits` fraction digits are shown."""
    slack = HALF / 10**digits
    for wanted in near:
        around = regions.add(wanted, regions.interval(-slack, slack))
        region = regions.intersect(region, around)
    return region
