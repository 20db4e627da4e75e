"""The live stream, read over a socket: what is told, to whom, and what a reconnect makes good."""

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol

import httpx
import psycopg
import pytest

from api import accounts, stream, subscriber
from api.app import build
from api.server import Server, bound
from api.standing import Standing


class Private(Protocol):
    """A migrated, empty database."""

    url: str


class Cluster(Protocol):
    """The run's database server."""

    def fresh(self) -> Private:
        """Make a database."""

    def drop(self, private: Private) -> None:
        """Drop it again."""


class City:
    """A running API with two departments, an alarm in each."""

    def __init__(self, database: str) -> None:
        self.database = database
        self.alarms: dict[str, int] = {}
        self.tokens: dict[str, str] = {}
        self.url = ""
        self.server: Server | None = None

    def move(self, department: str, *, told: bool = True, many: int = 1) -> list[int]:
        """Move the department's alarm as the hub does: the step and its notice in one transaction."""
        with psycopg.connect(self.database) as connection:
            numbers = []
            for _ in range(many):
                row = connection.execute(
                    """insert into alarm_transition (alarm_id, kind, from_level, to_level, at)
                       values (%s, 'escalated', 2, 3, now()) returning id""",
                    (self.alarms[department],),
                ).fetchone()
                assert row is not None
                numbers.append(row[0])
                if told:
                    connection.execute("select pg_notify('cityhub_alarm', %s)", (str(row[0]),))
        return numbers

    @contextmanager
    def stream(self, who: str = "all", last: int | str | None = None) -> "Iterator[Iterator[dict[str, Any]]]":
        """Open a stream; gives its events."""
        headers = {"Authorization": f"Bearer {self.tokens[who]}"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        with (
            httpx.Client(base_url=self.url, timeout=20) as client,
            client.stream("GET", "/api/v1/stream", headers=headers) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            yield events(answer.iter_lines())


def events(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    found: dict[str, Any] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(": ")
            found[name or "comment"] = json.loads(value) if name == "data" else value
        elif found:
            yield found
            found = {}


def next_alarm(coming: Iterator[dict[str, Any]]) -> dict[str, Any]:
    return next(each for each in coming if each.get("event") == "alarm")


@pytest.fixture(scope="module")
def city(cluster: Cluster) -> Iterator[City]:
    private = cluster.fresh()
    made = City(private.url)
    with psycopg.connect(private.url, autocommit=True) as connection:
        connection.execute("insert into profile (key, body, sha256) values ('any', '{}', '')")
        for name in ("water", "traffic"):
            row = connection.execute(
                """with p as (insert into department (key, name) values (%(name)s, %(name)s) returning id),
                   d as (insert into device (key, name, department_id, profile)
                         select %(name)s || '-1', 'Device', id, 'any' from p returning id)
                   insert into alarm (rule, series_id, device_id, exercise, level, peak_level, value, raised_at, changed_at)
                   select 'rule', id, id, false, 2, 2, 1, %(now)s, %(now)s from d returning id""",
                {"name": name, "now": datetime.now(UTC)},
            ).fetchone()
            assert row is not None
            made.alarms[name] = row[0]
        passwords = {"all": accounts.create(connection, "all", "operator")}
        passwords["water"] = accounts.create(connection, "water", "operator", "water")
    listener = bound("127.0.0.1", 0)
    ready = threading.Event()
    made.server = Server(build(private.url), ready.set)
    made.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    thread = threading.Thread(target=made.server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    assert ready.wait(20)
    for name, password in passwords.items():
        with httpx.Client(base_url=made.url, headers={"Origin": made.url}) as client:
            client.post("/api/v1/session", json={"name": name, "password": password}).raise_for_status()
            answer = client.post("/api/v1/tokens", json={"name": "t", "scopes": ["read", "write"]})
            made.tokens[name] = answer.json()["token"]
    yield made
    made.server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    cluster.drop(private)


def feed(city: City) -> Any:
    assert city.server is not None
    return city.server._app.state.feed


def test_hello_comes_first_then_the_status_again_and_again(city: City) -> None:
    with city.stream() as coming:
        kinds = [next(coming)["event"] for _ in range(4)]
    assert kinds == ["hello", "status", "status", "status"]


def next_values(coming: Iterator[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in coming if each.get("event") == "values")["data"]
    return found


def test_values_of_standing_alarms_are_told_when_they_change_and_within_reach(city: City) -> None:
    water, traffic = (str(city.alarms[each]) for each in ("water", "traffic"))
    now = datetime.now(UTC).replace(microsecond=5)
    time = now.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    with (
        psycopg.connect(city.database, autocommit=True) as connection,
        city.stream() as everyone,
        city.stream("water") as own,
    ):
        connection.execute(
            """insert into series (device_id, metric, unit) select id, 'm', 'm' from device
               where not exists (select from series) order by id"""
        )
        connection.execute("insert into latest select id, %s, 1.5, 1 from series", (now,))
        first = {"value": 1.5, "time": time, "flag": 1, "trend": None}
        assert next_values(everyone) == {water: first, traffic: first}
        assert next_values(own) == {water: first}
        # What is not in reach changes, and nobody in that reach is told.
        connection.execute("update latest set value = 'NaN', flag = 9 where series_id = 2")
        assert next_values(everyone) == {water: first, traffic: {**first, "value": None, "flag": 9}}
        assert [next(own)["event"] for _ in range(2)] == ["status", "status"]
        connection.execute("update alarm set returned_at = now() where id = %s", (traffic,))
        assert next_values(everyone) == {water: first}
        connection.execute("update alarm set returned_at = null where id = %s", (traffic,))
        connection.execute("delete from latest")
        assert next_values(own) == {}


def test_no_more_than_two_hundred_values_are_told_the_worst_first(city: City) -> None:
    with psycopg.connect(city.database, autocommit=True) as connection:
        connection.execute(
            """insert into series (device_id, metric, unit) select 1, 'many' || n, 'm' from generate_series(1, 250) n"""
        )
        connection.execute("insert into latest select id, now(), id, 1 from series where metric ~ 'many'")
        connection.execute(
            """insert into alarm (rule, series_id, device_id, exercise, level, peak_level, value, raised_at, changed_at)
               select 'many', id, 1, false, case when id % 2 = 0 then 4 else 1 end, 4, 1, now(), now()
               from series where metric ~ 'many'"""
        )
        with city.stream() as coming:
            told = next_values(coming)
        worst = connection.execute("select id::text from alarm where rule = 'many' and level = 4").fetchall()
        connection.execute("delete from alarm where rule = 'many'")
        connection.execute("delete from series where metric ~ 'many'")
    assert len(told) == 200 - 2  # the two alarms of the city stand before these, and nothing is known of them
    assert {each for (each,) in worst} < set(told)


def test_a_trend_needs_five_readings_that_no_check_refused() -> None:
    looks = Standing(None)

    def look(second: int, value: float, flag: int = 1) -> Any:
        row = {"id": "1", "series": 1, "value": value, "flag": flag}
        told = looks.take([{**row, "time": datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC)}])
        return told and told["1"]["trend"]

    assert [look(second, second) for second in range(5)] == [None, None, None, None, 1]
    assert look(4, 4) is None  # the same again is no news
    assert look(5, -100, flag=4) == 1
    assert look(6, float("nan"), flag=9) == 1
    assert [look(7, 1), look(8, 0)] == [0, -1]
    # An alarm that returned is forgotten: what comes after begins anew.
    assert looks.take([]) == {}
    assert look(9, 1) is None


def test_a_transition_arrives_with_its_alarm(city: City) -> None:
    with city.stream() as coming:
        assert next(coming)["event"] == "hello"
        begun = time.monotonic()
        (number,) = city.move("water")
        got = next_alarm(coming)
        assert time.monotonic() - begun < 1
    assert got["id"] == str(number)
    assert got["data"]["id"] == str(city.alarms["water"])
    assert got["data"]["department"] == "water"
    assert got["data"]["transition"]["kind"] == "escalated"
    with httpx.Client(base_url=city.url, headers={"Authorization": f"Bearer {city.tokens['all']}"}) as client:
        listed = client.get(f"/api/v1/alarms/{city.alarms['water']}").json()
    del listed["transitions"], got["data"]["transition"]
    assert got["data"] == listed


def test_acknowledging_is_seen_by_everyone_who_watches(city: City) -> None:
    with city.stream() as coming:
        next(coming)
        with httpx.Client(
            base_url=city.url, headers={"Authorization": f"Bearer {city.tokens['all']}"}
        ) as client:
            client.post(f"/api/v1/alarms/{city.alarms['traffic']}/acknowledge").raise_for_status()
        got = next_alarm(coming)
    assert got["data"]["acknowledged_by"] == "all"
    assert got["data"]["transition"]["kind"] == "acknowledged"


def test_a_department_hears_of_its_own_alarms_only(city: City) -> None:
    with city.stream("water") as coming:
        next(coming)
        before = city.move("traffic")[0]
        (own,) = city.move("water")
        assert next_alarm(coming)["id"] == str(own)
    with city.stream("water", last=before - 1) as coming:
        assert next(coming)["data"]["replayed"] == 1
        assert next_alarm(coming)["id"] == str(own)


def test_a_reconnect_gets_what_it_missed_in_order_and_then_goes_on(city: City) -> None:
    with city.stream() as coming:
        next(coming)
        (last,) = city.move("water")
        assert next_alarm(coming)["id"] == str(last)
    missed = city.move("water", many=300)
    with city.stream(last=last) as coming:
        hello = next(coming)
        assert hello["data"]["replayed"] == 300
        assert hello["data"]["complete"] is True
        assert [next_alarm(coming)["id"] for _ in missed] == [str(each) for each in missed]
        (now,) = city.move("water")
        assert next_alarm(coming)["id"] == str(now)


def test_a_stream_that_broke_before_its_first_alarm_misses_none(city: City) -> None:
    with city.stream() as coming:
        last = next(coming)["id"]
    (missed,) = city.move("traffic")
    with city.stream(last=last) as coming:
        assert next_alarm(coming)["id"] == str(missed)


def test_a_commit_out_of_order_is_still_replayed(city: City) -> None:
    insert = """insert into alarm_transition (alarm_id, kind, from_level, to_level, at)
                values (%s, 'escalated', 2, 3, now()) returning id, pg_notify('cityhub_alarm', lastval()::text)"""
    with city.stream() as coming, psycopg.connect(city.database) as slow:
        next(coming)
        row = slow.execute(insert, (city.alarms["water"],)).fetchone()
        assert row is not None
        (later,) = city.move("water")
        assert later > row[0]
        assert next_alarm(coming)["id"] == str(later)
        slow.commit()
        assert next_alarm(coming)["id"] == str(row[0])
    with city.stream(last=later) as coming:
        assert next_alarm(coming)["id"] == str(row[0])


def test_too_much_missed_says_that_it_is_not_all(city: City) -> None:
    first = city.move("water", many=1200)[0]
    with city.stream(last=first) as coming:
        hello = next(coming)
    assert hello["data"]["complete"] is False
    assert hello["data"]["replayed"] == 1000


@pytest.mark.parametrize("last", ["", "x", "-1", "9" * 30, "999999999999999999", "1; drop table alarm"])
def test_a_last_event_id_that_is_none_is_passed_over(city: City, last: str) -> None:
    with city.stream(last=last) as coming:
        assert next(coming)["event"] == "hello"


def test_what_happens_while_the_feed_is_down_is_told_afterwards(city: City) -> None:
    with city.stream() as coming:
        next(coming)
        before = feed(city).reconnects
        with psycopg.connect(city.database, autocommit=True) as connection:
            connection.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and usename = current_user and pid <> pg_backend_pid()"""
            )
        (missed,) = city.move("water", told=False)
        assert next_alarm(coming)["id"] == str(missed)
        assert feed(city).reconnects > before
        (now,) = city.move("water")
        assert next_alarm(coming)["id"] == str(now)


def test_a_notice_that_names_nothing_stops_nothing(city: City) -> None:
    with city.stream() as coming:
        next(coming)
        with psycopg.connect(city.database, autocommit=True) as connection:
            for payload in ("", "x", "-5", "9" * 5000, "999999999999999999"):
                connection.execute("select pg_notify('cityhub_alarm', %s)", (payload,))
        (number,) = city.move("water")
        assert next_alarm(coming)["id"] == str(number)


def test_a_session_that_ends_takes_its_stream_along(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "HEARTBEAT_S", 0.3)
    with psycopg.connect(city.database, autocommit=True) as connection:
        with city.stream("water") as coming:
            while next(coming).get("comment") != "heartbeat":
                pass
            connection.execute(
                "update token set revoked_at = now() where account_id = (select id from account where name = 'water')"
            )
            assert all(each.get("event") != "alarm" for each in coming)
        connection.execute("update token set revoked_at = null")


def test_a_client_that_does_not_read_is_closed_and_the_others_go_on(
    city: City, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "SEND_S", 1.0)
    monkeypatch.setattr(subscriber, "WAITING", 5000)
    with city.stream() as quick, city.stream() as slow:
        next(quick)
        next(slow)
        assert len(feed(city).subscribers) == 2
        numbers = city.move("water", many=4000) + city.move("water", many=4000)
        got = [next_alarm(quick)["id"] for _ in numbers]
        assert got == [str(each) for each in numbers]
        deadline = time.monotonic() + 20
        while len(feed(city).subscribers) > 1 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert len(feed(city).subscribers) == 1


def test_what_a_replay_has_sent_is_not_sent_again() -> None:
    async def taken() -> bytes:
        client = subscriber.Subscriber(None, 1)
        client.seen.add(1)
        client.offer(1, b"one")
        client.offer(2, b"two")
        return await client.take(0)

    assert asyncio.run(taken()) == b"two"


def test_a_client_with_too_much_waiting_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriber, "WAITING", 2)

    async def closed(offered: int) -> bool:
        client = subscriber.Subscriber(None, 1)
        for number in range(offered):
            client.offer(number, b"")
        return client.closed

    assert not asyncio.run(closed(2))
    assert asyncio.run(closed(3))


def test_one_account_cannot_take_every_stream(city: City) -> None:
    with ExitStack() as open_streams:
        held = [open_streams.enter_context(city.stream("water")) for _ in range(32)]
        assert {next(each)["event"] for each in held} == {"hello"}
        with httpx.Client(
            base_url=city.url, headers={"Authorization": f"Bearer {city.tokens['water']}"}
        ) as client:
            assert client.get("/api/v1/stream").status_code == 503
        with city.stream() as coming:
            assert next(coming)["event"] == "hello"


def test_clients_that_leave_are_forgotten(city: City) -> None:
    with city.stream() as coming:
        next(coming)
    deadline = time.monotonic() + 5
    while feed(city).subscribers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not feed(city).subscribers
