"""The life of a device: which steps there are, what the history keeps, and what becomes of readings and alarms."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import psycopg
import pytest
from fix_hub import House, wait_for
from fix_services import Private
from test_api_zones import collection, feature, square

from api import zoning
from ingest import history, life
from ingest.enrolment import Entry, enrol

TOPIC = "city/v1/water/river-9/telemetry"
RULE = """
rule: river-stage
title: River stage
applies_to: {profile: river-gauge, metric: level}
above: {red: 3}
"""
LOWLAND = """
rule: lowland-stage
title: River stage in the lowland
applies_to: {zone: lowland, metric: level}
above: {orange: 2}
"""


def river(connection: psycopg.Connection, key: str = "river-9") -> None:
    enrol(connection, [Entry(key, "River nine", "water", "river-gauge", lon=120.5, lat=31.3)])


def connected(database: Private) -> psycopg.Connection:
    return psycopg.connect(database.url, autocommit=True)


def now(connection: psycopg.Connection) -> datetime:
    row = connection.execute("select clock_timestamp()").fetchone()
    assert row is not None
    return row[0]  # type: ignore[no-any-return]


def test_a_device_takes_the_steps_there_are_and_no_others(database: Private) -> None:
    with connected(database) as connection:
        river(connection)
        for before, after in product(life.STATES, life.STATES):
            connection.execute("update device set state = %s where key = 'river-9'", (before,))
            if after in life.STEPS[before]:
                assert life.step(connection, ["river-9"], after, who="ada", because="a test") == {
                    "river-9": before
                }
            else:
                with pytest.raises(life.LifeError) as caught:
                    life.step(connection, ["river-9"], after, who="ada", because="a test")
                assert caught.value.hint
            row = connection.execute(
                "select state, retired_at is null from device where key = 'river-9'"
            ).fetchone()
            wanted = after if after in life.STEPS[before] else before
            assert row == (wanted, wanted != "retired"), (before, after)


def test_of_several_devices_all_take_a_step_or_none(database: Private) -> None:
    with connected(database) as connection:
        river(connection)
        river(connection, "river-8")
        with pytest.raises(life.LifeError, match="no device river-7"):
            life.step(connection, ["river-8", "river-7"], "suspended", who="ada", because="overhaul")
        with pytest.raises(life.LifeError, match="reason"):
            life.step(connection, ["river-8"], "suspended", who="ada", because=" ")
        assert connection.execute("select distinct state from device").fetchall() == [("commissioned",)]
        life.step(connection, ["river-8", "river-9"], "suspended", who="ada", because="overhaul")
        count = connection.execute("select count(*) from device where state = 'suspended'").fetchone()
        assert count == (2,)


def test_whoever_writes_only_the_day_or_only_the_state_means_both(database: Private) -> None:
    with connected(database) as connection:
        river(connection)
        said = "select state, retired_at is not null from device where key = 'river-9'"
        for change, wanted in (
            ("retired_at = now()", ("retired", True)),
            ("retired_at = null", ("commissioned", False)),
            ("state = 'retired'", ("retired", True)),
            ("state = 'suspended'", ("suspended", False)),
        ):
            connection.execute(f"update device set {change} where key = 'river-9'")  # noqa: S608 -- the four above
            assert connection.execute(said).fetchone() == wanted


def test_the_registry_as_it_was_with_who_and_why(database: Private) -> None:
    with connected(database) as connection:
        before = now(connection)
        river(connection)
        planted = now(connection)
        life.step(connection, ["river-9"], "suspended", who="ada", because="the weir is rebuilt")
        suspended = now(connection)
        assert life.swap(connection, "river-9", "VEGA-2", who="bo", because="drifted") is None
        connection.execute(
            "update device set clock_offset_s = 3 where key = 'river-9'"
        )  # the hub does, always
        spans = history.of(connection, "river-9")
        assert [(span.who, span.because) for span in spans] == [
            ("cityhub", ""),
            ("ada", "the weir is rebuilt"),
            ("bo", "drifted"),
        ]
        assert spans[1].against(spans[0]) == {"state": ("commissioned", "suspended")}
        assert spans[2].against(spans[1]) == {"sensor_serial": (None, "VEGA-2")}
        assert [span.valid_to for span in spans] == [spans[1].valid_from, spans[2].valid_from, None]
        assert history.on(connection, before, "river-9") == []
        [then] = history.on(connection, planted, "river-9")
        assert (then.record["state"], then.record["department"]) == ("commissioned", "water")
        [later] = history.on(connection, suspended, "river-9")
        assert (later.record["state"], later.record["sensor_serial"]) == ("suspended", None)
        connection.execute("delete from device where key = 'river-9'")
        assert history.on(connection, now(connection), "river-9") == []
        assert len(history.of(connection, "river-9")) == 3


def test_what_changes_twice_in_one_transaction_is_one_span(database: Private) -> None:
    with connected(database) as connection:
        river(connection)
        with connection.transaction():
            connection.execute("update device set name = 'a' where key = 'river-9'")
            connection.execute("update device set name = 'b' where key = 'river-9'")
        with connection.transaction():  # and what is put back was never away
            connection.execute("update device set name = 'c' where key = 'river-9'")
            connection.execute("update device set name = 'b' where key = 'river-9'")
        names = [span.record["name"] for span in history.of(connection, "river-9")]
        assert names[:2] == ["River nine", "b"]
        assert set(names[1:]) == {"b"}


def test_a_change_that_began_earlier_and_came_later_is_in_the_history_too(database: Private) -> None:
    with connected(database) as early, connected(database) as late:
        river(early)
        with early.transaction():
            now(early)
            life.step(late, ["river-9"], "suspended", who="bo", because="overhaul")
            life.swap(early, "river-9", "VEGA-2", who="ada", because="drifted")
        spans = history.of(early, "river-9")
        assert [span.who for span in spans] == ["cityhub", "bo", "ada"]
        assert spans[2].against(spans[1]) == {"sensor_serial": (None, "VEGA-2")}
        assert [span.valid_to for span in spans] == [spans[1].valid_from, spans[2].valid_from, None]


def test_a_sensor_is_swapped_with_its_reason_and_the_series_stay(database: Private) -> None:
    with connected(database) as connection:
        river(connection)
        connection.execute(
            "insert into series (device_id, metric, unit) select id, 'level', 'm' from device where key = 'river-9'"
        )
        assert life.swap(connection, "river-9", "A-1", who="ada", because="mounted") is None
        assert life.swap(connection, "river-9", "A-2", who="ada", because="hit by a log") == "A-1"
        for serial, because in (("A-2", "again"), ("", "empty"), ("A-3", ""), ("A\n3", "two lines")):
            with pytest.raises(life.LifeError):
                life.swap(connection, "river-9", serial, who="ada", because=because)
        assert connection.execute(
            "select serial_before, serial_after from sensor_swap order by id"
        ).fetchall() == [
            (None, "A-1"),
            ("A-1", "A-2"),
        ]
        assert connection.execute("select count(*) from series").fetchone() == (1,)


def test_a_device_that_is_suspended_or_comes_to_stand_elsewhere_or_is_retired_is_judged_so_at_once(
    house: House, tmp_path: Path
) -> None:
    (tmp_path / "stage.yaml").write_text(RULE)
    (tmp_path / "lowland.yaml").write_text(LOWLAND)
    with house.connect() as connection:
        river(connection)
        house.start_hub(CITYHUB_RULES=str(tmp_path))
        device = house.publisher()
        begun = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=60)

        def say(second: int, level: float) -> None:
            at = begun + timedelta(seconds=second)
            house.send(device, TOPIC, {"ts": round(at.timestamp() * 1000), "values": {"level": level}})
            wait_for(
                lambda: house.ask("select value from reading where time = %s", at),
                f"the reading of second {second}",
            )

        def steps(rule: str = "river-stage") -> list[tuple[str, str | None]]:
            return house.ask(
                """select kind, comment from alarm_transition join alarm on alarm.id = alarm_id
                   where rule = %s order by alarm_transition.id""",
                rule,
            )

        def draw(lon: float, lat: float) -> None:
            area = feature("lowland", square(lon, lat), kind="area")
            zoning.take(connection, collection(area), who="ada", file="lowland.geojson")

        say(1, 5)  # the control: it does alarm
        wait_for(steps, "the alarm")
        life.step(connection, ["river-9"], "suspended", who="ada", because="overhaul")
        wait_for(lambda: len(steps()) > 1, "the alarm to return")
        say(2, 1)
        say(3, 6)
        assert steps() == [("raised", None), ("returned", "the device is suspended now")]
        life.step(connection, ["river-9"], "commissioned", who="ada", because="it runs again")
        time.sleep(1.5)  # the hub looks once a second
        say(4, 6)  # the water has stood all the while: it is told anew
        wait_for(lambda: len(steps()) > 2, "the alarm to be raised again")
        assert steps()[2] == ("raised", None)
        # A zone is drawn around it: a rule for that zone is more precise than one for all gauges, and takes its place.
        draw(120.495, 31.295)
        wait_for(lambda: len(steps()) > 3, "the alarm of the gauges' rule to return")
        assert steps()[3] == ("returned", "the rule no longer applies here")
        say(5, 6)
        wait_for(lambda: steps("lowland-stage"), "the alarm of the lowland's rule")
        draw(120.494, 31.294)  # another shape, and the gauge is in it as before
        say(6, 6)
        draw(120.6, 31.3)  # and away
        wait_for(lambda: len(steps("lowland-stage")) > 1, "the alarm of the lowland's rule to return")
        assert steps("lowland-stage") == [("raised", None), ("returned", "the rule no longer applies here")]
        say(7, 6)
        wait_for(lambda: len(steps()) > 4, "the alarm of the gauges' rule")
        life.step(connection, ["river-9"], "retired", who="ada", because="the weir is gone")
        wait_for(lambda: len(steps()) > 5, "the alarm to return")
        assert steps()[4:] == [("raised", None), ("returned", "the device is retired now")]
        house.send(device, TOPIC, {"level": 7})
        house.send(device, "city/v1/water/river-10/telemetry", {"level": 7})
        wait_for(lambda: house.ask("select 1 from dead_letter having count(*) = 2"), "the dead letters")
        letters = dict(house.ask("select reason, detail from dead_letter"))
        assert letters["retired-device"].startswith(f"river-9 was retired on {datetime.now(UTC):%Y-%m-%d}")
        assert letters["unknown-device"].startswith("river-10 is not registered")
