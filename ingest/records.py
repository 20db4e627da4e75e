"""What a batch leaves beside its readings: raw archive, dead letters, ledger, progress of the edge agents."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import psycopg

from ingest.batch import Batch
from ingest.ledger import Ledger
from ingest.rows import HEADER, POSTGRES_EPOCH_US, TRAILER

# A binary COPY row of the archive up to its topic, and from there to its parser: lengths before values.
ARCHIVE_HEAD, ARCHIVE_TAIL = struct.Struct(">hiqiii"), struct.Struct(">iqiqiii")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write_archive(cursor: psycopg.Cursor, batch: Batch) -> None:
    """The raw archive: every message that gave readings, with its bytes."""
    if not batch.archive:
        return
    parts = [HEADER]
    for entry in batch.archive:
        message = entry.message
        topic, parser, payload = message.topic.encode(), entry.parser.encode(), message.payload
        parts += (
            ARCHIVE_HEAD.pack(
                8, 8, message.arrived_us - POSTGRES_EPOCH_US, 4, entry.device_id, len(topic)
            ),
            topic,
            ARCHIVE_TAIL.pack(
                8, entry.first_us - POSTGRES_EPOCH_US, 8, entry.last_us - POSTGRES_EPOCH_US,
                4, entry.readings, len(parser),
            ),
            parser,
            len(payload).to_bytes(4, "big"),
            payload,
        )  # fmt: skip
    parts.append(TRAILER)
    with cursor.copy(
        """copy message (arrived_at, device_id, topic, first_time, last_time, readings, parser, payload)
           from stdin (format binary)"""
    ) as copy:
        copy.write(b"".join(parts))


def write_dead_letters(cursor: psycopg.Cursor, batch: Batch) -> None:
    """Dead letters; the same bytes for the same reason are one row, seen once more."""
    if not batch.dead:
        return
    cursor.executemany(
        """insert into dead_letter
              (digest, reason, detail, device_id, topic, payload, readings, times, first_at, last_at)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
           on conflict (digest, reason) do update
              set times = dead_letter.times + excluded.times, last_at = excluded.last_at, detail = excluded.detail""",
        [
            (letter.digest, letter.reason, letter.detail, letter.device_id, letter.message.topic,
             letter.message.payload, letter.readings, letter.times, *[from_us(letter.message.arrived_us)] * 2)
            for letter in sorted(batch.dead, key=lambda letter: (letter.digest, letter.reason))
        ],
    )  # fmt: skip


def write_ledger(cursor: psycopg.Cursor, batch: Batch) -> None:
    """The counts of the batch, added to their minute; devices in order, so that two hubs cannot deadlock."""
    ids, columns = batch.ledger.table()
    if not len(ids):
        return
    names = ", ".join(Ledger.COLUMNS)
    arrays = ", ".join(["%s::bigint[]"] * len(Ledger.COLUMNS))
    added = ", ".join(f"{column} = ledger_minute.{column} + excluded.{column}" for column in Ledger.COLUMNS)
    cursor.execute(
        f"""insert into ledger_minute (minute, device_id, {names})
            select %s, * from unnest(%s::int[], {arrays})
            on conflict (minute, device_id) do update set {added}""",  # noqa: S608 -- our own column names
        [
            from_us(batch.ledger.minute_us),
            array(ids.tolist()),
            *(array(columns[c].tolist()) for c in Ledger.COLUMNS),
        ],
    )


def array(numbers: Sequence[float]) -> str:
    """Numbers as PostgreSQL writes an array: ten times as fast as through the driver's dumpers."""
    return "{" + str(numbers)[1:-1] + "}"


def write_progress(cursor: psycopg.Cursor, batch: Batch) -> None:
    """How far each boot of each edge agent is committed, as ranges: order and repetition do not matter.

    Leaves in the batch what `committed` may say once the transaction is through.
    """
    if not batch.progress:
        return
    cursor.execute(
        """insert into edge_progress (device_id, boot, committed, seen_at)
           select device_id, boot, range_agg(int8range(0, base)) + range_agg(int8range(seq, seq + 1)), now()
           from unnest(%s::int[], %s::text[], %s::bigint[], %s::bigint[]) as batch (device_id, boot, base, seq)
           group by device_id, boot order by device_id, boot
           on conflict (device_id, boot) do update
              set committed = edge_progress.committed + excluded.committed, seen_at = now()
           returning device_id, boot, (select upper(range) - 1 from unnest(committed) as range where lower(range) = 0),
                     array(select array[lower(range), upper(range) - 1] from unnest(committed) as range
                           where lower(range) > 0 order by lower(range) desc limit 8)""",
        [[entry[column] for entry in batch.progress] for column in range(4)],
    )
    batch.committed = cursor.fetchall()


def from_us(us: int) -> datetime:
    """Microseconds since 1970 as PostgreSQL's driver wants them."""
    return EPOCH + timedelta(microseconds=us)
