"""Platforms and cameras through a whole hub: from their own topics to readings of our devices, and nothing more."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
from fix_hub import House, wait_for

from edge.link import Address, dial, dialect
from edge.reading import PASS
from ingest import enrolment

DEVICES = {
    "cover-1": ("lorawan-cover", "chirpstack", "24e124713b492183"),
    "pump-7": ("manhole-cover", "thingsboard", "pump-7"),
    "gate": ("onvif-counting-camera", "onvif", "site/gate"),
    "yard": ("frigate-camera", "frigate", "frigate/yard"),
}
NOW = datetime.now(UTC).replace(microsecond=0)


def register(connection: psycopg.Connection) -> None:
    enrolment.enrol(
        connection, [enrolment.Entry(key, key, "municipal", kind) for key, (kind, _, _) in DEVICES.items()]
    )
    for key, (_, scheme, address) in DEVICES.items():
        connection.execute(
            """insert into device_address (scheme, address, device_id)
               select %s, %s, id from device where key = %s""",
            (scheme, address, key),
        )
    connection.execute("select pg_notify('cityhub_registry', '')")


def at(seconds: float) -> str:
    return (NOW - timedelta(seconds=600 - seconds)).isoformat()


def told(house: House, device: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for metric, value in house.ask(
        """select metric, value from reading join series on series.id = series_id join device on device.id = device_id
           where device.key = %s and flag = %s order by metric, time""",
        device,
        PASS,
    ):
        found.setdefault(metric, []).append(value)
    return found


def test_what_platforms_and_cameras_say_becomes_readings_of_our_devices(house: House) -> None:
    house.city()
    with house.connect() as connection:
        register(connection)
    house.start_hub(CITYHUB_SOURCES="chirpstack thingsboard onvif frigate")
    # The account of a platform on its topics is the broker's business: here it is the hub's own.
    address = Address(house.broker.url)
    publisher = dial(address, "platform", protocol=dialect(address), lasting=False, in_flight=100)
    publisher.loop_start()
    wait_for(publisher.is_connected, "the broker")

    def send(topic: str, body: Any) -> None:
        house.send(publisher, topic, body)

    uplink = {
        "time": at(0),
        "deviceInfo": {"devEui": "24e124713b492183", "tags": {"codec": "milesight-em310-udl"}},
        "data": base64.b64encode(bytes.fromhex("01755c038244080400 00".replace(" ", ""))).decode(),
        "rxInfo": [{"rssi": -97, "snr": 5.2}],
    }
    send("application/1/device/24e124713b492183/event/up", uplink)
    send("application/1/device/24e124713b492183/event/up", uplink)  # as a broker may deliver it
    send("tb/pump-7/v1/devices/me/telemetry", {"tilt": 2.5, "open": False})
    for second, (rule, count) in enumerate((("in", 40), ("out", 7), ("in", 43), ("out", 7))):
        body = {"UtcTime": at(60 * second), "Source": {"Rule": rule}, "Data": {"Count": str(count)}}
        send(f"site/gate/onvif-ej/RuleEngine/CountAggregation/Counter/&1/{rule}", body)
    person = {"id": "1.5-abc", "label": "person", "frame_time": (NOW - timedelta(seconds=60)).timestamp(),
              "current_zones": ["yard"], "sub_label": ["Ann Lee", 0.9], "false_positive": False}  # fmt: skip
    send("frigate/events", {"type": "new", "before": None, "after": person})
    send("frigate/yard/person", 1)

    wait_for(lambda: told(house, "yard").keys() >= {"in", "people"}, "the yard's readings")
    wait_for(lambda: len(told(house, "gate").get("out-total", [])) == 2, "the gate's readings")
    assert told(house, "cover-1") == {
        "battery-level": [92.0], "displaced": [0.0], "rssi": [-97.0], "snr": [5.2], "water": [211.6],
    }  # fmt: skip
    assert told(house, "pump-7") == {"open": [0.0], "tilt": [2.5]}
    assert told(house, "gate") == {
        "in": [3.0], "in-total": [40.0, 43.0], "out": [0.0], "out-total": [7.0, 7.0],
    }  # fmt: skip
    assert told(house, "yard") == {"in": [1.0], "people": [1.0]}
    assert house.ask("select reason, detail from dead_letter") == []
    assert house.ask("select sum(duplicate)::int from ledger_minute") == [(5,)]
    archived = house.ask("select payload from message where topic = 'frigate/events'")
    assert archived
    assert all("Ann" not in bytes(payload).decode() for (payload,) in archived)
    assert json.loads(bytes(archived[0][0]))["after"]["label"] == "person"
    publisher.disconnect()
    publisher.loop_stop()
