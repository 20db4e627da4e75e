"""The bench `footprint`: memory of a hub that has heard from every series, and how soon it is back."""

from __future__ import annotations

import math
import os
import signal
import time
from statistics import median

from bench import balance, fleet, machine, single
from bench.generator import Generator
from bench.progress import Progress
from bench.rig import Rig, Say, rig

OPTIONS = ("series",)
SERIES = 100_000
# What meters that report every ten seconds make of 100,000 series; a hub at its limit is the bench `ingest`.
TURN_S = 10.0
SAMPLE_S = 0.5


def run(seconds: float, runs: int, say: Say, series: int = SERIES) -> dict[str, object]:
    """Measure; raises Mismatch when a reading is not stored exactly once."""
    devices = math.ceil(series / single.READINGS)
    turn_s = min(TURN_S, seconds)  # a short look at few series need not take as long
    starts: dict[str, list[float]] = {"first": [], "again": [], "after_kill": []}
    resident: list[float] = []
    sent = 0
    with rig(say) as at:
        described = at.described()
        fleet.enrol(at, devices=devices)
        starts["first"].append(start(at))
        found, sent = steady(at, devices, sent, seconds, turn_s)
        for number in range(runs):
            say(f"run {number + 1} of {runs}")
            at.stop_hub()
            starts["again"].append(start(at))
            found, sent = steady(at, devices, sent, seconds, turn_s)
            resident.append(max(found))
            kill(at)
            starts["after_kill"].append(start(at))
        pid = at.hub.pid if at.hub else 0
        peak = machine.resident_mb(pid, peak=True)
        at.stop_hub()
        balance.check_meters(at.connection, devices, sent)
        again = balance.check_ledger(at.connection, sent * single.READINGS)
    return {
        "rss_mb": round(median(resident), 1),
        "start_s": round(median(starts["again"]), 2),
        "start_after_kill_s": round(median(starts["after_kill"]), 2),
        "first_start_s": round(starts["first"][0], 2),
        "rss_peak_of_a_start_mb": round(peak, 1),
        "series": devices * single.READINGS,
        "exactly_once": {"messages": sent, "readings_delivered_again": again},
        "machine": described,
        "load": f"{devices:,} meters of {single.READINGS} series each, a message every {turn_s:g} s, for {seconds:g} s and at least two turns",
        "runs": {
            "rss_mb": [round(each, 1) for each in resident],
            **{f"start_{kind}_s": [round(each, 2) for each in took] for kind, took in starts.items()},
        },
    }


def start(at: Rig) -> float:
    """Seconds from the process to the first word that it is connected; it speaks once a second."""
    begun = time.perf_counter()
    at.start_hub()
    return time.perf_counter() - begun


def kill(at: Rig) -> None:
    """End the hub as a power cut does: its checkpoint is as old as it may get, its session stays open."""
    hub, at.hub = at.hub, None
    if hub is not None:
        os.kill(hub.pid, signal.SIGKILL)
        hub.stop()


def steady(at: Rig, devices: int, first: int, seconds: float, turn_s: float) -> tuple[list[float], int]:
    """Have all series send in turn; the hub's resident megabytes once all have, and how many messages that makes."""
    found: list[float] = []
    load = Generator(
        "bench.load", url=at.broker.field_url, devices=devices,
        first=first, limit=2**62, rate=devices / turn_s,
    )  # fmt: skip
    try:
        progress = Progress(lambda: balance.stored(at.connection), lambda _: None)
        at.say("every series sends")
        progress.wait(single.READINGS * (first + devices))
        begun = time.monotonic()
        at.say("a steady load")
        while time.monotonic() - begun < max(seconds, turn_s):
            found.append(machine.resident_mb(at.hub.pid if at.hub else 0))
            time.sleep(SAMPLE_S)
        load.tell(stop=True)
        sent = first + int(load.finish()["sent"])
    finally:
        load.kill()
    progress.wait(single.READINGS * sent)
    return found, sent
