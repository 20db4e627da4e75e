"""Lists as people send them: CSV in the encodings and with the delimiters that are in use, and Excel; bounded, as text."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from openpyxl import load_workbook

MAX_BYTES = 32 * 1024 * 1024
MAX_UNPACKED = 256 * 1024 * 1024  # what a workbook's parts may come to: they are zipped, and zip can lie
MAX_ROWS = 200_000
MAX_COLUMNS = 64
MAX_CELL = 500
EXCEL_DIGITS = 15
DELIMITERS = {",": "commas", ";": "semicolons", "\t": "tabs"}


class SheetError(ValueError):
    """A file of which nothing can be read; `hint` says what to try."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Fault(NamedTuple):
    """What is wrong, where, and what to do."""

    row: int  # as the file counts, the header is 1; 0: the list as a whole
    column: str  # "": the row as a whole
    reason: str
    remedy: str

    def __str__(self) -> str:
        where = f"line {self.row}: " if self.row else ""
        if self.reason.startswith(f"{self.column} "):  # lon 31.3, lat 120.5 is not ...
            column = ""
        else:  # id 'A' is not ..., but gateway: no gateway there
            column = self.column and self.column + (" " if self.reason[:1] in "'\"" else ": ")
        return f"{where}{column}{self.reason}; {self.remedy}"


class Row(NamedTuple):
    """A row that says something: its number in the file, and by column what was written."""

    number: int
    cells: dict[str, str]


@dataclass(slots=True)
class Sheet:
    """A list as text; what was assumed is said in `notes`, what cannot be taken in `faults`."""

    columns: list[str]
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)


def read(content: bytes, aliases: dict[str, str]) -> Sheet:
    """Read a list; `aliases` lead from what a header may say (in lower case) to the column's name.

    Raises SheetError where there is no list at all.
    """
    if len(content) > MAX_BYTES:
        raise SheetError(
            f"the file has {len(content):,} bytes, at most {MAX_BYTES:,} are read", "split the list"
        )
    if content.startswith(b"\xd0\xcf\x11\xe0"):
        raise SheetError("this is a workbook of the old form (.xls)", "save it as .xlsx or as CSV")
    if content.startswith(b"PK\x03\x04"):
        lines, notes = _workbook(content)
    else:
        text, notes = _decoded(content)
        lines = _delimited(text, aliases, notes)
    return _sheet(lines, aliases, notes)


def _decoded(content: bytes) -> tuple[str, list[str]]:
    """The text and what its encoding was taken for."""
    encoding, name = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        raise SheetError(
            f"the file is no {name or 'UTF-8, as its first bytes say'}: byte {error.start} cannot be read",
            "save it as CSV in UTF-8, or as .xlsx",
        ) from error
    return _sound(text), [f"read as {name}"] if name else []


def _encoding(content: bytes) -> tuple[str, str]:
    """How to decode the bytes, and what to say of it."""
    if content.startswith(b"\xef\xbb\xbf"):
        return "utf-8-sig", ""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return "utf-16", "UTF-16"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return "gb18030", "GB18030"
    return "utf-8", ""


def _sound(text: str) -> str:
    if "\0" in text:
        raise SheetError("the file holds zero bytes: it is no text", "give a CSV file or an .xlsx workbook")
    return text


def _delimited(text: str, aliases: dict[str, str], notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The lines of a CSV text with their numbers."""
    header = text.lstrip().splitlines()[:1]
    delimiter = max(DELIMITERS, key=lambda each: _known(_split(header, each), aliases))
    if delimiter != ",":
        notes.append(f"the columns are parted by {DELIMITERS[delimiter]}")
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, cells
    except csv.Error as error:
        raise SheetError(f"line {reader.line_num}: {error}", "is a quotation mark left open?") from error


def _split(header: list[str], delimiter: str) -> list[str]:
    try:
        return next(csv.reader(header, delimiter=delimiter), [])
    except csv.Error:  # said with its line when the whole is read
        return []


def _known(header: list[str], aliases: dict[str, str]) -> int:
    return sum(name.strip().lower() in aliases for name in header)


def _workbook(content: bytes) -> tuple[Iterable[tuple[int, list[str]]], list[str]]:
    """The rows of the first sheet of an .xlsx workbook, read without keeping it in memory."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            unpacked = sum(part.file_size for part in packed.infolist())
        rows, titles = _opened(content) if unpacked <= MAX_UNPACKED else ([], [""])
    except Exception as error:  # a broken workbook raises whatever the part of it that breaks raises
        raise SheetError(
            f"the workbook cannot be read: {type(error).__name__}: {error}"[:300], "save it anew, or as CSV"
        ) from error
    if unpacked > MAX_UNPACKED:
        raise SheetError(
            f"the workbook unpacks to {unpacked:,} bytes, at most {MAX_UNPACKED:,} are read",
            "save the list alone, without pictures and other sheets",
        )
    several = len(titles) > 1
    return rows, [f"of {len(titles)} sheets the first, {titles[0]}, was read"] if several else []


def _opened(content: bytes) -> tuple[list[tuple[int, list[str]]], list[str]]:
    """The rows of the first sheet, and the titles of all."""
    book = load_workbook(io.BytesIO(content), read_only=True, data_only=False, keep_links=False)
    try:
        sheet = book.worksheets[0]
        sheet.reset_dimensions()  # what the file says of its size may be wrong
        rows = [
            (number, [_text(cell) for cell in row])
            for number, row in enumerate(sheet.iter_rows(max_col=MAX_COLUMNS, max_row=MAX_ROWS + 2), 1)
        ]
        return rows, [each.title for each in book.worksheets]
    finally:
        book.close()


def _text(cell: Any) -> str:
    """What a cell says, as text; formulas keep their sign, for the list refuses them."""
    value = cell.value
    if value is None:
        return ""
    if cell.data_type == "f":
        return value if isinstance(value, str) and value.startswith("=") else "=formula"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        whole = int(value) if isinstance(value, int) or value.is_integer() else None
        if whole is not None and abs(whole) >= 10**EXCEL_DIGITS:
            return f"={whole}"  # its last digits are lost already: refused like a formula, with its own words
        return str(whole if whole is not None else value)
    return str(value)


def _sheet(lines: Iterable[tuple[int, list[str]]], aliases: dict[str, str], notes: list[str]) -> Sheet:
    header: list[str] = []
    sheet = Sheet([], notes=notes)
    for number, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if not header:
            header = _header(cells, aliases, sheet)
            continue
        if len(sheet.rows) >= MAX_ROWS:
            raise SheetError(f"the list has more than {MAX_ROWS:,} rows", "split it")
        beyond = [cell for cell in cells[len(header) :] if cell.strip()]
        if beyond:
            sheet.faults.append(
                Fault(
                    number, "", f"{len(cells)} cells, the header names {len(header)}", "quote commas in texts"
                )
            )
        given: dict[str, str] = {}
        for column, cell in zip(header, cells, strict=False):
            if column:
                wrong = _refused(cell)
                if wrong:
                    sheet.faults.append(Fault(number, column, *wrong))
                given[column] = "" if wrong else cell.strip()
        sheet.rows.append(Row(number, given))
    if not header:
        raise SheetError("the file is empty", "its first line names the columns")
    return sheet


def _header(cells: list[str], aliases: dict[str, str], sheet: Sheet) -> list[str]:
    header = []
    for cell in cells[:MAX_COLUMNS]:
        name = aliases.get(cell.strip().lower(), "")
        if name and name in header:
            raise SheetError(f"two columns mean {name}", "leave one of them")
        if not name and cell.strip():
            sheet.notes.append(f"the column {cell.strip()!r:.60} is not known and was not read")
        header.append(name)
    sheet.columns = [name for name in header if name]
    return header


def _refused(cell: str) -> tuple[str, str] | None:
    """Why a cell is not taken: what a spreadsheet would run, and what no cell of a list is."""
    if len(cell) > MAX_CELL:
        return f"{len(cell)} characters, a cell has at most {MAX_CELL}", "shorten it"
    text = cell.strip(" ")
    if text[:1] in ("=", "+", "@", "-", "\t", "\r") and not _number(text):
        if text[1:].isdigit() and len(text) > EXCEL_DIGITS:
            return (
                "a number of more than 15 digits: a spreadsheet has lost the last ones",
                "format the column as text and enter it anew",
            )
        return f"{text[:20]!r} reads like a formula", "write the value itself"
    if not cell.replace("\n", " ").strip().isprintable():
        return "control characters are no text", "remove them"
    return None


def _number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text[0] != "="
