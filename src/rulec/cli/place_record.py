"""What `rulec explain` prints of a place in a trace, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rulec.cli.place import View
    from rulec.compiler.marking import Part
    from rulec.dsl.source import Span
    from rulec.runtime.explain import Reading, Stop
    from rulec.runtime.reasons import Refusal
    from rulec.runtime.tokens import NextTokens


def record(view: View) -> dict[str, object]:
    """An explanation as JSON has it."""
    found = view.explanation
    line, column = view.position
    stop = found.stop
    return {
        "at": found.at,
        "asked": view.asked,
        "line": line,
        "column": column,
        "length": len(view.trace),
        "next": list(found.next),
        "ends": found.ends,
        "stop": None if stop is None else _stop_record(view, stop),
        "broken": [claim.to_record() for claim in found.broken],
        "closed": [
            {
                "path": list(closed.path),
                "element": None if closed.part is None else _element_record(closed.part),
                "rules": [_rule_record(view, number) for number in closed.rules],
            }
            for closed in found.closed
        ],
        "readings": [_reading_record(view, reading) for reading in found.readings],
        "tokens": None if view.coming is None else _tokens_record(view.coming),
    }


def _stop_record(view: View, stop: Stop) -> dict[str, object]:
    closed = [_rule_record(view, number) for number in stop.rules]
    return {"at": stop.at} | refusal_record(stop.refusal) | {"closed_by": closed}


def refusal_record(refusal: Refusal) -> dict[str, object]:
    """Why something can't stand somewhere, as JSON has it."""
    return {
        "message": refusal.message,
        "rule": refusal.rule or None,
        "field": refusal.field or None,
        "allowed": refusal.allowed or None,
        "because": refusal.because or None,
    }


def _reading_record(view: View, reading: Reading) -> dict[str, object]:
    field = view.marked.machine.fields[reading.field] if reading.field >= 0 else None
    wanted = reading.demand
    return {
        "path": list(reading.path),
        "element": None if reading.part is None else _element_record(reading.part),
        "shape": _shape(reading) if field is None else field.shape,
        "field": None if field is None else field.name or None,
        "kind": None if field is None else field.kind,
        "written": reading.written.decode("utf-8", "replace"),
        "allowed": None if wanted is None else wanted.allowed.to_record(),
        "left": None if wanted is None else wanted.left.to_record(),
        "type": None if wanted is None else wanted.type_.to_record(),
        "rules": [
            _rule_record(view, narrowing.rule)
            | {"alone": narrowing.alone.to_record(), "without": narrowing.without.to_record()}
            for narrowing in (() if wanted is None else wanted.rules)
        ],
        "not_kept": [
            _rule_record(view, number) for number in (() if wanted is None else wanted.waived)
        ],
        "read_by": [_rule_record(view, number) for number in reading.reads],
        "next": list(reading.next),
        "characters": list(reading.characters),
        "forced": reading.forced.decode("utf-8", "replace"),
        "ends": reading.ends,
        "openers": [_element_record(part) for part in reading.openers],
        "watching": [
            {"path": list(watching.path), "start": watching.start}
            for watching in reading.watching
        ],
    }


def _shape(reading: Reading) -> str | None:
    return None if reading.part is None else reading.part.shape or None


def _element_record(part: Part) -> dict[str, object]:
    return {"kind": part.kind, "shape": part.shape or None} | _span_record(part.span)


def _rule_record(view: View, number: int) -> dict[str, object]:
    rule = view.marked.machine.rules[number]
    about = {
        "rule": rule.name,
        "shape": rule.shape,
        "tier": rule.tier,
        "because": rule.because or None,
    }
    return about | _span_record(view.marked.sources[number].span)


def _span_record(span: Span) -> dict[str, object]:
    line, column = span.position
    return {"text": span.text, "file": span.source.name, "line": line, "column": column}


def _tokens_record(coming: NextTokens) -> dict[str, object]:
    refusal = coming.refusal
    return {
        "number": coming.number,
        "allowed": list(coming.allowed),
        "own": coming.own,
        "refusal": None if refusal is None else refusal_record(refusal),
    }
