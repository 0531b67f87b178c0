"""What the verdicts on many traces come to."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from rich.table import Table
from rich.text import Text

from rulec.cli.console import plain_table
from rulec.cli.stages import FINE
from rulec.runtime.verdict_records import ORDER

BINS = 20
"""Bars of a histogram over shares."""

MOST_CLAIMS = 30
"""More claims than so many are counted together."""

MOST_SHOWN = 20
"""Traces that are kept for each verdict."""

RuleName = tuple[str, str, str]


def _bin(share: float) -> int:
    return min(int(share * BINS), BINS - 1)


@dataclass(slots=True)
class Summary:
    """Counts over records; of the records themselves only a few are kept.

    `rules` counts claims by rule and verdict, `broken` the traces that break a rule.
    `first_invalid` and `coverage` are histograms over the share of a trace's bytes, `claims`
    over how many were tested. `suspected` counts traces with text that looks like an equation
    which no claim has read. `shown` are the first records of each verdict, by their line.
    """

    verdicts: Counter[str] = field(default_factory=Counter)
    rules: dict[RuleName, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    broken: Counter[RuleName] = field(default_factory=Counter)
    first_invalid: Counter[int] = field(default_factory=Counter)
    coverage: Counter[int] = field(default_factory=Counter)
    claims: Counter[int] = field(default_factory=Counter)
    bytes: int = 0
    guarded: int = 0
    claimed: int = 0
    errors: int = 0
    suspected: int = 0
    shown: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))

    @property
    def traces(self) -> int:
        """How many there were."""
        return self.verdicts.total()

    @property
    def fine(self) -> bool:
        """Whether every trace keeps its rules."""
        return not set(self.verdicts) - set(FINE)

    def add(self, record: Mapping[str, Any]) -> None:
        """Count a record, which has its `line`."""
        verdict, size = record["verdict"], record["coverage"]["bytes"]
        self.verdicts[verdict] += 1
        for rule in record["rules"]:
            name = rule["shape"], rule["rule"], rule["tier"] or ""
            self.rules[name].update({k: n for k, n in rule["claims"].items() if n})
            self.broken[name] += rule["claims"]["violate"] > 0
        if len(self.shown[verdict]) < MOST_SHOWN:
            self.shown[verdict].append(dict(record))
        self.suspected += bool(record.get("suspects"))
        if record["error"] is not None:
            self.errors += 1
            return
        if record["first_invalid"] is not None:
            at = record["first_invalid"]["bytes"][0]
            self.first_invalid[_bin(at / size if size else 0.0)] += 1
        self.coverage[_bin(record["coverage"]["share"])] += 1
        self.claims[min(record["claim_count"], MOST_CLAIMS)] += 1
        self.bytes += size
        self.guarded += record["coverage"]["guarded"]
        self.claimed += record["claim_count"]

    def merge(self, other: Summary) -> None:
        """Count what comes behind."""
        for name, counts in other.rules.items():
            self.rules[name].update(counts)
        for mine, theirs in (
            (self.verdicts, other.verdicts),
            (self.broken, other.broken),
            (self.first_invalid, other.first_invalid),
            (self.coverage, other.coverage),
            (self.claims, other.claims),
        ):
            mine.update(theirs)  # type: ignore[arg-type]
        for verdict, records in other.shown.items():
            held = self.shown[verdict]
            held.extend(records[: MOST_SHOWN - len(held)])
        self.bytes += other.bytes
        self.guarded += other.guarded
        self.claimed += other.claimed
        self.errors += other.errors
        self.suspected += other.suspected

    def to_record(self) -> dict[str, object]:
        """The counts as JSON has them."""
        return {
            "traces": self.traces,
            "errors": self.errors,
            "suspected": self.suspected,
            "verdicts": dict(self.verdicts.most_common()),
            "claims": self.claimed,
            "bytes": self.bytes,
            "guarded": self.guarded,
            "rules": [
                {
                    "shape": shape,
                    "rule": rule,
                    "tier": tier or None,
                    "claims": {verdict: counts[verdict] for verdict in ORDER},
                    "traces_broken": self.broken[shape, rule, tier],
                }
                for (shape, rule, tier), counts in self.rules.items()
            ],
        }


def tables(summary: Summary) -> tuple[Table, Table]:
    """The counts for people: of traces, and of rules."""
    whole = plain_table()
    for title in ("verdict", "traces", "share"):
        whole.add_column(title, justify="left" if title == "verdict" else "right")
    for verdict, count in summary.verdicts.most_common():
        style = "green" if verdict in FINE else "bold red"
        share = f"{count / summary.traces:.2%}"
        whole.add_row(Text(verdict, style=style), f"{count:,}", share)
    rules = plain_table()
    rules.add_column("rule", overflow="fold")
    rules.add_column("tier")
    for title in ("violate", "complex", "pass", "vacuous", "traces"):
        rules.add_column(title, justify="right")
    for (shape, rule, tier), counts in summary.rules.items():
        name = f"{shape}.{rule}" if tier else rule
        shown = [f"{counts[verdict]:,}" for verdict in ORDER]
        rules.add_row(name, tier, *shown, f"{summary.broken[shape, rule, tier]:,}")
    return whole, rules
