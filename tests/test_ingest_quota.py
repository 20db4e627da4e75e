"""Quotas: token buckets against a plain reference, and a runaway device before a real hub."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import orjson
from fix_hub import House, wait_for
from hypothesis import given
from hypothesis import strategies as st

from ingest import quota
from ingest.enrolment import enrol_hub
from ingest.quota import HOLD, NOBODY, PASS, PIECE, REFUSE, Quota, Quotas
from ingest.registry import Device

DEVICES = [
    Device(number, f"device-{number}", department, "gauge", None, None, None, recorded=False)
    for number, department in ((1, "water"), (2, "water"), (3, "roads"))
]
BEGIN_US = 1_790_000_000_000_000


@dataclass
class Bucket:
    """The reference: a token bucket as the textbook has it."""

    rate: float
    room: float
    tokens: float = field(init=False)
    seen: int = 0

    def __post_init__(self) -> None:
        self.tokens = self.room

    def refill(self, now: int) -> None:
        if self.seen and now > self.seen:
            self.tokens = min(self.room, self.tokens + (now - self.seen) * 1e-6 * self.rate)
        self.seen = max(self.seen, now)


def reference(device: Quota, department: Quota, messages: list[tuple[int, int, int]]) -> list[int]:
    """What becomes of messages (device, bytes, arrival in us), one after the other."""
    buckets = {number: Bucket(device.messages_per_s, device.burst) for number in range(4)}
    common = {name: Bucket(department.messages_per_s, department.burst) for name in ("", "water", "roads")}
    of = {NOBODY: "", **{each.id: each.department for each in DEVICES}}
    held = dict.fromkeys(range(4), 0)
    said = []
    for who, size, at in messages:
        cost = 1 + size // PIECE
        mine, ours = buckets[who], common[of[who]]
        mine.refill(at)
        ours.refill(at)
        if held[who] == 0 and mine.tokens >= cost and ours.tokens >= cost:
            mine.tokens -= cost
            ours.tokens -= cost
            said.append(PASS)
        elif who != NOBODY and held[who] < quota.HELD_LIMIT:
            held[who] += 1
            said.append(HOLD)
        else:
            said.append(REFUSE)
    return said


def quotas(device: Quota, department: Quota) -> Quotas:
    made = Quotas(device, department)
    made.configure(DEVICES, {})
    return made


def admit(made: Quotas, messages: list[tuple[int, int, int]]) -> list[int]:
    columns = np.array(messages, np.int64).reshape(-1, 3)
    found = made.admit(columns[:, 0].astype(np.int32), columns[:, 1], columns[:, 2])
    return [int(verdict) for verdict in found]


some_messages = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0, 100, PIECE, 250_000]), st.integers(-200_000, 2_000_000)),
    max_size=60,
)


@given(
    some_messages,
    st.integers(1, 60),
    st.builds(Quota, st.floats(0.5, 20), st.floats(1, 10)),
    st.builds(Quota, st.floats(0.5, 50), st.floats(1, 30)),
)
def test_buckets_decide_as_the_textbook_does_however_messages_are_batched(
    steps: list[tuple[int, int, int]], cut: int, device: Quota, department: Quota
) -> None:
    at, messages = BEGIN_US, []
    for who, size, step in steps:
        at += step  # the wall clock may step back
        messages.append((who, size, at))
    made = quotas(device, department)
    found = admit(made, messages[:cut]) + admit(made, messages[cut:])
    assert found == reference(device, department, messages)
    assert int(made.refused.sum()) == found.count(REFUSE)
    assert int(made.held.sum()) == found.count(HOLD)


def test_beyond_what_may_wait_messages_are_refused_and_counted() -> None:
    made = quotas(Quota(1, 10), Quota(1e6, 1e6))
    found = admit(made, [(1, 0, BEGIN_US)] * (10 + quota.HELD_LIMIT + 5))
    assert [found.count(verdict) for verdict in (PASS, HOLD, REFUSE)] == [10, quota.HELD_LIMIT, 5]
    assert made.take_refused() == {1: 5}
    assert made.take_refused() == {}


def test_held_messages_take_their_turns_as_the_quota_allows_and_new_ones_wait_behind_them() -> None:
    made = quotas(Quota(10, 10), Quota(1e6, 1e6))
    assert admit(made, [(1, 0, BEGIN_US)] * 30).count(HOLD) == 20
    assert made.turns(BEGIN_US, 1000) == {}
    assert made.turns(BEGIN_US + 500_000, 1000) == {1: 5}
    assert admit(made, [(1, 0, BEGIN_US + 900_000)]) == [HOLD]
    assert made.turns(BEGIN_US + 1_500_000, 3) == {1: 3}
    assert made.turns(BEGIN_US + 9_000_000, 1000) == {1: 10}
    assert int(made.held[1]) == 3


def test_a_department_that_floods_does_not_take_from_another() -> None:
    made = quotas(Quota(1e6, 1e6), Quota(1, 10))
    found = admit(made, [(1, 0, BEGIN_US)] * 20 + [(2, 0, BEGIN_US), (3, 0, BEGIN_US)])
    assert found == [PASS] * 10 + [HOLD] * 11 + [PASS]


def test_what_a_department_has_waiting_passes_as_its_own_quota_allows_and_each_device_gets_its_share() -> (
    None
):
    made = quotas(Quota(1e6, 1e6), Quota(10, 10))
    assert admit(made, [(1, 0, BEGIN_US), (2, 0, BEGIN_US)] * 40).count(HOLD) == 70
    assert made.turns(BEGIN_US, 1000) == {}
    assert sum(made.turns(BEGIN_US + 1_000_000, 1000).values()) == 10
    assert made.turns(BEGIN_US + 2_000_000, 8) == {1: 4, 2: 4}


def test_after_an_absence_what_has_gathered_may_come_at_once() -> None:
    made = quotas(Quota(10, 10), Quota(1e6, 1e6))
    made.grant(60)
    assert admit(made, [(1, 0, BEGIN_US)] * 601) == [PASS] * 600 + [HOLD]


def test_a_profile_may_state_a_quota_of_its_own() -> None:
    made = Quotas(Quota(1, 1), Quota(1e6, 1e6))
    made.configure(DEVICES, {"gauge": Quota(5, 5)})
    assert admit(made, [(3, 0, BEGIN_US)] * 6) == [PASS] * 5 + [HOLD]


RUNAWAY, OTHER = "city/v1/water/river-01/telemetry", "city/v1/municipal/gateway-01/telemetry"


def test_a_runaway_device_is_slowed_then_refused_and_told_of_while_the_others_pass(
    house: House,
) -> None:
    house.city()
    with house.connect() as connection:
        enrol_hub(connection)
    # Few a second: what passes while a slow machine publishes the flood must not be the flood.
    house.start_hub(CITYHUB_DEVICE_MESSAGES_PER_S="5", CITYHUB_DEVICE_BURST="50")
    device = house.publisher()
    begin = round(time.time() * 1000)
    flood = 50 + quota.HELD_LIMIT + 2_000
    for number in range(flood):
        device.publish(RUNAWAY, orjson.dumps({"ts": begin - flood + number, "values": {"level": 1}}), qos=1)
    house.send(device, OTHER, orjson.dumps({"ts": begin, "values": {"backlog": 7}}))
    value = "select value from latest join series on id = series_id where metric = 'backlog'"
    wait_for(lambda: house.ask(value) == [(7,)], "the other device's reading")
    alarm = "select level from alarm where rule = 'over-quota' and returned_at is null"
    wait_for(lambda: house.ask(alarm) == [(2,)], "the operator to be told", 90)
    (key, times), *others = house.ask(
        "select device.key, times from dead_letter join device on device.id = device_id where reason = 'over-quota'"
    )
    assert key == "river-01"
    assert not others or {key for key, _ in others} == {"river-01"}
    refused = times + sum(count for _, count in others)
    assert house.ask("select sum(quarantined + rejected) from ledger_minute") == [(refused,)]
    waiting = house.ask("select count(*) from held_message")[0][0]
    assert 0 < waiting <= quota.HELD_LIMIT
    wait_for(lambda: house.ask("select count(*) from held_message")[0][0] < waiting, "the queue to move")


def test_held_messages_survive_a_killed_hub_and_are_all_stored_in_the_end(house: House) -> None:
    house.city()
    house.start_hub(CITYHUB_DEVICE_MESSAGES_PER_S="20", CITYHUB_DEVICE_BURST="20")
    device = house.publisher()
    begin = round(time.time() * 1000) - 1_000
    for number in range(200):
        house.send(device, RUNAWAY, orjson.dumps({"ts": begin + number, "values": {"level": number}}))
    stored = "select count(*), count(distinct time) from reading"
    wait_for(lambda: 20 <= house.ask(stored)[0][0] < 180, "some to be stored")
    house.kill_hub()
    house.start_hub(CITYHUB_DEVICE_MESSAGES_PER_S="20", CITYHUB_DEVICE_BURST="20")
    wait_for(lambda: house.ask(stored) == [(200, 200)], "all to be stored")
    # What the broker brought once more was held once more: copies, to be known in their turn.
    wait_for(lambda: house.ask("select count(*) from held_message") == [(0,)], "the last copy", 90)
    assert house.ask("select sum(received), sum(stored + duplicate) from ledger_minute")[0][0] >= 200


def test_nobody_but_the_hub_speaks_for_the_hub(house: House) -> None:
    house.city()
    with house.connect() as connection:
        enrol_hub(connection)
    house.start_hub()
    house.send(house.publisher(), "city/v1/hub/hub/telemetry", b'{"unbalanced": 5}')
    wait_for(lambda: house.ask("select reason from dead_letter") == [("reserved",)], "the dead letter")


def test_a_ledger_that_does_not_balance_raises_an_alarm(house: House) -> None:
    house.city()
    with house.connect() as connection:
        enrol_hub(connection)
        connection.execute(
            "insert into ledger_minute (minute, device_id, received, stored) values (now() + interval '1 min', 1, 10, 9)"
        )
    house.start_hub()
    alarm = "select level, value from alarm where rule = 'ledger-unbalanced'"
    wait_for(lambda: house.ask(alarm) == [(3, 1.0)], "the alarm")
