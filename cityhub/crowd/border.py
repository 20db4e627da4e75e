"""Who is inside each watched zone by the crossings of its border: a look at the fences at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.ground import Watched
from cityhub.crowd.telling import Presence
from cityhub.fencing import Fencing
from ingest.profile import Metric

LOST_US = 60_000_000
"""A camera that loses somebody does not say so: so long after the last fix nobody without a name is counted."""
SILENT_US = 900_000_000
"""A device that tells its own place stands still for long, and says so every few minutes."""
SILENT_INTERVALS = 2
"""Nor is one missed that is to speak more seldom by its profile, before it has let so many intervals pass."""


class Border(NamedTuple):
    """Of k tracks inside: zone and device (ids; device 0: a track without a name), and whether it has dwelt."""

    zone: NDArray[np.int32]
    device: NDArray[np.int32]
    dwelt: NDArray[np.bool_]
    absent: Counter[int]  # by id of the zone: devices that ought to be inside and are not
    unheard: Counter[int]  # the same of those of which nobody knows where they are now
    followed: bool  # any track was ever heard


def look(fencing: Fencing, at_us: int, patience_us: Callable[[int], int]) -> Border:
    """What the fences know now; in the thread that feeds them. `patience_us`: of a device, by its id."""
    inside = fencing.inside()
    own = np.unique(inside.device[inside.device != 0]).tolist()
    allowed = np.full(len(inside.device), LOST_US)
    for device in own:
        allowed[inside.device == device] = patience_us(device)
    # What was told by a clock of ours that was set back since lies ahead, and says nothing of now.
    recent = np.abs(at_us - fencing.told(inside.track)) <= allowed
    absent, unheard = Counter[int](), Counter[int]()
    told = fencing.devices_told()
    gone = fencing.absent()
    for zone, device in zip(gone.zone.tolist(), gone.device.tolist(), strict=True):
        known = abs(at_us - told.get(device, 0)) <= patience_us(device)
        (absent if known else unheard)[zone] += 1
    wanted = fencing.drawn.wanted
    for zone, device in zip(inside.zone[~recent].tolist(), inside.device[~recent].tolist(), strict=True):
        unheard[zone] += zone in wanted.get(device, ())
    return Border(
        inside.zone[recent],
        inside.device[recent],
        inside.dwelt[recent],
        absent,
        unheard,
        fencing.followed,
    )


def patience_us(metrics: Iterable[Metric]) -> int:
    """How long a device with these metrics may be silent."""
    shortest_s = min((metric.interval_s for metric in metrics), default=0.0)
    return max(SILENT_US, round(SILENT_INTERVALS * shortest_s * 1e6))


NOBODY = Border(
    np.zeros(0, np.int32),
    np.zeros(0, np.int32),
    np.zeros(0, np.bool_),
    Counter(),
    Counter(),
    followed=False,
)


def presence(border: Border, zone: Watched, devices: Mapping[str, int]) -> Presence | None:
    """What it means for a zone; None where nobody tells any place, and none is asked for. `devices`: ids by key."""
    if not border.followed and not zone.expected:
        return None
    here = border.zone == zone.id
    invited = [devices[key] for key in zone.expected if key in devices]
    welcome = int(np.isin(border.device[here], invited).sum())
    tracks = int(here.sum())
    return Presence(
        tracks,
        tracks - welcome,
        int(border.dwelt[here].sum()),
        border.absent[zone.id],
        border.unheard[zone.id],
    )
