"""The house keeps its rules: imports go one way, our top-level names are ours, no drawers, no long modules."""

from __future__ import annotations

import ast
import re
import subprocess
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

MAY_IMPORT: dict[str, set[str]] = {
    "edge": set(),
    "geo": set(),
    "ingest": {"edge"},
    "alerts": {"edge", "geo"},
    "governance": {"edge", "geo"},
    "api": {"edge", "geo", "ingest", "alerts", "governance"},
    "cityhub": {"edge", "geo", "ingest", "alerts", "governance", "api", "bench"},
    "bench": {"edge", "geo", "ingest", "alerts", "governance", "api", "cityhub"},
}
PARTS = set(MAY_IMPORT)
SIMULATOR = ROOT / "firmware-sim" / "firmware_sim"

# A gateway carries the edge alone, so it must come without these.
HEAVY = {"numba", "psycopg", "fastapi", "shapely", "pydantic", "uvicorn"}

DRAWERS = re.compile(r"(^|/)(utils?|helpers?|common|misc|types|models|managers?)(\.py|\.ts|/)")


# What others than the owner may read. To write is the owner's, and so is all that is not named here.
READ_BY_OTHERS = {
    "alarm", "alarm_transition", "crossing", "dead_letter", "department", "device", "device_address", "device_history",
    "device_import", "device_status", "device_zone", "event", "fix", "hub_run", "latest", "ledger_minute", "line", "message", "outlook",
    "profile", "quality_tally", "reading", "rule_version", "series", "track", "zone", "zone_change", "zone_history",
    "zone_in_force",
}  # fmt: skip
MADE = re.compile(r"create (?:unlogged )?(?:table|view)(?: if not exists)? (\w+)")
READS = re.compile(r"\b(?:from|join) (?:only )?(\w+)")
WRITES = re.compile(r"\b(?:insert into|update|delete from|copy|truncate|lock table) (?:only )?(\w+)")


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, wherever in it."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.split(".")[0])
    return names


def tracked(pattern: str) -> list[Path]:
    """Files that git knows or would know."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", pattern],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / line for line in listed.stdout.splitlines() if (ROOT / line).exists()]


@pytest.mark.parametrize("part", sorted(PARTS))
def test_a_part_imports_only_what_stands_below_it(part: str) -> None:
    for path in (ROOT / part).rglob("*.py"):
        wrong = (imported(path) & PARTS) - MAY_IMPORT[part] - {part}
        assert not wrong, f"{path.relative_to(ROOT)} imports {', '.join(sorted(wrong))}"


def test_the_simulator_is_a_stranger() -> None:
    for path in SIMULATOR.rglob("*.py"):
        assert not imported(path) & PARTS, path


def test_a_gateway_can_carry_the_edge_alone() -> None:
    for path in (ROOT / "edge").rglob("*.py"):
        assert not imported(path) & HEAVY, path


def test_asyncio_lives_only_in_the_api() -> None:
    for part in PARTS - {"api"}:
        for path in (ROOT / part).rglob("*.py"):
            assert "asyncio" not in imported(path), path


def test_only_the_composition_root_reads_the_environment() -> None:
    for part in PARTS - {"cityhub", "bench"}:
        for path in (ROOT / part).rglob("*.py"):
            assert "os.environ" not in path.read_text(), path


def statements(path: Path) -> str:
    """The texts of a module, the docstrings left out."""
    tree = ast.parse(path.read_text())
    told = {node.value for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    texts = [
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node not in told
    ]
    return "\n".join(texts)


@pytest.mark.parametrize("part", sorted(PARTS - {"bench"}))
def test_a_part_writes_its_own_tables_only_and_reads_of_others_what_is_open(part: str) -> None:
    owner = {
        table: path.parts[-3]
        for path in ROOT.glob("*/schema/*.sql")
        for table in MADE.findall(path.read_text())
    }
    assert owner.keys() >= READ_BY_OTHERS
    foreign = {table for table in owner if owner[table] != part}
    for path in (ROOT / part).rglob("*.py"):
        said = statements(path)
        written = set(WRITES.findall(said)) & foreign
        read = set(READS.findall(said)) & foreign - READ_BY_OTHERS
        assert not written | read, f"{path.relative_to(ROOT)}: {', '.join(sorted(written | read))}"


def test_nobody_else_ships_our_top_level_names() -> None:
    owners = packages_distributions()
    for part in PARTS:
        assert set(owners.get(part, ["cityhub"])) <= {"cityhub"}, f"{part} belongs to {owners[part]}"
    assert set(owners.get("firmware_sim", ["firmware-sim"])) <= {"firmware-sim"}


def test_no_drawer_is_opened() -> None:
    names = [str(path.relative_to(ROOT)) for path in tracked("*")]
    assert [name for name in names if DRAWERS.search(name)] == []


def test_every_module_says_in_its_first_line_what_it_is_for() -> None:
    for path in tracked("*.py"):
        first = ast.get_docstring(ast.parse(path.read_text()))
        assert first, f"{path.relative_to(ROOT)} says nothing"


def test_no_module_grows_past_four_hundred_lines() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in [*tracked("*.py"), *tracked("*.ts"), *tracked("*.tsx")]
        if (lines := len(path.read_text().splitlines())) > 400 and not path.is_relative_to(ROOT / "tests")
    }
    assert long == {}


def test_no_module_shares_the_name_of_a_part() -> None:
    for part in PARTS:
        for path in (ROOT / part).rglob("*.py"):
            assert path.stem not in PARTS or (path.parent.name, path.stem) == ("commands", "bench"), path


def test_no_tracked_file_names_a_registry_host() -> None:
    # Written in pieces, so that this very file is none.
    hosts = re.compile("(pypi" + r"\.org|python" + r"hosted\.org|registry\.npm" + r"js|deb\.deb" + r"ian)")
    for path in tracked("*"):
        if path.suffix in {".gz", ".png"}:
            continue
        assert not hosts.search(path.read_text(errors="replace")), path


def test_no_two_jobs_share_an_advisory_lock() -> None:
    locks = [
        int(number.replace("_", ""))
        for part in ("ingest", "alerts", "cityhub", "api", "governance", "geo")
        for path in (ROOT / part).rglob("*.py")
        for number in re.findall(r"^\w*LOCK = ([\d_]+)$", path.read_text(), re.MULTILINE)
    ]
    assert len(locks) == len(set(locks)) > 3
