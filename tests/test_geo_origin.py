"""Origin, dwell and flow without identities: salts that are gone, and groups that are never small."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from geo.origin import Visits, dwell, flow_map, origin_destination
from geo.tokens import DAY_US, LATE_US, MAX_NAME_BYTES, Tokens

SECOND = 1_000_000
HOUR = 3_600 * SECOND
MIDNIGHT = 20_600 * DAY_US
NOON = MIDNIGHT + 12 * HOUR


def test_a_track_has_one_token_all_day_and_another_the_next() -> None:
    tokens = Tokens(0)
    morning = tokens.token("camera-1", "7", NOON, NOON)
    assert morning is not None
    assert 0 <= morning < 1 << 63
    assert tokens.token("camera-1", "7", NOON + 11 * HOUR, NOON + 11 * HOUR) == morning
    assert tokens.token("camera-1", "7", NOON + DAY_US, NOON + DAY_US) not in (None, morning)


def test_names_do_not_run_into_each_other() -> None:
    tokens = Tokens(0)
    named = [("ab", "c"), ("a", "bc"), ("", "abc"), ("abc", ""), ("\ud800", "x"), ("摄像头", "7")]
    assert len({tokens.token(*each, NOON, NOON) for each in named}) == len(named)
    with pytest.raises(ValueError, match="bytes"):
        tokens.token("a", "b" * MAX_NAME_BYTES, NOON, NOON)


def test_the_salt_of_a_day_is_overwritten_an_hour_after_midnight() -> None:
    tokens = Tokens(0)
    evening = tokens.token("a", "7", MIDNIGHT - SECOND, MIDNIGHT - SECOND)
    salt = next(iter(tokens._salts.values()))
    # A fix of the evening that comes late still finds its token; in the morning nobody can make it again.
    assert tokens.token("a", "7", MIDNIGHT - 2 * SECOND, MIDNIGHT + LATE_US - SECOND) == evening
    assert any(salt)
    assert tokens.token("a", "7", MIDNIGHT - 2 * SECOND, MIDNIGHT + LATE_US) is None
    assert not any(salt)
    assert not tokens._salts
    # And another hub, or this one after a restart, has another salt.
    assert Tokens(0).token("a", "7", NOON, NOON) != tokens.token("a", "7", NOON, NOON)


def test_days_begin_at_local_midnight_and_the_future_has_no_salt() -> None:
    tokens = Tokens(8 * 3600)
    local_midnight = MIDNIGHT - 8 * HOUR
    before = tokens.token("a", "7", local_midnight - SECOND, local_midnight)
    after = tokens.token("a", "7", local_midnight, local_midnight)
    assert None not in (before, after)
    assert before != after
    # A clock that is a day ahead throws no salt away.
    assert tokens.token("a", "7", local_midnight + DAY_US, local_midnight) is None
    assert tokens.token("a", "7", local_midnight, local_midnight) == after


def visits(*rows: tuple[int, int, int, int]) -> Visits:
    """Rows of track, zone, and seconds of entry and exit."""
    track, zone, enter, leave = np.array(rows, np.int64).reshape(-1, 4).T
    return Visits(track, zone, enter * SECOND, leave * SECOND)


row = st.tuples(st.integers(0, 30), st.integers(0, 2), st.integers(0, 100), st.integers(-5, 60)).map(
    lambda each: (each[0], each[1], each[2], each[2] + each[3])
)


@given(st.lists(row, max_size=120))
def test_the_matrix_equals_a_plain_walk_and_shows_no_small_group(
    rows: list[tuple[int, int, int, int]],
) -> None:
    ways: set[tuple[int, int, int]] = set()
    for track in range(31):
        mine = sorted(
            (each for each in rows if each[0] == track and each[3] >= each[2]), key=lambda e: (e[2], e[3])
        )
        # Two visits of one moment have no order: the plain walk takes theirs.
        ways |= {(track, a[1], b[1]) for a, b in pairwise(mine) if a[1] != b[1] and b[2] - a[3] <= 30}
    expected = Counter((a, b) for _, a, b in ways)
    found = origin_destination(visits(*rows), 3, 4, 30.0)
    for a in range(3):
        for b in range(3):
            if expected[a, b] < 4:
                assert np.isnan(found[a, b])
            else:
                assert found[a, b] == expected[a, b]


def test_one_person_who_goes_to_and_fro_is_no_group() -> None:
    rows = [(1, n % 2, n * 10, n * 10 + 5) for n in range(50)]
    assert np.isnan(origin_destination(visits(*rows), 2, 3, 60.0)).all()
    assert np.isnan(dwell(visits(*rows), 2, 3, [0, 60, 600])[0].persons)
    # The control: three people are one.
    rows += [(track, n, n * 10, n * 10 + 5) for track in (2, 3) for n in range(2)]
    found = origin_destination(visits(*rows), 2, 3, 60.0)
    assert found[0, 1] == 3
    assert np.isnan(found[1, 0])


@given(st.lists(row, max_size=150), st.integers(3, 10))
def test_no_bin_of_a_dwell_time_holds_less_than_the_minimum(
    rows: list[tuple[int, int, int, int]], minimum: int
) -> None:
    edges = [0.0, 5.0, 10.0, 20.0, 40.0]
    for zone, found in enumerate(dwell(visits(*rows), 3, minimum, edges)):
        stayed: Counter[int] = Counter()
        for track, at, enter, leave in rows:
            if at == zone and leave >= enter:
                stayed[track] += leave - enter
        if len(stayed) < minimum:
            assert np.isnan(found.persons)
            assert len(found.counts) == 0
            assert np.isnan(found.quantile(0.5))
            continue
        assert found.persons == len(stayed) == found.counts.sum()
        assert (found.counts >= minimum).all()
        assert (found.edges_s[0], found.edges_s[-1]) == (0.0, 40.0)
        clipped = np.clip(list(stayed.values()), 0, 39.9)
        assert np.histogram(clipped, found.edges_s)[0].tolist() == found.counts.tolist()
        assert found.edges_s[0] <= found.quantile(0.25) <= found.quantile(0.75) <= found.edges_s[-1]


def test_a_median_stay_lies_in_the_middle_of_the_people() -> None:
    rows = [(track, 0, 0, track) for track in range(100)]
    found = dwell(visits(*rows), 1, 5, list(range(0, 101, 10)))[0]
    assert found.quantile(0.5) == pytest.approx(50)
    assert found.quantile(0.9) == pytest.approx(90)


def test_the_flow_map_shows_what_is_shown_and_nothing_else() -> None:
    persons = np.array([[np.nan, 7.0], [np.nan, 0.0]])
    drawn = flow_map(persons, np.array([120.1, 120.2]), np.array([31.0, 31.5]), ["gate", "square"])
    assert json.loads(json.dumps(drawn, allow_nan=False)) == {
        "type": "FeatureCollection",
        "features": [
            {
                "type": "Feature",
                "geometry": {"type": "LineString", "coordinates": [[120.1, 31.0], [120.2, 31.5]]},
                "properties": {"from": "gate", "to": "square", "persons": 7},
            }
        ],
    }
    with pytest.raises(ValueError, match="square matrix"):
        flow_map(persons, np.zeros(2), np.zeros(2), ["gate"])


def test_minimums_that_show_single_persons_and_columns_that_do_not_fit_are_refused() -> None:
    nobody = visits()
    assert np.isnan(origin_destination(nobody, 2, 3, 60.0)).all()
    for minimum in (0, 1, 2):
        with pytest.raises(ValueError, match="single persons"):
            origin_destination(nobody, 2, minimum, 60.0)
        with pytest.raises(ValueError, match="single persons"):
            dwell(nobody, 2, minimum, [0, 1])
    with pytest.raises(ValueError, match="none of the 2 zones"):
        origin_destination(visits((1, 2, 0, 1)), 2, 3, 60.0)
    with pytest.raises(ValueError, match="one length"):
        dwell(nobody._replace(track=np.zeros(1, np.int64)), 2, 3, [0, 1])
    with pytest.raises(ValueError, match="ascend"):
        dwell(nobody, 2, 3, [1, 0])


def test_a_way_belongs_to_the_window_in_which_it_ends_and_to_no_other() -> None:
    s = 1_000_000
    track = np.repeat(np.arange(3), 2)
    visits = Visits(track, np.tile([0, 1], 3), np.tile([0, 100], 3) * s, np.tile([90, 110], 3) * s)
    found = [
        origin_destination(visits, 2, 3, 60, (begin * s, end * s))[0, 1]
        for begin, end in ((0, 100), (100, 101), (101, 200))
    ]
    assert np.isnan(found[0])
    assert found[1] == 3
    assert np.isnan(found[2])
