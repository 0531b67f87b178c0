"""`rulec generate`: a model of transformers writes under the rules."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from rulec import compiler
from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    Steps,
    emit,
    misuse,
    sound,
    stderr,
    steps,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.cli.stages import output_record
from rulec.compiler import PackError, VocabularyError
from rulec.runtime.host import Host
from rulec.runtime.inputs import BadInput
from rulec.runtime.session import Session

if TYPE_CHECKING:
    from rulec.runtime.generate import OnToken, Output


def generate(
    file: RulesFile,
    model: Annotated[
        Path, typer.Option(exists=True, file_okay=False, help="A Hugging Face folder.")
    ],
    prompt: Annotated[str, typer.Option(help="What the model is asked.")],
    number: Annotated[int, typer.Option("-n", min=1, help="How many answers.")] = 1,
    max_new_tokens: Annotated[
        int, typer.Option(min=1, help="The limit within which each answer is complete.")
    ] = 256,
    temperature: Annotated[
        float, typer.Option(min=0.0, help="0 takes the likeliest token.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Where sampling starts.")] = 0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Give the prompt as it is, without chat markers.")
    ] = False,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Let a model write under the rules."""
    inputs = read_inputs(request)
    machine = sound(file).machine
    try:
        from rulec.runtime.writer import ModelError, Writer  # noqa: PLC0415
    except ImportError as error:
        misuse(f"{error}; the extra `rulec[runtime]` brings what models need")
    try:
        with steps("loading", None):
            writer = Writer(model)
            host = Host(compiler.fit(machine, writer.vocabulary))
        sessions = asking(
            lambda given: [
                Session(host.pack, inputs, max_new_tokens, host, given) for _ in range(number)
            ],
            external,
        )
        with steps("writing", number * max_new_tokens) as bar:
            outputs = writer.write(
                [writer.prompt(prompt, raw=raw)] * number,
                sessions,
                max_new_tokens=max_new_tokens,
                temperature=temperature,
                seed=seed,
                on_token=_mover(bar, number),
                traced=form is Format.json,
            )
    except (ModelError, PackError, VocabularyError, BadInput, ValueError) as error:
        misuse(str(error))
    for index, output in enumerate(outputs):
        if form is Format.json:
            emit(output_record(output, sessions[index].verdict()))
        else:
            _show(index, number, output)
    if any(output.stop == "exhausted" for output in outputs):
        raise typer.Exit(Exit.fault)


def _mover(bar: Steps, number: int) -> OnToken:
    """Move the bar by the tokens that all rows hold together."""
    held = [0] * number

    def move(row: int, _token: int, count: int) -> None:
        held[row] = count
        bar.reach(sum(held))

    return move


def _show(index: int, number: int, output: Output) -> None:
    text = output.text.decode("utf-8", "replace")
    typer.echo(text if number == 1 else f"--- {index + 1}\n{text}")
    facts = [
        f"{len(output.tokens)} tokens",
        f"{output.tokens_per_second:.1f} a second",
        f"{output.rollbacks} rollbacks",
        f"stopped by {output.stop}",
    ]
    if output.since is not None:
        facts.append("no way left since byte {}, token {}".format(*output.since))
    stderr().print(Text(", ".join(facts), style="dim"))
