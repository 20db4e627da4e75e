"""Silence through the whole hub: an ordinary alarm, told once, ended by a reading, and not by a restart."""

from __future__ import annotations

import time
from pathlib import Path

from fix_hub import House, wait_for

RULE = """
kind: no_data
rule: no-data
title: No data
level: yellow
after_intervals: 3
after_s: 1
"""


def test_a_camera_that_stops_is_told_of_once_also_through_a_restart_and_returns_with_a_late_batch(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "no-data.yaml").write_text(RULE)
    house.city()
    with house.connect() as connection:
        connection.execute("update device set recorded = true where key = 'river-01'")
        connection.execute("update profile set body = jsonb_set(body, '{metrics,people,interval_s}', '0.7')")
        connection.execute("update profile set body = jsonb_set(body, '{metrics,level,interval_s}', '0.1')")
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    device = house.publisher()

    def count(camera: str, ago_s: float = 0) -> None:
        payload = {"ts": round((time.time() - ago_s) * 1000), "values": {"people": 5}}
        house.send(device, f"city/v1/police/{camera}/telemetry", payload)

    def steps() -> list[tuple[str, int, str]]:
        return house.ask(
            """select device.key, to_level, kind from alarm_transition join alarm on alarm.id = alarm_id
               join device on device.id = device_id
               where device.key <> 'camera-01'  -- on a busy machine it may be late as well
               order by alarm_transition.id"""
        )

    def told() -> list[tuple[str, int, str]]:
        count("camera-01")
        time.sleep(0.3)
        return steps()

    house.send(device, "city/v1/water/river-01/telemetry", {"level": 1})  # a recording: nobody waits for it
    count("camera-02")
    wait_for(told, "the silence")
    assert steps() == [("camera-02", 2, "raised")]
    value, threshold, unit = house.ask(
        """select alarm.value, threshold, body ->> 'unit' from alarm join alarm_transition on alarm_id = alarm.id
           join outbox on transition_id = alarm_transition.id where body ->> 'device' = 'camera-02'"""
    )[0]
    assert value > threshold == 2.1
    assert unit == "s"
    # The checkpoint holds nothing that is needed for this: what stands in the database is what was told.
    house.kill_hub()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    for _ in range(20):
        assert told() == [("camera-02", 2, "raised")]
    count("camera-02", ago_s=3600)
    wait_for(lambda: len(steps()) > 1, "its return")
    assert steps() == [("camera-02", 2, "raised"), ("camera-02", 0, "returned")]
