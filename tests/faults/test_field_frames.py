"""G2: frames of HJ 212, SL/T 427 and SDI-12 damaged in every way: read or refused, and none takes long or grows."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from faults.rounds import SHARE

from edge.drivers.dialogue import Dialogue, Heard
from edge.drivers.hj212 import Hj212
from edge.drivers.kept import Kept
from edge.drivers.sdi12 import Sdi12
from edge.drivers.sl427 import Sl427

VECTORS = Path(__file__).parents[1] / "vectors"
ROUNDS = max(3_000, round(1_000_000 * SHARE))
SLOWEST_S = 0.1
NOW = 1_792_022_440_000_000
WORDS = [
    b"##",
    b"&&",
    b"9999",
    b"\r\n",
    b";",
    b",",
    b"=",
    b"\x68",
    b"\x16",
    b"\x68\x01\x68",
    b"\xff",
    b"\xaa",
    b"0",
    b"+",
]


def frames(name: str, decode: Callable[[str], bytes]) -> list[bytes]:
    vectors = json.loads((VECTORS / f"{name}.json").read_text())["vectors"]
    return [decode(frame) for vector in vectors for frame in vector["frames"]]


def polled() -> Dialogue:
    """A line of two sensors, one of which has just been asked."""
    parameters = ["level", "water-temperature"]
    sensors = {
        "0": {"parameters": parameters, "command": "MC"},
        "1": {"parameters": parameters, "command": "C"},
    }
    dialogue = Sdi12({"0": "river", "1": "slope"}, sensors)
    dialogue.tick(NOW)
    return dialogue


PROTOCOLS: dict[str, tuple[Callable[[], Dialogue], list[bytes], int]] = {
    "hj212": (lambda: Hj212({}), frames("hj212", lambda text: text.encode("latin-1")), 10_009),
    "sl427": (
        lambda: Sl427({}, szy206=["0041820337"], kept=Kept().get),
        frames("sl427", bytes.fromhex),
        65_600,
    ),
    "sdi12": (
        polled,
        [b"00052\r\n", b"0\r\n", b"0+3.14-2IAF\r\n", b"1003002\r\n", b"1+1-2\r\n", b"0D0!0+3.14OqZ\r\n"],
        200,
    ),
}
"""The dialogue, frames that it understands, and the most bytes it may hold between two readings."""


def damaged(known: list[bytes], dice: random.Random) -> bytes:
    """One to three frames with noise between, after up to five accidents."""
    made = bytearray()
    for _ in range(dice.randint(1, 3)):
        made += dice.choice(known) + dice.randbytes(dice.choice((0, 0, 0, 5)))
    for _ in range(dice.randint(0, 5)):
        at, length = dice.randrange(len(made) + 1), dice.randint(1, 12)
        match dice.randrange(6):
            case 0 if at < len(made):
                made[at] ^= 1 << dice.randrange(8)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = dice.randbytes(length)
            case 3:
                made[at:at] = made[at : at + length] * dice.randint(1, 40)
            case 4:
                made[at : at + length] = dice.choice(WORDS)
            case _:
                del made[at:]
    return bytes(made)


def held(dialogue: Dialogue) -> int:
    """Bytes that wait for the rest of their frame."""
    stream = getattr(dialogue, "_stream", None)
    return len(dialogue._held) if stream is None else stream.waiting  # type: ignore[attr-defined]


def tried(
    make: Callable[[], Dialogue], known: list[bytes], most: int, dice: random.Random, rounds: int
) -> float:
    """The longest that one reading took, in seconds of this thread's own time; fails where too much is held."""
    dialogue, slowest, now = make(), 0.0, NOW
    for place in range(rounds):
        data = damaged(known, dice)
        begun = time.thread_time()
        heard: Heard = dialogue.hear(data, now)
        slowest = max(slowest, time.thread_time() - begun)
        assert held(dialogue) <= most, data
        assert all(isinstance(value, float) and type(at) is int for _, at, value in heard.samples)
        now += dice.choice((0, 1, 40)) * 1_000_000
        dialogue.tick(now)
        if place % 200 == 199:  # a link ends, the next begins
            dialogue = make()
    return slowest


@pytest.mark.parametrize("name", PROTOCOLS)
def test_frames_damaged_in_every_way_are_read_or_refused_and_none_takes_long(name: str) -> None:
    make, known, most = PROTOCOLS[name]
    assert tried(make, known, most, random.Random(name), ROUNDS) < SLOWEST_S


@pytest.mark.parametrize("name", PROTOCOLS)
def test_control_undamaged_frames_say_something(name: str) -> None:
    make, known, _ = PROTOCOLS[name]
    dialogue = make()
    assert sum(dialogue.hear(frame, NOW).frames for frame in known) > len(known) // 2


def test_control_a_dialogue_that_holds_on_to_everything_is_caught() -> None:
    class Hoarder(Hj212):
        def hear(self, data: bytes, arrived_us: int) -> Heard:
            del arrived_us
            self._stream._held += data
            return Heard()

        def tick(self, now_us: int) -> Heard:
            del now_us
            return Heard()

    _, known, most = PROTOCOLS["hj212"]
    with pytest.raises(AssertionError):
        tried(lambda: Hoarder({}), known, most, random.Random(1), 2_000)


@pytest.mark.parametrize(
    "data",
    [
        b"##0999" * 11_000,
        b"#" * 65_536,
        b"##0001x0000" * 6_000,
        (b"##0030MN=A;CN=2011;CP=&&a-Rtd=1&&0000\r\n") * 1_600,
    ],
)
def test_a_flood_of_false_beginnings_of_hj212_is_no_hang(data: bytes) -> None:
    begun = time.thread_time()
    Hj212({}).hear(data, NOW)
    assert time.thread_time() - begun < 1


@pytest.mark.parametrize(
    "data",
    [
        b"\x68" * 65_536,
        b"\x68\x07\x68\x16" * 16_384,
        b"\x68\x01\x68\x80\x00\x00\x00\x00\x00\x83\xf0\x7f\x16" * 5_000,
        b"\x68\xff\x68\x16\x16\x16\x16" * 9_000,
    ],
)
def test_a_flood_of_false_beginnings_of_sl427_is_no_hang(data: bytes) -> None:
    begun = time.thread_time()
    Sl427({}, kept=Kept().get).hear(data, NOW)
    assert time.thread_time() - begun < 2
