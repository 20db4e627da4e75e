"""Flow across a line, from tracks and from counters."""

from __future__ import annotations

import csv
import gzip
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.flow import Line, crossings, per_m_s, per_window

DATA = Path(__file__).parents[1] / ".." / "shared" / "data" / "crowd"
GATE = Line(0, 0, 0, 4)

whole = st.integers(-3, 3).map(float)
fix = st.tuples(st.integers(0, 2), st.integers(0, 30), whole, whole)


@given(st.lists(fix, max_size=40, unique_by=lambda each: each[:2]), st.permutations(range(40)))
def test_crossings_equal_a_plain_walk_along_each_track(
    fixes: list[tuple[int, int, float, float]], mixed: list[int]
) -> None:
    # Along the y axis from -1 to 2: left of it is west.
    line = Line(0, -1, 0, 2)
    expected = []
    for who in range(3):
        mine = sorted(each for each in fixes if each[0] == who)
        for (_, t1, west, y1), (_, t2, east, y2) in pairwise(mine):
            if (west <= 0) == (east <= 0) or t2 - t1 > 10:
                continue
            at = y1 + (0 - west) / (east - west) * (y2 - y1)
            if -1 <= at < 2 - 1e-12:
                expected.append(
                    (who, round(t1 + (0 - west) / (east - west) * (t2 - t1), 9), 1 if west <= 0 else -1)
                )
    shuffled = np.array([fixes[i] for i in mixed if i < len(fixes)]).reshape(-1, 4)
    when, x, y = shuffled[:, 1:].T
    found = crossings(shuffled[:, 0].astype(np.int64), when, x, y, line, 10.0)
    times = [round(each, 9) for each in found.time_s.tolist()]
    assert sorted(zip(found.track.tolist(), times, found.direction.tolist(), strict=True)) == sorted(expected)
    assert times == sorted(times)


def test_whoever_stops_on_the_line_is_counted_once_and_whoever_turns_there_not_at_all() -> None:
    time_s = np.arange(5.0)
    zero = np.zeros(5, np.int64)
    through = crossings(zero, time_s, np.array([-1.0, 0, 0, 0, 1]), np.ones(5), GATE, 5.0)
    assert through.direction.tolist() == [1]
    turned = crossings(zero, time_s, np.array([-1.0, 0, 0, 0, -1]), np.ones(5), GATE, 5.0)
    assert turned.direction.tolist() == []
    back_and_forth = crossings(zero, time_s, np.array([-1.0, 1, -1, 1, -1]), np.ones(5), GATE, 5.0)
    assert back_and_forth.direction.tolist() == [1, -1, 1, -1]
    assert back_and_forth.speed.tolist() == [2.0] * 4


def test_a_passing_where_two_lines_meet_is_counted_by_one_of_them() -> None:
    lower, upper = Line(0, 0, 0, 2), Line(0, 2, 0, 4)
    columns = (np.zeros(2, np.int64), np.arange(2.0), np.array([-1.0, 1.0]), np.full(2, 2.0))
    assert [len(crossings(*columns, each, 5.0).track) for each in (lower, upper)] == [0, 1]


def test_over_a_gap_or_a_fix_that_is_none_nobody_knows_the_way() -> None:
    x, y = np.array([-1.0, 1.0]), np.ones(2)
    zero = np.zeros(2, np.int64)
    assert len(crossings(zero, np.array([0.0, 9.0]), x, y, GATE, 5.0).track) == 0
    assert len(crossings(zero, np.array([0.0, np.nan]), x, y, GATE, 5.0).track) == 0
    assert len(crossings(np.array([0, 1]), np.array([0.0, 1.0]), x, y, GATE, 5.0).track) == 0
    none = np.empty(0)
    assert len(crossings(np.empty(0, np.int64), none, none, none, GATE, 5.0).track) == 0
    # Two fixes at one time are no movement.
    assert len(crossings(zero, np.zeros(2), x, y, GATE, 5.0).track) == 0


def test_flow_of_a_steady_stream_is_persons_by_width_by_time() -> None:
    # Sixty people a minute, one a second, through a gate of four metres; every third comes back.
    n = 60
    track = np.repeat(np.arange(n), 3)
    time_s = (np.arange(n)[:, None] + [0.1, 0.6, 0.9]).ravel()
    x = np.tile([-1.0, 1.0, 1.0], n)
    x[2::9] = -1.0
    found = crossings(track, time_s, x, np.full(3 * n, 2.0), GATE, 5.0)
    forward, back = per_window(found, GATE, [0, 30, 60])
    assert forward.tolist() == pytest.approx([30 / 4 / 30] * 2)
    assert back.tolist() == pytest.approx([10 / 4 / 30] * 2)
    # What a counter at the same gate says is the same.
    assert per_m_s([30, 30], GATE.width_m, 30).tolist() == pytest.approx(forward.tolist())


def test_everybody_of_a_real_crowd_passes_the_line_before_the_corner_once() -> None:
    if not DATA.exists():
        pytest.skip("no recording of a crowd: the folder shared/data is not beside the project")
    with gzip.open(DATA / "pedpy_corner_traj.csv.gz", "rt") as lines:
        fixes = np.array([[float(each) for each in row] for row in list(csv.reader(lines))[1:]])
    time_s, _, track, x, y = fixes.T
    # They come from the east; the corridor is three metres wide.
    line = Line(1, 0, 1, -3)
    found = crossings(track.astype(np.int64), time_s, x, y, line, 1.0)
    assert sorted(found.track.tolist()) == np.unique(track).astype(int).tolist()
    assert (found.direction == 1).all()
    forward, back = per_window(found, line, [0, 100])
    assert forward[0] == pytest.approx(len(np.unique(track)) / 300)
    assert back[0] == 0


@pytest.mark.parametrize(
    "wrong", [(-1, 4, 30), (np.nan, 4, 30), (5, 0, 30), (5, 4, 0), (5, -1, 30), (5, np.inf, 1)]
)
def test_a_count_below_zero_or_a_line_without_width_has_no_flow(wrong: tuple[float, float, float]) -> None:
    assert np.isnan(per_m_s(*([each] for each in wrong))).all()


def test_lines_windows_and_columns_that_do_not_fit_are_refused() -> None:
    one = np.ones(1)
    zero = np.zeros(1, np.int64)
    with pytest.raises(ValueError, match="width"):
        crossings(zero, one, one, one, Line(1, 1, 1, 1), 1.0)
    with pytest.raises(ValueError, match="width"):
        crossings(zero, one, one, one, Line(1, 1, np.nan, 1), 1.0)
    with pytest.raises(ValueError, match="one length"):
        crossings(zero, one, one, np.ones(2), GATE, 1.0)
    for edges in ([0], [1, 1], [2, 1]):
        with pytest.raises(ValueError, match="ascend"):
            per_window(crossings(zero, one, one, one, GATE, 1.0), GATE, edges)
