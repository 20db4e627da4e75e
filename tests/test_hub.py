"""The whole hub on a timeline: a camera counts, the alarm goes up and down, and everybody hears of it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
from fix_hub import House, Receiver, wait_for
from fix_services import on_both_brokers
from paho.mqtt.client import MQTTMessage

from edge.link import Address, dial, dialect

RULE = """
rule: crowd-density
title: Crowd density
applies_to: {metric: density, device: camera-01}
above: {blue: 1.0, yellow: 2.0, orange: 3.5, red: 5.0}
deadband: 0.2
on_delay_s: 1
off_delay_s: 1
"""
TOPIC = "city/v1/police/camera-01/telemetry"


class Timeline:
    """A story in seconds of the device's own time; wall-clock time runs along, but nothing is judged by it."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.device = house.publisher()
        self.begun = time.time()

    def at(self, second: float, **values: float) -> None:
        """At this second the camera says these values."""
        time.sleep(max(0.0, self.begun + second - time.time()))
        stamp = round((self.begun + second) * 1000)
        self.house.send(self.device, TOPIC, {"ts": stamp, "values": values})

    def second_of(self, alarm: dict[str, Any], key: str) -> float:
        """When, on this timeline, something happened to an alarm."""
        return float(parse(alarm[key]) - self.begun)


def parse(text: str) -> float:
    """An RFC 3339 time as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


@on_both_brokers
def test_a_square_that_fills_goes_orange_on_stream_webhook_and_topic_and_returns(
    house: House, receiver: Receiver, tmp_path: Path
) -> None:
    (tmp_path / "density.yaml").write_text(RULE)
    house.city()
    house.start_hub(
        CITYHUB_RULES=str(tmp_path),
        CITYHUB_WEBHOOK_URL=receiver.url,
        CITYHUB_WEBHOOK_SECRET="secret",
        CITYHUB_WEBHOOK_ALLOW_PRIVATE="true",
    )
    house.start_api()
    client = house.sign_in()
    stream = house.listen(client)
    retained = keep_alarm_topics(house)
    story = Timeline(house)

    story.at(0.0, people=60)
    story.at(1.0, people=400)
    story.at(1.5, people=400)
    story.at(2.0, people=400)
    story.at(2.5, people=400)

    # Between 2 s and 3 s of its own time the alarm is orange, on the stream and at the webhook.
    alarm = wait_for(lambda: next((one for one in stream if one["level"] == 3), None), "orange on the stream")
    assert 2.0 <= round(story.second_of(alarm, "raised_at"), 3) <= 3.0
    assert alarm["device"] == "camera-01"
    assert alarm["zone"] == "station-forecourt"
    assert alarm["metric"] == "density"
    assert not alarm["exercise"]
    hook = wait_for(
        lambda: next((one for one in receiver.alarms if one["level"] == 3), None), "orange at the webhook"
    )
    assert hook["id"] == alarm["id"]
    topic = f"city/v1/alarm/3/police/{alarm['id']}"
    wait_for(lambda: retained.get(topic), "the retained alarm topic")

    taken = client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge", json={"comment": "on my way"})
    assert taken.status_code == 200, taken.text
    wait_for(
        lambda: any(one["acknowledged_by"] == "admin" for one in stream), "the acknowledgement on the stream"
    )
    assert client.post(f"/api/v1/alarms/{alarm['id']}/acknowledge", json={}).status_code == 409

    for second in (3.0, 3.5, 4.0, 4.5):
        story.at(second, people=60)
    wait_for(lambda: any(one["returned_at"] for one in stream), "the return on the stream")
    wait_for(lambda: any(one["kind"] == "returned" for one in receiver.alarms), "the return at the webhook")
    wait_for(lambda: retained.get(topic) == b"", "the retained topic to be cleared")
    assert client.get("/api/v1/alarms?state=standing").json()["items"] == []

    for headers, body in receiver.posts:
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        wanted = base64.b64encode(hmac.new(b"secret", signed, hashlib.sha256).digest()).decode()
        assert headers["webhook-signature"] == f"v1,{wanted}"
    assert len({headers["webhook-id"] for headers, _ in receiver.posts}) == len(receiver.posts)

    # What the camera counted is stored, what was derived from it too, and the book balances.
    counted = "select count(*) from reading join series on series.id = series_id where metric = 'people'"
    wait_for(lambda: house.ask(counted) == [(9,)], "all nine counts")
    density = house.ask(
        "select value from reading join series on series.id = series_id where metric = 'density' order by time"
    )
    assert [round(value, 4) for (value,) in density] == [
        round(people / 110, 4) for people in [60] + [400] * 4 + [60] * 4
    ]
    assert client.get("/api/v1/ledger").json()["totals"]["balance"] == 0


def keep_alarm_topics(house: House) -> dict[str, bytes]:
    """The last payload of every alarm topic."""
    kept: dict[str, bytes] = {}

    def keep(_client: object, _data: object, message: MQTTMessage) -> None:
        kept[message.topic] = bytes(message.payload)

    address = Address(house.broker.url)
    client = dial(address, "test-alarm-topics", protocol=dialect(address), lasting=False, in_flight=100)
    client.on_message = keep
    client.on_connect = lambda connected, *_: connected.subscribe("city/v1/alarm/#", qos=0)
    client.loop_start()
    house._stack.callback(client.loop_stop)
    house._stack.callback(client.disconnect)
    wait_for(client.is_connected, "the broker")
    return kept


def test_an_alarm_that_stands_is_not_raised_again_after_a_restart(house: House, tmp_path: Path) -> None:
    (tmp_path / "density.yaml").write_text(RULE)
    house.city()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    story = Timeline(house)
    for second in (0.0, 1.0):
        story.at(second, people=400)
    wait_for(lambda: house.ask("select 1 from alarm where level = 3"), "the alarm")
    house.kill_hub()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    story.at(2.0, people=410)
    story.at(3.0, people=60)
    story.at(4.0, people=60)
    wait_for(lambda: house.ask("select 1 from alarm where returned_at is not null"), "the return")
    steps = house.ask("select kind, from_level, to_level from alarm_transition order by id")
    assert steps == [("raised", 0, 3), ("returned", 3, 0)]


def test_readings_that_come_late_are_stored_and_page_nobody_until_a_timely_one_does(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "density.yaml").write_text(RULE)
    house.city()
    house.start_hub(CITYHUB_RULES=str(tmp_path))
    device = house.publisher()
    now = round(time.time() * 1000)
    hour = [{"ts": now - 3_600_000 + second * 1000, "values": {"people": 500}} for second in range(5)]
    house.send(device, TOPIC, orjson.dumps(hour))
    wait_for(
        lambda: house.ask("select 1 from ledger_minute where late = 5 and stored = 5"), "the late readings"
    )
    assert house.ask("select * from alarm") == []
    house.send(device, TOPIC, {"ts": now, "values": {"people": 500}})
    wait_for(lambda: house.ask("select 1 from alarm where level = 3"), "the alarm that stands now")


STATION = "city/v1/water/river-01/telemetry"


def test_the_newest_reading_is_shown_also_when_nothing_comes_after_it(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    for number in range(3):
        house.send(device, STATION, orjson.dumps({"level": number}))
        wait_for(
            lambda number=number: house.ask("select value from latest") == [(number,)],  # type: ignore[misc]
            "the newest reading",
        )


def test_a_reading_published_at_qos_0_is_stored_like_any_other(house: House) -> None:
    house.city()
    house.start_hub()
    device = house.publisher()
    device.publish(STATION, b'{"level": 1.5}', qos=0).wait_for_publish(10)
    house.send(device, STATION, b'{"rain": 0.2}')
    wait_for(lambda: house.ask("select sum(stored) from ledger_minute") == [(2,)], "both readings")
