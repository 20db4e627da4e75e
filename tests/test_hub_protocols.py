"""Each protocol end to end: what simulated devices sampled is what the database holds, once, at its time."""

from __future__ import annotations

import math
import socket
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fix_hub import PATIENCE_S, House, wait_for

from cityhub.commands.device import import_devices
from firmware_sim import papers, scenario
from firmware_sim.field import Sample
from firmware_sim.options import each_address
from firmware_sim.run import Stop, calendar, run
from firmware_sim.town import Town, Ways

pytestmark = pytest.mark.timeout(300)

SEED, STORY_S = 7, 7200
# One fleet a protocol; SDI-12 and Modbus are asked, so they are played in real time.
FIELD = """
world: {kind: basin, storm_from_s: 600}
fleets:
  - {id: "gauge-{n}", count: 2, layout: {along: river}, profile: sl651-station, protocol: sl651, address: "003210000{n}",
     department: water, gateway: gateway-01, every_s: 300, functions: ["32", "34"], measure: [level, rain, rain-total, battery]}
  - {id: even-1, layout: {along: river}, profile: sl651-station, protocol: sl651, address: "0032100009",
     department: water, gateway: gateway-01, every_s: 300, functions: ["31", "32"], measure: [level]}
  - {id: old-1, layout: {along: river}, profile: sl651-station, protocol: sl651, address: "0032300001",
     department: water, gateway: gateway-01, every_s: 300, functions: ["32", "34"], measure: [level, rain, rain-total],
     deviations: [a, d, e, f, h]}
  - {id: "rain-{n}", count: 2, layout: {within: basin}, profile: sl651-station, protocol: sl651-ascii, class: P,
     address: "003220000{n}", department: water, gateway: gateway-01, every_s: 300, functions: ["32", "34"],
     measure: [rain, rain-total, battery]}
  - {id: intake-1, layout: {along: river}, profile: water-resource-station, protocol: slt427, address: "3205810100",
     department: water, gateway: gateway-01, every_s: 300, measure: [level, flow]}
  - {id: intake-2, layout: {along: river}, profile: water-resource-station, protocol: szy206, address: "3205810200",
     department: water, gateway: gateway-01, every_s: 300, measure: [level, rain-total]}
  - {id: quality-1, layout: {along: river}, profile: hj212-water-station, protocol: hj212, class: "21",
     address: "320583202600000000000001", department: environment, gateway: gateway-01, every_s: 60, report_s: 60,
     measure: [ph, dissolved-oxygen, water-temperature, ammonia]}
  - {id: weir-1, layout: {along: river}, profile: river-gauge, protocol: jsonlines, department: water,
     gateway: gateway-01, every_s: 300, measure: [level, rain]}
  - {id: post-1, layout: {along: river}, profile: river-gauge, protocol: http, department: water, every_s: 300,
     measure: [level, battery]}
  - {id: "cover-{n}", count: 2, layout: {within: old-town}, profile: lorawan-cover, protocol: chirpstack,
     address: "a84041000181000{n}", every_s: 600, battery: primary, measure: [tilt, water, open, battery]}
  - {id: meter-1, layout: {within: old-town}, profile: energy-meter, protocol: modbus, address: "1",
     gateway: gateway-01, every_s: 0.5, measure: [voltage, current, power, energy-total]}
  - {id: gauge-rs485, layout: {along: river}, profile: sl651-station, protocol: modbus, address: "2",
     gateway: gateway-01, every_s: 0.5, measure: [level, rain-total]}
  - {id: mast-1, layout: {at: [[0, 0]]}, profile: weather-station, protocol: sdi12, address: "0",
     gateway: gateway-01, every_s: 1, measure: [air-temperature, rain-total]}
"""
CROWD = """
world: {kind: stadium}
fleets:
  - {id: camera-east, layout: {at: [[118, 12]]}, profile: onvif-counting-camera, protocol: onvif, address: Stadium/east,
     department: police, place: plaza-east, every_s: 30, measure: [people, out-total]}
  - {id: camera-west, layout: {at: [[-118, 12]]}, profile: frigate-camera, protocol: frigate, address: camera_west,
     department: police, place: plaza-west, every_s: 30, measure: [people]}
"""
HARBOUR = """
world: {kind: harbour}
fleets:
  - {id: "barrier-{n}", count: 2, layout: {at: [[-200, 700], [0, 720]]}, profile: sluice-gate, protocol: sparkplug,
     address: "gate-{n}", department: harbour, gateway: plc-01, every_s: 60, measure: [gate-opening, level-above]}
  - {id: "shed-{n}", count: 2, layout: {within: container-yard}, profile: weather-station, protocol: thingsboard,
     address: "shed-{n}", department: harbour, every_s: 300, measure: [air-temperature, humidity]}
"""
BUOY = """
world: {kind: harbour}
fleets:
  - {id: buoy-1, layout: {within: west-basin}, profile: weather-station, protocol: senml, department: harbour,
     every_s: 300, measure: [wind-speed, air-pressure]}
"""
STORY = {"sl651", "sl651-ascii", "slt427", "szy206", "hj212", "jsonlines", "http", "chirpstack"}
Table = dict[tuple[str, str], dict[int, float]]
"""(device, metric) -> time in us -> value."""


@dataclass(slots=True)
class Said:
    """A sample: whose, when (ms, as the device tells it, and the true time), and what."""

    device: str
    ts_ms: int
    true_s: float
    values: dict[str, float]


class Watched(Town):
    """The simulator's town, and a list of what its devices sampled."""

    said: list[Said]

    def sampled(self, sample: Sample, ts_ms: int, true_s: float) -> None:
        self.said.append(Said(sample.device, ts_ms, true_s, dict(sample.values)))
        super().sampled(sample, ts_ms, true_s)


def play(
    file: Path, ways: Ways, seconds: float, speed: float = math.inf, stop: Stop | None = None
) -> list[Said]:
    """Play so many seconds of a story, by default at once; all that was sampled, when all of it is settled."""
    played = scenario.load(str(file), SEED)
    town = Watched(played, ways, SEED, settable=False)
    town.said = []
    times = calendar(played, speed=speed, for_s=seconds)
    run(played, town, stop or Stop(), times, seed=SEED, speed=speed, for_s=seconds)
    waiting = town.waiting
    town.close()
    assert waiting == 0, town.conclusion()
    return town.said


class Place:
    """A hub whose registry knows a scenario's devices, from the papers that the simulator writes for it."""

    def __init__(self, house: House, folder: Path) -> None:
        self.house, self.folder = house, folder

    def scenario(self, name: str, text: str) -> Path:
        """A scenario's file; its devices are registered."""
        file, listed = self.folder / f"{name}.yaml", self.folder / f"{name}.csv"
        file.write_text(text)
        with listed.open("w") as opened:
            papers.devices(scenario.load(str(file), SEED), opened)
        with self.house.connect() as connection:
            import_devices(connection, listed)
        return file

    def gateway(self, field: Path) -> dict[str, int]:
        """The edge agent of the field's gateway, a process of its own; kind of driver -> its port."""
        credential = self.folder / "broker.credential"
        enrolled = self.house.enrolled("gateway-01")
        enrolled.save(credential)
        kinds = ["sl651", "sl427", "hj212", "jsonlines", "modbus", "sdi12"]
        first = free_ports(len(kinds))
        at = f"mqtt://{enrolled.host}:{enrolled.port}"
        file = self.folder / "gateway.toml"
        file.write_text(
            papers.gateway(scenario.load(str(field), SEED), "gateway-01", at, str(self.folder / "edge"), first, str(credential))
        )  # fmt: skip
        ports = {kind: first + place for place, kind in enumerate(kinds)}
        for kind, port in ports.items():
            assert f'kind = "{kind}"\n' in file.read_text()
            assert f'127.0.0.1:{port}"' in file.read_text()
        self.agent = self.house.start_edge(file)
        return ports

    def token(self) -> str:
        """A token with which devices post."""
        client = self.house.sign_in()
        answer = client.post("/api/v1/tokens", json={"name": "posts", "scopes": ["write"], "days": 1})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    def holds(self) -> Table:
        """Every reading of a device."""
        found: Table = {}
        for device, metric, at_us, value in self.house.ask(
            """select device.key, metric, (extract(epoch from reading.time) * 1000000)::bigint, value
               from reading join series on series.id = series_id join device on device.id = device_id
               where device.key <> 'hub' and device.profile <> 'gateway'"""
        ):
            found.setdefault((device, metric), {})[at_us] = value
        return found

    def balanced(self) -> None:
        """Nothing is refused, and everything that came is accounted for."""
        assert self.house.ask("select reason, detail, topic from dead_letter") == []
        balance = (
            "select sum(received - stored - duplicate - quarantined - rejected), sum(quarantined + rejected)"
        )
        assert self.house.ask(f"{balance} from ledger_minute") == [(0, 0)]

    def notes(self) -> dict[str, dict[str, Any]]:
        """What the agent has told of its stations' habits by code, when it has ended."""
        self.agent.terminate()
        assert self.agent.wait(30) == 0
        events = wait_for(
            lambda: self.house.ask("select data -> 'notes' from event where type = 'notes'"), "the notes"
        )
        return {note["code"]: note for (notes,) in events for note in notes}

    def holds_all(self, wanted: Table) -> Table:
        """What the table holds of the series that are wanted, once it is all that was said."""

        def mine() -> Table | None:
            held = self.holds()
            return held if all(len(held.get(key, {})) >= len(rows) for key, rows in wanted.items()) else None

        try:
            found: Table = wait_for(mine, "every sample", 90)
        except pytest.fail.Exception:
            held = self.holds()
            lacks = {
                k: (len(held.get(k, {})), len(v)) for k, v in wanted.items() if len(held.get(k, {})) < len(v)
            }
            letters = self.house.ask("select reason, detail, topic, times from dead_letter limit 20")
            logs = [(self.house.home / f"{name}.log").read_text()[-1500:] for name in ("edge", "hub")]
            pytest.fail("\n".join([f"held and wanted: {lacks}; dead letters: {letters}", *logs]))
        return found


def free_ports(count: int) -> int:
    """The first of some ports in a row on which nobody listens."""
    for first in range(28_481, 60_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
            return first
    pytest.fail("no ports are free")


def reachable(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def table(said: list[Said], device: str, at: Callable[[Said], float]) -> Table:
    """What a device sampled, as a table; `at` is the moment in seconds that its protocol can tell."""
    found: Table = {}
    for one in said:
        if one.device == device:
            for metric, value in one.values.items():
                found.setdefault((device, metric), {})[round(at(one) * 1e6)] = value
    return found


def minute(one: Said) -> float:
    return one.true_s // 60 * 60


def second(one: Said) -> float:
    return one.true_s // 1


def stamp(one: Said) -> float:
    return one.ts_ms / 1000


def same(held: Table, wanted: Table, *, at_us: int = 1) -> None:
    """Each series holds what is wanted and nothing else but what is missing (NaN); times are cut to `at_us`."""
    assert wanted
    for key, rows in wanted.items():
        there = {moment: value for moment, value in held[key].items() if not math.isnan(value)}
        cut = {moment // at_us * at_us: value for moment, value in there.items()}
        assert len(cut) == len(there), key
        assert cut == pytest.approx({m // at_us * at_us: v for m, v in rows.items()}, abs=1e-9), key


def whole_hours(said: list[Said], device: str, metric: str) -> dict[int, float]:
    """What the hour reports tell of a metric: slots of five minutes by their ends, as far as an hour is over."""
    mine = [
        (int(minute(one)), one.values[metric])
        for one in said
        if one.device == device and metric in one.values
    ]
    if not mine:
        return {}
    over = mine[-1][0] // 3600 * 3600
    begun = mine[0][0] // 3600 * 3600
    return {
        -(-at // 300) * 300 * 1_000_000: value for at, value in mine if begun < -(-at // 300) * 300 <= over
    }


def means(said: list[Said], device: str) -> Table:
    """What a logger of HJ 212 tells of each ten minutes that are over, at their beginning."""
    gathered: dict[tuple[str, int], list[float]] = {}
    mine = [one for one in said if one.device == device]
    for one in mine:
        for metric, value in one.values.items():
            gathered.setdefault((metric, int(one.true_s // 600) * 600), []).append(value)
    found: Table = {}
    for (metric, begun), values in gathered.items():
        if begun != int(mine[-1].true_s // 600) * 600:
            decimals = {"ph": 2, "dissolved-oxygen": 2, "water-temperature": 1, "ammonia": 3}[metric]
            of = {"avg": sum(values) / len(values), "min": min(values), "max": max(values)}
            for kind, value in of.items():
                told = found.setdefault((device, f"{metric}-minute-{kind}"), {})
                told[begun * 1_000_000] = round(value, decimals)
    return found


def stations_and_posts(place: Place, field: Path, ports: dict[str, int]) -> None:
    """What calls the hub, or is posted; a story of two hours at once."""
    wait_for(lambda: reachable(ports["sl651"]), "the edge agent to listen")
    house = place.house
    api = house.url.removeprefix("http://")
    platform = house.source("chirpstack", "municipal", ["application/+/device/+/event/+"], [])
    played = scenario.load(str(field), SEED)
    to = each_address(
        [f"sl651=127.0.0.1:{ports['sl651']}", f"slt427=127.0.0.1:{ports['sl427']}", f"hj212=127.0.0.1:{ports['hj212']}",
         f"jsonlines=127.0.0.1:{ports['jsonlines']}", f"http={api}"],
        played,
    )  # fmt: skip
    said = [
        one
        for one in play(field, Ways(to, mqtt=platform, token=place.token()), STORY_S)
        if next(unit for unit in played.units if unit.id == one.device).fleet.protocol in STORY
    ]
    wanted: Table = {}
    for device in ("gauge-1", "gauge-2", "even-1", "old-1", "rain-1", "rain-2"):
        wanted |= table(said, device, minute)  # SL 651 observes in minutes
        wanted.pop((device, "rain"), None)  # told in slots of five minutes
    for device in ("gauge-1", "gauge-2", "old-1", "rain-1", "rain-2"):
        wanted[device, "rain-5min"] = whole_hours(said, device, "rain")
        for metric in ("rain-total", "battery"):  # the report of an hour tells them as they stood at its end
            hours = {at: v for at, v in whole_hours(said, device, metric).items() if at % 3_600_000_000 == 0}
            if hours:
                wanted[device, metric] |= hours
    wanted["even-1", "level"] |= whole_hours(said, "even-1", "level")
    for device in ("intake-1", "intake-2"):
        wanted |= table(said, device, second)
    wanted |= table(said, "quality-1", minute)
    wanted |= means(said, "quality-1")
    for device in ("weir-1", "post-1", "cover-1", "cover-2"):
        wanted |= table(said, device, stamp)
    held = place.holds_all(wanted)
    of_a_network = {key: rows for key, rows in wanted.items() if key[0].startswith("cover")}
    same(held, {key: rows for key, rows in wanted.items() if key not in of_a_network})
    same(held, of_a_network, at_us=1000)  # ChirpStack's nanoseconds are its own
    for device in ("gauge-1", "old-1"):
        relative = whole_hours(said, device, "level")
        told = {at: v for at, v in held[device, "level-relative-1"].items() if not math.isnan(v)}
        assert told == pytest.approx(relative, abs=0.0051)  # in centimetres


def habits(place: Place) -> None:
    """What a station did against its standard has come as an event."""
    notes = place.notes()
    # Modbus and SDI-12 were asked before they had measured, and after they had gone.
    unheard = {"modbus-silent", "modbus-exception-6", "no-answer", "no-values"}
    assert notes.keys() - unheard == {"hour-end", "leader-definition", "trailing-7e", "centre-zero"}
    assert notes["hour-end"]["station"] == "old-1"


def asked_devices(place: Place, field: Path, ports: dict[str, int]) -> None:
    """What the agent asks, in real time: Modbus and SDI-12."""
    played = scenario.load(str(field), SEED)
    listen = each_address([f"{kind}=127.0.0.1:{ports[kind]}" for kind in ("modbus", "sdi12")], played)
    measured = {"meter-1": ("voltage", "current", "power", "energy-total"), "gauge-rs485": ("level", "rain-total"),
                "mast-1": ("air-temperature", "rain-total")}  # fmt: skip
    stop, said = Stop(), list[Said]()
    playing = threading.Thread(
        target=lambda: said.extend(play(field, Ways(listen=listen), PATIENCE_S, speed=1, stop=stop))
    )
    playing.start()
    wanted = [(device, metric) for device, metrics in measured.items() for metric in metrics]

    def enough() -> Table | None:
        held = place.holds()
        return held if all(len(held.get(key, {})) >= 3 for key in wanted) else None

    try:
        held: Table = wait_for(enough, "three answers of each")
    finally:
        stop.ask()
        playing.join()
    for device, metrics in measured.items():
        for metric in metrics:
            rows = [
                (one.true_s, one.values[metric])
                for one in said
                if one.device == device and metric in one.values
            ]
            told = sorted(held[device, metric].items())
            for at_us, value in told:
                before = [v for at, v in rows if at <= at_us / 1e6 + 0.5][-3:]
                assert any(value == pytest.approx(v, rel=1e-6) for v in before), (device, metric)


def platforms_and_cameras(place: Place) -> None:
    """What comes on topics of its own, each under its own credential."""
    house = place.house
    crowd, harbour = place.scenario("crowd", CROWD), place.scenario("harbour", HARBOUR)
    buoy = place.scenario("buoy", BUOY)
    cameras = house.source("cameras", "police", ["Stadium/#", "frigate/#"], [])
    said = play(crowd, Ways(mqtt=cameras), 3600)
    yard = house.source(
        "yard", "harbour", ["v1/gateway/#", "spBv1.0/lanjiang/#"], ["spBv1.0/lanjiang/NCMD/#"]
    )
    said += play(harbour, Ways(mqtt=yard), 7200)
    said += play(buoy, Ways(mqtt=house.enrolled("buoy-1").url), 7200)  # a device of our own topics
    wanted: Table = {}
    for device in ("camera-east", "barrier-1", "barrier-2", "shed-1", "shed-2", "buoy-1"):
        wanted |= table(said, device, stamp)
    held = place.holds_all(wanted)
    # A node that the host asks to be born again tells what stands at that moment: a reading more.
    for key in wanted:
        if key[0].startswith("barrier"):
            held[key] = {at: value for at, value in held[key].items() if at in wanted[key]}
    same(held, wanted)
    passed = wanted["camera-east", "out-total"]
    assert sum(held["camera-east", "out"].values()) == max(passed.values()) - min(passed.values())
    # Frigate's counts have no time: they come in their order, at the hub's.
    counted = [one.values["people"] for one in said if one.device == "camera-west"]
    assert [value for _, value in sorted(held["camera-west", "people"].items())] == counted


def test_what_simulated_devices_sampled_is_what_the_database_holds(house: House, tmp_path: Path) -> None:
    house.keep_the_gate()
    place = Place(house, tmp_path)
    field = place.scenario("field", FIELD)
    ports = place.gateway(field)
    house.start_hub()
    house.start_api()
    asked_devices(place, field, ports)
    stations_and_posts(place, field, ports)
    platforms_and_cameras(place)
    habits(place)
    place.balanced()
