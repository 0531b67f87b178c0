"""Packs that take the place of those that are served."""

from __future__ import annotations

import asyncio
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from rulec.runtime.catalog import Catalog, CatalogError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rulec.compiler.vocabulary import Vocabulary
    from rulec.runtime.vllm_engine import RulesEngine


class Reloader:
    """Compiles a folder of rules beside the server, and hands the packs to front and workers.

    Args:
        folder: where the rules lie.
        tokenizer: the model's folder.
        vocabulary: what is read from it.
    """

    def __init__(self, folder: Path, tokenizer: Path, vocabulary: Vocabulary) -> None:
        self._folder, self._tokenizer, self._vocabulary = folder, tokenizer, vocabulary
        self._lock = asyncio.Lock()

    async def reload(self, engine: RulesEngine) -> Mapping[str, str]:
        """Serve what lies in the folder now.

        Requests under way keep their packs. The workers know the new ones before the front
        names them.

        Raises:
            CatalogError: if something there can't be served; then nothing changes.
        """
        async with self._lock:
            with tempfile.TemporaryDirectory(prefix="rulec-") as made:
                await self._compiled(Path(made))
                newer = await asyncio.to_thread(Catalog.open, Path(made), self._vocabulary)
                catalog = engine.rules.catalog.replaced(newer)
                served = await engine.collective_rpc("rules_replaced", args=(made,))
            for found in served:
                if found is not None and found != dict(catalog.digests):
                    raise CatalogError("a worker could not take the packs over")
            engine.rules.catalog = catalog
            return catalog.digests

    async def _compiled(self, made: Path) -> None:
        """Packs in `made`, each compiled by a process of its own."""
        for path in sorted(self._folder.glob("*.rulepack")):
            (made / path.name).write_bytes(path.read_bytes())
        for path in sorted(self._folder.glob("*.rules")):
            out = made / f"{path.stem}.rulepack"
            if not out.exists():
                await self._compile(path, out)

    async def _compile(self, path: Path, out: Path) -> None:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rulec", "compile", str(path)),
            *("--tokenizer", str(self._tokenizer), "-o", str(out)),
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
        )
        _, said = await process.communicate()
        if process.returncode != 0:
            raise CatalogError(said.decode("utf-8", "replace").strip())
