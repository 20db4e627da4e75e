"""Simulated stations, strangers to our decoders, in dialogue with them: what they measured is what we store."""

from __future__ import annotations

import math
from datetime import datetime
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cityhub.commands.decode import decode
from cityhub.drivers import check
from cityhub.gateway import parse
from cityhub.toml_table import Mistake
from edge.drivers.hj212 import Hj212
from edge.drivers.kept import Kept
from edge.drivers.sdi12 import Sdi12
from edge.drivers.sl427 import Sl427
from firmware_sim.protocols import hj212 as station212
from firmware_sim.protocols import slt427
from firmware_sim.protocols.sdi12 import Bus, Sensor

NOON = datetime(2026, 10, 15, 12, 0, 30)  # noqa: DTZ001 -- a station's clock: Beijing time without a zone
NOON_US = 1_792_036_830_000_000
NOW = NOON_US + 2_000_000
HEAD = """
[gateway]
id = "gateway-1"
department = "drainage"
broker = "mqtt://localhost:1883"
"""


def test_a_split_message_of_hj_212_is_stored_whole_and_confirmed_with_its_own_number() -> None:
    instrument = station212.Instrument("010000A8900016F000169DC0", "21")
    factors = [
        station212.Factor(f"w{number:05}", {"Min": number, "Avg": number + 0.5, "Max": number + 1.0})
        for number in range(2, 42)
    ]
    sent = station212.data(instrument, "20261015120030000", "2051", NOON, factors)
    assert len(sent) > 1
    heard = Hj212({instrument.mn: "outlet-1"}).hear(b"".join(sent), NOW)
    assert {at for _, at, _ in heard.samples} == {NOON_US}
    found = {name.removeprefix("outlet-1/"): value for name, _, value in heard.samples}
    assert len(found) == 3 * len(factors)
    assert found["w00041-minute-avg"] == 41.5
    (order,) = station212.Orders().feed(heard.reply)
    assert (order.head["CN"], order.head["QN"], order.head["MN"]) == (
        "9014",
        "20261015120030000",
        instrument.mn,
    )


def test_a_factor_that_a_logger_of_hj_212_could_not_measure_is_missing() -> None:
    instrument = station212.Instrument("010000A8900016F000169DC0")
    factors = [station212.Factor("w01018", {"Rtd": None}, "D"), station212.Factor("w21003", {"Rtd": 1.25})]
    (sent,) = station212.data(instrument, "20261015120030000", "2011", NOON, factors, ack=False)
    heard = Hj212({}).hear(sent, NOW)
    found = {name.rpartition("/")[2]: value for name, _, value in heard.samples}
    assert math.isnan(found["cod"])
    assert found["ammonia"] == 1.25
    assert heard.reply == b""


@pytest.mark.parametrize("short", [False, True], ids=["SL/T 427", "SZY 206"])
def test_reports_of_a_terminal_are_stored_and_confirmed(short: bool) -> None:  # noqa: FBT001
    station = slt427.Station(slt427.district_address("110108", 1284), short_time=short)
    dialogue = Sl427({"110108/1284": "well-1"}, szy206=["110108/1284"] if short else [], kept=Kept().get)
    sent = slt427.link(station, slt427.LOGIN)
    for kind, value in ((slt427.LEVEL, -3.456), (slt427.RAIN, 12.5), (slt427.PRESSURE, 245.67)):
        sent += slt427.report(station, kind, slt427.packed(kind, value), NOON, alarm=1, state=0x21)
    flow = slt427.flow(-1.25) + slt427.volume(123_456)
    sent += slt427.report(station, slt427.FLOW, flow, NOON, state=0x31)
    sent += slt427.report(
        station, slt427.SOIL, slt427.soil(23.4, 10) + slt427.soil(None, 40), NOON, state=0x31
    )
    if not short:
        sent += slt427.alarm_report(station, 4, 0x31, NOON) + slt427.voltage_report(station, 12.34)
    heard = dialogue.hear(sent, NOW)
    assert heard.notes == []
    found = {name.removeprefix("well-1/"): value for name, _, value in heard.samples}
    assert (found["level"], found["rain-total"], found["pressure"]) == (-3.456, 12.5, 245.67)
    assert (found["flow"], found["volume-total"]) == (-1.25, 123_456)
    if not short:
        assert (found["battery"], found["level-alarm"]) == (12.34, 1)
    assert found["soil-moisture-10"] == 23.4
    assert math.isnan(found["soil-moisture-40"])
    assert found["door-open"] == 0
    assert all(at == NOON_US for name, at, _ in heard.samples if not name.endswith("battery"))
    orders = slt427.Orders().feed(heard.reply)
    assert len(orders) == heard.frames
    assert all((order.address, order.tries) == (station.wire, slt427.FRESH) for order in orders)
    assert orders[0].content == bytes([slt427.LOGIN])
    timed = [order for order in orders if order.afn in (slt427.REPORT, slt427.ALARM)]
    assert {len(order.content) for order in timed} == {6 if short else 8}


def test_a_bus_of_sensors_is_read_to_its_last_value() -> None:
    many = [round(place * 1.5 - 20, 3) for place in range(20)]
    bus = Bus(
        [Sensor("0", lambda: [3.25, 18.5]), Sensor("a", lambda: many, ready_s=30), Sensor("B", lambda: [7.0])]
    )
    dialogue = Sdi12(
        {"0": "river", "a": "chain", "B": "probe"},
        {
            "0": {"parameters": ["level", "water-temperature"], "command": "MC"},
            "a": {"parameters": [f"water-temperature-{place}" for place in range(20)], "command": "CC"},
            "B": {"parameters": [{"metric": "ph", "offset": 0.5}]},
        },
    )
    samples, notes, left = [], [], b""
    for second in range(40):
        now = NOW + second * 1_000_000
        heard = dialogue.tick(now)
        while True:
            samples += heard.samples
            notes += heard.notes
            if not heard.reply:
                break
            answers, left = bus.take(left + heard.reply)
            heard = dialogue.hear(answers, now)
    assert notes == []
    found = {name: value for name, _, value in samples}
    assert (found["river/level"], found["river/water-temperature"], found["probe/ph"]) == (3.25, 18.5, 7.5)
    assert [found[f"chain/water-temperature-{place}"] for place in range(20)] == many
    assert sorted(dialogue.stations()) == ["0", "B", "a"]


LONG = (
    station212.data(
        station212.Instrument("010000A8900016F000169DC0", "21"),
        "20261015120030000",
        "2051",
        NOON,
        [station212.Factor(f"w{place:05}", {"Avg": place + 0.0}) for place in range(20, 42)],
    )[0]
    .decode()
    .strip()
)
"""Longer than the name of a file can be."""

GOOD = """
[[driver]]
kind = "hj212"
listen = "127.0.0.1:5212"
[driver.stations]
010000A8900016F000169DC0 = "outlet-1"

[[driver]]
kind = "sl427"
listen = "127.0.0.1:5427"
[driver.stations]
"110108/1284" = "well-1"
0041820337 = "well-2"
[driver.options]
szy206 = ["0041820337"]
mode = 1
[driver.options.quality."110108/1284"]
ph = 2

[[driver]]
kind = "sdi12"
connect = "bridge:4001"
[driver.stations]
0 = "river"
[driver.options.sensors.0]
command = "MC"
interval_s = 600
parameters = ["level", {metric = "water-temperature", gain = 0.1}]
"""


def test_a_gateways_file_configures_all_three() -> None:
    path = Path("gateway.toml")
    plans = parse(HEAD + GOOD, path).drivers
    assert [plan.kind for plan in plans] == ["hj212", "sl427", "sdi12"]
    assert [(plan.baud, plan.frame) for plan in plans[2:]] == [(1200, "7E1")]
    for plan in plans:
        check(path, plan)


@pytest.mark.parametrize(
    ("right", "wrong", "why"),
    [
        ('"110108/1284" = "well-1"', '"110108-1284" = "well-1"', "is no address"),
        ("mode = 1", "mode = 7", "mode 7"),
        ("ph = 2", 'ph = "two"', "ph has 'two' decimals"),
        ("ph = 2", "salt = 2", "a table of decimals by metric"),
        ('command = "MC"', 'command = "Z"', "command 'Z'"),
        ("interval_s = 600", 'interval_s = "600"', "interval_s of sensor 0"),
        ("gain = 0.1", "gains = 0.1", "gains; known are"),
        ("[driver.options.sensors.0]", "[driver.options.sensors.1]", "not among the"),
    ],
)
def test_a_mistake_in_the_file_is_told_before_anything_starts(right: str, wrong: str, why: str) -> None:
    path = Path("gateway.toml")
    plans = parse(HEAD + GOOD.replace(right, wrong), path).drivers

    def all_checked() -> None:
        for plan in plans:
            check(path, plan)

    with pytest.raises(Mistake, match=why):
        all_checked()


@pytest.mark.parametrize(
    ("form", "payload", "code", "wanted"),
    [
        ("hj212", LONG, 0, '"metric":"w00041-minute-avg"'),
        ("hj212", LONG.encode().hex(), 0, '"metric":"w00041-minute-avg"'),
        ("hj212", LONG.replace("w00041-Avg=41", "w00041-Avg=42"), 1, "wrong check"),
        ("sl427", "681A68B35303810D00C00059000000826110000001106000004508090A3516", 0, '"value":5.9'),
        ("sl427", "681A68B35303810D00C00059000000826110000001106000004508090A3616", 1, "wrong check"),
        ("sdi12", "0+3.14OqZ", 0, '"value":3.14'),
        ("sdi12", b"0D0!0+3.14OqZ".hex(), 0, '"value":3.14'),
        ("sdi12", "003012", 0, '"value":12'),
    ],
)
def test_the_command_line_explains_frames_given_as_text_or_in_hexadecimal(
    form: str, payload: str, code: int, wanted: str
) -> None:
    ended = CliRunner().invoke(app(), [form, payload])
    assert ended.exit_code == code, ended.output
    assert wanted in ended.output


def app() -> typer.Typer:
    made = typer.Typer()
    made.command()(decode)
    return made
