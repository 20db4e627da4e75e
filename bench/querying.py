"""The bench `query`: a day of one series out of many readings, and the newest of all series, as a user gets them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from random import Random
from statistics import median

import httpx
import numpy as np

from api import accounts
from bench.reader import Ask, Reader
from bench.rig import Say, rig
from bench.stored import DAY, City, fill

OPTIONS = ("rows",)
ROWS = 100_000_000
LEAST = 20


def run(seconds: float, runs: int, say: Say, rows: int = ROWS) -> dict[str, object]:
    """Measure; raises Mismatch when an answer is not what was stored."""
    found: dict[str, list[list[float]]] = {}
    with rig(say) as at:
        machine = at.described()
        city = City(rows)
        newest = fill(at, city)
        password = accounts.first_administrator(at.connection) or ""
        _, url = at.start_api()
        with httpx.Client(base_url=url, timeout=60) as client:
            client.post("/api/v1/session", json={"name": "admin", "password": password}).raise_for_status()
            reader = Reader(at, client, city, newest)
            for number in range(runs):
                say(f"run {number + 1} of {runs}: the database starts, with nothing of it in memory")
                at.cool()
                reader.greet()
                for name, took in measure(reader, Random(number), seconds, say):  # noqa: S311 -- the same days each time
                    found.setdefault(name, []).append(took)
        sizes = at.connection.execute("select pg_database_size(current_database())").fetchone() or (0,)
    p95 = {name: [percentile(took, 95) for took in each] for name, each in found.items()}
    return {
        "day_p95_ms": round(median(p95["day_first"]), 1),
        "latest_p95_ms": round(median(p95["latest"]), 1),
        **{
            f"{name}_p95_ms": round(median(each), 1)
            for name, each in p95.items()
            if name not in {"day_first", "latest"}
        },
        "rows": city.rows,
        "series": city.series,
        "stored_gb": round(sizes[0] / 2**30, 1),
        "answers_checked": sum(len(took) for each in found.values() for took in each),
        "machine": machine,
        "load": {
            "day": f"the {DAY:,} readings of a random series and day, no series twice, after a start of the database "
            "with its files dropped from the system's memory (day_p95_ms), and the same days again (day_again)",
            "latest": f"the newest of {city.series:,} series: /api/v1/latest/columns; beside it all pages of /api/v1/latest",
            "sql": "the same by bare SQL through psycopg, days of other series",
            "readings": f"a tenth of the series every minute, the others every 15 minutes, {city.minutes / DAY:.1f} days",
            "run_s": seconds,
        },
        "runs": {
            name: {"p50": [percentile(took, 50) for took in each], "p95": p95[name]}
            for name, each in found.items()
        },
    }


def measure(reader: Reader, random: Random, seconds: float, say: Say) -> Iterator[tuple[str, list[float]]]:
    """One run: each kind of question with the milliseconds that its answers took."""
    asks = reader.asks(random)
    say("days that nobody has asked for")
    first: dict[str, list[float]] = {"day_first": [], "day_sql_first": []}
    asked: dict[str, list[Ask]] = {"day_first": [], "day_sql_first": []}
    ways: dict[str, Callable[[Ask], float]] = {"day_first": reader.day, "day_sql_first": reader.day_by_sql}
    until = time.monotonic() + seconds
    # In turn, so that both find the same warmth.
    for number, ask in enumerate(asks):
        if number >= 2 * LEAST and time.monotonic() > until:
            break
        name = ("day_first", "day_sql_first")[number % 2]
        first[name].append(ways[name](ask))
        asked[name].append(ask)
    yield from first.items()
    say("the same days again")
    for name, days in asked.items():
        yield name.replace("first", "again"), [ways[name](ask) for ask in days]
    say("the newest of all series")
    for name, way in (("latest", reader.latest), ("latest_sql", reader.latest_by_sql)):
        took = repeated(way, seconds / 2)
        yield f"{name}_first", took[:1]
        yield name, took
    yield "latest_pages", [reader.latest_by_pages()]


def repeated(way: Callable[[], float], seconds: float) -> list[float]:
    """What each answer took, over this time."""
    until = time.monotonic() + seconds
    took: list[float] = []
    while time.monotonic() < until or len(took) < LEAST:
        took.append(way())
    return took


def percentile(took: list[float], percent: float) -> float:
    """Milliseconds within which so many of the answers came."""
    return round(float(np.percentile(took, percent)), 1)
