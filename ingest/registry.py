"""The registry in memory: who may send what, and the slot of every series."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.profile import EDGE_METRICS, HUB_METRICS, DerivedMetric, Metric, Profile

HUB = "hub"
"""Department, id and profile of the hub itself, which sends its own health like any device."""

VERTICAL = """coalesce(vertical_datum || case when coalesce(vertical_offset_m, 0) = 0 then ''
                       else format(' with its zero at %s m', vertical_offset_m) end, '')"""
"""What the readings of a device count from, in SQL; a zero elsewhere than the datum's own is another zero."""

NONE = 0
"""The slot of no series: series ids begin at 1."""


def meaning(sender: str, name: str) -> tuple[str, str]:
    """The device and metric that a name in a message of `sender` speaks of.

    `metric` is the sender's own, `device/metric` another device's; what comes before the last colon of a SenML name is
    the sensor's own prefix.
    """
    device, metric = name.split("/", 1) if "/" in name else (sender, name)
    return device, re.split("[:/]", metric)[-1]


@dataclass(frozen=True, slots=True)
class Device:
    """A registered device; `area_m2` is of the zone that it counts."""

    id: int
    key: str
    department: str
    profile: str
    gateway_id: int | None
    zone_id: int | None
    area_m2: float | None
    recorded: bool


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a name of a message leads to no series."""

    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Series:
    """A series and where it belongs; the id is its slot."""

    id: int
    device: Device
    metric: str
    measured: Metric


class Registry:
    """Devices, profiles and series as of the last `refresh`; series are created on first sight, in bulk.

    `look_again` is called for a device that is not known: it may have been enrolled a moment ago.
    """

    def __init__(self, look_again: Callable[[], None] = lambda: None) -> None:
        self._look_again = look_again
        self.devices: dict[str, Device] = {}
        # The few that are not as most are, read apart: a field more of 100,000 devices costs every refresh.
        self.retired: dict[str, str] = {}  # by key, since which day
        self.unwatched: dict[int, str] = {}  # by id, the state in which nobody is alarmed of them
        self.vertical: dict[int, str] = {}  # by id, the datum that their levels are counted from
        self.datum: dict[int, str] = {}  # by id, the datum that it tells places in, where that is shifted
        self.profiles: dict[str, Profile] = {}
        self.addresses: dict[tuple[str, str], Device] = {}  # by scheme and address
        self.series: dict[int, Series] = {}
        self.by_metric: dict[tuple[int, str], int] = {}  # of what is measured
        self.derived_by_metric: dict[tuple[int, str], int] = {}
        # By slot: the device's id, whether it is a recording, and the series derived from it (value = gain * value).
        self.device_of: NDArray[np.int32] = np.zeros(1, np.int32)
        self.recorded: NDArray[np.bool_] = np.zeros(1, np.bool_)
        self.derived_slot: NDArray[np.int32] = np.zeros(1, np.int32)
        self.gain: NDArray[np.float64] = np.zeros(1, np.float64)

    def refresh(self, connection: psycopg.Connection) -> list[Series]:
        """Read what has changed in the database; returns the series that are new to this process."""
        with connection.cursor() as cursor:
            cursor.execute("select key, body from profile")
            self.profiles = {key: Profile.model_validate(body) for key, body in cursor}
            cursor.execute(
                """select device.id, device.key, department.key, profile, gateway_id, zone_id,
                          coalesce(zone.usable_m2, zone.area_m2), recorded
                   from device join department on department.id = department_id
                        left join zone on zone.id = zone_id
                   where device.retired_at is null"""
            )
            self.devices = {row[1]: Device(*row) for row in cursor}
            cursor.execute(
                """select id, key, state, to_char(retired_at at time zone 'utc', 'YYYY-MM-DD') from device
                   where state <> 'commissioned'"""
            )
            apart = cursor.fetchall()
            self.unwatched = {number: state for number, _, state, _ in apart}
            self.retired = {key: day for _, key, state, day in apart if state == "retired"}
            cursor.execute(f"select id, {VERTICAL} from device where vertical_datum is not null")  # noqa: S608 -- our own expression
            self.vertical = dict(cursor.fetchall())
            cursor.execute("select id, datum from device where datum in ('GCJ02', 'BD09')")
            self.datum = dict(cursor.fetchall())
            by_id = {device.id: device for device in self.devices.values()}
            cursor.execute("select scheme, address, device_id from device_address")
            self.addresses = {row[:2]: by_id[row[2]] for row in cursor if row[2] in by_id}
            cursor.execute("select id, device_id, metric, derived_from, gain from series order by id")
            fresh = [
                self._learn(series_id, by_id[device_id], metric, source, gain)
                for series_id, device_id, metric, source, gain in cursor
                if series_id not in self.series and device_id in by_id
            ]
        return [series for series in fresh if series is not None]

    def underived(self) -> set[tuple[Device, str]]:
        """Series from which one is to be derived that is not there: a profile has changed, a zone was given."""
        return {
            (device, rule.source)
            for device in self.devices.values()
            if (profile := self.profiles[device.profile]).derived
            for name, rule, _ in _derived(device, profile)
            if (device.id, rule.source) in self.by_metric and (device.id, name) not in self.derived_by_metric
        }

    def device(self, key: str) -> Device | None:
        """The device of this key, if it is registered and in service."""
        if key not in self.devices:
            self._look_again()
        return self.devices.get(key)

    def addressed(self, scheme: str, address: str) -> Device | Refusal:
        """The device that a source calls by this address, or why there is none."""
        if (scheme, address) not in self.addresses:
            self._look_again()
        return self.addresses.get((scheme, address)) or Refusal(
            "unknown-device",
            f"no device has the address {scheme}:{address:.120}; the column address of a list gives it one",
        )

    def absent(self, key: str) -> Refusal:
        """Why a device that `device` does not know may not speak."""
        if key in self.retired:
            return Refusal(
                "retired-device",
                f"{key} was retired on {self.retired[key]}; `cityhub device step {key} suspended` takes it back",
            )
        return Refusal("unknown-device", f"{key:.80} is not registered; `cityhub device import` adds it")

    def watched(self, series_id: int) -> bool:
        """Whether people are alarmed of this series: its device is commissioned."""
        return self.series[series_id].device.id not in self.unwatched

    def resolve(self, sender: Device, name: str) -> tuple[Device, str] | Refusal:
        """The device and metric that a name in a message of `sender` means, or why it means nothing.

        A sender speaks for itself and the devices registered behind it; the hub itself speaks for all.
        """
        device, own = sender, sender.key == HUB
        key, metric = meaning(sender.key, name)
        if key != sender.key:
            behind = self.device(key)
            if behind is None:
                return self.absent(key)
            if behind.gateway_id != sender.id and not own:
                return Refusal("not-its-gateway", f"{key} is not registered behind {sender.key}")
            device = behind
        profile = self.profiles[device.profile]
        if metric in profile.metrics or metric in EDGE_METRICS or (own and metric in HUB_METRICS):
            return device, metric
        known = ", ".join(profile.metrics)
        return Refusal("unknown-metric", f"{metric:.80} is not a metric of {device.profile}; it has {known}")

    def create(self, connection: psycopg.Connection, wanted: Iterable[tuple[Device, str]]) -> list[Series]:
        """Create the missing series of `(device, metric)` and what is derived from them; commits."""
        measured, derived = [], []
        for device, metric in wanted:
            profile = self.profiles[device.profile]
            known = profile.metric(metric)
            if known is None:
                raise LookupError(f"{metric} was resolved, and is no metric of {device.profile}")
            measured.append((device.id, metric, known.unit))
            derived += [
                (device.id, name, rule.unit, device.zone_id if gain else None, rule.source, gain or 1.0)
                for name, rule, gain in _derived(device, profile)
                if rule.source == metric
            ]
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(
                """insert into series (device_id, metric, unit)
                   select * from unnest(%s::int[], %s::text[], %s::text[])
                   on conflict (device_id, metric) do nothing""",
                _columns(measured, 3),
            )
            cursor.execute(
                """insert into series (device_id, metric, unit, zone_id, derived_from, gain)
                   select wanted.device_id, wanted.metric, wanted.unit, wanted.zone_id, series.id, wanted.gain
                   from unnest(%s::int[], %s::text[], %s::text[], %s::int[], %s::text[], %s::float8[])
                        as wanted (device_id, metric, unit, zone_id, source, gain)
                        join series on series.device_id = wanted.device_id and series.metric = wanted.source
                   on conflict (device_id, metric) do nothing""",
                _columns(derived, 6),
            )
            by_id = {device.id: device for device, _ in wanted}
            # Only what is asked for: reading the whole registry again costs 45 ms for 10,000 devices.
            cursor.execute(
                "select id, device_id, metric, derived_from, gain from series where device_id = any(%s) order by id",
                (list(by_id),),
            )
            rows = cursor.fetchall()
        # Learned only when committed: where the answer is lost this runs again, and must find them new again.
        fresh = [
            self._learn(series_id, by_id[device_id], metric, source, gain)
            for series_id, device_id, metric, source, gain in rows
            if series_id not in self.series
        ]
        return [series for series in fresh if series is not None]

    def _learn(
        self, series_id: int, device: Device, metric: str, source: int | None, gain: float | None
    ) -> Series | None:
        measured = self.profiles[device.profile].metric(metric)
        if measured is None:  # the profile no longer knows this metric; its readings stay, no more are taken
            return None
        series = Series(series_id, device, metric, measured)
        self.series[series_id] = series
        self._reach(series_id)
        self.device_of[series_id] = device.id
        self.recorded[series_id] = device.recorded
        if source is None:
            self.by_metric[device.id, metric] = series_id
        elif gain is not None:
            self.derived_by_metric[device.id, metric] = series_id
            self.derived_slot[source], self.gain[source] = series_id, gain
        return series

    def _reach(self, slot: int) -> None:
        if len(self.device_of) <= slot:
            room = max(slot + 1, 2 * len(self.device_of)) - len(self.device_of)
            self.device_of, self.recorded = (
                np.pad(self.device_of, (0, room)),
                np.pad(self.recorded, (0, room)),
            )
            self.derived_slot, self.gain = np.pad(self.derived_slot, (0, room)), np.pad(self.gain, (0, room))


def _derived(device: Device, profile: Profile) -> Iterator[tuple[str, DerivedMetric, float | None]]:
    """What is derived for a device: name, rule, and the gain; None of a counter, whose differences are no multiples."""
    for name, rule in profile.derived.items():
        if rule.over == "counter":
            yield name, rule, None
        elif device.area_m2:
            yield name, rule, 1 / device.area_m2


def _columns(rows: Sequence[Sequence[object]], width: int) -> list[list[object]]:
    return [[row[column] for row in rows] for column in range(width)]
