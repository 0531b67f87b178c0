"""The figures as tables for people, beside what is aimed at."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table

AIMS = (
    ("fill, cached row", "static", "fill_us", "p50", 2.0),
    ("fill, prose with openers", "prose", "fill_us", "p50", 2.0),
    ("fill, up to 64 candidates", "few", "fill_us", "p50", 10.0),
    ("fill, up to 64 candidates", "few", "fill_us", "p99", 40.0),
    ("fill, more candidates", "many", "fill_us", "p50", 40.0),
    ("fill, more candidates", "many", "fill_us", "p99", 150.0),
    ("accept, cached row", "static", "accept_us", "p50", 1.0),
    ("accept, in a value", "few", "accept_us", "p50", 15.0),
    ("accept, in a value", "many", "accept_us", "p50", 15.0),
)
BATCH_MS = 2.0
LOAD_MS = 5.0
_KINDS = {"all": "all", "static": "static", "prose": "prose", "few": "≤ 64", "many": "> 64"}


def render(report: dict[str, Any]) -> None:
    """Print a report."""
    console = Console(width=150)
    _head(console, report)
    for result in report["results"]:
        _result(console, result)
    console.print(aims(report["results"]))


def _head(console: Console, report: dict[str, Any]) -> None:
    at = report["machine"]
    versions = ", ".join(f"{name} {found}" for name, found in at["versions"].items())
    console.print(f"{at['date']}, {at['cpu']}, {at['cores']} cores, load {at['load']}")
    console.print(f"Python {at['python']}, {versions}")
    for note in report["skipped"]:
        console.print(f"skipped: {note}", style="yellow")


def _result(console: Console, result: dict[str, Any]) -> None:
    console.print()
    console.print(
        f"[bold]{result['workload']}, {result['vocabulary']}[/] ({result['size']:,} tokens, "
        f"cut by {result['tokenizer']}; {result['steps']:,} steps; {result['source']}; "
        f"{result['bits_compared']:,} bits equal to the reference's)"
    )
    console.print(_starts(result["engines"]))
    console.print(_steps(result["engines"]))
    for engine in result["engines"]:
        if "unsupported" in engine:
            console.print(f"{engine['engine']}: {engine['unsupported']}", style="red")
        if engine.get("preempted"):
            console.print(
                f"{engine['engine']}: {engine['preempted']} steps were interrupted and left out"
            )
        if engine.get("refused"):
            note = f"{engine['engine']} refused {engine['refused']} traces: "
            console.print(note + "; ".join(engine["refusals"]), style="red", markup=False)


def _starts(engines: list[dict[str, Any]]) -> Table:
    title = "ms: start (first, median) and whole batches; KiB stored; MiB: grammar and its peak"
    table = Table(title=title)
    sizes = [batch["size"] for batch in engines[0].get("batches", ())]
    heads = ("vocabulary", "compile + mask", "load + mask", "stored", "grammar", "peak")
    for head in ("engine", *heads, *(f"batch {size}" for size in sizes)):
        table.add_column(head, justify="left" if head == "engine" else "right")
    for engine in engines:
        memory = engine.get("memory_mib", {})
        stored = engine.get("saved_bytes")
        batches = [_batch(batch) for batch in engine.get("batches", ())]
        table.add_row(
            engine["engine"],
            f"{engine['vocabulary_ms']:.0f}",
            _pair(engine.get("compile_first_mask_ms")),
            _pair(engine.get("load_first_mask_ms")),
            "–" if stored is None else f"{stored / 1024:,.0f}",
            str(memory.get("compiled", "–")),
            str(memory.get("compiling_peak", "–")),
            *batches,
        )
    return table


def _pair(took: dict[str, float] | None) -> str:
    return "–" if took is None else f"{took['first']:.1f}, {took['median']:.1f}"


def _batch(batch: dict[str, Any]) -> str:
    return "refused" if "refused" in batch else f"{batch['p50_ms']:.2f}"


def _steps(engines: list[dict[str, Any]]) -> Table:
    title = "µs, p50 / p99 / mean: fresh traces after a warm-up on others; cold; the same again"
    table = Table(title=title)
    heads = ("steps", "fill", "cold", "again", "accept", "back 8 tokens")
    for head in ("engine", "class", *heads):
        table.add_column(head, justify="left" if head in ("engine", "class") else "right")
    for engine in engines:
        for kind, shown in _KINDS.items():
            if not engine.get("fill_us", {}).get(kind):
                continue
            table.add_row(
                engine["engine"] if kind == "all" else "",
                shown,
                str(engine["fill_us"][kind]["count"]),
                _three(engine["fill_us"][kind]),
                _three(engine["cold_fill_us"][kind]),
                _three(engine["repeated_fill_us"][kind]),
                _three(engine["accept_us"][kind]),
                _three(engine["rollback_us"]) if kind == "all" else "",
            )
    return table


def _three(found: dict[str, float] | None) -> str:
    if found is None:
        return "–"
    return " / ".join(f"{found[key]:,.1f}" for key in ("p50", "p99", "mean"))


def aims(results: list[dict[str, Any]]) -> Table:
    """What rulec reached, beside what is aimed at."""
    table = Table(title="rulec beside its aims")
    for head in ("workload", "what", "measured", "aim", ""):
        table.add_column(head, justify="right" if head in ("measured", "aim") else "left")
    for result in results:
        own = next((e for e in result["engines"] if e["engine"] == "rulec"), None)
        if own is None:
            continue
        for what, measured, aim in _reached(own):
            style = "green" if measured <= aim else "red"
            name = f"{result['workload']} {result['vocabulary']}"
            verdict = "reached" if measured <= aim else f"{measured / aim:.1f} times the aim"
            table.add_row(name, what, f"{measured:,.2f}", f"{aim:g}", verdict, style=style)
    return table


def _reached(own: dict[str, Any]) -> list[tuple[str, float, float]]:
    found = []
    for what, kind, figure, key, aim in AIMS:
        held = own[figure].get(kind)
        if held is not None:
            found.append((f"{what}, {key} (µs)", held[key], aim))
    load = own["load_first_mask_ms"]
    found.append(("load + first mask (ms)", load["median"], LOAD_MS))
    for batch in own.get("batches", ()):
        if batch["size"] == 256:
            what = f"batch of 256, {batch['dynamic_share']:.0%} in a value (ms)"
            found.append((what, batch["p50_ms"], BATCH_MS))
    return found
