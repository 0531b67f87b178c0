"""What an operator allows requests: which rules they need, and who may weaken them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from rulec.runtime.requests import BadRequest

if TYPE_CHECKING:
    from pathlib import Path

    from rulec.runtime.requests import Request


class PolicyError(Exception):
    """A policy that can't be read, and why."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What requests may do.

    Args:
        required: rulesets one of which every request must name; empty where none is needed.
        demote: who may send `enforce: false` or `audit`: SHA-256 digests (hex) of API keys, or
            `*` for everyone.
        retries: how often a sequence may be sent back.
        external_seconds: how long a function that rules call may take.
        table_bytes: the largest table that may be uploaded.
        tables: how many uploaded tables are kept.
    """

    required: tuple[str, ...] = ()
    demote: tuple[str, ...] = ()
    retries: int = 64
    external_seconds: float = 1.0
    table_bytes: int = 4 << 20
    tables: int = 256

    def check(self, request: Request | None, key: str) -> None:
        """Raises `BadRequest` where a request may not be served.

        Args:
            request: its rules.
            key: the API key that it came with.
        """
        if self.required and (request is None or request.rules not in self.required):
            names = ", ".join(f"`{name}`" for name in self.required)
            raise BadRequest(f"this server requires rules: name one of {names} in `rules`")
        if request is None or (request.enforce and not request.audit):
            return
        digest = hashlib.sha256(key.encode()).hexdigest()
        if "*" not in self.demote and digest not in self.demote:
            raise BadRequest("this server does not let this request turn rules into audits")


def read_policy(path: Path) -> Policy:
    """Read a policy from a JSON file. Raises `PolicyError`."""
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise PolicyError(f"{path}: {error}") from error
    if not isinstance(given, dict):
        raise PolicyError(f"{path}: a JSON object is expected")
    kinds: dict[str, Any] = {field.name: field.default for field in fields(Policy)}
    found: dict[str, Any] = {}
    for name, value in given.items():
        if name not in kinds:
            raise PolicyError(f"{path}: there is no `{name}`; there are {', '.join(kinds)}")
        found[name] = _value(path, name, kinds[name], value)
    return Policy(**found)


def _value(path: Path, name: str, default: Any, value: Any) -> Any:
    if isinstance(default, tuple):
        if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
            raise PolicyError(f"{path}: `{name}` must be a list of strings")
        return tuple(value)
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or value <= 0 or (isinstance(default, int) and not isinstance(value, int)):
        raise PolicyError(f"{path}: `{name}` must be a number above 0")
    return value
