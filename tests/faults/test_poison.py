"""F3: rows that no table takes, among good ones: from one in a thousand to every second."""

from __future__ import annotations

import math
import random

import pytest
from faults.ground import Ground
from faults.load import GATEWAY, Load
from faults.oracle import Verdict
from faults.rounds import PATIENCE_S, rounds
from fix_hub import wait_for

from edge.reading import now_us
from ingest.reader import Reader

SHARES = (0.001, 0.01, 0.1, 0.5)
EACH = 200
# Name, what is added to the time, value.
POISONS = [
    ("lamp-01/current", 0, math.inf),
    ("lamp-01/current", 0, -math.inf),
    ("lamp-01/current", 2**61, 1.0),
    ("lamp-01/current", -(2**61), 1.0),
    ("lamp-01/cur\0rent", 0, 1.0),
    ("lamp-01/\ud7ff\U0010ffff", 0, 1.0),
    ("lamp-99/current", 0, 1.0),
    ("\0/current", 0, 1.0),
    ("river-01/" + "x" * 5_000, 0, 1.0),
    ("", 0, 1.0),
]
STATION = "city/v1/water/river-01/telemetry"
# Bytes that are no reading at all, with as many bad texts and numbers as there are ways.
RUBBISH = [
    b'{"level": "\xff\xfe"}',
    b'{"level": 1\0}',
    b"\xff" * 50,
    b'{"level": 1e999}',
    b'{"level": "\\ud800"}',
]


def poison(ground: Ground, number: int) -> Verdict:
    """Send good rows with each share of bad ones among them, and rubbish between the batches."""
    dice = random.Random(8)
    with ground.hub():
        load = Load(ground.order(agents=[GATEWAY]))
        load.start()
        device = ground.house.publisher()
        for share in SHARES:
            for batch in range(max(1, number // EACH // len(SHARES))):
                load.hand(load.agents[0], rows(dice, share))
                ground.house.send(device, STATION, RUBBISH[batch % len(RUBBISH)])
        assert load.drain(PATIENCE_S)
        load.close()
        wait_for(
            lambda: ground.house.ask("select count(*) from dead_letter where reason = 'malformed'") == [(5,)],
            "the rubbish to be dead letters",
            PATIENCE_S,
        )
    return ground.judge()


def rows(dice: random.Random, share: float) -> list[tuple[str, int, float]]:
    """One batch, no time twice."""
    made = []
    begin = now_us()
    for place in range(EACH):
        name, ahead, value = "lamp-02/current", 0, math.nan if dice.random() < 0.05 else dice.random()
        if dice.random() < share:
            name, ahead, value = dice.choice(POISONS)
        made.append((name, begin + ahead + place, value))
    return made


def test_good_rows_beside_poisoned_ones_are_stored_and_the_bad_ones_kept_with_a_reason(
    ground: Ground,
) -> None:
    verdict = poison(ground, rounds("poisoned rows"))
    assert verdict.wrong == {}
    assert set(verdict.buried) == {"time-outside", "not-finite", "unknown-metric", "unknown-device"}


def test_control_a_hub_that_drops_what_it_does_not_understand_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    def shrug(*_: object, **__: object) -> None:
        """Say nothing, keep nothing, count nothing."""

    monkeypatch.setattr(Reader, "_refuse", staticmethod(shrug))
    assert poison(ground, 4_000).lost
