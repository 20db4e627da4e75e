"""F1 and G1 at length: payloads of every codec damaged in every way; the journal's model through long histories.

The short sizes are tests/test_ingest_decode.py, tests/test_ingest_limits.py and tests/test_edge_journal.py.
"""

from __future__ import annotations

import random
import time

import pytest
from faults.rounds import rounds
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from test_edge_journal import JournalMachine
from test_ingest_decode import COLUMNAR, NOW, VALID, read

from ingest.decode import decode

CODECS = {decode(payload, NOW).format: payload for payload in VALID}
SLOWEST_S = 0.1


def damaged(payload: bytes, dice: random.Random) -> bytes:
    """A payload of the codec after one to six accidents, which keep what they can of its structure."""
    made = bytearray(payload)
    for _ in range(dice.randint(1, 6)):
        if not made:
            break
        at, length = dice.randrange(len(made)), dice.randint(1, 12)
        match dice.randrange(8):
            case 0:
                made[at] ^= 1 << dice.randrange(8)
            case 1:
                del made[at : at + length]
            case 2:
                made[at:at] = dice.randbytes(length)
            case 3:
                made[at:at] = made[at : at + length] * dice.randint(1, 40)
            case 4:
                made[at] = dice.choice(b'[]{}",:\\0-+eE.\x00\xff\x81\x9f\xbf\xa1\xc4\x1b\x7f\x5f')
            case 5:
                other = VALID[dice.randrange(len(VALID))]
                place = dice.randrange(len(other))
                made[at : at + length] = other[place : place + length]
            case 6:
                made[at : at + length] = dice.choice(
                    [
                        b"1e400",
                        b"-0",
                        b"NaN",
                        b"null",
                        b"9" * 400,
                        b'"\\u0000"',
                        b"\x1b" + b"\xff" * 8,
                        b"\xfb" * 9,
                    ]
                )
            case _:
                del made[at:]
    return bytes(made)


@pytest.mark.parametrize("codec", CODECS)
def test_payloads_damaged_in_every_way_are_read_or_refused_and_none_takes_long(codec: str) -> None:
    dice = random.Random(codec)
    slowest, of = 0.0, b""
    for _ in range(rounds("fuzzed payloads")):
        payload = damaged(CODECS[codec], dice)
        begun = time.thread_time()  # of this thread alone: a busy machine is no hang
        read(payload)
        if (took := time.thread_time() - begun) > slowest:
            slowest, of = took, payload
    assert slowest < SLOWEST_S, of


def test_control_a_decoder_that_raises_what_it_likes_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ingest.limits.check_cbor_depth", lambda _: None)
    monkeypatch.setattr("ingest.decode.Malformed", ZeroDivisionError)
    dice = random.Random(1)
    payloads = [damaged(COLUMNAR, dice) for _ in range(500)]
    with pytest.raises(ZeroDivisionError):
        list(map(read, payloads))


def test_the_journal_agrees_with_its_model_through_many_histories() -> None:
    wanted = settings(max_examples=rounds("journal histories"), stateful_step_count=50, deadline=None)
    run_state_machine_as_test(JournalMachine, settings=wanted)
