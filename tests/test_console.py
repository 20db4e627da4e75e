"""The console in a real browser: a person signs in, sees the alarms, takes one, and changes the language."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any, Protocol

import pytest

CONSOLE = Path(__file__).parent.parent / "console"


class LiveHub(Protocol):
    """A running hub with at least one alarm that nobody has taken, and its first administrator."""

    url: str
    password: str


def drive(hub: LiveHub) -> dict[str, Any]:
    """Let the browser do what a person does; what it found is told in `console/tests/drive.mjs`."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium on this machine: install the package chromium to test the console")
    if shutil.which("node") is None:
        pytest.skip("there is no Node on this machine: install Node 20.19 or newer to test the console")
    if not (CONSOLE / "node_modules" / "playwright-core").is_dir():
        pytest.skip("the console's packages are not installed: run `npm ci` in console/")
    said = {
        "CHROMIUM": chromium,
        "CONSOLE_URL": hub.url,
        "CONSOLE_USER": "admin",
        "CONSOLE_PASSWORD": hub.password,
    }
    run = subprocess.run(
        ["node", "tests/drive.mjs"],
        cwd=CONSOLE,
        env={**os.environ, **said},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert run.stdout, run.stderr
    found: dict[str, Any] = json.loads(run.stdout)
    assert "stopped" not in found, json.dumps(found, indent=2, ensure_ascii=False)
    return found


def test_a_person_signs_in_sees_the_alarms_takes_one_and_changes_the_language(live_hub: LiveHub) -> None:
    found = drive(live_hub)

    # A wrong password is refused in a sentence.
    assert found["refusal"].startswith("用户名或密码不正确")

    # The map comes to rest, the browser complains of nothing (the CSP included), nothing scrolls.
    assert found["map"] == "idle"
    assert found["faults"] == []
    assert found["overflow"] == 0

    # An acknowledged alarm is taken in every open client, by a button large enough for a gloved hand.
    assert found["acknowledged"]
    assert found["takenBy"] == "admin"
    assert found["buttonHeight"] >= 44

    # The map still shows every level of the list after the change.
    assert found["levels"]
    assert set(found["levels"]) <= set(found["drawn"])

    # The row says what is wrong, how much, and with which device.
    for part in ("人群密度", "人/m²", "Station forecourt, clock"):
        assert part in found["first"]

    # Rows and map carry the same letters.
    assert [row["letter"] for row in found["rows"]] == list("ABCDEF")[: len(found["rows"])]
    on_map = {alarm: letter for alarm, letter in found["plan"]["map"].items() if letter}
    assert on_map
    assert on_map.items() <= found["plan"]["list"].items()

    # Both languages are told to the document, and the choice is remembered.
    chinese, english = found["languages"]
    assert chinese == {"lang": "zh-CN", "title": "待处置"}
    assert english == {"lang": "en", "title": "Open alarms"}
    assert found["remembered"] == english
