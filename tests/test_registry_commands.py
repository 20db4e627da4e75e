"""The registry from the command line: dry run, report, undo, steps, and a day of the past."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path

import psycopg
from fix_services import Private
from typer.testing import CliRunner

from cityhub.cli import built
from cityhub.services import Broker

HEAD = "id,name,department,profile,lon,lat"


class Line:
    """A command line on one hub's database."""

    def __init__(self, database: Private, broker: Broker) -> None:
        self._found = {"CITYHUB_DATABASE_URL": database.url, "CITYHUB_MQTT_URL": broker.url}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """What a command prints; `code` 2 is an operator's mistake, said with its hint."""
        ended = CliRunner().invoke(
            built("device"), ["device", *arguments], env={"COLUMNS": "200", **self._found}
        )
        if code == 2:
            assert getattr(ended.exception, "hint", ""), ended.exception
            return f"{ended.output}{ended.exception}"
        assert ended.exit_code == code, (ended.output, ended.exception)
        return ended.output


def test_a_list_is_tried_reported_applied_and_put_back(
    database: Private, broker: Broker, tmp_path: Path
) -> None:
    device, file, report = Line(database, broker), tmp_path / "list.csv", tmp_path / "report.csv"
    file.write_text(f"{HEAD}\na,One,water,river-gauge,120.6,31.3\n@b,Two,water,river-gauge,,\n")
    said = device("import", str(file), "--dry-run", "--report", str(report), code=1)
    assert "line 2: a new" in said
    assert "line 3: fault: id '@b' reads like a formula; write the value itself" in said
    assert "1 new, 0 changed, 0 the same, 1 at fault; nothing was written" in said
    with report.open(encoding="utf-8-sig") as lines:
        rows = list(csv.DictReader(lines))
    assert [(row["row"], row["verdict"], row["column"]) for row in rows] == [
        ("2", "new", ""),
        ("3", "fault", "id"),
    ]
    assert "no device a" in device("show", "a", code=2)
    assert "nothing was imported" in device("import", str(file), code=2)

    file.write_text(f"{HEAD}\na,One,water,river-gauge,120.6,31.3\n")
    assert "device undo 1" in device("import", str(file))
    file.write_text(f"{HEAD}\na,Uno,water,river-gauge,120.7,31.3\n")
    assert "line 2: a changed: name One -> Uno; lon 120.6 -> 120.7" in device(
        "import", str(file), "--dry-run"
    )
    assert "0 new, 1 known" in device("import", str(file))
    assert "2 " in device("imports")
    assert "import 2: 1 as they were before, 0 deleted" in device("undo", "2")
    said = device("show", "a")
    assert "a: One, river-gauge, commissioned, 120.6° E, 31.3° N" in said
    assert "import 2 was put back: lon 120.7 -> 120.6; name Uno -> One" in " ".join(said.split())
    assert "put back already" in device("undo", "2", code=2)


def test_steps_swaps_and_a_day_of_the_past(database: Private, broker: Broker, tmp_path: Path) -> None:
    device, file = Line(database, broker), tmp_path / "list.csv"
    file.write_text(
        "id,name,department,profile,state\na,One,water,river-gauge,planned\nb,Two,water,river-gauge,planned\n"
    )
    device("import", str(file))
    assert "a: planned -> installed" in device("step", "a", "b", "installed", "--because", "mounted")
    assert "an installed" not in device("step", "a", "commissioned", "--because", "it measures")
    said = device("step", "a", "planned", "--because", "no", code=2)
    assert "a commissioned device becomes suspended or retired, not planned" in said
    assert "is no state" in device("step", "a", "broken", "--because", "no", code=2)
    assert "no sensor -> V-1" in device("swap", "a", "V-1", "--because", "mounted")
    assert "b is retired" in device("retire", "b")
    today = f"{datetime.now(UTC):%Y-%m-%d}"
    listed = device("list", "--on", today)
    assert "retired" in listed
    assert "b" not in device("list").split()
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute(
            "update device_history set valid_from = valid_from - interval '3 days', valid_to = valid_to - interval '3 days'"
        )
        connection.execute("update device_history set valid_to = null where valid_to is null")
        connection.execute("update device set name = 'Uno' where key = 'a'")
    before = "2020-01-01"
    assert "The history begins on" in device("list", "--on", before)
    assert "was not registered on 2020-01-01" in device("show", "a", "--on", before, code=2)
    yesterday = f"{datetime.fromtimestamp(datetime.now(UTC).timestamp() - 86_400, UTC):%Y-%m-%d}"
    assert "a: One, river-gauge, commissioned" in device("show", "a", "--on", yesterday)
    assert "a: Uno" in device("show", "a")
    assert "is no day" in device("show", "a", "--on", "yesterday", code=2)
    actions = []
    with psycopg.connect(database.url) as connection:
        actions = [
            row[0]
            for row in connection.execute(
                "select action from audit_entry where action like 'device%' order by id"
            )
        ]
    assert actions == [
        "device.import",
        "device.installed",
        "device.installed",
        "device.commissioned",
        "device.swap",
        "device.retired",
    ]


def test_a_slip_in_one_device_is_named_with_what_was_meant(database: Private, broker: Broker) -> None:
    device = Line(database, broker)
    new = ("new", "a", "--department", "water", "--profile")
    assert "a: no profile river-guage; did you mean river-gauge or" in device(*new, "river-guage", code=2)
    gauge = (*new, "river-gauge")
    assert "are they swapped?" in device(*gauge, "--lon", "31.3", "--lat", "120.6", code=2)
    assert "give both lon and lat" in device(*gauge, "--lon", "120.6", code=2)
    assert "no gateway g, in the list or registered" in device(*gauge, "--gateway", "g", code=2)
    assert "water is a new department" in device(*gauge)
    assert "registered already" in device(*gauge, code=2)
    again = device("new", "b", "--department", "wather", "--profile", "river-gauge")
    assert "wather is a new department; so far there were water" in again
    assert "new department" not in device("new", "c", "--department", "water", "--profile", "river-gauge")


def test_a_list_says_which_departments_it_founds(database: Private, broker: Broker, tmp_path: Path) -> None:
    device, file = Line(database, broker), tmp_path / "list.csv"
    file.write_text(f"{HEAD}\na,One,water,river-gauge,,\n")
    assert "Note: the department water is new" in device("import", str(file))
    file.write_text(f"{HEAD}\na,One,water,river-gauge,,\nb,Two,wather,river-gauge,,\n")
    said = device("import", str(file), "--dry-run")
    assert said.count("Note:") == 1
    assert "Note: the department wather is new; was water meant?" in said
