"""The bench `latency`: from publish to the alarm's commit and to the live stream, under half of the hub's load."""

from __future__ import annotations

import statistics
import time

import numpy as np
import psycopg
from numpy.typing import NDArray

from api import accounts
from bench import balance, fleet, meters, runaway, single
from bench.errors import BenchError, Mismatch
from bench.generator import Generator
from bench.publisher import Publisher
from bench.rig import Rig, Say, rig
from bench.viewer import Step, Viewer

OPTIONS = ("devices", "rate")
PROBES = 100
STEPS_A_SECOND = 25.0
HIGH, LOW = 20.0, 0.0
LAST_STEP_S = 20.0
SETTLE_S = 5.0


def run(
    seconds: float,
    runs: int,
    say: Say,
    devices: int = single.DEVICES,
    rate: float | None = None,
    flood: float = 0.0,
) -> dict[str, object]:
    """Measure; raises Mismatch when an alarm's step was not seen, or a reading not stored once.

    `flood` is how many messages a second one device sends beside all others; 0 for none.
    """
    with rig(say) as at:
        machine = at.described()
        fleet.enrol(at, devices=devices, probes=PROBES)
        password = accounts.first_administrator(at.connection)
        at.start_hub()
        found = single.measure(at, devices, min(seconds, 5), runs if rate is None else 1)
        half = found.rate / 2 if rate is None else rate
        _, url = at.start_api()
        viewer = Viewer(url, password or "")
        try:
            viewer.ready.wait(30)
            load = Generator(
                "bench.load", url=at.broker.field_url, devices=devices,
                first=found.sent, limit=2**62, rate=half,
            )  # fmt: skip
            flooding = runaway.start(at, flood) if flood else None
            try:
                greet(at)
                time.sleep(SETTLE_S)
                sent, pace = probe(at, viewer, seconds, runs)
                load.tell(stop=True)
                background = int(load.finish()["sent"])
                flooded = runaway.stop(flooding) if flooding else 0
            finally:
                load.kill()
                if flooding:
                    flooding.kill()
        finally:
            viewer.close()
        readings = (found.sent + background) * single.READINGS + PROBES + len(sent)
        settle(at, readings)
        balance.check_meters(at.connection, devices, found.sent + background)
        beyond = runaway.check(at.connection, flooded)
        balance.check_ledger(at.connection, readings, but=fleet.RUNAWAY)
        begun = write_begun(at.connection)
        at.stop_hub()
    seen = np.array([1000 * (viewer.seen[step] - moment) for step, (moment, _) in sent.items()])
    written = np.array([1000 * (begun[step] - moment) for step, (_, moment) in sent.items()])
    return {
        "p50_ms": by_run(seen, 50, runs)[0],
        "p99_ms": by_run(seen, 99, runs)[0],
        "max_ms": round(float(seen.max()), 1),
        "to_write_p50_ms": by_run(written, 50, runs)[0],
        "to_write_p99_ms": by_run(written, 99, runs)[0],
        "steps": len(seen),
        "background_messages_per_s": round(pace),
        "single_messages_per_s": round(found.rate) if rate is None else None,
        "exactly_once": {"readings": readings},
        **beyond,
        "machine": machine,
        "load": f"{half:,.0f} messages/s of {devices:,} meters, and {STEPS_A_SECOND:g} alarm steps a second",
        "runs": {"p50_ms": by_run(seen, 50, runs)[1], "p99_ms": by_run(seen, 99, runs)[1]},
    }


def by_run(delays: NDArray[np.float64], percent: float, runs: int) -> tuple[float, list[float]]:
    """A percentile of each run, and their median."""
    each = [round(float(np.percentile(part, percent)), 1) for part in np.array_split(delays, runs)]
    return statistics.median(each), each


def greet(at: Rig) -> None:
    """Let the hub meet every probe once, so that no step waits for a series to be made."""
    wire = Publisher(at.broker.field_url, "bench-greeting")
    for number in range(PROBES):
        topic = f"city/v1/{meters.DEPARTMENT}/{fleet.probe(number)}/telemetry".encode()
        wire.put(topic, b'{"ts":%d,"level":%.1f}' % (time.time_ns() // 1_000_000, LOW))
    wire.flush()
    query = (
        b"select count(distinct series_id) from latest join series on id = series_id where metric = 'level'"
    )
    limit = time.monotonic() + LAST_STEP_S
    while (at.connection.execute(query).fetchone() or (0,))[0] < PROBES and time.monotonic() < limit:
        time.sleep(0.2)
    wire.close()


def probe(
    at: Rig, viewer: Viewer, seconds: float, runs: int
) -> tuple[dict[Step, tuple[float, float]], float]:
    """Move one probe's alarm after another, up and down; when each was published, by both clocks.

    Also returns how many messages a second were committed meanwhile.
    """
    wire = Publisher(at.broker.field_url, "bench-probes")
    sent: dict[Step, tuple[float, float]] = {}
    begun, before = time.monotonic(), balance.stored(at.connection, but=fleet.RUNAWAY)
    at.say("probes raise and clear their alarms")
    try:
        for number in range(int(seconds * runs * STEPS_A_SECOND)):
            time.sleep(max(begun + number / STEPS_A_SECOND - time.monotonic(), 0))
            if viewer.fault is not None:
                raise BenchError(f"the live stream ended: {viewer.fault!r}", "read the API's log")
            turn, place = divmod(number, PROBES)
            key, at_ms = fleet.probe(place), time.time_ns() // 1_000_000
            topic = f"city/v1/{meters.DEPARTMENT}/{key}/telemetry".encode()
            wire.put(topic, b'{"ts":%d,"level":%.1f}' % (at_ms, LOW if turn % 2 else HIGH))
            sent[key, at_ms] = (time.monotonic(), time.time())
            wire.flush()
        pace = (balance.stored(at.connection, but=fleet.RUNAWAY) - before - len(sent)) / single.READINGS
        pace /= time.monotonic() - begun
        limit = time.monotonic() + LAST_STEP_S
        while time.monotonic() < limit and not sent.keys() <= viewer.seen.keys():
            time.sleep(0.05)
    finally:
        wire.close()
    if unseen := sent.keys() - viewer.seen.keys():
        raise Mismatch(f"{len(unseen):,} of {len(sent):,} alarm steps were never seen on the live stream")
    return sent, pace


def settle(at: Rig, readings: int) -> None:
    """Wait until the hub has stored what was still on its way."""
    at.say("counting what is stored")
    limit = time.monotonic() + 60
    while balance.stored(at.connection, but=fleet.RUNAWAY) < readings and time.monotonic() < limit:
        time.sleep(0.2)


def write_begun(connection: psycopg.Connection) -> dict[Step, float]:
    """When the transaction of each step began to write it, by the machine's clock."""
    return {
        (key, at_ms): moment
        for key, at_ms, moment in connection.execute(
            """select device.key, round(extract(epoch from reading_time) * 1000)::bigint,
                      extract(epoch from alarm_transition.recorded_at)::float8
               from alarm_transition join alarm on alarm.id = alarm_id
                    join device on device.id = device_id where reading_time is not null"""
        )
    }
