"""The requests that every way of scheduling is put through, and how they are judged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent
MODEL = ROOT / ".venv-vllm" / "tiny"
RULES = ("arithmetic", "invoice")
"""Rulesets of the examples that are served beside those of `rules/`."""

CATALOG = [{"sku": "ABC", "price": 7}, {"sku": "XYZ", "price": 12}]


@dataclass(frozen=True)
class Ask:
    """One request: its prompt, its rules and how it is sampled."""

    prompt: str
    rules: dict | None
    limit: int
    sampling: dict = field(default_factory=dict)


def asks() -> list[Ask]:
    """Requests with and without rules, greedy and sampled, long and short."""
    prose = "The answer, step by step: "
    long = prose * 12
    bill, invoice = {"rules": "bill"}, {"rules": "invoice"}
    warm = {"temperature": 1.0}
    return [
        Ask(prose, None, 48, {**warm, "seed": 1}),
        Ask("So 3 + 4 = ", None, 40, {"temperature": 0.0}),
        Ask("Bill:\n", bill, 60, {"temperature": 0.0}),
        Ask("Bill:\n", {**bill, "with": {"most": 99}}, 60, {**warm, "seed": 2}),
        Ask(long, invoice, 220, {"temperature": 0.0}),
        Ask(long, {**invoice, "with": {"cap": 500}}, 220, {**warm, "seed": 3}),
        Ask(prose, {"rules": "arithmetic"}, 60, {**warm, "seed": 4}),
        Ask(prose, {"rules": "stock", "with": {"catalog": CATALOG}}, 40, {**warm, "seed": 5}),
        Ask(prose, {**bill, "after": "</think>"}, 90, {**warm, "seed": 6}),
        Ask(long, None, 48, {**warm, "seed": 7, "top_k": 50, "top_p": 0.9}),
        Ask("Bill:\n", bill, 60, {**warm, "seed": 8, "n": 3}),
        Ask("Bill:\n", bill, 60, {**warm, "seed": 9, "top_p": 0.5}),
    ]


def gather_rules(folder: Path) -> Path:
    """A folder with all rules that are served."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in RULES:
        shutil.copy(ROOT / "examples" / f"{name}.rules", folder)
    for path in (HERE / "rules").glob("*.rules"):
        shutil.copy(path, folder)
    return folder
