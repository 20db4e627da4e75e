"""The bench `protocols`, its part SL 651: frames a second on one core, from bytes to samples and back to the answer."""

from __future__ import annotations

import time

from bench.errors import Mismatch
from edge.drivers.sl651 import Sl651
from edge.protocols.sl651 import orders, times
from edge.protocols.sl651.frame import crc

FRAMES = 20_000
STATIONS = 40
NOW_US = 1_782_853_300_000_000
SAMPLES = 4


def frames(func: int) -> list[bytes]:
    """Reports of rain today, rain in all, level and voltage: 60 bytes each, from forty stations in turn."""
    sent = []
    for place in range(FRAMES):
        rtu = f"00{41_800_000 + place % STATIONS:08d}"
        to = orders.addressed(rtu, 1, "1234", text=False)
        at = times.written(NOW_US - place % 600 * 1_000_000)
        elements = f"2019{place % 1000:06d}2619{place % 100_000:06d}3923{place % 1_000_000:08d}3812{1200 + place % 99:04d}"
        body = f"{place % 65_535 + 1:04X}{at}F1F1{rtu}48F0F0{at[:10]}{elements}"
        down = orders.frame(to, func, bytes.fromhex(body), 3, direction=0)
        # Upwards the centre's address comes first.
        up = down[:2] + down[7:8] + down[2:7] + down[8:-2]
        sent.append(up + crc(up).to_bytes(2))
    return sent


def rate(acknowledge: str, at_once: int) -> float:
    """Frames a second of processor time: found, checked, every element read into a sample, and acknowledged or not.

    Raises Mismatch where a frame did not come to its four samples.
    """
    sent = frames(0x32)[: FRAMES // 2] + frames(0x33)[FRAMES // 2 :]
    stretches = [b"".join(sent[at : at + at_once]) for at in range(0, FRAMES, at_once)]
    link = Sl651(acknowledge=acknowledge)
    samples = replies = 0
    begun = time.process_time()
    for each in stretches:
        heard = link.hear(each, NOW_US)
        samples += len(heard.samples)
        replies += len(heard.reply)
    took = time.process_time() - begun
    if samples != SAMPLES * FRAMES or bool(replies) != (acknowledge != "none"):
        raise Mismatch(f"{samples} samples and {replies} bytes of answers of {FRAMES} frames")
    return FRAMES / took


def measure(rounds: int) -> dict[str, list[float]]:
    """Some rounds of each: frames that come one by one, ten at once, and one by one with their answers."""
    return {
        "sl651_frames_per_s": [rate("none", 1) for _ in range(rounds)],
        "sl651_joined_per_s": [rate("none", 10) for _ in range(rounds)],
        "sl651_answered_per_s": [rate("eot", 1) for _ in range(rounds)],
    }
