"""The SL 651 driver on a link: acknowledgements, messages sent again, packets, the clock, questions, intruders."""

from __future__ import annotations

import json
import os
import random
from itertools import pairwise, permutations

import pytest
from fix_sl651 import ARRIVED_US, OBSERVED, RTU, SENT, crc, hexframe, report, textframe
from hypothesis import example, given, settings
from hypothesis import strategies as st

from edge.drivers.dialogue import Heard
from edge.drivers.sl651 import NOISE_LIMIT, Sl651
from edge.protocols.sl651 import explain, orders
from edge.protocols.sl651.frame import Frame, Splitter
from edge.protocols.sl651.frame import crc as modbus
from edge.protocols.sl651.packets import BYTES_LIMIT, MESSAGES_LIMIT, Packets
from edge.protocols.sl651.samples import NAMES_KEPT

SECOND = 1_000_000
NOW = "260701050140"  # ARRIVED_US in Beijing
JPEG = b"\xff\xd8" + bytes(random.Random(5).randbytes(700)) + b"\xff\xd9"


def codes(heard: Heard) -> list[str]:
    return [each.code for each in heard.notes]


def answers(heard: Heard) -> list[Frame]:
    """What the station reads."""
    found = Splitter().feed(heard.reply)
    assert b"".join(each.raw for each in found if isinstance(each, Frame)) == heard.reply
    return [each for each in found if isinstance(each, Frame)]


def picture(jpeg: bytes = JPEG, size: int = 200, serial: int = 7) -> list[bytes]:
    """A picture in packets."""
    body = report("F3F3", serial=serial) + jpeg
    parts = [body[at : at + size] for at in range(0, len(body), size)]
    return [
        hexframe(part, func=0x36, number=at, total=len(parts), end=3 if at == len(parts) else 0x17)
        for at, part in enumerate(parts, 1)
    ]


def test_the_acknowledgement_is_what_the_standard_says_byte_by_byte() -> None:
    heard = Sl651().hear(hexframe(report("38121208", serial=0x0102)), ARRIVED_US)
    assert heard.reply == hexframe(bytes.fromhex("0102" + NOW), func=0x32, down=True, end=4)
    heard = Sl651().hear(textframe(b"0102260701050137 "), ARRIVED_US)
    assert heard.reply == textframe(b"0102" + NOW.encode(), func=0x32, down=True, end=4)


@pytest.mark.parametrize(("said", "end"), [("eot", 4), ("esc", 0x1B)])
def test_a_station_may_go_or_is_kept_on_the_line(said: str, end: int) -> None:
    heard = Sl651(acknowledge=said).hear(hexframe(report("38121208")), ARRIVED_US)
    assert [each.end for each in answers(heard)] == [end]


def test_nothing_is_said_on_a_one_way_channel_nor_to_a_heartbeat() -> None:
    assert Sl651(acknowledge="none").hear(hexframe(report("38121208")), ARRIVED_US).reply == b""
    heard = Sl651().hear(hexframe(bytes.fromhex("0009" + SENT), func=0x2F), ARRIVED_US)
    assert (heard.frames, heard.reply) == (1, b"")


def test_more_to_follow_is_answered_with_go_on() -> None:
    heard = Sl651().hear(hexframe(report("38121208"), end=0x17), ARRIVED_US)
    assert [each.end for each in answers(heard)] == [6]


@pytest.mark.parametrize("func", [0x40, 0x42, 0x47, 0x48, 0x49, 0x4B, 0x4F])
def test_an_order_that_changes_the_station_is_never_confirmed(func: int) -> None:
    raw = hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}03100000"), func=func)
    assert Sl651().hear(raw, ARRIVED_US).reply == b""
    control = hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}03100000"), func=0x41)
    assert Sl651().hear(control, ARRIVED_US).reply


def test_an_answer_is_confirmed_where_it_was_asked_for_and_not_for_ever() -> None:
    answer = hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}"), func=0x51)
    link = Sl651()
    assert link.hear(answer, ARRIVED_US).reply == b""
    link.hear(hexframe(report("38121208")), ARRIVED_US)
    link.ask(RTU, 0x51)
    assert link.tick(ARRIVED_US).reply
    assert [bool(link.hear(answer, ARRIVED_US).reply) for _ in range(5)] == [True] * 3 + [False] * 2


def test_a_message_sent_again_is_acknowledged_again_and_says_the_same() -> None:
    link, raw = Sl651(), hexframe(report("38121208"))
    first, again = link.hear(raw, ARRIVED_US), link.hear(raw, ARRIVED_US + 40 * SECOND)
    assert (codes(first), codes(again)) == ([], ["resend"])
    assert first.samples == again.samples
    assert len(answers(again)) == 1
    other = link.hear(hexframe(report("38121208", serial=10)), ARRIVED_US)  # the control
    assert codes(other) == []


def test_a_message_without_a_time_that_is_sent_again_keeps_the_arrival_of_the_first() -> None:
    link, raw = Sl651(), hexframe(report("38121208", sent="590701050137", observed="5907010500"))
    first, again = link.hear(raw, ARRIVED_US), link.hear(raw, ARRIVED_US + 40 * SECOND)
    assert [each[1] for each in first.samples] == [ARRIVED_US]
    assert first.samples == again.samples


def test_a_picture_in_packets_is_put_together_and_handed_out() -> None:
    link = Sl651({RTU: "cam-1"})
    packets = picture()
    for raw in packets[:-1]:
        assert link.hear(raw, ARRIVED_US).reply == b""  # one answer to all of them
    heard = link.hear(packets[-1], ARRIVED_US)
    assert [(each.device, each.jpeg, each.whole) for each in heard.pictures] == [("cam-1", JPEG, True)]
    assert (heard.samples, codes(heard)) == ([], ["picture"])
    (answer,) = answers(heard)
    assert (answer.end, answer.total, answer.number, answer.body.hex()) == (4, 4, 4, "0007" + NOW)


def test_packets_that_are_missing_are_asked_for_one_by_one() -> None:
    link, packets = Sl651(), picture()
    link.hear(packets[0], ARRIVED_US)
    heard = link.hear(packets[3], ARRIVED_US)
    (answer,) = answers(heard)
    assert (answer.end, answer.number, answer.total, answer.body.hex()) == (0x15, 2, 4, "0007" + NOW)
    (answer,) = answers(link.hear(packets[1], ARRIVED_US))
    assert (answer.end, answer.number) == (0x15, 3)
    heard = link.hear(packets[2], ARRIVED_US)
    (answer,) = answers(heard)
    assert (answer.end, answer.number) == (0x15, 1)  # all are there: is it still the same message?
    assert heard.pictures == []
    heard = link.hear(packets[0], ARRIVED_US)
    (answer,) = answers(heard)
    assert (answer.end, answer.number) == (4, 4)
    assert [each.jpeg for each in heard.pictures] == [JPEG]


def test_a_packet_that_was_damaged_is_asked_for() -> None:
    link, packets = Sl651(), picture()
    packets[1] = packets[1][:50] + b"\xff" + packets[1][51:]
    heard = link.hear(b"".join(packets), ARRIVED_US)
    assert codes(heard) == ["crc", "packet-missing"]
    assert [(each.end, each.number) for each in answers(heard)] == [(0x15, 2)]


def repeated(packet: bytes, total: int, number: int) -> bytes:
    """A packet that was asked for: it ends with ETX (6.3.1.2 c)."""
    return hexframe(packet[17:-3], func=packet[10], number=number, total=total)


def talk(link: Sl651, sent: list[bytes], held: list[bytes], at: int = ARRIVED_US) -> list[Heard]:
    """What `sent` leads to at a station that repeats the packets of `held` it is asked for, until nothing is open."""
    heard = []
    while sent or link._packets.size:
        at += SECOND
        heard.append(link.hear(sent.pop(0), at) if sent else link.tick(at))
        asked = [answer.number for answer in answers(heard[-1]) if answer.end == 0x15]
        sent += [repeated(held[number - 1], len(held), number) for number in asked]
    return heard


def numbers(first: int, serial: int = 9, sent: str = SENT, packets: int = 3) -> list[bytes]:
    """A report of a reading in each packet: element 26, `first` and those after it."""
    head = bytes.fromhex(f"{serial:04X}{sent}F1F1{RTU}48F0F0{OBSERVED}")
    parts = [bytes.fromhex(f"3923{first + at:08d}") for at in range(packets)]
    parts[0] = head + parts[0]
    return [
        hexframe(part, number=at, total=packets, end=3 if at == packets else 0x17)
        for at, part in enumerate(parts, 1)
    ]


def values(heard: list[Heard]) -> list[float]:
    return [round(value * 1000) for each in heard for _, _, value in each.samples]


@pytest.mark.parametrize("order", list(permutations(range(4))))
def test_packets_in_any_order_and_twice_make_the_same_message(order: tuple[int, ...]) -> None:
    link, packets = Sl651(), picture()
    heard = talk(link, [packets[at] for at in order for _ in "12"], packets)
    assert {each.jpeg for one in heard for each in one.pictures} == {JPEG}
    assert answers(heard[-1])[-1].end == 4


@settings(max_examples=60)
@given(
    lost=st.lists(st.sets(st.integers(0, 2)), min_size=3, max_size=3),
    pauses=st.lists(st.sampled_from([1, 20]), min_size=3, max_size=3),
    obeys=st.booleans(),
)
def test_packets_of_two_messages_are_never_one_reading(
    lost: list[set[int]],
    pauses: list[int],
    obeys: bool,  # noqa: FBT001
) -> None:
    """Three reports alike but for their numbers; a lost packet leaves a broken frame, or 20 s of silence, behind."""
    broken = b"" if min(pauses) > 1 else b"~~ broken"
    link, at, found = Sl651(), ARRIVED_US, []
    whole = [{1, 2, 3}, {101, 102, 103}, {201, 202, 203}]
    for turn in range(3):
        held = numbers(1 + 100 * turn, serial=9 + turn)
        sent = [broken if place in lost[turn] else raw for place, raw in enumerate(held)]
        heard = talk(link, sent, held, at) if obeys else [link.hear(raw, at) for raw in sent]
        if obeys and 2 not in lost[turn]:  # the last one is there, so what is missing is asked for
            assert whole[turn] <= set(values(heard))
        found += heard
        for _ in range(pauses[turn]):
            at += SECOND
            found.append(link.tick(at))
    for each in found:
        assert set(values([each])) in [set(), *whole]


def test_the_first_packet_of_the_next_message_does_not_complete_the_one_before() -> None:
    link = Sl651()
    before, after = numbers(1), numbers(101, serial=10)
    heard = [link.hear(raw, ARRIVED_US) for raw in before[1:]]
    assert [(each.end, each.number) for each in answers(heard[-1])] == [(0x15, 1)]
    first = link.hear(after[0], ARRIVED_US + 20 * SECOND)  # the station has given up and says the next one
    assert (first.samples, codes(first), first.refused) == ([], ["message-incomplete"], 1)
    heard = [link.hear(raw, ARRIVED_US + 20 * SECOND) for raw in after[1:]]
    assert values(heard) == [101, 102, 103]
    assert [each.end for each in answers(heard[-1])] == [4]


def test_the_end_of_the_next_message_does_not_complete_the_one_before() -> None:
    link = Sl651()
    before, after = numbers(1), numbers(101, serial=10)
    link.hear(before[0], ARRIVED_US)
    link.hear(before[1], ARRIVED_US)
    asked = link.hear(after[2], ARRIVED_US + 20 * SECOND)  # of the next one nothing else has come
    assert asked.samples == []
    assert [(each.end, each.number) for each in answers(asked)] == [(0x15, 1)]
    heard = talk(link, [repeated(after[0], 3, 1)], after, ARRIVED_US + 21 * SECOND)
    assert values(heard) == [101, 102, 103]


def test_on_a_one_way_channel_packets_that_may_be_of_two_messages_are_told_and_not_read() -> None:
    link, at = Sl651(acknowledge="none"), ARRIVED_US
    before, after = numbers(1), numbers(101, serial=10)
    heard = [link.hear(raw, at) for raw in (before[1], before[2], after[0])]
    for _ in range(70):
        at += SECOND
        heard.append(link.tick(at))
    assert values(heard) == []
    assert [code for each in heard for code in codes(each)] == ["message-incomplete"] * 2
    assert values([link.hear(raw, at) for raw in numbers(201, serial=11)]) == [201, 202, 203]


def test_a_report_in_packets_is_read_when_it_is_whole() -> None:
    body = report("3923" + "00001000" + "38121208")
    link = Sl651()
    assert link.hear(hexframe(body[:20], number=1, total=2, end=0x17), ARRIVED_US).samples == []
    heard = link.hear(hexframe(body[20:], number=2, total=2), ARRIVED_US)
    assert [value for _, _, value in heard.samples] == [1.0, 12.08]


def test_silence_asks_again_and_then_gives_up_and_says_so() -> None:
    link, packets = Sl651(), picture()
    link.hear(packets[0], ARRIVED_US)
    at = ARRIVED_US
    said: list[object] = []
    for _ in range(70):
        at += SECOND
        heard = link.tick(at)
        said += [(each.end, each.number) for each in answers(heard)]
        said += codes(heard)
    assert said == [(0x15, 2), "packet-missing"] * 3 + ["message-incomplete"]
    assert link._packets.size == 0


def test_the_last_packet_alone_after_all_is_done_is_told() -> None:
    link, packets = Sl651(), picture()
    link.hear(b"".join(packets), ARRIVED_US)
    heard = link.hear(packets[-1], ARRIVED_US + SECOND)
    assert codes(heard) == ["resend"]
    assert [(each.end, each.number) for each in answers(heard)] == [(4, 4)]


@pytest.mark.parametrize(("number", "total"), [(0, 4), (5, 4), (4095, 1)])
def test_a_packet_that_cannot_be_is_refused(number: int, total: int) -> None:
    heard = Sl651().hear(hexframe(b"\0\1", number=number, total=total), ARRIVED_US)
    assert (heard.refused, codes(heard)) == (1, ["packet-number"])


def test_a_message_of_one_packet_is_taken_and_told() -> None:
    heard = Sl651().hear(hexframe(report("F3F3") + JPEG[:-2], func=0x36, number=1, total=1), ARRIVED_US)
    assert codes(heard) == ["single-packet", "picture", "picture-incomplete"]
    assert [each.whole for each in heard.pictures] == [False]
    assert [(each.end, each.number, each.total) for each in answers(heard)] == [(4, 1, 1)]


def test_unfinished_messages_are_bounded_in_number_and_in_bytes() -> None:
    packets = Packets()
    template = Splitter().feed(hexframe(b"\0" * 4092, number=1, total=2000, func=0x36))[0]
    assert isinstance(template, Frame)
    dropped = 0
    for station in range(40):
        for number in range(1, 100):
            frame = template._replace(rtu=f"{station % 12:010d}", number=number + 100 * (station // 12))
            dropped += sum(bool(each.given_up) for each in packets.take(frame, 0))
            assert packets.size <= BYTES_LIMIT
            assert len(packets._open) <= MESSAGES_LIMIT
    assert dropped > 10


def test_a_report_in_packets_that_is_too_long_is_given_up_and_a_picture_as_long_is_not() -> None:
    for func, given_up in ((0x31, 1), (0x36, 0)):
        link, said = Sl651(), []
        for number in range(1, 18):
            raw = hexframe(b"\0" * 4092, number=number, total=40, func=func)
            said += codes(link.hear(raw, ARRIVED_US))
        assert said.count("message-incomplete") == given_up


def test_a_clock_that_is_off_is_set_and_one_that_is_right_is_not() -> None:
    link = Sl651(set_clock_s=60)
    off = hexframe(report("38121208", sent="260701042137"))
    acknowledged, clock = answers(link.hear(off, ARRIVED_US))
    assert (acknowledged.end, clock.func, clock.end, clock.body.hex()) == (0x1B, 0x4A, 5, "0000" + NOW)
    assert len(answers(link.hear(off, ARRIVED_US + SECOND))) == 1  # not again at once
    right = Sl651(set_clock_s=60).hear(hexframe(report("38121208")), ARRIVED_US)
    assert [each.end for each in answers(right)] == [4]
    never = Sl651().hear(off, ARRIVED_US)
    assert [each.end for each in answers(never)] == [4]


def test_a_question_is_asked_when_the_station_is_there() -> None:
    link = Sl651()
    link.ask(RTU, 0x3A, bytes.fromhex("39233812"))
    assert link.tick(ARRIVED_US).reply == b""
    link.ask(RTU, 0x3A, bytes.fromhex("39233812"))
    acknowledged, asked = answers(link.hear(hexframe(report("38121208")), ARRIVED_US))
    assert acknowledged.end == 0x1B  # stay
    assert (asked.func, asked.end, asked.body.hex()) == (0x3A, 5, f"0000{NOW}39233812")
    with pytest.raises(ValueError, match="function 49 is not sent"):
        link.ask(RTU, 0x49)


def test_stations_that_were_heard_are_asked_again_and_again() -> None:
    link = Sl651(query_s=60)
    assert link.tick(ARRIVED_US).reply == b""
    link.hear(hexframe(report("38121208")), ARRIVED_US)
    asked = [len(answers(link.tick(ARRIVED_US + at * SECOND))) for at in range(1, 130)]
    assert sum(asked) == 3
    assert link.stations() == [RTU]


def test_stations_that_share_a_line_are_asked_in_turn_before_they_were_ever_heard() -> None:
    stations = {RTU: "a", "0087654321": "b", "00418D2337": "c"}
    link = Sl651(stations, query_s=60, polled=True, centre=9, password="12AB")
    (first,) = answers(link.tick(ARRIVED_US))
    assert (first.rtu, first.centre, first.password, first.func, first.end) == (RTU, 9, "12AB", 0x37, 5)
    assert link.tick(ARRIVED_US + SECOND).reply == b""  # the line is another's
    said = hexframe(report("38121208"), func=0x37)
    confirmed, second = answers(link.hear(said, ARRIVED_US + 2 * SECOND))
    assert (confirmed.rtu, confirmed.end, second.rtu) == (RTU, 4, "0087654321")
    assert link.tick(ARRIVED_US + 11 * SECOND).reply == b""
    (third,) = answers(link.tick(ARRIVED_US + 12 * SECOND))  # the second says nothing
    assert third.rtu == "00418D2337"
    assert Sl651(stations, query_s=60).tick(ARRIVED_US).reply == b""  # the control


def test_an_order_longer_than_a_frame_is_refused_before_it_is_sent() -> None:
    to = orders.addressed(RTU, 1, "1234", text=False)
    assert orders.ask(to, 0x37, ARRIVED_US) == hexframe(
        bytes.fromhex("0000" + NOW), func=0x37, down=True, end=5
    )
    with pytest.raises(ValueError, match="4104 bytes"):
        orders.ask(to, 0x37, ARRIVED_US, bytes(4096))


def test_whoever_never_says_a_frame_is_hung_up_on() -> None:
    link = Sl651()
    heard = [link.hear(b"GET / HTTP/1.1\r\n" * 64, ARRIVED_US) for _ in range(NOISE_LIMIT // 1024 + 2)]
    assert heard[-1].hang_up
    assert not heard[0].hang_up
    assert sum(each.refused for each in heard) >= 1


def test_half_a_frame_is_given_up_after_long_silence() -> None:
    link, raw = Sl651(), hexframe(report("38121208"))
    link.hear(raw[:30], ARRIVED_US)
    assert codes(link.tick(ARRIVED_US + 10 * SECOND)) == []
    heard = link.tick(ARRIVED_US + 40 * SECOND)
    assert (heard.refused, codes(heard)) == (1, ["cut"])
    assert len(link.hear(raw, ARRIVED_US + 41 * SECOND).samples) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"stations": {"12": "a"}},
        {"acknowledge": "yes"},
        {"hour_slots": "both"},
        {"metrics": {"xyz": "a"}},
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"station|acknowledge|hour_slots|invalid literal"):
        Sl651(**options)  # type: ignore[arg-type]


STREAM = b"".join(
    [
        hexframe(report("38121208", serial=1)),
        b"~" + hexframe(report("3923FFFFFFFF" + "2019A00000", serial=2), centre=0),
        *picture(),
        b"DTU0001\r\n",
        textframe(b"0009260701050137ST 0012345678 H TT 2607010500 Z 1.5 "),
        hexframe(report("F460" + "00" * 12, serial=3), func=0x34)[:40],
        hexframe(report("38121208", serial=1)),
    ]
)


@settings(max_examples=60)
@given(st.lists(st.integers(0, len(STREAM)), max_size=30))
def test_where_a_link_is_cut_changes_nothing(cuts: list[int]) -> None:
    whole, link = Sl651().hear(STREAM, ARRIVED_US), Sl651()
    parts = [
        link.hear(STREAM[begin:end], ARRIVED_US) for begin, end in pairwise([0, *sorted(cuts), len(STREAM)])
    ]
    assert repr([each for part in parts for each in part.samples]) == repr(whole.samples)
    assert [each for part in parts for each in part.notes] == whole.notes
    assert b"".join(part.reply for part in parts) == whole.reply
    assert sum(part.frames for part in parts) == whole.frames == 8
    assert sum(part.refused for part in parts) == whole.refused


def seeds() -> list[bytes]:
    return [
        hexframe(report("3923000012352019000015452000000480381212 08".replace(" ", ""))),
        hexframe(report("F460" + "01" * 12 + "F5C0" + "0064" * 12), func=0x34),
        hexframe(report("04180001003923" + "00001000" * 6), func=0x31),
        hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}0120050000000E05AABBCCDDEE"), func=0x41),
        hexframe(bytes.fromhex(f"0009{SENT}F1F1{RTU}03050120 0000 0350".replace(" ", "")), func=0x4E),
        textframe(
            b"0009260701050137ST 0012345678 K TT 2607010400 DRN30 Z PT 1.5 10 M 10.5 1.75 M ", func=0x31
        ),
        textframe(b"0009260701050137ST 0012345678 P TT 2607010405 DRP 000119FEFF00000000000003 ", func=0x34),
        *picture(),
    ]


def mutated(raw: bytearray, chance: random.Random) -> None:
    """Bytes changed, bits turned, bytes lost and put in, a body that ends early."""
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(raw))
        match chance.randrange(40) % 5:
            case 0:
                raw[at] = chance.randrange(256)
            case 1:
                raw[at] ^= 1 << chance.randrange(8)
            case 2 if len(raw) > 2:
                del raw[at]
            case 3 if len(raw) > 40 and chance.random() < 0.1:
                del raw[chance.randrange(20, len(raw) - 3) : -3]
            case _:
                raw.insert(at, chance.choice((0x7E, 0xFF, 0xF0, 0xF1, 0x20, 0x01)))


def made_right(raw: bytearray) -> None:
    """Length and CRC as they should be, so that the body is read."""
    if raw[:2] == b"~~" and len(raw) > 20:
        raw[11:13] = (raw[11] << 8 & 0xF000 | len(raw) - 17 & 0xFFF).to_bytes(2)
        raw[-2:] = modbus(bytes(raw[:-2])).to_bytes(2)
    elif raw[:1] == b"\x01" and len(raw) > 40:
        raw[19:23] = b"0%03X" % (len(raw) - 29 & 0xFFF)
        raw[-4:] = b"%04X" % modbus(bytes(raw[:-4]))


@pytest.mark.timeout(1800)
def test_a_great_many_mutated_frames_neither_crash_nor_grow() -> None:
    """A million where CITYHUB_SOAK is set. Half of them get a right CRC, so that the body is read."""
    assert modbus(b"123456789") == crc(b"123456789")  # ours is slow
    chance = random.Random(651)
    made = seeds()
    link, taken = Sl651(), 0
    for turn in range(1_000_000 if os.environ.get("CITYHUB_SOAK") else 20_000):
        raw = bytearray(chance.choice(made))
        mutated(raw, chance)
        if turn % 2:
            made_right(raw)
        heard = link.hear(bytes(raw), ARRIVED_US + turn * SECOND)
        taken += heard.frames
        assert all(each[1] > 0 and isinstance(each[2], float) and "/" in each[0] for each in heard.samples)
        if turn % 100 == 0:
            link.tick(ARRIVED_US + turn * SECOND)
        if turn % 1000 == 0:
            assert len(link._splitter._buffer) <= 4200
            assert link._packets.size <= BYTES_LIMIT
            assert len(link._heard) <= 1025
    assert taken > 5_000  # the control: it was not all noise


PARTS = [0xFF, 0xF5, 0xF4, 0x04, 0x18, 0x20, 0x39, 0x23, 0x00, 0x01, 0xF0, 0xF1, 0x45, 0x33, 0x05]
WORDS = [
    "Z",
    "PT",
    "DRP",
    "DRN05",
    "DRH00",
    "ZT",
    "M",
    "1.5",
    "-2",
    "FFFF",
    "RGZS",
    "PIC",
    "TT",
    "ST",
    "C1",
    "FF09",
    "DATA",
    "DT",
    "11.30",
    "é",
    "0",
    "UC",
    "17",
    "DRZ1",
    "FEFEFE",
]
FUNCTIONS = [*range(0x2F, 0x3B), *range(0x40, 0x52), 0xE1, 0x05]


@settings(max_examples=300)
@example(func=0x32, opened=True, down=False, data=b"\x04\x18\x00", words=[])
@example(func=0x32, opened=True, down=False, data=b"\x04\x18\x00\x00\x05", words=[])
@given(
    func=st.sampled_from(FUNCTIONS),
    opened=st.booleans(),
    down=st.booleans(),
    data=st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(PARTS), max_size=80).map(bytes)),
    words=st.lists(st.sampled_from(WORDS), max_size=30),
)
def test_whatever_a_body_holds_it_is_read_explained_and_answered_without_a_fault_of_ours(
    func: int,
    opened: bool,  # noqa: FBT001
    down: bool,  # noqa: FBT001
    data: bytes,
    words: list[str],
) -> None:
    opening = bytes.fromhex(f"F1F1{RTU}48F0F02607010500") if opened else b""
    packed = hexframe(bytes.fromhex(f"0009{SENT}") + opening + data, func=func, down=down)
    text = f"0009{SENT}{f'ST {RTU} H TT 2607010500 ' if opened else ''}{' '.join(words)} "
    for raw in (packed, textframe(text.encode("latin-1"), func=func, down=down)):
        heard = Sl651().hear(raw, ARRIVED_US)
        assert (heard.frames, heard.refused) == (1, 0)
        assert all("/" in name and at > 0 and isinstance(value, float) for name, at, value in heard.samples)
        (told,) = explain.frames(raw)
        json.dumps(told, allow_nan=False)


def test_a_message_whose_first_packet_is_lost_is_not_taken_for_the_one_before_it() -> None:
    link = Sl651()
    for packet in picture():
        first = link.hear(packet, ARRIVED_US)
    assert [each.end for each in answers(first)] == [4]
    other = picture(bytes(reversed(JPEG)), serial=8)
    for packet in other[1:-1]:
        assert answers(link.hear(packet, ARRIVED_US + 60 * SECOND)) == []
    asked = answers(link.hear(other[-1], ARRIVED_US + 60 * SECOND))
    assert [(each.end, each.number) for each in asked] == [(0x15, 1)]
    heard = talk(link, [repeated(other[0], 4, 1)], other, ARRIVED_US + 61 * SECOND)
    assert "picture" in codes(heard[-1])
    assert [each.end for each in answers(heard[-1])] == [4]


def test_a_packet_that_comes_again_hours_later_is_no_resend() -> None:
    link = Sl651()
    for packet in picture():
        link.hear(packet, ARRIVED_US)
    assert codes(link.hear(picture()[-1], ARRIVED_US + 60 * SECOND)) == ["resend"]
    later = link.hear(picture()[-1], ARRIVED_US + 3600 * SECOND)
    assert [(each.end, each.number) for each in answers(later)] == [(0x15, 1)]


def test_a_message_that_another_begins_before_is_told_of() -> None:
    link = Sl651()
    link.hear(picture()[0], ARRIVED_US)
    heard = link.hear(picture(serial=8)[0], ARRIVED_US)
    assert codes(heard) == ["message-incomplete"]
    assert heard.refused == 1


def test_names_that_a_stranger_makes_up_are_not_all_remembered() -> None:
    link = Sl651()
    for number in range(40):
        rtu = f"{number:010X}"
        pumps = bytes.fromhex(f"0001{SENT}F1F1{rtu}FF" + "FF" * 255)
        assert len(link.hear(hexframe(pumps, rtu=rtu, func=0x4C), ARRIVED_US).samples) == 8 * 255
        elements = "".join(f"FF{ident:02X}0801" for ident in range(256))
        assert len(link.hear(hexframe(report(elements, rtu=rtu), rtu=rtu), ARRIVED_US).samples) == 256
    assert sum(map(len, link._collector._names.values())) <= NAMES_KEPT
