"""A stored run, judged again: each step of each alarm names what proves it; rules on trial tell nobody."""

from __future__ import annotations

import random
import time
from itertools import pairwise
from pathlib import Path

from fix_hub import House, wait_for

from alerts.verdict import judge_again, steps

RULES = {
    "stage": """
rule: stage
title: Stage
applies_to: {department: water, metric: level}
unit: m
above: {blue: 2, yellow: 3, orange: 4}
deadband: 0.3
on_delay_s: 60
off_delay_s: 90
""",
    "rising": """
rule: rising
title: Rising
applies_to: {department: water, metric: level}
rise: {within_s: 300, beyond: 1, yellow: 0.5, red: 2}
off_delay_s: 60
""",
    "again": """
rule: again
title: Again and again
applies_to: {department: water, metric: level}
above: {blue: 2.5}
repeat: {times: 3, within_s: 600}
""",
    "trial": """
rule: trial
title: On trial
mode: shadow
applies_to: {department: water, metric: level}
above: {orange: 2}
""",
    "feet": """
rule: feet
title: In feet
applies_to: {department: water, metric: level}
unit: "[ft_i]"
above: {blue: 0.1}
""",
}
DEVICES = """id,name,department,profile,gateway,lon,lat,counts_zone
river-01,River,water,river-gauge,,,,
"""


def test_every_step_of_a_stored_run_is_brought_about_again_by_the_readings_that_it_names(
    house: House, tmp_path: Path
) -> None:
    for name, text in RULES.items():
        (tmp_path / f"{name}.yaml").write_text(text)
    house.city()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    device = house.publisher()
    chance = random.Random(7)
    level, now = 1.0, round(time.time() * 1000) - 560_000  # within the ten minutes that count as timely
    times = [now + step * 5_000 for step in range(110)]
    values = []
    for _ in times:
        level = max(0.5, level + chance.gauss(0, 0.4) - (level - 2.5) * 0.05)
        values.append(level)
    order = list(range(110))
    for place in range(5, 100, 9):  # some come out of order: stored, and heard by no rule
        order[place], order[place + 1] = order[place + 1], order[place]
    for start in range(0, 110, 10):
        house.send(
            device,
            "city/v1/water/river-01/telemetry",
            b"["
            + b",".join(
                b'{"ts": %d, "values": {"level": %.3f}}' % (times[place], values[place])
                for place in order[start : start + 10]
            )
            + b"]",
        )
        if start == 50:
            house.kill_hub()  # what it remembers is what it has saved, and what was stored since
            house.start_hub(CITYHUB_RULES=str(tmp_path))
    counted = "select count(*) from reading join series on series.id = series_id where metric = 'level'"
    wait_for(lambda: house.ask(counted) == [(110,)], "all readings")
    with house.connect() as connection:
        alarms = house.ask("select id, rule from alarm")
        proofs = [step for alarm_id, _ in alarms for step in steps(connection, alarm_id)]
    assert {rule for _, rule in alarms} == {"stage", "rising", "again"}
    assert len(proofs) == house.ask("select count(*) from alarm_transition")[0][0] > 10
    for step in proofs:
        assert step.kernel == "threshold/2"
        again = judge_again(
            step.version, step.subject, step.from_level, step.held, step.moved_by, step.against
        )
        assert again == step.told or not step.whole
    proved = {step.version.rule.rule: step for step in proofs if step.whole}
    assert set(proved) == {"stage", "rising", "again"}
    assert len(proofs) - sum(step.whole for step in proofs) < len(proofs) / 2

    # The rule on trial came to its verdicts beside them, and nobody was told.
    on_trial = house.ask(
        "select from_level, to_level from shadow_transition where rule = 'trial' order by id"
    )
    assert on_trial[0] == (0, 3)
    assert all(before[1] == after[0] for before, after in pairwise(on_trial))
    assert house.ask(
        "select count(*) from outbox join alarm_transition t on t.id = transition_id"
    ) == house.ask("select 2 * count(*) from alarm_transition")
    # And the one in another unit did not judge.
    assert (
        "rule does not judge a series: its limits are in another unit" in (house.home / "hub.log").read_text()
    )


def test_an_alarm_whose_rule_goes_on_trial_or_goes_altogether_returns_and_says_why(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "rising.yaml").write_text(
        RULES["rising"].replace("rise: {within_s: 300, beyond: 1, ", "above: {")
    )
    (tmp_path / "stage.yaml").write_text(RULES["stage"].replace("on_delay_s: 60", "on_delay_s: 0"))
    house.city()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    house.send(
        house.publisher(),
        "city/v1/water/river-01/telemetry",
        {"ts": round(time.time() * 1000), "values": {"level": 9}},
    )
    wait_for(lambda: house.ask("select count(*) from alarm where level > 0") == [(2,)], "the alarms")
    house.kill_hub()
    (tmp_path / "rising.yaml").unlink()
    (tmp_path / "stage.yaml").write_text(RULES["stage"] + "mode: shadow\n")
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    assert house.ask("select count(*) from alarm where returned_at is null") == [(0,)]
    assert house.ask(
        "select rule, kind, comment from alarm_transition t join alarm on alarm.id = alarm_id order by rule, t.id"
    ) == [
        ("rising", "raised", None),
        ("rising", "returned", "there is no such rule any more"),
        ("stage", "raised", None),
        ("stage", "returned", "the rule is in shadow mode now"),
    ]
    wait_for(
        lambda: house.ask("select 1 from outbox where body ->> 'kind' = 'returned' and sent_at is not null"),
        "people to be told",
    )
