"""The packs of a folder, by the names of their rulesets, for one vocabulary."""

from __future__ import annotations

from functools import cached_property
from itertools import accumulate
from threading import Lock
from typing import TYPE_CHECKING

from rulec.compiler import PackError, build, fit
from rulec.compiler.pack import load_pack
from rulec.dsl import load, render
from rulec.runtime.after import After
from rulec.runtime.externals import UNASKED
from rulec.runtime.host import Host
from rulec.runtime.marker import BLANK, Writing
from rulec.runtime.requests import BadRequest
from rulec.runtime.session import Session
from rulec.runtime.tables import TABLES
from rulec.runtime.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from rulec.compiler.pack import Pack
    from rulec.compiler.vocabulary import Vocabulary
    from rulec.runtime.externals import Externals
    from rulec.runtime.requests import Request


class CatalogError(Exception):
    """A folder whose rules can't all be served, and why."""


class Entry:
    """A pack at work, for any number of sequences."""

    def __init__(self, pack: Pack, writing: Writing) -> None:
        self.pack, self._writing = pack, writing
        self.tiers = {rule.name: rule.tier for rule in pack.machine.rules}
        self.lock = Lock()
        """To be held by threads that share the engine, while they make masks."""

    @cached_property
    def host(self) -> Host:
        """The engine that the pack's sequences share."""
        return Host(self.pack)

    @property
    def name(self) -> str:
        """The name of the ruleset."""
        return self.pack.machine.name

    @property
    def digest(self) -> str:
        """What names rules and vocabulary together."""
        return f"{self.pack.digest[:32]}-{self.pack.vocabulary[:32]}"

    def loose(self, request: Request) -> tuple[str, ...]:
        """The rules that a request wants kept by taking back what breaks them.

        Raises:
            BadRequest: if it demotes what it can't.
        """
        for name in request.audit:
            if name not in self.tiers:
                raise BadRequest(f"`{self.name}` has no rule `{name}`")
            if self.tiers[name] == "mask":
                raise BadRequest(
                    f"`{name}` is kept by masks; only a ruleset in which it is an `audit` rule "
                    "can leave it out"
                )
        return tuple(
            name
            for name, tier in self.tiers.items()
            if tier == "commit" and name not in request.audit
        )

    def begin(
        self, request: Request, budget: int | None, externals: Externals | None = UNASKED
    ) -> Session | After:
        """What guides one sequence.

        Raises:
            BadInput: if the request's values don't fit, or no trace fits the budget.
            BadRequest: if a table that it names is not here.
        """
        inputs = TABLES.filled(request.inputs)
        session = Session(self.pack, inputs, budget, self.host, externals, request.bars)
        session.demoted = frozenset(request.audit)
        if not request.after:
            return session
        marker = self._writing.marker(request.after)
        return After(session, marker, self._writing, budget)

    def judge(
        self, request: Request, tokens: Sequence[int], externals: Externals | None
    ) -> dict[str, object]:
        """The verdict on what some tokens write, whether or not rules have steered it."""
        text = b"".join(map(self._writing.text, tokens))
        if tokens and tokens[-1] in self.pack.ends:
            text = b"".join(map(self._writing.text, tokens[:-1]))
        if request.after:
            text = text.partition(request.after)[2].lstrip(BLANK)
        inputs = TABLES.filled(request.inputs)
        verdict = Verifier(self.pack.machine, externals)(text, inputs)
        if not request.after:
            ends = tuple(accumulate(map(len, map(self._writing.text, tokens))))
            last = len(text)
            verdict = verdict.placed(
                tuple(min(end, last) for end in ends), self.pack.vocabulary
            )
        return verdict.demoted(frozenset(request.audit)).to_record()


class Catalog:
    """Packs by name. It never changes; a newer one takes its place."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: dict[str, Entry] = {}
        for entry in entries:
            if entry.name in self._entries:
                raise CatalogError(f"two rulesets are called `{entry.name}`")
            self._entries[entry.name] = entry

    @classmethod
    def open(cls, folder: Path, vocabulary: Vocabulary) -> Catalog:
        """Load the packs of a folder, and compile the rules for which there is none.

        Raises:
            CatalogError: if one of them can't be served.
        """
        writing = Writing(vocabulary)
        return cls(Entry(pack, writing) for pack in _packs(folder, vocabulary))

    def __iter__(self) -> Iterator[Entry]:
        return iter(self._entries.values())

    def replaced(self, entries: Iterable[Entry]) -> Catalog:
        """This one with other packs in the place of those of the same names."""
        return Catalog((self._entries | {entry.name: entry for entry in entries}).values())

    @property
    def digests(self) -> Mapping[str, str]:
        """What names each pack."""
        return {entry.name: entry.digest for entry in self}

    def find(self, name: str) -> Entry:
        """The pack of some rules. Raises `BadRequest`."""
        entry = self._entries.get(name)
        if entry is None:
            known = ", ".join(f"`{name}`" for name in sorted(self._entries))
            raise BadRequest(f"there are no rules `{name:.80}`; there are {known}")
        return entry


def _packs(folder: Path, vocabulary: Vocabulary) -> Iterator[Pack]:
    ready = {path.stem: path for path in sorted(folder.glob("*.rulepack"))}
    sources = {path.stem: path for path in sorted(folder.glob("*.rules"))}
    if not ready and not sources:
        raise CatalogError(f"{folder} holds neither packs nor rules")
    for path in ready.values():
        yield loaded(path, vocabulary)
    for stem, path in sources.items():
        if stem not in ready:
            yield compiled(path, vocabulary)


def loaded(path: Path, vocabulary: Vocabulary) -> Pack:
    """The pack of a file. Raises `CatalogError`."""
    try:
        return load_pack(path, vocabulary)
    except PackError as error:
        raise CatalogError(f"{path}: {error}") from error


def compiled(path: Path, vocabulary: Vocabulary) -> Pack:
    """The pack of a file of rules. Raises `CatalogError`."""
    read = load(path)
    built = build(read.ruleset) if read.ruleset is not None else None
    if built is None or built.machine is None:
        found = (*read.diagnostics, *(built.diagnostics if built is not None else ()))
        raise CatalogError("\n".join(render(one).rstrip("\n") for one in found))
    try:
        return fit(built.machine, vocabulary)
    except PackError as error:
        raise CatalogError(f"{path}: {error}") from error
