"""A newcomer on a fresh hub follows docs/onboarding.md and docs/connect-a-station.md, line by line, with simulated devices."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from fix_hub import wait_for

from cityhub.addresses import reach
from cityhub.settings import Settings

ROOT = Path(__file__).parents[1]
PAGE, STATION = ROOT / "docs" / "onboarding.md", ROOT / "docs" / "connect-a-station.md"
RUNNING = ("cityhub up", "cityhub edge run", "cityhub sim run")

pytestmark = pytest.mark.timeout(300)


class Newcomer:
    """A person with terminals: some lines end, some stay running until the end."""

    def __init__(self, home: Path, folder: Path) -> None:
        self.home, self.folder = home, folder
        self.link = ""
        self._started: list[subprocess.Popen[bytes]] = []
        (folder / "docs").symlink_to(ROOT / "docs")
        with socket.create_server(("127.0.0.1", 0)) as api, socket.create_server(("127.0.0.1", 0)) as edge:
            self.port, self.edge_port = api.getsockname()[1], edge.getsockname()[1]

    def type(self, line: str) -> str:
        """Type a line; what it printed."""
        # Two hubs on one machine: this one's ports are its own.
        for port in (8471, 5651):
            line = line.replace(f"127.0.0.1:{port}", f"127.0.0.1:{self.edge_port}")
        if line.startswith("cityhub edge run --gateway"):
            line += f" --port {self.edge_port}"
        environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CITYHUB_HOME": str(self.home),
            "CITYHUB_API_PORT": str(self.port),
            "COLUMNS": "220",
            "LINK": self.link,
        }
        if line.startswith(RUNNING):
            with (self.folder / "said.txt").open("ab") as said:
                self._started.append(
                    subprocess.Popen(
                        ["bash", "-c", f"exec {line}"],
                        env=environment,
                        cwd=self.folder,
                        stdout=said,
                        stderr=said,
                    )
                )
            return ""
        ended = subprocess.run(
            ["bash", "-c", line],
            env=environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{line}\n{ended.stdout}\n{ended.stderr}\n{self.said()}"
        if found := re.search(r"http://\S+/enrol#\S+", ended.stdout):
            self.link = found[0]
        return ended.stdout

    def said(self) -> str:
        return (self.folder / "said.txt").read_text()[-3000:]

    def end(self) -> None:
        for process in reversed(self._started):
            process.send_signal(signal.SIGINT)
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.fixture
def newcomer(home: Path, tmp_path: Path) -> Iterator[Newcomer]:
    made = Newcomer(home, tmp_path)
    yield made
    made.end()


def lines(page: Path) -> list[str]:
    """The lines to type, in the page's order."""
    blocks = re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def test_the_steps_of_the_page_lead_from_nothing_to_a_signed_card(newcomer: Newcomer) -> None:
    typed = lines(PAGE)
    assert typed[0] == "cityhub up"
    newcomer.type(typed[0])
    wait_for(lambda: "Console" in newcomer.said(), "the hub", 120)
    wait_for(lambda: _answers(newcomer.port), "the API", 60)
    wait_for(lambda: "Ready" in newcomer.said(), "the hub to say that it hears devices", 120)
    begun = time.monotonic()
    said = [newcomer.type(line) for line in typed[1:]]
    seconds = time.monotonic() - begun
    print(f"from a running hub to a signed card: {seconds:.1f} s")  # noqa: T201 -- the measured newcomer's time
    assert "Signed by admin" in said[-1]
    assert (newcomer.folder / "card.pdf").read_bytes().startswith(b"%PDF")
    with psycopg.connect(reach(Settings(home=newcomer.home)).database_url) as connection:
        device = connection.execute("select state from device where key = 'gauge-7'").fetchone()
        assert device == ("commissioned",)
        actors = connection.execute("select actor, action from audit_entry order by id").fetchall()
        assert ("gateway-7", "enrolment.redeem") in actors
        assert ("admin", "device.accept") in actors
        # Its readings came through the gateway's own credential: there is no other at this broker.
        assert connection.execute("select username from credential").fetchall() == [("water/gateway-7",)]


def test_a_station_that_nobody_knows_is_accepted_when_the_page_is_followed(newcomer: Newcomer) -> None:
    typed = lines(STATION)
    assert typed[0] == "cityhub up"
    newcomer.type(typed[0])
    wait_for(lambda: "Console" in newcomer.said(), "the hub", 120)
    wait_for(lambda: _answers(newcomer.port), "the API", 60)
    begun = time.monotonic()
    said = {}
    with psycopg.connect(reach(Settings(home=newcomer.home)).database_url, autocommit=True) as connection:
        for line in typed[1:]:
            if line.startswith("cityhub sim run"):
                wait_for(lambda: _answers(newcomer.edge_port), "the gateway")
            said[line] = newcomer.type(line)
            if line.startswith("cityhub sim run"):
                wait_for(lambda: connection.execute("select 1 from dead_letter").fetchone(), "the stranger")
        seconds = time.monotonic() - begun
        print(f"from a running hub to an accepted station: {seconds:.1f} s")  # noqa: T201 -- as above
        assert "refused: unknown-device" in said["cityhub doctor"]
        assert "sl651-0032100009" in said["cityhub doctor"]
        assert "level" in next(text for line, text in said.items() if "device watch" in line)
        assert "Signed by admin" in said[typed[-1]]
        assert connection.execute("select state from device where key = 'station-9'").fetchone() == (
            "commissioned",
        )
        letters = connection.execute("select distinct reason from dead_letter").fetchall()
        assert letters == [("unknown-device",)], "only what came before it was registered"


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
