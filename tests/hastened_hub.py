"""A hub whose clock goes faster than the wall's: a quarter of an hour passes in less than a minute, with all delays as shipped.

Its clock meets the wall's at HASTE_MEETS (seconds since 1970), as that of a simulator does which tells a story in its own time.
A busy machine lags by a second or two of the wall, which are half a minute of such a clock: what the census allows of lateness,
for which a real hub has no such need, goes as fast as the clock. No delay of what is said of people is changed by it.

Where HASTE_AHEAD names a file, the clock is an hour ahead until that file is there: then somebody sets it right.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from cityhub.commands.hub import hub
from cityhub.crowd import census, counts, roll

if __name__ == "__main__":
    speed, meets = float(os.environ["HASTE"]), int(float(os.environ["HASTE_MEETS"]) * 1e9)
    wall = time.time_ns
    ahead = os.environ.get("HASTE_AHEAD")

    def hastened() -> int:
        wrong = 3600 * 10**9 if ahead and not Path(ahead).exists() else 0
        return int(meets + speed * (wall() - meets)) + wrong

    time.time_ns = hastened
    counts.APART_S *= speed
    counts.SILENT_S *= speed
    roll.STATED_US = round(roll.STATED_US * speed)
    census.WAIT_US = round(2 * census.WAIT_US * speed)
    census.BEHIND = round(census.BEHIND * speed)
    hub()
