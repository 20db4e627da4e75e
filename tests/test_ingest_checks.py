"""What a profile may ask of a metric: mistakes are refused with file, place and what was wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from ingest.profile import ProfileError, load, read

FULL: dict[str, Any] = {
    "gross_range": {"fail": [-5, 30], "suspect": [-1, 15]},
    "spike": {"suspect": 1, "fail": 3, "within_s": 900},
    "rate_of_change": {"per_s": 0.1, "fail_per_s": 0.2},
    "flat_line": {"tolerance": 0.01, "suspect_s": 3600, "fail_s": 7200},
    "attenuated_signal": {"window_s": 86400, "suspect": 0.05, "fail": 0.01},
    "climatology": {"utc_offset_h": 8, "spans": [{"months": [11, 2], "suspect": [0, 4]}]},
    "gap": {"suspect_s": 3600},
    "duplicate_time": "suspect",
    "multivariate": {"with": "rain", "max_age_s": 600, "ranges": [{"when": [0, 1], "suspect": [0, 3]}]},
}


def profile(tmp_path: Path, checks: dict[str, Any]) -> Path:
    metric = {"unit": "m", "quantity": "stage", "interval_s": 300}
    body = {
        "profile": "gauge",
        "name": "Gauge",
        "metrics": {"level": {**metric, "checks": checks}, "rain": metric},
    }
    path = tmp_path / "gauge.yaml"
    path.write_text(yaml.safe_dump(body))
    return path


def test_every_check_can_be_asked_for(tmp_path: Path) -> None:
    checks = read(profile(tmp_path, FULL)).profile.metrics["level"].checks
    assert set(checks.model_dump(exclude_none=True)) == set(FULL)


@pytest.mark.parametrize(
    ("check", "given", "wanted"),
    [
        ("gross_range", {"fail": [30, -5]}, "low, high"),
        ("gross_range", {"fail": [0, 10], "suspect": [5, 20]}, "suspect inside fail"),
        ("gross_range", {"fail": [0, float("nan")]}, "finite"),
        ("spike", {"suspect": 3, "fail": 1}, "fail (1) must be more than suspect (3)"),
        (
            "rate_of_change",
            {"per_s": 0.2, "fail_per_s": 0.2},
            "fail_per_s (0.2) must be more than per_s (0.2)",
        ),
        ("rate_of_change", {"per_s": 0}, "greater than 0"),
        ("flat_line", {"tolerance": 0, "suspect_s": 60}, "greater than 0"),
        (
            "flat_line",
            {"tolerance": 1, "suspect_s": 60, "fail_s": 30},
            "fail_s (30) must be more than suspect_s (60)",
        ),
        (
            "attenuated_signal",
            {"window_s": 60, "suspect": 1, "fail": 2},
            "suspect (1) must be more than fail (2)",
        ),
        ("climatology", {"spans": [{"suspect": [0, 1]}]}, "months or hours"),
        ("climatology", {"spans": [{"months": [0, 3], "suspect": [0, 1]}]}, "greater than or equal to 1"),
        ("climatology", {"spans": [{"months": [1, 3]}]}, "give fail or suspect"),
        ("gap", {}, "suspect_s or fail_s"),
        ("gap", {"suspect_s": 60, "fail_s": 60}, "fail_s (60) must be more than suspect_s (60)"),
        ("duplicate_time", "drop", "'suspect' or 'fail'"),
        ("multivariate", {**FULL["multivariate"], "with": "snow"}, "snow, which is no other metric"),
        ("multivariate", {**FULL["multivariate"], "with": "level"}, "level, which is no other metric"),
        ("spikes", {"suspect": 1}, "not permitted"),
    ],
)
def test_limits_in_the_wrong_order_and_unknown_names_are_refused(
    tmp_path: Path, check: str, given: object, wanted: str
) -> None:
    path = profile(tmp_path, {check: given})
    with pytest.raises(ProfileError) as refused:
        read(path)
    assert str(path) in str(refused.value)
    assert wanted in str(refused.value)
    assert refused.value.hint


def test_the_shipped_profiles_are_sound() -> None:
    assert {one.profile.profile for one in load()} >= {"river-gauge", "street-light", "manhole-cover"}
