"""The ground on which faults are tried: a house, a hub in a thread or as a process, loads, and the oracle."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from faults.load import Load, Order
from faults.oracle import Record, Verdict, judge
from faults.programs import HubProcess, LoadProcess
from faults.rounds import PATIENCE_S
from fix_hub import House, wait_for
from numpy.typing import NDArray

from cityhub.hub import Hub, Plan
from ingest.order import Newest

RULE = """
rule: fault-cover
title: Cover open
applies_to: {profile: manhole-cover, metric: open}
above: {orange: 1}
on_delay_s: 0
off_delay_s: 0
"""


class Ground:
    """A city, and what has been started on it. Broker and database are addressed as the hub and the field see them."""

    def __init__(self, house: House) -> None:
        self.house = house
        house.city()
        self.rules = house.home / "rules"
        self.rules.mkdir()
        (self.rules / "cover.yaml").write_text(RULE)
        self.records: list[Path] = []

    def order(self, name: str = "edge", **wishes: Any) -> Order:
        """An order for a load of this name; the same name again continues on its journal and record."""
        record = self.house.home / f"{name}.record"
        if record not in self.records:
            self.records.append(record)
        wishes.setdefault("broker", self.house.broker.field_url)
        return Order(folder=str(self.house.home / name), record=str(record), **wishes)

    @contextmanager
    def hub(self, **wishes: str) -> Iterator[Resident]:
        """A hub in a thread of ours, for faults that come from outside of it."""
        given = {"database_url": self.house.database.url, "mqtt_url": self.house.broker.url, **wishes}
        resident = Resident(Plan(**given, rule_folders=(self.rules,)))  # type: ignore[arg-type]
        resident.start()
        try:
            wait_for(lambda: self.connected(resident), "the hub to connect", PATIENCE_S)
            yield resident
        finally:
            resident.stop()

    def connected(self, resident: Resident) -> bool:
        """Whether the hub of this thread says that it is connected."""
        if len(resident.deaths) > 5:
            raise resident.deaths[-1]
        rows = self.house.ask("select status ->> 'connected' from hub_run order by started_at desc limit 1")
        return resident.thread.is_alive() and rows == [("true",)]

    def hub_process(self, patch: str = "") -> HubProcess:
        """A hub as a process, to be killed; `patch` names the fault of a control."""
        process = HubProcess(self.house.settings, self.rules, self.house.home / "hub.log", patch)
        self.house._stack.callback(process.end, signal.SIGKILL)
        return process

    def load_process(self, **wishes: Any) -> LoadProcess:
        """Agents as a process, to be killed."""
        process = LoadProcess(self.order(**wishes), self.house.home / "load.log")
        self.house._stack.callback(process.kill)
        return process

    def judge(self) -> Verdict:
        """What the oracle says of everything that was accepted here."""
        with self.house.connect() as connection:
            return judge(connection, Record.of(*self.records))

    def passes(self, more: int) -> None:
        """Wait until the hub has stored so many more readings than now."""
        before = self.stored()
        wait_for(lambda: self.stored() >= before + more, f"{more} more readings", PATIENCE_S)

    def stored(self) -> int:
        """Readings that the ledger calls stored."""
        return int(self.house.ask("select coalesce(sum(stored), 0) from ledger_minute")[0][0])


class Resident:
    """A hub in a thread, started again when it ends by an error, as `cityhub up` does with its process."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.deaths = plan, []  # type: Plan, list[Exception]
        self._stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, name="hub", daemon=True)
        self.start = self.thread.start

    def stop(self) -> None:
        """End it, and wait until it has ended."""
        self._stopping.set()
        self.thread.join(60)
        if self.thread.is_alive():
            raise RuntimeError("the hub does not end")

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                Hub(self.plan, self._stopping).run()
            except Exception as error:  # noqa: BLE001 -- a process would end with it, and be started again
                self.deaths.append(error)
                self._stopping.wait(0.3)


@contextmanager
def loaded(order: Order) -> Iterator[Load]:
    """A load in a thread of ours; at the end of the block it has stopped accepting, and still sends."""
    load, stopping = Load(order), threading.Event()

    def run() -> None:
        while not stopping.is_set():
            load.step()
            stopping.wait(order.every_s)

    thread = threading.Thread(target=run, name="load", daemon=True)
    load.start()
    thread.start()
    try:
        yield load
    finally:
        stopping.set()
        thread.join()


def believe_everything_new(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault of a control: no unique index, and a hub that does not ask whether it has a reading or a fix already."""

    def news(_self: Newest, series: NDArray[np.int32], _time: NDArray[np.int64]) -> NDArray[np.bool_]:
        return np.ones(len(series), np.bool_)

    monkeypatch.setattr(Newest, "advance", news)
    with ground.house.connect() as connection:
        connection.execute("drop index reading_series_time")
        connection.execute("drop index fix_track_time")


def transitions(house: House) -> list[tuple[str, int]]:
    """What the alarm under test did: kind and the time of the reading that moved it, in us, in order."""
    return [
        (kind, int(at))
        for kind, at in house.ask(
            """select kind, (extract(epoch from reading_time) * 1000000)::bigint
               from alarm_transition join alarm on alarm.id = alarm_id where rule = 'fault-cover'
               order by reading_time, alarm_transition.id"""
        )
    ]


def due(record: Record, name: str) -> list[tuple[str, int]]:
    """What it should have done, by the readings that were accepted, in the order of their times."""
    steps, level = [], 0.0
    for at in sorted(at for of, at in record.accepted if of == name):
        value = record.offered[name, at]
        assert isinstance(value, float)
        if value != level:
            steps.append(("raised" if value else "returned", at))
            level = value
    return steps


def nap(seconds: float) -> None:
    """Let a fault last; nothing is concluded from its length."""
    time.sleep(seconds)


def root() -> bool:
    """Whether this run may mount and make namespaces."""
    return os.geteuid() == 0
