"""Times of SL 651-2014: Beijing time in BCD, without zone, years of two digits (6.6.2.5)."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

BEIJING = timedelta(hours=8)  # no daylight saving
DAY_US = 86_400_000_000
MINUTE_DIGITS = 10
SECONDS = re.compile("[0-5][0-9]")
# The standard is of 2014 and its forerunners' stations have been rebuilt since: a clock that says less was reset.
EARLIEST_US = int(datetime(2010, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000


@lru_cache(4096)
def minute(digits: str) -> int | None:
    """YYMMDDHHmm as UTC microseconds; None where it is no time."""
    if not (len(digits) == MINUTE_DIGITS and digits.isascii() and digits.isdecimal()):
        return None
    pairs = [int(digits[at : at + 2]) for at in range(0, 10, 2)]
    try:
        at = datetime(2000 + pairs[0], *pairs[1:], tzinfo=UTC) - BEIJING  # type: ignore[misc,arg-type]
    except ValueError:
        return None
    return int(at.timestamp()) * 1_000_000


def second(digits: str) -> int | None:
    """YYMMDDHHmmSS as UTC microseconds; None where it is no time."""
    at, seconds = minute(digits[:10]), digits[10:]
    if at is None or not SECONDS.fullmatch(seconds):
        return None
    return at + int(seconds) * 1_000_000


def written(at_us: int) -> str:
    """A time as YYMMDDHHmmSS in Beijing."""
    return _written(at_us // 1_000_000)


@lru_cache(64)
def _written(at_s: int) -> str:
    return (datetime.fromtimestamp(at_s, UTC) + BEIJING).strftime("%y%m%d%H%M%S")


def shown(digits: str) -> str | None:
    """A time of 8, 10 or 12 digits as people and machines read it, with its zone."""
    at = second((digits + "0000")[:12])
    if at is None:
        return None
    return f"{datetime.fromtimestamp(at // 1_000_000, UTC) + BEIJING:%Y-%m-%dT%H:%M:%S}+08:00"
