"""The sift: finds the rows of a batch that the database refuses, by halving, so that the others can be stored."""

from __future__ import annotations

import numpy as np
import psycopg
from numpy.typing import NDArray

from edge.reading import Rows
from ingest.rows import copy_into


def refused_rows(connection: psycopg.Connection, rows: Rows) -> tuple[NDArray[np.bool_], str]:
    """Mark the rows that cannot be stored, and say what the database says of one. Nothing is written.

    Takes about log2(n) tries for each bad row. Lost connections raise as ever.
    """
    refused = np.zeros(len(rows), np.bool_)
    said = ""
    spans = [(0, len(rows))] if len(rows) else []
    while spans:
        start, end = spans.pop()
        answer = _complaint(connection, rows[start:end])
        if answer is None:
            continue
        if end - start == 1:
            refused[start], said = True, answer
        else:
            middle = (start + end) // 2
            spans += [(start, middle), (middle, end)]
    return refused, said


def _complaint(connection: psycopg.Connection, rows: Rows) -> str | None:
    """What the database has against these rows; None when it takes them. A row that is there already is none."""
    try:
        with connection.transaction(force_rollback=True), connection.cursor() as cursor:
            copy_into(cursor, "reading", rows)
    except psycopg.errors.UniqueViolation:
        return None if len(rows) == 1 else "some are there already"
    except (psycopg.DataError, psycopg.IntegrityError) as error:
        return str(error).strip().splitlines()[0]
    return None
