"""Foreign topics: which source reads a message of a platform or camera, and which devices it speaks of."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import structlog

from edge.wire import Malformed
from ingest.decode import Decoded, columns
from ingest.message import Message
from ingest.registry import Device, Refusal, Registry
from ingest.sources.said import Discreet, InOrder, Said, Source

log = structlog.get_logger("ingest.foreign")

SPEAKERS_LIMIT = 200_000
OURS_BELOW = "city/v1/"


class Part(NamedTuple):
    """What a message says of one device, or why nobody knows that device."""

    device: Device | Refusal
    decoded: Decoded
    history: bool


class Foreign:
    """The sources in use. Remembers who spoke on a topic, so that quotas apply to the next message unread."""

    def __init__(self, registry: Registry, sources: Sequence[Source]) -> None:
        self._registry = registry
        self._sources = [(_pattern(source.filters), source) for source in sources]
        self._discreet = [
            (_pattern(source.filters), source) for source in sources if isinstance(source, Discreet)
        ]
        self._addresses: dict[tuple[str, str], Device] = {}
        self._speakers: dict[str, Device] = {}

    def source(self, topic: str) -> Source | None:
        """The source that reads this topic."""
        return next((source for pattern, source in self._sources if pattern.fullmatch(topic)), None)

    def discreet(self, messages: list[Message]) -> list[Message]:
        """Messages as they may be stored: from here on nobody sees what a camera recognised."""
        return [self._without(message) for message in messages] if self._discreet else messages

    def _without(self, message: Message) -> Message:
        if not message.topic.startswith(OURS_BELOW):  # most are ours: they need no closer look
            for pattern, source in self._discreet:
                if pattern.fullmatch(message.topic):
                    return message._replace(payload=source.kept(message.topic, message.payload))
        return message

    def speaker(self, topic: str) -> Device | None:
        """Who alone has spoken on this topic before, as far as we know."""
        if self._registry.addresses is not self._addresses:  # it has been read anew
            self._addresses = self._registry.addresses
            self._speakers.clear()
        return self._speakers.get(topic)

    def read(self, source: Source, message: Message) -> Iterator[Part]:
        """What a message says, device by device; raises Malformed."""
        said = _read(source, message)
        alone = len(said) == 1 and not isinstance(source, InOrder)
        for each in said:
            device = self._registry.addressed(source.scheme, each.address)
            if alone and isinstance(device, Device) and len(self._speakers) < SPEAKERS_LIMIT:
                self._speakers[message.topic] = device
            decoded = columns(source.scheme, each.samples)
            decoded.notes = each.notes
            yield Part(device, decoded, each.late)


def _read(source: Source, message: Message) -> list[Said]:
    """Read one message; a fault of ours costs this message, not the hub, which it would meet again for ever."""
    try:
        return source.read(message.topic, message.payload, message.arrived_us)
    except Malformed:
        raise
    except Exception as error:
        log.exception("a reader fails, the message is a dead letter", source=source.scheme)
        raise Malformed(f"our own reader of {source.scheme} failed ({type(error).__name__})") from error


def _pattern(filters: Sequence[str]) -> re.Pattern[str]:
    """MQTT topic filters as one expression: `+` is a level, `#` at the end is all that follows."""
    return re.compile("|".join(_expression(each) for each in filters), re.DOTALL)


def _expression(topic_filter: str) -> str:
    levels = ["[^/]*" if level == "+" else re.escape(level) for level in topic_filter.split("/")]
    if topic_filter == "#":
        return ".*"
    return "/".join(levels[:-1]) + "(?:/.*)?" if topic_filter.endswith("/#") else "/".join(levels)
