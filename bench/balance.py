"""The balance: every reading that was sent is stored exactly once, with its value, or the bench has failed."""

from __future__ import annotations

import psycopg

from bench import meters
from bench.errors import Mismatch

BOOK = ("received", "stored", "duplicate", "quarantined", "rejected")


OTHERS = "coalesce(device_id, 0) is distinct from (select id from device where key = %s)"


def stored(connection: psycopg.Connection, but: str = "") -> int:
    """Readings that the ledger has stored, of all devices `but` one."""
    query = f"select coalesce(sum(stored), 0)::bigint from ledger_minute where {OTHERS}"  # noqa: S608 -- our names
    row = connection.execute(query.encode(), (but,)).fetchone()
    return int(row[0]) if row else 0


def check_ledger(connection: psycopg.Connection, readings: int, but: str = "") -> int:
    """Ledger and table must hold as many readings as were sent, all stored, of all devices `but` one. Raises Mismatch.

    Returns how many came a second time: at QoS 1 they may, and must be recognised.
    """
    sums = ", ".join(f"coalesce(sum({column}), 0)::bigint" for column in BOOK)
    query = f"select {sums} from ledger_minute where {OTHERS}"  # noqa: S608 -- our names
    book = dict(zip(BOOK, connection.execute(query.encode(), (but,)).fetchone() or (), strict=True))
    again = int(book["duplicate"])
    wanted = dict(zip(BOOK, (readings + again, readings, again, 0, 0), strict=True))
    if book != wanted:
        raise Mismatch(f"{readings:,} readings were sent, the ledger says {book}")
    for table, count in (("reading join series on id = series_id", readings), ("dead_letter", 0)):
        query = f"select count(*) from {table} where {OTHERS}"  # noqa: S608 -- our names
        found = connection.execute(query.encode(), (but,)).fetchone()
        if found is None or found[0] != count:
            raise Mismatch(f"{table} holds {found and found[0]:,} rows, not {count:,}")
    return again


def check_meters(connection: psycopg.Connection, devices: int, messages: int) -> None:
    """Every meter's every reading of the first `messages` messages, by count and by sum. Raises Mismatch."""
    counts, sums = meters.expected(devices, messages)
    wanted = {
        (meters.key(device), metric): (int(counts[device]), int(sums[device, place]))
        for device in range(devices)
        for place, metric in enumerate(meters.METRICS)
        if counts[device]
    }
    found = {
        (key, metric): (count, tenths)
        for key, metric, count, tenths in connection.execute(
            """select device.key, metric, count(*), sum(round(value * 10)::bigint)::bigint
               from reading join series on series.id = series_id join device on device.id = device_id
               where gateway_id is null and profile = 'bench-meter' group by device.key, metric"""
        )
    }
    wrong = sorted(place for place in wanted.keys() | found.keys() if wanted.get(place) != found.get(place))
    if wrong:
        first = wrong[0]
        raise Mismatch(
            f"{len(wrong):,} of {len(wanted):,} series are not as sent; {'/'.join(first)}: "
            f"(count, sum of tenths) sent {wanted.get(first)}, stored {found.get(first)}"
        )
