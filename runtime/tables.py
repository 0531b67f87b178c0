"""Tables that were uploaded once and are named by their digest."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from typing import TypeAlias

from rulec.runtime.exact_json import RequestError, exact_inputs, parse_json
from rulec.runtime.requests import BadRequest

MEMBER = "sha256"
"""`{"sha256": DIGEST}` stands for an uploaded table."""

Rows: TypeAlias = "list[object]"


class Tables:
    """The uploaded tables of a process; the oldest goes when there are too many."""

    def __init__(self, most: int = 256) -> None:
        self.most = most
        self._held: OrderedDict[str, object] = OrderedDict()

    def put(self, digest: str, text: bytes) -> None:
        """Keep a table. Raises `BadRequest` where it is none, or not what its digest says."""
        if hashlib.sha256(text).hexdigest() != digest:
            raise BadRequest("the content is not what its digest says")
        try:
            rows = exact_inputs({"rows": parse_json(text.decode("utf-8"))})["rows"]
        except (RequestError, UnicodeDecodeError) as error:
            raise BadRequest(f"the table is no JSON: {error}") from None
        if not isinstance(rows, list):
            raise BadRequest("a table is a list of rows")
        self._held[digest] = rows
        self._held.move_to_end(digest)
        while len(self._held) > self.most:
            self._held.popitem(last=False)

    def filled(self, inputs: Mapping[str, object]) -> Mapping[str, object]:
        """Inputs with the tables that they name. Raises `BadRequest` where one is not here."""
        return {name: self._filled(value) for name, value in inputs.items()}

    def _filled(self, value: object) -> object:
        if not isinstance(value, Mapping) or set(value) != {MEMBER}:
            return value
        digest = value[MEMBER]
        if digest not in self._held:
            raise BadRequest(f"no table `{digest}` is here: upload it first")
        return self._held[str(digest)]


TABLES = Tables()
"""The tables of this process."""
