"""Screening: the checks of a profile, and the series that they look at beside their own, given to the kernel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from alerts.checks.quality import Quality
from ingest.registry import Registry, Series


def screen(quality: Quality, registry: Registry, fresh: Iterable[Series]) -> None:
    """Configure series that are new to this process."""
    alike: dict[tuple[str, str], list[Series]] = defaultdict(list)
    for series in fresh:
        alike[series.device.profile, series.metric].append(series)
    for group in alike.values():
        checks = group[0].measured.checks.model_dump(exclude_none=True)
        quality.configure(np.array([series.id for series in group]), checks)
    # Either of two metrics may come first.
    for (profile, metric), group in alike.items():
        for name, measured in registry.profiles[profile].metrics.items():
            several = measured.checks.multivariate
            if several is not None and metric in (name, several.other):
                for series in group:
                    slot = registry.by_metric.get((series.device.id, name))
                    other = registry.by_metric.get((series.device.id, several.other))
                    if slot is not None and other is not None:
                        quality.follow(slot, other)
