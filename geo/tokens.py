"""Tokens of tracks that live one day: a keyed hash whose salt is drawn anew each day and thrown away."""

from __future__ import annotations

import hashlib
import secrets

DAY_US = 86_400_000_000
# Fixes of the evening that come after midnight still find their day's salt; an hour later it is gone.
LATE_US = 3_600_000_000
SALT_BYTES = 32
# Eight bytes, one bit dropped: among a million tracks a day, two share a token on one day in eighteen million.
TOKEN_BYTES = 8
MAX_NAME_BYTES = 1024


class Tokens:
    """Names of tracks made into tokens; nobody can go back, nor from one day to the next.

    The salt is in this object's memory and nowhere else: after a restart the same track has another token. That is the
    price of a salt that cannot be found on a disk. Not for several threads at once.
    """

    def __init__(self, utc_offset_s: int) -> None:
        """Let days begin at midnight of this offset from UTC."""
        self._offset_us = utc_offset_s * 1_000_000
        self._salts: dict[int, bytearray] = {}

    def token(self, source: str, track: str, time_us: int, now_us: int) -> int | None:
        """Token of a track of one source, for the day of its own time.

        Args:
            source: who names the track: the same name of two cameras is two tracks.
            track: what the source calls it.
            time_us: when it was seen.
            now_us: the hub's clock, which decides what is over.

        Returns:
            A number of 63 bits, or None where the day of `time_us` is over or has not begun: such a fix has no token.

        Raises:
            ValueError: the names are longer than `MAX_NAME_BYTES`.
        """
        self._forget(now_us)
        day = self._day(time_us)
        if not self._day(now_us - LATE_US) <= day <= self._day(now_us):
            return None
        name = source.encode("utf-8", "surrogatepass")
        said = len(name).to_bytes(4, "big") + name + track.encode("utf-8", "surrogatepass")
        if len(said) > MAX_NAME_BYTES:
            raise ValueError(f"a track's name has {len(said)} bytes, more than {MAX_NAME_BYTES}")
        salt = self._salts.setdefault(day, bytearray(secrets.token_bytes(SALT_BYTES)))
        digest = hashlib.blake2b(said, key=salt, digest_size=TOKEN_BYTES).digest()
        # A column of int64 holds it.
        return int.from_bytes(digest, "big") >> 1

    def _day(self, time_us: int) -> int:
        return (time_us + self._offset_us) // DAY_US

    def _forget(self, now_us: int) -> None:
        """Overwrite and drop the salts of days that are over."""
        over = [day for day in self._salts if day < self._day(now_us - LATE_US)]
        for day in over:
            salt = self._salts.pop(day)
            salt[:] = bytes(len(salt))
