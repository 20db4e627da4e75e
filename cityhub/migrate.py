"""Migrations: every part's SQL, once each, in import order, under one lock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import psycopg
import structlog

from cityhub.settings import OperatorError

log = structlog.get_logger("cityhub.migrate")

ROOT = Path(__file__).parent.parent
PARTS = ("geo", "ingest", "alerts", "governance", "api")
LOCK = 0x63697479  # "city"

# Where the extension is, these tables become hypertables; on plain PostgreSQL they stay as they are.
HYPERTABLES = {
    "reading": ("time", "7 days"),
    "message": ("arrived_at", "7 days"),
    "fix": ("time", "1 day"),
    "crossing": ("time", "1 day"),
}
"""By table: its time, and how much of it is one chunk. Positions are kept for days, not years."""


def migrate(database_url: str, progress: Callable[[str], None] = lambda _: None) -> int:
    """Bring the database to this version's schema; returns how many files were applied."""
    applied = 0
    with psycopg.connect(database_url, autocommit=True, connect_timeout=10) as connection:
        connection.execute("select pg_advisory_lock(%s)", (LOCK,))
        connection.execute(
            """create table if not exists schema_file (
                 part text, name text, sha256 text not null, applied_at timestamptz not null default now(),
                 primary key (part, name))"""
        )
        known = {
            (part, name): sha
            for part, name, sha in connection.execute("select part, name, sha256 from schema_file")
        }
        for part in PARTS:
            for path in sorted((ROOT / part / "schema").glob("*.sql")):
                text = path.read_bytes()
                sha = hashlib.sha256(text).hexdigest()
                if (part, path.name) in known:
                    if known[part, path.name] != sha:
                        raise OperatorError(
                            f"{part}/schema/{path.name} differs from what this database was made with",
                            "use the version of the hub that made it, or a new database (another `home`)",
                        )
                    continue
                progress(f"schema {part}/{path.name}")
                with connection.transaction():
                    connection.execute(text)
                    _make_hypertables(connection, text.decode())
                    connection.execute(
                        "insert into schema_file (part, name, sha256) values (%s, %s, %s)",
                        (part, path.name, sha),
                    )
                applied += 1
    return applied


def pending(connection: psycopg.Connection) -> list[str]:
    """The files of this version's schema that the database does not have yet."""
    known = set(connection.execute("select part, name from schema_file").fetchall())
    return [
        f"{part}/{path.name}"
        for part in PARTS
        for path in sorted((ROOT / part / "schema").glob("*.sql"))
        if (part, path.name) not in known
    ]


def _make_hypertables(connection: psycopg.Connection, text: str) -> None:
    if not connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone():
        return
    for table, (column, chunk) in HYPERTABLES.items():
        if f"create table {table} (" in text:
            connection.execute(
                "select create_hypertable(%s, by_range(%s, %s::interval), create_default_indexes => false)",
                (table, column, chunk),
            )
