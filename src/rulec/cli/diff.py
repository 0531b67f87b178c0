"""`rulec diff`: what one ruleset accepts and another rejects, with a trace for each side."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from rulec.cli.console import Exit, Format, FormatOption, emit, sound, stdout, steps
from rulec.cli.stages import claim_line
from rulec.runtime.verdicts import exact

if TYPE_CHECKING:
    from rulec.runtime.differences import Comparison, Difference, OnlyOne

_HEADS = {
    "equivalent": "the rulesets accept the same traces",
    "stricter": "{new} is stricter than {old}",
    "looser": "{new} is looser than {old}",
    "different": "{old} and {new} differ, and neither is stricter",
    "requests": "{old} and {new} don't take the same requests",
    "unknown": "no difference found; not proven",
}


def diff(
    old: Annotated[
        Path, typer.Argument(metavar="OLD", exists=True, dir_okay=False, help="A .rules file.")
    ],
    new: Annotated[
        Path, typer.Argument(metavar="NEW", exists=True, dir_okay=False, help="Another one.")
    ],
    form: FormatOption = Format.text,
) -> None:
    """Compare two rulesets: equivalent, stricter, looser or different, with a trace to show.

    Audit rules don't count. Every trace has been replayed with both rulesets.
    """
    from rulec.runtime.differences import Ruled, compare  # noqa: PLC0415 - only here

    sides = [Ruled(made.ruleset, made.machine) for made in map(sound, (old, new))]
    with steps("comparing", None):
        found = compare(sides[0], sides[1])
    if form is Format.json:
        emit(_record(found))
    else:
        _tell(found, old, new, stdout())
    if found.relation != "equivalent":
        raise typer.Exit(Exit.fault)


# --- for people ---


def _tell(found: Comparison, old: Path, new: Path, console: Console) -> None:
    head = _HEADS["requests" if found.requests else found.relation].format(old=old, new=new)
    unsure = found.relation in ("stricter", "looser") and not found.proven
    text = Text(f"{found.relation}: ", style="bold")
    text.append(head + (", as far as could be seen" if unsure else ""), style="not bold")
    console.print(text)
    for request in found.requests:
        console.print(f"  {request}")
    if found.apart is not None:
        places = f"{found.apart.old.place} and {found.apart.new.place}"
        console.print(f"  the shapes first differ at {places}")
    if found.relation == "equivalent":
        return
    _side(found.only_old, old, new, console)
    _side(found.only_new, new, old, console)


def _side(side: OnlyOne, kept: Path, other: Path, console: Console) -> None:
    """What the one accepts and the other rejects."""
    if side.difference is not None:
        console.print(f"\naccepted by {kept}, rejected by {other}:")
        for line in _shown(side.difference):
            console.print(f"    {line}".rstrip())
        console.print(f"  {_reason(side.difference)}")
    elif side.proven:
        console.print(f"\nno trace is accepted by {kept} and rejected by {other}")
    else:
        what = f"no trace found that {kept} accepts and {other} rejects, {side.tried}"
        console.print(f"\n{what}; not proven: {', '.join(side.open)}")


def _shown(difference: Difference) -> list[str]:
    trace = difference.trace
    lines = trace.text.decode("utf-8", "replace").split("\n")
    if trace.inputs:
        lines.append(f"with {json.dumps(_given(difference))}")
    return lines if any(lines) else ["(the empty trace)"]


def _reason(difference: Difference) -> str:
    """What rejects the trace."""
    broken = difference.rejected.broken
    if broken is not None:
        return claim_line(broken)
    verdict = difference.rejected.verdict
    if verdict is None:
        return "the request is refused"
    return f"{verdict.verdict} at byte {verdict.at}: {verdict.reason}"


# --- for programs ---


def _record(found: Comparison) -> dict[str, object]:
    apart = found.apart
    return {
        "relation": found.relation,
        "proven": found.proven,
        "only_old": _side_record(found.only_old),
        "only_new": _side_record(found.only_new),
        "apart": None if apart is None else [apart.old.place, apart.new.place],
        "requests": list(found.requests),
    }


def _side_record(side: OnlyOne) -> dict[str, object]:
    difference = side.difference
    if difference is None:
        return {
            "trace": None,
            "proven": side.proven,
            "tried": side.tried or None,
            "open": list(side.open),
        }
    verdict = difference.rejected.verdict
    return {
        "trace": difference.trace.text.decode("utf-8", "replace"),
        "with": _given(difference),
        "rejected": None if verdict is None else verdict.to_record(),
        "reason": _reason(difference),
    }


def _given(difference: Difference) -> dict[str, object]:
    """The request, as JSON has it."""
    return {name: _plain(value) for name, value in difference.trace.inputs.items()}


def _plain(value: object) -> object:
    if not isinstance(value, Fraction):
        return value
    if value.denominator == 1:
        return int(value)
    near = float(value)
    return near if Fraction(repr(near)) == value else exact(value)
