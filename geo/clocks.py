"""Clocks of cameras that are apart: told, and not mixed. A message cannot arrive before it was written.

The smallest delay between stamp and arrival within a window is the clock's error plus the fastest way (Cristian 1989;
NTP keeps the sample of the least delay for the same reason): a slow link delays some messages, a wrong clock all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_FROM_US = 1e-6


class Clocks(NamedTuple):
    """Offsets of c cameras from the hub's clock."""

    behind_s: NDArray[np.float64]  # (c,) below zero for a clock that goes ahead; NaN for a camera not heard
    apart: NDArray[np.bool_]  # (c,) too far off to be mixed with the others

    def told(self) -> list[str]:
        """A sentence for each camera whose clock is off."""
        return [
            f"the clock of camera {each} is {abs(self.behind_s[each]):.0f} s "
            f"{'behind' if self.behind_s[each] > 0 else 'ahead'}: its counts are not mixed with others"
            for each in np.flatnonzero(self.apart)
        ]


def clocks(
    camera: NDArray[np.int64],
    time_us: NDArray[np.int64],
    arrived_us: NDArray[np.int64],
    cameras: int,
    tolerance_s: ArrayLike,
) -> Clocks:
    """Offset of each camera's clock, from a window of its messages.

    Args:
        camera: int (k,), 0 to `cameras` - 1.
        time_us: int64 (k,), the stamp.
        arrived_us: int64 (k,), when the hub had it, by the hub's clock. What was held back and sent again after a
            break of the line is no evidence while the line carries others.
        cameras: how many there are.
        tolerance_s: how far off is still together, one number or (c,); a few times the interval of the counts.

    Raises:
        ValueError: the columns differ in length, or a camera is none of them.
    """
    camera = np.asarray(camera)
    if camera.ndim != 1 or not camera.shape == np.shape(time_us) == np.shape(arrived_us):
        raise ValueError("camera, time_us and arrived_us must be columns of one length")
    if len(camera) and not (camera.min() >= 0 and camera.max() < cameras):
        raise ValueError(f"a camera is not one of the {cameras}")
    least = np.full(cameras, np.inf)
    np.minimum.at(least, camera, (np.asarray(arrived_us) - np.asarray(time_us)) * _FROM_US)
    behind_s = np.where(np.isfinite(least), least, np.nan)
    return Clocks(behind_s, np.abs(behind_s) > np.asarray(tolerance_s))
