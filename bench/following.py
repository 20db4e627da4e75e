"""The bench `positions`: fixes a second through the whole hub, tokens, fences of 50,000 zones and the commit included."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np

from bench import fences
from bench.errors import Mismatch
from bench.publisher import Publisher
from bench.rig import Rig, rig
from edge import positions
from edge.reading import now_us
from edge.wire import Envelope
from geo.area import areas_m2
from geo.table import keep
from geo.zones import Zone

Say = Callable[[str], None]

OPTIONS = ()
CAMERAS, EACH = 4, 2_500
DEPARTMENT = "bench"
PROFILE = '{"profile": "bench-camera", "name": "Camera", "metrics": {}}'
LEAST_SECONDS = 5
PATIENCE_S = 300.0


def run(seconds: float, runs: int, say: Say, coarser: int = 1) -> dict[str, object]:
    """Measure; `seconds` are those of the city's clock, each with a fix of every track. Raises Mismatch where one is not stored once."""
    lasting = max(int(seconds), LEAST_SECONDS)
    zones = fences.city(coarser)
    with rig(say) as at:
        machine = at.described()
        settle(at, list(zones))
        at.start_hub()
        walk = Walk()
        rates: list[float] = []
        shares: list[float] = []
        for number in range(runs + 1):
            say(f"{lasting * CAMERAS * EACH:,} fixes")
            rate, busy = measure(at, walk.messages(number, lasting))
            if number:  # the first meets every track for the first time
                rates.append(rate)
                shares.append(busy)
        check(at, (runs + 1) * lasting * CAMERAS * EACH)
        at.stop_hub()
    return {
        "fixes_per_s": round(median(rates)),
        "fixes_per_cpu_s": round(median(shares)),
        "machine": machine,
        "load": {
            "zones": f"{len(zones):,}, those of the bench fences",
            "fixes": f"{CAMERAS * EACH:,} people without names, seen by {CAMERAS} cameras, a fix a second of each, in columnar batches",
            "fixes_per_cpu_s": "by CPU time of the hub's process alone",
        },
        "runs": {"fixes_per_s": [round(rate) for rate in rates]},
    }


def settle(at: Rig, zones: list[Any]) -> None:
    """Put the zones and the cameras into the registry."""
    areas = areas_m2(zones)
    with at.connection.transaction(), at.connection.cursor() as cursor:
        drawn = zip(zones, areas.tolist(), strict=True)
        keep(
            cursor,
            [Zone(f"z{n}", f"z{n}", "area", zone, area_m2=area) for n, (zone, area) in enumerate(drawn)],
        )
        cursor.execute("insert into department (key, name) values (%s, 'Bench')", (DEPARTMENT,))
        cursor.execute("insert into profile (key, body, sha256) values ('bench-camera', %s, '')", (PROFILE,))
        cursor.execute(
            """insert into device (key, name, department_id, profile)
               select 'camera-' || n, 'Camera', id, 'bench-camera' from department, generate_series(0, %s) as n
               where key = %s""",
            (CAMERAS - 1, DEPARTMENT),
        )


class Walk:
    """People on foot and in cars, as in the bench of the fences alone."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(2)
        count = CAMERAS * EACH
        self._place = self._rng.uniform(0, fences.SIDE_M, (count, 2))
        on_foot = self._rng.random(count) < 0.7  # noqa: PLR2004 -- of ten
        self._speed = self._rng.normal(0, 1, (count, 2)) * np.where(on_foot, 1.0, 8.0)[:, None]
        self._accuracy = self._rng.uniform(3, 15, count)
        self._second = now_us() - 1_800_000_000

    def messages(self, run: int, seconds: int) -> list[tuple[bytes, bytes]]:
        """Topic and payload of the next seconds, written before anything is timed."""
        said = []
        for second in range(seconds):
            self._second += 1_000_000
            self._place += self._speed
            lon, lat = (
                fences.CENTRE + (self._place + self._rng.normal(0, 5, self._place.shape)) / fences.SCALE
            ).T
            for camera in range(CAMERAS):
                seen = slice(camera * EACH, (camera + 1) * EACH)
                fixes = positions.Positions(
                    [f"person {number}" for number in range(EACH)], np.arange(EACH, dtype=np.int32),
                    np.full(EACH, self._second), lon[seen], lat[seen], self._accuracy[seen],
                )  # fmt: skip
                sealed = positions.seal(Envelope(f"run{run}", second + 1, 1), positions.body(fixes))
                said.append((f"city/v1/{DEPARTMENT}/camera-{camera}/position".encode(), sealed))
        return said


def measure(at: Rig, messages: list[tuple[bytes, bytes]]) -> tuple[float, float]:
    """Fixes a second from the first message to the last commit, and by the hub's CPU time."""
    before, count = stored(at), len(messages) * EACH
    wire = Publisher(at.broker.field_url, "bench-cameras")
    meter, begun = at.meter(), time.monotonic()
    for topic, payload in messages:
        wire.put(topic, payload)
        wire.flush()
    while stored(at) < before + count:
        if time.monotonic() - begun > PATIENCE_S:
            raise Mismatch(f"{count:,} fixes were sent, {stored(at) - before:,} are stored")
        time.sleep(0.05)
    took, busy = time.monotonic() - begun, meter.read()["hub"]
    wire.close()
    return count / took, count / busy


def stored(at: Rig) -> int:
    """Fixes that the ledger has stored."""
    row = at.connection.execute(
        """select coalesce(sum(stored), 0)::bigint from ledger_minute
           where device_id in (select id from device where profile = 'bench-camera')"""
    ).fetchone()
    return int(row[0]) if row else 0


def check(at: Rig, count: int) -> None:
    """Each fix is in the table once, believed, and somebody crossed a border. Raises Mismatch."""
    row = at.connection.execute(
        "select count(*), count(*) filter (where outcome = 0), (select count(*) from crossing) from fix"
    ).fetchone()
    if row is None or row[:2] != (count, count) or not row[2]:
        raise Mismatch(f"{count:,} fixes were sent; in the table, believed, crossings: {row}")
