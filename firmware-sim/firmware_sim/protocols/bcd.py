"""Packed decimal digits: how the water protocols write numbers and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

BEIJING = timezone(timedelta(hours=8))  # no summer time; the protocols write it without a zone


def beijing(seconds: float) -> datetime:
    """Beijing time, without zone, of seconds since 1970 UTC."""
    return datetime.fromtimestamp(seconds, UTC).astimezone(BEIJING).replace(tzinfo=None)


def since_1970(moment: datetime) -> float:
    """Seconds since 1970 UTC of a Beijing time without zone."""
    return moment.replace(tzinfo=BEIJING).timestamp()


def pack(digits: str) -> bytes:
    """Two digits a byte; an odd number of digits gets a nought before them."""
    return bytes.fromhex(digits.zfill(len(digits) + len(digits) % 2))


def digits_of(value: float, decimals: int) -> str:
    """The digits of a value's size without its point: 3.456 with 2 decimals is 346."""
    return f"{abs(value):.{decimals}f}".replace(".", "")
