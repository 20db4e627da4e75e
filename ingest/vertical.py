"""Vertical datums: what a level is counted from. Levels of two datums are never compared: their zeros lie metres apart.

1985 is the national height datum; the others are older and still in use on rivers: 1956 Yellow Sea, Wusong (Yangtze),
abandoned Yellow River (Jianghuai), Pearl River. `local` is the zero of the gauge's own staff.
"""

from __future__ import annotations

from typing import Literal, get_args

VerticalDatum = Literal["1985", "1956-yellow-sea", "wusong", "abandoned-yellow-river", "pearl-river", "local"]
DATUMS: tuple[VerticalDatum, ...] = get_args(VerticalDatum)
LOCAL: VerticalDatum = "local"


def is_height(metric: str, unit: str) -> bool:
    """Whether a metric counts from a zero that a datum fixes: a level in metres, no depth of rain and no opening of a gate."""
    return unit == "m" and "level" in metric.split("-")


def apart(one: str | None, other: str | None) -> str | None:
    """Why levels of two devices cannot be compared, by their datums (None: nobody said); None where they can."""
    if one == other:
        return (
            "both count from the zero of their own gauge: say in which datum that zero lies"
            if one == LOCAL
            else None
        )
    said = [f"in {datum}" if datum else "in a datum that nobody has said" for datum in (one, other)]
    return f"the levels of the one are {said[0]}, of the other {said[1]}: their zeros lie apart"
