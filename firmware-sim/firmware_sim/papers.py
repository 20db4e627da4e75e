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
GROUP = "lanjiang"  # of Sparkplug's edge nodes


def scheme(unit: Unit) -> str:
    """How its address is told from addresses of other protocols; empty where the topic has the id itself."""
    protocol = unit.fleet.protocol
    return "" if protocol in ("jsonlines", "senml", "http", "city") else DRIVERS.get(protocol, protocol)


def address(unit: Unit) -> str:
    """Its address as `scheme:address`, as the hub's sources name it; empty where it needs none."""
    protocol, own = unit.fleet.protocol, unit.address
    if protocol == "sparkplug":
        own = f"{GROUP}/{node(unit)}/{own}"
    if protocol == "frigate":
        own = f"frigate/{own}"
    return f"{scheme(unit)}:{own}" if scheme(unit) else ""


def node(unit: Unit) -> str:
    """The Sparkplug edge node that speaks for it; empty for all others."""
    return (unit.fleet.gateway or "edge-1") if unit.fleet.protocol == "sparkplug" else ""


def behind(unit: Unit) -> str:
    """The gateway that carries its readings, or whose credential it speaks with; platforms on a broker have none of ours."""
    return "" if unit.fleet.protocol in (MQTT - {"city"}) | {"http"} else unit.fleet.gateway


def devices(scenario: Scenario, file: TextIO) -> None:
    """Write the CSV: gateways and edge nodes first, then every device with its address as `scheme:address`."""
    table = csv.writer(file, lineterminator="\n")
    table.writerow(COLUMNS)
    ground = scenario.world.ground if scenario.world else None
    lon, lat = ground.degrees(0, 0) if ground else (0.0, 0.0)
    named = {unit.id for unit in scenario.units}  # a gateway that tells of itself is one of them
    for name in sorted({behind(unit) for unit in scenario.units} - {""} - named):
        departments = {unit.fleet.department for unit in scenario.units if behind(unit) == name}
        table.writerow((name, f"Gateway {name}", min(departments), "gateway", "", lon, lat, "", ""))
    for name in sorted({node(unit) for unit in scenario.units} - {""}):
        departments = {unit.fleet.department for unit in scenario.units if node(unit) == name}
        own = f"sparkplug:{GROUP}/{name}"
        table.writerow((name, f"Edge node {name}", min(departments), "gateway", "", lon, lat, "", own))
    for unit in scenario.units:
        lon, lat = ground.degrees(unit.x, unit.y) if ground else (0.0, 0.0)
        fleet = unit.fleet
        where = (lon, lat, unit.counts_zone, address(unit))
        table.writerow((unit.id, unit.name, fleet.department, fleet.profile, behind(unit), *where))


def gateway(scenario: Scenario, id_: str, broker: str, home: str, port: int, credential: str = "") -> str:
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
    if credential:
        told.append(f"credential = {json.dumps(credential)}")
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
        told += options(kind, units)
    return "\n".join(told) + "\n"


def options(kind: str, units: list[Unit]) -> list[str]:
    """What a driver must know besides: register maps, parameters in their order, who has the old time tag."""
    if kind == "modbus":
        maps = ((u.address, "energy-meter" if "power" in u.fleet.measure else "sl651-sensors") for u in units)
        lines = (f"{json.dumps(unit)} = {json.dumps(name)}" for unit, name in maps)
        every_s = min(unit.fleet.every_s for unit in units)
        return ["", "[driver.options]", f"every_s = {every_s:g}", "", "[driver.options.maps]", *lines]
    if kind == "sdi12":
        told = []
        for unit in units:
            told += ["", f"[driver.options.sensors.{json.dumps(unit.address)}]"]
            told += [
                f"parameters = {json.dumps(list(unit.fleet.measure))}",
                f"interval_s = {unit.fleet.every_s:g}",
            ]
        return told
    old = [unit.address for unit in units if unit.fleet.protocol == "szy206"]
    return ["", "[driver.options]", f"szy206 = {json.dumps(old)}"] if old else []
