"""The topic channel: every standing alarm as a retained message on city/v1/alarm/{level}/{department}/{id}."""

from __future__ import annotations

from typing import Protocol

import orjson

from alerts.notifier import Notice, Undelivered


class Publish(Protocol):
    """Publishes at QoS 1; True when the broker has it."""

    def __call__(self, topic: str, payload: bytes, *, retain: bool) -> bool:
        """Publish one message."""


class AlarmTopics:
    """Keeps one retained message for each standing alarm: an empty one clears the level that it has left."""

    def __init__(self, publish: Publish) -> None:
        self._publish = publish

    def __call__(self, notice: Notice) -> None:
        """Publish one notice; raises Undelivered."""
        body = notice.body
        department, alarm = body["department"], body["id"]
        if body["from_level"]:
            self._send(f"city/v1/alarm/{body['from_level']}/{department}/{alarm}", b"")
        if body["level"]:
            self._send(f"city/v1/alarm/{body['level']}/{department}/{alarm}", orjson.dumps(body))

    def _send(self, topic: str, payload: bytes) -> None:
        if not self._publish(topic, payload, retain=True):
            raise Undelivered("the broker does not answer")
