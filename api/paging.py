"""Cursor paging: a page ends where the next begins, named by the sort key of its last row."""

import base64
import json
from datetime import datetime
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel

from api.problems import Problem
from api.values import moment, storable

Item = TypeVar("Item")
Place = str | int | datetime

Limit = Annotated[int, Query(ge=1, le=1000, description="Items on one page.")]
Cursor = Annotated[
    str | None, Query(alias="cursor", max_length=512, description="The `next` of the page before; opaque.")
]


class Page(BaseModel, Generic[Item]):
    """One page of a list; `next` is null on the last.

    Made by its kind, `Page[Device](...)`: a bare `Page` is not known to be one, and every item is checked again.
    """

    items: list[Item]
    next: str | None = None


def cursor(*place: Place) -> str:
    """Write the sort key of a page's last row."""
    plain = [each.isoformat() if isinstance(each, datetime) else each for each in place]
    return base64.urlsafe_b64encode(json.dumps(plain).encode()).decode().rstrip("=")


def place(text: str | None, *kinds: type[Place]) -> list[Place | None]:
    """Read a cursor whose key has these kinds; without a cursor every part is None."""
    if text is None:
        return [None] * len(kinds)
    try:
        found = json.loads(base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True))
        return [_part(value, kind) for value, kind in zip(found, kinds, strict=True)]
    except (TypeError, ValueError, RecursionError):
        raise Problem(422, "The cursor is not one that this list gave out.", kind="cursor") from None


def _part(value: object, kind: type[Place]) -> Place:
    if kind is datetime:
        return moment(value)
    # bool is an int to isinstance, and an int beyond 63 bits is none to the database.
    if type(value) is not kind or (isinstance(value, int) and abs(value) >= 2**63):
        raise ValueError("not a place in this list")
    if isinstance(value, str):
        return storable(value)
    if not isinstance(value, int):
        raise TypeError("a cursor holds text, numbers and moments")
    return value


def cut(rows: list[Item], limit: int) -> tuple[list[Item], Item | None]:
    """Split `limit + 1` fetched rows into the page and, where more follow, the page's last row."""
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], rows[limit - 1]
