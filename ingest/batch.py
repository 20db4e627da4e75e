"""The batch: messages become rows that are new, letters that are dead, and counts that must balance."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edge.reading import FAIL, MISSING, READING, SUSPECT, Rows
from edge.wire import Envelope, Malformed
from ingest import quick
from ingest.decode import Decoded, decode
from ingest.ledger import Ledger
from ingest.message import TOPIC, DeadLetter, Message
from ingest.order import Newest
from ingest.registry import NONE, Device, Registry
from ingest.slots import Slots

PAST_US = 30 * 24 * 3600 * 1_000_000
FUTURE_US = 5 * 60 * 1_000_000
CALENDAR_FROM_US, CALENDAR_TO_US = -2_208_988_800_000_000, 4_102_444_800_000_000  # 1900, 2100
LATE_US = 10 * 60 * 1_000_000

Seen = dict[tuple[int, int], float]
"""Values by (slot, time in us)."""


@dataclass(slots=True)
class Archived:
    """One line of the raw archive."""

    message: Message
    device_id: int
    first_us: int
    last_us: int
    readings: int
    parser: str


@dataclass(slots=True)
class Batch:
    """What one transaction writes and what is acknowledged after it."""

    messages: list[Message]
    rows: Rows = field(default_factory=lambda: np.empty(0, READING))
    device: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))  # of each row
    newer: NDArray[np.bool_] = field(
        default_factory=lambda: np.empty(0, np.bool_)
    )  # than all before in its series
    late: NDArray[np.bool_] = field(default_factory=lambda: np.empty(0, np.bool_))  # stored, but pages nobody
    derived: int = 0  # how many of the last rows are derived
    archive: list[Archived] = field(default_factory=list)
    dead: list[DeadLetter] = field(default_factory=list)
    ledger: Ledger = field(default_factory=Ledger)
    progress: list[tuple[int, str, int, int]] = field(default_factory=list)  # device id, boot, base, seq
    senders: dict[tuple[int, str], tuple[str, str]] = field(default_factory=dict)  # -> department, device
    committed: list[tuple[int, str, int | None]] = field(
        default_factory=list
    )  # device id, boot, seq; after commit
    events: Any = None  # what the rules found; the hub hands it on

    def drop_duplicates(self, keep: NDArray[np.bool_]) -> None:
        """The table had some of the rows already: take them out and count them for what they are."""
        gone = ~keep
        computed = np.arange(len(keep)) >= len(keep) - self.derived
        self.ledger.take_back(
            self.device,
            stored=gone & ~computed,
            late=gone & ~computed & self.late,
            flagged=gone & ~computed & flagged(self.rows),
            derived=gone & computed,
        )
        self.ledger.add(self.device, duplicate=gone & ~computed)
        self.derived -= int((gone & computed).sum())
        self.rows, self.device = self.rows[keep], self.device[keep]
        self.newer, self.late = self.newer[keep], self.late[keep]

    def count_flags(self) -> None:
        """After the checks have marked the rows: how many of the received are suspect or failed."""
        received = len(self.rows) - self.derived
        self.ledger.add(self.device[:received], flagged=flagged(self.rows[:received]))


def flagged(rows: Rows) -> NDArray[np.bool_]:
    """Which rows are suspect or failed."""
    return np.isin(rows["flag"], (SUSPECT, FAIL))


class Assembler:
    """Turns messages into batches. `ask` reads values from the table, with everything before it committed."""

    def __init__(self, registry: Registry, slots: Slots, newest: Newest, ask: Callable[[Rows], Seen]) -> None:
        self._registry, self._slots, self._newest, self._ask = registry, slots, newest, ask
        self._devices: dict[str, Device] = {}
        self._by_topic: dict[str, Device] = {}

    def assemble(self, messages: list[Message]) -> Batch:
        """Decode, judge by time and order, and count; never raises for what a sender wrote."""
        batch = Batch(messages)
        batch.ledger.begin(messages[0].arrived_us)
        parts: list[Rows] = []
        sources: list[NDArray[np.intp]] = []
        senders: list[int] = []
        heap = quick.Heap()
        plain = self._plain(messages)
        for place, message in enumerate(messages):
            known = plain[place]
            if known is not None:
                sender, short = known
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
            self._judge(batch, np.concatenate(parts), np.concatenate(sources))
        return batch

    def _plain(self, messages: list[Message]) -> list[tuple[Device, quick.Plain] | None]:
        """The messages of the commonest form with their senders; their series are made all at once."""
        if self._registry.devices is not self._devices:
            self._devices, self._by_topic = self._registry.devices, {}
        found: list[tuple[Device, quick.Plain] | None] = []
        for message in messages:
            sender = self._by_topic.get(message.topic)
            if sender is None:
                match = TOPIC.fullmatch(message.topic)
                sender = self._registry.devices.get(match[2]) if match else None
                if sender is None or match is None or sender.department != match[1]:
                    found.append(None)
                    continue
                self._by_topic[message.topic] = sender
            short = quick.read(message.payload, message.arrived_us)
            found.append(None if short is None else (sender, short))
        self._slots.meet([(each[0], each[1].names) for each in found if each is not None])
        return found

    def _read(self, batch: Batch, message: Message, sender: Device) -> Rows | None:
        """The rows of one message with their slots; what has none becomes a dead letter."""
        try:
            decoded = decode(message.payload, message.arrived_us)
        except Malformed as error:
            _bury(batch, message, sender.id, "malformed", str(error), 1)
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
        match = TOPIC.fullmatch(message.topic)
        device = self._registry.device(match[2]) if match else None
        if device is not None and match is not None and device.department == match[1]:
            return device
        if match is None:
            reason, detail = (
                "bad-topic",
                f"{message.topic:.120} is not city/v1/{{department}}/{{device}}/telemetry",
            )
        elif device is None:
            reason, detail = (
                "unknown-device",
                f"{match[2]} is not registered; `cityhub device import` adds it",
            )
        else:
            reason, detail = (
                "wrong-department",
                f"{match[2]} belongs to {device.department}, not to {match[1]}",
            )
        known = device.id if device else 0
        _bury(batch, message, known or None, reason, detail, 1)
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
            _bury(
                batch,
                message,
                sender.id,
                reason,
                "; ".join(dict.fromkeys(detail for detail, _ in found)),
                count,
            )
            batch.ledger.count(sender.id, received=count, rejected=count)

    def _judge(self, batch: Batch, rows: Rows, source: NDArray[Any]) -> None:
        """Sort rows into new, duplicate, conflicting and impossible; add what is derived from the new ones."""
        device = self._registry.device_of[rows["series"]]
        recorded = self._registry.recorded[rows["series"]]
        arrived = np.array([message.arrived_us for message in batch.messages], np.int64)[source]
        rows["flag"][np.isnan(rows["value"])] = MISSING
        # Compared, not subtracted: a time at the end of its 64 bits must not wrap into plausibility.
        oldest = np.where(recorded, CALENDAR_FROM_US, arrived - PAST_US)
        outside = (rows["time"] < oldest) | (rows["time"] > arrived + FUTURE_US)
        infinite = np.isinf(rows["value"])
        batch.ledger.add(
            device, received=np.ones(len(rows), np.bool_), quarantined=outside, rejected=infinite & ~outside
        )
        if outside.any():
            self._bury_rows(batch, rows, source, outside, "time-outside", _far)
        if infinite.any():
            self._bury_rows(
                batch, rows, source, infinite & ~outside, "not-finite", lambda *_: "an infinite value"
            )
        sound = ~(outside | infinite)
        if not sound.all():
            rows, source, device = rows[sound], source[sound], device[sound]
            arrived, recorded = arrived[sound], recorded[sound]
        newer = self._newest.advance(rows["series"], rows["time"])
        late = ~newer | ((rows["time"] < arrived - LATE_US) & ~recorded)
        if not newer.all():
            duplicate, conflict = self._known(rows, newer)
            batch.ledger.add(device, duplicate=duplicate, quarantined=conflict)
            if conflict.any():
                self._bury_rows(batch, rows, source, conflict, "conflict", _other_value)
            keep = ~(duplicate | conflict)
            rows, newer, late, device = rows[keep], newer[keep], late[keep], device[keep]
        batch.ledger.add(device, stored=np.ones(len(rows), np.bool_), late=late)
        source_row, derived = self._derive(rows)
        batch.rows = np.concatenate([rows, derived])
        batch.device = np.concatenate([device, device[source_row]])
        batch.ledger.add(device[source_row], derived=np.ones(len(derived), np.bool_))
        batch.newer = np.concatenate([newer, newer[source_row]])
        batch.late = np.concatenate([late, late[source_row]])
        batch.derived = len(derived)

    def _known(self, rows: Rows, newer: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Which of the rows that are not newer were seen before, with the same value or with another one."""
        asked = np.flatnonzero(~newer)
        seen = self._ask(rows[asked])
        # What is new in this very batch is not in the table yet.
        for row in np.flatnonzero(newer & np.isin(rows["series"], rows["series"][asked])):
            seen[int(rows["series"][row]), int(rows["time"][row])] = float(rows["value"][row])
        duplicate, conflict = np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_)
        for row in asked:
            key, value = (int(rows["series"][row]), int(rows["time"][row])), float(rows["value"][row])
            if key not in seen:
                seen[key] = value
            elif seen[key] == value or (np.isnan(seen[key]) and np.isnan(value)):
                duplicate[row] = True
            else:
                conflict[row] = True
        return duplicate, conflict

    def _derive(self, rows: Rows) -> tuple[NDArray[np.intp], Rows]:
        """The rows of series that are computed from these, and which row each comes from."""
        target = self._registry.derived_slot[rows["series"]]
        source_row = np.flatnonzero(target)
        derived = rows[source_row].copy()
        derived["value"] *= self._registry.gain[rows["series"][source_row]]
        derived["series"] = target[source_row]
        self._newest.advance(derived["series"], derived["time"])
        return source_row, derived

    def _bury_rows(
        self,
        batch: Batch,
        rows: Rows,
        source: NDArray[Any],
        which: NDArray[np.bool_],
        reason: str,
        say: Callable[[Message, Any], str],
    ) -> None:
        for place in np.unique(source[which]):
            message = batch.messages[place]
            bad = rows[which & (source == place)]
            series = self._registry.series[int(bad["series"][0])]
            detail = f"{series.device.key}/{series.metric}: {say(message, bad[0])}"
            _bury(batch, message, series.device.id, reason, detail, len(bad))


def _note_progress(batch: Batch, sender: Device, envelope: Envelope | None) -> None:
    """Once the batch is committed its agent may forget this message, also where it is a dead letter."""
    if envelope is not None:
        batch.progress.append((sender.id, envelope.boot, envelope.base, envelope.seq))
        batch.senders[sender.id, envelope.boot] = (sender.department, sender.key)


def _bury(
    batch: Batch, message: Message, device_id: int | None, reason: str, detail: str, readings: int
) -> None:
    # PostgreSQL's text holds no NUL, and one bad name must not cost the batch.
    batch.dead.append(DeadLetter(message, device_id, reason, detail.replace("\0", "\ufffd")[:2000], readings))


def _far(message: Message, row: Any) -> str:
    days = (int(row["time"]) - message.arrived_us) / 86_400_000_000
    return f"time {describe_us(int(row['time']))} is {abs(days):.1f} days {'ahead' if days > 0 else 'back'}; check the clock"


def _other_value(_: Message, row: Any) -> str:
    return f"{describe_us(int(row['time']))} is stored with another value than {float(row['value']):g}"


def describe_us(at: int) -> str:
    """A time in microseconds as people read it, also where it lies outside the calendar."""
    try:
        return (
            datetime.fromtimestamp(at / 1_000_000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        )
    except (ValueError, OverflowError, OSError):
        return f"{at} us"
