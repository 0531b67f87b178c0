"""`rulec sample`: random traces that obey the rules."""

from __future__ import annotations

from typing import Annotated

import typer

from rulec import runtime
from rulec.cli.console import Format, FormatOption, RulesFile, emit, misuse, sound, steps
from rulec.cli.request import WithOption, read_inputs
from rulec.runtime.inputs import BadInput


def sample(
    file: RulesFile,
    number: Annotated[int, typer.Option("-n", min=1, help="How many traces.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same traces.")] = 0,
    request: WithOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Write random traces that obey the rules."""
    inputs = read_inputs(request)
    machine = sound(file).machine
    with steps("sampling", number) as bar:
        for index in range(number):
            try:
                trace = runtime.sample(machine, seed + index, inputs)
            except BadInput as error:
                misuse(str(error))
            text = trace.decode("utf-8", "replace")
            if form is Format.json:
                emit({"trace": text, "seed": seed + index})
            else:
                typer.echo(text if number == 1 else f"--- {index + 1}\n{text}")
            bar.reach(index + 1)
