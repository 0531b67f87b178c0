"""What `rulec explain` prints of a place in a trace, for people and for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from rulec.cli.characters import quoted, told
from rulec.cli.console import counted, plain_table
from rulec.cli.stages import claim_line
from rulec.dsl.findings import one_line

if TYPE_CHECKING:
    from rulec.compiler import Vocabulary
    from rulec.compiler.marking import Marked
    from rulec.runtime.closed import Closed
    from rulec.runtime.explain import Explanation, Reading, Stop
    from rulec.runtime.narrowing import Demand
    from rulec.runtime.tokens import NextTokens

WIDEST = 56
"""Characters of the trace that are shown before the place, and `AHEAD` those behind it."""

AHEAD = 18

BAD = "bold red"
MOST_READINGS = 8
MOST_TOKENS = 16
LONGEST_TEXT = 60


@dataclass(frozen=True, slots=True)
class View:
    """An explanation, and what it is about. `asked` is the byte that was asked for."""

    marked: Marked
    explanation: Explanation
    name: str
    trace: bytes
    asked: int
    vocabulary: Vocabulary | None = None
    coming: NextTokens | None = None

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the place, in characters, both from 1."""
        before = self.trace[: self.explanation.at].decode("utf-8", "replace")
        return before.count("\n") + 1, len(before) - before.rfind("\n")


def show_place(view: View, console: Console) -> None:
    """Print an explanation for people."""
    found = view.explanation
    console.print(_head(view))
    _excerpt(view, console)
    if found.at < view.asked and found.stop is not None:
        text = Text("the trace stops here: ", style=BAD)
        console.print(text + _refused(found.stop))
    for claim in found.broken:
        console.print(Text("broken before: ", style=BAD) + Text(claim_line(claim)))
    shown = found.readings[:MOST_READINGS]
    for number, reading in enumerate(shown, 1):
        of = f" ({number} of {len(found.readings)} readings)" if len(shown) > 1 else ""
        _show_reading(view, reading, of, console)
    if len(found.readings) > len(shown):
        console.print(f"and {len(found.readings) - len(shown)} readings more")
    for closed in found.closed:
        _show_closed(view, closed, console)
    if view.coming is not None:
        _show_tokens(view, view.coming, console)
    if found.at == view.asked:
        console.print(_outlook(view))


def _head(view: View) -> Text:
    line, column = view.position
    text = Text(f"{view.name}:{line}:{column}", style="bold")
    text.append(f", byte {view.explanation.at} of {len(view.trace)}", style="dim")
    if view.coming is not None and view.coming.number is not None:
        text.append(f", token {view.coming.number}", style="dim")
    if view.explanation.at < view.asked:
        text.append(f", asked for byte {view.asked}", style="dim")
    return text


def _excerpt(view: View, console: Console) -> None:
    """The line of the place, with a caret below the character that comes next."""
    at = view.explanation.at
    before = view.trace[:at].decode("utf-8", "replace").rpartition("\n")[2]
    after = view.trace[at:].decode("utf-8", "replace").partition("\n")[0]
    before, after = _plain(before), _plain(after)
    if len(before) > WIDEST:
        before = "…" + before[-WIDEST:]
    text = Text("  > ", style="dim") + Text(before)
    text.append(after[:AHEAD], style="dim")
    console.print(text)
    console.print(Text("    " + " " * cell_len(before) + "^", style="bold"))


def _plain(text: str) -> str:
    """The text without control characters."""
    return "".join(char if char.isprintable() else " " for char in text)


def _refused(stop: Stop) -> Text:
    because = f" ({stop.refusal.because})" if stop.refusal.because else ""
    return Text(f"{stop.refusal.message}{because}")


def _outlook(view: View) -> Text:
    """Whether what the trace has from here on is allowed."""
    found = view.explanation
    stop, end = found.stop, len(view.trace)
    if stop is None:
        whole = found.at == end
        return Text("the trace may end here" if whole else "the rest of the trace is allowed")
    if stop.at == end:
        if found.at == end:
            return Text("the trace can't end here")
        return Text("the rest of the trace is allowed, but it can't end there")
    refused = _refused(stop)
    if stop.at == found.at:
        return Text("the trace goes on with what is refused: ", style=BAD) + refused
    return Text(f"the trace goes on as allowed up to byte {stop.at}: ") + refused


# --- a reading ---


def _show_reading(view: View, reading: Reading, of: str, console: Console) -> None:
    console.print(Text("in ") + _place(reading) + Text(of, style="dim"))
    rows = [(label, text) for label, text in _rows(view, reading) if text]
    width = max((len(label) for label, _ in rows), default=0)
    for label, text in rows:
        console.print(Text(f"  {label:{width}}  ", style="dim") + Text(text))
    if reading.demand is not None and reading.demand.rules:
        _show_rules(view, reading.demand, console)


def _place(way: Reading | Closed) -> Text:
    text = Text(".".join(way.path) or "the trace", style="bold")
    if way.part is not None:
        text.append(", the text" if way.part.kind == "text" else "")
        span = way.part.span
        text.append(f"  {one_line(span.text)}  {span.place}", style="dim")
    return text


def _show_closed(view: View, closed: Closed, console: Console) -> None:
    """Print a way that rules close."""
    console.print(Text("not in ") + _place(closed))
    rules = ", ".join(_rule(view, number) for number in closed.rules)
    console.print(Text("  closed by  ", style="dim") + Text(rules))


def _rows(view: View, reading: Reading) -> list[tuple[str, str]]:
    """What there is to say of a reading, each with its label; some of it may be empty."""
    wanted = reading.demand
    written = reading.written.decode("utf-8", "replace")
    cut = "…" if len(written) > LONGEST_TEXT else ""
    rows = [("written", quoted(cut + written[-LONGEST_TEXT:]) if written else "")]
    if wanted is not None:
        narrower = written and wanted.left != wanted.allowed
        rows += [
            ("must be", str(wanted.allowed)),
            ("can be", str(wanted.left) if narrower else ""),
        ]
    rows.append(("next", told(reading, LONGEST_TEXT)))
    rows.append(("ended by", " or ".join(one_line(part.span.text) for part in reading.openers)))
    begun = {(watching.path[:1], watching.start): watching for watching in reading.watching}
    for watching in begun.values():
        since = quoted(view.trace[watching.start : view.explanation.at])
        rows.append(("perhaps", f"{''.join(watching.path[:1])}, which begins with {since}"))
    waived = () if wanted is None else wanted.waived
    rows.append(("not kept", ", ".join(_rule(view, number) for number in waived)))
    rows.append(("read by", ", ".join(_rule(view, number) for number in reading.reads)))
    return rows


def _rule(view: View, number: int) -> str:
    rule = view.marked.machine.rules[number]
    return f"{rule.shape}.{rule.name} ({rule.tier})"


def _show_rules(view: View, wanted: Demand, console: Console) -> None:
    """Print the rules that narrow a field, with what each leaves open by itself."""
    rules = view.marked.machine.rules
    table = plain_table()
    for heading in ("rule", "tier", "line"):
        table.add_column(heading, no_wrap=True)
    for heading in ("leaves by itself", "without it"):
        table.add_column(heading, overflow="fold")
    table.add_row("its type", "", "", str(wanted.type_))
    for narrowing in wanted.rules:
        rule = rules[narrowing.rule]
        span = view.marked.sources[narrowing.rule].span
        line = str(span.position[0])
        alone = "the same" if narrowing.alone == wanted.type_ else str(narrowing.alone)
        without = "the same" if narrowing.without == wanted.allowed else str(narrowing.without)
        table.add_row(f"{rule.shape}.{rule.name}", rule.tier, line, alone, without)
    console.print(table)
    for rule in dict.fromkeys(rules[narrowing.rule] for narrowing in wanted.rules):
        if rule.because:
            text = Text(f"  {rule.shape}.{rule.name} because ", style="dim")
            console.print(text + Text(rule.because))


# --- tokens ---


def _show_tokens(view: View, coming: NextTokens, console: Console) -> None:
    """Print the tokens that may come: all of them where they are few, or those that may not."""
    vocabulary = view.vocabulary
    if vocabulary is None:
        return
    allowed = frozenset(coming.allowed)
    barred = [
        token
        for token, text in enumerate(vocabulary.tokens)
        if text is not None and token not in allowed
    ]
    text = Text(f"{counted(len(coming.allowed), 'token')} of {vocabulary.size} may come")
    if len(coming.allowed) <= MOST_TOKENS:
        text.append(f": {' '.join(_token(view, token) for token in coming.allowed)}")
    elif len(barred) <= MOST_TOKENS:
        text.append(f", all but {' '.join(_token(view, token) for token in barred)}")
    console.print(text)
    if coming.own is not None:
        console.print(
            f"the trace's own token is {_token(view, coming.own)}: "
            + ("allowed" if coming.refusal is None else coming.refusal.message)
        )


def _token(view: View, token: int) -> str:
    """A token by what it writes, or as an end."""
    vocabulary = view.vocabulary
    text = None
    if vocabulary is not None and token < len(vocabulary.tokens):
        text = vocabulary.tokens[token]
    return f"the end ({token})" if text is None else quoted(text)
