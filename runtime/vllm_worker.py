"""What vLLM's workers tell of the rules that they serve."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from rulec.runtime.catalog import Catalog
from rulec.runtime.tables import TABLES
from rulec.runtime.vllm import LIVE, opened


class Rules:
    """An extension of vLLM's workers, for `--worker-extension-cls`."""

    def rules_served(self) -> dict[str, str] | None:
        """The digests of the packs by name; None where no processor is in place."""
        for processor in LIVE:
            return dict(processor.catalog.digests)
        return None

    def rules_table(self, digest: str, text: bytes) -> None:
        """Keep an uploaded table."""
        TABLES.put(digest, text)

    def rules_replaced(self, folder: str) -> dict[str, str] | None:
        """Serve the packs of a folder from now on; returns what is served then."""
        _, vocabulary, _ = opened()
        for processor in LIVE:
            newer = Catalog.open(Path(folder), vocabulary)
            processor.serve(processor.catalog.replaced(newer))
        return self.rules_served()

    def rules_counted(self) -> dict[str, float]:
        """What was counted since the worker started."""
        for processor in LIVE:
            return asdict(processor.counts)
        return {}
