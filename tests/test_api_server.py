"""The server as a process: it stops when told, streams or not, and says plainly what it cannot do."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import httpx
import psycopg
import pytest

from api import accounts
from api.server import CannotServe, bound

ROOT = Path(__file__).parent.parent
PROGRAM = """
import sys
from pathlib import Path
from api.server import serve
static = Path(sys.argv[2]) if len(sys.argv) > 2 else None
serve(sys.argv[1], "127.0.0.1", 0, static=static, ready=lambda url: print(url, flush=True))
print("ended", flush=True)
"""


class Database(Protocol):
    """An empty, migrated database of this test run's own."""

    url: str


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ,
    )
    assert process.stdout is not None
    try:
        yield process, next(line.strip() for line in process.stdout if line.startswith("http"))
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_even_with_an_open_stream(database: Database, how: signal.Signals) -> None:
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("truncate account cascade")
        password = accounts.first_administrator(connection)
    with (
        running(database.url) as (process, url),
        httpx.Client(base_url=url, headers={"Origin": url}) as client,
    ):
        client.post("/api/v1/session", json={"name": "admin", "password": password}).raise_for_status()
        with client.stream("GET", "/api/v1/stream") as answer:
            lines = answer.iter_lines()
            assert next(lines).startswith("retry:")
            begun = time.monotonic()
            process.send_signal(how)
            for _ in lines:
                pass
        assert process.wait(10) == 0
        assert time.monotonic() - begun < 4
        assert process.stdout is not None
        assert process.stdout.read().strip() == "ended"


def test_without_a_database_it_answers_that_there_is_none() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nowhere = f"postgresql://x@127.0.0.1:{unused.getsockname()[1]}/x"
        with running(nowhere) as (process, url), httpx.Client(base_url=url, timeout=20) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").json() == {"database": False, "hub": False}
            refused = client.get("/api/v1/devices", headers={"Authorization": "Bearer ch_x"})
            assert refused.status_code == 503
            assert refused.headers["content-type"] == "application/problem+json"
            assert client.get("/metrics").status_code == 200
            process.send_signal(signal.SIGTERM)
            assert process.wait(10) == 0


def test_a_port_that_is_taken_is_said_with_a_hint() -> None:
    with bound("127.0.0.1", 0) as listener:
        listener.listen()
        with pytest.raises(CannotServe, match="Cannot listen") as raised:
            bound("127.0.0.1", listener.getsockname()[1])
    assert "another port" in raised.value.hint


@pytest.mark.parametrize(("host", "port"), [("no such host", 80), ("192.0.2.1", 80), ("127.0.0.1", 70000)])
def test_an_address_that_cannot_be_is_said_with_a_hint(host: str, port: int) -> None:
    with pytest.raises(CannotServe) as raised:
        bound(host, port)
    assert raised.value.hint


def test_the_console_is_served_with_its_assets_kept_and_its_page_not(
    database: Database, tmp_path: Path
) -> None:
    (tmp_path.parent / "secret.txt").write_text("secret")
    with running(database.url, str(tmp_path)) as (_, url), httpx.Client(base_url=url) as client:
        missing = client.get("/")
        assert missing.status_code == 200
        assert "make console" in missing.text
        (tmp_path / "assets").mkdir()
        (tmp_path / "assets" / "index-BxT3a9Zk.js").write_text("1")
        (tmp_path / "assets" / "plain.js").write_text("1")
        (tmp_path / "index.html").write_text("<title>Console</title>")
        page = client.get("/")
        assert "Console" in page.text
        assert page.headers["cache-control"] == "no-cache"
        asset = client.get("/assets/index-BxT3a9Zk.js")
        assert asset.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert client.get("/assets/plain.js").headers["cache-control"] == "no-cache"
        assert "Console" in client.get("/alarms/12", headers={"Accept": "text/html"}).text
        assert client.get("/alarms/12").status_code == 404
        for path in ("/api/v1/nothing", "/api/nothing", "/sta/v1.1"):
            assert client.get(path, headers={"Accept": "text/html"}).status_code == 404
            assert client.post(path).status_code == 404
        for path in (
            "/../secret.txt",
            "/%2e%2e/secret.txt",
            "/assets/..%2f..%2fsecret.txt",
            "/%00",
            "/a%00.js",
        ):
            assert client.get(path).status_code == 404, path
