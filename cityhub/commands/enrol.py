"""`cityhub edge enrol`: a gateway's token becomes its credential."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cityhub.commands.options import Config, settings
from cityhub.keys import file_of
from edge import enrolling


def enrol(
    link: Annotated[
        str, typer.Argument(help="The line that `cityhub device new` printed, http://.../enrol#...")
    ],
    to: Annotated[
        Path | None, typer.Option(help="Where to keep it; default: where `cityhub edge run` looks.")
    ] = None,
    config: Config = None,
) -> None:
    """Get a device's credential with its token, and keep it in a file that only its owner reads.

    The hub must be reached by https where the way to it is not this machine's own: the answer holds the secret.
    """
    got = enrolling.enrol(link)
    file = to or file_of(settings(config).home, got.device)
    got.save(file)
    typer.echo(f"{got.device} is enrolled; its credential is in {file}")
