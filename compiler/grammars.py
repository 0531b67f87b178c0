"""What can be written over the names of a ruleset: types, operators and literals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rulec.compiler.automata import Dfa, without
from rulec.compiler.derivations import MOST_BARE, MOST_TYPES, demands, literals
from rulec.compiler.machine import Grammar, Signature
from rulec.compiler.propositions import WORDS
from rulec.dsl import checked
from rulec.dsl.structure import walk

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_DEMANDS = 32
"""Sets of types without literals of which names make something of a type, over all types."""

_LETTERS = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_")
_WORD = _LETTERS | frozenset(b"0123456789")

WHOLE = ("int", "integer")
FRACTION = ("number", "float", "decimal")
TEXT = ("str", "string", "text")
TRUTH = ("bool", "boolean")
"""What the type of a literal is called: the first of these that the names have."""

Over = checked.ExprType | checked.FormulaType


def written_over(ruleset: checked.Ruleset, names: str) -> Iterator[tuple[Over, checked.Slot]]:
    """What is written over the names of a table, and where."""
    watched = (watch.shape.body for watch in ruleset.watches)
    bodies = (shape.body for shape in ruleset.shapes.values())
    for body in (*bodies, *watched, ruleset.trace):
        for slot in (part for part in walk(body) if isinstance(part, checked.Slot)):
            if isinstance(slot.type, Over) and slot.type.names == names:
                yield slot.type, slot


def grammar_of(ruleset: checked.Ruleset, type_: Over, table: int) -> Grammar:
    """The grammar of an expression or a formula over the names of a table."""
    if isinstance(type_, checked.FormulaType):
        infix = [Signature(word, 0, 0, 0) for word in WORDS if word != "not"]
        return Grammar(table, -1, ("",), (*infix, Signature("not", -1, 0, 0)))
    column, types = type_column(ruleset.names[type_.names or ""])
    places = {word: place for place, word in enumerate(types)}
    own = [one for one in ruleset.operators if one.result in places]
    fraction = _named(places, FRACTION)
    whole = _named(places, WHOLE)
    return Grammar(
        table,
        column,
        types,
        tuple(
            Signature(
                one.op,
                -1 if one.left is None else places[one.left],
                places[one.right],
                places[one.result],
            )
            for one in own
            if one.op and one.right in places and (one.left is None or one.left in places)
        ),
        _words(own, places),
        fraction if whole < 0 else whole,
        fraction,
        _named(places, TEXT),
    )


def _words(own: list[checked.Operator], places: dict[str, int]) -> tuple[tuple[str, int], ...]:
    """The literals that are words: those declared, or else `true` and `false`."""
    declared = tuple((one.right, places[one.result]) for one in own if not one.op)
    truth = _named(places, TRUTH)
    if truth < 0 or any(type_ == truth for _, type_ in declared):
        return declared
    return (*declared, ("true", truth), ("false", truth))


def _named(places: dict[str, int], words: tuple[str, ...]) -> int:
    return next((places[word] for word in words if word in places), -1)


def type_column(names: checked.Names) -> tuple[int, tuple[str, ...]]:
    """The place of the attribute that is a name's type, and its words; -1 where none is."""
    found = [
        (place, column.type.words)
        for place, column in enumerate(names.attributes)
        if isinstance(column.type, checked.EnumType)
    ]
    return found[0] if len(found) == 1 else (-1, ())


def reserved(ruleset: checked.Ruleset, names: str) -> tuple[str, ...]:
    """The words that no name of a table may be, since expressions or formulas have them."""
    kinds = dict.fromkeys(type_ for type_, _ in written_over(ruleset, names))
    if not kinds or ruleset.names[names].open:
        return ()
    literal = (w for type_ in kinds for w, _ in grammar_of(ruleset, type_, 0).words)
    return tuple(dict.fromkeys((*WORDS, *literal)))


def counted(ruleset: checked.Ruleset, names: checked.Names) -> tuple[int, tuple[str, ...]]:
    """The attribute of which it must be known how many names have each word, and its words.

    That is so where expressions of some type need a name; the place is -1 where none do.
    """
    for type_, _ in written_over(ruleset, names.name):
        if isinstance(type_, checked.ExprType):
            grammar = grammar_of(ruleset, type_, 0)
            bare = sum(text is None for text in literals(grammar))
            if bare <= MOST_BARE and any(demand.names for demand in demands(grammar)):
                return type_column(names)
    return -1, ()


def misfit(ruleset: checked.Ruleset, type_: Over, slot: checked.Slot, names: Dfa) -> str:
    """Why something can't be written over names; empty where it can."""
    if not _identifiers(names):
        return "what is written over names that are no identifiers"
    grammar = grammar_of(ruleset, type_, 0)
    if sum(text is None for text in literals(grammar)) > MOST_BARE and grammar.column >= 0:
        return f"an expression of more than {MOST_BARE} types without literals"
    if grammar.column >= 0 and len(demands(grammar)) > MOST_DEMANDS:
        return f"an expression whose types need names in more than {MOST_DEMANDS} ways"
    if len(grammar.types) > MOST_TYPES:
        return f"an expression of more than {MOST_TYPES} types"
    if slot.quoted and grammar.text >= 0:
        return "an expression with strings in JSON"
    if any(not _identifier(word.encode()) for word, _ in grammar.words):
        return "a literal that is no identifier"
    return ""


def _identifier(text: bytes) -> bool:
    return text[:1] in {bytes((byte,)) for byte in _LETTERS} and set(text) <= _WORD


def _identifiers(dfa: Dfa) -> bool:
    """Whether all texts begin with a letter and have letters and digits only."""
    if 0 in dfa.accepting:
        return False
    for state, row in enumerate(dfa.transitions):
        allowed = _WORD if state else _LETTERS
        if any(to >= 0 and byte not in allowed for byte, to in enumerate(row)):
            return False
    return True


def unreserved(dfa: Dfa, words: tuple[str, ...]) -> Dfa:
    """The texts that are none of some words."""
    return without(dfa, [word.encode() for word in words]) if words else dfa
