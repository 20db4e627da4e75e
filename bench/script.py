"""The plain script that people write: paho, and one INSERT per message, committed by itself. No part of the hub.

Prints `ready` when it is subscribed; runs until its end of the pipe closes.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
import psycopg
from paho.mqtt.enums import CallbackAPIVersion

INSERT = b"insert into bench_script (time, device, voltage, power, energy) values (%s, %s, %s, %s, %s)"


def main() -> None:
    """Subscribe and insert."""
    order = json.loads(sys.stdin.readline())
    connection = psycopg.connect(order["database"], autocommit=True)

    def on_connect(client: mqtt.Client, *_: Any) -> None:
        client.subscribe("city/v1/+/+/telemetry", qos=1)

    def on_subscribe(*_: Any) -> None:
        print("ready", flush=True)

    def on_message(_client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        said = json.loads(message.payload)
        at = datetime.fromtimestamp(said["ts"] / 1000, UTC)
        values = said["values"]
        device = message.topic.split("/")[3]
        connection.execute(INSERT, (at, device, values["voltage"], values["power"], values["energy"]))

    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="bench-script")
    parts = urlsplit(order["url"])
    client.username_pw_set(parts.username, parts.password)
    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    client.connect(parts.hostname or "", parts.port or 1883)
    client.loop_start()
    sys.stdin.read()
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
