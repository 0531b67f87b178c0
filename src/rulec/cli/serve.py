"""`rulec serve`: vLLM's server under rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulec.cli.console import Exit, misuse, stderr
from rulec.cli.request import ExternalOption, isolated
from rulec.runtime.policy import Policy, PolicyError, read_policy


def serve(
    context: typer.Context,
    model: Annotated[
        Path,
        typer.Argument(metavar="MODEL", exists=True, file_okay=False, help="A model's folder."),
    ],
    rules: Annotated[
        Path,
        typer.Option(
            "--enforce-reasoning",
            metavar="RULES",
            exists=True,
            file_okay=False,
            help="A folder of packs, or of rules, which are compiled.",
        ),
    ],
    policy: Annotated[
        Path | None,
        typer.Option("--rules-policy", dir_okay=False, help="A JSON file; see docs/vllm.md."),
    ] = None,
    external: ExternalOption = None,
    drafts: Annotated[
        int,
        typer.Option("--draft-forced", min=0, help="Tokens of forced text drafted in a step."),
    ] = 0,
) -> None:
    """Serve a model in vLLM under rules; all other flags are vLLM's."""
    try:
        from rulec.runtime.vllm_server import (  # noqa: PLC0415
            CatalogError,
            Served,
            ServerError,
        )
        from rulec.runtime.vllm_server import serve as run  # noqa: PLC0415
    except ImportError as error:
        misuse(f"{error}; `rulec serve` needs vLLM in the same environment")
    try:
        allowed = Policy() if policy is None else read_policy(policy)
        functions = isolated(external, allowed.external_seconds)
        run(Served(model, rules, allowed, functions, tuple(context.args), drafts))
    except PolicyError as error:
        misuse(str(error))
    except (CatalogError, ServerError) as error:
        stderr().print(str(error), style="bold red")
        raise typer.Exit(Exit.fault) from error
