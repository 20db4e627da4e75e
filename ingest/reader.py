"""The reader: one message becomes rows with their slots, or a report; what cannot be taken becomes a dead letter."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edge.reading import Rows
from edge.wire import Envelope, Malformed
from ingest import report
from ingest.batch import CALENDAR_FROM_US, CALENDAR_TO_US, Archived, Batch, bury
from ingest.decode import Decoded, decode
from ingest.foreign import Foreign
from ingest.identity import Heard, Identity
from ingest.message import OURS, POSITION, TOPIC, UNASKED, Message
from ingest.registry import HUB, NONE, Device, Refusal, Registry
from ingest.slots import Slots
from ingest.sources.said import Source


class Taken(NamedTuple):
    """Rows with their slots; `history` where their source says that they are."""

    rows: Rows
    history: bool = False


class Reader:
    """Reads messages one by one. Never raises for what a sender wrote."""

    def __init__(self, registry: Registry, slots: Slots, foreign: Foreign, identity: Identity) -> None:
        self._registry, self._slots, self._foreign = registry, slots, foreign
        self._identity = identity

    def read(self, batch: Batch, message: Message) -> tuple[int, list[Taken] | Heard]:
        """Who sent a message (0: nobody knows), and its rows or fixes; what cannot be taken becomes dead letters."""
        topic = TOPIC.fullmatch(message.topic)
        source = None if topic else self._foreign.source(message.topic)
        if source is not None:
            return self._read_foreign(batch, message, source)
        sender = self._sender(batch, message, topic)
        if sender is None:
            return 0, []
        try:
            if topic is not None and topic[3] in report.KINDS:
                said = report.read(topic[3], sender.id, message)
                batch.reports += [said] if said else []
                return sender.id, []
            if topic is not None and topic[3] == POSITION:
                spots, envelope = self._identity.read(batch, message, sender)
                _note_progress(batch, sender, envelope)
                return sender.id, spots or []
            decoded = decode(message.payload, message.arrived_us)
        except Malformed as error:
            bury(batch, message, sender.id, "malformed", str(error), 1)
            batch.ledger.count(sender.id, received=1, rejected=1)
            if message.epoch != UNASKED:
                _note_progress(batch, sender, error.envelope)
            return sender.id, []
        if message.epoch != UNASKED:
            # Over HTTP nobody waits for `committed`, and anybody may write an envelope.
            _note_progress(batch, sender, decoded.envelope)
        rows = self._rows(batch, message, sender, decoded)
        return sender.id, [Taken(rows)] if len(rows) else []

    def _read_foreign(self, batch: Batch, message: Message, source: Source) -> tuple[int, list[Taken]]:
        """The same of a message on a topic that is not ours; it may speak of several devices."""
        found: list[Taken] = []
        sender = 0
        try:
            parts = list(self._foreign.read(source, message))
        except Malformed as error:
            known = self._foreign.speaker(message.topic)
            sender = known.id if known else 0
            bury(batch, message, sender or None, "malformed", str(error), 1)
            batch.ledger.count(sender, received=1, rejected=1)
            return sender, []
        for device, decoded, history in parts:
            if isinstance(device, Refusal):
                count = len(decoded.rows) + len(decoded.notes)
                if count:
                    # A platform tells of all it has, a hub knows some of it: one letter for each address, and a count.
                    name = f"{source.scheme} {device.detail}".encode()
                    bury(batch, message, None, device.reason, device.detail, count, name)
                    batch.ledger.count(0, received=count, rejected=count)
                continue
            sender = sender or device.id
            rows = self._rows(batch, message, device, decoded, platform=True)
            found += [Taken(rows, history)] if len(rows) else []
        return sender, found

    def _rows(
        self, batch: Batch, message: Message, sender: Device, decoded: Decoded, *, platform: bool = False
    ) -> Rows:
        """The rows of what was decoded with their slots; what has none becomes a dead letter."""
        slots, refusals = self._slots.take(sender, decoded.names, decoded.units)
        rows = decoded.rows
        places = rows["series"].copy()
        rows["series"] = slots[places]
        if refusals or decoded.notes:
            self._refuse(batch, message, sender, decoded, places, refusals, platform=platform)
            rows = rows[rows["series"] != NONE]
        if len(rows):
            # A lying clock must not break the archive: its span is cut to the calendar.
            first, last = np.clip(
                [rows["time"].min(), rows["time"].max()], CALENDAR_FROM_US, CALENDAR_TO_US
            ).tolist()
            parser = f"{decoded.format}/1"
            batch.archive.append(Archived(message, sender.id, first, last, len(rows), parser))
        return rows

    def _sender(self, batch: Batch, message: Message, topic: re.Match[str] | None) -> Device | None:
        """The registered sender of a message; one without becomes a dead letter."""
        device = self._registry.device(topic[2]) if topic else None
        if device is not None and topic is not None and device.department == topic[1]:
            if device.key != HUB or message.epoch == OURS:
                return device
            reason, detail = "reserved", "the hub speaks for itself, nobody else does"
        elif topic is None:
            reason, detail = (
                "bad-topic",
                f"{message.topic:.120} is not city/v1/{{department}}/{{device}}/telemetry",
            )
        elif device is None:
            refusal = self._registry.absent(topic[2])
            reason, detail = refusal.reason, refusal.detail
        else:
            reason, detail = (
                "wrong-department",
                f"{topic[2]} belongs to {device.department}, not to {topic[1]}",
            )
        known = device.id if device else 0
        bury(batch, message, known or None, reason, detail, 1)
        batch.ledger.count(known, received=1, rejected=1)
        return None

    @staticmethod
    def _refuse(
        batch: Batch,
        message: Message,
        sender: Device,
        decoded: Decoded,
        places: NDArray[Any],
        refusals: dict[int, Any],
        *,
        platform: bool,
    ) -> None:
        """Bury the rows whose names mean nothing here, one letter for each reason.

        A platform sends such names with every message: there the letter stands for all that name the same.
        """
        by_reason: dict[str, list[tuple[str, int]]] = {}
        for place, refusal in refusals.items():
            count = int((places == place).sum())
            if count:  # a table of names may hold one that no reading uses
                by_reason.setdefault(refusal.reason, []).append((refusal.detail, count))
        if decoded.notes:
            by_reason["no-number"] = [(note, 1) for note in decoded.notes]
        for reason, found in by_reason.items():
            count = sum(number for _, number in found)
            detail = "; ".join(dict.fromkeys(detail for detail, _ in found))
            name = f"{sender.id} {detail}".encode() if platform else b""
            bury(batch, message, sender.id, reason, detail, count, name)
            batch.ledger.count(sender.id, received=count, rejected=count)


def _note_progress(batch: Batch, sender: Device, envelope: Envelope | None) -> None:
    """Once the batch is committed its agent may forget this message, also where it is a dead letter."""
    if envelope is not None:
        batch.progress.append((sender.id, envelope.boot, envelope.base, envelope.seq))
        batch.senders[sender.id, envelope.boot] = (sender.department, sender.key)
