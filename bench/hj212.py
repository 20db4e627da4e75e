"""The bench `protocols`, its part HJ 212: packets a second on one core, from bytes to samples and back to the answer."""

from __future__ import annotations

import time
from statistics import median

from edge.drivers.hj212 import Hj212
from edge.protocols.hj212.frame import pack

PACKETS = 20_000
STATIONS = 40
NOW_US = 1_792_022_400_000_000


def packets(flag: int) -> list[bytes]:
    """Momentary values (2011) of two factors, as a station of the 2017 standard sends them: 180 bytes each."""
    return [
        pack(
            f"QN=20261015{place // 3600 % 24:02d}{place // 60 % 60:02d}{place % 60:02d}{place % 1000:03d};"
            f"ST=32;CN=2011;PW=123456;MN=010000A8900016F000169D{place % STATIONS:02d};Flag={flag};"
            f"CP=&&DataTime=20261015{place // 3600 % 24:02d}{place // 60 % 60:02d}{place % 60:02d};"
            f"w01018-Rtd={place % 90 + 10}.{place % 10},w01018-Flag=N;w21003-Rtd=1.{place % 90 + 10},w21003-Flag=N&&"
        )
        for place in range(PACKETS)
    ]


def rate(flag: int) -> float:
    """Packets a second of processor time, each heard for itself; check, values, samples and, with bit 0, the answer."""
    sent = packets(flag)
    dialogue = Hj212({})
    samples = answers = 0
    begun = time.process_time()
    for one in sent:
        heard = dialogue.hear(one, NOW_US)
        samples += len(heard.samples)
        answers += bool(heard.reply)
    took = time.process_time() - begun
    if samples != 2 * PACKETS or answers != (PACKETS if flag & 1 else 0):
        raise AssertionError(f"{samples} samples and {answers} answers of {PACKETS} packets")
    return PACKETS / took


def measure(rounds: int = 5) -> dict[str, float]:
    """The median of some rounds."""
    return {
        "hj212_frames_per_s": median(rate(4) for _ in range(rounds)),
        "hj212_answered_per_s": median(rate(5) for _ in range(rounds)),
    }
