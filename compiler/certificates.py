"""Certificates."""
from __future__ import annotations
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    from rulec.compiler.projection import Projection
def certify(projection: Projection) -> None:
    """Raises `Unfit`."""
