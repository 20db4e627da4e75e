"""The properties of a feature: read one by one, each checked; what is wrong is collected, not only the first."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
MAX_NAME, MAX_FLOOR, MAX_EXPECTED = 200, 32, 1000
MAX_PERSONS = 2**31 - 1
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


class Properties:
    """What a feature says of itself; a reader of it gets None where nothing fit is said, and `wrong` grows."""

    def __init__(self, feature: Mapping[str, Any]) -> None:
        given = feature.get("properties")
        self._given: dict[str, Any] = given if isinstance(given, dict) else {}
        self.wrong: list[tuple[str, str]] = []
        """A sentence and what to do about it, for each."""

    def raw(self, member: str) -> object:
        """As it stands there."""
        return self._given.get(member)

    def line(self, member: str, most: int) -> str | None:
        """A line of text, without the blanks around it; a whole number is taken for one."""
        value = self._given.get(member)
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        # Control characters and lone surrogates are legal JSON, and refused by the database.
        fit = isinstance(value, str) and not any(unicodedata.category(sign) in ("Cc", "Cs") for sign in value)
        if not fit or not 0 < len(value.strip()) <= most:
            self._fault(
                f"its {member} is not a line of text", f"Write 1 to {most} characters, or leave it out."
            )
            return None
        return str(value.strip())

    def identifier(self, member: str, example: str) -> str | None:
        """A key or a kind."""
        value = self._given.get(member)
        if value is None:
            return None
        if not isinstance(value, str) or not IDENTIFIER.fullmatch(value):
            self._fault(
                f"its {member} {str(value)[:70]!r} is not an identifier",
                f"Write one as in {example!r}, or leave it out.",
            )
            return None
        return value

    def identifiers(self, member: str, example: str) -> tuple[str, ...]:
        """A list of keys, each once, in its order."""
        value = self._given.get(member)
        if value is None:
            return ()
        if not isinstance(value, list) or len(value) > MAX_EXPECTED:
            self._fault(
                f"its {member} is not a list of at most {MAX_EXPECTED:,} keys",
                f'Write ["{example}"], or leave it out.',
            )
            return ()
        odd = next(
            (each for each in value if not isinstance(each, str) or not IDENTIFIER.fullmatch(each)), None
        )
        if odd is not None or None in value:
            self._fault(
                f"its {member} has {str(odd)[:70]!r}, no identifier", f"Write keys as in {example!r}."
            )
            return ()
        return tuple(dict.fromkeys(value))

    def amount(self, member: str, most: float = math.inf, *, zero: bool = False) -> float | None:
        """A number above zero, or not below it."""
        value = self._given.get(member)
        if value is None:
            return None
        try:
            fit = (
                not isinstance(value, bool)
                and isinstance(value, int | float)
                and math.isfinite(value)
                and (value > 0 or (zero and value == 0))
                and value <= most
            )
        except OverflowError:
            fit = False
        if not fit:
            within = ("of 0 or more" if zero else "above 0") + (
                f", at most {most:,g}" if most < math.inf else ""
            )
            self._fault(
                f"its {member} is {str(value)[:40]}, not a number {within}", "Correct it, or leave it out."
            )
            return None
        return float(value)

    def persons(self, member: str) -> int | None:
        """A whole number of people, above zero."""
        value = self.amount(member)
        if value is None:
            return None
        if value != int(value) or value > MAX_PERSONS:
            self._fault(f"its {member} is {value:g}, not a number of people", "Write a whole number.")
            return None
        return int(value)

    def moment(self, member: str) -> datetime | None:
        """A moment, RFC 3339, as UTC."""
        value = self._given.get(member)
        if value is None:
            return None
        found = _moment(value) if isinstance(value, str) else None
        if found is None:
            self._fault(
                f"its {member} is {str(value)[:40]!r}, not a moment of RFC 3339",
                "Write it as 2026-10-01T00:00:00+08:00, with its offset.",
            )
        return found

    def span(self) -> tuple[datetime | None, datetime | None]:
        """From when until when it is valid."""
        begins, ends = self.moment("valid_from"), self.moment("valid_to")
        if begins is not None and ends is not None and begins >= ends:
            self._fault(
                "its valid_from is not before its valid_to",
                "Correct them; what has no end leaves valid_to out.",
            )
        return begins, ends

    def _fault(self, sentence: str, hint: str) -> None:
        self.wrong.append((sentence, hint))


def _moment(text: str) -> datetime | None:
    if not _RFC3339.fullmatch(text):
        return None
    try:
        # Python takes six digits of a second.
        found = datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text.upper())).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if _FIRST <= found <= _LAST else None
