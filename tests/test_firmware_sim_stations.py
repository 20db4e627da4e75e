"""Simulated stations: what they tell and when, how often again, what they obey, and each known bad habit."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.protocols import hj212, slt427
from firmware_sim.protocols.bcd import beijing, since_1970
from firmware_sim.protocols.checksum import modbus
from firmware_sim.protocols.sl651.frame import ENQ, EOT, ESC, ETX, NAK, STX, SYN, Line
from firmware_sim.stations.battery import Battery
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.logger import Intervals, Logger
from firmware_sim.stations.outbox import Outbox
from firmware_sim.stations.rtu import Rtu, Settings
from firmware_sim.stations.terminal import Terminal

RTU = "0012345678"
HOUR = 1_790_000_000 - 1_790_000_000 % 3600
WATER = {"level": 3.456, "rain": 0.2, "rain-total": 12.4, "battery": 12.61}


def rtu(deviations: str = "", ascii_: bool = False, **settings: object) -> Rtu:  # noqa: FBT001, FBT002
    line = Line(RTU, 1, "1234", ascii_=ascii_, deviations=frozenset(deviations))
    return Rtu(line, Settings(**settings), Random(1), Clock(), Outbox())  # type: ignore[arg-type]


def down(
    function: int,
    end: int,
    serial: int = 0,
    more: bytes = b"",
    *,
    rtu_: str = RTU,
    password: str = "1234",  # noqa: S107 - the example of the standard
) -> bytes:
    """A downlink as table 21 has it, written here by hand."""
    content = serial.to_bytes(2, "big") + bytes.fromhex("260921220000") + more
    head = bytes.fromhex(f"7E7E{rtu_}01{password}{function:02X}{0x8000 | len(content):04X}")
    whole = head + bytes([STX]) + content + bytes([end])
    return whole + modbus(whole).to_bytes(2, "big")


def settle(station: Rtu, message: bytes, end: int = EOT) -> None:
    station.heard(down(message[10], end, int.from_bytes(message[14:16], "big")), HOUR)


def all_told(station: Rtu, now: float = HOUR) -> list[bytes]:
    told = []
    while message := station.outbox.due(now):
        told.append(message)
        settle(station, message)
    return told


def an_hour(station: Rtu, *, without: range = range(0)) -> list[bytes]:
    """Sample every five minutes for an hour and a half, beginning on the hour."""
    for step in range(19):
        if step not in without:
            station.sampled(WATER | {"level": 3 + step / 100}, HOUR + step * 300)
    return all_told(station)


# --- SL 651: what is told


def test_reports_come_by_time_by_threshold_and_by_the_hour() -> None:
    told = an_hour(rtu(thresholds={"level": 0.045}))
    functions = [message[10] for message in told]
    assert functions.count(0x34) == 1
    assert functions.count(0x32) == 2
    assert functions.count(0x33) == 3
    assert [int.from_bytes(message[14:16], "big") for message in told] == list(range(1, len(told) + 1))
    additional = next(message for message in told if message[10] == 0x33)
    # What made it speak comes first, right behind the time of observation.
    assert additional[37:38] == b"\x39"


def test_two_reports_never_tell_the_same_minute() -> None:
    station = rtu(timed_s=1.0)
    for second in range(120):
        station.sampled(WATER, HOUR + second)
    assert len(all_told(station)) == 2


def test_the_hour_begins_with_its_first_slot_and_gaps_are_ffff() -> None:
    [hour] = [m for m in an_hour(rtu(), without=range(3, 6)) if m[10] == 0x34]
    text = hour.hex().upper()
    first = beijing(HOUR + 300).strftime("%y%m%d%H%M")
    assert f"F0F0{first}F460" in text
    assert "F460" + "0202FFFFFF02020202020202" in text
    levels = text[text.index("F5C0") + 4 :][:48]
    assert levels.startswith("012D012EFFFFFFFFFFFF0132")


# --- SL 651: bad habits, each visible in the bytes


def hour_of(deviations: str) -> str:
    [hour] = [m for m in an_hour(rtu(deviations), without=range(3, 6)) if m[10] == 0x34]
    return hour.hex().upper()


def test_habit_a_tells_the_end_of_the_hour() -> None:
    assert f"F0F0{beijing(HOUR + 3600):%y%m%d%H%M}F460" in hour_of("a")


def test_habit_b_fills_gaps_with_noughts() -> None:
    assert "F460" + "020200000002020202020202" in hour_of("b")
    assert "F460" + "0202FFFFFF02020202020202" in hour_of("")


def test_habit_c_has_a_definition_of_its_own() -> None:
    assert "F55C012D" in hour_of("c")
    assert "F5C0012D" in hour_of("")


def test_habit_d_writes_definitions_where_fixed_marks_belong() -> None:
    assert "F128" + RTU in hour_of("d")
    assert "F1F1" not in hour_of("d")


def test_habit_e_ends_in_a_7e_that_is_no_part_of_the_frame() -> None:
    told = bytes.fromhex(hour_of("e"))
    assert told[-1] == 0x7E
    assert modbus(told[:-3]) == int.from_bytes(told[-3:-1], "big")


def test_habit_f_has_no_centre_and_no_password() -> None:
    assert hour_of("f").startswith(f"7E7E00{RTU}FFFF34")
    assert hour_of("").startswith(f"7E7E01{RTU}123434")


def test_habit_g_tells_elements_that_the_standard_reserves() -> None:
    def timed(deviations: str) -> str:
        station = rtu(deviations)
        station.sampled(WATER, HOUR)
        return all_told(station)[0].hex().upper()

    assert "C112" in timed("g")
    assert "C112" not in timed("")


def test_habit_i_sends_a_picture_in_one_packet_that_ends_before_the_picture_does() -> None:
    station = rtu("i", picture_s=3600.0)
    station.sampled(WATER, HOUR)
    picture = next(m for m in all_told(station) if m[10] == 0x36)
    assert picture[13] == SYN
    assert picture[14:17].hex() == "001001"
    assert picture[-3] == ETX
    assert b"\xff\xd8\xff" in picture
    assert not picture[:-3].endswith(b"\xff\xd9")


def test_habit_j_begins_anywhere_and_now_and_then_lives_in_2059() -> None:
    station = rtu("j")
    for step in range(200):
        station.sampled(WATER, HOUR + step * 3600)
    told = all_told(station)
    assert int.from_bytes(told[0][14:16], "big") > 0xF000
    years = {message[16] for message in told}
    assert years == {0x26, 0x59}
    # The count goes round to 1, not to 0.
    assert 0 not in {int.from_bytes(message[14:16], "big") for message in told}


# --- SL 651: again and again


def test_without_an_answer_a_report_is_sent_twice_again_and_then_the_line_is_left() -> None:
    station = rtu()
    station.sampled(WATER, HOUR)
    sent = [(second, message) for second in range(200) if (message := station.outbox.due(second))]
    times, messages = zip(*sent, strict=True)
    assert times[:3] == (0, 10, 20)
    assert times[3] >= 50
    assert set(messages) == {messages[0]}
    assert station.outbox.resent == len(sent) - 1
    assert station.outbox.given_up >= 1
    settle(station, messages[0])
    assert (station.outbox.waiting, station.outbox.acknowledged) == (0, 1)


@pytest.mark.parametrize("end", [EOT, ESC])
def test_only_the_answer_to_this_report_settles_it(end: int) -> None:
    station = rtu()
    station.sampled(WATER, HOUR)
    message = station.outbox.due(0)
    serial = int.from_bytes(message[14:16], "big")
    station.heard(down(0x32, end, serial + 1), HOUR)
    station.heard(down(0x33, end, serial), HOUR)
    station.heard(down(0x32, end, serial, rtu_="0099999999"), HOUR)
    broken = down(0x32, end, serial)
    station.heard(broken[:-1] + bytes([broken[-1] ^ 1]), HOUR)
    assert station.outbox.waiting == 1
    station.heard(down(0x32, end, serial), HOUR)
    assert station.outbox.waiting == 0


def test_a_reboot_loses_what_waits_and_counts_from_one_again() -> None:
    station = rtu()
    for step in range(3):
        station.sampled(WATER, HOUR + step * 3600)
    waiting = station.outbox.waiting
    station.reboot()
    assert (station.outbox.waiting, station.outbox.forgotten) == (0, waiting)
    station.sampled(WATER, HOUR + 4 * 3600)
    assert int.from_bytes(station.outbox.due(0)[14:16], "big") == 1


def test_a_quiet_line_hears_a_heartbeat_under_the_last_serial_number() -> None:
    station = rtu()
    station.sampled(WATER, HOUR)
    settle(station, station.outgoing(0, HOUR))
    assert station.outgoing(30, HOUR + 30) == b""
    beat = station.outgoing(41, HOUR + 41)
    assert (beat[10], beat[14:16].hex(), len(beat)) == (0x2F, "0001", 25)
    assert station.outbox.waiting == 0


def numbered(number: int, tries: int) -> bytes:
    del tries
    return b"%d" % number


steps = st.lists(
    st.one_of(st.just("put"), st.just("due"), st.just("yes"), st.just("no"), st.just("cut")), max_size=60
)


@given(steps)
def test_every_message_ends_acknowledged_dropped_or_waiting(moves: list[str]) -> None:
    box, now, put = Outbox(limit=3), 0.0, 0
    keys: list[int] = []
    for move in moves:
        now += 3
        if move == "put":
            put += 1
            box.put(put, partial(numbered, put))
        elif move == "due":
            message = box.due(now)
            keys += [int(message)] if message else []
        elif move == "yes" and keys:
            box.acknowledge(keys[-1])
        elif move == "no":
            assert not box.acknowledge(-1)
        elif move == "cut":
            box.link_lost()
        assert box.acknowledged + box.dropped + box.waiting == put
    assert keys == sorted(keys)


# --- SL 651: commands


def answered(station: Rtu, order: bytes, at: float = HOUR + 90.0) -> bytes:
    station.heard(order, at)
    return station.outgoing(0, at)


def test_queries_are_answered_with_what_was_measured_last() -> None:
    station = rtu()
    station.sampled(WATER, HOUR)
    all_told(station)
    now = answered(station, down(0x37, ENQ)).hex().upper()
    assert "392300003456" in now
    assert "2619000124" in now
    some = answered(station, down(0x3A, ENQ, more=bytes.fromhex("39233812"))).hex().upper()
    assert "392300003456" + "38121261" in some
    assert "2619" not in some
    missing = answered(station, down(0x3A, ENQ, more=bytes.fromhex("272B"))).hex().upper()
    assert "272BFFFFFFFFFF" in missing
    clock = answered(station, down(0x51, ENQ), HOUR + 90)
    assert clock[16:22].hex() == beijing(HOUR + 90).strftime("%y%m%d%H%M%S")
    version = answered(station, down(0x45, ENQ))
    assert b"LANJIANG" in version


def test_the_clock_is_set_by_what_the_centre_says() -> None:
    station = rtu()
    told = datetime(2026, 9, 21, 22, 0, 0)  # noqa: DTZ001 - Beijing time without zone
    answer = answered(station, down(0x4A, ENQ), HOUR)
    assert answer[10] == 0x4A
    assert station.clock.at(HOUR + 60) == since_1970(told + timedelta(seconds=60))


def test_with_another_password_nothing_is_obeyed() -> None:
    station = rtu()
    assert answered(station, down(0x4A, ENQ, password="9999")) == b""
    assert (station.refused, station.clock.times_set) == (1, 0)


def test_an_even_series_is_answered_for_a_period() -> None:
    station = rtu()
    an_hour(station)
    start = beijing(HOUR)
    span = f"{start:%y%m%d%H}{start + timedelta(hours=1):%y%m%d%H}"
    answer = answered(station, down(0x38, ENQ, more=bytes.fromhex(span + "0418000005" + "3923")))
    text = answer.hex().upper()
    assert "0418000005" + "3923" + "00003000" + "00003010" in text


def test_a_parameter_that_was_written_is_read_back() -> None:
    station = rtu()
    answered(station, down(0x42, ENQ, more=bytes.fromhex("200804")))
    assert "200804" in answered(station, down(0x43, ENQ, more=bytes.fromhex("2008"))).hex()


# --- SL 651: pictures


def cut_up(stream: bytes) -> list[bytes]:
    """Frames by their lengths."""
    found = []
    while stream:
        size = 14 + int.from_bytes(stream[11:13], "big") % 4096 + 3
        found.append(stream[:size])
        stream = stream[size:]
    return found


def test_a_bad_packet_is_sent_again_alone_and_ends_in_etx() -> None:
    station = rtu(functions=frozenset[int](), picture_s=3600.0)
    station.sampled(WATER, HOUR)
    sent = cut_up(station.outbox.due(0))
    assert len(sent) > 2
    total, serial = len(sent), int.from_bytes(sent[0][17:19], "big")
    content = (total << 12 | 2).to_bytes(3, "big") + serial.to_bytes(2, "big") + bytes(6)
    head = bytes.fromhex(f"7E7E{RTU}01123436{0x8000 | len(content):04X}") + bytes([SYN])
    refused = head + content + bytes([NAK])
    station.heard(refused + modbus(refused).to_bytes(2, "big"), HOUR)
    again = station.outgoing(0, HOUR)
    assert again[:-3] == sent[1][:-3]
    assert (sent[1][-3], again[-3]) == (0x17, ETX)
    assert station.outbox.waiting == 1
    content = (total << 12 | total).to_bytes(3, "big") + serial.to_bytes(2, "big") + bytes(6)
    taken = head + content + bytes([EOT])
    station.heard(taken + modbus(taken).to_bytes(2, "big"), HOUR)
    assert station.outbox.waiting == 0


# --- HJ 212


def logger() -> Logger:
    waits = Outbox(repeats=3, patience_s=5)
    return Logger(hj212.Instrument("010000A8900016F000169DC0", "21"), Intervals(30, 600), Clock(), waits)


def reply(message: bytes) -> bytes:
    head = hj212.Orders().feed(message)[0].head
    return hj212.packet(f"QN={head['QN']};ST=91;CN=9014;PW=123456;MN={head['MN']};Flag=4;CP=&&&&")


def test_real_time_and_minute_data_come_until_9014_settles_them() -> None:
    station = logger()
    for step in range(41):
        station.sampled({"ph": 7 + step % 2, "ammonia": float("nan")}, HOUR + 15 * step)
    told = []
    while message := station.outgoing(0, HOUR):
        assert station.outgoing(1, HOUR) == b""
        told.append(hj212.Orders().feed(message)[0])
        station.heard(reply(message), HOUR)
    assert [one.head["CN"] for one in told].count("2051") == 1
    assert [one.head["CN"] for one in told].count("2011") == 21
    minute = next(one for one in told if one.head["CN"] == "2051")
    assert (minute.cp["w01001-Min"], minute.cp["w01001-Avg"], minute.cp["w01001-Max"]) == (
        "7.00",
        "7.50",
        "8.00",
    )
    assert minute.cp["w21003-Flag"] == "D"
    numbers = [one.head["QN"] for one in told]
    assert len(set(numbers)) == len(numbers)


def test_an_unanswered_message_is_repeated_three_times_under_its_number() -> None:
    station = logger()
    station.sampled({"ph": 7.0}, HOUR)
    sent = [m for second in range(30) if (m := station.outgoing(second, HOUR))]
    assert len(sent) == 4
    assert len(set(sent)) == 1


def test_requests_are_taken_executed_and_obeyed() -> None:
    station = logger()

    def ask(cn: str, cp: str) -> list[hj212.Order]:
        head = f"QN=20260921220000000;ST=21;CN={cn};PW=123456;MN=010000A8900016F000169DC0;Flag=5"
        station.heard(hj212.packet(f"{head};CP=&&{cp}&&"), HOUR)
        return hj212.Orders().feed(station.outgoing(0, HOUR))

    done = ask("1062", "RtdInterval=60")
    assert [one.head["CN"] for one in done] == ["9011", "9012"]
    assert (done[0].cp, done[1].cp) == ({"QnRtn": "1"}, {"ExeRtn": "1"})
    assert ask("1061", "")[1].cp == {"RtdInterval": "60"}
    ask("1012", "SystemTime=20260921220000")
    assert station.clock.at(HOUR) == since_1970(datetime(2026, 9, 21, 22))  # noqa: DTZ001 - Beijing time
    assert ask("3019", "")[0].cp == {"QnRtn": "2"}
    assert ask("1062", "RtdInterval=-3")[1].cp == {"ExeRtn": "2"}


# --- SL/T 427


def test_a_terminal_logs_in_reports_and_counts_its_tries_down() -> None:
    address = slt427.district_address("110108", 1284)
    assert address == "1101080405"
    terminal = Terminal(slt427.Station(address), 300.0, Clock(offset_s=100), Outbox())
    terminal.sampled({"level": -1.5, "flow": 5.9, "volume-total": 106182.0}, HOUR - 100)
    opening = terminal.outgoing(0, HOUR)
    assert opening[:11] == bytes.fromhex("680868B0" + address + "02F0")
    first = opening[13:]
    assert (first[3], first[3 + 6]) == (0x80 | 3 << 4 | slt427.LEVEL, 0xC0)
    assert first[10:14].hex() == "001500f0"
    again = terminal.outgoing(20, HOUR)
    assert again[3] == 0x80 | 2 << 4 | slt427.LEVEL
    assert again[4:-2] == first[4:-2]
    tag = bytes.fromhex(f"{beijing(HOUR):%S%M%H%d%m%y}00")
    user = bytes([0x20]) + bytes.fromhex(address) + b"\xc0\x00" + tag
    terminal.heard(slt427.framed(user), HOUR)
    assert (terminal.outbox.acknowledged, terminal.mode, terminal.clock.at(HOUR)) == (1, 0, HOUR)
    both = terminal.outgoing(40, HOUR)
    assert both[10:20].hex() == "0059000000" + "8261100000"


def test_the_flow_report_of_an_old_terminal_is_the_captured_one() -> None:
    printed = bytes.fromhex("681A68B35303810D00C00059000000826110000001106000004508090A3516")
    values = slt427.flow(5.9) + slt427.volume(106182)
    made = slt427.report(
        slt427.Station("5303810D00", short_time=True),
        slt427.FLOW,
        values,
        datetime(2026, 1, 9, 8, 45),  # noqa: DTZ001 - Beijing time
        alarm=0x1001,
        state=0x0060,
    )
    # The time tag's last byte is the delay that it allows: ten minutes there, none here.
    assert made[:-3] == printed[:-3]


@pytest.mark.parametrize(
    ("kind", "value", "wire"),
    [
        (slt427.RAIN, 12.3, "230100"),
        (slt427.LEVEL, 123.456, "56341200"),
        (slt427.LEVEL, None, "aaaaaaaa"),
        (slt427.VELOCITY, -1.25, "5012f0"),
        (slt427.WATER_TEMPERATURE, 21.5, "1502"),
    ],
)
def test_values_are_packed_low_digits_first(kind: int, value: float | None, wire: str) -> None:
    assert slt427.packed(kind, value).hex() == wire


def test_a_value_beyond_its_digits_is_not_told_wrong() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        slt427.packed(slt427.WATER_TEMPERATURE, -1.0)


# --- clock and battery


def test_a_clock_drifts_until_it_is_set() -> None:
    clock = Clock(offset_s=5, drift_ppm=100)
    assert clock.at(HOUR) == HOUR + 5
    assert clock.at(HOUR + 86400) == pytest.approx(HOUR + 86400 + 5 + 8.64)
    clock.set(HOUR + 86400.0, HOUR + 86400.0)
    assert clock.at(HOUR + 86400) == HOUR + 86400


def test_a_battery_charges_by_day_drains_by_night_and_hides_in_the_cold() -> None:
    battery = Battery(charge=0.5)
    battery.pass_(3600, hour=12)
    assert battery.charge > 0.5
    noon = battery.charge
    battery.pass_(3600, hour=0)
    assert battery.charge < noon
    assert battery.volts(-15) < battery.volts(20)
    assert Battery(charge=0.15).dead(-15)
    assert not Battery(charge=0.15).dead(20)
