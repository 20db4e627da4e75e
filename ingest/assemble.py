"""The assembler: messages become a batch; what cannot be read becomes a dead letter, its neighbours do not suffer."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from edge.reading import Rows
from ingest import quick
from ingest.batch import (
    CALENDAR_FROM_US,
    CALENDAR_TO_US,
    Archived,
    Batch,
    Seen,
    bury_beyond_quota,
)
from ingest.clock import Clocks
from ingest.counters import Counters
from ingest.fix_judge import FixJudge
from ingest.foreign import Foreign
from ingest.identity import Heard, Identity
from ingest.judge import Judge
from ingest.message import OURS, TELEMETRY, TOPIC, Message
from ingest.order import Newest
from ingest.quota import HOLD, NOBODY, PASS, Quotas
from ingest.reader import Reader
from ingest.registry import HUB, Device, Registry
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
        foreign: Foreign,
        counters: Counters,
        *,
        identity: Identity,
        fix_judge: FixJudge,
    ) -> None:
        self._identity, self._fix_judge = identity, fix_judge
        self._registry, self._slots, self._quotas, self._foreign = registry, slots, quotas, foreign
        self._reader = Reader(registry, slots, foreign, identity)
        self._judge = Judge(registry, newest, clocks, ask, counters)
        self._devices: dict[str, Device] = {}
        self._by_topic: dict[str, Device] = {}

    def assemble(self, messages: list[Message], *, taken_up: list[int] | None = None) -> Batch:
        """Decode, judge by time and order, and count; never raises for what a sender wrote.

        `taken_up` are the ids of these messages where they waited for their device's quota: it is theirs now.
        """
        if taken_up is None:  # what was held had its names taken out before
            messages = self._identity.discreet(self._foreign.discreet(messages))
        batch = Batch(messages, taken_up=taken_up or [])
        batch.arrived = np.array([message.arrived_us for message in messages], np.int64)
        batch.ledger.begin(messages[0].arrived_us)
        known = self._known(messages)
        verdict = self._admit(batch, known) if taken_up is None else None
        parts: list[Rows] = []
        sources: list[NDArray[np.intp]] = []
        senders: list[int] = []
        spots: list[tuple[int, Heard]] = []
        past: list[int] = []  # the parts that their source calls history
        heap = quick.Heap()
        plain = self._plain(messages, known, verdict)
        for place, message in enumerate(messages):
            if verdict is not None and verdict[place] != PASS:
                continue
            brief = plain[place]
            if brief is not None:
                device, short = brief
                slots = self._slots.take_plain(device, short.names)
                if slots is not None:
                    heap.add(short, slots, place)
                    senders.append(device.id)
                    at = min(max(short.at, CALENDAR_FROM_US), CALENDAR_TO_US)
                    batch.archive.append(Archived(message, device.id, at, at, len(slots), "json/1"))
                    continue
            sender, heard = self._reader.read(batch, message)
            senders.append(sender)
            if isinstance(heard, Heard):
                spots.append((place, heard))
                continue
            for rows, history in heard:
                heap.flush(parts, sources)
                past += [len(parts)] if history else []
                parts.append(rows)
                sources.append(np.full(len(rows), place, np.intp))
        heap.flush(parts, sources)
        batch.ledger.add(np.array(senders, np.int32), messages=np.ones(len(senders), np.bool_))
        if parts:
            old = np.repeat(np.isin(np.arange(len(parts)), past), [len(part) for part in parts])
            self._judge.judge(batch, np.concatenate(parts), np.concatenate(sources), old)
        if spots:
            self._fix_judge.judge(batch, spots)
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
                if match is None:
                    found.append(self._foreign.speaker(message.topic))
                    continue
                sender = self._registry.devices.get(match[2])
                if sender is None or sender.department != match[1] or sender.key == HUB:
                    # Nobody but we ourselves may speak for the hub.
                    found.append(sender if sender and sender.key == HUB and message.epoch == OURS else None)
                    continue
                if match[3] == TELEMETRY:
                    self._by_topic[message.topic] = sender
            found.append(sender)
        return found

    def _admit(self, batch: Batch, known: list[Device | None]) -> NDArray[np.uint8] | None:
        """Set aside what exceeds a quota, unread; None where nothing does."""
        senders = np.array([sender.id if sender else NOBODY for sender in known], np.int32)
        sizes = np.array([len(message.payload) for message in batch.messages], np.int64)
        verdict = self._quotas.admit(senders, sizes, batch.arrived)
        beyond = verdict != PASS
        # What a platform says of nobody in particular has its credential at the broker, and no quota of a device.
        for place in np.flatnonzero(beyond & (senders == NOBODY)).tolist():
            if self._foreign.source(batch.messages[place].topic) is not None:
                verdict[place], beyond[place] = PASS, False
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
            passes = message.topic in self._by_topic and (verdict is None or verdict[place] == PASS)
            short = quick.read(message.payload, message.arrived_us) if passes else None
            found.append(None if short is None or sender is None else (sender, short))
        self._slots.meet([(each[0], each[1].names) for each in found if each is not None])
        return found
