"""Fencing against a database: zones as they hold, who ought to be inside, who is forgotten, and what a start takes up."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np
import psycopg
import pytest
from fix_hub import wait_for
from fix_services import Private
from shapely import box

from cityhub.crowd import border
from cityhub.fencing import PREFIX, Fencing
from cityhub.redrawing import Drawn, Redrawing
from edge.reading import now_us
from geo.fence import KINDS
from geo.plane import metres_per_degree
from geo.table import keep, retire
from geo.track import BELIEVED, VAGUE
from geo.zones import Zone
from ingest import checkpoint, fix_rows, salt, store, tracks
from ingest.batch import Batch
from ingest.fixes import FIX, Fixes
from ingest.message import Message
from ingest.records import write_dead_letters, write_ledger
from ingest.tracks import Spans, Tracks

LON, LAT = 120.6, 31.3
EAST, NORTH = (float(each) for each in metres_per_degree(LAT))
S = 1_000_000
BEGUN = now_us() - 3_600 * S
MEDIC, PUMP, CAMERA = 101, 102, 103


def square(key: str, east_m: float = 0.0, side_m: float = 200.0, **more: Any) -> Zone:
    west = LON + east_m / EAST
    ground = box(west, LAT, west + side_m / EAST, LAT + side_m / NORTH)
    return Zone(key, more.pop("name", key), "restricted", ground, area_m2=side_m**2, **more)


@pytest.fixture
def connection(database: Private) -> Iterator[psycopg.Connection]:
    """A database with two devices that tell their own place and one that sees others."""
    with psycopg.connect(database.url, autocommit=True) as opened:
        opened.execute("insert into department (key, name) values ('order', 'Order')")
        opened.execute(
            """insert into device (id, key, name, department_id, profile) overriding system value
               select number, word, word, department.id, 'responder'
               from department, unnest(%s::int[], array['medic-1', 'pump-1', 'camera-1']) as made (number, word)
               where department.key = 'order'""",
            ([MEDIC, PUMP, CAMERA],),
        )
        yield opened


def draw(connection: psycopg.Connection, *zones: Zone) -> dict[str, int]:
    with connection.transaction(), connection.cursor() as cursor:
        keep(cursor, list(zones))
    return dict(connection.execute("select key, id from zone").fetchall())


def fixes(
    track: int, seconds: range, east_m: float = 100.0, *, named: bool = True, accuracy: float = 1.0
) -> Fixes:
    """A fix a second of one track, so far east of the corner."""
    found = np.zeros(len(seconds), FIX)
    found["time"], found["track"] = BEGUN + np.array(seconds) * S, track
    found["lon"], found["lat"], found["accuracy"], found["named"] = (
        LON + east_m / EAST,
        LAT + 100 / NORTH,
        accuracy,
        named,
    )
    return found


def batch_of(device: int, *parts: Fixes) -> Batch:
    rows = np.concatenate(parts)
    batch = Batch([Message("city/v1/order/x/position", b"[]", 0, 0, BEGUN)], fixes=rows)
    batch.arrived = np.array([BEGUN])
    batch.fix_device = np.full(len(rows), device, np.int32)
    batch.fix_source = np.zeros(len(rows), np.intp)
    batch.fix_late = np.zeros(len(rows), np.bool_)
    batch.ledger.begin(BEGUN)
    mark = np.ones(len(rows), np.bool_)
    batch.ledger.add(batch.fix_device, received=mark, stored=mark)
    return batch


def follow(fencing: Fencing, device: int, *parts: Fixes) -> list[tuple[int, int, str]]:
    """Track, zone and kind of what is told of these fixes."""
    batch = batch_of(device, *parts)
    fencing.follow(batch)
    kinds = ("exit", "cross", "outside", "absent", "enter", "inside", "dwell")
    return [(one["track"], one["zone"], kinds[one["kind"]]) for one in batch.crossings]


def test_a_cell_of_the_grid_tells_of_nobody_unless_it_says_what_is_asked_at_its_border(
    connection: psycopg.Connection,
) -> None:
    cells = [replace(square(key, **said), kind="grid") for key, said in (
        ("plain", {}), ("lingering", {"dwell_s": 5.0}), ("manned", {"expected": ("pump-1",)}),
    )]  # fmt: skip
    here = draw(connection, replace(square("ward"), kind="district"), *cells)
    fencing = Fencing()
    fencing.refresh(connection)
    told = follow(fencing, MEDIC, fixes(7, range(10)))
    assert {(zone, kind) for _, zone, kind in told} == {
        (here["ward"], "enter"), (here["manned"], "enter"), (here["lingering"], "enter"), (here["lingering"], "dwell"),
    }  # fmt: skip
    draw(connection, cells[0], replace(cells[1], dwell_s=None))  # and where it says so no more it is none
    fencing.refresh(connection)
    assert set(fencing.inside().zone.tolist()) == {here["ward"], here["manned"]}


def test_zones_change_while_people_are_inside(connection: psycopg.Connection) -> None:
    here = draw(connection, square("a"), square("b", 1000, dwell_s=5))
    fencing = Fencing()
    fencing.refresh(connection)
    assert follow(fencing, MEDIC, fixes(7, range(10)), fixes(8, range(20), 1100, named=False)) == [
        (7, here["a"], "enter"),
        (8, here["b"], "enter"),
        (8, here["b"], "dwell"),
    ]
    inside = fencing.inside()
    assert [column.tolist() for column in inside] == [
        [here["a"], here["b"]],
        [7, 8],
        [MEDIC, 0],
        [False, True],
    ]
    assert fencing.told(np.array([7, 99], np.int32)).tolist() == [BEGUN, 0], "by our clock, not by theirs"
    assert fencing.devices_told() == {MEDIC: BEGUN}
    # A new zone before the others, and another shape of one: who is inside is told nothing, and leaves by the new border.
    draw(connection, square("a", side_m=150), square("c", 50))
    with connection.cursor() as cursor:
        retire(cursor, ["b"])
    here = dict(connection.execute("select key, id from zone").fetchall())
    fencing.refresh(connection)
    assert fencing.inside().zone.tolist() == [here["a"]], "of a zone that is no more nobody is told"
    told = follow(fencing, MEDIC, fixes(7, range(10, 30), 180))
    assert told == [(7, here["c"], "enter"), (7, here["a"], "exit")]
    versions = batch_of(MEDIC, fixes(7, range(30, 60), 500))
    fencing.follow(versions)
    assert versions.crossings["version"].tolist() == [1]
    # What has not changed is not read again.
    crossings = fencing.drawn.crossings
    fencing.refresh(connection)
    assert fencing.drawn.crossings is crossings


def test_a_zone_holds_from_its_first_to_its_last_moment(
    connection: psycopg.Connection, database: Private
) -> None:
    moment = datetime.now(UTC)
    draw(connection, square("tomorrow", valid_from=moment + timedelta(days=1)), square("soon", valid_from=moment + timedelta(seconds=2)),
         square("over", valid_to=moment))  # fmt: skip
    fencing = Fencing()
    fencing.refresh(connection)
    assert follow(fencing, MEDIC, fixes(7, range(10))) == []
    with redrawing(database, fencing) as drawing:
        wait_for(lambda: taken(drawing, fencing) and len(fencing.drawn.version), "the zone to begin")
    assert [kind for _, _, kind in follow(fencing, MEDIC, fixes(7, range(10, 20)))] == ["enter"]
    assert fencing.drawn.turn == moment + timedelta(days=1), "the next turn is tomorrow's"


@contextmanager
def redrawing(database: Private, fencing: Fencing) -> Iterator[Redrawing]:
    drawing = Redrawing(database.url, fencing.drawn)
    drawing.start()
    try:
        yield drawing
    finally:
        drawing.close()


def taken(drawing: Redrawing, fencing: Fencing) -> bool:
    """Take what has been read, as the hub does between two batches."""
    drawn = drawing.fresh()
    if drawn is not None:
        fencing.take(drawn)
    return drawn is not None


def stand(connection: psycopg.Connection, database: Private, fencing: Fencing) -> list[tuple[str, int]]:
    """What is told, with the version, of somebody who stands in a zone while it is drawn anew and another is drawn, and leaves."""
    here = draw(connection, square("a", name="first"))
    fencing.refresh(connection)
    keys, second = {here["a"]: "a"}, 0
    told: list[tuple[str, int]] = []

    def go_on(seconds: int, east_m: float = 100.0) -> None:
        nonlocal second
        for _ in range(seconds):
            batch = batch_of(MEDIC, fixes(7, range(second, second + 1), east_m))
            fencing.follow(batch)
            told.extend(
                (f"{KINDS[one['kind']]} {keys[one['zone']]}", int(one["version"])) for one in batch.crossings
            )
            second += 1

    with redrawing(database, fencing) as drawing:
        wait_for(lambda: taken(drawing, fencing), "the first look")
        go_on(10)
        for change, version in ((square("b", 50), 1), (square("a", side_m=150), 2)):
            keys |= {number: key for key, number in draw(connection, change).items()}
            go_on(3)  # by the zones before
            before = fencing.drawn.crossings
            drawing.look_again()

            def passing(version: int = version, before: Any = before) -> bool:
                go_on(1)
                taken(drawing, fencing)
                return fencing.drawn.crossings is not before and version in fencing.drawn.version

            wait_for(passing, "the zones to be read")
            go_on(10)
        go_on(20, 180)
        assert drawing.failed == 0
    return told


def test_zones_are_read_beside_the_fixes_and_each_thing_is_told_once_by_the_zones_that_hold(
    connection: psycopg.Connection, database: Private
) -> None:
    told = stand(connection, database, Fencing())
    assert told == [("enter a", 1), ("enter b", 1), ("exit a", 2)]


def test_control_zones_that_are_taken_without_who_stands_in_them_tell_it_twice(
    connection: psycopg.Connection, database: Private
) -> None:
    class Forgetful(Fencing):
        def take(self, drawn: Drawn) -> None:
            self.drawn = drawn
            self.drawn.crossings.standing.hold(len(self._track))

    told = stand(connection, database, Forgetful())
    assert [what for what, _ in told].count("enter a") > 1, "the control told once: the test proves nothing"


def test_zones_that_cannot_be_read_are_read_again_and_those_before_hold_meanwhile(
    connection: psycopg.Connection, database: Private, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cityhub.redrawing.AGAIN_S", 0.05)
    here = draw(connection, square("a"))
    fencing = Fencing()
    fencing.refresh(connection)
    with redrawing(database, fencing) as drawing:
        wait_for(lambda: taken(drawing, fencing), "the first look")
        connection.execute("alter view zone_in_force rename to mislaid")
        draw(connection, square("b"))
        drawing.look_again()
        wait_for(lambda: drawing.failed > 1, "two reads to fail")
        assert not taken(drawing, fencing)
        assert follow(fencing, MEDIC, fixes(7, range(10))) == [(7, here["a"], "enter")]
        connection.execute("alter view mislaid rename to zone_in_force")
        connection.execute(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where application_name = 'cityhub fences'"
        )
        wait_for(lambda: taken(drawing, fencing), "the zones to be read")
        assert len(fencing.drawn.version) == 2


def test_who_ought_to_be_inside_and_is_not_is_told_once(connection: psycopg.Connection) -> None:
    here = draw(connection, square("base", expected=("medic-1", "pump-1", "nobody")))
    fencing = Fencing()
    fencing.refresh(connection)
    assert [column.tolist() for column in fencing.absent()] == [[here["base"]] * 2, [MEDIC, PUMP]]
    # Whom a camera sees is not the device that ought to be there.
    assert follow(fencing, MEDIC, fixes(9, range(10), named=False)) == [(9, here["base"], "enter")]
    assert follow(fencing, MEDIC, fixes(7, range(10))) == [(7, here["base"], "enter")]
    assert fencing.absent().device.tolist() == [PUMP]
    # So long as it was heard lately it is there; then nobody knows, and the pump has never been heard of.
    known = [
        (len(seen.device[seen.device == MEDIC]), seen.absent[here["base"]], seen.unheard[here["base"]])
        for late_s in (60, 899, 901)
        if (seen := border.look(fencing, BEGUN + late_s * S, lambda _: border.SILENT_US))
    ]
    assert known == [(1, 0, 1), (1, 0, 1), (0, 0, 2)]
    assert [kind for *_, kind in follow(fencing, MEDIC, fixes(7, range(10, 40), 900))] == ["exit", "absent"]
    assert follow(fencing, MEDIC, fixes(7, range(40, 80), 900)) == []
    assert fencing.absent().device.tolist() == [MEDIC, PUMP]
    gone = border.look(fencing, BEGUN + 60 * S, lambda _: border.SILENT_US)
    assert (gone.absent[here["base"]], gone.unheard[here["base"]]) == (1, 1)
    # A restart, and zones read again, do not tell it anew.
    after = Fencing()
    after.refresh(connection)
    after.take_up(fencing.saved())
    draw(connection, square("other", 5000))
    after.refresh(connection)
    assert follow(after, MEDIC, fixes(7, range(80, 120), 900)) == []
    assert follow(after, MEDIC, fixes(7, range(120, 130))) == [(7, here["base"], "enter")]


def test_the_silent_are_forgotten_and_their_places_given_anew(connection: psycopg.Connection) -> None:
    draw(connection, square("a"))
    fencing = Fencing()
    fencing.refresh(connection)
    now = now_us()
    for number in range(200):
        follow(fencing, CAMERA, fixes(100 + number, range(3), 900, named=False))
    follow(fencing, MEDIC, fixes(7, range(10)), fixes(8, range(10), 900))
    follow(fencing, CAMERA, fixes(9, range(10), named=False))
    room = len(fencing._track)
    assert fencing.tidy(now + 1800 * S) == 0
    assert fencing.tidy(now + 2 * 3600 * S) == 201, "all that are in no zone"
    assert fencing.inside().track.tolist() == [7, 9]
    assert fencing.tidy(now + 25 * 3600 * S) == 1, "the day of a token is over, wherever it was"
    assert fencing.inside().track.tolist() == [7]
    for number in range(200):
        follow(fencing, CAMERA, fixes(1000 + number, range(3), 900, named=False))
    assert len(fencing._track) == room
    assert follow(fencing, MEDIC, fixes(7, range(10, 60), 900)) == [(7, 1, "exit")]


def test_one_by_one_or_in_batches_through_any_number_of_restarts_it_is_the_same(
    connection: psycopg.Connection,
) -> None:
    draw(
        connection, square("a"), square("b", 150, dwell_s=20), square("c", 400, exit_m=0, enter_s=0, exit_s=0)
    )
    rng = np.random.default_rng(4)
    parts = []
    for track in range(1, 9):
        walk = fixes(track, range(200), named=track % 2 == 0)
        walk["lon"] += (np.cumsum(rng.normal(0, 12, 200)) + rng.normal(0, 4, 200)) / EAST
        walk["accuracy"] = np.where(rng.random(200) < 0.05, 500, 3)
        parts.append(walk)
    rows = np.concatenate(parts)
    rows = rows[np.argsort(rows["time"], kind="stable")]
    whole = Fencing()
    whole.refresh(connection)
    wanted = follow(whole, MEDIC, rows.copy())
    pieces = np.array_split(rows, np.sort(rng.integers(0, len(rows), 25)))
    told = []
    fencing = Fencing()
    fencing.refresh(connection)
    for piece in pieces:
        told += follow(fencing, MEDIC, piece.copy()) if len(piece) else []
        if rng.random() < 0.5:
            saved = fencing.saved()
            fencing = Fencing()
            fencing.refresh(connection)
            fencing.take_up(saved)
    assert told == wanted
    assert {kind for *_, kind in wanted} >= {"enter", "exit", "dwell"}


def test_a_start_takes_in_what_was_stored_after_the_checkpoint_and_tells_nobody(
    connection: psycopg.Connection, database: Private
) -> None:
    draw(connection, square("a"))
    fencing, spans = Fencing(), Spans()
    fencing.refresh(connection)
    met = tracks.meet(connection, [(MEDIC, "medic-1", BEGUN), (PUMP, "pump-1", BEGUN), (CAMERA, "~7", BEGUN)])
    medic, pump, token = (number for number, _ in met)
    written = store.Store(database.url, uuid4(), [fencing.write, spans.write, write_ledger])
    written.begin()

    def commit(device: int, *parts: Fixes) -> None:
        batch = batch_of(device, *parts)
        fencing.follow(batch)
        written.commit(batch)
        spans.committed(batch)

    commit(MEDIC, fixes(medic, range(10), 900), fixes(pump, range(10)))
    checkpoint.save(connection, fencing.saved())
    commit(MEDIC, fixes(medic, range(10, 20)))
    commit(CAMERA, fixes(token, range(10), named=False))
    commit(PUMP, fixes(pump, range(10, 12), 900))
    saved = checkpoint.load(connection)
    known = saved[f"{PREFIX}tracks"]
    found, device = fix_rows.stored_since(
        connection, f"{PREFIX}tracks", known["track"].tolist(), known["kept"]["time"].tolist()
    )
    assert (len(found), sorted(set(device.tolist()))) == (10 + 10 + 2, [MEDIC, PUMP, CAMERA])
    after = Fencing()
    after.refresh(connection)
    after.take_up(saved)
    after.replay(found, device)
    for one, other in zip(after.inside(), fencing.inside(), strict=True):
        assert one.tolist() == other.tolist()
    for each in (fencing, after):
        assert follow(each, PUMP, fixes(pump, range(12, 30), 900)) == [(pump, 1, "exit")]
        assert follow(each, MEDIC, fixes(medic, range(20, 30))) == []
    written.close()
    spans_of = connection.execute("select name, first_at, last_at from track order by id").fetchall()
    assert spans_of[0][2] - spans_of[0][1] >= timedelta(seconds=9)


def test_who_spoke_after_long_and_a_moment_before_the_kill_is_taken_in(
    connection: psycopg.Connection, database: Private
) -> None:
    draw(connection, square("a"))
    fencing = Fencing()
    fencing.refresh(connection)
    ((medic, _),) = tracks.meet(connection, [(MEDIC, "medic-1", BEGUN)])
    follow(fencing, MEDIC, fixes(medic, range(10), 900))
    checkpoint.save(connection, fencing.saved())
    # Silent for half an hour; what it says then is stored, and nobody lives to write that it was heard.
    connection.execute("update track set seen_at = now() - interval '30 minutes'")
    written = store.Store(database.url, uuid4(), [])
    written.begin()
    written.commit(batch_of(MEDIC, fixes(medic, range(10, 20))))
    written.close()
    known = checkpoint.load(connection)[f"{PREFIX}tracks"]
    found, _ = fix_rows.stored_since(
        connection, f"{PREFIX}tracks", known["track"].tolist(), known["kept"]["time"].tolist()
    )
    assert len(found) == 10


def test_somebody_else_has_written_some_of_it_or_the_database_refuses_some(
    connection: psycopg.Connection, database: Private
) -> None:
    draw(connection, square("a"))
    ((medic, newest),) = tracks.meet(connection, [(MEDIC, "medic-1", BEGUN)])
    assert newest is None
    fencing = Fencing()
    fencing.refresh(connection)
    written = store.Store(database.url, uuid4(), [fencing.write, write_dead_letters, write_ledger])
    written.begin()
    first = batch_of(MEDIC, fixes(medic, range(10)))
    fencing.follow(first)
    assert first.fixes["outcome"].tolist() == [BELIEVED] * 10
    written.commit(first)
    # Another hub that had the same messages: what was told is not told again.
    other = Fencing()
    other.refresh(connection)
    again = batch_of(MEDIC, fixes(medic, range(5, 15)), fixes(medic, range(15, 17), accuracy=900.0))
    other.follow(batch_of(MEDIC, fixes(medic, range(5))))
    other.follow(again)
    assert again.fixes["outcome"].tolist() == [BELIEVED] * 10 + [VAGUE] * 2
    written.commit(again)
    assert (len(again.fixes), again.ledger.total("duplicate"), again.ledger.balance) == (7, 5, 0)
    assert connection.execute("select kind from crossing").fetchall() == [("enter",)]
    connection.execute("alter table fix add constraint odd check (lon < 121)")
    bad = fixes(medic, range(20, 30))
    bad["lon"][3], bad["lon"][7] = 122, 123
    batch = batch_of(MEDIC, bad)
    fencing.follow(batch)
    written.commit(batch)
    assert (len(batch.fixes), batch.ledger.total("quarantined"), batch.ledger.balance) == (8, 2, 0)
    assert connection.execute("select reason, readings from dead_letter").fetchall() == [
        ("database-refused", 2)
    ]
    assert connection.execute("select count(*) from fix").fetchone() == (17 + 8,)
    known = fix_rows.known(connection, fixes(medic, range(29, 31)))
    assert list(known) == [(medic, BEGUN + 29 * S)]
    # A track that was let go is found again, with the time up to which it is known.
    followed = Tracks(lambda wanted: tracks.meet(connection, wanted))
    slot = followed.take([(MEDIC, "medic-1", BEGUN)], BEGUN)
    assert followed.newest.times[slot].tolist() == [BEGUN + 29 * S]
    assert followed.tidy(BEGUN + 2 * 3600 * S) == 1
    assert followed.take([(CAMERA, "~1", BEGUN)], BEGUN).tolist() == slot.tolist()
    assert followed.newest.times[slot].tolist() == [np.iinfo(np.int64).min]
    written.close()


def test_the_salt_of_a_day_is_the_same_until_it_is_over_and_then_nowhere(
    connection: psycopg.Connection,
) -> None:
    first = salt.of_day(connection, 20_000, b"\x5a" * 32)
    assert first == salt.of_day(connection, 20_000, b"\xa5" * 32) == b"\x5a" * 32
    assert salt.of_day(connection, 20_001, b"\x5b" * 32) == b"\x5b" * 32
    place = "select pg_relation_filepath('track_salt'), relpersistence::text from pg_class where relname = 'track_salt'"
    before = connection.execute(place).fetchone()
    assert before is not None
    assert before[1] == "u", "a logged table would carry it into backups"
    assert salt.forget(connection, 20_001) == 1
    after = connection.execute(place).fetchone()
    assert after is not None
    assert after[0] != before[0], "the file that held it is another"
    assert salt.forget(connection, 20_001) == 0
