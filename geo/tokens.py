"""Tokens of tracks that live one day: a keyed hash whose salt is drawn anew each day and thrown away."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable

DAY_US = 86_400_000_000
# Fixes of the evening that come after midnight still find their day's salt; an hour later it is gone.
LATE_US = 3_600_000_000
# A clock that is a little ahead has begun the next day already.
EARLY_US = 300_000_000
SALT_BYTES = 32
# Eight bytes, one bit dropped: among a million tracks a day, two share a token on one day in eighteen million.
TOKEN_BYTES = 8
MAX_NAME_BYTES = 1024


def fresh_salt() -> bytes:
    """A salt that nobody can guess."""
    return secrets.token_bytes(SALT_BYTES)


class Tokens:
    """Names of tracks made into tokens; nobody can go back, nor from one day to the next.

    Salts come from `salt_of`, which says where they are kept, if anywhere. Not for several threads at once.
    """

    def __init__(self, utc_offset_s: int, salt_of: Callable[[int], bytes] = lambda _: fresh_salt()) -> None:
        """Let days begin at midnight of this offset from UTC; `salt_of` gives the salt of a day, the same each time.

        By default a salt is in this object's memory and nowhere else: after a restart the same track has another token.
        """
        self._offset_us, self._salt_of = utc_offset_s * 1_000_000, salt_of
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
        if not self.oldest(now_us) <= day <= self._day(now_us + EARLY_US):
            return None
        name = source.encode("utf-8", "surrogatepass")
        said = len(name).to_bytes(4, "big") + name + track.encode("utf-8", "surrogatepass")
        if len(said) > MAX_NAME_BYTES:
            raise ValueError(f"a track's name has {len(said)} bytes, more than {MAX_NAME_BYTES}")
        salt = self._salts.get(day)
        if salt is None:
            salt = self._salts[day] = bytearray(self._salt_of(day))
        digest = hashlib.blake2b(said, key=salt, digest_size=TOKEN_BYTES).digest()
        # A column of int64 holds it.
        return int.from_bytes(digest, "big") >> 1

    def oldest(self, now_us: int) -> int:
        """The first day that is not over: the salts of those before it must be nowhere any more."""
        return self._day(now_us - LATE_US)

    def _day(self, time_us: int) -> int:
        return (time_us + self._offset_us) // DAY_US

    def _forget(self, now_us: int) -> None:
        """Overwrite and drop the salts of days that are over."""
        over = [day for day in self._salts if day < self.oldest(now_us)]
        for day in over:
            salt = self._salts.pop(day)
            salt[:] = bytes(len(salt))
