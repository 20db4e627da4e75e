"""One PostgreSQL cluster in a state directory: making it, its settings, and what is in it from the start."""

import shutil
import subprocess
from pathlib import Path

import psycopg
from psycopg import sql

from cityhub.services.errors import died
from cityhub.services.installations import Installation
from cityhub.services.quarters import Quarters
from cityhub.services.record import Record

SUPERUSER = "postgres"
ROLE = "cityhub"

_SETTINGS = """\
# Written at every start of CityHub: changes here do not last.
listen_addresses = '127.0.0.1'
port = {port}
# Peers on this machine come with a password too; and a socket's path would have to fit 107 bytes.
unix_socket_directories = ''
max_connections = 60

# The promise to the edge rests on these two: a commit is on disk before it is confirmed.
fsync = on
synchronous_commit = on

shared_buffers = 256MB
# Readings arrive evenly: fewer, larger checkpoints, and images of whole pages compressed.
max_wal_size = 2GB
checkpoint_timeout = 15min
wal_compression = on

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'

# A week of logs, one file a day. Statements and details hold readings and are left out.
logging_collector = on
log_directory = '../log'
log_filename = 'postgresql-%a.log'
log_rotation_age = 1d
log_rotation_size = 0
log_truncate_on_rotation = on
log_line_prefix = '%m [%p] '
log_min_error_statement = panic
log_error_verbosity = terse
"""

_TIMESCALE_SETTINGS = """
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
# The extension's workers come on top of PostgreSQL's own eight.
timescaledb.max_background_workers = 8
max_worker_processes = 20
"""


def settle(installation: Installation, quarters: Quarters, record: Record) -> None:
    """Make the cluster if there is none, and write its settings."""
    at = quarters.directory
    # The data directory's name inside may hold a draft: initdb is finished or it never was.
    (at / "log").mkdir(exist_ok=True)
    for name in ("log", "data"):
        quarters.give_tree(at / name)
    quarters.give(at / "log", 0o700)
    if not (at / "data").exists():
        _initdb(installation, quarters, record)
    settings = at / "cityhub.conf"
    text = _SETTINGS.format(port=record.port) + (_TIMESCALE_SETTINGS if installation.timescaledb else "")
    settings.write_text(text)
    quarters.give(settings, 0o644)


def _initdb(installation: Installation, quarters: Quarters, record: Record) -> None:
    at = quarters.directory
    draft = at / "data.new"
    if draft.exists():
        shutil.rmtree(draft)
    draft.mkdir()
    quarters.give(draft, 0o700)
    password = at / "password.new"
    password.unlink(missing_ok=True)
    password.touch(mode=0o600)
    password.write_text(record.passwords[SUPERUSER])
    quarters.give(password, 0o600)
    # C.UTF-8 sorts by code point, which no later C library changes under an index; it knows letters,
    # other than plain C. From 17 on PostgreSQL brings it itself.
    built_in = 17
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if installation.major >= built_in
        else ["--locale=C.UTF-8"]
    )
    command = quarters.command(
        [
            *(str(installation.binaries / "initdb"), "-D", str(quarters.inside / draft.name)),
            *("-U", SUPERUSER, f"--pwfile={quarters.inside / password.name}"),
            *("--auth=scram-sha-256", "--encoding=UTF8", *locale),
        ]
    )
    log = at / "log/initdb.log"
    try:
        with log.open("wb") as output:
            made = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                check=False,
                cwd="/",
                timeout=300,
                env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8"},
            )
    finally:
        password.unlink()
    if made.returncode != 0:
        raise died("database (initdb)", at.parent, log)
    with (draft / "postgresql.conf").open("a") as file:
        file.write("\ninclude = '../cityhub.conf'\n")
    draft.rename(at / "data")


def furnish(admin_url: str, record: Record, *, timescaledb: bool) -> None:
    """See to the role, the database it owns and the extension; all of it may be there already."""
    with psycopg.connect(admin_url, autocommit=True, connect_timeout=10) as connection:
        # The server gets a verifier: a password in a statement could end up in a log.
        verifier = connection.pgconn.encrypt_password(
            record.passwords[ROLE].encode(), ROLE.encode(), b"scram-sha-256"
        ).decode()
        role = sql.Identifier(ROLE)
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (ROLE,)).fetchone():
            connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(role))
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(role, sql.Literal(verifier)))
        # Sizes, activity and settings for `doctor`; nothing it could write.
        connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(role))
        if not connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (ROLE,)).fetchone():
            connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(role, role))
    if timescaledb:
        # An update must be the first statement of its session.
        with psycopg.connect(admin_url, dbname=ROLE, autocommit=True, connect_timeout=10) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
            versions = connection.execute(
                "SELECT installed_version, default_version FROM pg_available_extensions"
                " WHERE name = 'timescaledb'"
            ).fetchone()
        if versions and versions[0] != versions[1]:
            with psycopg.connect(admin_url, dbname=ROLE, autocommit=True, connect_timeout=10) as connection:
                connection.execute("ALTER EXTENSION timescaledb UPDATE")


def logs(at: Path) -> list[Path]:
    """Where a start that failed may have said why: standard error, then the day's log."""
    days = sorted((at / "log").glob("postgresql-*.log"), key=lambda path: path.stat().st_mtime)
    return [at / "start.log", *days[-1:]]
