"""Times of HJ 212: Beijing time without zone, in fourteen digits, or in seventeen with milliseconds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

BEIJING_EPOCH = datetime(1970, 1, 1, 8, tzinfo=UTC)
"""What a clock in Beijing showed at the epoch."""
CACHED = 4096
"""Minutes are remembered, at most so many: stations report at the same ones."""

_minutes: dict[str, int] = {}


def time_us(text: str) -> int | None:
    """A time of the standard, `YYYYMMDDhhmmss` with milliseconds or without, Beijing time; None where it is none."""
    length, rest = len(text), text[12:]
    if (length != 14 and length != 17) or not (rest.isascii() and rest.isdigit()):  # noqa: PLR2004, PLR1714
        return None
    minute = _minutes.get(text[:12])
    if minute is None:
        minute = _minute(text[:12])
        if minute is None:
            return None
        if len(_minutes) >= CACHED:
            _minutes.clear()
        _minutes[text[:12]] = minute
    if length == 14:  # noqa: PLR2004
        second, milliseconds = int(rest), 0
    else:
        second, milliseconds = int(rest[:2]), int(rest[2:])
    return minute + second * 1_000_000 + milliseconds * 1000 if second < 60 else None  # noqa: PLR2004


def _minute(text: str) -> int | None:
    if not (text.isascii() and text.isdigit()):
        return None
    year, month, day, hour, minute = (
        int(text[:4]),
        int(text[4:6]),
        int(text[6:8]),
        int(text[8:10]),
        int(text[10:]),
    )
    try:
        at = datetime(year, month, day, hour, minute, tzinfo=UTC)
    except ValueError:
        return None
    return (at - BEIJING_EPOCH) // timedelta(microseconds=1)
