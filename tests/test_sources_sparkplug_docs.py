"""The table of assertions in docs/protocols/sparkplug.md: every test that it names exists, every assertion stands in it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "protocols" / "sparkplug.md").read_text()
SHARED = ROOT.parent / "shared" / "vectors" / "sparkplug_tck_assertions.json"
# An assertion with one of these in its name speaks of hosts, of what they publish, or of those who heed it.
OF_HOSTS = re.compile(r"host|phid|-hid-|ph-state|ncmd|dcmd|payloads-state|primary")


def rows() -> dict[str, tuple[str, str]]:
    """Assertion: mark, reason."""
    table = PAGE[PAGE.index("## Assertions") :]
    found = re.findall(r"^\| ([a-zA-Z0-9-]+) \| (met|no|-) \| (.+) \|$", table, re.MULTILINE)
    assert len(found) == len({name for name, _, _ in found})
    return {name: (mark, reason) for name, mark, reason in found}


def written() -> set[str]:
    return {
        node.name
        for path in Path(__file__).parent.glob("test_sources_sparkplug_*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", PAGE))
    assert len(named) > 20
    assert named <= written()


def test_control_a_name_that_is_no_test_is_not_among_them() -> None:
    assert "test_that_nobody_wrote" not in written()


def test_what_is_met_names_its_test_and_what_is_not_its_reason() -> None:
    for name, (mark, reason) in rows().items():
        assert ("`test_" in reason) == (mark == "met"), name


def test_every_assertion_of_hosts_stands_in_the_table_and_none_is_invented() -> None:
    if not SHARED.exists():
        pytest.skip(f"no {SHARED.name} beside this repository")
    published = {
        next(value for value in one.values() if str(value).startswith("tck-id-")).removeprefix("tck-id-")
        for one in json.loads(SHARED.read_text())["assertions"]
    }
    assert rows().keys() <= published
    assert {name for name in published if OF_HOSTS.search(name)} <= rows().keys()
    for named in re.findall(
        r"^\| ([a-z0-9-]+(?:, [a-z0-9-]+)*) \| ", PAGE[: PAGE.index("## Assertions")], re.MULTILINE
    ):
        ends = [name for name in named.split(", ") if "-" in name and name != "---"]
        assert all(any(name.endswith(end) for name in published) for end in ends), named
