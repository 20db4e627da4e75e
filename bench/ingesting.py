"""The bench `ingest`: single devices, edge batches, a bare COPY and the plain script, all in one run."""

from __future__ import annotations

from statistics import median

from bench import batch, fleet, single
from bench.generator import Generator
from bench.progress import Progress
from bench.rig import Rig, Say, rig

OPTIONS = ("devices",)
# Deep enough for a script that commits a few thousand a second, and soon drained.
SCRIPT_BACKLOG = 1_000


def run(seconds: float, runs: int, say: Say, devices: int = single.DEVICES) -> dict[str, object]:
    """Measure; raises Mismatch when anything was lost or invented."""
    with rig(say) as at:
        machine = at.described()
        fleet.enrol(at, devices=devices, gateways=batch.GATEWAYS)
        # Before the hub's first start: later its session would gather what is published for the script.
        script = measure_script(at, devices, seconds / 2, runs)
        at.start_hub()
        one = single.measure(at, devices, seconds, runs)
        many = batch.measure(at, batch.GATEWAYS, seconds, runs)
        at.stop_hub()
    return {
        "single_messages_per_s": round(one.rate),
        "single_readings_per_s": round(one.rate * single.READINGS),
        "batch_readings_per_s": round(many.rate),
        "copy_rows_per_s": round(many.copy),
        "batch_share": round(many.rate / many.copy, 3),
        "script_messages_per_s": round(median(script)),
        "single_vs_script": round(one.rate / median(script), 1),
        "single_cpu_s_per_1000_messages": one.cpu_per_1000(),
        "batch_cpu_s_per_100000_readings": {
            name: round(1e5 * spent / max(many.measured, 1), 4) for name, spent in many.cpu.items()
        },
        "exactly_once": {
            "single_messages": one.sent,
            "single_readings_delivered_again": one.again,
            "batch_readings": many.accepted,
        },
        "machine": machine,
        "load": {
            "single": f"{devices:,} meters, plain JSON of {single.READINGS} readings a message, QoS 1",
            "batch": f"{batch.GATEWAYS} edge agents with journals, {batch.READINGS:,} readings a batch",
            "script": "paho, one INSERT a message, committed by itself; the same messages",
            "run_s": seconds,
        },
        "runs": {
            "single_messages_per_s": [round(each) for each in one.rates],
            "batch_readings_per_s": [round(each) for each in many.rates],
            "copy_rows_per_s": [round(each) for each in many.copies],
            "script_messages_per_s": [round(each) for each in script],
        },
    }


def measure_script(at: Rig, devices: int, seconds: float, runs: int) -> list[float]:
    """Messages a second that the plain script stores, of the same messages into a table of its own."""
    at.say("the plain script")
    at.connection.execute(
        """create table bench_script (
             time timestamptz not null, device text not null,
             voltage float8, power float8, energy float8, primary key (device, time))"""
    )
    if at.database.timescaledb:
        at.connection.execute(
            "select create_hypertable('bench_script', by_range('time', '7 days'::interval))"
        )
    script = Generator("bench.script", url=at.broker.url, database=at.database.url)
    load = None
    try:
        script.await_ready()
        load = Generator("bench.load", url=at.broker.field_url, devices=devices, limit=SCRIPT_BACKLOG)
        allow = load.tell
        progress = Progress(lambda: _stored(at), lambda done: allow(limit=done + SCRIPT_BACKLOG))
        progress.follow(1)
        rates = [progress.follow(seconds) for _ in range(runs)]
        load.tell(stop=True)
        progress.allow = lambda _: None
        progress.wait(int(load.finish()["sent"]))
    finally:
        script.kill()
        if load is not None:
            load.kill()
    at.connection.execute("drop table bench_script")
    return rates


def _stored(at: Rig) -> int:
    row = at.connection.execute("select count(*) from bench_script").fetchone()
    return int(row[0]) if row else 0
