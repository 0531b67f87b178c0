"""The engines side by side: each compiles, loads, and opens sequences that fill a row."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cached_property, partial
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from rulec.compiler import compile_ruleset
from rulec.compiler.pack import from_bytes
from rulec.dsl import load_text
from rulec.runtime import Refused, Session
from rulec.runtime.host import Host

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray
    from vocabularies import Tokenizer
    from workloads import Workload

    from rulec.compiler import Vocabulary

    Rows = NDArray[np.uint32]


class Unsupported(Exception):
    """An engine that can't take a grammar."""


@dataclass(frozen=True)
class Reader:
    """One sequence under way. `fill` sets its row; `accept` tells whether the token went in."""

    fill: Callable[[], object]
    accept: Callable[[int], bool]
    rollback: Callable[[int], object]
    matcher: Any


class Engine(Protocol):
    """One engine on one vocabulary."""

    name: str
    version: str
    batch_note: str

    def compiled(self, workload: Workload) -> Any:
        """Compile from the source text."""

    def opened(self, compiled: Any, row: Rows) -> Reader:
        """A fresh sequence that fills `row`."""

    def saved(self, compiled: Any) -> bytes | None:
        """What is stored of it; None where the engine stores nothing."""

    def loaded(self, data: bytes) -> Any:
        """What was `saved`, ready again."""

    def fill_all(self, readers: Sequence[Reader], rows: Rows) -> Callable[[], object]:
        """A call that fills a row for every reader."""


def words(vocabulary: Vocabulary) -> int:
    """32-bit words of a row."""
    return (vocabulary.size + 31) // 32


def cores() -> int:
    """Cores that this process may use."""
    counted = getattr(os, "sched_getaffinity", None)
    return len(counted(0)) if counted else os.cpu_count() or 1


# --- rulec ---


def _session(session: Session, row: Rows) -> Reader:
    take = session.accept

    def accept(token: int) -> bool:
        try:
            take(token)
        except Refused:
            return False
        return True

    return Reader(partial(session.mask, row), accept, session.rollback, session)


class Rulec:
    """This project's host engine. The compiled thing is a host, shared by the sequences."""

    name = "rulec"
    batch_note = "one Python call for each sequence, one core"

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._vocabulary = tokenizer.vocabulary
        self.version = version("rulec")

    def compiled(self, workload: Workload) -> Host:
        """Rules to a host."""
        ruleset = load_text(workload.rules, workload.name).ruleset
        if ruleset is None:
            raise Unsupported(f"{workload.name}: the rules have errors")
        return Host(compile_ruleset(ruleset, self._vocabulary))

    def opened(self, compiled: Host, row: Rows) -> Reader:
        """A session."""
        return _session(Session(compiled.pack, host=compiled), row)

    def saved(self, compiled: Host) -> bytes:
        """The pack's file."""
        return compiled.pack.to_bytes()

    def loaded(self, data: bytes) -> Host:
        """A host over the pack of a file."""
        return Host(from_bytes(data))

    def fill_all(self, readers: Sequence[Reader], rows: Rows) -> Callable[[], object]:
        """Every session's mask, one by one."""
        fills = [reader.fill for reader in readers]

        def run() -> None:
            for fill in fills:
                fill()

        return run


# --- xgrammar ---


class Xgrammar:
    """xgrammar on its EBNF."""

    name = "xgrammar"

    def __init__(self, tokenizer: Tokenizer) -> None:
        xgrammar = import_module("xgrammar")
        vocabulary = tokenizer.vocabulary
        self._module, self._torch = xgrammar, import_module("torch")
        self._info = xgrammar.TokenizerInfo(
            [text or b"" for text in vocabulary.tokens],
            vocab_size=vocabulary.size,
            stop_token_ids=list(vocabulary.ends),
        )
        self.version = version("xgrammar")
        self.batch_note = f"BatchGrammarMatcher, {cores()} threads"

    def compiled(self, workload: Workload) -> Any:
        """EBNF to a compiled grammar, without the compiler's cache."""
        compiler = self._module.GrammarCompiler(
            self._info, max_threads=cores(), cache_enabled=False
        )
        return compiler.compile_grammar(workload.ebnf)

    def opened(self, compiled: Any, row: Rows) -> Reader:
        """A matcher."""
        matcher = self._module.GrammarMatcher(compiled)
        bitmask = self._torch.from_numpy(row.view(np.int32)[None, :])
        fill = partial(matcher.fill_next_token_bitmask, bitmask, 0)
        return Reader(fill, matcher.accept_token, matcher.rollback, matcher)

    def saved(self, compiled: Any) -> bytes:
        """Its JSON."""
        return str(compiled.serialize_json()).encode()

    def loaded(self, data: bytes) -> Any:
        """A compiled grammar from its JSON."""
        return self._module.CompiledGrammar.deserialize_json(data.decode(), self._info)

    def fill_all(self, readers: Sequence[Reader], rows: Rows) -> Callable[[], object]:
        """Its batch call, on all cores."""
        batch = self._module.BatchGrammarMatcher(max_threads=cores())
        bitmask = self._torch.from_numpy(rows.view(np.int32))
        matchers = [reader.matcher for reader in readers]
        return partial(batch.batch_fill_next_token_bitmask, matchers, bitmask)


# --- llguidance ---


class _Words:
    """What llguidance asks of a tokenizer.

    Where the bytes are forced its mask holds only the token that this tokenizer would write, so
    it must cut texts as the traces were cut.
    """

    bos_token_id = None

    def __init__(self, tokenizer: Tokenizer) -> None:
        vocabulary = tokenizer.vocabulary
        texts = vocabulary.tokens
        self.eos_token_id = vocabulary.ends[0]
        self.special_token_ids = [n for n, text in enumerate(texts) if text is None]
        self.tokens = [f"<|{n}|>".encode() if t is None else t for n, t in enumerate(texts)]
        self._greedy = vocabulary.encode_greedy
        self._encode = tokenizer.encode

    def __call__(self, text: bytes | str) -> list[int]:
        try:
            return self._encode(text if isinstance(text, str) else text.decode())
        except UnicodeDecodeError:
            return self._greedy(text)  # type: ignore[arg-type]


class Llguidance:
    """llguidance on its Lark dialect, with its general slices."""

    name = "llguidance"

    def __init__(self, tokenizer: Tokenizer) -> None:
        llguidance = import_module("llguidance")
        self._module = llguidance
        vocabulary = tokenizer.vocabulary
        wrapper = llguidance.TokenizerWrapper(_Words(tokenizer))
        self._tokenizer = llguidance.LLTokenizer(
            wrapper, n_vocab=vocabulary.size, eos_token=list(vocabulary.ends)
        )
        self.version = version("llguidance")
        self.batch_note = f"LLExecutor, {cores()} threads"

    def compiled(self, workload: Workload) -> Any:
        """Lark to a matcher, from which the sequences are copied."""
        matcher = self._module.LLMatcher(self._tokenizer, workload.lark, log_level=0)
        if matcher.is_error():
            raise Unsupported(f"{workload.name}: {matcher.get_error()}")
        return matcher

    def opened(self, compiled: Any, row: Rows) -> Reader:
        """A copy of the matcher."""
        matcher = compiled.deep_copy()
        fill = partial(matcher.unsafe_compute_mask_ptr, row.ctypes.data, row.nbytes)
        return Reader(fill, matcher.consume_token, matcher.rollback, matcher)

    def saved(self, compiled: Any) -> None:
        """It stores nothing."""

    def loaded(self, data: bytes) -> Any:
        """Never asked for."""
        raise Unsupported("llguidance stores nothing")

    @cached_property
    def _executor(self) -> Any:
        return self._module.LLExecutor(num_threads=cores())

    def fill_all(self, readers: Sequence[Reader], rows: Rows) -> Callable[[], object]:
        """Its executor, on all cores."""
        pairs = [(reader.matcher, index) for index, reader in enumerate(readers)]
        width = rows.shape[1] * rows.itemsize
        call = self._executor.unsafe_compute_mask_ptr
        return partial(call, pairs, rows.ctypes.data, width, len(pairs))


ENGINES: dict[str, Callable[[Tokenizer], Engine]] = {
    "rulec": Rulec,
    "xgrammar": Xgrammar,
    "llguidance": Llguidance,
}
