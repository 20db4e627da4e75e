"""The slaves of a Modbus line: which unit is which device, what it is asked for, and what asking it has come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.drivers.conversation import Counts
from edge.protocols.modbus.registers import Request, load

UNITS = range(256)
PATIENT_ROUNDS = 10  # one that never answers is asked in every tenth round


@dataclass(slots=True)
class Slave:
    """One device on the line, and what asking it has come to."""

    unit: int
    device: str
    requests: list[Request]
    counts: Counts = field(default_factory=Counts)
    last_heard_us: int = 0
    silent: int = 0  # rounds in vain, one after the other
    skip: int = 0  # rounds until it is asked again

    def as_status(self) -> dict[str, Any]:
        """The slave, for the status file."""
        return {
            "link": f"unit {self.unit}",
            "last_heard_us": self.last_heard_us,
            "stations": [self.device],
            "silent_rounds": self.silent,
            **self.counts.as_status(),
        }


def slaves_of(stations: Mapping[str, str], maps: Mapping[str, str]) -> list[Slave]:
    """The slaves to ask; raises ValueError where a unit has no map, or is none."""
    if not stations:
        raise ValueError('stations is empty; write unit = device, such as 1 = "pump-07"')
    found = []
    for unit, device in stations.items():
        if not (unit.isdigit() and int(unit) in UNITS):
            raise ValueError(f"stations.{unit}: a unit is a number, 0 to 255")
        if unit not in maps:
            raise ValueError(f"options.maps has no map for unit {unit}")
        found.append(Slave(int(unit), device, load(maps[unit]).requests()))
    for unit in maps.keys() - stations.keys():
        raise ValueError(f"options.maps.{unit} has no station")
    return found
