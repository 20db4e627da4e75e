"""The private database: which PostgreSQL, started where, and known to answer before anybody uses it."""

import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import psycopg

from cityhub.services import cluster, installations
from cityhub.services.errors import ServiceError, died, disk_full, tail, told_about
from cityhub.services.installations import Installation, Kind
from cityhub.services.quarters import Quarters, account_for
from cityhub.services.record import Record, choose_port, port_taken, recall
from cityhub.services.tether import Claim, Tether, claim

# A fast shutdown writes a checkpoint: with 2 GB of WAL on a slow disk that takes its time.
_GRACE_S = 60.0
# Recovery after a kill -9 replays up to max_wal_size before anybody may connect.
_START_S = 300.0
_TRIES = 5
_FRESH_BYTES = 300_000_000


@dataclass(frozen=True)
class Database:
    """A private database that runs; the URLs carry its passwords and are kept out of its repr."""

    url: str = field(repr=False)
    admin_url: str = field(repr=False)
    version: str
    timescaledb: str | None
    edition: Literal["timescale", "apache", "none"]
    kind: Kind
    warning: str | None
    pid: int
    _tether: Tether = field(repr=False, compare=False)

    def stop(self) -> None:
        """Stop the database by its fast shutdown; a second call does nothing."""
        self._tether.stop()

    def kill(self) -> None:
        """End the postmaster by kill -9, for fault tests; its home can be started again at once."""
        self._tether.kill()

    def alive(self) -> bool:
        """Whether the postmaster still runs."""
        return self._tether.alive()


def _quiet(_sentence: str) -> None:
    """Progress for callers who do not watch."""


def start_database(
    home: Path,
    *,
    prefer: Kind | None = None,
    port: int = 0,
    progress: Callable[[str], None] = _quiet,
) -> Database:
    """Run a database on loopback whose data live in ``home/database``, until stopped or this process ends.

    Data stay with the kind of PostgreSQL that made them: it is chosen again whatever else is there.

    Raises:
        ServiceError: it cannot run; the sentence says why, the hint what to try.
    """
    home = home.absolute()
    with told_about(home):
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
        run, shelf = home / "run", home / "database"
        run.mkdir(mode=0o700, exist_ok=True)
        shelf.mkdir(mode=0o711, exist_ok=True)
        claimed = claim(run, "database", stop_signal=signal.SIGINT, grace_s=_GRACE_S)
        try:
            record = recall(shelf / "service.json", (cluster.SUPERUSER, cluster.ROLE))
            installation, reasons = _choose(shelf, record, prefer, progress)
            progress(f"Starting the private database (PostgreSQL {installation.major}, {installation.kind}).")
            tether = _start(installation, shelf, claimed, record, port, progress)
            try:
                return _furnished(installation, record, tether, reasons)
            except BaseException:
                tether.end()
                raise
        except BaseException:
            claimed.release()
            raise


def _choose(
    shelf: Path, record: Record, prefer: Kind | None, progress: Callable[[str], None]
) -> tuple[Installation, list[str]]:
    """The installation that made the data, or the best one for data yet to be made."""
    if not (shelf / "data").exists():
        if shutil.disk_usage(shelf).free < _FRESH_BYTES:
            raise disk_full(shelf.parent)
        installation, reasons = installations.choose(prefer, progress)
        record.made_by = f"{installation.kind} {installation.major}"
        record.save()
        return installation, reasons
    made_by: Kind | None = next(
        (kind for kind in ("local", "rootfs", "wheel") if record.made_by.startswith(kind)), None
    )
    if made_by is None:
        raise ServiceError(
            f"The passwords of the data in {shelf} are lost: service.json is not beside them.",
            hint="restore it from a backup, or choose a new state directory",
        )
    if prefer and prefer != made_by:
        raise ServiceError(
            f"The data in {shelf} were made by the kind {made_by} and cannot be opened by {prefer}.",
            hint=f"ask for {made_by} or for none in particular, or choose a new state directory",
        )
    installation, _ = installations.choose(made_by, progress)
    made_major = (shelf / "data/PG_VERSION").read_text().strip()
    if made_major != str(installation.major):
        raise ServiceError(
            f"The data in {shelf} were made by PostgreSQL {made_major}; installed is {installation.major}.",
            hint=f"install PostgreSQL {made_major} again, or dump and restore into a new state directory",
        )
    return installation, ["this state directory was begun with it"]


def _start(
    installation: Installation,
    shelf: Path,
    claimed: Claim,
    record: Record,
    port: int,
    progress: Callable[[str], None],
) -> Tether:
    quarters = Quarters(account_for("postgres"), shelf, reach=installation.reach, root=installation.root)
    log = shelf / "start.log"
    for attempt in range(1, _TRIES + 1):
        record.port = choose_port(port, record.port)
        cluster.settle(installation, quarters, record)
        command = quarters.command(
            [str(installation.binaries / "postgres"), "-D", str(quarters.inside / "data")]
        )
        with log.open("wb") as output:
            tether = Tether(claimed, command, stop_signal=signal.SIGINT, grace_s=_GRACE_S, log=output)
        try:
            up = _wait(tether, record, progress)
        except BaseException:
            tether.end()
            raise
        if up:
            record.save()
            return tether
        tether.end()
        logs = cluster.logs(shelf)
        said = "\n".join(map(tail, logs))
        if attempt < _TRIES and "pre-existing shared memory block" in said:
            # Children of a postmaster killed by -9 are still on their way out.
            time.sleep(0.3 * attempt)
            continue
        if "ddress already in use" not in said:
            raise died("database", shelf.parent, *logs)
        # Somebody took the port between our look and the server's: look again, unless it was asked for.
        if port or attempt == _TRIES:
            raise port_taken(record.port)
        record.port = 0
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _url(user: str, record: Record, database: str) -> str:
    return f"postgresql://{user}:{record.passwords[user]}@127.0.0.1:{record.port}/{database}"


def _wait(tether: Tether, record: Record, progress: Callable[[str], None]) -> bool:
    """Wait until the server lets the superuser in; False when it has ended."""
    begun = time.monotonic()
    patience_s = 5.0
    while (waited := time.monotonic() - begun) < _START_S:
        if not tether.alive():
            return False
        try:
            psycopg.connect(_url(cluster.SUPERUSER, record, "postgres"), connect_timeout=5).close()
        except psycopg.OperationalError:
            # Not yet; what it says while it recovers is the same for a minute. The loop has the limit.
            if waited > patience_s:
                progress(f"The database is recovering ({waited:.0f} s).")
                patience_s += 10.0
            time.sleep(0.05)
        else:
            return True
    raise ServiceError(
        f"The private database did not answer on port {record.port} within {_START_S:.0f} s.",
        hint="look at database/log in the state directory, then try again",
    )


def _furnished(installation: Installation, record: Record, tether: Tether, reasons: list[str]) -> Database:
    admin_url = _url(cluster.SUPERUSER, record, "postgres")
    try:
        cluster.furnish(admin_url, record, timescaledb=installation.timescaledb)
        with psycopg.connect(admin_url, dbname=cluster.ROLE, connect_timeout=10) as connection:
            version = connection.info.parameter_status("server_version") or str(installation.major)
            extension = connection.execute(
                "SELECT extversion, current_setting('timescaledb.license', true) FROM pg_extension"
                " WHERE extname = 'timescaledb'"
            ).fetchone()
    except psycopg.Error as error:
        raise ServiceError(
            f"The private database runs, but could not be set up: {str(error).splitlines()[0]}",
            hint="look at database/log in the state directory",
        ) from error
    warning = None
    if extension is None:
        why = f" ({'; '.join(reasons)})" if reasons else ""
        warning = (
            "Plain PostgreSQL is used, without TimescaleDB: everything works, but a long history"
            f" takes more disk and slower queries{why}."
        )
    return Database(
        url=_url(cluster.ROLE, record, cluster.ROLE),
        admin_url=admin_url,
        version=f"PostgreSQL {version.split()[0]}",
        timescaledb=extension[0] if extension else None,
        edition="none" if extension is None else "apache" if extension[1] == "apache" else "timescale",
        kind=installation.kind,
        warning=warning,
        pid=tether.pid,
        _tether=tether,
    )
