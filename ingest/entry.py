"""A row of the list of devices: its columns by whatever name, each checked by itself."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, fields

from ingest.component import Table, kind_of
from ingest.component import parse as parse_code
from ingest.life import STATES, State
from ingest.registry import HUB
from ingest.sheet import Fault, Row, Sheet
from ingest.vertical import DATUMS as VERTICAL_DATUMS
from ingest.vertical import LOCAL

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9-]{0,63}")
NEXT_ADDRESS = re.compile(r"\s+(?=[a-z0-9][a-z0-9-]*:)")
DEV_EUI = re.compile(r"[0-9a-f]{16}")
COLUMNS = ("id", "name", "department", "profile", "gateway", "lon", "lat", "counts_zone")
MORE_COLUMNS = (
    "state", "maintainer", "datum", "district", "street", "community", "grid_cell", "component", "vertical_datum",
    "vertical_offset", "serial", "address",
)  # fmt: skip
NEEDED = COLUMNS[:4]
DATUMS = ("WGS84", "CGCS2000", "GCJ02", "BD09")
TEXTS = ("name", "district", "street", "community", "grid_cell")
MAX_TEXT = 200
MAX_OFFSET_M = 9000.0

ALIASES = {column: column for column in (*COLUMNS, *MORE_COLUMNS)} | {
    "编号": "id", "设备编号": "id", "标识": "id", "device": "id", "device_id": "id",
    "名称": "name", "设备名称": "name",
    "部门": "department", "主管部门": "department", "权属单位": "department", "owner": "department",
    "类型": "profile", "设备类型": "profile",
    "网关": "gateway",
    "经度": "lon", "longitude": "lon", "lng": "lon",
    "纬度": "lat", "latitude": "lat",
    "计数区域": "counts_zone",
    "状态": "state",
    "养护单位": "maintainer", "维护部门": "maintainer",
    "坐标系": "datum", "坐标系统": "datum",
    "区": "district", "区县": "district", "街道": "street", "社区": "community",
    "网格": "grid_cell", "单元网格": "grid_cell",
    "部件编码": "component", "部件代码": "component",
    "高程基准": "vertical_datum", "基面": "vertical_datum",
    "零点高程": "vertical_offset", "vertical_offset_m": "vertical_offset",
    "序列号": "serial", "出厂编号": "serial", "sensor_serial": "serial",
    "通信地址": "address", "地址码": "address",
}  # fmt: skip
"""By what a header says, in lower case, the column that it means."""

DATUM_NAMES = {
    "wgs84": "WGS84", "wgs-84": "WGS84", "wgs 84": "WGS84", "cgcs2000": "CGCS2000", "cgcs 2000": "CGCS2000",
    "gcj02": "GCJ02", "gcj-02": "GCJ02", "bd09": "BD09", "bd-09": "BD09",
}  # fmt: skip
VERTICAL_NAMES = {name: name for name in VERTICAL_DATUMS} | {
    "1985国家高程基准": "1985", "1985高程": "1985", "国家85": "1985", "85高程": "1985",
    "1956黄海": "1956-yellow-sea", "56黄海": "1956-yellow-sea", "黄海": "1956-yellow-sea",
    "吴淞": "wusong", "废黄河": "abandoned-yellow-river", "珠基": "pearl-river", "珠江": "pearl-river",
    "假定": LOCAL, "测站基面": LOCAL,
}  # fmt: skip

Wrong = tuple[str, str, str]
"""Column, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One device to enrol, as the list has it."""

    key: str
    name: str
    department: str
    profile: str
    gateway: str | None = None
    lon: float | None = None
    lat: float | None = None
    counts_zone: str | None = None
    recorded: bool = False
    state: State = "commissioned"
    maintainer: str | None = None
    datum: str = "WGS84"
    given_lon: float | None = None
    given_lat: float | None = None
    district: str | None = None
    street: str | None = None
    community: str | None = None
    grid_cell: str | None = None
    component: str | None = None
    vertical_datum: str | None = None
    vertical_offset_m: float | None = None
    sensor_serial: str | None = None
    addresses: tuple[str, ...] = ()
    row: int = 0


FIELDS = tuple(each.name for each in fields(Entry) if each.name not in ("key", "row"))
FIELDS_OF = {
    "vertical_offset": ("vertical_offset_m",), "serial": ("sensor_serial",), "address": ("addresses",),
    "lon": ("lon", "given_lon"), "lat": ("lat", "given_lat"),
}  # fmt: skip


def fields_of(columns: list[str]) -> set[str]:
    """The fields that a list speaks of: what it has no column for stays as it is."""
    return {name for column in columns for name in FIELDS_OF.get(column, (column,))} - {"id"}


@dataclass(slots=True)
class Read:
    """What a list says: its entries, what it speaks of, and what is wrong with it."""

    entries: list[Entry] = field(default_factory=list)
    fields: set[str] = field(default_factory=set)
    faults: list[Fault] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def entries(sheet: Sheet, table: Table) -> Read:
    """Take the entries from a list; component codes are held against `table`. Coordinates stay in their datum."""
    read = Read(faults=list(sheet.faults), notes=sheet.notes, fields=fields_of(sheet.columns))
    missing = [column for column in NEEDED if column not in sheet.columns]
    if missing:
        read.faults.append(
            Fault(1, "", f"column {', '.join(missing)} is missing", f"the columns are {', '.join(COLUMNS)}")
        )
        return read
    broken = {fault.row for fault in sheet.faults}
    first: dict[tuple[str, str], int] = {}
    for row in sheet.rows:
        if row.number in broken:
            continue
        entry, faults = _entry(row, table)
        for column, said in (("id", entry.key), ("component", entry.component or "")):
            before = first.setdefault((column, said), row.number) if said else row.number
            if before != row.number:
                twice = f"{said} stands in the list more than once, first in line {before}"
                faults.append(Fault(row.number, column, twice, "leave one of them"))
        for address in entry.addresses:
            before = first.setdefault(("address", address), row.number)
            if before != row.number:
                faults.append(
                    Fault(
                        row.number,
                        "address",
                        f"{address} leads to line {before} already",
                        "leave one of them",
                    )
                )
        if faults:
            read.faults += faults
        else:
            read.entries.append(entry)
    read.faults.sort(key=lambda fault: fault.row)
    return read


def _entry(row: Row, table: Table) -> tuple[Entry, list[Fault]]:
    given = {column: row.cells.get(column, "") for column in (*COLUMNS, *MORE_COLUMNS)}
    found = [*_identifiers(given), *_words(given), *_numbers(given)]
    if not found:  # what follows needs numbers and words that mean something
        found = [*_place(given), *_vertical(given), *_component(given, table), *_addresses(given)]
    faults = [Fault(row.number, *each) for each in found]
    if faults:
        return Entry(given["id"], "", "", "", row=row.number), faults
    lon, lat = _finite(given["lon"]), _finite(given["lat"])
    return Entry(
        given["id"],
        given["name"] or given["id"],
        given["department"],
        given["profile"],
        gateway=given["gateway"] or None,
        lon=lon,
        lat=lat,
        counts_zone=given["counts_zone"] or None,
        state=_state(given["state"]),
        maintainer=given["maintainer"] or None,
        datum=DATUM_NAMES[(given["datum"] or "WGS84").lower()],
        given_lon=lon,
        given_lat=lat,
        component=given["component"] or None,
        vertical_datum=VERTICAL_NAMES.get(given["vertical_datum"].lower()),
        vertical_offset_m=_finite(given["vertical_offset"]),
        sensor_serial=given["serial"] or None,
        addresses=tuple(sorted(_parted(given["address"]))),
        row=row.number,
        district=given["district"] or None,
        street=given["street"] or None,
        community=given["community"] or None,
        grid_cell=given["grid_cell"] or None,
    ), []


def _state(text: str) -> State:
    return next((state for state in STATES if state == text), "commissioned")


def _identifiers(given: dict[str, str]) -> Iterator[Wrong]:
    for column in ("id", "department", "profile", "maintainer", "gateway", "counts_zone"):
        text = given[column]
        if (text or column in NEEDED) and not IDENTIFIER.fullmatch(text):
            said = f"{text!r:.80} is not lower-case letters, digits and hyphens, at most 64"
            yield column, said, "write it so" if text else "fill it in"
    for column in ("department", "maintainer"):
        if given[column] in ("alarm", HUB):
            yield column, f"no department may be called {given[column]}", "choose another name"
    if HUB in (given["id"], given["profile"]):
        yield "id", "the hub is registered already, and nobody else may be called so", "choose another id"


def _words(given: dict[str, str]) -> Iterator[Wrong]:
    for column in (*TEXTS, "serial"):
        if len(given[column]) > MAX_TEXT:
            yield column, f"{len(given[column])} characters, at most {MAX_TEXT}", "shorten it"
    for column, known, names in (
        ("datum", DATUM_NAMES, DATUMS),
        ("state", {state: state for state in STATES}, STATES),
        ("vertical_datum", VERTICAL_NAMES, VERTICAL_DATUMS),
    ):
        text = given[column]
        if text and text.lower() not in known:
            yield column, f"{text!r:.40} is not known", f"write one of {', '.join(names)}"


def _numbers(given: dict[str, str]) -> Iterator[Wrong]:
    for column in ("lon", "lat", "vertical_offset"):
        try:
            _finite(given[column])
        except ValueError as error:
            yield column, str(error), "write degrees or metres as 120.5833"


def _finite(text: str) -> float | None:
    if not text:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{text!r:.40} is no number") from None
    if not math.isfinite(value):
        raise ValueError(f"{text!r:.40} is not finite")
    return value


def misplaced(lon: float | None, lat: float | None) -> Wrong | None:
    """What is wrong with a place in degrees, if anything."""
    if lon is None or lat is None:
        if lon is lat:
            return None
        column = "lon" if lon is None else "lat"
        return column, "give both lon and lat, or neither", "fill in the other, or leave both"
    if not (abs(lon) <= 180 and abs(lat) <= 90):  # noqa: PLR2004
        return "lon", f"lon {lon:g}, lat {lat:g} is not on the earth; are they swapped?", "lon comes first"
    if lon == lat == 0:
        return "lon", "0, 0 lies in the Gulf of Guinea", "leave both empty where nobody has measured them"
    return None


def _place(given: dict[str, str]) -> Iterator[Wrong]:
    if wrong := misplaced(_finite(given["lon"]), _finite(given["lat"])):
        yield wrong


def _vertical(given: dict[str, str]) -> Iterator[Wrong]:
    offset, datum = _finite(given["vertical_offset"]), VERTICAL_NAMES.get(given["vertical_datum"].lower())
    if offset is not None and (datum in (None, LOCAL) or abs(offset) > MAX_OFFSET_M):
        said = "the height of a gauge's zero, in metres, means something only in a datum"
        yield "vertical_offset", said, "name it in the column vertical_datum"


def _component(given: dict[str, str], table: Table) -> Iterator[Wrong]:
    if given["component"]:
        try:
            kind_of(parse_code(given["component"]), table)
        except ValueError as error:
            yield "component", str(error), "correct the code, or the city's table of classes"


def _parted(text: str) -> list[str]:
    """The addresses of a cell: a blank parts two only where the next begins, for a platform's names may hold blanks."""
    return [address for address in NEXT_ADDRESS.split(text.strip()) if address]


def _addresses(given: dict[str, str]) -> Iterator[Wrong]:
    for address in _parted(given["address"]):
        scheme, colon, rest = address.partition(":")
        if not (colon and rest and IDENTIFIER.fullmatch(scheme)):
            yield (
                "address",
                f"{address!r:.60} is not scheme:address",
                "write it like chirpstack:24e124713b492183",
            )
        elif scheme == "chirpstack" and not DEV_EUI.fullmatch(rest):
            yield "address", f"{rest!r:.60} is no devEui", "write its 16 hexadecimal digits in lower case"
