"""Departments: added when something names one that there was not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import psycopg


def add(cursor: psycopg.Cursor[Any], keys: Iterable[str]) -> list[str]:
    """Add the departments of these keys that there are not yet, each named as its key; returns their keys."""
    cursor.execute(
        """insert into department (key, name) select key, key from unnest(%s::text[]) as key
           on conflict (key) do nothing returning key""",
        (sorted(set(keys)),),
    )
    return [key for (key,) in cursor.fetchall()]
