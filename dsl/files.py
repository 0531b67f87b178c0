"""Rulesets from files and texts, with the files that they use."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rulec.dsl.check import check
from rulec.dsl.diagnostics import Diagnostic, Label
from rulec.dsl.findings import Findings, one_line
from rulec.dsl.items import File, Header, Item, Sample, Trace, Use
from rulec.dsl.parse import LARGEST, MOST_ERRORS, parse
from rulec.dsl.source import Source, Span

if TYPE_CHECKING:
    from rulec.dsl import checked as c

MOST_FILES = 100


@dataclass(frozen=True, slots=True)
class Loaded:
    """A checked ruleset, None if there was an error, and what was found."""

    ruleset: c.Ruleset | None
    diagnostics: tuple[Diagnostic, ...]


def load(path: Path | str) -> Loaded:
    """Read and check a ruleset; `use` paths are relative to the file that holds them."""
    path = Path(path)
    text = read(path)
    if isinstance(text, str):
        return _load(Source(str(path), text), path)
    return Loaded(None, (text,))


def load_text(text: str, name: str = "<text>") -> Loaded:
    """Check a ruleset that is no file; its `use` paths are relative to the working folder."""
    return _load(Source(name, text), None)


def read(path: Path) -> str | Diagnostic:
    """The text of a file, or why there is none."""
    place = Label(Span(Source(str(path), ""), 0, 0), "")
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        return Diagnostic("R0206", one_line(f"cannot read `{path}`: {reason.lower()}"), place)
    if len(data) > LARGEST:
        return Diagnostic("R0601", f"this file is larger than {LARGEST:_} bytes", place)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        return Diagnostic("R0108", f"line {line} of `{path}` is not UTF-8", place)


def _load(source: Source, path: Path | None) -> Loaded:
    lender = _Lender()
    parsed = parse(source)
    lender.found.extend(parsed.diagnostics)
    here = Path() if path is None else path.parent
    lender.open = [] if path is None else [_identity(path)]
    lender.borrow(parsed.file, here)
    broken = parsed.file.broken | lender.broken
    checked = check(File(source, parsed.file.items, broken), lender.items)
    found = (*lender.found, *lender.findings.found, *checked.diagnostics)
    ruleset = checked.ruleset
    if any(finding.severity == "error" for finding in found):
        ruleset = None
    return Loaded(ruleset, _ordered(found, source))


@dataclass
class _Lender:
    """Gathers the items of used files, each file once."""

    items: list[Item] = field(default_factory=list)
    found: list[Diagnostic] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    seen: set[str] = field(default_factory=set)
    open: list[str] = field(default_factory=list)
    broken: frozenset[str] = frozenset()

    def borrow(self, file: File, folder: Path) -> None:
        """Bring in the items of every file that this one uses."""
        for item in file.items:
            if isinstance(item, Use):
                self._use(item, folder)

    def _use(self, item: Use, folder: Path) -> None:
        path = folder / item.path.text
        identity = _identity(path)
        if identity in self.open:
            message = f'"{item.path.text}" uses itself'
            names = [Path(name).name for name in self.open[self.open.index(identity) :]]
            cycle = " -> ".join((*names, path.name))
            self.findings.error("R0207", item.path.span, message, label=cycle)
        elif identity not in self.seen:
            self.seen.add(identity)
            text = self._read(item, path)
            if text is not None:
                self._lend(Source(str(path), text), path, identity)

    def _read(self, item: Use, path: Path) -> str | None:
        if len(self.seen) > MOST_FILES:
            message = f"a ruleset uses at most {MOST_FILES} files"
            self.findings.error("R0603", item.path.span, message)
            self.broken |= {"<use>"}
            return None
        text = self._regular(path)
        if isinstance(text, Diagnostic):
            hint = "paths are relative to the file that holds the `use`"
            self.findings.error(text.code, item.path.span, text.message, hint=hint)
            self.broken |= {"<use>"}
            return None
        return text

    def _regular(self, path: Path) -> str | Diagnostic:
        """The text of an ordinary file: a pipe or a device could keep us waiting."""
        try:
            special = path.exists() and not path.is_file()
        except (OSError, ValueError):
            special = False
        if special:
            message = one_line(f"`{path}` is no file")
            return Diagnostic("R0206", message, Label(Span(Source(str(path), ""), 0, 0), ""))
        return read(path)

    def _lend(self, source: Source, path: Path, identity: str) -> None:
        parsed = parse(source)
        self.found.extend(parsed.diagnostics)
        self.broken |= parsed.file.broken
        self.open.append(identity)
        self.borrow(parsed.file, path.parent)
        self.open.pop()
        own = Header | Use | Trace | Sample
        self.items.extend(item for item in parsed.file.items if not isinstance(item, own))


def _identity(path: Path) -> str:
    try:
        return str(path.resolve())
    except (OSError, ValueError, RuntimeError):
        return str(path)


def _ordered(found: tuple[Diagnostic, ...], source: Source) -> tuple[Diagnostic, ...]:
    """By file and place, without doubles, up to a limit."""
    unique = list(dict.fromkeys(found))

    def place(finding: Diagnostic) -> tuple[bool, str, int]:
        span = finding.primary.span
        return span.source is not source, span.source.name, span.start

    unique.sort(key=place)
    if len(unique) <= MOST_ERRORS:
        return tuple(unique)
    left = len(unique) - MOST_ERRORS
    last = unique[MOST_ERRORS - 1].primary.span
    message = f"{left} more findings are not shown"
    more = Diagnostic("R0604", message, Label(last, ""), severity="note")
    return (*unique[:MOST_ERRORS], more)
