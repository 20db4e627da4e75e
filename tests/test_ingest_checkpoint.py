"""What a start reads of the table after a checkpoint, against a plain selection."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import psycopg
import pytest
from fix_services import Private

from edge.reading import READING, Rows
from ingest import checkpoint
from ingest.batch import CALENDAR_FROM_US
from ingest.order import LONG_AGO
from ingest.rows import copy_into

START_US = int(datetime(2026, 3, 1, tzinfo=UTC).timestamp()) * 1_000_000
WEEK_US = 7 * 86_400 * 1_000_000
SERIES = 12


def stored(connection: psycopg.Connection) -> Rows:
    """Readings over many chunks, a few a week of each series but the last, which has none."""
    random = np.random.default_rng(5)
    weeks = np.arange(10).repeat(3 * (SERIES - 1))
    rows = np.zeros(len(weeks), READING)
    rows["series"] = np.arange(len(weeks)) % (SERIES - 1) + 1
    rows["time"] = START_US + weeks * WEEK_US + random.permutation(len(weeks)) * 1_000
    rows["value"], rows["flag"] = random.normal(size=len(weeks)), 1
    with connection.transaction(), connection.cursor() as cursor:
        copy_into(cursor, "reading", rows)
    return rows


@pytest.mark.parametrize("portion", [1, 5, 5_000])
def test_a_start_is_given_what_is_newer_than_each_series_newest_and_nothing_else(
    database: Private, monkeypatch: pytest.MonkeyPatch, portion: int
) -> None:
    monkeypatch.setattr(checkpoint, "PORTION", portion)
    with psycopg.connect(database.url, autocommit=True) as connection:
        rows = stored(connection)
        # Series 1 was never heard of, 2 fell silent weeks ago, 3 is up to date, 11 and 12 are new since the checkpoint.
        newest = np.full(11, START_US + 8 * WEEK_US, np.int64)
        newest[1], newest[2] = LONG_AGO, START_US + 3 * WEEK_US
        newest[3] = rows["time"][rows["series"] == 3].max()
        pieces = list(checkpoint.stored_since(connection, newest, list(range(1, SERIES + 1))))
    base = np.full(SERIES + 1, CALENDAR_FROM_US)
    base[:11] = np.maximum(newest, CALENDAR_FROM_US)
    wanted = rows[rows["time"] > base[rows["series"]]]
    found = np.concatenate(pieces)
    assert np.array_equal(np.sort(found, order=["series", "time"]), np.sort(wanted, order=["series", "time"]))
    assert 3 not in found["series"]
    for series in np.unique(found["series"]):
        assert (np.diff(found["time"][found["series"] == series]) > 0).all()


def test_of_a_series_that_a_start_knows_nothing_of_it_is_given_the_newest_readings(
    database: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "DEEPEST", 4)
    with psycopg.connect(database.url, autocommit=True) as connection:
        rows = stored(connection)
        (piece,) = checkpoint.stored_since(connection, np.zeros(0, np.int64), [2])
    assert piece["time"].tolist() == sorted(rows["time"][rows["series"] == 2])[-4:]
