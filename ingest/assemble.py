"""The assembler: messages become a batch; what cannot be read becomes a dead letter, its neighbours do not suffer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.reading import Rows
from edge.wire import Envelope, Malformed
from ingest import quick
from ingest.batch import (
    CALENDAR_FROM_US,
    CALENDAR_TO_US,
    Archived,
    Batch,
    Seen,
    bury,
    bury_beyond_quota,
)
from ingest.clock import Clocks
from ingest.decode import Decoded, decode
from ingest.judge import Judge
from ingest.message import OURS, TOPIC, Message
from ingest.order import Newest
from ingest.quota import HOLD, NOBODY, PASS, Quotas
from ingest.registry import HUB, NONE, Device, Registry
from ingest.slots import Slots

Short = tuple[Device, quick.Plain]
"""A message of the commonest form and its sender."""


class Assembler:
    """Turns messages into batches. `ask` reads values from the table, with everything before it committed."""

    def __init__(
        self,
        registry: Registry,
        slots: Slots,
        quotas: Quotas,
        newest: Newest,
        clocks: Clocks,
        ask: Callable[[Rows], Seen],
    ) -> None:
        self._registry, self._slots, self._quotas = registry, slots, quotas
        self._judge = Judge(registry, newest, clocks, ask)
        self._devices: dict[str, Device] = {}
        self._by_topic: dict[str, Device] = {}

    def assemble(self, messages: list[Message], *, taken_up: list[int] | None = None) -> Batch:
        """Decode, judge by time and order, and count; never raises for what a sender wrote.

        `taken_up` are the ids of these messages where they waited for their device's quota: it is theirs now.
        """
        batch = Batch(messages, taken_up=taken_up or [])
        batch.arrived = np.array([message.arrived_us for message in messages], np.int64)
        batch.ledger.begin(messages[0].arrived_us)
        known = self._known(messages)
        verdict = self._admit(batch, known) if taken_up is None else None
        parts: list[Rows] = []
        sources: list[NDArray[np.intp]] = []
        senders: list[int] = []
        heap = quick.Heap()
        plain = self._plain(messages, known, verdict)
        for place, message in enumerate(messages):
            if verdict is not None and verdict[place] != PASS:
                continue
            brief = plain[place]
            if brief is not None:
                sender, short = brief
                slots = self._slots.take_plain(sender, short.names)
                if slots is not None:
                    heap.add(short, slots, place)
                    senders.append(sender.id)
                    at = min(max(short.at, CALENDAR_FROM_US), CALENDAR_TO_US)
                    batch.archive.append(Archived(message, sender.id, at, at, len(slots), "json/1"))
                    continue
            found = self._sender(batch, message)
            senders.append(found.id if found else 0)
            rows = self._read(batch, message, found) if found else None
            if rows is not None and len(rows):
                heap.flush(parts, sources)
                parts.append(rows)
                sources.append(np.full(len(rows), place, np.intp))
        heap.flush(parts, sources)
        batch.ledger.add(np.array(senders, np.int32), messages=np.ones(len(senders), np.bool_))
        if parts:
            self._judge.judge(batch, np.concatenate(parts), np.concatenate(sources))
        return batch

    def _known(self, messages: list[Message]) -> list[Device | None]:
        """The sender of each message by its topic; None for one that must be looked at more closely."""
        if self._registry.devices is not self._devices:
            self._devices, self._by_topic = self._registry.devices, {}
        found: list[Device | None] = []
        for message in messages:
            sender = self._by_topic.get(message.topic)
            if sender is None:
                match = TOPIC.fullmatch(message.topic)
                sender = self._registry.devices.get(match[2]) if match else None
                if sender is None or match is None or sender.department != match[1] or sender.key == HUB:
                    # Nobody but we ourselves may speak for the hub.
                    found.append(sender if sender and sender.key == HUB and message.epoch == OURS else None)
                    continue
                self._by_topic[message.topic] = sender
            found.append(sender)
        return found

    def _admit(self, batch: Batch, known: list[Device | None]) -> NDArray[np.uint8] | None:
        """Set aside what exceeds a quota, unread; None where nothing does."""
        senders = np.array([sender.id if sender else NOBODY for sender in known], np.int32)
        sizes = np.array([len(message.payload) for message in batch.messages], np.int64)
        verdict = self._quotas.admit(senders, sizes, batch.arrived)
        beyond = verdict != PASS
        if not beyond.any():
            return None
        batch.held += [(int(senders[p]), batch.messages[p]) for p in np.flatnonzero(verdict == HOLD)]
        refused = beyond & (verdict != HOLD)
        for device_id, first, count in zip(
            *np.unique(senders[refused], return_index=True, return_counts=True), strict=True
        ):
            message = batch.messages[np.flatnonzero(refused)[first]]
            bury_beyond_quota(batch, message, int(device_id) or None, int(count))
        batch.ledger.add(senders, messages=refused, received=refused, rejected=refused)
        return verdict

    def _plain(
        self, messages: list[Message], known: list[Device | None], verdict: NDArray[np.uint8] | None
    ) -> list[Short | None]:
        """The messages of the commonest form with their senders; their series are made all at once."""
        found: list[Short | None] = []
        for place, (message, sender) in enumerate(zip(messages, known, strict=True)):
            passes = sender is not None and (verdict is None or verdict[place] == PASS)
            short = quick.read(message.payload, message.arrived_us) if passes else None
            found.append(None if short is None or sender is None else (sender, short))
        self._slots.meet([(each[0], each[1].names) for each in found if each is not None])
        return found

    def _read(self, batch: Batch, message: Message, sender: Device) -> Rows | None:
        """The rows of one message with their slots; what has none becomes a dead letter."""
        try:
            decoded = decode(message.payload, message.arrived_us)
        except Malformed as error:
            bury(batch, message, sender.id, "malformed", str(error), 1)
            batch.ledger.count(sender.id, received=1, rejected=1)
            _note_progress(batch, sender, error.envelope)
            return None
        _note_progress(batch, sender, decoded.envelope)
        slots, refusals = self._slots.take(sender, decoded.names, decoded.units)
        rows = decoded.rows
        places = rows["series"].copy()
        rows["series"] = slots[places]
        if refusals or decoded.notes:
            self._refuse(batch, message, sender, decoded, places, refusals)
            rows = rows[rows["series"] != NONE]
        if len(rows):
            # A lying clock must not break the archive: its span is cut to the calendar.
            first, last = np.clip(
                [rows["time"].min(), rows["time"].max()], CALENDAR_FROM_US, CALENDAR_TO_US
            ).tolist()
            parser = f"{decoded.format}/1"
            batch.archive.append(Archived(message, sender.id, first, last, len(rows), parser))
        return rows

    def _sender(self, batch: Batch, message: Message) -> Device | None:
        """The registered sender of a message; one without becomes a dead letter."""
        match = TOPIC.fullmatch(message.topic)
        device = self._registry.device(match[2]) if match else None
        if device is not None and match is not None and device.department == match[1]:
            if device.key != HUB or message.epoch == OURS:
                return device
            reason, detail = "reserved", "the hub speaks for itself, nobody else does"
        elif match is None:
            reason, detail = (
                "bad-topic",
                f"{message.topic:.120} is not city/v1/{{department}}/{{device}}/telemetry",
            )
        elif device is None:
            refusal = self._registry.absent(match[2])
            reason, detail = refusal.reason, refusal.detail
        else:
            reason, detail = (
                "wrong-department",
                f"{match[2]} belongs to {device.department}, not to {match[1]}",
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
    ) -> None:
        """Bury the rows whose names mean nothing here, one letter for each reason."""
        by_reason: dict[str, list[tuple[str, int]]] = {}
        for place, refusal in refusals.items():
            count = int((places == place).sum())
            if count:  # a table of names may hold one that no reading uses
                by_reason.setdefault(refusal.reason, []).append((refusal.detail, count))
        if decoded.notes:
            by_reason["no-number"] = [(note, 1) for note in decoded.notes]
        for reason, found in by_reason.items():
            count = sum(number for _, number in found)
            bury(
                batch,
                message,
                sender.id,
                reason,
                "; ".join(dict.fromkeys(detail for detail, _ in found)),
                count,
            )
            batch.ledger.count(sender.id, received=count, rejected=count)


def _note_progress(batch: Batch, sender: Device, envelope: Envelope | None) -> None:
    """Once the batch is committed its agent may forget this message, also where it is a dead letter."""
    if envelope is not None:
        batch.progress.append((sender.id, envelope.boot, envelope.base, envelope.seq))
        batch.senders[sender.id, envelope.boot] = (sender.department, sender.key)
