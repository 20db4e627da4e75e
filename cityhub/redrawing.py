"""Redrawing: the zones that hold now, read and indexed as fences: at a start at once, later in a thread of its own.

Indexes of 50,000 zones take seconds, in which the main thread goes on with those that it has. It takes the new ones between
two batches, whole: what is judged is judged by zones of one moment.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

import numpy as np
import psycopg
import structlog
from numpy.typing import NDArray

from geo.crossing import Crossings
from geo.fence import Fence
from geo.table import FENCES, fenced, next_turn
from ingest.connection import Line

log = structlog.get_logger("cityhub.redrawing")

AGAIN_S = 1.0
"""So long after a read that failed comes the next."""
TURN_S = (0.2, 3600.0)
"""Bounds of the wait for a zone to begin or cease: the database's clock may be behind ours."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """The fences of one moment."""

    crossings: Crossings = field(default_factory=lambda: Crossings([], []))
    version: NDArray[np.int32] = field(default_factory=lambda: np.zeros(0, np.int32))  # by place
    wanted: dict[int, list[int]] = field(default_factory=dict)
    """The zones in which a device ought to be, by its id."""
    turn: datetime | None = None
    """When the next zone begins or ceases to hold."""
    mark: tuple[Any, ...] | None = None
    """Of the zones that were read, and of which version."""


def read(connection: psycopg.Connection, before: Drawn) -> Drawn:
    """The fences that hold now; the indexes of `before` where no zone has changed since."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("set transaction isolation level repeatable read")  # all of one moment
        turn = next_turn(cursor)
        # Asked at every change of the registry: fifty thousand rows would be too many.
        mark = cursor.execute(
            f"""select count(*), sum(hashtextextended(id || ' ' || version, 0)) from zone_in_force
                where {FENCES}"""  # noqa: S608 -- our own condition
        ).fetchone()
        found = [] if mark == before.mark else fenced(cursor)
        cursor.execute(
            """select device.id, zone.id from zone_in_force zone, unnest(expected) as key
                      join device using (key) where device.retired_at is null order by 1, 2"""
        )
        wanted: dict[int, list[int]] = {}
        for device, zone in cursor:
            wanted.setdefault(device, []).append(zone)
    if mark == before.mark:
        return replace(before, wanted=wanted, turn=turn)
    crossings = Crossings(
        [zone.geometry for zone in found],
        [_fence(*zone[4:]) for zone in found],
        keys=np.array([zone.id for zone in found], np.int64),
        areas=[zone.area_m2 for zone in found],
    )
    return Drawn(crossings, np.array([zone.version for zone in found], np.int32), wanted, turn, mark)


class Redrawing:
    """Reads the zones when it is told to, and when one begins or ceases to hold; `close` belongs to the main thread."""

    def __init__(self, database_url: str, begun: Drawn) -> None:
        """`begun`: what the main thread has."""
        self._line = Line(database_url, "cityhub fences")
        self._connection: psycopg.Connection | None = None
        self._newest, self._fresh = begun, False
        self._wake, self._stopping, self._lock = threading.Event(), threading.Event(), threading.Lock()
        self.failed = 0
        """Reads that failed, and were tried again."""
        self._thread = threading.Thread(target=self._run, name="redrawing", daemon=True)

    def start(self) -> None:
        """Begin with a look: something may have changed since the zones were read."""
        self._wake.set()
        self._thread.start()

    def close(self) -> None:
        """End after the read in hand."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def look_again(self) -> None:
        """The registry or the zones have changed."""
        self._wake.set()

    def fresh(self) -> Drawn | None:
        """What has been read since the last call; never waits."""
        with self._lock:
            fresh, self._fresh = self._fresh, False
            return self._newest if fresh else None

    def _run(self) -> None:
        patience = self._until_turn()
        while not self._wake.wait(patience) or not self._stopping.is_set():
            self._wake.clear()
            try:
                self._look()
                patience = self._until_turn()
            except psycopg.OperationalError as error:
                log.warning("zones wait for the database", reason=str(error).strip())
                patience = self._fail()
            except Exception:
                log.exception("zones could not be read; those before them go on holding")
                patience = self._fail()
        self._leave()

    def _look(self) -> None:
        if self._connection is None or self._connection.closed:
            self._connection = self._line.open()
        drawn = read(self._connection, self._newest)
        if drawn.mark != self._newest.mark:
            log.info("zones read", zones=len(drawn.version))
        with self._lock:
            self._newest, self._fresh = drawn, True

    def _fail(self) -> float:
        self.failed += 1
        self._leave()
        return AGAIN_S

    def _leave(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _until_turn(self) -> float | None:
        if self._newest.turn is None:
            return None
        least, most = TURN_S
        return min(max((self._newest.turn - datetime.now(UTC)).total_seconds(), least), most)


@lru_cache(1000)
def _fence(exit_m: float | None, enter_s: float | None, exit_s: float | None, dwell_s: float | None) -> Fence:
    """What is asked at the border of a zone: what it says, else as of every fence."""
    usual = Fence()
    return Fence(
        usual.exit_m if exit_m is None else exit_m,
        usual.enter_s if enter_s is None else enter_s,
        usual.exit_s if exit_s is None else exit_s,
        dwell_s,
    )
