"""A gateway has only the plain dependencies: its commands work without the hub's parts, and the others say so."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import typer

from cityhub.cli import COMMANDS

HEAVY = ("numba", "psycopg", "fastapi", "shapely", "uvicorn", "matplotlib")
"""pydantic is not among them: typer brings it, and the agent's process leaves both behind."""

BLOCKED = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {HEAVY!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
sys.argv = ["cityhub", *sys.argv[1:]]
from cityhub.cli import main
main()
"""


def alone(*arguments: str) -> subprocess.CompletedProcess[str]:
    """A command where none of the hub's parts can be imported."""
    return subprocess.run(
        [sys.executable, "-c", BLOCKED, *arguments], capture_output=True, text=True, timeout=100, check=False
    )


def test_a_gateways_file_is_checked_with_the_plain_dependencies_alone(tmp_path: Path) -> None:
    file = tmp_path / "gateway.toml"
    file.write_text(
        '[gateway]\nid = "gw-1"\ndepartment = "water"\nbroker = "mqtt://127.0.0.1:1"\n'
        f'home = "{tmp_path}"\n[[driver]]\nkind = "jsonlines"\nlisten = "127.0.0.1:0"\n'
    )
    ended = alone("edge", "check", str(file))
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.startswith("gw-1 of water, to mqtt://127.0.0.1:1")


def test_help_lists_every_command_with_the_plain_dependencies_alone() -> None:
    ended = alone("--help")
    assert ended.returncode == 0, ended.stderr
    assert [command.name for command in COMMANDS if command.name not in ended.stdout] == []


def test_a_command_of_the_hub_says_what_is_missing_and_how_it_comes() -> None:
    ended = alone("ledger")
    assert ended.returncode == 2
    said, tried = ended.stderr.strip().splitlines()[-2:]
    assert said == "Error: this command needs psycopg, which is not installed here"
    assert "cityhub[hub]" in tried


def test_decode_works_with_the_plain_dependencies_alone() -> None:
    ended = alone("decode", "--help")
    assert ended.returncode == 0, ended.stderr
    assert "FORMAT" in ended.stdout


def test_what_help_says_of_a_command_is_how_its_own_help_begins() -> None:
    for name, place, line in COMMANDS:
        module, inside = place.split(":")
        found = getattr(importlib.import_module(f"cityhub.commands.{module}"), inside)
        said = str(found.info.help if isinstance(found, typer.Typer) else found.__doc__)
        assert " ".join(said.split("\n\n", maxsplit=1)[0].split()) == line, name


LEAN = """
import sys
from cityhub import lean
sys.argv[1:] = ["{}"]
try:
    lean.main()
except TypeError:  # nothing was asked for: all is loaded by then
    print(*sys.modules)
"""


def test_the_agents_process_holds_neither_the_hubs_parts_nor_those_of_the_command_line() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LEAN],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    ).stdout.split()
    assert "cityhub.foreman" in loaded
    assert {*HEAVY, "pydantic", "typer", "yaml", "rich.console", "pygments"} & set(loaded) == set()
