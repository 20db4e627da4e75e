"""`cityhub rule`: rules as files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from alerts import rule
from cityhub.settings import OperatorError

app = typer.Typer(help="Rules: check what is written.", no_args_is_help=True)
out = Console(highlight=False)


@app.callback()
def rules() -> None:
    """Rules: check what is written."""


@app.command()
def check(paths: Annotated[list[Path], typer.Argument(help="Rule files or folders of them.")]) -> None:
    """Read rules and say what each would do; the first that cannot be used is an error."""
    files = [file for path in paths for file in (sorted(path.glob("*.yaml")) if path.is_dir() else [path])]
    if not files:
        raise OperatorError("no rule file there", "rules are files named *.yaml")
    for file in files:
        if not file.exists():
            raise OperatorError(f"no file {file}", "check the path")
        version = rule.read(file)
        chosen = ", ".join(f"{name} {value}" for name, value in version.rule.applies_to if value) or "all"
        limits = ", ".join(_limits(version.rule))
        out.print(f"{version.rule.rule} {version.sha256[:12]}: {chosen}: {limits}")


def _limits(judged: rule.Rule | rule.NoData) -> list[str]:
    if isinstance(judged, rule.NoData):
        return [f"{judged.level} after {judged.after_intervals:g} intervals, {judged.after_s:g} s at least"]
    return [
        f"{side} {name} {limit:g}"
        for side in ("above", "below")
        for name, limit in getattr(judged, side).items()
    ]
