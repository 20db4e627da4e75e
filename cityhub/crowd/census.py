"""The census: every ten seconds the hub says what it knows of each watched zone and counting line, as messages of its own.

So these series pass the checks, rules, alarms, archive and lineage that all others pass. A thread of its own draws the
ground and computes; the main thread hands it what has come. Its clock is that of the stream: a moment is told when all that
had arrived until shortly after it has been passed on, so that a hub that catches up tells the same as one that keeps up.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import orjson
import psycopg
import structlog
from numpy.typing import NDArray

from alerts.alarms import Change
from api.watched import LINE, ZONE
from cityhub.crowd import border, ground
from cityhub.crowd.faults import idle
from cityhub.crowd.ground import Ground, Meter
from cityhub.crowd.headcount import COUNT
from cityhub.crowd.recall import Past, recall
from cityhub.crowd.tick import Tick, Ticking
from cityhub.fencing import Fencing
from edge.reading import Rows, now_us
from ingest.batch import Batch
from ingest.health import TOPIC
from ingest.inbox import Inbox
from ingest.message import OURS, Message
from ingest.order import LONG_AGO, Newest
from ingest.profile import Profile
from ingest.registry import HUB, Registry, Series

log = structlog.get_logger("cityhub.census")

EVERY_S = 10
EVERY_US = EVERY_S * 1_000_000
WAIT_US = 2_000_000
"""So long after a moment we wait for what was counted then: cameras need a second or two."""
BEHIND = 60
"""Moments that are made up for; what lies farther back nobody asks for any more."""
DRAWN_EVERY = 6
"""Moments between two looks at the tables, where nobody has said that they changed: zones begin and cease to hold."""
DOORS = np.dtype([("key", "S64"), ("kept", "<f8", 6)])
SAVED = {"census-doors": DOORS, "census-waiting": COUNT}


class Handed(NamedTuple):
    """What the main thread hands over of a batch."""

    number: int
    rows: NDArray[np.void]  # COUNT
    heard: dict[int, int]
    fixes: NDArray[Any] | None


class Census:
    """`meet`, `observe` and `advance` belong to the main thread, `turn` to the census's own."""

    def __init__(self, database_url: str, inbox: Inbox, registry: Registry, newest: Newest) -> None:
        """`newest`: what was told before this run is not told again."""
        self._url, self._inbox, self._registry, self._newest = database_url, inbox, registry, newest
        self._meters: dict[int, Meter] = {}
        self._own: dict[tuple[str, str], int] = {}  # the series that we speak for, by device and metric
        self._devices = np.zeros(1, np.bool_)  # by id: it counts people
        self._handed: deque[Handed] = deque()
        self._unsaved: deque[Handed] = deque()  # what the newest tick does not know of yet
        self._numbers = 0
        self._until, self._next, self._looked = 0, 0, 0
        self._border = border.NOBODY
        self._tick: Tick = Tick()
        self._ticking: Ticking | None = None
        self._ground = Ground()
        self._redraw, self._turns = True, 0
        self.failed = 0
        """Moments since the start that failed, and that no database was away for; `ingest.health` tells it."""
        self._restored: dict[str, NDArray[np.float64]] = {}
        self._wake, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="census", daemon=True)

    def meet(self, fresh: Iterable[Series]) -> None:
        """Series that are new to this process: some count people, of some we speak ourselves."""
        for series in fresh:
            device = series.device
            if device.profile in (ZONE, LINE):
                self._own[device.key, series.metric] = series.id
            # A recording counts nobody who is there now.
            if series.measured.counts is None or device.recorded:
                continue
            profile = self._registry.profiles[device.profile]
            self._meters[series.id] = Meter(
                series.id, device.id, device.key, series.metric, series.measured.counts, series.measured.interval_s,
                device.zone_id, dense=_dense(profile, series.metric),
            )  # fmt: skip
            # Its last place is nobody's: it stands for all beyond.
            if len(self._devices) <= device.id + 1:
                self._devices = np.pad(self._devices, (0, 2 * device.id + 2 - len(self._devices)))
            self._devices[device.id] = True
            self._redraw = True

    def look_again(self) -> None:
        """The registry or the zones have changed."""
        self._redraw = True

    def take_up(self, saved: Mapping[str, NDArray[Any]]) -> None:
        """Begin where a checkpoint ended, once the series are met."""
        if all(name in saved and saved[name].dtype == dtype for name, dtype in SAVED.items()):
            self._restored = {row["key"].decode(): row["kept"].copy() for row in saved["census-doors"]}
            self._tick = Tick(doors=self._restored)
            self._hand(saved["census-waiting"], {}, None)

    def replay(self, rows: Rows) -> None:
        """Take in what was stored after the checkpoint."""
        kept = rows[
            np.isin(rows["series"], [slot for slot, meter in self._meters.items() if meter.counts != "view"])
        ]
        if len(kept):
            self._hand(_counts(kept, kept["time"]), {}, None)

    def observe(self, batch: Batch) -> None:
        """Take in what counts people of a batch that bears its flags."""
        rows, heard = batch.rows, {}
        counts = np.zeros(0, COUNT)
        if len(rows) and self._meters:
            place = np.flatnonzero(self._devices[np.minimum(batch.device, len(self._devices) - 1)])
            if len(place):
                arrived = batch.arrived[batch.source[place]]
                for device in np.unique(batch.device[place]).tolist():
                    heard[device] = int(arrived[batch.device[place] == device].max())
                counts = _counts(rows[place], arrived)
        fixes = getattr(batch, "fixes", None)
        if len(counts) or (fixes is not None and len(fixes)):
            self._hand(counts, heard, fixes)

    def advance(self, until_us: int, fencing: Fencing) -> None:
        """All that has arrived until then has been observed."""
        if not self._next:
            told = int(self._newest.times[list(self._own.values())].max(initial=LONG_AGO))
            self._next = (max(until_us, told) // EVERY_US + 1) * EVERY_US
        self._until = max(self._until, until_us)
        if self._until >= self._next + WAIT_US and self._until >= self._looked + EVERY_US:
            self._border, self._looked = border.look(fencing, until_us), self._until // EVERY_US * EVERY_US
            self._wake.set()

    def explained(self, changes: list[Change]) -> list[Change]:
        """The changes with the reason in words, where we know it."""
        told, found = self._tick.words, []
        for change in changes:
            series = self._registry.series[change.series_id]
            why = change.reason or told.get((series.device.key, series.metric), "")
            found.append(replace(change, reason=why))
        return found

    def saved(self) -> dict[str, NDArray[Any]]:
        """What is remembered of the doors, with what the main thread has passed on since."""
        tick = self._tick
        while self._unsaved and self._unsaved[0].number <= tick.number:
            self._unsaved.popleft()
        doors = np.zeros(len(tick.doors), DOORS)
        for place, (key, kept) in enumerate(tick.doors.items()):
            doors[place] = key.encode(), kept
        passings = {slot for slot, meter in self._meters.items() if meter.counts != "view"}
        later = [each.rows[np.isin(each.rows["slot"], list(passings))] for each in self._unsaved]
        return {"census-doors": doors, "census-waiting": np.concatenate([tick.waiting, *later])}

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def close(self) -> None:
        """End after the moment in hand."""
        self._stopping.set()
        self._wake.set()
        self._thread.join()

    def _hand(self, rows: NDArray[np.void], heard: dict[int, int], fixes: NDArray[Any] | None) -> None:
        self._numbers += 1
        handed = Handed(self._numbers, rows, heard, fixes)
        self._handed.append(handed)
        self._unsaved.append(handed)

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait()
            self._wake.clear()
            while not self._stopping.is_set() and self._until >= self._next + WAIT_US:
                at_us = max(self._next, (self._until - WAIT_US) // EVERY_US * EVERY_US - BEHIND * EVERY_US)
                try:
                    self._turn(at_us)
                except psycopg.OperationalError as error:
                    log.warning("the census waits for the database", reason=str(error).strip())
                except Exception:
                    self.failed += 1
                    log.exception("a moment of the census failed; readings are not touched by it")
                self._next = at_us + EVERY_US

    def _turn(self, at_us: int) -> None:
        """Compute a moment, and put it into the inbox."""
        self._draw(at_us)
        ticking = self._ticking
        if ticking is None:
            return
        number = self._tick.number
        while self._handed:
            handed = self._handed.popleft()
            ticking.take(handed.rows, handed.heard, handed.fixes)
            number = handed.number
        ids = (
            {key: device.id for key, device in self._registry.devices.items()}
            if self._border.followed
            else {}
        )
        tick = ticking.tick(at_us, number, self._own, lambda zone: border.presence(self._border, zone, ids))
        self._tick = tick
        if HUB in self._registry.devices:
            for body in tick.bodies:
                self._inbox.offer(Message(TOPIC, orjson.dumps(body), 0, OURS, now_us()))

    def _draw(self, at_us: int) -> None:
        """Read the ground where it may have changed."""
        self._turns += 1
        if not self._redraw and self._turns % DRAWN_EVERY:
            return
        self._redraw = False
        past: Past | None = None
        try:
            with psycopg.connect(
                self._url, autocommit=True, application_name="cityhub census", connect_timeout=10
            ) as connection:
                known = self._registry.devices
                meters = [
                    replace(meter, zone_id=known[meter.device].zone_id)
                    for meter in list(self._meters.values())
                    if meter.device in known
                ]
                drawn = ground.read(connection).with_whole_views(meters).registered(known)
                if self._ticking is None:
                    past = recall(connection, drawn, meters, self._own, at_us)
        except BaseException:
            self._redraw = True
            raise
        if self._ticking is None:
            self._ticking = Ticking(drawn)
        elif drawn != self._ground:
            self._ticking.redraw(drawn)
        self._ground = drawn
        kinds = {key: device.profile for key, device in known.items()}
        self._ticking.attend(meters, idle(drawn, kinds, self._registry.profiles))
        if past is not None:
            self._ticking.recall(past, self._restored)


def _counts(rows: Rows, arrived: NDArray[np.int64]) -> NDArray[np.void]:
    counts = np.zeros(len(rows), COUNT)
    counts["time"], counts["slot"], counts["value"] = rows["time"], rows["series"], rows["value"]
    counts["flag"], counts["arrived"] = rows["flag"], arrived
    return counts


def _dense(profile: Profile, metric: str) -> bool:
    return any(rule.over == "zone-area" and rule.source == metric for rule in profile.derived.values())
