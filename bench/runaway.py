"""The runaway device: a process that publishes one device's messages at a rate; and what must have become of them.

The process reads JSON lines: first the order, then `{"stop": true}`. At the end it prints one JSON line.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import dataclass

import psycopg

from bench import fleet, meters
from bench.errors import Mismatch
from bench.generator import Generator
from bench.publisher import Publisher
from bench.rig import Rig

TICK_S = 0.005
WINDOW = 2_000
LAST_ACKNOWLEDGEMENT_S = 60.0


@dataclass(slots=True)
class Order:
    """What to do."""

    url: str
    topic: str
    rate: float
    stop: bool = False


def start(rig: Rig, rate: float) -> Generator:
    """Let it run away."""
    topic = f"city/v1/{meters.DEPARTMENT}/{fleet.RUNAWAY}/telemetry"
    return Generator("bench.runaway", url=rig.broker.field_url, topic=topic, rate=rate)


def stop(process: Generator) -> int:
    """End it; how many messages it has sent."""
    process.tell(stop=True)
    return int(process.finish()["sent"])


def check(connection: psycopg.Connection, sent: int) -> dict[str, object]:
    """Each of its messages must have been stored, held or refused, and counted; raises Mismatch."""
    if not sent:
        return {}
    query = """select (select sum(stored) from ledger_minute where device_id = device.id)::bigint,
                      (select sum(duplicate) from ledger_minute where device_id = device.id)::bigint,
                      (select sum(rejected) from ledger_minute where device_id = device.id)::bigint,
                      (select count(*) from held_message where device_id = device.id)
               from device where key = %s"""
    limit = time.monotonic() + LAST_ACKNOWLEDGEMENT_S
    while True:
        stored, again, refused, held = connection.execute(query, (fleet.RUNAWAY,)).fetchone() or (0, 0, 0, 0)
        if stored + again + refused + held >= sent or time.monotonic() > limit:
            break
        time.sleep(0.2)
    said = {"sent": sent, "stored": stored, "again": again, "refused": refused, "held": held}
    if stored + refused + held < sent:
        raise Mismatch(f"messages of the runaway device are unaccounted for: {said}")
    return {"runaway": said, "lost": 0}


def publish(order: Order, wire: Publisher) -> int:
    """Publish until told to stop; every message has a time of its own. Returns how many left."""
    topic, begun, number, begun_ms = order.topic.encode(), time.monotonic(), 0, time.time_ns() // 1_000_000
    while not order.stop:
        due = int(order.rate * (time.monotonic() - begun)) - number
        for _ in range(min(due, WINDOW - wire.in_flight)):
            # Ten a millisecond at the usual rate: its clock runs ten times as fast as others, in the past.
            at_ms = begun_ms - 86_400_000 + number
            wire.put(topic, b'{"ts":%d,"level":0.5}' % at_ms)
            number += 1
        wire.flush()
        time.sleep(TICK_S)
    return number


def main() -> None:
    """Follow one order to its end."""
    order = Order(**json.loads(sys.stdin.readline()))

    def listen() -> None:
        sys.stdin.readline()
        order.stop = True

    threading.Thread(target=listen, daemon=True).start()
    wire = Publisher(order.url, "bench-runaway")
    sent = publish(order, wire)
    until = time.monotonic() + LAST_ACKNOWLEDGEMENT_S
    while (left := wire.in_flight) and time.monotonic() < until:
        time.sleep(TICK_S)
    wire.close()
    print(json.dumps({"sent": sent, "unacknowledged": left}))


if __name__ == "__main__":
    main()
