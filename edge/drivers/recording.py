"""A recording as a sensor: the rows of a CSV file, in their own time, at a chosen speed."""

from __future__ import annotations

import csv
import gzip
import math
import re
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

EPOCH_MS = re.compile(r"\d{11,15}")
"""From 1973 to the year 33658; fewer digits are a date in ISO's short form."""

TIME_COLUMNS = ("time", "timestamp", "datetime", "date_time")


class RecordingError(ValueError):
    """A file that cannot be replayed; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


def read(
    path: Path, *, value: str | None = None, where: dict[str, str] | None = None
) -> Iterator[tuple[int, float]]:
    """Yield `(time in us, value)` of each row, in the file's order.

    `value` names the column (default: the column "value", else the only one that is left); `where` keeps rows whose
    columns hold these texts. Times are RFC 3339 (UTC where no zone is given) or milliseconds since 1970. A row without a value is a missing value: NaN.
    """
    try:
        yield from _rows(path, value, where or {})
    except UnicodeDecodeError as error:
        raise RecordingError(
            f"{path.name} is not UTF-8 text", "save it as CSV with UTF-8 encoding"
        ) from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise RecordingError(f"{path.name} cannot be unpacked: {error}", "fetch the file again") from error
    except csv.Error as error:
        raise RecordingError(
            f"{path.name} is no CSV: {error}", "save it as CSV with UTF-8 encoding"
        ) from error


def unit_of(path: Path) -> str:
    """What the first row says of its unit; nothing where the file has no column "unit". For a file that `read` takes."""
    with _open(path) as file:
        row = next(csv.DictReader(file), None) or {}
    return str(row.get("unit") or "")


def _rows(path: Path, value: str | None, where: dict[str, str]) -> Iterator[tuple[int, float]]:
    with _open(path) as file:
        rows = csv.DictReader(file)
        columns = list(rows.fieldnames or [])
        at = next((name for name in columns if name.strip().lower() in TIME_COLUMNS), None)
        if at is None:
            raise RecordingError(
                f"{path.name} has no time column; its columns are {', '.join(columns) or 'none'}",
                f"name one of them {' or '.join(TIME_COLUMNS[:2])} in the first line",
            )
        left = [name for name in columns if name != at and name not in where]
        column = value or ("value" if "value" in columns else left[0] if len(left) == 1 else None)
        if column is None or column not in columns:
            raise RecordingError(
                f"{path.name} has no column {column or 'value'!r}; its columns are {', '.join(columns)}",
                "choose one with --column NAME",
            )
        wanted = where.items()
        for unknown in [name for name, _ in wanted if name not in columns]:
            raise RecordingError(
                f"{path.name} has no column {unknown!r}", f"its columns are {', '.join(columns)}"
            )
        for row in rows:
            if all(row[name] == text for name, text in wanted):
                yield _time(row[at], path, rows.line_num), _number(row[column], path, rows.line_num)


def _open(path: Path) -> TextIO:
    try:
        if path.suffix == ".gz":
            return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
        return path.open(encoding="utf-8-sig", newline="")
    except OSError as error:
        raise RecordingError(
            f"cannot read {path}: {error.strerror}", "check the path and its permissions"
        ) from error


def _time(text: str | None, path: Path, line: int) -> int:
    if EPOCH_MS.fullmatch((text or "").strip()):
        return int(text or "") * 1_000
    try:
        at = datetime.fromisoformat((text or "").strip())
    except ValueError as error:
        raise RecordingError(
            f"{path.name} line {line}: {text or ''!r} is no time",
            "write times like 2026-06-03T14:30:00Z, or as milliseconds since 1970",
        ) from error
    return round((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1_000_000)


def _number(text: str | None, path: Path, line: int) -> float:
    if text is None:
        raise RecordingError(
            f"{path.name} line {line} ends before its value", "write every column in every line"
        )
    if text.strip() == "":
        return math.nan
    try:
        return float(text)
    except ValueError as error:
        raise RecordingError(
            f"{path.name} line {line}: {text!r} is no number", "leave a missing value empty"
        ) from error
