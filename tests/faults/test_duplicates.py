"""E1: every batch comes one to five times, in any order, over several connections."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from faults.ground import Ground, believe_everything_new, transitions
from faults.oracle import Record, Verdict, judge
from faults.rounds import PATIENCE_S, rounds
from fix_hub import wait_for

from edge import wire
from edge.reading import gather, now_us

TOPIC = "city/v1/municipal/gateway-01/telemetry"
EACH = 20


def batches(number: int) -> list[list[tuple[str, int, float]]]:
    """Batches whose cover opens and closes, with a time out of bounds in every tenth."""
    begin = now_us() - 60_000_000
    made = []
    for batch in range(number):
        at = begin + batch * 1_000
        rows = [("lamp-01/current", at + place, batch + place / 100) for place in range(EACH - 2)]
        rows.append(("cover-01/open", at + EACH, float(batch // 5 % 2)))
        rows.append(("river-02/level", at + (10**16 if batch % 10 == 0 else 0), float(batch)))
        made.append(rows)
    return made


def repeat(ground: Ground, number: int) -> Verdict:
    """Send all of it, and judge when the hub has had every copy."""
    dice, record, copies = random.Random(5), Record(), []
    for seq, rows in enumerate(batches(number), 1):
        record.offer(rows)
        body = wire.body(gather(rows))
        # A copy that was sent later says that more is committed: the same batch in other bytes.
        copies += [
            (seq, wire.seal("b00t", seq, dice.randint(1, seq), body)) for _ in range(dice.randint(1, 5))
        ]
    # Shuffled, but near each other: a broker does not hold back one batch for ever.
    copies.sort(key=lambda copy: copy[0] + dice.uniform(0, 20))
    with ground.hub():
        links = [ground.house.publisher(f"device-{number}") for number in range(4)]
        waits = [dice.choice(links).publish(TOPIC, payload, qos=1) for _, payload in copies]
        for wait in waits:
            wait.wait_for_publish(PATIENCE_S)
        wait_for(
            lambda: ground.house.ask("select sum(received) from ledger_minute") == [(len(copies) * EACH,)],
            "every copy to arrive",
            PATIENCE_S,
        )
    with ground.house.connect() as connection:
        return judge(connection, record)


def test_batches_that_come_up_to_five_times_in_any_order_are_stored_once_and_page_once(
    ground: Ground,
) -> None:
    verdict = repeat(ground, rounds("duplicated batches"))
    assert verdict.wrong == {}
    steps = transitions(ground.house)
    assert steps
    assert len(set(steps)) == len(steps)
    assert all(one[0] != following[0] for one, following in pairwise(steps))


def test_control_a_table_without_a_unique_index_and_a_hub_that_does_not_ask_are_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    believe_everything_new(ground, monkeypatch)
    assert repeat(ground, 30).doubled
