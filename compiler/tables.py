"""Tables of a ruleset: rows that come with a request, and names that the trace defines."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from rulec.compiler import machine
from rulec.compiler.automata import Dfa, bounded, longest, regex_dfa
from rulec.compiler.grammars import counted, reserved, unreserved
from rulec.compiler.kinds import domain_of, kind_of, pattern_of, units_of, unsupported, words_of
from rulec.compiler.terms import Gap
from rulec.dsl import checked
from rulec.dsl.regex import Alternate, Chars, Concat, Regex, parse_regex
from rulec.dsl.structure import walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rulec.compiler.places import Initial
    from rulec.dsl.diagnostics import Diagnostic

LONGEST = 64
"""Bytes of the longest key or name."""

IDENTIFIER = parse_regex(rf"[A-Za-z_][A-Za-z0-9_]{{0,{LONGEST - 1}}}")
"""What a name is that is declared without a regular expression."""


@dataclass(frozen=True, slots=True)
class Keyed:
    """A table, the automaton of its keys, and the words that are none of them."""

    table: machine.Table
    dfa: Dfa
    reserved: tuple[str, ...] = ()


def tables_of(
    ruleset: checked.Ruleset, register: Callable[[Initial], int], problems: list[Diagnostic]
) -> dict[str, Keyed]:
    """The tables of a ruleset, with registers of their own."""
    found: dict[str, Keyed] = {}
    for given in ruleset.inputs.values():
        if given.columns and (made := _given(given, register, problems)):
            found[given.name] = made
    for names in ruleset.names.values():
        found[names.name] = _defined(ruleset, names, register, problems)
        problems += (
            unsupported(f"the attribute `{column.name}`, a quantity,", names.span)
            for column in names.attributes
            if isinstance(column.type, checked.QuantityType)
        )
    return found


def _given(
    table: checked.Input, register: Callable[[Initial], int], problems: list[Diagnostic]
) -> Keyed | None:
    key = next((column for column in table.columns if column.key), None)
    regex = None if key is None else _regex(key.type)
    plain = [column for column in table.columns if not column.key]
    if key is not None and regex is None:
        problems.append(unsupported(f"a key of this type in `{table.name}`", table.span))
        return None
    columns = tuple(_column(column, register) for column in plain)
    return _keyed(table.name, columns, regex or IDENTIFIER, register, key.name if key else "")


def _defined(
    ruleset: checked.Ruleset,
    names: checked.Names,
    register: Callable[[Initial], int],
    problems: list[Diagnostic],
) -> Keyed:
    patterns = [type_.regex or IDENTIFIER for type_ in definitions(ruleset, names.name)]
    nodes = tuple(dict.fromkeys(regex.node for regex in patterns))
    node = Alternate(nodes) if len(nodes) > 1 else nodes[0] if nodes else IDENTIFIER.node
    if len(nodes) > 1 and promised(ruleset, names.name):
        what = f"a name that comes later in `{names.name}`, whose names have several forms,"
        problems.append(unsupported(what, names.span))
    pattern = "|".join(dict.fromkeys(map(str, patterns)))
    columns = tuple(_column(column, None) for column in names.attributes)
    made = _keyed(names.name, columns, Regex(node, pattern), register, None)
    barred = reserved(ruleset, names.name)
    typed, words = counted(ruleset, names)
    table = replace(
        made.table,
        typed=typed,
        kinds=tuple(register(0) for _ in words),
        forms=max(1, len(nodes)),
    )
    keyed = Keyed(table, unreserved(made.dfa, barred), barred)
    if not spoken_of(ruleset, names.name):
        return keyed
    spoken, begun = register(()), register(0)
    owed = register(0) if promised(ruleset, names.name) else -1
    table = replace(keyed.table, spoken=spoken, begun=begun, owed=owed)
    return replace(keyed, table=table)


def spoken_of(ruleset: checked.Ruleset, names: str) -> bool:
    """Whether names may be spoken of before they are defined.

    They are promised, or others begin while their own shape is still open.
    """
    return promised(ruleset, names) or any(
        len(_begun(ruleset, shape, names)) > 1 for shape in _shapes(ruleset)
    )


def promised(ruleset: checked.Ruleset, names: str) -> bool:
    """Whether a reference may be to a name that comes later."""
    return any(
        isinstance(slot.type, checked.RefType)
        and slot.type.table == names
        and slot.type.forward
        for shape in _shapes(ruleset)
        for slot in _slots(shape)
    )


def _begun(ruleset: checked.Ruleset, shape: checked.Shape, names: str) -> list[checked.Slot]:
    """The places at which a shape that defines names begins to, those of a list twice."""
    own: list[checked.Slot] = []
    inner: list[checked.Slot] = []
    for slot in _slots(shape):
        if isinstance(slot.type, checked.ShapeType):
            if _defines(ruleset, slot.type.shape, names, set()):
                inner.append(slot)
        elif isinstance(slot.type, checked.DefType) and slot.type.names == names:
            listed = slot.name in shape.fields and shape.fields[slot.name].cardinality == "list"
            own += [slot, slot] if listed or slot.name is None else [slot]
    return [*own, *inner] if own else []


def _defines(ruleset: checked.Ruleset, shape: str, names: str, seen: set[str]) -> bool:
    """Whether a shape, or one inside of it, defines names of a table."""
    if shape in seen:
        return False
    seen.add(shape)
    for slot in _slots(ruleset.shapes[shape]):
        if isinstance(slot.type, checked.ShapeType):
            if _defines(ruleset, slot.type.shape, names, seen):
                return True
        elif isinstance(slot.type, checked.DefType) and slot.type.names == names:
            return True
    return False


def _shapes(ruleset: checked.Ruleset) -> Iterator[checked.Shape]:
    """The shapes of a ruleset, those of its watches too."""
    yield from ruleset.shapes.values()
    yield from (watch.shape for watch in ruleset.watches)


def _slots(shape: checked.Shape) -> Iterator[checked.Slot]:
    return (part for part in walk(shape.body) if isinstance(part, checked.Slot))


def definitions(ruleset: checked.Ruleset, names: str) -> Iterator[checked.DefType]:
    """The fields of a ruleset that define names of a table, by their types."""
    for slot in (slot for shape in _shapes(ruleset) for slot in _slots(shape)):
        if isinstance(slot.type, checked.DefType) and slot.type.names == names:
            yield slot.type


def spelling(type_: checked.DefType, keyed: Keyed) -> Dfa:
    """How a new name may be spelled."""
    dfa = bounded(regex_dfa(type_.regex or IDENTIFIER), keyed.table.longest)
    return unreserved(dfa, keyed.reserved)


def _keyed(
    name: str,
    columns: tuple[machine.Column, ...],
    regex: Regex,
    register: Callable[[Initial], int],
    key: str | None,
) -> Keyed:
    dfa = bounded(regex_dfa(regex), LONGEST)
    most = longest(dfa) or 0
    table = machine.Table(
        name, register(()), register(0), columns, key is not None, str(regex), most, key or ""
    )
    return Keyed(table, dfa)


def _column(
    column: checked.Column, register: Callable[[Initial], int] | None
) -> machine.Column:
    kind = kind_of(column.type)
    kind = "text" if kind == "formula" else kind
    low = high = -1
    if register is not None and kind in ("number", "date"):
        low, high = register(Gap.UNKNOWN), register(Gap.UNKNOWN)
    return machine.Column(
        column.name,
        kind,
        domain_of(column.type),
        words_of(column.type),
        pattern_of(column.type),
        low,
        high,
        units_of(column.type),
    )


def _regex(type_: checked.ScalarType) -> Regex | None:
    match type_:
        case checked.TextType(regex):
            return regex
        case checked.EnumType(words):
            spelled = [Concat(tuple(Chars(((ord(c), ord(c)),)) for c in w)) for w in words]
            return Regex(Alternate(tuple(spelled)), "|".join(words))
        case _:
            return None
