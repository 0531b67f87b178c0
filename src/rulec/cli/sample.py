"""`rulec sample`: random traces that obey the rules."""

from __future__ import annotations

from typing import Annotated

import typer

from rulec.cli.console import (
    Exit,
    Format,
    FormatOption,
    RulesFile,
    emit,
    misuse,
    sound,
    stderr,
    steps,
)
from rulec.cli.request import ExternalOption, WithOption, asking, read_inputs
from rulec.runtime.exact_json import Inputs
from rulec.runtime.inputs import BadInput
from rulec.runtime.sample import NoSample, Sampler


def sample(
    file: RulesFile,
    number: Annotated[int, typer.Option("-n", min=1, help="How many traces.")] = 1,
    seed: Annotated[int, typer.Option(help="The same seed gives the same traces.")] = 0,
    request: WithOption = None,
    external: ExternalOption = None,
    form: FormatOption = Format.text,
) -> None:
    """Write random traces that obey the rules."""
    inputs = read_inputs(request)
    machine = sound(file).machine
    draw = asking(lambda given: Sampler(machine, externals=given), external)
    with steps("sampling", number, results=True) as bar:
        for index in range(number):
            trace = _drawn(draw, seed + index, inputs)
            text = trace.decode("utf-8", "replace")
            if form is Format.json:
                emit({"trace": text, "seed": seed + index})
            else:
                typer.echo(text if number == 1 else f"--- {index + 1}\n{text}")
            bar.reach(index + 1)


def _drawn(draw: Sampler, seed: int, inputs: Inputs) -> bytes:
    try:
        return draw(seed, inputs)
    except BadInput as error:
        misuse(f"--with: {error}")
    except NoSample as error:
        stderr().print(str(error))
        raise typer.Exit(Exit.fault) from None
