"""Which firmware a device runs: built from its fleet's entry."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from random import Random

from firmware_sim.plan import Unit
from firmware_sim.protocols.hj212 import Instrument
from firmware_sim.protocols.modbus import Registers, energy_meter, level_sensor
from firmware_sim.protocols.sdi12 import Sensor
from firmware_sim.protocols.sl651.frame import Line
from firmware_sim.protocols.slt427 import Station
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.logger import Intervals, Logger
from firmware_sim.stations.outbox import Outbox
from firmware_sim.stations.rtu import Rtu, Settings
from firmware_sim.stations.terminal import Terminal

Firmware = Rtu | Logger | Terminal
Last = Mapping[str, Mapping[str, float]]


def firmware(unit: Unit, seed: int, *, settable: bool = True) -> Firmware:
    """The firmware of a station that calls the hub."""
    fleet = unit.fleet
    chance = Random(f"{seed}/{unit.id}/firmware")  # noqa: S311 - clocks and serials, not secrets
    clock = Clock(
        chance.gauss(0, fleet.clock_offset_s), chance.gauss(0, fleet.clock_drift_ppm), settable=settable
    )
    if fleet.protocol == "hj212":
        st = fleet.class_ if fleet.class_.isdigit() else "32"
        # Defaults of HJ 212: 5 s, three tries more.
        waits = Outbox(repeats=3, patience_s=5.0)
        return Logger(Instrument(unit.address, st), Intervals(fleet.report_s), clock, waits)
    if fleet.protocol in ("slt427", "szy206"):
        station = Station(unit.address, short_time=fleet.protocol == "szy206")
        return Terminal(station, fleet.report_s, clock, Outbox(repeats=2))
    settings = Settings(
        kind=fleet.class_,
        timed_s=fleet.report_s,
        functions=fleet.functions,
        thresholds=fleet.thresholds,
        base_m=fleet.base_m,
        picture_s=fleet.picture_s,
    )
    line = Line(unit.address, ascii_=fleet.protocol == "sl651-ascii", deviations=unit.deviations)
    return Rtu(line, settings, chance, clock, Outbox())


def registers(unit: Unit, last: Last) -> Registers:
    """The registers of a Modbus unit as its last sample left them."""

    def meter() -> dict[int, int]:
        now = last.get(unit.id, {})
        told = (now.get(name, math.nan) for name in ("voltage", "current", "power", "energy-total"))
        return energy_meter(*told) if now else {}

    def water() -> dict[int, int]:
        now = last.get(unit.id, {})
        return level_sensor(now.get("rain-total", 0.0), now.get("level", 0.0)) if now else {}

    return meter if "power" in unit.fleet.measure else water


def sensor(unit: Unit, last: Last) -> Sensor:
    """An SDI-12 sensor: its values are those that its fleet measures, in that order; none before its first sample."""

    def read() -> list[float]:
        now = last.get(unit.id, {})
        return [now.get(name, 0.0) for name in unit.fleet.measure] if now else []

    made: Callable[[], list[float]] = read
    return Sensor(unit.address[:1], made)
