"""How much of a trace rules have guarded."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from rulec.runtime import trail
from rulec.runtime.covered import GUARDED, Covered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from rulec.compiler.machine import Machine
    from rulec.runtime.covered import Places
    from rulec.runtime.programs import Mark

_SIGN = re.compile(rb" ?%")


def guarded_bytes(
    machine: Machine,
    places: Places,
    marks: Iterable[Mark],
    trace: bytes,
    settled: Callable[[Mark], str],
) -> int:
    """The bytes of a trace in fields that a tested rule reads.

    Args:
        machine: the rules.
        places: what is read where, of the same machine.
        marks: those of a reading that notes the fields that end in it (`trail.Noting`).
        trace: the text.
        settled: the verdict of a mark.
    """
    covered = Covered(places, len(trace))
    for mark in marks:
        match mark.rule:
            case trail.CLOSED:
                sign = (
                    _SIGN.match(trace, mark.end) if machine.fields[mark.label].shift else None
                )
                covered.field(mark.label, -1, mark.start, sign.end() if sign else mark.end)
            case trail.RESET:
                covered.reset(mark.regs)
            case trail.ITEM:
                covered.item(mark.label)
            case rule if rule >= 0 and settled(mark) != "vacuous":
                covered.tested(rule)
    return covered.kinds.count(GUARDED)
