"""Posted messages: telemetry that came over HTTP waits in the database, where the hub takes it up."""

from __future__ import annotations

import psycopg

from ingest.batch import Batch
from ingest.message import UNASKED, Message

MOST = 20_000
"""So many may wait; with more the hub must be away, and senders are told to come back."""

PUT = "insert into posted_message (topic, payload) values (%(topic)s, %(payload)s)"
FULL = f"select count(*) >= {MOST} as full from (select 1 from posted_message limit {MOST}) as waiting"  # noqa: S608 -- a number of ours


def waiting(connection: psycopg.Connection) -> bool:
    """Whether any waits."""
    return connection.execute("select 1 from posted_message limit 1").fetchone() is not None


def oldest(connection: psycopg.Connection, most: int, most_bytes: int) -> tuple[list[int], list[Message]]:
    """The oldest that wait, one at least: their ids, and they themselves."""
    rows = connection.execute(
        """select id, topic, payload, (extract(epoch from arrived_at) * 1000000)::bigint
           from (select *, sum(length(payload)) over (order by id) - length(payload) as before
                 from posted_message order by id limit %s) as oldest
           where before < %s order by id""",
        (most, most_bytes),
        binary=True,
    ).fetchall()
    return [row[0] for row in rows], [
        Message(topic, payload, 0, UNASKED, arrived_us) for _, topic, payload, arrived_us in rows
    ]


def write(cursor: psycopg.Cursor, batch: Batch) -> None:
    """Take out what the batch has taken up."""
    if batch.posted:
        cursor.execute("delete from posted_message where id = any(%s)", (batch.posted,))
