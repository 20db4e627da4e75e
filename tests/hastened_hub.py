"""A hub whose clock goes faster than the wall's: a quarter of an hour passes in less than a minute, with all delays as shipped.

Its clock meets the wall's at HASTE_MEETS (seconds since 1970), as that of a simulator does which tells a story in its own time.
A busy machine lags by a second or two of the wall, which are half a minute of such a clock: what the census allows of lateness,
for which a real hub has no such need, goes as fast as the clock. No delay of what is said of people is changed by it.
"""

from __future__ import annotations

import os
import time

from cityhub.commands.hub import hub
from cityhub.crowd import census, counts

if __name__ == "__main__":
    speed, meets = float(os.environ["HASTE"]), int(float(os.environ["HASTE_MEETS"]) * 1e9)
    wall = time.time_ns
    time.time_ns = lambda: int(meets + speed * (wall() - meets))
    counts.APART_S *= speed
    counts.SILENT_S *= speed
    census.WAIT_US = round(2 * census.WAIT_US * speed)
    census.BEHIND = round(census.BEHIND * speed)
    hub()
