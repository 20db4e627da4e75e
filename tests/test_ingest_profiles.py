"""The shipped profiles: each can be read, names what it measures in units that exist, and checks what it says."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ingest import profile
from ingest.profile import Loaded, ProfileError
from ingest.ucum import is_unit

SHIPPED = profile.load()
CONVENTIONS = {
    "level": "m", "rain": "mm", "rain-total": "mm", "rain-1h": "mm", "rain-1d": "mm", "flow": {"m3/s", "m3/h"}, "velocity": "m/s",
    "volume-total": "m3", "water-temperature": "Cel", "air-temperature": "Cel", "humidity": "%", "air-pressure": "hPa",
    "wind-speed": "m/s", "wind-direction": "deg", "ph": "[pH]", "dissolved-oxygen": "mg/L", "conductivity": "uS/cm",
    "turbidity": "[NTU]", "ammonia": "mg/L", "pm2-5": "ug/m3", "pm10": "ug/m3", "so2": "ug/m3", "no2": "ug/m3",
    "o3": "ug/m3", "co": "mg/m3", "noise": "dB[SPL]", "battery": "V", "battery-level": "%", "rssi": "dBm", "tilt": "deg",
    "open": "1", "water": "cm", "pressure": "kPa", "gate-opening": "m", "mains-lost": "1", "door-open": "1",
}  # fmt: skip
"""One name means one quantity in one unit, whatever measures it."""


def test_there_are_at_least_thirty_kinds_and_each_file_bears_its_profiles_name() -> None:
    assert len(SHIPPED) >= 30
    files = {path.stem for path in profile.SHIPPED.glob("*.yaml")}
    assert files == {one.profile.profile for one in SHIPPED}


@pytest.mark.parametrize("one", SHIPPED, ids=lambda one: one.profile.profile)
def test_a_shipped_profile_says_what_it_measures_and_within_what(one: Loaded) -> None:
    kind = one.profile
    assert one.body["version"] == kind.version
    assert kind.name.strip()
    for name, metric in kind.metrics.items():
        assert metric.quantity.strip(), name
        assert is_unit(metric.unit), (name, metric.unit)
        wanted = CONVENTIONS.get(name, metric.unit)
        assert metric.unit in ({wanted} if isinstance(wanted, str) else wanted), name
        if kind.profile != "hub":
            assert metric.checks.gross_range is not None, name
            low, high = metric.checks.gross_range.fail
            assert metric.resolution is None or metric.resolution < high - low


def test_the_comments_say_why() -> None:
    for path in profile.SHIPPED.glob("*.yaml"):
        assert path.read_text().startswith("# "), path


@pytest.mark.parametrize("unit", ["m", "m3/s", "ug/m3", "dB[SPL]", "uS/cm", "[pH]", "{person}/m2", "kW.h", "10*3/uL", "/min", "m/s2", "(m.kg)/s", "mol", "1", "%"])  # fmt: skip
def test_units_of_ucum_are_units(unit: str) -> None:
    assert is_unit(unit)


@pytest.mark.parametrize("unit", ["", "µg/m³", "°C", "m^2", "m//s", "m/", "kWh", "meter", "(m", "m)", "[pH", "{a", "{a}m", "ppm", "Mm%", "x" * 41])  # fmt: skip
def test_other_texts_are_not(unit: str) -> None:
    assert not is_unit(unit)


def test_a_profile_in_a_unit_that_is_none_is_refused_with_its_file(tmp_path: Path) -> None:
    body = {
        "profile": "p",
        "name": "P",
        "metrics": {"level": {"unit": "m", "quantity": "q", "interval_s": 1}},
    }
    path = tmp_path / "p.yaml"
    path.write_text(yaml.safe_dump(body))
    assert profile.read(path).profile.version == 1
    body["metrics"]["level"]["unit"] = "metres"  # type: ignore[index]
    path.write_text(yaml.safe_dump(body))
    with pytest.raises(ProfileError, match=r"p.yaml: metrics.level.unit: 'metres' is no unit of UCUM"):
        profile.read(path)


def test_what_counts_people_says_so_in_a_unit_of_people_and_once(tmp_path: Path) -> None:
    counting = {
        one.profile.profile: {m.counts: n for n, m in one.profile.all_metrics.items() if m.counts}
        for one in SHIPPED
    }
    assert counting["counting-camera"] == {"view": "people", "in": "in", "out": "out"}
    assert counting["onvif-counting-camera"] == {"view": "people", "in": "in", "out": "out"}
    assert not any("view" in found for kind, found in counting.items() if kind in {"people-counter", "zone"})
    people = {"unit": "{person}", "quantity": "q", "interval_s": 1, "counts": "view"}
    body: dict[str, object] = {"profile": "p", "name": "P", "metrics": {"people": people}}
    path = tmp_path / "p.yaml"
    for change, wanted in (
        ({"people": {**people, "unit": "%"}}, "a number of people"),
        ({"people": {**people, "counts": "heads"}}, "counts"),
        ({"people": people, "again": people}, "two metrics count the same"),
    ):
        path.write_text(yaml.safe_dump(body))
        assert profile.read(path).profile.metrics["people"].counts == "view"  # the control
        path.write_text(yaml.safe_dump({**body, "metrics": change}))
        with pytest.raises(ProfileError, match=wanted):
            profile.read(path)
