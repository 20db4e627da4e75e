"""The bench `protocols`: what one core reads of the protocols of the field, from bytes to samples."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median

from bench import hj212, machine, sl651

OPTIONS = ()


def run(seconds: float, runs: int, say: Callable[[str], None]) -> dict[str, object]:
    """Measure every protocol; `seconds` is not used, a round is 20,000 frames. Raises Mismatch where one is misread."""
    del seconds
    described = machine.describe("none", "none")
    say("SL 651")
    ours = sl651.measure(runs)
    say("HJ 212")
    packets = hj212.measure(runs)
    return {
        **{name: round(median(found)) for name, found in ours.items()},
        **{name: round(found) for name, found in packets.items()},
        "machine": described,
        "load": {
            "sl651": "32H and 33H of 60 bytes, four elements, forty stations; found in the stream, CRC, samples",
            "hj212": "2011 of 180 bytes, two factors, forty stations; found in the stream, check, samples",
            "time": "CPU time of this process; one core; a round is 20,000 frames",
            "number": "the median of the rounds",
        },
        "runs": {name: [round(each) for each in found] for name, found in ours.items()},
    }
