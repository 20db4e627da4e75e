"""Which sensors are on a line and what their values are, from a configuration."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.protocols.sdi12.answers import ADDRESS

COMMAND = re.compile(r"(?:MC?|CC?)[1-9]?|V|RC?[0-9]")
METRIC = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")
MOST = 99
"""Values that one measurement can promise."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One value of a sensor, in the order in which it sends them: stored as `sent * gain + offset`."""

    metric: str
    gain: float = 1.0
    offset: float = 0.0

    def __post_init__(self) -> None:
        if not METRIC.fullmatch(self.metric):
            raise ValueError(f"{self.metric!r:.80} is no name of a metric")


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor of a line. `command`: how it measures (M, MC, C, CC, each with a number; V; R0 ...)."""

    address: str
    device: str
    parameters: tuple[Parameter, ...]
    command: str = "M"
    interval_s: int = 300

    def __post_init__(self) -> None:
        if not ADDRESS.fullmatch(self.address):
            raise ValueError(f"{self.address!r:.40} is no address of SDI-12: one letter or digit")
        if not COMMAND.fullmatch(self.command):
            raise ValueError(
                f"command {self.command!r:.40} of sensor {self.address}: one of M, MC, C, CC, V, R0 ..."
            )
        if self.interval_s < 1:
            raise ValueError(f"interval_s of sensor {self.address} is less than a second")
        metrics = [parameter.metric for parameter in self.parameters]
        if not 1 <= len(metrics) <= MOST or len(set(metrics)) < len(metrics):
            raise ValueError(f"sensor {self.address} needs 1 to {MOST} parameters, each another metric")

    @property
    def checked(self) -> bool:
        """The values come with a check."""
        return self.command[1:2] == "C"


def sensors_of(stations: Mapping[str, str], sensors: Mapping[str, Any]) -> list[Sensor]:
    """Sensors of a configuration; raises ValueError naming what is wrong.

    `stations` leads from address to device; `sensors` from address to a table of `parameters` (each the metric's name,
    or a table of `metric`, `gain`, `offset`), and where it is not M every five minutes, `command` and `interval_s`.
    """
    for address in stations.keys() ^ sensors.keys():
        where = "sensors" if address in stations else "stations"
        raise ValueError(f"sensor {address} is not among the {where}")
    return [_sensor(address, device, sensors[address]) for address, device in stations.items()]


def _sensor(address: str, device: str, given: object) -> Sensor:
    known: dict[str, type] = {"parameters": list, "command": str, "interval_s": int}
    table = _table(f"sensor {address}", given, known)
    if "parameters" not in table:
        raise ValueError(f"sensor {address} has no parameters")
    parameters = tuple(_parameter(address, one) for one in table.pop("parameters"))
    return Sensor(address, device, parameters, **table)


def _parameter(address: str, given: object) -> Parameter:
    if isinstance(given, str):
        return Parameter(given)
    where = f"a parameter of sensor {address}"
    table = _table(where, given, {"metric": str, "gain": (int, float), "offset": (int, float)})
    if "metric" not in table:
        raise ValueError(f"{where} has no metric")
    return Parameter(table.pop("metric"), **{name: float(value) for name, value in table.items()})


def _table(where: str, given: object, known: Mapping[str, type | tuple[type, ...]]) -> dict[str, Any]:
    if not isinstance(given, Mapping):
        raise ValueError(f"{where} is {given!r:.60}, not a table")  # noqa: TRY004 -- of a file, as the others
    for name, value in given.items():
        if name not in known:
            raise ValueError(f"{where} has {name}; known are {', '.join(known)}")
        if isinstance(value, bool) or not isinstance(value, known[name]):
            raise ValueError(f"{name} of {where} is {value!r:.60}")  # noqa: TRY004 -- as above
    return dict(given)
