"""The template for urban streams on recorded rivers: a page before each crest, and few for nothing."""

from __future__ import annotations

import pytest

from bench import rivers


def test_every_flood_is_paged_for_before_its_crest_and_less_than_one_page_a_month_is_false() -> None:
    if not rivers.RIVERS.exists():
        pytest.skip("the shared recordings are not here")
    result = rivers.run(0, 0, lambda _: None)
    urban = result["usgs_plumtree_run_gage_height_2016_2018"]
    assert (urban["paged_before_crest"], urban["floods"]) == (30, 30)
    for gauge in (one for one in result.values() if isinstance(one, dict)):
        assert gauge["paged_before_crest"] == gauge["floods"]
        assert gauge["false_pages_a_month"] < 1
