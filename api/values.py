"""The values that cross the border: keys, moments, lines of text, numbers; each bounded and checked."""

import math
import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, StringConstraints

_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,6})\d{0,6})?(?:([Zz])|([+ -])(\d\d:\d\d))"
)
_FIRST, _LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


def moment(value: object) -> datetime:
    """Read RFC 3339 or epoch milliseconds, between 1900 and 2200; raises ValueError."""
    try:
        if isinstance(value, str) and re.fullmatch(r"\d{1,13}", value):
            read = datetime.fromtimestamp(int(value) / 1000, UTC)
        elif isinstance(value, str) and (found := _MOMENT.fullmatch(value)):
            date, time, fraction, zulu, sign, offset = found.groups()
            # A plus sign that was not percent-encoded arrives as a space.
            zone = "+00:00" if zulu else sign.replace(" ", "+") + offset
            read = datetime.fromisoformat(f"{date}T{time}.{fraction or '0':0<6}{zone}").astimezone(UTC)
        else:
            raise ValueError("a moment is RFC 3339 with an offset or Z, or epoch milliseconds")
    except OverflowError:
        raise ValueError("a moment lies between 1900 and 2200") from None
    if not _FIRST <= read <= _LAST:
        raise ValueError("a moment lies between 1900 and 2200")
    return read


def _written(value: datetime) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def storable(value: str) -> str:
    """Pass text that the database can keep and a log can show; raises ValueError."""
    for character in value:
        if character not in "\n\t" and unicodedata.category(character) in ("Cc", "Cs"):
            raise ValueError("control characters and lone surrogates are not text")
    return value


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


Moment = Annotated[datetime, BeforeValidator(moment)]
"""A moment that a caller sends."""

Instant = Annotated[datetime, PlainSerializer(_written, return_type=str)]
"""A moment that we answer: UTC, microseconds, Z."""

Number = Annotated[float | None, BeforeValidator(_finite)]
"""A measured number that we answer: JSON has no NaN and no infinity, they become null."""

Key = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
Digits = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,18}$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=128), AfterValidator(storable)]
Prose = Annotated[str, StringConstraints(max_length=2000, strip_whitespace=True), AfterValidator(storable)]

INT4 = 2**31 - 1
