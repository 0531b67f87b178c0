"""A page of HTML about many verdicts; it needs nothing but itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from importlib.resources import files
from io import StringIO
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING, Any

from rulec.cli.chunks import Source
from rulec.cli.console import misuse
from rulec.cli.stages import FINE, claim_line, claim_of
from rulec.cli.summary import BINS, MOST_CLAIMS, Summary
from rulec.compiler import Machine
from rulec.runtime.verdict_records import ORDER

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {
    "pass": "#2a7f4f",
    "violate": "#c0392b",
    "too complex": "#b9770e",
    "vacuous": "#8a8f98",
    "unparsed": "#7d3c98",
    "exhausted": "#34495e",
}
MOST_RULES = 40
"""Rules that a plot has bars for, those that are broken most."""

LONGEST = 20_000
"""Bytes of a trace that are shown."""


def write_report(path: Path, summary: Summary, source: Source, machine: Machine) -> None:
    """Write the page; the traces that it shows are read again."""
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        misuse(f"{error}; the extra `rulec[report]` draws plots")
    records = [one for kept in summary.shown.values() for one in kept]
    texts = source.texts({record["line"] for record in records})
    bars = min(len(summary.rules), MOST_RULES)
    template = files("rulec").joinpath("templates", "report.html").read_text("utf-8")
    page = Template(template).substitute(
        title=escape(f"{machine.name}: {source.path.name}"),
        facts=_facts(summary, machine),
        verdicts=_svg(Figure, _verdicts, summary.verdicts),
        rules=_svg(Figure, _rules, summary, height=1 + 0.35 * bars),
        first=_svg(
            Figure, _shares, summary.first_invalid, "where the first invalid step begins"
        ),
        coverage=_svg(Figure, _shares, summary.coverage, "share of a trace that rules guard"),
        claims=_svg(Figure, _claims, summary.claims),
        table=_table(summary),
        traces="".join(_trace(one, texts.get(one["line"], b"")) for one in _sorted(records)),
    )
    try:
        path.write_text(page, "utf-8")
    except OSError as error:
        misuse(f"{path}: {error.strerror}")


def _sorted(records: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    order = list(COLOURS)

    def rank(record: dict[str, Any]) -> tuple[bool, int, int]:
        verdict = record["verdict"]
        return verdict in FINE, order.index(verdict), record["line"]

    return sorted(records, key=rank)


def _facts(summary: Summary, machine: Machine) -> str:
    share = summary.guarded / summary.bytes if summary.bytes else 0.0
    facts = (
        ("traces", f"{summary.traces:,}"),
        *((name, f"{count:,}") for name, count in summary.verdicts.most_common()),
        ("claims", f"{summary.claimed:,}"),
        ("guarded", f"{share:.1%} of the text"),
        ("no traces", f"{summary.errors:,}"),
        ("rules", machine.digest[:16]),
    )
    return "".join(f"<dt>{escape(k)}</dt><dd>{escape(v)}</dd>" for k, v in facts)


# --- plots ---


def _svg(make: type[Figure], draw: Any, *given: Any, height: float = 2.6) -> str:
    """A plot as an element of the page."""
    figure = make(figsize=(7, height), layout="constrained")
    axes = figure.add_subplot()
    axes.spines[["top", "right"]].set_visible(False)
    draw(axes, *given)
    out = StringIO()
    unsaid = dict.fromkeys(("Creator", "Date", "Format", "Type"))
    figure.savefig(out, format="svg", metadata=unsaid)
    text = out.getvalue()
    return text[text.index("<svg") :]


def _verdicts(axes: Axes, verdicts: Counter[str]) -> None:
    names = [name for name in COLOURS if verdicts[name]]
    bars = axes.barh(names, [verdicts[n] for n in names], color=[COLOURS[n] for n in names])
    axes.bar_label(bars, fmt="{:,.0f}", padding=3)
    axes.invert_yaxis()
    axes.set_xlabel("traces")


def _rules(axes: Axes, summary: Summary) -> None:
    by_broken = sorted(summary.rules, key=lambda name: (-summary.broken[name], name))
    shown = by_broken[:MOST_RULES]
    labels = [f"{shape}.{rule}" if tier else rule for shape, rule, tier in shown]
    left = [0] * len(shown)
    for verdict in ORDER:
        counts = [summary.rules[name][verdict] for name in shown]
        axes.barh(labels, counts, left=left, color=COLOURS[verdict], label=verdict)
        left = [done + count for done, count in zip(left, counts, strict=True)]
    axes.invert_yaxis()
    axes.set_xlabel("claims")
    axes.legend(fontsize="small", frameon=False)


def _shares(axes: Axes, counts: Counter[int], label: str) -> None:
    at = [(n + 0.5) / BINS for n in range(BINS)]
    axes.bar(at, [counts[n] for n in range(BINS)], width=0.9 / BINS, color="#2c6fbb")
    axes.set_xlabel(label)
    axes.set_ylabel("traces")
    axes.set_xlim(0, 1)


def _claims(axes: Axes, counts: Counter[int]) -> None:
    most = max(counts, default=0)
    axes.bar(range(most + 1), [counts[n] for n in range(most + 1)], color="#2c6fbb")
    more = f" ({MOST_CLAIMS} and more together)" if most == MOST_CLAIMS else ""
    axes.set_xlabel(f"claims of a trace{more}")
    axes.set_ylabel("traces")


# --- rules and traces ---


def _table(summary: Summary) -> str:
    rows = "".join(
        f"<tr><td>{escape(f'{shape}.{rule}' if tier else rule)}</td><td>{tier}</td>"
        + "".join(f"<td>{counts[verdict]:,}</td>" for verdict in ORDER)
        + f"<td>{summary.broken[shape, rule, tier]:,}</td></tr>"
        for (shape, rule, tier), counts in summary.rules.items()
    )
    heads = "".join(f"<th>{escape(name)}</th>" for name in ORDER)
    return f"<tr><th>rule</th><th>tier</th>{heads}<th>traces that break it</th></tr>{rows}"


def _trace(record: Mapping[str, Any], text: bytes) -> str:
    verdict = record["verdict"]
    said = record["error"] or (record["stopped"] or {}).get("reason", "")
    head = (
        f"<h3>line {record['line']} <span class='badge' style='background:{COLOURS[verdict]}'>"
        f"{verdict}</span> <small>{escape(said)}</small></h3>"
    )
    wrong = [one for one in record["claims"] if one["verdict"] not in FINE]
    lines = "".join(f"<li>{escape(claim_line(claim_of(claim)))}</li>" for claim in wrong)
    return f"<article>{head}<pre>{_coloured(record, text)}</pre><ul>{lines}</ul></article>"


def _coloured(record: Mapping[str, Any], text: bytes) -> str:
    """The text with the spans of claims; where several meet, the gravest is seen."""
    shown = text[:LONGEST]
    kinds: list[tuple[str, str]] = [("", "")] * len(shown)
    grave = sorted(record["claims"], key=lambda one: ORDER.index(one["verdict"]), reverse=True)
    for claim in grave:
        start, end = claim["bytes"]
        told = claim["verdict"], claim_line(claim_of(claim))
        for at in range(start, min(end, len(shown))):
            kinds[at] = told
    pieces: list[str] = []
    since = 0
    stop = record["stopped"]["byte"] if record["stopped"] else -1
    for at in range(len(shown) + 1):
        if at == stop:
            pieces.append(_piece(shown[since:at], kinds, since) + "<i class='stop'>▮</i>")
            since = at
        elif at == len(shown) or (at and kinds[at] != kinds[since]):
            pieces.append(_piece(shown[since:at], kinds, since))
            since = at
    rest = len(text) - len(shown)
    return "".join(pieces) + (f"… {rest:,} bytes more" if rest else "")


def _piece(text: bytes, kinds: list[tuple[str, str]], at: int) -> str:
    if not text:
        return ""
    verdict, told = kinds[at]
    inner = escape(text.decode("utf-8", "replace"))
    if not verdict:
        return inner
    colour = COLOURS[verdict]
    style = f"background:{colour}22;border-bottom:2px solid {colour}"
    return f"<mark style='{style}' title='{escape(told, quote=True)}'>{inner}</mark>"
