"""Reader of Mistral's tekken files."""

from __future__ import annotations

import base64
from typing import Any

from rulec.compiler.listing import Listing, VocabularyError, checked_id, checked_objects, part

_FIRST_SPECIALS = ("<unk>", "<s>", "</s>")
_END = "</s>"


def list_tokens(content: dict[str, Any]) -> Listing:
    """The tokens of a parsed tekken file.

    Special ids come first; of the ranks, only as many count as the declared size has room for.
    """
    config = part(content, "config", dict)
    size = checked_id(part(config, "default_vocab_size", int))
    first = checked_id(part(config, "default_num_special_tokens", int))
    listing = Listing()
    for place in range(first):
        name = _FIRST_SPECIALS[place] if place < len(_FIRST_SPECIALS) else f"<SPECIAL_{place}>"
        listing.add_special(place, name)
    _name_specials(
        checked_objects(content.get("special_tokens"), "special_tokens"), listing, first
    )
    ranks = checked_objects(part(content, "vocab", list), "vocab")
    for entry in ranks[: max(size - first, 0)]:
        listing.add(first + checked_id(entry.get("rank")), _bytes(entry))
    if _END in listing.specials:
        listing.add_end(listing.specials[_END])
    listing.size = max(listing.size, size)
    return listing


def _name_specials(entries: list[dict[str, Any]], listing: Listing, first: int) -> None:
    if entries:
        listing.specials.clear()
    for entry in entries:
        token = checked_id(entry.get("rank"))
        if token < first:
            listing.add_special(token, part(entry, "token_str", str))


def _bytes(entry: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(part(entry, "token_bytes", str), validate=True)
    except ValueError as error:
        raise VocabularyError("`token_bytes` is not base64") from error
