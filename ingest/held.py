"""Held messages: beyond their device's quota, set down unread in the batch's transaction, and taken up again in turn."""

from __future__ import annotations

import psycopg

from ingest.batch import Batch
from ingest.message import OURS, Message
from ingest.records import from_us


def write(cursor: psycopg.Cursor, batch: Batch) -> None:
    """Set down what the batch holds back; take out what it has taken up."""
    if batch.held:
        cursor.executemany(
            "insert into held_message (device_id, topic, payload, arrived_at) values (%s, %s, %s, %s)",
            [
                (device_id, message.topic, message.payload, from_us(message.arrived_us))
                for device_id, message in batch.held
            ],
        )
    if batch.taken_up:
        cursor.execute("delete from held_message where id = any(%s)", (batch.taken_up,))


def waiting(connection: psycopg.Connection) -> dict[int, int]:
    """How many messages of each device wait."""
    rows = connection.execute("select device_id, count(*) from held_message group by device_id").fetchall()
    return dict(rows)


def oldest(connection: psycopg.Connection, turns: dict[int, int]) -> tuple[list[int], list[Message]]:
    """The oldest waiting messages of these devices, so many of each: their ids, and they themselves."""
    rows = connection.execute(
        """select id, topic, payload, (extract(epoch from arrived_at) * 1000000)::bigint
           from unnest(%s::int[], %s::int[]) as turn (device_id, count),
                lateral (select * from held_message where device_id = turn.device_id order by id limit turn.count) as held
           order by id""",
        (list(turns), list(turns.values())),
        binary=True,
    ).fetchall()
    # The broker has its acknowledgement: they were durable when they were set down.
    return [row[0] for row in rows], [
        Message(topic, payload, 0, OURS, arrived_us) for _, topic, payload, arrived_us in rows
    ]
