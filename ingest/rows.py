"""Binary COPY rows: a PostgreSQL COPY row with no nulls has one fixed layout, so it is a dtype."""

from __future__ import annotations

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from edge.reading import Rows

# PostgreSQL, "COPY", binary format: per row the number of fields, then per field its length and bytes, big-endian.
COPY_ROW = np.dtype(
    [
        ("fields", ">i2"),
        ("time_len", ">i4"), ("time", ">i8"),
        ("series_len", ">i4"), ("series", ">i4"),
        ("value_len", ">i4"), ("value", ">f8"),
        ("flag_len", ">i4"), ("flag", ">i2"),
    ]
)  # fmt: skip
HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"

# PostgreSQL counts microseconds from 2000-01-01.
POSTGRES_EPOCH_US = 946_684_800_000_000

TEMPLATE = np.zeros((), COPY_ROW)
TEMPLATE["fields"] = 4
for _name in ("time", "series", "value", "flag"):
    TEMPLATE[f"{_name}_len"] = COPY_ROW[_name].itemsize


def copy_rows(rows: Rows) -> NDArray[np.void]:
    """Readings as an array of COPY_ROW, whose bytes stand between a binary COPY's header and trailer."""
    out = np.full(len(rows), TEMPLATE, COPY_ROW)
    out["time"] = rows["time"] - POSTGRES_EPOCH_US
    out["series"] = rows["series"]
    out["value"] = rows["value"]
    out["flag"] = rows["flag"]
    return out


def copy_into(cursor: psycopg.Cursor, table: str, rows: Rows) -> None:
    """COPY readings into a table of their columns."""
    columns = sql.SQL("copy {} (time, series_id, value, flag) from stdin (format binary)")
    with cursor.copy(columns.format(sql.Identifier(table))) as copy:
        copy.write(HEADER)
        copy.write(copy_rows(rows).data.cast("B"))
        copy.write(TRAILER)
