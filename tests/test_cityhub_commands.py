"""Commands as an operator types them: what they print, and how they answer mistakes."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import orjson
import psycopg
import pytest
from fix_hub import CITY
from fix_services import Private

from cityhub.migrate import ROOT, migrate
from cityhub.processes import command
from cityhub.services import Broker, start_database
from cityhub.settings import OperatorError, Settings, load


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments),
        env={**os.environ, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "error", "hint"),
    [
        (("ledger",), "no hub is running", "cityhub up"),
        (("up", "--config", "/nowhere.toml"), "cannot read /nowhere.toml", "--config"),
        (("zone", "check", "/nowhere.geojson"), "cannot read /nowhere.geojson", "GeoJSON"),
        (("rule", "check", "/nowhere.yaml"), "no file /nowhere.yaml", "path"),
        (("replay", "/nowhere.csv", "--device", "d", "--metric", "m"), "cannot read /nowhere.csv", "path"),
    ],
)
def test_an_operators_mistake_is_a_sentence_with_a_way_out_and_exit_2(
    home: Path, arguments: tuple[str, ...], error: str, hint: str
) -> None:
    ended = run(*arguments, CITYHUB_HOME=str(home))
    assert ended.returncode == 2, ended.stderr
    said, tried = ended.stderr.strip().splitlines()[-2:]
    assert said.startswith("Error: ")
    assert error in said
    assert tried.startswith("Try: ")
    assert hint in tried
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    "name", ["demo", "up", "hub", "api", "migrate", "edge run", "sim run", "replay", "decode", "device import",
             "device list", "device neighbours", "device show", "device retire", "zone import", "zone check", "rule check", "rule backtest", "rule prove",
             "backtest", "ledger", "bench"],
)  # fmt: skip
def test_the_help_of_every_command_says_what_it_does(name: str) -> None:
    ended = run(*name.split(), "--help")
    assert ended.returncode == 0
    assert "Usage: " in ended.stdout
    assert len(ended.stdout.splitlines()) > 5


def test_a_wrong_file_of_settings_names_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "cityhub.toml"
    file.write_text("api_prot = 80\n")
    with pytest.raises(OperatorError, match="unknown setting 'api_prot'"):
        load(file, {})
    file.write_text('api_port = "eighty"\n')
    with pytest.raises(OperatorError, match="api_port is 'eighty', not a number"):
        load(file, {})
    file.write_text("api_port = 80\n")
    assert load(file, {"CITYHUB_API_PORT": "81"}).api_port == 81
    assert load(file, {}).api_port == 80
    file.write_text("not toml")
    with pytest.raises(OperatorError):
        load(file, {})


def test_every_setting_stands_in_the_docs() -> None:
    page = (Path(__file__).parents[1] / "docs" / "settings.md").read_text()
    for name in Settings.__dataclass_fields__:
        assert f"| `{name}` |" in page
        assert f"`CITYHUB_{name.upper()}`" in page


@pytest.mark.parametrize(
    ("form", "payload", "wanted"),
    [
        ("telemetry", '{"ts": 1790000000000, "values": {"level": 3.42}}', {"name": "level", "time": "2026-09-21T14:13:20Z", "value": 3.42}),
        ("senml", '[{"bn": "a:", "n": "level", "u": "m", "t": 1790000000, "v": 3.42}]', {"name": "a:level", "time": "2026-09-21T14:13:20Z", "value": 3.42, "unit": "m"}),
    ],
)  # fmt: skip
def test_decode_says_what_it_understood(form: str, payload: str, wanted: dict[str, object]) -> None:
    ended = run("decode", form, payload)
    assert ended.returncode == 0, ended.stderr
    assert orjson.loads(ended.stdout)["understood"] == [wanted]


def test_decode_takes_hexadecimal_and_raw_bytes_from_a_file_too(tmp_path: Path) -> None:
    said = b'{"level": 3}'
    for content in (said, said.hex().encode(), said.hex(" ", 2).upper().encode() + b"\n"):
        file = tmp_path / "payload"
        file.write_bytes(content)
        document = orjson.loads(run("decode", "telemetry", str(file)).stdout)
        assert [entry["value"] for entry in document["understood"]] == [3.0]


def test_decode_says_what_it_did_not_understand_and_why() -> None:
    ended = run("decode", "telemetry", '{"level": "high"}')
    assert ended.returncode == 1
    assert orjson.loads(ended.stdout)["not_understood"] == ["level is str 'high', not a number"]


def test_a_zone_file_is_read_in_the_datum_that_its_source_declares(tmp_path: Path) -> None:
    ring = [[120.6, 31.3], [120.61, 31.3], [120.61, 31.31], [120.6, 31.3]]
    file = tmp_path / "zones.geojson"
    file.write_bytes(
        orjson.dumps(
            {"type": "Feature", "id": "old-town", "geometry": {"type": "Polygon", "coordinates": [ring]}}
        )
    )
    plain = run("zone", "check", str(file)).stdout
    shifted = run("zone", "check", str(file), "--datum", "GCJ02").stdout
    assert "old-town" in plain
    assert "old-town" in shifted
    assert plain != shifted
    assert run("zone", "check", str(file), "--datum", "mars").returncode == 2


def test_zones_devices_and_the_book_can_be_worked_with_from_the_command_line(
    database: Private, broker: Broker
) -> None:
    found = {"CITYHUB_DATABASE_URL": database.url, "CITYHUB_MQTT_URL": broker.url}
    assert (
        "17 new, 0 changed, 0 the same" in run("zone", "import", str(CITY / "zones.geojson"), **found).stdout
    )
    assert "26 new, 0 known" in run("device", "import", str(CITY / "devices.csv"), **found).stdout
    again = run("device", "import", str(CITY / "devices.csv"), **found)
    assert "0 new, 26 known; 26 devices stand in a zone" in again.stdout
    assert "river-01" in run("device", "list", **found).stdout
    assert "Willow Weir" in run("device", "show", "river-01", **found).stdout
    assert run("device", "retire", "river-01", **found).returncode == 0
    assert run("device", "retire", "river-01", **found).returncode == 2
    assert run("ledger", **found).returncode == 0
    with psycopg.connect(database.url) as connection:
        places = connection.execute(
            "select zone.key from device_zone join zone on zone.id = zone_id join device on device.id = device_id where device.key = 'camera-01'"
        ).fetchall()
    assert {key for (key,) in places} == {"station", "station-forecourt"}


def test_every_rule_that_is_shipped_or_shown_can_be_used() -> None:
    root = Path(__file__).parents[1]
    for folder in ("alerts/rules", "deploy/demo/rules", "docs/examples"):
        ended = run("rule", "check", str(root / folder))
        assert ended.returncode == 0, ended.stderr


def test_a_faulty_list_of_devices_is_refused_whole_with_every_fault_named(
    database: Private, broker: Broker, tmp_path: Path
) -> None:
    file = tmp_path / "devices.csv"
    file.write_text(
        "id,name,department,profile,gateway,lon,lat,counts_zone\n"
        "good-01,Good,water,river-gauge,,120.5,31.3,\n"
        "Bad 02,Bad,water,river-gauge,,,,\n"
        "swapped-03,Swapped,water,river-gauge,,31.3,120.5,\n"
    )
    found = {"CITYHUB_DATABASE_URL": database.url, "CITYHUB_MQTT_URL": broker.url}
    ended = run("device", "import", str(file), **found)
    assert ended.returncode == 2
    assert "line 3: id 'Bad 02'" in ended.stderr
    assert "line 4: lon 31.3, lat 120.5 is not on the earth; are they swapped?" in ended.stderr
    file.write_text("id,name,department,profile\ngood-01,Good,water,no-such-profile\n")
    assert "good-01: no profile no-such-profile" in run("device", "import", str(file), **found).stderr
    with psycopg.connect(database.url) as connection:
        assert connection.execute("select count(*) from device").fetchone() == (0,)


def test_a_second_migration_does_nothing_and_a_changed_file_is_refused(database: Private) -> None:
    assert migrate(database.url) == 0
    with psycopg.connect(database.url, autocommit=True) as connection:
        connection.execute("update schema_file set sha256 = 'other' where part = 'geo'")
    with pytest.raises(OperatorError, match=r"geo/schema/001_zone\.sql differs"):
        migrate(database.url)


def test_plain_postgresql_holds_the_same_schema(home: Path) -> None:
    server = start_database(home, prefer="wheel")
    try:
        assert server.warning
        assert migrate(server.url) == len(list(ROOT.glob("*/schema/*.sql")))
    finally:
        server.stop()


def test_on_timescaledb_readings_and_messages_are_hypertables(database: Private) -> None:
    with psycopg.connect(database.url) as connection:
        if not connection.execute("select 1 from pg_extension where extname = 'timescaledb'").fetchone():
            pytest.skip("this database has no TimescaleDB")
        tables = connection.execute(
            "select hypertable_name from timescaledb_information.hypertables order by 1"
        ).fetchall()
    assert {("message",), ("reading",)} <= set(tables)
