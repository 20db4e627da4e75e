"""`cityhub bench`: the project's own measurements."""

from __future__ import annotations

from typing import Annotated

import typer


def bench(
    name: Annotated[str, typer.Argument()], json: Annotated[bool, typer.Option("--json")] = False
) -> None:
    """Measure."""
