"""The salt of a day: kept in an unlogged table so that a restart makes no new tokens, and gone an hour after the day."""

from __future__ import annotations

import psycopg


def of_day(connection: psycopg.Connection, day: int, fresh: bytes) -> bytes:
    """The salt of a day; `fresh` becomes it where there is none."""
    connection.execute(
        "insert into track_salt (day, salt) values (%s, %s) on conflict do nothing", (day, fresh)
    )
    row = connection.execute("select salt from track_salt where day = %s", (day,), binary=True).fetchone()
    return bytes(row[0]) if row else fresh


def forget(connection: psycopg.Connection, oldest: int) -> int:
    """Delete the salts of days before `oldest`; returns how many. The file that held them is removed, too."""
    gone = connection.execute("delete from track_salt where day < %s", (oldest,)).rowcount
    if gone:
        connection.execute("vacuum (full) track_salt")
    return gone
