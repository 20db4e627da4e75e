"""What a census recalls when the hub starts: the counts of the last minutes, and how full each zone was for half an hour."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from cityhub.crowd.counts import COUNT, kept_s
from cityhub.crowd.ground import Ground, Meter
from geo.filling import FORESEEN_S
from ingest.records import array, from_us

MOST = 240
"""Readings of one series that are read: of a camera that counts ten times a second, enough of the last seconds."""
PERSONS = "persons"
AHEAD_US = 60_000_000
"""Counts of a clock a little ahead are of now; what lies farther was stamped by one that was set back since."""


class Past(NamedTuple):
    """What the tables say."""

    counts: NDArray[np.void]  # COUNT, oldest first
    persons: dict[str, list[tuple[float, float]]]  # by zone's device: time in s and people, oldest first


def recall(
    connection: psycopg.Connection[Any],
    ground: Ground,
    meters: Iterable[Meter],
    own: Mapping[tuple[str, str], int],
    at_us: int,
) -> Past:
    """Read it, from the tables; a count that was stored and is still on its way to the census is among it."""
    spans = {meter.slot: kept_s(meter.interval_s) for meter in meters if meter.counts != "tally"}
    zones = {
        own[zone.device, PERSONS]: zone.device for zone in ground.watched if (zone.device, PERSONS) in own
    }
    rows = _newest(connection, spans, at_us)
    counts = np.zeros(len(rows), COUNT)
    if rows:
        columns = list(zip(*rows, strict=True))
        counts["slot"], counts["time"], counts["value"], counts["flag"], ahead_s = columns
        # When it arrived nobody has written down; how far off the clock of its device is has been.
        arrived = counts["time"] - (np.array(ahead_s, np.float64) * 1e6).astype(np.int64)
        counts["arrived"] = np.minimum(arrived, at_us)
    persons: dict[str, list[tuple[float, float]]] = {}
    for slot, us, value, _, _ in _newest(connection, dict.fromkeys(zones, FORESEEN_S), at_us):
        if us <= at_us:
            persons.setdefault(zones[slot], []).append((us / 1e6, value))
    return Past(np.sort(counts, order="time"), persons)


def _newest(
    connection: psycopg.Connection[Any], spans_s: Mapping[int, float], at_us: int
) -> list[tuple[int, int, float, int, float]]:
    """The newest readings of each series, oldest first: series, time, value, flag, its clock's offset in s."""
    if not spans_s:
        return []
    return connection.execute(
        """select asked.series_id, (extract(epoch from later.time) * 1000000)::bigint, later.value, later.flag,
                  coalesce(device.clock_offset_s, 0)::float8
           from unnest(%s::int[], %s::float8[]) as asked (series_id, span_s)
                join series on series.id = asked.series_id join device on device.id = series.device_id,
                lateral (select time, value, flag from reading
                         where series_id = asked.series_id and time > %s and time <= %s
                           and time > to_timestamp(0) + %s * interval '1 microsecond' - asked.span_s * interval '1 second'
                         order by time desc limit %s) as later
           order by later.time""",
        (
            array(list(spans_s)),
            array(list(spans_s.values())),
            from_us(at_us - round(max(spans_s.values()) * 1e6)),
            from_us(at_us + AHEAD_US),
            at_us,
            MOST,
        ),
        binary=True,
    ).fetchall()
