"""A city for questions of place: an API over zones of many shapes, two departments and their people."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
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
            cursor = connection.execute(query, values)  # type: ignore[arg-type]  # SQL of the tests' own
            return cursor.fetchall() if cursor.description else []

    def keep(self, *zones: Zone) -> None:
        with psycopg.connect(self.database) as connection, connection.cursor() as cursor:
            keep(cursor, zones)

    def points(self, count: int, seed: int = 1) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        lon, lat = np.random.default_rng(seed).uniform(-0.1, 1.1, (2, count)) * SIDE
        return lon + WEST, lat + SOUTH


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
    return {zone.key: zone for zone in zones}


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
    listener = bound("127.0.0.1", 0)
    ready = threading.Event()
    server = Server(build(private.url), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, name="api")
    thread.start()
    assert ready.wait(20)
    made = Places(f"http://127.0.0.1:{listener.getsockname()[1]}", private.url, passwords, zones)
    made.keep(*zones.values())
    yield made
    for client in made.clients.values():
        client.close()
    server.should_exit = True
    thread.join(20)
    assert not thread.is_alive()
    cluster.drop(private)
