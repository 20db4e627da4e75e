"""The load generator, a process of its own: meters that publish as fast as allowed, or at a rate.

Reads JSON lines: first the order (see `Order`), then `{"limit": N}` (publish no more than N messages in all)
and `{"stop": true}`. At the end, when the broker has acknowledged everything, prints one JSON line.
"""

from __future__ import annotations

import json
import resource
import sys
import threading
import time
from dataclasses import dataclass

from bench import meters
from bench.publisher import Publisher

TICK_S = 0.005
TICK_MESSAGES = 400
LAST_ACKNOWLEDGEMENT_S = 60.0


@dataclass(slots=True)
class Order:
    """What to do; `rate` 0 means as fast as `limit` and the windows allow."""

    url: str
    devices: int
    first: int = 0  # messages sent by an earlier generator: the meters' turns go on from there
    limit: int = 0
    rate: float = 0.0
    connections: int = 4
    window: int = 500
    stop: bool = False


def listen(order: Order) -> None:
    """Follow what the bench says; its end of the pipe closing means stop."""
    for line in sys.stdin:
        for name, value in json.loads(line).items():
            setattr(order, name, value)
    order.stop = True


def publish(order: Order, wires: list[Publisher]) -> int:
    """Publish until told to stop; message m belongs to meter m modulo their number. Returns how many left."""
    topics = [meters.topic(device) for device in range(order.devices)]
    begun, number, turn_ms = time.monotonic(), order.first, 0
    while not order.stop:
        # In turn over all connections, so the fullest window speaks for every one of them.
        room = len(wires) * (order.window - max(wire.in_flight for wire in wires))
        wanted = min(room, order.limit - number, TICK_MESSAGES)
        if order.rate:
            wanted = min(wanted, order.first + int(order.rate * (time.monotonic() - begun)) - number)
        now_ms = time.time_ns() // 1_000_000
        for m in range(number, number + max(wanted, 0)):
            turn, device = divmod(m, order.devices)
            if device == 0 or turn_ms == 0:
                # Each turn has a time of its own, so that no meter says two things about one moment.
                turn_ms = max(turn_ms + 1, now_ms)
            wires[m % len(wires)].put(topics[device], meters.payload(device, turn, turn_ms))
        number += max(wanted, 0)
        for wire in wires:
            wire.flush()
        time.sleep(TICK_S)
    return number - order.first


def main() -> None:
    """Follow one order to its end."""
    order = Order(**json.loads(sys.stdin.readline()))
    threading.Thread(target=listen, args=(order,), daemon=True).start()
    wires = [Publisher(order.url, f"bench-{order.first}-{place}") for place in range(order.connections)]
    sent = publish(order, wires)
    until = time.monotonic() + LAST_ACKNOWLEDGEMENT_S
    while (left := sum(wire.in_flight for wire in wires)) and time.monotonic() < until:
        time.sleep(TICK_S)
    for wire in wires:
        wire.close()
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"sent": sent, "unacknowledged": left, "cpu_s": used.ru_utime + used.ru_stime}))


if __name__ == "__main__":
    main()
