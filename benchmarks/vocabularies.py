"""Vocabularies and how the model's own tokenizer cuts a text."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from rulec.compiler import Vocabulary, load_vocabulary

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

ENVIRONMENT = "RULEC_BENCH_VOCABULARIES"
WANTED = ("32k", "131k", "200k")
_PACKAGED = {
    "32k": "mistral_instruct_tokenizer_240323.model.v3",
    "131k": "tekken_240911.json",
}

O200K_PATTERN = "|".join(
    (
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*"
        r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
        r"\p{N}{1,3}",
        r" ?[^\s\p{L}\p{N}]+[\r\n/]*",
        r"\s*[\r\n]+",
        r"\s+(?!\S)",
        r"\s+",
    )
)
"""How `o200k_base` cuts a text before it merges; the file of ranks doesn't say."""
O200K_RANKS = 199_998


@dataclass(frozen=True)
class Tokenizer:
    """A vocabulary, and how it is used on text: `own` tells that the model's own cuts are."""

    name: str
    path: Path
    vocabulary: Vocabulary
    encode: Callable[[str], list[int]]
    own: str


def chosen(options: list[str]) -> dict[str, Path]:
    """The vocabularies to use: `NAME=PATH` each, else the environment's, else packaged ones."""
    given = options or [
        part for part in os.environ.get(ENVIRONMENT, "").split(os.pathsep) if part
    ]
    if given:
        pairs = (part.partition("=") for part in given)
        return {name: Path(path) for name, _, path in pairs}
    spec = find_spec("mistral_common")
    folders = [] if spec is None else list(spec.submodule_search_locations or ())
    return {
        name: Path(folder) / "data" / file
        for folder in folders
        for name, file in _PACKAGED.items()
    }


def load_tokenizer(name: str, path: Path) -> Tokenizer:
    """A vocabulary with an end of sequence, and the best way to cut a text into its tokens."""
    vocabulary = load_vocabulary(path)
    if not vocabulary.ends:
        vocabulary = vocabulary.with_size(vocabulary.size + 1).with_ends([vocabulary.size])

    def greedy(text: str) -> list[int]:
        return vocabulary.encode_greedy(text.encode())

    own = _own(path, vocabulary)
    if own is None:
        return Tokenizer(name, path, vocabulary, greedy, "greedy, longest token first")
    kind, cut = own

    def checked(text: str) -> list[int]:
        tokens = cut(text)
        written = b"".join(vocabulary.tokens[token] or b"" for token in tokens)
        return tokens if written == text.encode() else greedy(text)

    return Tokenizer(name, path, vocabulary, checked, kind)


def _own(path: Path, vocabulary: Vocabulary) -> tuple[str, Callable[[str], list[int]]] | None:
    if path.name.startswith("tekken") and find_spec("tiktoken"):
        return "tekken through tiktoken", _tekken(path)
    if path.suffix == ".tiktoken" and find_spec("tiktoken"):
        ranks = {
            text: token for token, text in enumerate(vocabulary.tokens) if text is not None
        }
        if len(ranks) == O200K_RANKS:
            return "tiktoken", _tiktoken(O200K_PATTERN, ranks, 0)
    file = path / "tokenizer.json" if path.is_dir() else path
    if file.name == "tokenizer.json" and find_spec("tokenizers"):
        return "tokenizers", _hugging_face(file)
    return None


def _tekken(path: Path) -> Callable[[str], list[int]]:
    parsed = json.loads(path.read_text("utf-8"))
    config = parsed["config"]
    specials = config["default_num_special_tokens"]
    kept = parsed["vocab"][: config["default_vocab_size"] - specials]
    ranks = {base64.b64decode(entry["token_bytes"]): entry["rank"] for entry in kept}
    return _tiktoken(config["pattern"], ranks, specials)


def _tiktoken(
    pattern: str, ranks: Mapping[bytes, int], base: int
) -> Callable[[str], list[int]]:
    module = import_module("tiktoken")
    encoding = module.Encoding(
        "", pat_str=pattern, mergeable_ranks=dict(ranks), special_tokens={}
    )
    return lambda text: [base + token for token in encoding.encode_ordinary(text)]


def _hugging_face(path: Path) -> Callable[[str], list[int]]:
    fast = import_module("tokenizers").Tokenizer.from_file(str(path))
    return lambda text: list(fast.encode(text, add_special_tokens=False).ids)
