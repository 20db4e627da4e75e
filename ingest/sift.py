"""The sift: finds the rows of a batch that the database refuses, by halving, so that the others can be stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

Put = Callable[[psycopg.Cursor, Any], None]
"""Writes an array of rows."""


def refused_rows(connection: psycopg.Connection, rows: Any, put: Put) -> tuple[NDArray[np.bool_], str]:
    """Mark the rows that `put` cannot store, and say what the database says of one. Nothing is written.

    Takes about log2(n) tries for each bad row. Lost connections raise as ever.
    """
    refused = np.zeros(len(rows), np.bool_)
    said = ""
    spans = [(0, len(rows))] if len(rows) else []
    while spans:
        start, end = spans.pop()
        answer = _complaint(connection, rows[start:end], put)
        if answer is None:
            continue
        if end - start == 1:
            refused[start], said = True, answer
        else:
            middle = (start + end) // 2
            spans += [(start, middle), (middle, end)]
    return refused, said


def _complaint(connection: psycopg.Connection, rows: Any, put: Put) -> str | None:
    """What the database has against these rows; None when it takes them. A row that is there already is none."""
    try:
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            put(cursor, rows)
    except psycopg.errors.UniqueViolation:
        return None if len(rows) == 1 else "some are there already"
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        return str(error).strip().splitlines()[0]
    return None
