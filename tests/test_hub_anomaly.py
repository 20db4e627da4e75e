"""A rule on anomaly scores, in the hub: who never set a limit is told of what is unlike this series, and why."""

from __future__ import annotations

import math
import random
import time

import orjson
from fix_hub import House, wait_for

STATION = "city/v1/water/river-01/telemetry"
RULE = """
rule: unusual-level
title: Unlike what this gauge usually does
applies_to: {profile: river-gauge, metric: level}
of: anomaly
above: {orange: 0.6}
off_delay_s: 600
"""


def test_a_reading_unlike_all_before_is_told_with_the_reason_in_words_also_after_a_kill(house: House) -> None:
    house.city()
    rules = house.home / "rules"
    rules.mkdir()
    (rules / "unusual.yaml").write_text(RULE)
    house.start_hub(CITYHUB_RULES=str(rules))
    dice, now = random.Random(4), round(time.time() * 1000)
    usual = [
        {"ts": now - 60_000 * back, "values": {"level": 1 + 0.05 * math.sin(back / 30) + dice.gauss(0, 0.01)}}
        for back in range(600, 1, -1)
    ]
    device = house.publisher()
    for start in range(0, len(usual), 100):
        house.send(device, STATION, orjson.dumps(usual[start : start + 100]))
    stored = "select count(*) from reading join series on id = series_id where metric = 'level'"
    wait_for(lambda: house.ask(stored) == [(len(usual),)], "the usual readings")
    house.kill_hub()
    house.start_hub(CITYHUB_RULES=str(rules))
    house.send(device, STATION, orjson.dumps({"ts": now, "values": {"level": 2.5}}))
    told = "select to_level, value, reason from alarm_transition"
    ((level, value, reason),) = wait_for(lambda: house.ask(told), "the alarm")
    assert (level, value) == (3, 2.5)
    assert (reason.startswith("2.5 m is 1.") and "above" in reason) or "up in one step" in reason, reason
    assert house.ask("select body ->> 'reason' from outbox limit 1") == [(reason,)]


def test_nothing_is_scored_where_no_rule_asks_for_it(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    house.send(device, STATION, orjson.dumps({"level": 1.0}))
    wait_for(lambda: house.ask("select count(*) from reading") == [(1,)], "the reading")
    house.stop_hub()
    (size,) = house.ask("select octet_length(body) from checkpoint where name = 'anomaly'")[0]
    assert size < 20_000
