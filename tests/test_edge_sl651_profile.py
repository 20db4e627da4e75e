"""The profile of an SL 651 station has everything that such a station can say, in the same units."""

from __future__ import annotations

from edge.protocols.sl651.elements import ELEMENTS
from edge.protocols.sl651.status import BITS
from ingest.profile import SHIPPED, read

METRICS = read(SHIPPED / "sl651-station.yaml").profile.metrics


def test_every_element_has_its_metric_in_the_unit_of_the_table() -> None:
    for kind in ELEMENTS.values():
        if kind.metric:
            assert METRICS[kind.metric].unit == kind.unit, kind


def test_every_bit_of_the_state_has_its_metric() -> None:
    assert {each.metric for each in BITS} <= METRICS.keys()
    assert METRICS["pump-running-8"].unit == METRICS["gate-open-8"].unit == "1"
