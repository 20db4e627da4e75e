"""The rig: private broker and database in a temporary home, the real hub and API as processes of their own."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psycopg

from bench import machine
from bench.errors import BenchError
from cityhub.addresses import Addresses
from cityhub.migrate import migrate
from cityhub.processes import Child, command
from cityhub.services import Broker, Database, start_broker, start_database
from cityhub.settings import Settings

Say = Callable[[str], None]

READY_S = 120.0


@dataclass
class Rig:
    """What runs, and where it is."""

    home: Path
    broker: Broker
    database: Database
    connection: psycopg.Connection
    say: Say
    hub: Child | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    @property
    def rules(self) -> Path:
        """The folder that a bench writes its rules into, before the hub starts."""
        return self.home / "rules"

    def described(self) -> dict[str, object]:
        """The machine and what runs on it."""
        extension = f", TimescaleDB {self.database.timescaledb}" if self.database.timescaledb else ""
        return machine.describe(
            self.broker.version, f"{self.database.version}{extension} ({self.database.edition})"
        )

    def start_hub(self) -> None:
        """Start the hub and wait until it takes messages; raises BenchError."""
        self.say("starting the hub")
        self.rules.mkdir(exist_ok=True)
        before = self._one("select count(*) from hub_run")
        self.hub = self._start("hub", api_port=0)
        query = """select count(*) from hub_run where (status ->> 'connected')::boolean"""
        self._await(self.hub, lambda: bool(self._one(query) > before))

    def stop_hub(self) -> None:
        """Stop the hub as an operator does; raises BenchError when it does not end well."""
        if self.hub is not None:
            hub, self.hub = self.hub, None
            if code := hub.stop():
                raise BenchError(f"the hub ended with {code}:\n{hub.last_words()}")

    def start_api(self) -> tuple[Child, str]:
        """Start the API; returns the process and where it answers."""
        self.say("starting the API")
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = int(server.getsockname()[1])
        api = self._start("api", api_port=port)
        self._stack.callback(api.stop)
        url = f"http://127.0.0.1:{port}"
        self._await(api, lambda: _reads(f"{url}/readyz"))
        return api, url

    def cool(self) -> None:
        """Start the database anew, its files dropped from the system's memory: what is asked next comes from the disk."""
        self.connection.close()
        self.database.stop()
        for path in (self.home / "database" / "data").rglob("*"):
            if path.is_file():
                with path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
        self.database = start_database(self.home, progress=self.say)
        self._stack.callback(self.database.stop)
        self.connection = self._stack.enter_context(psycopg.connect(self.database.url, autocommit=True))

    def meter(self, **more: int) -> machine.Meter:
        """Begin to count CPU seconds: broker, database, hub, and what else is named."""
        running = {"hub": self.hub.pid} if self.hub else {}
        return machine.Meter({**running, "broker": self.broker.pid, "database": self.database.pid, **more})

    def close(self) -> None:
        """Stop whatever a bench has left running."""
        if self.hub is not None:
            self.hub.stop()
        self._stack.close()

    def _start(self, name: str, *, api_port: int) -> Child:
        settings = Settings(home=self.home, rules=str(self.rules), api_port=api_port)
        found = Addresses(self.database.url, self.broker.url, self.broker.field_url)
        return Child(name, command(name), found.environment(settings), self.home)

    def _await(self, child: Child, ready: Callable[[], bool]) -> None:
        limit = time.monotonic() + READY_S
        while not ready():
            if child.code is not None or time.monotonic() > limit:
                raise BenchError(f"the {child.name} does not get ready:\n{child.last_words()}")
            time.sleep(0.1)

    def _one(self, query: str) -> int:
        row = self.connection.execute(query.encode()).fetchone()
        return int(row[0]) if row else 0


@contextmanager
def rig(say: Say) -> Iterator[Rig]:
    """A broker and a database, empty but for the schema; everything ends with the block, the home goes with it."""
    home = Path(tempfile.mkdtemp(prefix="cityhub-bench-"))
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
        database = start_database(home, progress=say)
        stack.callback(database.stop)
        broker = start_broker(home, progress=say, any_device=True)
        stack.callback(broker.stop)
        migrate(database.url, say)
        connection = stack.enter_context(psycopg.connect(database.url, autocommit=True))
        made = Rig(home, broker, database, connection, say)
        stack.callback(made.close)
        try:
            yield made
        except BenchError as error:
            if made.hub is None:
                raise
            raise BenchError(f"{error}; the hub's last words:\n{made.hub.last_words()}") from error


def _reads(url: str) -> bool:
    """Whether the API has the database; a bench of what is stored runs without a hub."""
    try:
        return bool(httpx.get(url, timeout=5).json()["database"])
    except httpx.TransportError:
        return False
