"""`cityhub demo` as a person runs it: ends by itself, goes on where it was, stops on Ctrl-C, leaves nothing behind."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
from fix_hub import wait_for

from cityhub.processes import command

pytestmark = pytest.mark.timeout(300)


def start_demo(home: Path, *arguments: str) -> subprocess.Popen[str]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    environment = {**os.environ, "CITYHUB_HOME": str(home), "CITYHUB_API_PORT": str(port), "COLUMNS": "200"}
    return subprocess.Popen(
        command("demo", *arguments),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def of_this_home(home: Path) -> list[psutil.Process]:
    """Processes that belong to a home: services, hub, API, edge, simulator and their lifelines."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(home) in " ".join(process.cmdline()) or process.environ().get("CITYHUB_HOME") == str(home):
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def stored(said: str) -> int:
    return int(re.findall(r"([\d,]+) readings stored in all", said)[0].replace(",", ""))


def test_a_demo_ends_by_itself_with_a_summary_and_the_next_one_goes_on_where_it_was(home: Path) -> None:
    first = start_demo(home, "--for", "15")
    said, _ = first.communicate(timeout=200)
    assert first.returncode == 0, said
    assert "ledger balanced" in said
    assert "sign in" in said
    assert "Everything ended cleanly." in said
    assert of_this_home(home) == []
    second = start_demo(home)
    assert second.stdout is not None
    shown: list[str] = []
    while not shown or "stored" not in shown[-1]:
        shown.append(second.stdout.readline())
        assert shown[-1], f"it ended without a picture:\n{''.join(shown)}"
    second.terminate()
    rest, _ = second.communicate(timeout=100)
    again = "".join(shown) + rest
    assert second.returncode == 0, again
    assert "sign in" not in again, "the password is shown once"
    assert stored(again) > stored(said) > 0


def test_a_demo_that_is_told_to_stop_stops_everything_and_exits_with_0(home: Path) -> None:
    demo = start_demo(home)
    assert demo.stdout is not None
    wait_for(lambda: "stored" in (demo.stdout.readline() if demo.stdout else ""), "the first picture", 120)
    demo.send_signal(signal.SIGINT)
    said, _ = demo.communicate(timeout=100)
    assert demo.returncode == 0, said
    assert of_this_home(home) == []


def test_nothing_is_left_running_when_the_demo_is_killed(home: Path) -> None:
    demo = start_demo(home)
    assert demo.stdout is not None
    wait_for(lambda: "stored" in (demo.stdout.readline() if demo.stdout else ""), "the first picture", 120)
    assert len(of_this_home(home)) > 5
    demo.kill()
    demo.wait()
    demo.stdout.close()
    wait_for(lambda: of_this_home(home) == [], "every process to end", 100)


def test_a_taken_port_is_said_in_one_sentence(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        environment = {
            **os.environ,
            "CITYHUB_HOME": str(home),
            "CITYHUB_API_PORT": str(server.getsockname()[1]),
        }
        ended = subprocess.run(
            command("demo"), env=environment, capture_output=True, text=True, timeout=100, check=False
        )
    assert ended.returncode == 2
    assert re.match(r"Error: cannot listen on 127\.0\.0\.1:\d+: Address already in use\nTry: ", ended.stderr)
    assert "Traceback" not in ended.stderr
