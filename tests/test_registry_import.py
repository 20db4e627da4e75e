"""Lists of devices: tried, applied all or nothing, put back; and the bad lists that people send."""

from __future__ import annotations

import io
import zipfile
from datetime import date
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fix_services import Private
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from psycopg.types.json import Jsonb

from api import importing
from ingest import component, history, life
from ingest.bulk import Plan
from ingest.enrolment import EnrolmentError, Entry, enrol, read_csv, read_list
from ingest.lists import ListError
from ingest.sheet import SheetError, read

HEAD = "id,name,department,profile,lon,lat"
SQUARE = {
    "type": "Polygon",
    "coordinates": [[[120.5, 31.2], [120.7, 31.2], [120.7, 31.4], [120.5, 31.4], [120.5, 31.2]]],
}


def connected(database: Private) -> psycopg.Connection:
    return psycopg.connect(database.url, autocommit=True)


def zone(connection: psycopg.Connection, key: str, kind: str, name: str = "") -> None:
    connection.execute(
        "insert into zone (key, name, kind, geometry, area_m2) values (%s, %s, %s, %s, 1)",
        (key, name or key, kind, Jsonb(SQUARE)),
    )


def take(
    connection: psycopg.Connection, text: str | bytes, reach: str | None = None
) -> tuple[int, Plan, int]:
    content = text if isinstance(text, bytes) else text.encode()
    return importing.take(connection, content, file="list.csv", who="ada", reach=reach)


def faults(content: str | bytes) -> list[str]:
    said = read_list(content if isinstance(content, bytes) else content.encode())
    return [str(fault) for fault in said.faults]


def book(rows: list[list[Any]], *, sheets: int = 1) -> bytes:
    made = Workbook()
    sheet = made.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for number in range(1, sheets):
        made.create_sheet(f"more {number}")
    kept = io.BytesIO()
    made.save(kept)
    return kept.getvalue()


@pytest.mark.parametrize(
    ("content", "note"),
    [
        (f"{HEAD}\na-1,河道,water,river-gauge,120.6,31.3\n".encode(), None),
        (f"{HEAD}\na-1,河道,water,river-gauge,120.6,31.3\n".encode("utf-8-sig"), None),
        (f"{HEAD}\r\na-1,河道,water,river-gauge,120.6,31.3\r\n".encode("gb18030"), "read as GB18030"),
        (f"{HEAD}\na-1,河道,water,river-gauge,120.6,31.3\n".encode("utf-16"), "read as UTF-16"),
        ("编号;名称;部门;设备类型;经度;纬度\na-1;河道;water;river-gauge;120.6;31.3\n".encode(), "the columns are parted by semicolons"),
        ("编号\t名称\t部门\t设备类型\t经度\t纬度\na-1\t河道\twater\triver-gauge\t120.6\t31.3\n".encode(), "the columns are parted by tabs"),
        (book([["ID", "名称", "Department", "profile", "经度", "纬度"], ["a-1", "河道", "water", "river-gauge", 120.6, 31.3]]), None),
        (book([["id", "name", "department", "profile", "lon", "lat"], [None] * 6, ["a-1", "河道", "water", "river-gauge", "120.6", "31.3"]], sheets=3), "of 3 sheets the first, Sheet, was read"),
        (f"{HEAD},colour\na-1,河道,water,river-gauge,120.6,31.3,red\n".encode(), "the column 'colour' is not known and was not read"),
    ],
)  # fmt: skip
def test_a_list_is_understood_as_people_send_it_and_what_was_assumed_is_said(
    content: bytes, note: str | None
) -> None:
    said = read_list(content)
    assert said.faults == []
    [entry] = said.entries
    assert (entry.key, entry.name, entry.lon, entry.lat) == ("a-1", "河道", 120.6, 31.3)
    assert said.notes == ([note] if note else [])


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ("=1+1,x,water,p,,", "line 2: id '=1+1' reads like a formula; write the value itself"),
        ("a,@SUM(A1),water,p,,", "line 2: name '@SUM(A1)' reads like a formula"),
        ("a,+cmd,water,p,,", "line 2: name '+cmd' reads like a formula"),
        ("a,-2+3,water,p,,", "line 2: name '-2+3' reads like a formula"),
        ('a,"\t=1",water,p,,', "line 2: name "),
        ("A,x,water,p,,", "line 2: id 'A' is not lower-case letters, digits and hyphens, at most 64; write it so"),
        (",x,water,p,,", "line 2: id '' is not lower-case letters"),
        ("a,x,alarm,p,,", "line 2: department: no department may be called alarm"),
        ("hub,x,water,p,,", "line 2: id: the hub is registered already"),
        ("a,x,water,p,120.6,", "line 2: lat: give both lon and lat, or neither"),
        ("a,x,water,p,31.3,120.6", "line 2: lon 31.3, lat 120.6 is not on the earth; are they swapped?"),
        ("a,x,water,p,0,0", "line 2: lon: 0, 0 lies in the Gulf of Guinea"),
        ("a,x,water,p,nan,1", "line 2: lon 'nan' is not finite"),
        ("a,x,water,p,12°30',1", "line 2: lon \"12°30'\" is no number"),
        ("a,x,water,p,1,2,3", "line 2: 7 cells, the header names 6"),
        ("a,x,water,p,,\na,y,water,p,,", "line 3: id: a stands in the list more than once, first in line 2"),
        (f"a,{'x' * 501},water,p,,", "line 2: name: 501 characters, a cell has at most 500"),
        ("a,be\x07ll,water,p,,", "line 2: name: control characters are no text"),
    ],
)  # fmt: skip
def test_a_faulty_row_is_named_with_its_line_its_column_and_what_to_do(row: str, wanted: str) -> None:
    [said] = faults(f"{HEAD}\n{row}\n")
    assert said.startswith(wanted)
    assert faults(f"{HEAD}\na,x,water,p,120.6,31.3\n") == []  # the control


def test_an_address_keeps_the_blanks_of_its_own_name() -> None:
    [entry] = read_list(
        f"{HEAD},address\na,x,water,p,,,thingsboard:Device A  sparkplug:plant 1/edge\n".encode()
    ).entries
    assert entry.addresses == ("sparkplug:plant 1/edge", "thingsboard:Device A")


@pytest.mark.parametrize(
    ("columns", "cells", "wanted"),
    [
        ("component", "32050801010000", "has 14 digits, a component code has 16"),
        ("component", "320508010100000A", "is not 16 digits"),
        ("component", "3205080199000001", "has no class 0199"),
        ("component", "3205089901000001", "has no major class 99"),
        ("component", "9905080101000001", "no province has the code 99"),
        ("component", "3205080101000000", "the sequence begins at 000001"),
        ("datum", "Beijing54", "write one of WGS84, CGCS2000, GCJ02, BD09"),
        ("state", "broken", "write one of planned"),
        ("vertical_datum", "Amsterdam", "write one of 1985"),
        ("vertical_offset", "1.5", "name it in the column vertical_datum"),
        ("address", "0012345678", "is not scheme:address"),
        ("address", "sl651:01 chirpstack:24E124713B492183", "'24E124713B492183' is no devEui"),
        ("maintainer", "Water Works", "is not lower-case"),
    ],
)
def test_a_column_that_says_what_cannot_be_is_refused(columns: str, cells: str, wanted: str) -> None:
    [said] = faults(f"{HEAD},{columns}\na,x,water,p,120.6,31.3,{cells}\n")
    assert wanted in said


def test_excel_formulas_errors_and_numbers_that_have_lost_digits_are_refused_with_their_place() -> None:
    head = ["id", "name", "department", "profile", "component"]
    content = book(
        [
            head,
            ["a-1", "=A2&B2", "water", "p", "3205080101000001"],
            ["a-2", "x", "water", "p", 3205080101000002],
            ["a-3", "x", "water", "p", "3205080101000003"],
            [4, True, "water", "p", None],
        ]
    )
    said = read_list(content)
    assert [(fault.row, fault.column) for fault in said.faults] == [(2, "name"), (3, "component")]
    assert "more than 15 digits" in said.faults[1].reason
    assert [(entry.key, entry.name) for entry in said.entries] == [("a-3", "x"), ("4", "true")]


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "empty"),
        (b"\n\n", "empty"),
        (b"\xd0\xcf\x11\xe0" + b"\0" * 100, "old form"),
        (b"PK\x03\x04 and nothing more", "cannot be read"),
        (b"id,name\0\n", "zero bytes"),
        (b"\xff\xff\xff\xff", "cannot be read"),
        (b"id,id\n", "two columns mean id"),
        ("编号,id\n".encode(), "two columns mean id"),
        (b'id,name\n"' + b"x" * 200_000, "line "),
    ],
)
def test_a_file_that_is_no_list_is_refused_with_a_sentence(content: bytes, wanted: str) -> None:
    with pytest.raises(SheetError, match=wanted) as caught:
        read_list(content)
    assert caught.value.hint


def test_a_workbook_that_unpacks_to_a_mountain_is_refused_before_it_is_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    content = book([["id", "name", "department", "profile"], ["a", "x", "water", "p"]])
    monkeypatch.setattr(
        "ingest.sheet.MAX_UNPACKED", sum(p.file_size for p in zipfile.ZipFile(io.BytesIO(content)).infolist())
    )
    assert len(read_list(content).entries) == 1  # the control
    monkeypatch.setattr("ingest.sheet.MAX_UNPACKED", 1000)
    with pytest.raises(SheetError, match="unpacks to"):
        read_list(content)


@given(
    st.binary(max_size=200)
    | st.text(max_size=200).map(lambda text: f"{HEAD}\n{text}".encode("utf-8", "ignore"))
)
@settings(max_examples=300, deadline=None)
def test_any_bytes_are_a_list_or_a_refusal(content: bytes) -> None:
    try:
        said = read_list(content)
    except SheetError as error:
        assert error.hint  # noqa: PT017 -- either outcome is right
    else:
        assert len(said.entries) + len(said.faults) >= 0
        assert all(fault.reason and fault.remedy for fault in said.faults)


def test_the_old_reader_still_takes_a_list_and_names_the_missing_column() -> None:
    with pytest.raises(EnrolmentError, match="column department, profile is missing"):
        read_csv("id,name\n")
    assert read_csv(f"{HEAD}\na,,water,p,,\n") == [Entry("a", "a", "water", "p", row=2)]
    assert read(b"a", {"a": "id"}).rows == []


def test_a_dry_run_says_new_changed_with_its_diff_same_and_fault_and_writes_nothing(
    database: Private,
) -> None:
    with connected(database) as connection:
        take(connection, f"{HEAD}\na,One,water,river-gauge,120.6,31.3\nb,Two,water,river-gauge,,\n")
        plan = importing.look(
            connection,
            f"{HEAD}\nc,Three,water,river-gauge,,\nb,Zwei,water,river-gauge,,\na,One,water,river-gauge,120.6,31.3\n"
            "d,Four,water,nothing,,\n".encode(),
        )
        assert [(one.row, one.key, one.kind) for one in plan.verdicts] == [
            (2, "c", "new"), (3, "b", "changed"), (4, "a", "same"), (5, "d", "fault"),
        ]  # fmt: skip
        assert plan.verdicts[1].diff == {"name": ("Two", "Zwei")}
        assert plan.summary == {"new": 1, "changed": 1, "same": 1, "fault": 1}
        assert plan.faults[0].reason == "no profile nothing"
        assert connection.execute(
            "select key, name from device where key <> 'hub' order by key"
        ).fetchall() == [("a", "One"), ("b", "Two")]


def test_one_faulty_row_and_nothing_is_written(database: Private) -> None:
    with connected(database) as connection:
        with pytest.raises(EnrolmentError, match="line 3: b: no gateway nowhere"):
            take(
                connection,
                "id,name,department,profile,gateway\na,One,parks,gateway,\nb,Two,parks,gateway,nowhere\n",
            )
        assert connection.execute("select count(*) from device where key in ('a', 'b')").fetchone() == (0,)
        assert connection.execute("select count(*) from department where key = 'parks'").fetchone() == (0,)


def test_gateways_behind_gateways_are_found_in_any_order_and_a_circle_is_a_fault(database: Private) -> None:
    with connected(database) as connection:
        head = "id,name,department,profile,gateway"
        take(connection, f"{head}\nc,3,water,river-gauge,b\nb,2,water,gateway,a\na,1,water,gateway,\n")
        rows = connection.execute(
            "select key, gateway from device_record where key <> 'hub' order by key"
        ).fetchall()
        assert rows == [("a", None), ("b", "a"), ("c", "b")]
        for circle in (
            f"{head}\nd,4,water,gateway,e\ne,5,water,gateway,d\n",
            f"{head}\na,1,water,gateway,b\nb,2,water,gateway,a\n",
        ):
            with pytest.raises(EnrolmentError, match="behind itself"):
                take(connection, circle)


def test_a_column_that_the_list_does_not_have_leaves_its_field_and_an_empty_cell_empties_it(
    database: Private,
) -> None:
    with connected(database) as connection:
        take(
            connection,
            f"{HEAD},component,serial,address\na,One,water,manhole-cover,120.6,31.3,3205080101000001,S-1,lorawan:aa sl651:01\n",
        )
        said = """select lon, component, sensor_serial, array(select scheme || ':' || address from device_address
                  where device_id = device.id order by 1) from device where key = 'a'"""
        take(connection, "id,name,department,profile\na,Uno,water,manhole-cover\n")
        assert connection.execute(said).fetchone() == (
            120.6,
            "3205080101000001",
            "S-1",
            ["lorawan:aa", "sl651:01"],
        )
        take(
            connection,
            "id,name,department,profile,serial,address\na,Uno,water,manhole-cover,S-2,lorawan:bb\n",
        )
        assert connection.execute(said).fetchone() == (120.6, "3205080101000001", "S-2", ["lorawan:bb"])
        assert connection.execute(
            "select serial_before, serial_after, because from sensor_swap"
        ).fetchall() == [("S-1", "S-2", "import 3: list.csv")]
        take(connection, "id,name,department,profile,component,address\na,Uno,water,manhole-cover,,\n")
        assert connection.execute(said).fetchone() == (120.6, None, "S-2", [])


def test_coordinates_of_another_datum_are_converted_once_and_what_was_given_is_kept(
    database: Private,
) -> None:
    with connected(database) as connection:
        text = f"{HEAD},datum\na,One,water,river-gauge,120.6043,31.2979,GCJ02\nb,Two,water,river-gauge,120.6043,31.2979,CGCS2000\n"
        take(connection, text)
        rows = connection.execute(
            "select lon, lat, datum, given_lon, given_lat from device where key in ('a', 'b') order by key"
        ).fetchall()
        assert rows[1] == (120.6043, 31.2979, "CGCS2000", 120.6043, 31.2979)
        assert rows[0][2:] == ("GCJ02", 120.6043, 31.2979)
        assert 0.003 < 120.6043 - rows[0][0] < 0.007
        _, again, _ = take(connection, text)
        assert again.summary["same"] == 2


def test_the_grid_comes_from_the_zones_and_the_list_has_the_last_word(database: Private) -> None:
    with connected(database) as connection:
        zone(connection, "gusu", "district", "Gusu")
        zone(connection, "old-street", "street", "Old Street")
        zone(connection, "cell-1", "grid", "Cell 1")
        take(
            connection,
            f"{HEAD},street\na,One,water,river-gauge,120.6,31.3,\nb,Two,water,river-gauge,120.6,31.3,New Street\n",
        )
        chain = (
            "select district, street, community, grid_cell from device where key in ('a', 'b') order by key"
        )
        assert connection.execute(chain).fetchall() == [
            ("Gusu", "Old Street", None, "Cell 1"),
            ("Gusu", "New Street", None, "Cell 1"),
        ]


def test_a_place_among_the_zones_only_when_swapped_looks_swapped(database: Private) -> None:
    city = f"{HEAD}\na,One,water,river-gauge,31.3,60.6\n"
    with connected(database) as connection:
        assert importing.look(connection, city.encode()).faults == []  # without zones nobody can say
        connection.execute(
            "insert into zone (key, name, kind, geometry, area_m2) values ('z', 'z', 'area', %s, 1)",
            (
                Jsonb(
                    {"type": "Polygon", "coordinates": [[[60, 31], [61, 31], [61, 32], [60, 32], [60, 31]]]}
                ),
            ),
        )
        [fault] = importing.look(connection, city.encode()).faults
        assert (fault.row, fault.column) == (2, "lon")
        assert "look swapped" in fault.reason
        assert (
            importing.look(connection, f"{HEAD}\na,One,water,river-gauge,60.6,31.3\n".encode()).faults == []
        )


def test_a_component_stands_in_the_district_of_its_code_and_a_code_is_given_once(database: Private) -> None:
    head = f"{HEAD},component"
    with connected(database) as connection:
        zone(connection, "320508", "admin")
        take(connection, f"{head}\na,One,water,manhole-cover,120.6,31.3,3205080101000001\n")
        for row, wanted in (
            ("b,Two,water,manhole-cover,120.6,31.3,3205080101000001", "another device's code"),
            ("b,Two,water,manhole-cover,121.9,31.3,3205080101000002", "its place lies in no district"),
            (
                "b,Two,water,manhole-cover,120.6,31.3,3205070101000002",
                "no zone of kind admin has the id 320507",
            ),
        ):
            with pytest.raises(EnrolmentError, match=wanted):
                take(connection, f"{head}\n{row}\n")
        take(connection, f"{head}\nb,Two,water,manhole-cover,120.6,31.3,3205080101000002\n")


def test_an_account_of_a_department_speaks_for_its_own_devices_alone(database: Private) -> None:
    with connected(database) as connection:
        take(
            connection, "id,name,department,profile\na,One,water,river-gauge\nb,Two,police,counting-camera\n"
        )
        for row, wanted in (
            ("c,Three,police,counting-camera", "police is not yours"),
            ("b,Two,water,counting-camera", "b is taken, and not yours"),
        ):
            with pytest.raises(EnrolmentError, match=wanted):
                take(connection, f"id,name,department,profile\n{row}\n", reach="water")
        number, _, _ = take(
            connection, "id,name,department,profile\na,Uno,water,river-gauge\n", reach="water"
        )
        with pytest.raises(ListError, match=f"no import {number}"):
            importing.undo(connection, number, who="bo", reach="police")
        importing.undo(connection, number, who="ada", reach="water")


def test_what_an_import_replaced_is_put_back_what_it_added_goes_and_what_has_spoken_is_retired(
    database: Private,
) -> None:
    with connected(database) as connection:
        take(connection, f"{HEAD},address\na,One,water,river-gauge,120.6,31.3,sl651:01\n")
        number, _, _ = take(
            connection,
            f"{HEAD},state,address\na,Uno,water,river-gauge,120.7,31.3,suspended,sl651:02\n"
            "b,Two,water,river-gauge,,,planned,\nc,Three,water,river-gauge,,,planned,sl651:03\n",
        )
        connection.execute(
            "insert into series (device_id, metric, unit) select id, 'level', 'm' from device where key = 'c'"
        )
        undone = importing.undo(connection, number, who="ada")
        assert (undone.restored, undone.deleted, undone.retired) == (["a"], ["b"], ["c"])
        rows = connection.execute(
            """select key, name, lon, state, array(select address from device_address where device_id = device.id)
               from device where key in ('a', 'b', 'c') order by key"""
        ).fetchall()
        assert rows == [("a", "One", 120.6, "commissioned", ["01"]), ("c", "Three", None, "retired", [])]
        assert history.of(connection, "a")[-1].because == f"import {number} was put back"
        with pytest.raises(ListError, match="put back already"):
            importing.undo(connection, number, who="ada")
        with pytest.raises(ListError, match="no import 99"):
            importing.undo(connection, 99, who="ada")


def test_an_import_is_not_put_back_over_what_somebody_changed_since(database: Private) -> None:
    with connected(database) as connection:
        number, _, _ = take(connection, f"{HEAD}\na,One,water,river-gauge,,\nb,Two,water,river-gauge,,\n")
        life.step(connection, ["a"], "suspended", who="bo", because="overhaul")
        with pytest.raises(ListError, match=r"changed since then: a \(by bo\)"):
            importing.undo(connection, number, who="ada")
        assert connection.execute("select count(*) from device where key in ('a', 'b')").fetchone() == (2,)


def test_a_state_in_the_list_is_a_step_and_a_retired_id_is_not_taken_anew(database: Private) -> None:
    head = "id,name,department,profile,state"
    with connected(database) as connection:
        take(connection, f"{head}\na,One,water,river-gauge,planned\nb,Two,water,river-gauge,commissioned\n")
        with pytest.raises(
            EnrolmentError, match="a planned device becomes installed or retired, not commissioned"
        ):
            take(connection, f"{head}\na,One,water,river-gauge,commissioned\n")
        life.step(connection, ["b"], "retired", who="ada", because="gone")
        with pytest.raises(EnrolmentError, match="b is retired"):
            take(connection, "id,name,department,profile\nb,Two,water,river-gauge\n")
        take(connection, f"{head}\nb,Two,water,river-gauge,suspended\n")
        take(connection, "id,name,department,profile\na,Uno,water,river-gauge\n")
        assert connection.execute("select key, name, state from device where key in ('a', 'b') order by key").fetchall() == [
            ("a", "Uno", "planned"), ("b", "Two", "suspended"),
        ]  # fmt: skip


def test_entries_from_code_are_taken_as_ever(database: Private) -> None:
    with connected(database) as connection:
        assert enrol(connection, [Entry("a", "A", "water", "river-gauge", recorded=True)]) == (1, 0)
        assert enrol(
            connection, [Entry("a", "B", "water", "river-gauge"), Entry("b", "B", "water", "gateway")]
        ) == (1, 1)
        assert connection.execute("select name, recorded from device where key = 'a'").fetchone() == (
            "B",
            True,
        )


def test_the_shipped_table_of_components_has_a_source_and_a_day(tmp_path: Path) -> None:
    [table] = component.load()
    assert table.source
    assert component.kind_of(component.parse("3205080101000001"), table) == "water supply cover"
    assert component.holding([table], date(2026, 1, 1)) is table
    with pytest.raises(component.ComponentError, match="holds on 1999-01-01"):
        component.holding([table], date(1999, 1, 1))
    (tmp_path / "own.yaml").write_text(
        "table: own\nname: Own\nsource: ours\nvalid_from: 2020-01-01\nmajors: {21: {name: local, minors: {}}}\n"
    )
    with pytest.raises(component.ComponentError, match=r"own.yaml: majors"):
        component.load(tmp_path)
