"""What a verdict was made with: the digest of the engine."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files

MEANING = ("dsl", "compiler", "runtime")
"""The stages that say what a ruleset means, and what a trace is judged to be."""


@cache
def engine_digest() -> str:
    """The digest of the sources that give rules their meaning, in hexadecimal.

    Equal digests judge equal traces alike; different ones may do so as well.
    """
    found = hashlib.sha256()
    for stage in MEANING:
        sources = files(f"rulec.{stage}").iterdir()
        for source in sorted(sources, key=lambda one: one.name):
            if source.name.endswith((".py", ".lark")):
                content = source.read_bytes()
                found.update(f"{stage}/{source.name} {len(content)}\n".encode() + content)
    return found.hexdigest()
