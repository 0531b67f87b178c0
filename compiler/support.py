"""What the language has and this version can't enforce: always an error, never dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.json_strings import endless
from rulec.compiler.kinds import unsupported
from rulec.compiler.places import Instance, Listed, place_of
from rulec.dsl import checked

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from rulec.dsl.diagnostics import Diagnostic

_EQUATING = frozenset(" =")


def unenforced(ruleset: checked.Ruleset) -> Iterator[Diagnostic]:
    """The constructs of a ruleset that the machine has no form for."""
    for shape in ruleset.shapes.values():
        yield from _watched(ruleset, shape.name, shape.body)
        yield from _names(shape)
    yield from _watched(ruleset, "", ruleset.trace)
    for watch in ruleset.watches:
        yield from _cuts(watch.shape.body, repeated=False)
        for slot in slots(watch.shape.body):
            if _over_names(ruleset, slot.type):
                yield unsupported("what is written over names in a watch", slot.span)


def _over_names(ruleset: checked.Ruleset, type_: checked.Type) -> bool:
    match type_:
        case checked.ExprType(str()):
            return True
        case checked.FormulaType(names):
            return not ruleset.names[names].open
        case _:
            return False


def _watched(
    ruleset: checked.Ruleset, shape: str, element: checked.Element
) -> Iterator[Diagnostic]:
    """Prose with a limit, with a forbidden pattern or in JSON, and a watch that looks on."""
    for slot in slots(element):
        if not isinstance(slot.type, checked.ProseType):
            continue
        limited = slot.type.least or slot.type.most is not None or slot.type.without
        seen = any(w.within in (None, (shape, slot.name)) for w in ruleset.watches)
        if limited and seen:
            yield unsupported("a watch over prose with a limit or `without`", slot.span)
        elif slot.quoted and seen:
            yield unsupported("a watch over prose in JSON", slot.span)
        elif slot.quoted and slot.type.least and not _lasting(slot.type):
            yield unsupported("prose that `without` may keep too short, in JSON", slot.span)


def _lasting(type_: checked.ProseType) -> bool:
    return type_.without is None or endless(type_.without)


def _names(shape: checked.Shape) -> Iterator[Diagnostic]:
    """Attributes that are lists: which item belongs to a name isn't said."""
    for slot in slots(shape.body):
        given = slot.type.attributes if isinstance(slot.type, checked.DefType) else ()
        for attribute, source in given:
            if source in shape.fields and shape.fields[source].cardinality == "list":
                yield unsupported(f"the attribute `{attribute}` from a list", slot.span)


def _cuts(element: checked.Element, *, repeated: bool) -> Iterator[Diagnostic]:
    """A cut that comes again must stand behind `=`: only there prose is told from it."""
    match element:
        case checked.Sequence(parts):
            for before, part in zip((None, *parts), parts, strict=False):
                if isinstance(part, checked.Cut) and repeated and not _equates(before):
                    yield unsupported(
                        "a cut in a repeat that stands behind something else than `=`",
                        part.span,
                    )
                yield from _cuts(part, repeated=repeated)
        case checked.Choice(options):
            for option in options:
                yield from _cuts(option, repeated=repeated)
        case checked.Optional(body):
            yield from _cuts(body, repeated=repeated)
        case checked.Repeat(body):
            yield from _cuts(body, repeated=True)


def _equates(element: checked.Element | None) -> bool:
    match element:
        case checked.Literal(text):
            return text.count("=") == 1 and set(text) <= _EQUATING
        case checked.Pattern(regex):
            spelled = set(str(regex)) - set("{}0123456789,?*+")
            return str(regex).count("=") == 1 and spelled <= _EQUATING
        case _:
            return False


def slots(element: checked.Element) -> Iterator[checked.Slot]:
    """Every field and unnamed part of an element, those of other shapes left aside."""
    match element:
        case checked.Slot():
            yield element
        case checked.Sequence(inner) | checked.Choice(inner):
            for part in inner:
                yield from slots(part)
        case checked.Optional(body) | checked.Repeat(body):
            yield from slots(body)


def unwritten_lists(
    chosen: checked.Element | None,
    options: Iterable[checked.Element | None],
    into: Instance,
) -> list[int]:
    """The lists that stand in other branches only."""
    own = () if chosen is None else lists_in(chosen, into)
    others = [lists_in(option, into) for option in options if option is not None]
    return [n for n in dict.fromkeys(n for found in others for n in found) if n not in own]


def lists_in(element: checked.Element, into: Instance) -> list[int]:
    """The lists of an instance that have slots in an element."""
    found: list[int] = []
    for slot in slots(element):
        place = place_of(slot, into)
        if isinstance(place, Listed):
            found.append(place.list)
        elif isinstance(place, Instance):
            found += lists_in(place.shape.body, place)
    return found
