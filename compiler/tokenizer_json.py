"""Reader of Hugging Face `tokenizer.json`, with what lies beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from rulec.compiler.listing import (
    LONGEST_TOKEN,
    Listing,
    VocabularyError,
    checked_id,
    checked_objects,
    parse_json,
    part,
    read_file,
    utf8,
)
from rulec.compiler.pieces import SPACE, fallback_byte, from_byte_letters

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

Decoder: TypeAlias = Callable[[object], bytes]
"""The bytes that a token adds in the middle of a text."""

_LARGEST_NEIGHBOUR = 16 * 2**20


def read_parsed(content: dict[str, Any], folder: Path) -> Listing:
    """The tokens of a parsed `tokenizer.json` and of the configuration files in its folder.

    Every token goes through the decoder of the tokenizer, added ones too: that is what a
    reader of the model sees.
    """
    listing = list_tokens(content)
    _add_neighbours(folder, listing)
    return listing


def list_tokens(content: dict[str, Any]) -> Listing:
    """The tokens of a parsed `tokenizer.json`."""
    decode = _decoder(content)
    listing = Listing()
    for token, piece in _model_tokens(part(content, "model", dict)):
        listing.add(token, decode(piece))
    for added in checked_objects(content.get("added_tokens"), "added_tokens"):
        _add(listing, added.get("id"), added, decode)
    return listing


def _add(listing: Listing, token: object, added: dict[str, Any], decode: Decoder) -> None:
    name = part(added, "content", str)
    if added.get("special") is True:
        listing.add_special(token, name)
    else:
        listing.add(token, decode(name))


def _model_tokens(model: dict[str, Any]) -> Iterator[tuple[object, object]]:
    kind = model.get("type", "BPE")
    vocab = model.get("vocab")
    if kind == "BPE" and isinstance(vocab, dict):
        if model.get("continuing_subword_prefix") or model.get("end_of_word_suffix"):
            raise VocabularyError("tokens that mark where a word goes on are not supported")
        return ((token, piece) for piece, token in vocab.items())
    if kind == "Unigram" and isinstance(vocab, list):
        return _unigram_tokens(vocab, model.get("unk_id"))
    raise VocabularyError(f"a {kind!s:.40} model does not say which bytes its tokens write")


def _unigram_tokens(vocab: list[Any], unknown: object) -> Iterator[tuple[object, object]]:
    for token, entry in enumerate(vocab):
        if not isinstance(entry, list) or not entry:
            raise VocabularyError(f"entry {token} of the vocabulary is not a piece and a score")
        yield token, "" if token == unknown else entry[0]


# --- decoders ---


def _decoder(content: dict[str, Any]) -> Decoder:
    steps = list(_flat(content.get("decoder"), "decoders"))
    if not steps:
        before = _flat(content.get("pre_tokenizer"), "pretokenizers")
        steps = [step for step in before if step.get("type") in {"ByteLevel", "Metaspace"}]
    if not steps:
        raise VocabularyError("the tokenizer has no decoder, so its tokens have no bytes")
    if any(step.get("type") == "ByteLevel" for step in steps):
        return from_byte_letters
    return _chain(steps)


def _flat(step: object, inner: str) -> Iterator[dict[str, Any]]:
    """The steps of a pipeline, in order; a sequence holds more of them."""
    pending = [step]
    while pending:
        now = pending.pop()
        if now is None:
            continue
        if not isinstance(now, dict):
            raise VocabularyError("a step of the tokenizer's pipeline is not an object")
        if now.get("type") == "Sequence":
            pending.extend(reversed(part(now, inner, list)))
        else:
            yield now


def _chain(steps: list[dict[str, Any]]) -> Decoder:
    kinds = [step.get("type") for step in steps]
    if "Fuse" in kinds:
        # What follows works on the whole text and touches its start or end only.
        steps = steps[: kinds.index("Fuse")]
    replacements = [_replacement(step) for step in steps if step.get("type") != "ByteFallback"]
    bytes_fall_back = "ByteFallback" in kinds

    def decode(piece: object) -> bytes:
        byte = fallback_byte(piece) if bytes_fall_back else None
        if byte is not None:
            return byte
        text = utf8(piece).decode()
        for old, new in replacements:
            text = text[:LONGEST_TOKEN].replace(old, new)
        return utf8(text)

    return decode


def _replacement(step: dict[str, Any]) -> tuple[str, str]:
    match step:
        case {"type": "Metaspace"}:
            old, new = step.get("replacement", SPACE), " "
        case {"type": "Replace", "pattern": {"String": old}, "content": new}:
            pass
        case {"type": kind}:
            raise VocabularyError(f"this decoder step {kind!s:.40} is not supported")
        case _:
            raise VocabularyError("a step of the decoder has no type")
    if not isinstance(old, str) or not isinstance(new, str) or not 0 < len(old) < 64 > len(new):
        raise VocabularyError("a decoder step replaces something odd")
    return old, new


# --- the folder ---


def _add_neighbours(folder: Path, listing: Listing) -> None:
    tokenizer = _neighbour(folder, "tokenizer_config.json")
    _add_declared(tokenizer.get("added_tokens_decoder"), listing)
    config = _neighbour(folder, "config.json")
    text = config.get("text_config")
    configs = [config, *([text] if isinstance(text, dict) else [])]
    for inner in configs:
        if isinstance(inner.get("vocab_size"), int):
            listing.size = max(listing.size, checked_id(inner["vocab_size"]))
    names = (tokenizer, _neighbour(folder, "special_tokens_map.json"))
    for holder in names:
        _add_end_name(holder.get("eos_token"), listing)
    generation = _neighbour(folder, "generation_config.json")
    for holder in [generation] if generation.get("eos_token_id") is not None else configs:
        _add_end_ids(holder.get("eos_token_id"), listing)


def _add_declared(added: object, listing: Listing) -> None:
    for token, entry in added.items() if isinstance(added, dict) else ():
        if not isinstance(entry, dict) or not token.isdecimal() or len(token) > 9:
            raise VocabularyError("`added_tokens_decoder` is malformed")
        if entry.get("special") is True:
            listing.add_special(int(token), part(entry, "content", str))


def _add_end_name(name: object, listing: Listing) -> None:
    if isinstance(name, dict):
        name = name.get("content")
    if not isinstance(name, str):
        return
    if name in listing.specials:
        listing.add_end(listing.specials[name])
        return
    spelled = utf8(name)
    for token in [token for token, text in listing.texts.items() if text == spelled]:
        listing.add_end(token)


def _add_end_ids(ids: object, listing: Listing) -> None:
    for token in ids if isinstance(ids, list) else [ids]:
        if token is not None:
            listing.add_end(token)


def _neighbour(folder: Path, name: str) -> dict[str, Any]:
    path = folder / name
    return parse_json(read_file(path, _LARGEST_NEIGHBOUR), name) if path.is_file() else {}
