"""Papers of a scenario: the list of its devices, and the file of the gateway that serves them."""

from __future__ import annotations

import csv
import json
from typing import TextIO

from firmware_sim.plan import MQTT, Unit
from firmware_sim.scenario import Scenario

COLUMNS = ("id", "name", "department", "profile", "gateway", "lon", "lat", "counts_zone", "address")
# The kinds of an edge agent's drivers.
DRIVERS = {
    "jsonlines": "jsonlines",
    "sl651": "sl651",
    "sl651-ascii": "sl651",
    "slt427": "sl427",
    "szy206": "sl427",
    "hj212": "hj212",
    "modbus": "modbus",
    "sdi12": "sdi12",
}
ASKED = {"modbus", "sdi12"}


def scheme(unit: Unit) -> str:
    """How its address is told from addresses of other protocols; empty where the topic has the id itself."""
    protocol = unit.fleet.protocol
    return "" if protocol in ("jsonlines", "senml", "http") else DRIVERS.get(protocol, protocol)


def devices(scenario: Scenario, file: TextIO) -> None:
    """Write the CSV: gateways first, then every device with its address as `scheme:address`."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    ground = scenario.world.ground if scenario.world else None
    gateways = sorted({unit.fleet.gateway for unit in scenario.units} - {""})
    for name in gateways:
        lon, lat = ground.degrees(0, 0) if ground else (0.0, 0.0)
        departments = {unit.fleet.department for unit in scenario.units if unit.fleet.gateway == name}
        table.writerow((name, f"Gateway {name}", min(departments), "gateway", "", lon, lat, "", ""))
    for unit in scenario.units:
        lon, lat = ground.degrees(unit.x, unit.y) if ground else (0.0, 0.0)
        fleet = unit.fleet
        address = f"{scheme(unit)}:{unit.address}" if scheme(unit) else ""
        where = (lon, lat, unit.counts_zone, address)
        table.writerow((unit.id, unit.name, fleet.department, fleet.profile, fleet.gateway, *where))


def gateway(scenario: Scenario, id_: str, broker: str, home: str, port: int) -> str:
    """The TOML of an edge agent: one driver a kind, with the addresses of its stations.

    Raises:
        ValueError: no device stands behind such a gateway.
    """
    served = [unit for unit in scenario.units if unit.fleet.protocol not in MQTT | {"http"}]
    names = sorted({unit.fleet.gateway for unit in served} - {""})
    chosen = id_ or (names[0] if names else "")
    mine = [unit for unit in served if unit.fleet.gateway == chosen]
    if not mine:
        raise ValueError(f"no device of this scenario stands behind a gateway {chosen!r}")
    department = min({unit.fleet.department for unit in mine})
    told = ["[gateway]"]
    for key, value in (("id", chosen), ("department", department), ("broker", broker), ("home", home)):
        told.append(f"{key} = {json.dumps(value)}")
    kinds: dict[str, list[Unit]] = {}
    for unit in mine:
        kinds.setdefault(DRIVERS[unit.fleet.protocol], []).append(unit)
    for place, (kind, units) in enumerate(kinds.items()):
        way = "connect" if kind in ASKED else "listen"
        told += ["", "[[driver]]", f'kind = "{kind}"', f'{way} = "127.0.0.1:{port + place}"']
        if kind != "jsonlines":
            told += [
                "",
                "[driver.stations]",
                *(f"{json.dumps(u.address)} = {json.dumps(u.id)}" for u in units),
            ]
    return "\n".join(told) + "\n"
