"""Real services for tests: one database cluster for the run, a fresh database and a fresh broker for each test."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Literal

import psycopg
import pytest

from cityhub.services import Broker, Database, ServiceError, start_broker, start_database
from cityhub.settings import Settings
from cityhub.stack import prepare

Prefer = Literal["local", "rootfs", "wheel"]

TEMPLATE, TRIES = "test_template", 20


@dataclass(frozen=True, slots=True)
class Private:
    """A database of one test: migrated and empty."""

    url: str


class Cluster:
    """A database server, and a template from which each test gets its own database."""

    def __init__(self, home: Path, prefer: Prefer | None = None) -> None:
        self.server: Database = start_database(home, prefer=prefer)
        self._numbers = count(1)
        self._template_made = False

    @property
    def description(self) -> str:
        extension = f"TimescaleDB {self.server.timescaledb}" if self.server.timescaledb else "no TimescaleDB"
        return f"{self.server.version}, {extension} ({self.server.kind})"

    def fresh(self) -> Private:
        """A migrated, empty database."""
        name = f"test_{next(self._numbers)}"
        with psycopg.connect(self.server.admin_url, autocommit=True) as admin:
            if not self._template_made:
                self._make_template(admin)
            for left in reversed(range(TRIES)):
                try:
                    # Copied as files: half the work of writing every page to the log.
                    admin.execute(
                        f"create database {name} template {TEMPLATE} owner cityhub strategy file_copy"
                    )
                    break
                except psycopg.errors.ObjectInUse:  # TimescaleDB's scheduler was there already, and goes
                    if not left:
                        raise
                    admin.execute(
                        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = %s",
                        (TEMPLATE,),
                    )
        return Private(self._at(self.server.url, name))

    def _make_template(self, admin: psycopg.Connection) -> None:
        """Migrating once and copying it takes a tenth of the time of migrating for each test."""
        admin.execute(f"create database {TEMPLATE} owner cityhub")
        if self.server.timescaledb:
            with psycopg.connect(self._at(self.server.admin_url, TEMPLATE), autocommit=True) as inside:
                inside.execute("create extension if not exists timescaledb")
        prepare(self._at(self.server.url, TEMPLATE), Settings(), lambda _: None)
        admin.execute(f"alter database {TEMPLATE} allow_connections false")
        self._template_made = True

    @staticmethod
    def _at(url: str, name: str) -> str:
        return url.rsplit("/", 1)[0] + f"/{name}"

    def drop(self, private: Private) -> None:
        name = private.url.rsplit("/", 1)[1]
        with psycopg.connect(self.server.admin_url, autocommit=True) as admin:
            admin.execute(f"drop database {name} with (force)")


@dataclass(slots=True)
class _Run:
    """What lives as long as the test run."""

    stack: ExitStack
    home: Path
    cluster: Cluster | None = None
    why_not: str = ""


_RUN: list[_Run] = []


def pytest_report_header(config: pytest.Config) -> list[str]:
    """Say which services the tests run on; the database is started for it, brokers are asked and stopped."""
    if config.option.collectonly:
        return []
    run = begun()
    lines = [f"database: {run.cluster.description}" if run.cluster else run.why_not]
    for kind in ("mosquitto", "nats"):
        try:
            broker = start_broker(new_home(run.stack), prefer=kind)
            lines.append(f"broker: {broker.version}, MQTT {broker.protocol}")
            broker.stop()
        except ServiceError as error:
            lines.append(f"broker: no {kind}: {error}")
    return lines


def begun() -> _Run:
    """The run with its database; started at the first call."""
    if not _RUN:
        stack = ExitStack()
        run = _Run(stack, new_home(stack))
        _RUN.append(run)
        try:
            run.cluster = Cluster(run.home)
            stack.callback(run.cluster.server.stop)
        except ServiceError as error:
            run.why_not = f"no database: {error}"
    return _RUN[0]


def pytest_unconfigure() -> None:
    """End what the run has started."""
    while _RUN:
        _RUN.pop().stack.close()


def new_home(stack: ExitStack | None = None) -> Path:
    """A state directory that an unprivileged database server can reach."""
    home = Path(tempfile.mkdtemp(prefix="cityhub-test-"))
    home.chmod(0o711)
    if stack is not None:
        stack.callback(shutil.rmtree, home, ignore_errors=True)
    return home


@pytest.fixture
def home() -> Iterator[Path]:
    """A state directory for one test."""
    with ExitStack() as stack:
        yield new_home(stack)


@pytest.fixture(scope="session")
def cluster() -> Cluster:
    """The run's database server."""
    run = begun()
    if run.cluster is None:
        pytest.skip(run.why_not)
    return run.cluster


@pytest.fixture(scope="session")
def plain() -> Iterator[Cluster]:
    """A server without TimescaleDB."""
    with ExitStack() as stack:
        try:
            cluster = Cluster(new_home(stack), prefer="wheel")
        except ServiceError as error:
            pytest.skip(f"no plain PostgreSQL: {error}")
        stack.callback(cluster.server.stop)
        yield cluster


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Private]:
    """A migrated, empty database."""
    private = cluster.fresh()
    yield private
    cluster.drop(private)


@pytest.fixture
def broker(home: Path, request: pytest.FixtureRequest) -> Iterator[Broker]:
    """A broker of its own: mosquitto where it is installed, else NATS; or the kind that the test asks for."""
    try:
        started = start_broker(home, prefer=getattr(request, "param", None), any_device=True)
    except ServiceError as error:
        pytest.skip(f"no broker: {error}")
    yield started
    started.stop()


on_both_brokers = pytest.mark.parametrize("broker", ["mosquitto", "nats"], indirect=True)
