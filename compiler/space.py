"""The variables of the conditions: what each can be, and conditions in their simplest form."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rulec.compiler.conditions import (
    FALSE,
    FRESH,
    MOST_CELLS,
    QUOTIENT,
    TRUE,
    Atom,
    Block,
    Cell,
    Formula,
    Quotient,
    TooMany,
    block_variables,
    conjoined,
    product,
    settled,
    variables,
)
from rulec.compiler.polynomial import Poly, number, variable

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rulec.compiler.polynomial import Range


@dataclass(slots=True)
class Space:
    """The bounds of all variables, which of them may be any rational, and the quotients."""

    bounds: dict[int, Range] = field(default_factory=dict)
    dense: set[int] = field(default_factory=set)
    quotients: dict[int, Quotient] = field(default_factory=dict)
    left: int | None = None
    """Atoms that may still be looked at; None is no limit."""
    _known: dict[tuple[Poly, Poly], int] = field(default_factory=dict)
    _fresh: int = FRESH

    def copied(self) -> Space:
        """The same variables, apart from what becomes of them."""
        return Space(
            dict(self.bounds),
            set(self.dense),
            dict(self.quotients),
            _known=dict(self._known),
            _fresh=self._fresh,
        )

    def fresh(self, bounds: Range) -> int:
        """A variable that stands for nothing that is written."""
        self._fresh += 1
        self.bounds[self._fresh] = bounds
        return self._fresh

    def quotient(self, top: Poly, bottom: Poly) -> int:
        """The variable that is `top / bottom`, rounded down; the bottom is positive."""
        key = top, bottom
        if key not in self._known:
            name = QUOTIENT + len(self.quotients)
            self._known[key] = name
            self.quotients[name] = Quotient(name, top, bottom)
            self.bounds[name] = self._quotient_range(top, bottom)
        return self._known[key]

    def _quotient_range(self, top: Poly, bottom: Poly) -> Range:
        low, high = top.range(self.bounds)
        least, most = bottom.range(self.bounds)
        least = max(1, least or 1)
        most = None if most is None else max(least, most)
        if low is not None:
            low = low // least if low < 0 else 0 if most is None else low // most
        if high is not None:
            high = high // least if high >= 0 else -1 if most is None else high // most
        return low, high

    def inside(
        self, name: int, value: Poly, size: int = 1, rules: tuple[int, ...] = ()
    ) -> Cell:
        """`value / size` is within the bounds of a variable."""
        low, high = self.bounds.get(name, (None, None))
        atoms: list[Atom] = []
        if low is not None:
            atoms.append(Atom("ge", value - number(low * size), 0, rules))
        if high is not None:
            atoms.append(Atom("ge", number(high * size) - value, 0, rules))
        return tuple(atoms)

    def few(self, name: int, most: int) -> range:
        """The values of a variable, if they are no more than some; else none."""
        low, high = self.bounds.get(name, (None, None))
        if low is None or high is None or name in self.dense or high - low >= most:
            return range(0)
        return range(low, high + 1)

    def whole(self, poly: Poly) -> bool:
        """Whether a polynomial over these variables is always an integer."""
        return self.dense.isdisjoint(poly.variables)

    def depending(self, name: int) -> list[int]:
        """The quotients that depend on a variable, those made last first."""
        found = {name}
        for quotient in self.quotients.values():
            if found & (quotient.top.variables | quotient.bottom.variables):
                found.add(quotient.name)
        return sorted(found - {name}, reverse=True)

    def deep(self, *formulas: Formula) -> set[int]:
        """The variables of formulas, those that their quotients depend on too."""
        return self.with_origins(frozenset().union(*map(variables, formulas)))

    def with_origins(self, names: Iterable[int]) -> set[int]:
        """Variables, and those that the quotients among them depend on."""
        found = set(names)
        for name in sorted(self.quotients, reverse=True):
            if name in found:
                quotient = self.quotients[name]
                found |= quotient.top.variables | quotient.bottom.variables
        return found

    # --- simplest forms ---

    def simple(self, formula: Formula) -> Formula:
        """The formula in its simplest form."""
        blocks: list[Block] = []
        for block in formula:
            cells = self.cells(block)
            if not cells:
                return FALSE
            blocks.extend(_factored(cells))
        return conjoined(tuple(blocks))

    def cells(self, block: Block) -> Block:
        """The cells that can hold, none of them within another; one empty cell is true."""
        found: list[Cell] = []
        for cell in block:
            made = self.cell(cell)
            if made == ():
                return ((),)
            if made is not None:
                found.append(made)
        found = self._merged(found)
        if len(found) > MOST_CELLS:
            raise TooMany
        return tuple(found)

    def cell(self, cell: Iterable[Atom]) -> Cell | None:
        """The atoms that say something; None where they can't hold together."""
        cell = tuple(cell)
        if self.left is not None:
            self.left -= len(cell)
            if self.left < 0:
                raise TooMany
        bounds: dict[Poly, Atom] = {}
        others: dict[Atom, Atom] = {}
        for atom in cell:
            made = settled(atom, self.bounds, self.whole(atom.poly))
            if isinstance(made, bool):
                if not made:
                    return None
            elif made.sign == "ge":
                _tightened(bounds, made)
            else:
                known = others.get(made)
                others[made] = made if known is None else known.of(made.rules)
        if _opposed(bounds) or _unequal(others):
            return None
        atoms = (*bounds.values(), *others.values())
        return tuple(sorted(atoms, key=_order))

    def _merged(self, cells: list[Cell]) -> list[Cell]:
        """The cells without those within others; two that complete each other become one."""
        kept: list[Cell] = []
        for cell in sorted(cells, key=len):
            if not any(self._within(cell, other) for other in kept):
                kept.append(cell)
        for place, cell in enumerate(kept):
            for other in kept[place + 1 :]:
                whole = self._completed(cell, other)
                if whole is not None:
                    rest = [c for c in kept if c is not cell and c is not other]
                    return self._merged([*rest, whole])
        return kept

    def _within(self, cell: Cell, other: Cell) -> bool:
        """Whether the first cell holds only where the other does, as far as bounds tell."""
        slopes = {_slope(a.poly): a.poly.offset for a in cell if a.sign == "ge"}
        for atom in other:
            if atom in cell:
                continue
            own = slopes.get(_slope(atom.poly)) if atom.sign == "ge" else None
            if own is not None and own <= atom.poly.offset:
                continue
            if atom.sign != "ge" or not any(self._stricter(held, atom) for held in cell):
                return False
        return True

    def _stricter(self, held: Atom, atom: Atom) -> bool:
        """Whether `held` leaves no more open than `atom`, whatever their variables are."""
        if held.sign != "ge" or held.poly.variables.isdisjoint(atom.poly.variables):
            return False
        low, _ = (atom.poly - held.poly).range(self.bounds)
        return low is not None and low >= 0

    def _completed(self, cell: Cell, other: Cell) -> Cell | None:
        """Two cells as one, where they differ in one bound and leave nothing out."""
        if len(cell) != len(other):
            return None
        mine = [atom for atom in cell if atom not in other]
        yours = [atom for atom in other if atom not in cell]
        if len(mine) != 1 or len(yours) != 1 or not mine[0].sign == yours[0].sign == "ge":
            return None
        both = (mine[0].poly + yours[0].poly).constant
        slack = 1 if self.whole(mine[0].poly) else 0
        if both is None or both < -slack:
            return None
        return tuple(atom for atom in cell if atom in other)

    # --- changes ---

    def replaced(self, formula: Formula, name: int, by: Poly) -> Formula:
        """The formula with a variable replaced, in the quotients too."""
        changes = {name: by}
        read = self.deep(formula) & self.quotients.keys()
        for quotient in (self.quotients[part] for part in sorted(read)):
            if changes.keys() & (quotient.top.variables | quotient.bottom.variables):
                top = quotient.top.replaced(changes)
                bottom = quotient.bottom.replaced(changes)
                changes[quotient.name] = variable(self.quotient(top, bottom))
        blocks: list[Block] = []
        for block in formula:
            if changes.keys().isdisjoint(block_variables(block)):
                blocks.append(block)
                continue
            blocks.append(
                tuple(tuple(_replaced_atom(a, changes) for a in cell) for cell in block)
            )
        return self.simple(tuple(blocks))

    def joined(self, formulas: Sequence[Formula]) -> Formula:
        """One of the formulas: what all of them demand stays apart."""
        formulas = [self.simple(formula) for formula in formulas]
        formulas = [formula for formula in formulas if formula != FALSE]
        if not formulas:
            return FALSE
        if TRUE in formulas:
            return TRUE
        common = [b for b in formulas[0] if all(b in other for other in formulas[1:])]
        cells: list[Cell] = []
        for formula in formulas:
            own = tuple(block for block in formula if block not in common)
            cells.extend(product(own))
        return self.simple((*common, tuple(cells)))


def _tightened(bounds: dict[Poly, Atom], atom: Atom) -> None:
    """Keep the strictest bound of each slope."""
    slope = _slope(atom.poly)
    known = bounds.get(slope)
    if known is None or atom.poly.offset < known.poly.offset:
        bounds[slope] = atom
    elif known.poly == atom.poly:
        bounds[slope] = known.of(atom.rules)


def _opposed(bounds: dict[Poly, Atom]) -> bool:
    """Whether two bounds on the same slope leave nothing between them."""
    for slope, atom in bounds.items():
        other = bounds.get(slope.times(-1))
        if other is not None and atom.poly.offset + other.poly.offset < 0:
            return True
    return False


def _unequal(atoms: Iterable[Atom]) -> bool:
    """Whether some equations give the same slope two values."""
    equations = [atom.poly for atom in atoms if atom.sign == "eq"]
    return len({_slope(poly) for poly in equations}) < len(equations)


def _replaced_atom(atom: Atom, changes: dict[int, Poly]) -> Atom:
    return Atom(atom.sign, atom.poly.replaced(changes), atom.modulus, atom.rules)


def _slope(poly: Poly) -> Poly:
    return Poly(tuple(part for part in poly.parts if part[1]))


def _order(atom: Atom) -> tuple[object, ...]:
    return atom.sign, atom.poly.parts, atom.modulus


def _factored(cells: Block) -> tuple[Block, ...]:
    """A single cell as a block for each atom; true as no block."""
    if len(cells) == 1:
        return tuple(((atom,),) for atom in cells[0])
    keys = [frozenset(cell) for cell in cells]
    common = frozenset.intersection(*keys)
    if not common:
        return (cells,)
    shared = tuple(((atom,),) for atom in cells[0] if atom in common)
    rest = tuple(tuple(atom for atom in cell if atom not in common) for cell in cells)
    return shared if () in rest else (*shared, rest)
