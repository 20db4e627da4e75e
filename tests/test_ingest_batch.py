"""Batches against a plain model: what must be stored is stored, all else has a reason, and the ledger balances."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.reading import FAIL, MISSING, SUSPECT, UNEVALUATED, Rows, gather
from edge.wire import body, seal
from ingest.assemble import Assembler
from ingest.batch import CALENDAR_FROM_US, Batch, Seen
from ingest.clock import Clocks
from ingest.counters import Counters
from ingest.fix_judge import FixJudge
from ingest.fixes import Fixes, Places
from ingest.foreign import Foreign
from ingest.identity import Identity
from ingest.judge import FUTURE_US, LATE_US, PAST_US
from ingest.ledger import Ledger
from ingest.message import Message
from ingest.order import LONG_AGO, Newest
from ingest.profile import Profile
from ingest.quota import Quotas
from ingest.registry import Device, Registry
from ingest.slots import Slots
from ingest.sources.said import Source
from ingest.tracks import Met, Tracks, Wanted

NOW = 1_790_000_000_000_000
SECOND = 1_000_000
HOUR = 3_600 * SECOND

PROFILES = {
    "gauge": Profile.model_validate({
        "profile": "gauge",
        "name": "Gauge",
        "metrics": {
            "level": {"unit": "m", "quantity": "level", "interval_s": 60},
            "flow": {"unit": "m3/s", "quantity": "flow", "interval_s": 60},
        },
    }),
    "counter": Profile.model_validate({
        "profile": "counter",
        "name": "Counter",
        "metrics": {"people": {"unit": "1", "quantity": "count", "interval_s": 10}},
        "derived": {
            "density": {
                "unit": "1/m2", "quantity": "density", "interval_s": 10, "from": "people", "over": "zone-area",
            }
        },
    }),
    "rain": Profile.model_validate({
        "profile": "rain",
        "name": "Rain",
        "metrics": {"rain-total": {"unit": "mm", "quantity": "counter", "interval_s": 60}},
        "derived": {
            "rain": {"unit": "mm", "quantity": "rain", "interval_s": 60, "from": "rain-total", "over": "counter"}
        },
    }),
    "gateway": Profile.model_validate({"profile": "gateway", "name": "Gateway", "metrics": {}}),
}  # fmt: skip

GATEWAY = Device(1, "gw-1", "water", "gateway", None, None, None, recorded=False)
BEHIND = Device(2, "river-1", "water", "gauge", 1, None, None, recorded=False)
ALONE = Device(3, "river-2", "water", "gauge", None, None, None, recorded=False)
COUNTER = Device(4, "square-1", "order", "counter", None, 7, 50.0, recorded=False)
RECORDED = Device(5, "old-1", "water", "gauge", None, None, None, recorded=True)
BUCKET = Device(6, "rain-1", "water", "rain", None, None, None, recorded=False)
DEVICES = (GATEWAY, BEHIND, ALONE, COUNTER, RECORDED, BUCKET)
GAIN = 1 / 50.0


class Hub:
    """An assembler over a registry filled by hand and a table that is a dictionary."""

    def __init__(self, sources: Sequence[Source] = ()) -> None:
        self.registry = Registry()
        self.registry.profiles = PROFILES
        self.registry.devices = {device.key: device for device in DEVICES}
        self.newest, self.counters = Newest(), Counters()
        self.table: Seen = {}
        self.tracks: dict[tuple[int, str], int] = {}
        self.places: Places = {}
        self.named: dict[tuple[str, str], int] = {}
        self.batches: list[Batch] = []
        self.assembler = Assembler(
            self.registry,
            Slots(self.registry, self.create),
            Quotas(),
            self.newest,
            Clocks(),
            self.ask,
            Foreign(self.registry, sources),
            self.counters,
            identity=Identity(self.registry, self.token, lambda _, lon, lat: (lon + 1, lat)),
            fix_judge=FixJudge(Tracks(self.meet), Clocks(), self.ask_places),
        )

    def create(self, wanted: set[tuple[Device, str]]) -> None:
        """As the database numbers new series."""
        for device, metric in sorted(wanted, key=lambda pair: (pair[0].id, pair[1])):
            source = self._learn(device, metric, None, None)
            if metric == "people":
                self._learn(device, "density", source, GAIN)
            if metric == "rain-total":
                self._learn(device, "rain", source, 1.0)
                self.counters.watch(source, PROFILES["rain"].derived["rain"])

    def _learn(self, device: Device, metric: str, source: int | None, gain: float | None) -> int:
        number = len(self.registry.series) + 1
        assert self.registry._learn(number, device, metric, source, gain) is not None
        self.newest.reach(number)
        return number

    def token(self, source: str, track: str, at_us: int, now_us: int) -> int | None:
        """A track's number in the order of first sight; a day is over when it is."""
        if at_us < now_us - 2 * HOUR:
            return None
        return self.named.setdefault((source, track), len(self.named) + 1)

    def meet(self, wanted: list[Wanted]) -> list[Met]:
        """As the database numbers new tracks."""
        numbers = [self.tracks.setdefault(each[:2], len(self.tracks) + 1) for each in wanted]
        times = [[at for track, at in self.places if track == number] for number in numbers]
        return [(number, max(each, default=None)) for number, each in zip(numbers, times, strict=True)]

    def ask_places(self, fixes: Fixes) -> Places:
        """The stored places at these."""
        keys = {(int(fix["track"]), int(fix["time"])) for fix in fixes}
        return {key: self.places[key] for key in keys if key in self.places}

    def ask(self, rows: Rows) -> Seen:
        """The stored values at these places."""
        keys = {(int(row["series"]), int(row["time"])) for row in rows}
        return {key: self.table[key] for key in keys if key in self.table}

    def take(self, messages: list[Message]) -> Batch:
        """Assemble, check, commit."""
        batch = self.assembler.assemble(messages)
        assert batch.ledger.balance == 0
        assert len(batch.rows) == len(batch.device) == len(batch.newer) == len(batch.late)
        for row in batch.rows:
            key = (int(row["series"]), int(row["time"]))
            assert key not in self.table, "the table's unique index would refuse it"
            self.table[key] = float(row["value"])
        for fix in batch.fixes:
            place = int(fix["track"]), int(fix["time"])
            assert place not in self.places, "the table's unique index would refuse it"
            self.places[place] = float(fix["lon"]), float(fix["lat"])
        self.batches.append(batch)
        return batch

    def counted(self) -> dict[str, dict[int, int]]:
        """Every column of the ledger by device, over all batches."""
        total: dict[str, Counter[int]] = {column: Counter() for column in Ledger.COLUMNS}
        for batch in self.batches:
            for device, book in batch.ledger.devices.items():
                for column, number in book.items():
                    assert number >= 0
                    total[column][device] += number
        return {column: {device: n for device, n in counts.items() if n} for column, counts in total.items()}

    def stored(self) -> dict[tuple[str, str, int], str]:
        """What the table holds, by device, metric and time; values as text, so that NaN equals itself."""
        return {
            (self.registry.series[slot].device.key, self.registry.series[slot].metric, at): repr(value + 0.0)
            for (slot, at), value in self.table.items()
        }

    def buried(self) -> Counter[tuple[str, int | None]]:
        """Readings in dead letters, by reason and device."""
        dead: Counter[tuple[str, int | None]] = Counter()
        for batch in self.batches:
            for letter in batch.dead:
                dead[letter.reason, letter.device_id] += letter.readings
        return dead


@dataclass
class Model:
    """What must become of readings, one after the other, in plain Python."""

    table: dict[tuple[str, str, int], float] = field(default_factory=dict)
    newest: dict[tuple[str, str], int] = field(default_factory=dict)
    shown: tuple[int, float] | None = None  # by the counter, last
    counts: dict[str, Counter[int]] = field(default_factory=lambda: {c: Counter() for c in Ledger.COLUMNS})
    dead: Counter[tuple[str, int | None]] = field(default_factory=Counter)

    def bury(self, reason: str, device: Device, column: str) -> None:
        self.dead[reason, device.id] += 1
        self.counts[column][device.id] += 1

    def take(self, sender: Device, name: str, at: int, value: float, arrived: int) -> None:
        device, metric = sender, name
        if "/" in name:
            key, metric = name.split("/")
            device = next((known for known in DEVICES if known.key == key), GATEWAY)
            reason = (
                "unknown-device" if key not in {known.key for known in DEVICES}
                else "not-its-gateway" if device is not sender and device.gateway_id != sender.id
                else ""
            )  # fmt: skip
            if reason:
                self.counts["received"][sender.id] += 1
                self.bury(reason, sender, "rejected")
                return
        if metric not in PROFILES[device.profile].metrics:
            self.counts["received"][sender.id] += 1
            self.bury("unknown-metric", sender, "rejected")
            return
        self.counts["received"][device.id] += 1
        oldest = CALENDAR_FROM_US if device.recorded else arrived - PAST_US
        if not oldest <= at <= arrived + FUTURE_US:
            self.bury("time-outside", device, "quarantined")
        elif math.isinf(value):
            self.bury("not-finite", device, "rejected")
        elif (there := self.table.get((device.key, metric, at))) is not None:
            if repr(there + 0.0) == repr(value + 0.0):
                self.counts["duplicate"][device.id] += 1
            else:
                self.bury("conflict", device, "quarantined")
        else:
            self.store(device, metric, at, value, arrived)

    def store(self, device: Device, metric: str, at: int, value: float, arrived: int) -> None:
        self.table[device.key, metric, at] = value
        self.counts["stored"][device.id] += 1
        last = self.newest.get((device.key, metric), LONG_AGO)
        if at <= last or (at < arrived - LATE_US and not device.recorded):
            self.counts["late"][device.id] += 1
        self.newest[device.key, metric] = max(last, at)
        if metric == "people":
            self.table[device.key, "density", at] = value * GAIN
            self.counts["derived"][device.id] += 1
        if metric == "rain-total" and not math.isnan(value) and (self.shown is None or at > self.shown[0]):
            before, self.shown = self.shown, (at, value)
            if before is not None and value >= min(before[1], 0):
                grown = value - before[1] if value >= before[1] else value
                self.table[device.key, "rain", at] = grown
                self.counts["derived"][device.id] += 1


# Few times and values, so that they meet: duplicates, conflicts, late ones, the borders of the window.
OFFSETS = st.sampled_from([
    0, 0, SECOND, 2 * SECOND, 3 * SECOND, -SECOND, -LATE_US, -LATE_US - 1, -PAST_US, -PAST_US - 1,
    FUTURE_US, FUTURE_US + 1, -(2**61), 2**61, CALENDAR_FROM_US - NOW, CALENDAR_FROM_US - NOW - 1,
])  # fmt: skip
VALUES = st.sampled_from([0.0, -0.0, 1.0, 1.0, 2.5, -3.0, math.nan, math.inf, -math.inf, 1e308])
NAMES = st.sampled_from([
    "level", "flow", "people", "nonsense", "density", "river-1/level", "river-1/flow", "river-2/level", "old-1/level",
    "gw-1/level", "nobody/level", "square-1/people", "rain-total", "rain-total", "rain",
])  # fmt: skip
SENT = st.tuples(
    st.sampled_from(DEVICES),
    st.lists(st.tuples(NAMES, OFFSETS, VALUES), min_size=1, max_size=6),
    st.integers(0, 3),  # seconds later
)
Sent = tuple[Device, list[tuple[str, int, float]], int]


def columnar(
    device: Device, samples: list[tuple[str, int, float]], number: int = 1, arrived: int = NOW
) -> Message:
    topic = f"city/v1/{device.department}/{device.key}/telemetry"
    return Message(topic, seal("b00t", number, 1, body(gather(samples))), number, 1, arrived)


def messages_of(sent: list[Sent]) -> tuple[list[Message], Model]:
    """Messages as edge agents send them, and what the model makes of the same readings."""
    model, messages = Model(), []
    for number, (device, samples, later) in enumerate(sent, 1):
        arrived = NOW + later * SECOND
        readings = [(name, NOW + offset, value) for name, offset, value in samples]
        messages.append(columnar(device, readings, number, arrived))
        for name, at, value in readings:
            model.take(device, name, at, value, arrived)
    return messages, model


def settled(hub: Hub, model: Model) -> None:
    assert hub.stored() == {key: repr(value + 0.0) for key, value in model.table.items()}
    counted = hub.counted()
    for column in ("received", "stored", "duplicate", "quarantined", "rejected", "derived"):
        assert counted[column] == dict(model.counts[column]), column
    assert hub.buried() == model.dead


@given(st.lists(SENT, min_size=1, max_size=12), st.data())
@settings(deadline=None, max_examples=150)
def test_any_messages_in_any_batches_are_settled_as_the_model_says(
    sent: list[Sent], data: st.DataObject
) -> None:
    messages, model = messages_of(sent)
    hub = Hub()
    left = messages
    while left:
        size = data.draw(st.integers(1, len(left)))
        hub.take(left[:size])
        left = left[size:]
    settled(hub, model)
    assert hub.counted()["late"] == dict(model.counts["late"])


@given(st.lists(SENT, min_size=1, max_size=12))
@settings(deadline=None, max_examples=150)
def test_one_by_one_or_all_at_once_makes_no_difference(sent: list[Sent]) -> None:
    messages, _ = messages_of(sent)
    together, single = Hub(), Hub()
    together.take(messages)
    for message in messages:
        single.take([message])
    assert together.stored() == single.stored()
    assert together.counted() == single.counted()
    assert together.buried() == single.buried()
    assert together.newest.times[: len(single.newest.times)].tolist() == single.newest.times.tolist()


@given(st.lists(SENT, min_size=1, max_size=8), st.data())
@settings(deadline=None, max_examples=100)
def test_everything_delivered_again_stores_nothing_new_and_pages_nobody(
    sent: list[Sent], data: st.DataObject
) -> None:
    messages, model = messages_of(sent)
    hub = Hub()
    hub.take(messages)
    before = hub.stored()
    again = hub.take(data.draw(st.permutations(messages)))
    assert hub.stored() == before
    assert len(again.rows) == 0
    assert again.ledger.total("stored") == again.ledger.total("derived") == 0
    assert (
        again.ledger.total("duplicate") == model.counts["duplicate"].total() + model.counts["stored"].total()
    )


def on_topic(topic: str, payload: bytes = b'{"level":1}') -> Message:
    return Message(topic, payload, 1, 1, NOW)


@pytest.mark.parametrize(
    ("topic", "reason", "detail", "device"),
    [
        ("city/v1/water/nobody/telemetry", "unknown-device", "nobody is not registered; `cityhub device import` adds it", 0),
        ("city/v1/order/river-2/telemetry", "wrong-department", "river-2 belongs to water, not to order", 3),
        ("city/v1/Water/river-2/telemetry", "bad-topic", "city/v1/Water/river-2/telemetry is not city/v1/", 0),
        ("not UTF-8", "bad-topic", "not UTF-8 is not city/v1/", 0),
        ("city/v1/water/river-2/telemetry\n", "bad-topic", "city/v1/water/river-2/telemetry\n is not", 0),
    ],
)  # fmt: skip
def test_a_message_that_nobody_may_send_is_one_dead_letter(
    topic: str, reason: str, detail: str, device: int
) -> None:
    hub = Hub()
    batch = hub.take([on_topic(topic)])
    [letter] = batch.dead
    assert (letter.reason, letter.device_id, letter.readings) == (reason, device or None, 1)
    assert letter.detail.startswith(detail)
    assert letter.message.payload == b'{"level":1}'
    assert hub.counted()["rejected"] == {device: 1}
    assert not batch.archive


def test_a_payload_that_cannot_be_read_is_one_dead_letter_with_the_decoders_words() -> None:
    hub = Hub()
    batch = hub.take([on_topic("city/v1/water/river-2/telemetry", b"{]")])
    [letter] = batch.dead
    assert (letter.reason, letter.device_id) == ("malformed", 3)
    assert letter.detail.startswith("not JSON: ")


def test_bombs_and_nonsense_between_sound_messages_cost_only_themselves() -> None:
    hub = Hub()
    topic = "city/v1/water/river-2/telemetry"
    nasty = [b"", b"[" * 1_000, b"\x9a\xff\xff\xff\xff", b"\0" * 300_000, b'{"a\\u0000b":1}', "水".encode()]
    messages = [on_topic(topic, payload) for payload in nasty]
    sound = on_topic(topic, orjson.dumps({"ts": NOW // 1000, "level": 4}))
    batch = hub.take([*messages[:3], sound, *messages[3:]])
    assert hub.stored() == {("river-2", "level", NOW): "4.0"}
    assert len(batch.dead) == len(nasty)
    assert not any("\0" in letter.detail for letter in batch.dead)


def test_a_table_of_names_may_hold_names_that_no_reading_uses() -> None:
    hub = Hub()
    readings = gather([("level", NOW, 1.0)])
    readings.names.append("nonsense")
    batch = hub.take([on_topic("city/v1/water/river-2/telemetry", seal("b", 1, 1, body(readings)))])
    assert batch.dead == []
    assert batch.ledger.total("received") == batch.ledger.total("stored") == 1


def test_a_senml_reading_in_another_unit_than_its_profiles_is_refused_and_the_others_are_taken() -> None:
    hub = Hub()
    pack = b'[{"n":"level","u":"m","v":1},{"n":"level","u":"cm","v":300,"t":-1},{"n":"flow","v":2}]'
    batch = hub.take([on_topic("city/v1/water/river-2/telemetry", pack)])
    assert set(hub.stored().values()) == {"1.0", "2.0"}
    [letter] = batch.dead
    assert (letter.reason, letter.readings) == ("wrong-unit", 1)
    assert letter.detail == "level comes in cm, its profile says m"


def test_texts_in_a_pack_are_dead_letters_of_their_own_and_the_numbers_are_taken() -> None:
    hub = Hub()
    pack = b'[{"n":"level","v":1},{"n":"door","vs":"open"},{"n":"key","vd":"aa"}]'
    batch = hub.take([on_topic("city/v1/water/river-2/telemetry", pack)])
    [letter] = batch.dead
    assert (letter.reason, letter.readings) == ("no-number", 2)
    assert batch.ledger.total("stored") == 1
    assert batch.ledger.total("rejected") == 2


def test_missing_values_are_flagged_and_stored() -> None:
    batch = Hub().take([columnar(ALONE, [("level", NOW, math.nan), ("flow", NOW, 1.0)])])
    assert batch.rows["flag"].tolist() == [MISSING, UNEVALUATED]


def test_an_edge_agents_progress_is_noted_even_where_nothing_of_it_is_stored() -> None:
    hub = Hub()
    batch = hub.take([columnar(GATEWAY, [("nobody/level", NOW, 1.0)], number=9)])
    assert batch.progress == [(1, "b00t", 1, 9)]
    assert batch.senders == {(1, "b00t"): ("water", "gw-1")}


def test_times_at_the_ends_of_their_64_bits_are_quarantined_and_break_nothing() -> None:
    hub = Hub()
    ends = [-(2**63), 2**63 - 1, -(2**63) + 1]
    batch = hub.take([columnar(ALONE, [("level", at, 1.0) for at in ends])])
    assert batch.ledger.total("quarantined") == 3
    [archived] = batch.archive
    assert CALENDAR_FROM_US <= archived.first_us <= archived.last_us


def test_the_archive_names_each_messages_span_and_parser() -> None:
    hub = Hub()
    batch = hub.take([
        columnar(ALONE, [("level", NOW, 1.0), ("flow", NOW - 5, 2.0)]),
        on_topic("city/v1/water/river-2/telemetry", b'{"ts":1790000000001,"level":7}'),
    ])  # fmt: skip
    assert [
        (entry.device_id, entry.first_us, entry.last_us, entry.readings, entry.parser)
        for entry in batch.archive
    ] == [
        (3, NOW - 5, NOW, 2, "columnar/1"),
        (3, NOW + 1000, NOW + 1000, 1, "json/1"),
    ]


@given(st.lists(SENT, min_size=1, max_size=8), st.data())
@settings(deadline=None, max_examples=150)
def test_rows_that_the_table_had_already_are_recounted_as_duplicates(
    sent: list[Sent], data: st.DataObject
) -> None:
    messages, _ = messages_of(sent)
    batch = Hub().assembler.assemble(messages)
    flags = st.sampled_from([UNEVALUATED, SUSPECT, FAIL])
    for row in range(len(batch.rows)):
        batch.rows["flag"][row] = data.draw(flags)
    batch.count_flags()
    keep = np.array([data.draw(st.booleans()) for _ in batch.rows], np.bool_)
    received = len(batch.rows) - batch.derived
    before = {column: batch.ledger.total(column) for column in Ledger.COLUMNS}
    batch.drop_duplicates(keep)
    assert batch.ledger.balance == 0
    assert len(batch.rows) == len(batch.device) == len(batch.newer) == len(batch.late) == keep.sum()
    assert batch.derived == keep[received:].sum()
    assert batch.ledger.total("stored") == keep[:received].sum()
    assert batch.ledger.total("derived") == keep[received:].sum()
    assert batch.ledger.total("duplicate") == before["duplicate"] + (~keep[:received]).sum()
    left = batch.rows[: len(batch.rows) - batch.derived]
    assert batch.ledger.total("flagged") == np.isin(left["flag"], (SUSPECT, FAIL)).sum()
    assert batch.ledger.total("late") == batch.late[: len(left)].sum()
    for book in batch.ledger.devices.values():
        assert min(book.values()) >= 0


@given(st.lists(st.tuples(st.integers(1, 4), st.integers(-5, 5)), max_size=40), st.data())
@settings(deadline=None)
def test_newer_means_newer_than_all_before_however_the_rows_are_cut(
    rows: list[tuple[int, int]], data: st.DataObject
) -> None:
    newest, found = Newest(), []
    seen: dict[int, int] = {}
    newest.reach(4)
    expected = []
    for slot, at in rows:
        expected.append(at > seen.get(slot, LONG_AGO))
        seen[slot] = max(at, seen.get(slot, LONG_AGO))
    left = rows
    while left:
        size = data.draw(st.integers(1, len(left)))
        series = np.array([slot for slot, _ in left[:size]], np.int32)
        found += newest.advance(series, np.array([at for _, at in left[:size]], np.int64)).tolist()
        left = left[size:]
    assert found == expected
    assert {slot: int(newest.times[slot]) for slot in seen} == seen


def test_the_ledger_counts_by_device_and_takes_back() -> None:
    ledger = Ledger()
    ledger.begin(NOW + 59 * SECOND)
    devices = np.array([7, 7, 9], np.int32)
    ledger.add(devices, received=np.array([True, True, True]), stored=np.array([True, False, True]))
    assert ledger.balance == 1
    ledger.take_back(devices, stored=np.array([False, False, True]))
    ledger.add(devices, duplicate=np.array([False, True, True]))
    assert ledger.balance == 0
    assert ledger.devices[9] == {**dict.fromkeys(Ledger.COLUMNS, 0), "received": 1, "duplicate": 1}
    assert ledger.minute_us % (60 * SECOND) == 0


def test_a_device_that_nobody_knows_is_counted_under_zero() -> None:
    hub = Hub()
    hub.take([on_topic("city/v1/water/nobody/telemetry"), on_topic("nonsense")])
    counted: dict[str, Any] = hub.counted()
    assert counted["received"] == counted["rejected"] == {0: 2}
