"""The SL 651 driver beside the simulator's stations, whose encoders share nothing with it: a day in memory."""

from __future__ import annotations

import math
from random import Random

import pytest

from edge.drivers.dialogue import Note, Picture, Sample
from edge.drivers.sl651 import Sl651
from firmware_sim.protocols.sl651.frame import Line
from firmware_sim.stations.clock import Clock
from firmware_sim.stations.outbox import Outbox
from firmware_sim.stations.rtu import EVEN, HOURLY, TIMED, Rtu, Settings

RTU = "00418D2337"
BEGIN_S = 1_782_835_200  # 2026-07-01 00:00 in Beijing
STEP_S = 30


def level(at_s: float) -> float:
    """The river, below zero for a part of the day."""
    return round(1.5 + 2 * math.sin(at_s / 9000), 2)


def run(
    text: bool,  # noqa: FBT001
    deviations: str,
    hours: int = 5,
    *,
    mangle: Random | None = None,
    offset_s: float = 0,
    **options: float,
) -> tuple[Rtu, Sl651, list[Sample], list[Note], list[Picture]]:
    line = Line(RTU, ascii_=text, deviations=frozenset(deviations))
    settings = Settings(functions=frozenset({TIMED, HOURLY, EVEN}), timed_s=600, picture_s=7200, base_m=-3)
    station = Rtu(line, settings, Random(1), Clock(offset_s=offset_s), Outbox())
    pictures: list[Picture] = []
    link = Sl651({RTU: "river"}, **options)  # type: ignore[arg-type]
    samples: list[Sample] = []
    notes: list[Note] = []
    for at in range(BEGIN_S, BEGIN_S + hours * 3600, STEP_S):
        station.sampled(
            {"level": level(at), "battery": 12.5, "rain": 0.1, "rain-total": (at - BEGIN_S) // 300 / 10}, at
        )
        for turn in range(6):
            sent = station.outgoing(at + turn * 2, at + turn * 2)
            if mangle and sent and mangle.random() < 0.3:
                cut = bytearray(sent)
                cut[mangle.randrange(len(cut))] ^= 0x41
                sent = bytes(cut)
            for heard in (
                link.hear(sent, (at + turn * 2) * 1_000_000),
                link.tick((at + turn * 2 + 1) * 1_000_000),
            ):
                samples += heard.samples
                notes += heard.notes
                pictures += heard.pictures
                station.heard(heard.reply, at + turn * 2 + 1)
    return station, link, samples, notes, pictures


def wrong(samples: list[Sample], metric: str, truth_m: float = 0) -> list[Sample]:
    """Levels that the river did not have at their time."""
    return [
        each
        for each in samples
        if each[0] == f"river/{metric}"
        and not math.isnan(each[2])
        and abs(each[2] + truth_m - level(each[1] / 1e6)) > 0.02
    ]


@pytest.mark.parametrize("deviations", ["", "a", "c", "d", "e", "f", "g", "h", "j", "acdefgj"])
@pytest.mark.parametrize("text", [False, True], ids=["hex", "ascii"])
def test_everything_that_a_station_says_is_taken_and_acknowledged(text: bool, deviations: str) -> None:  # noqa: FBT001
    station, link, samples, notes, pictures = run(text, deviations)
    assert station.outbox.waiting == 0
    assert station.outbox.resent == 0
    assert station.outbox.acknowledged > 30
    assert link.stations() == [RTU]
    assert len({each for each in samples if each[0] == "river/level"}) > 50
    if "j" not in deviations:
        assert wrong(samples, "level") == []
    assert wrong(samples, "level-relative-1", truth_m=-3) == []
    assert len(pictures) == 3
    assert all(each.jpeg[:2] == b"\xff\xd8" and each.jpeg[-2:] == b"\xff\xd9" for each in pictures)
    told = {each.code for each in notes} - {"picture"}
    expected = {
        "a": {"hour-end"},
        "c": set() if text else {"series-definition"},
        "d": set() if text else {"leader-definition"},
        "e": set() if text else {"trailing-7e"},
        "f": {"centre-zero"},
        "j": {"time-implausible"},
    }
    assert told == set().union(*(expected.get(each, set()) for each in deviations))


def test_the_end_of_an_hour_taken_for_its_beginning_would_be_seen() -> None:
    """The control of the test above."""
    *_, samples, _, _ = run(False, "a", hour_slots="first")  # type: ignore[arg-type]
    assert len(wrong(samples, "level-relative-1", truth_m=-3)) > 20


@pytest.mark.parametrize("text", [False, True], ids=["hex", "ascii"])
def test_on_a_bad_line_all_arrives_in_the_end(text: bool) -> None:  # noqa: FBT001
    clean, _, whole, _, pictures = run(text, "")
    station, _, samples, notes, got = run(text, "", mangle=Random(7))
    assert {each.code for each in notes} >= {"crc"}
    assert station.outbox.acknowledged >= clean.outbox.acknowledged - 2  # the last may still wait
    missing = {repr(each) for each in whole} - {repr(each) for each in samples}
    assert len(missing) < 60
    assert {repr(each) for each in samples} <= {repr(each) for each in whole}
    assert len(got) >= len(pictures) - 1


def test_a_clock_that_runs_wrong_is_set() -> None:
    station, _, _, notes, _ = run(False, "", hours=1, offset_s=700, set_clock_s=60)
    assert station.clock.times_set in {2, 3, 4}  # by the order and by what confirms it (6.6.4.24)
    assert abs(station.clock.offset_s) < 10
    untouched, *_ = run(False, "", hours=1, offset_s=700)  # the control
    assert untouched.clock.times_set == 0
    assert "not-asked" not in {each.code for each in notes}
