"""Who is inside each watched zone by the crossings of its border: a look at the fences at one moment."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cityhub.crowd.ground import Watched
from cityhub.crowd.telling import Presence
from cityhub.fencing import Fencing

LOST_US = 60_000_000
"""A camera that loses somebody does not say so: so long after the last fix nobody without a name is counted."""
SILENT_US = 900_000_000
"""A device that tells its own place stands still for long, and says so every few minutes."""


class Border(NamedTuple):
    """Of k tracks inside: zone and device (ids; device 0: a track without a name), and whether it has dwelt."""

    zone: NDArray[np.int32]
    device: NDArray[np.int32]
    dwelt: NDArray[np.bool_]
    absent: Counter[int]  # by id of the zone: devices that ought to be inside and are not
    followed: bool  # any track was ever heard


def look(fencing: Fencing, at_us: int) -> Border:
    """What the fences know now; in the thread that feeds them."""
    inside = fencing.inside()
    allowed = np.where(inside.device == 0, LOST_US, SILENT_US)
    recent = fencing.seen(inside.track) > at_us - allowed
    absent = Counter(fencing.absent().zone.tolist())
    return Border(inside.zone[recent], inside.device[recent], inside.dwelt[recent], absent, fencing.followed)


NOBODY = Border(
    np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.bool_), Counter(), followed=False
)


def presence(border: Border, zone: Watched, devices: Mapping[str, int]) -> Presence | None:
    """What it means for a zone; None where nobody tells any place, and none is asked for. `devices`: ids by key."""
    if not border.followed and not zone.expected:
        return None
    here = border.zone == zone.id
    invited = [devices[key] for key in zone.expected if key in devices]
    welcome = int(np.isin(border.device[here], invited).sum())
    tracks = int(here.sum())
    return Presence(tracks, tracks - welcome, int(border.dwelt[here].sum()), border.absent[zone.id])
