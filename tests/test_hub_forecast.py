"""What a hub expects of a rising river, as the API tells those who ask."""

from __future__ import annotations

import math
import time

import httpx
import orjson
from fix_hub import House, wait_for

STATION = "city/v1/water/river-01/telemetry"


def test_who_asks_is_told_where_a_rising_river_goes_and_when_it_reaches_a_level(house: House) -> None:
    house.city()
    house.start_hub()
    house.start_api()
    device, now = house.publisher(), round(time.time() * 1000)
    rising = [
        {
            "ts": now - 300_000 * back,
            "values": {"level": 1 + 0.02 * math.sin(back) + max(0, 60 - back) * 0.05},
        }
        for back in range(200, -1, -1)
    ]
    house.send(device, STATION, orjson.dumps(rising))
    wait_for(lambda: house.ask("select count(*) from outlook") == [(1,)], "the outlook")
    client = house.sign_in()
    (series,) = house.ask("select id from series where metric = 'level'")[0]
    said = client.get("/api/v1/forecast", params={"series": series, "level": 4.2}).json()
    assert said["value"] == rising[-1]["values"]["level"]  # type: ignore[index]
    assert [each["low"] <= each["median"] <= each["high"] for each in said["course"]] == [True] * 5
    assert said["reach"]["earliest_s"] <= said["reach"]["median_s"]
    assert said["reach"]["words"].startswith("in about ")
    below = client.get("/api/v1/forecast", params={"series": series, "level": -5}).json()
    assert below["reach"] is None
    assert client.get("/api/v1/forecast", params={"series": 999}).status_code == httpx.codes.NOT_FOUND
