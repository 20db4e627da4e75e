"""Moments and cursors at the border."""

from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.paging import cursor, cut, place
from api.problems import Problem
from api.values import moment

NOON = datetime(2026, 11, 22, 12, 0, 0, 120000, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T12:00:00.12Z",
        "2026-11-22t12:00:00.120000999z",
        "2026-11-22 20:00:00.12+08:00",
        "2026-11-22T20:00:00.12 08:00",
        "2026-11-22T07:00:00.12-05:00",
        "1795348800120",
    ],
)
def test_one_moment_written_in_many_ways(text: str) -> None:
    assert moment(text) == NOON


@pytest.mark.parametrize(
    "text",
    [
        "",
        "now",
        "2026-11-22",
        "2026-11-22T12:00:00",
        "2026-02-30T12:00:00Z",
        "2026-11-22T12:00:60Z",
        "2026-11-22T12:00:00+99:00",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "9999999999999",
        "1e3",
        "-1",
        "2026-11-22T12:00:00Z\n",
        12,
        None,
        float("nan"),
    ],
)
def test_what_is_no_moment_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        moment(text)


@given(st.text())
def test_any_text_is_a_moment_or_refused(text: str) -> None:
    with suppress(ValueError):
        assert moment(text).tzinfo is UTC


@given(
    st.integers(-(2**63) + 1, 2**63 - 1),
    st.datetimes(datetime(1901, 1, 1), datetime(2199, 1, 1)),  # noqa: DTZ001 -- made aware below
)
def test_a_cursor_gives_back_its_place(number: int, at: datetime) -> None:
    aware = at.replace(tzinfo=UTC)
    assert place(cursor(number, aware, "gauge-1"), int, datetime, str) == [number, aware, "gauge-1"]


@given(st.text(max_size=60))
def test_a_forged_cursor_is_refused(text: str) -> None:
    with pytest.raises(Problem):
        place(text, datetime, int)


def test_without_a_cursor_no_part_of_the_place_is_known() -> None:
    assert place(None, int, str) == [None, None]


def test_a_page_is_cut_where_the_next_begins() -> None:
    assert cut([1, 2], 2) == ([1, 2], None)
    assert cut([1, 2, 3], 2) == ([1, 2], 2)


def test_moments_keep_their_microseconds() -> None:
    assert moment("2026-11-22T12:00:00.120001Z") - NOON == timedelta(microseconds=1)
