"""A city for questions of place: an API over zones of many shapes, two departments and their people."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import numpy as np
import psycopg
import pytest
import shapely
from fix_services import Cluster
from numpy.typing import NDArray

from api import accounts
from api.app import build
from api.server import Server, bound
from geo.area import area_m2
from geo.table import keep
from geo.zones import Zone

WEST, SOUTH, SIDE = 120.6, 31.3, 0.1
"""The city: a square of a tenth of a degree."""


@dataclass
class Places:
    """A running API over the city; `zones` are as they were imported, by key."""

    url: str
    database: str
    passwords: dict[str, str]
    zones: dict[str, Zone]
    clients: dict[str, httpx.Client] = field(default_factory=dict)

    def signed_in(self, name: str = "olga") -> httpx.Client:
        if name not in self.clients:
            client = httpx.Client(base_url=self.url, timeout=60, headers={"Origin": self.url})
            said = {"name": name, "password": self.passwords[name]}
            assert client.post("/api/v1/session", json=said).status_code == 200
            self.clients[name] = client
        return self.clients[name]

    def ask(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.database, autocommit=True) as connection:
            cursor = connection.execute(query, values)
            return cursor.fetchall() if cursor.description else []

    def keep(self, *zones: Zone) -> None:
        kept(self.database, zones)

    def points(self, count: int, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lon, lat = np.random.default_rng(seed).uniform(-0.1, 1.1, (2, count)) * SIDE
        return lon + WEST, lat + SOUTH


def kept(database: str, zones: Iterable[Zone]) -> None:
    """Import zones."""
    with psycopg.connect(database) as connection, connection.cursor() as cursor:
        keep(cursor, [replace(zone, area_m2=area_m2(zone.geometry)) for zone in zones])


def drawn() -> dict[str, Zone]:
    """Districts, streets, communities and cells over each other, and a hundred stars with holes."""
    rng = np.random.default_rng(7)
    zones = []
    for kind, parts in (("district", 2), ("street", 4), ("community", 8), ("grid", 20)):
        step = SIDE / parts
        for across in range(parts):
            for up in range(parts):
                west, south = WEST + across * step, SOUTH + up * step
                ground = shapely.box(west, south, west + step, south + step)
                zones.append(Zone(f"{kind}-{across}-{up}", f"{kind} {across} {up}", kind, ground))
    for number in range(100):
        angle = np.sort(rng.uniform(0, 2 * np.pi, 24))
        ray = np.column_stack((np.cos(angle), np.sin(angle)))
        middle = np.array((WEST, SOUTH)) + rng.uniform(0, SIDE, 2)
        shell = shapely.Polygon(middle + ray * rng.uniform(0.004, 0.01, (24, 1)))
        star = shell.difference(shapely.Polygon(middle + ray * 0.002)).buffer(0)
        if isinstance(star, shapely.Polygon | shapely.MultiPolygon) and not star.is_empty:
            zones.append(Zone(f"star-{number}", f"Star {number}", "crowd", star))
    for number in (21, 22):  # of one department each
        view = shapely.box(WEST + 0.02, SOUTH + 0.02, WEST + 0.02 + number / 1000, SOUTH + 0.03)
        zones.append(Zone(f"view-{number}", "View", "camera-view", view, camera=f"thing-{number}"))
    return {zone.key: zone for zone in zones}


MINUTE = datetime.now(UTC).replace(second=0, microsecond=0) - timedelta(minutes=5)
"""A minute that is over, in which people were seen."""


def sow(connection: psycopg.Connection[Any]) -> None:
    """Four hundred devices, every second of them water's; twenty responders; fourteen people before a camera."""
    rng = np.random.default_rng(11)
    lon, lat = (rng.uniform(-0.05, 1.05, (2, 400)) * SIDE).tolist()
    connection.execute(
        "insert into profile (key, body, sha256) values ('lamp', '{}', ''), ('camera', '{}', '')"
    )
    connection.execute(
        """insert into device (key, name, department_id, profile, component, lon, lat)
           select 'thing-' || n, 'Thing', (select id from department where key = case n %% 2 when 0 then 'water' else 'police' end), case when n <= 20 then 'responder' when n <= 24 then 'camera' else 'lamp' end,
                  case when n %% 5 = 0 then lpad(n::text, 16, '0') end, %s + x, %s + y
           from unnest(%s::float8[], %s::float8[]) with ordinality as place (x, y, n)""",
        (WEST, SOUTH, lon, lat),
    )
    # A square of nine, one of four, and one of which one has left for the first square within the minute.
    connection.execute(
        """with seen as (
               insert into track (device_id, name, first_at, last_at)
               select (select id from device where key = 'thing-21'), '~' || lpad(n::text, 16, '0'), %(at)s, %(at)s + interval '50 s'
               from generate_series(1, 14) n returning id, right(name, 2)::integer as n)
           insert into fix select %(at)s + interval '10 s', id, %(west)s + case when n <= 9 then 0.0205 else 0.0405 end, %(south)s + 0.0205, 2, 0
           from seen union all
           select %(at)s + interval '50 s', id, %(west)s + 0.0205, %(south)s + 0.0205, 2, 0 from seen where n = 14""",
        {"at": MINUTE, "west": WEST, "south": SOUTH},
    )


@pytest.fixture(scope="session")
def places(cluster: Cluster) -> Iterator[Places]:
    """The city, its two departments and an operator of all and one of each."""
    private = cluster.fresh()
    zones = drawn()
    with psycopg.connect(private.url, autocommit=True) as connection:
        connection.execute(
            "insert into department (key, name) values ('water', 'Water'), ('police', 'Police')"
        )
        passwords = {
            name: accounts.create(connection, name, "operator", department)
            for name, department in (("olga", None), ("wang", "water"), ("pete", "police"))
        }
        sow(connection)
    kept(private.url, zones.values())
    listener = bound("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(build(private.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    assert ready.wait(20)
    made = Places(f"http://127.0.0.1:{listener.getsockname()[1]}", private.url, passwords, zones)
    with pytest.MonkeyPatch.context() as patient:
        patient.setattr(
            "api.survey.PATIENCE_S", 60.0
        )  # what is asked is the newest, however slow the machine
        yield made
    for client in made.clients.values():
        client.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    cluster.drop(private)


@pytest.fixture
def heard(places: Places) -> datetime:
    """Ten of the responders have told their places from a moment on, the last a minute ago: none stands where the registry has it."""
    begin = datetime.now(UTC) - timedelta(minutes=3)
    said = {"at": begin, "west": WEST, "south": SOUTH}
    with psycopg.connect(places.database) as connection:
        connection.execute("delete from fix where track_id in (select id from track where not anonymous)")
        connection.execute(
            """with told as (
                   insert into track (device_id, name, first_at, last_at) select id, key, %(at)s, %(at)s + interval '2 minutes'
                   from device where profile = 'responder' order by id limit 10
                   on conflict (device_id, name) do update set last_at = excluded.last_at returning id)
               insert into fix select %(at)s + s * interval '1 minute', id, %(west)s + 0.01 + s * 0.001, %(south)s + 0.03, 'NaN', 0
               from told, generate_series(0, 2) s""",
            said,
        )
    return begin
