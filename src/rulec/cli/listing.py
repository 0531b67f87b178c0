"""What `rulec compile --emit` prints: each stage as text."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from rich.pretty import pretty_repr
from typing_extensions import assert_never

from rulec.compiler.plan import plan_ruleset
from rulec.dsl.parse import parse

if TYPE_CHECKING:
    from rulec.cli.stages import Report
    from rulec.compiler import Pack
    from rulec.compiler.fit import Row
    from rulec.compiler.skeleton import Posture


class Stage(str, Enum):
    """What `rulec compile --emit` can print."""

    syntax = "syntax"
    rules = "rules"
    plan = "plan"
    machine = "machine"
    pack = "pack"


def stage_text(stage: Stage, report: Report, pack: Pack | None) -> str:
    """A stage as text; Python's own notation but for packs."""
    if report.ruleset is None:
        return ""
    match stage:
        case Stage.syntax:
            return pretty_repr(parse(report.ruleset.span.source).file)
        case Stage.rules:
            return pretty_repr(report.ruleset)
        case Stage.plan:
            plan = plan_ruleset(report.ruleset)
            parts = (plan.layout, plan.fields, plan.lists, plan.folds, plan.rules)
            return "\n".join(map(pretty_repr, (*parts, report.rules)))
        case Stage.machine:
            return pretty_repr(report.machine)
        case Stage.pack:
            return "" if pack is None else "\n".join(_pack_lines(pack))
        case _:
            assert_never(stage)


def _pack_lines(pack: Pack) -> list[str]:
    """The head of a pack, and how many tokens each of its rows lets through."""
    ends = " ".join(map(str, pack.ends))
    return [
        f"ruleset {pack.machine.name} {pack.machine.version}",
        f"rules {pack.digest}",
        f"vocabulary {pack.vocabulary}",
        f"size {pack.size}",
        f"ends {ends}",
        *(_row_line(posture, row) for posture, row in pack.rows.items()),
    ]


def _row_line(posture: Posture, row: Row) -> str:
    watches = ",".join(str(watch) for watch, _ in posture.subs) or "-"
    always = sum(word.bit_count() for word in row.bits.tolist())
    place = f"node={posture.node} watches={watches}"
    return f"row {place} always={always} tested={len(row.open)}"
