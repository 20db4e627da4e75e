"""D1: edge clocks that are wrong by hours, days and decades, or step back in mid-run."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from faults.ground import Ground, transitions
from faults.load import GATEWAY, Load
from faults.oracle import Verdict
from faults.rounds import PATIENCE_S

from edge.reading import now_us
from ingest import judge

SECOND, HOUR, DAY = 1_000_000, 3_600_000_000, 86_400_000_000
STEPS = 10  # batches by each clock; the cover opens and closes within


def year(number: int) -> int:
    """How far off a clock is that shows the beginning of this year."""
    return int(datetime(number, 1, 1, tzinfo=UTC).timestamp()) * SECOND - now_us()


SLOW = {"an hour": -HOUR, "a day": -DAY, "29 days": -29 * DAY}
# Not within [-30 d, +5 min]: for the dead letters.
WRONG = {
    "31 days slow": -31 * DAY,
    "ten years slow": -3_653 * DAY,
    "1970": year(1970),
    "an hour fast": HOUR,
    "a day fast": DAY,
    "ten years fast": 3_653 * DAY,
    "2099": year(2099),
}


def live_through(ground: Ground, *offsets: int) -> Verdict:
    """One gateway whose clock is set again and again."""
    with ground.hub():
        load = Load(ground.order(agents=[GATEWAY]))
        load.start()
        for offset in offsets:
            load.mend_clock(offset)
            for _ in range(STEPS):
                load.step()
        assert load.drain(PATIENCE_S)
        load.close()
    return ground.judge()


def outside(ground: Ground) -> int:
    """Readings stored outside of what the promise lets in."""
    query = "select count(*) from reading where time < now() - interval '31 days' or time > now() + interval '6 min'"
    return int(ground.house.ask(query)[0][0])


def furthest_chunk_days(ground: Ground) -> float:
    """How many days from now the furthest chunk ends; 0 without TimescaleDB."""
    if not ground.house.ask("select 1 from pg_extension where extname = 'timescaledb'"):
        return 0
    query = """select extract(epoch from max(range_end) - now()) / 86400 from timescaledb_information.chunks
               where hypertable_name = 'reading'"""
    return float(ground.house.ask(query)[0][0])


def test_clocks_wrong_by_hours_to_decades_lose_nothing_reach_no_far_chunk_and_page_nobody(
    ground: Ground,
) -> None:
    begun = now_us()
    verdict = live_through(ground, *SLOW.values(), *WRONG.values(), 0)
    assert verdict.wrong == {}
    assert verdict.buried == {"time-outside": len(WRONG) * STEPS * 12}
    assert outside(ground) == 0
    assert furthest_chunk_days(ground) < 8
    steps = transitions(ground.house)
    assert steps, "the right clock's readings page"
    assert all(at >= begun for _, at in steps)


def test_a_clock_that_steps_back_an_hour_in_mid_run_loses_nothing_and_pages_nobody(ground: Ground) -> None:
    verdict = live_through(ground, 0, -HOUR, 0)
    assert verdict.wrong == {}
    steps = transitions(ground.house)
    assert steps == sorted(steps, key=lambda step: step[1])
    assert all(at > now_us() - HOUR // 2 for _, at in steps)


def test_times_that_come_again_after_a_step_back_with_other_values_are_conflicts_and_none_is_lost(
    ground: Ground,
) -> None:
    with ground.hub():
        load = Load(ground.order(agents=[GATEWAY]))
        load.start()
        begin = now_us() // SECOND * SECOND - 20 * SECOND
        whole = [("lamp-01/current", begin + second * SECOND, float(second)) for second in range(20)]
        load.hand(load.agents[0], whole)
        again = [(name, at, value + 100) for name, at, value in whole[5:15]]
        load.agents[0].accept(again)  # not noted: the record knows a reading by its name and time
        assert load.drain(PATIENCE_S)
        load.close()
    assert ground.judge().wrong == {}
    assert ground.house.ask("select reason, readings from dead_letter") == [("conflict", 10)]


def test_control_a_hub_that_believes_every_clock_is_caught(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PAST_US", "FUTURE_US", "LATE_US"):
        monkeypatch.setattr(judge, name, 200 * 365 * DAY)
    begun = now_us()
    verdict = live_through(ground, -DAY, year(2099))
    assert verdict.buried == {}
    assert outside(ground)
    assert any(at < begun for _, at in transitions(ground.house))
